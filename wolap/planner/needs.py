"""What a query needs of whatever answers it: read once, for all candidates.

Most of it is the same each time a report is asked for, whatever its members and bounds, and is kept by the catalog.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any, NamedTuple, TypeVar

from wolap.model.aggregate import COUNTED, JOINT, Partial
from wolap.model.crossing import Calendar
from wolap.model.interval import Interval
from wolap.model.level import common_level
from wolap.model.projection import Catalog
from wolap.model.query import Query, interval_of
from wolap.model.schema import Schema

__all__ = ["Needs", "is_short", "needs_of", "remembered"]

Found = TypeVar("Found")


class Needs(NamedTuple):
    """A settled query, read once for all candidates. (A tuple, since it is made for each query: that takes a quarter of
    the time of a frozen dataclass with as many fields.)

    `asked` is the interval cut to where facts lie, `span`. The rest neither members nor bounds of the query change:
    `levels` are the time dimensions of the report and `level` the coarsest that nests in all of them; `dimensions` the
    others, `lists` those of them of which a fact has several members; `filtered` those with a predicate and `pinned`
    those of them that are left with one member; `partials` what the metrics are finished from, each once, `counted`
    those of them that are counted by their items, and `has_joint` whether some are joined to their groups in a second
    pass. `known` is where the planner keeps what it has worked out for such a report.
    """

    query: Query
    interval: Interval
    asked: Interval
    span: Interval
    strict: bool
    schema: Schema
    metrics: tuple[str, ...]
    partials: tuple[Partial, ...]
    counted: frozenset[Partial]
    has_joint: bool
    dimensions: frozenset[str]
    lists: frozenset[str]
    levels: frozenset[str]
    level: str | None
    filtered: frozenset[str]
    pinned: frozenset[str]
    known: dict[Hashable, Any]

    @property
    def calendar(self) -> Calendar | None:
        """How the groups of the report are cut by time; None where they are not."""
        return None if self.level is None else (self.level, self.schema.zone)


_NONE: frozenset[str] = frozenset()

# Reports that a catalog remembers, and the members that the filters of each may name, where they are part of what it is
# remembered by. Who asks for more different ones waits for each as for the first.
_MOST_REPORTS, _MOST_MEMBERS = 4096, 64


def needs_of(query: Query, catalog: Catalog, metrics: tuple[str, ...]) -> Needs:
    """The needs of a settled query for these metrics."""
    filtered = pinned = _NONE
    if query.filters:
        filtered = frozenset([predicate.dimension for predicate in query.filters])
        pinned = frozenset(_pinned(query))
    # What holds some facts only, or is too old, hangs on the members that are asked for, and on the age.
    members = query.filters if catalog.has_filters else None
    key = (query.path, query.include, metrics, filtered, pinned, members, query.fresh_since)
    report = catalog.reports.get(key)
    if report is None:
        report = _report(query, catalog.schema, metrics, filtered, pinned)
        if members is None or is_short(query):
            if len(catalog.reports) >= _MOST_REPORTS:
                catalog.reports.clear()
            catalog.reports[key] = report
    interval, span = interval_of(query), catalog.span
    return Needs(query, interval, interval.intersect(span), span, catalog.strict, *report)


def is_short(query: Query) -> bool:
    """Whether the members that the filters of a query name are few enough to remember something by them."""
    return sum([len(predicate.values) for predicate in query.filters]) <= _MOST_MEMBERS


def remembered(work: Callable[[Needs, Catalog], Found], needs: Needs, catalog: Catalog) -> Found:
    """What is worked out once for a report of a catalog: it may hang on nothing else that the needs say."""
    found: Found | None = needs.known.get(work)
    if found is None:
        found = needs.known[work] = work(needs, catalog)
    return found


def _report(
    query: Query, schema: Schema, metrics: tuple[str, ...], filtered: frozenset[str], pinned: frozenset[str]
) -> tuple[Any, ...]:
    """What all queries for a report have in common, as Needs has it."""
    group = frozenset(query.group)
    levels = group & schema.levels
    partials = tuple(dict.fromkeys(partial for name in metrics for partial in schema.partials(name)))
    counted = frozenset(partial for partial in partials if partial.function in COUNTED)
    known: dict[Hashable, Any] = {}
    joint = any(partial.function in JOINT for partial in partials)
    level = common_level(levels)
    dimensions = group - levels
    lists = dimensions & schema.multivalued
    return schema, metrics, partials, counted, joint, dimensions, lists, levels, level, filtered, pinned, known


def _pinned(query: Query) -> Iterator[str]:
    """The dimensions that the filters leave one member."""
    excluded = {predicate.dimension: predicate.values for predicate in query.filters if predicate.exclude}
    for predicate in query.filters:
        left = predicate.values - excluded.get(predicate.dimension, frozenset())
        if not predicate.exclude and len(left) == 1:
            yield predicate.dimension
