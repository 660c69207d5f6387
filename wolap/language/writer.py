"""Writes a request target: the mirror of reader.py, used for every link (W47, W48).

A settled query has one text. Filters come first, in the order of the path, the included dimensions, the
schema; then what is included, as bare keys; then `start`, `end`, `limit` and `metrics`. What stands in the
text is what was used: reading it back gives the same query, at any later time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from urllib.parse import quote

from wolap.model.interval import moment_text
from wolap.model.member import Member, member_text
from wolap.model.query import Filter, Query
from wolap.model.schema import Dimension, Schema
from wolap.model.zone import Zone

__all__ = ["filter_texts", "write_filter", "write_member", "write_moment", "write_path", "write_query"]

# Besides letters, digits and _ . - ~ these need no escape: N/A, 10:05:00 and (empty) stay readable.
_PLAIN = ":/,()"


# Names and members come again in link after link.
_escape = lru_cache(maxsize=8192)(quote)


def write_path(path: Sequence[str], schema: Schema) -> str:
    """The address of a report without a query string."""
    return schema.base + _steps(tuple(path))


@lru_cache(maxsize=8192)
def _steps(path: tuple[str, ...]) -> str:
    return "".join([f"/{_escape(step, safe='')}" for step in path])


def write_query(query: Query, schema: Schema) -> str:
    """The target of a settled query with everything that was used, said or implied (W47)."""
    parameters = list(_filter_parameters(query, schema)) if query.filters else []
    if query.include:
        parameters += [_escape(name) for name in query.include]
    for name, moment in (("start", query.start), ("end", query.end)):
        if moment is not None:
            parameters.append(f"{name}={write_moment(moment.instant(schema.zone), schema.zone)}")
    if query.limit is not None:
        parameters.append(f"limit={query.limit}")
    if query.offset:
        parameters.append(f"offset={query.offset}")
    if query.order:
        parameters.append(f"sort={','.join(_escape(str(one)) for one in query.order)}")
    if query.metrics:
        parameters.append(_metrics(query.metrics))
    path = write_path(query.path, schema)
    return f"{path}?{'&'.join(parameters)}" if parameters else path


@lru_cache(maxsize=1024)
def _metrics(names: tuple[str, ...]) -> str:
    return "&".join([f"metrics={_escape(name)}" for name in names])


def _filter_parameters(query: Query, schema: Schema) -> Iterable[str]:
    """`d=v` and `d!=v` for each member, sorted by place of the dimension, then `=` first, then by text."""
    for predicate in _in_order(query, schema):
        sign = "!=" if predicate.exclude else "="
        for text in _member_texts(predicate, schema):
            yield f"{_escape(predicate.dimension)}{sign}{_escape(text, safe=_PLAIN)}"


def write_filter(dimension: str, text: str) -> str:
    """`d=v` for one member."""
    return f"{_escape(dimension)}={_escape(text, safe=_PLAIN)}"


@lru_cache(maxsize=4096)
def write_moment(instant: int, zone: Zone) -> str:
    """An instant as the value of `start` or `end`."""
    return moment_text(instant, zone).replace("+", "%2B")


def filter_texts(query: Query, schema: Schema) -> list[str]:
    """The members that the filters of a query name, as they are written in a link and in that order."""
    return [text for predicate in _in_order(query, schema) for text in _member_texts(predicate, schema)]


def _member_texts(predicate: Filter, schema: Schema) -> list[str]:
    """The members of a predicate as they are written, sorted."""
    dimension = schema.dimension(predicate.dimension)
    return sorted(write_member(value, dimension) for value in predicate.values)


def _in_order(query: Query, schema: Schema) -> Iterable[Filter]:
    if not query.filters:
        return ()
    if len(query.filters) == 1:
        return query.filters
    group, places = query.group, schema.places

    def rank(predicate: Filter) -> tuple[bool, int, bool]:
        name = predicate.dimension
        return name not in group, group.index(name) if name in group else places[name], predicate.exclude

    return sorted(query.filters, key=rank)


def write_member(value: Member, dimension: Dimension) -> str:
    """How a member is named in a filter: null and the empty string by their labels (W30)."""
    if value is None:
        return dimension.null
    return member_text(dimension.kind, value) or dimension.empty
