"""Reads a request target: text to Target to Location to Query (`wire.md` sections 1 to 3).

    /esm/v3/year/month.csv?platform=iOS&platform!=N/A&device&start=2024-07
    └─base─┘└──path──┘ext  └─filter───┘ └─exclude──┘ include └─reserved──┘

A target is decoded once: nothing after `split_target` knows of percent signs. Whether a key is a filter
hangs on what lies on the path and below it, so reading needs the schema and who asks; the clock is an
argument.

Whatever comes in, a QueryError is all that comes out, in time linear in the length of the text. An error
never holds what stands behind the words `access_token`, even where they were meant as something else (W54).
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import unquote_to_bytes

from wolap.errors import SHOWN_INPUT, NotAllowed, QueryError, UnknownResource, may_hold_credential, nearest, quote
from wolap.model.forest import Forest
from wolap.model.interval import Moment, instant_of, read_moment
from wolap.model.principal import Principal
from wolap.model.query import Filter, Query, check_interval, conjunction, no_bound, not_filterable, settle_filter
from wolap.model.schema import RESERVED, Schema
from wolap.model.span import default_start
from wolap.model.tree import Path, path_text
from wolap.model.zone import SECOND

__all__ = ["Location", "Target", "default_interval", "locate", "read_format", "read_query", "split_target"]

_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?]*", re.ASCII)
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DIGITS = re.compile("[0-9]+")
_LONGEST_KEPT, _MOST_KEPT = 40, 4096


@dataclass(frozen=True, slots=True)
class Target:
    """A decoded target: the steps of its path, and key and value of each parameter, None for a bare key.

    `keys` are the reserved ones: a cube may have declared more (W70, W71). `named` are the parameters with other keys;
    `reserved` holds the values of those, without the empty ones, which are as if absent (W15).
    """

    segments: tuple[str, ...]
    parameters: tuple[tuple[str, str | None], ...]
    keys: frozenset[str] = RESERVED
    named: list[tuple[str, str | None]] = field(init=False, repr=False, compare=False)
    reserved: dict[str, list[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        named: list[tuple[str, str | None]] = []
        reserved: dict[str, list[str]] = {}
        for key, value in self.parameters:
            if key not in self.keys:
                named.append((key, value))
            elif value:
                reserved.setdefault(key, []).append(value)
        object.__setattr__(self, "named", named)
        object.__setattr__(self, "reserved", reserved)


@dataclass(frozen=True, slots=True)
class Location:
    """Where in a cube a target points: the steps below the base, and the extension of the last one."""

    path: Path
    extension: str | None


def split_target(text: str) -> Target:
    """Takes a target apart and decodes it (W5, W10).

    Raises UnknownResource for a path and QueryError for a query string that cannot be decoded.
    """
    whole = text.partition("#")[0]
    if not whole.startswith("/") and (origin := _ORIGIN.match(whole)):
        whole = whole[origin.end() :]
    path, _, query_string = whole.partition("?")
    # Most targets hold nothing that is encoded, and then nothing that could be wrong.
    plain = whole.isascii() and "%" not in whole
    segments = _read_segments(path, plain)
    return Target(segments, _read_parameters(query_string, plain) if query_string else ())


def _read_segments(text: str, plain: bool) -> tuple[str, ...]:
    segments = text.removeprefix("/").split("/")
    if not plain:
        try:
            segments = [_decode(segment) for segment in segments]
        except ValueError as error:
            raise UnknownResource(f"the path cannot be read: {quote(text)} {_reason(error)}") from None
    if not segments[-1]:
        segments.pop()
    return tuple(segments)


def _read_parameters(text: str, plain: bool) -> tuple[tuple[str, str | None], ...]:
    found: list[tuple[str, str | None]] = []
    for piece in text.replace("+", " ").split("&"):
        if piece:
            key, equals, value = piece.partition("=")
            if not plain:
                try:
                    key, value = _decode(key), _decode(value)
                except ValueError as error:
                    raise QueryError(f"the query string cannot be read: {quote(piece)} {_reason(error)}") from None
            found.append((key, value if equals else None))
    return tuple(found)


def _decode(text: str) -> str:
    """The text that a piece of a target stands for. Raises ValueError, with a reason for people, if it is none."""
    if "%" not in text:
        if not text.isascii():
            text.encode("utf-8")
        return text
    if _BROKEN_ESCAPE.search(text):
        raise ValueError("has a % that begins no escape; a % stands for itself as %25")
    return unquote_to_bytes(text).decode("utf-8")


def _reason(error: ValueError) -> str:
    return "is not UTF-8" if isinstance(error, UnicodeError) else str(error)


def locate(target: Target, schema: Schema) -> Location | None:
    """The place in the cube, or None where the target is not under its base or an alias (W1, W40)."""
    segments = target.segments
    for base in schema.mounts:
        head, rest = segments[: len(base)], segments[len(base) :]
        if head == base:
            if not rest or "." not in rest[-1]:
                return Location(rest, None)
            last, extension = _cut_extension(rest[-1], schema.places)
            return Location((*rest[:-1], last), extension)
        if not rest and head[:-1] == base[:-1] and len(head) == len(base):
            last, extension = _cut_extension(head[-1], base[-1:])
            if last == base[-1]:
                return Location((), extension)
    return None


def _cut_extension(segment: str, names: Container[str]) -> tuple[str, str | None]:
    """A name and what follows its last dot, or the segment whole where that leaves no known name."""
    name, _, extension = segment.rpartition(".")
    return (name, extension) if segment not in names and name in names and extension else (segment, None)


def read_format(target: Target) -> str | None:
    """The value of `format`, whatever it is; None where it is absent or empty (W15, W23)."""
    return _only(target, "format")


def read_query(target: Target, location: Location, schema: Schema, principal: Principal, now: datetime) -> Query:
    """The settled Query that a target asks at this moment. The caller's implied filters are not in it.

    Whatever `settle` would check is checked here, against what there is on the path, so that it is settled as it is.
    Raises NotAllowed for the root where the caller has no tree, UnknownResource for a path that they have not,
    QueryError for all else that is wrong.
    """
    forest = schema.forest(principal.audience)
    if not location.path and not forest.trees:
        raise NotAllowed("nothing of this cube is for you: each of its trees belongs to an audience, and none to yours")
    if location.path not in forest:
        raise _no_report(location.path, forest)
    if [key for key, _ in target.parameters].count("access_token") > 1:
        raise QueryError("access_token is given more than once; give it once")
    read_format(target)
    if schema.extensions:
        target = replace(target, keys=schema.reserved)
    filters, include = _read_dimensions(target, location.path, forest, schema, principal)
    start, end = _read_interval(target, schema.levels.intersection((*location.path, *include)), schema, now)
    return Query(
        location.path,
        include=include,
        filters=filters,
        start=start,
        end=end,
        metrics=_read_metrics(target, location.path, forest, schema),
        limit=_read_limit(target, schema),
        order=_read_order(target) if schema.extensions else (),
        offset=_read_offset(target) if schema.extensions else 0,
    )


def _only(target: Target, name: str) -> str | None:
    """The one value of a reserved key; an empty one is as if absent (W15)."""
    values = target.reserved.get(name)
    if not values:
        return None
    if len(values) > 1:
        raise QueryError(f"{name} is given {len(values)} times; give it once")
    return values[0]


def _no_report(path: Path, forest: Forest) -> UnknownResource:
    known = 0
    while path[: known + 1] in forest:
        known += 1
    step = path[known]
    steps = [child[-1] for child in forest.children(path[:known])]
    above = quote(path_text(path[:known])) if known else "the root"
    possible = f"below {above} there are {nearest(step, steps)}, but not" if steps else f"nothing is below {above}, not"
    half = SHOWN_INPUT // 2
    return UnknownResource(f"there is no report {quote(path_text(path), half)}: {possible} {quote(step, half)}")


def _read_dimensions(
    target: Target, path: Path, forest: Forest, schema: Schema, principal: Principal
) -> tuple[tuple[Filter, ...], tuple[str, ...]]:
    """The filters and the included dimensions (W10 to W14)."""
    if not target.named:
        return (), ()
    groupable = filterable = forest.groupable(path)
    if principal.filters:
        filterable = groupable.union(predicate.dimension for predicate in principal.filters)
    include: dict[str, None] = {}
    members: dict[tuple[str, bool], list[str]] = {}
    for key, value in target.named:
        name = key.removesuffix("!")
        if name not in filterable:
            raise _impossible(key, path, filterable, schema)
        if value:
            if may_hold_credential(value):
                said = f"a value of {quote(key)} holds another parameter"
                raise QueryError(f"{said}: access_token is a parameter of its own; separate parameters by &")
            if name in schema.levels:
                raise not_filterable(name)
            members.setdefault((name, name != key), []).append(value)
        elif name != key:
            said = f"{quote(key)} needs a value, as in {key}=…; " if name not in schema.levels else ""
            raise QueryError(f"{said}{quote(name)} alone includes it")
        elif name not in groupable:
            possible = nearest(name, _in_order(groupable, schema))
            raise QueryError(f"{quote(name)} can only be filtered here, not included; what can: {possible}")
        else:
            include[name] = None
    filters = [
        settle_filter(Filter(name, frozenset(values), exclude), schema) for (name, exclude), values in members.items()
    ]
    return conjunction(filters), tuple(include)


def _in_order(names: Container[str], schema: Schema) -> list[str]:
    return [name for name in schema.names if name in names]


def _impossible(key: str, path: Path, filterable: Container[str], schema: Schema) -> QueryError:
    possible = nearest(key, (*_in_order(filterable, schema), *sorted(schema.reserved)))
    report = f"the report {quote(path_text(path))}" if path else "the root"
    return QueryError(f"{quote(key)} is no key for {report}; possible are {possible}")


def _read_interval(
    target: Target, levels: frozenset[str], schema: Schema, now: datetime
) -> tuple[Moment | None, Moment | None]:
    """The interval of a report with these time dimensions (W15 to W18)."""
    start, end = _read_instant(target, "start", schema), _read_instant(target, "end", schema)
    if levels:
        if end is None:
            end = instant_of(now, schema.zone) // SECOND * SECOND
        if start is None:
            start = default_start(levels, end, schema.zone, schema.time.default_spans if schema.time else {})
    if start is not None and end is not None:
        check_interval(start, end, schema)
    if not levels and not (schema.time and schema.time.everywhere):
        return None, None
    return None if start is None else Moment.at(start), None if end is None else Moment.at(end)


def default_interval(levels: frozenset[str], schema: Schema, now: datetime) -> tuple[Moment | None, Moment | None]:
    """The interval of a report with these time dimensions where none is said (W17)."""
    return _read_interval(Target((), ()), levels, schema, now)


def _read_instant(target: Target, name: str, schema: Schema) -> int | None:
    text = _only(target, name)
    if text is None:
        return None
    known = schema.instants.get(text)
    if known is None:
        try:
            known = read_moment(text).instant(schema.zone)
        except ValueError as error:
            raise no_bound(name, text, error) from None
        # One dashboard names the same dates in all of its requests. What is longer is no date that people write.
        if len(text) <= _LONGEST_KEPT:
            if len(schema.instants) >= _MOST_KEPT:
                schema.instants.clear()
            schema.instants[text] = known
    return known


def _read_metrics(target: Target, path: Path, forest: Forest, schema: Schema) -> list[str] | None:
    """The metrics that were named, in that order (W20); None where none was. All of them exist."""
    values = target.reserved.get("metrics")
    if not values:
        return None
    named = ",".join(values).split(",")
    offered = forest.named_metrics(path)
    for name in named:
        if name not in schema.metrics or (offered is not None and name not in offered):
            raise _no_metric(name, path, forest, schema)
    return named


def _no_metric(name: str, path: Path, forest: Forest, schema: Schema) -> QueryError:
    here = f"this report has {nearest(name, forest.metrics(path, schema.metrics))}"
    trees = [tree.name for tree in forest.trees if tree.metrics is None or name in tree.metrics]
    if name not in schema.metrics or not trees:
        return QueryError(f"there is no metric {quote(name)}; {here}")
    return QueryError(f"the metric {quote(name)} is not offered here but in the tree {nearest('', trees)}; {here}")


def _read_limit(target: Target, schema: Schema) -> int:
    """The number of records, cut to what the server allows (W22)."""
    text = _only(target, "limit")
    if text is None:
        return min(schema.default_limit, schema.maximum_limit)
    digits = text.lstrip("0")
    if not _DIGITS.fullmatch(text) or not digits:
        possible = f"give a whole number from 1 to {schema.maximum_limit}"
        raise QueryError(f"limit {quote(text)} is no number of records; {possible}")
    if len(digits) > len(str(schema.maximum_limit)):
        return schema.maximum_limit
    return min(int(digits), schema.maximum_limit)


def _read_order(target: Target) -> list[str]:
    """What to order by (W70): names joined by commas, or several parameters; whether they are shown is seen later."""
    names = [name for value in target.reserved.get("sort", ()) for name in value.split(",")]
    if any(not name.removeprefix("-") for name in names):
        raise QueryError(f"sort {quote(','.join(names))} holds an empty name; give names, as in sort=-clients,mvpd")
    return names


def _read_offset(target: Target) -> int:
    """The number of records to skip (W71)."""
    text = _only(target, "offset")
    if text is None:
        return 0
    if not _DIGITS.fullmatch(text):
        raise QueryError(f"offset {quote(text)} is no number of records; give a whole number from 0")
    # Nothing has that many records, and Python would read the digits for long.
    digits = text.lstrip("0")
    return int(digits or "0") if len(digits) <= 18 else 10**18
