"""Projections as the planner sees them: what is stored, how fine, how much of it; never the data.

The facts are a projection too, the finest: their level is `instant`, their dimensions are all, and they keep what every
partial is computed from, so each partial can be merged from them. Any other may follow the clock of a zone of its own,
and may hold only the facts that pass some filters. A Catalog is everything that a plan depends on, frozen: the same
catalog and query give the same plan.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from math import prod
from typing import Any

from wolap.errors import Problem, SchemaError, nearest, quote
from wolap.model.aggregate import SETS, Partial
from wolap.model.crossing import Calendar
from wolap.model.filter import Filter, Values, declared_filters, filter_problems, implies, members_left
from wolap.model.interval import EVERYTHING, Interval
from wolap.model.level import INSTANT, common_level
from wolap.model.member import Member
from wolap.model.principal import Caps
from wolap.model.query import conjunction, settle_filter
from wolap.model.schema import Schema
from wolap.model.span import Span
from wolap.model.tree import path_text, read_path
from wolap.model.zone import Zone

__all__ = [
    "FACTS",
    "Backlog",
    "Catalog",
    "Projection",
    "Shares",
    "Statistics",
    "declare_facts",
    "declare_projection",
    "schedule_of",
    "stored_of",
]

FACTS = "facts"
NO_CAPS = Caps()
# A name is shown in a header of HTTP.
_NAME = re.compile(r"[A-Za-z0-9_./-]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What has happened to the facts since a projection was refreshed: the `stretches` of time in which some came or
    went, and the `span` of all facts before that."""

    stretches: tuple[Interval, ...]
    span: Interval


@dataclass(frozen=True, slots=True)
class Statistics:
    """What was measured when a projection was built.

    `backlog` tells what has changed since; None where it is up to date.

    `starts` holds an instant of each partition in rising order and `rows_before` the rows before each, and last all
    rows; without time there is one partition. `coverage` is the time whose facts it holds. `items` are those of the
    stored collections, of all rows together. Of facts `members_before` counts the members in place of the rows, for
    each multi-valued dimension, and `longest` is how many one of them has at most.

    Where rows lie in runs that are added up (`engine/zones.py`), `runs` counts those of each depth of `order`, the
    leading dimensions, as far as they are worth it; those of depth 0 are buckets of the level `partition`.
    """

    rows_before: Sequence[int]
    starts: Sequence[int] = (EVERYTHING.start,)
    bytes: int = 0
    coverage: Interval = EVERYTHING
    refreshed: datetime | None = None
    items: Mapping[Partial, int] = field(default_factory=dict)
    members_before: Mapping[str, Sequence[int]] = field(default_factory=dict)
    longest: Mapping[str, int] = field(default_factory=dict)
    partition: str | None = None
    order: tuple[str, ...] = ()
    runs: tuple[int, ...] = ()
    backlog: Backlog | None = None

    @property
    def rows(self) -> int:
        """All rows."""
        return self.rows_before[-1]

    def exploded(self, lists: Collection[str]) -> Statistics:
        """The same of facts that are taken once for each combination of their members in these dimensions: of one what
        was counted, of several no less than there are."""
        least = min(lists, key=lambda name: (self.members_before.get(name, self.rows_before)[-1], name))
        others = prod(self.longest.get(name, 1) for name in lists if name != least)
        before = self.members_before.get(least, self.rows_before)
        return replace(self, rows_before=tuple(members * others for members in before))

    def rows_in(self, interval: Interval) -> int:
        """Rows of the partitions that an interval touches: never fewer than it holds."""
        return max(self.rows_begun(interval.end) - self.rows_ended(interval.start), 0)

    def rows_begun(self, instant: int) -> int:
        """Rows of the partitions that begin before an instant."""
        return self.rows_before[bisect_left(self.starts, instant)]

    def rows_ended(self, instant: int) -> int:
        """Rows of the partitions before the one that an instant lies in."""
        return self.rows_before[max(bisect_right(self.starts, instant) - 1, 0)]


@dataclass(frozen=True, slots=True)
class Projection:
    """A pre-aggregation: declared, and built where it has statistics.

    `dimensions` are those besides time, in the order in which rows are sorted; `closure` adds what they determine.
    `level` is that of its time buckets, None where it holds no time; they follow the clock of `zone`. `partials` are
    stored; `mergeable` are those of them that may be merged over rows, the others are right in their own row only.
    `merging` are the metrics that need no others. Only the facts that pass `filters` are in it. Of its dimensions
    those are `multivalued` of whose members each fact has a row of its own; of the facts themselves none is. `every` is
    how often it is refreshed, where it says so itself; see `schedule_of`.
    """

    name: str
    dimensions: tuple[str, ...]
    closure: frozenset[str]
    level: str | None
    metrics: tuple[str, ...]
    partials: frozenset[Partial]
    mergeable: frozenset[Partial]
    merging: frozenset[str]
    zone: Zone
    filters: tuple[Filter, ...] = ()
    statistics: Statistics | None = None
    multivalued: frozenset[str] = frozenset()
    every: Span | None = None

    @property
    def is_facts(self) -> bool:
        """Whether this is the projection that all others are made from."""
        return self.name == FACTS

    @property
    def calendar(self) -> Calendar | None:
        """How its rows are cut by time; None where it holds no time."""
        return None if self.level is None else (self.level, self.zone)

    def lacking(self, filters: tuple[Filter, ...]) -> tuple[Filter, ...]:
        """Those of its own filters that these, which are settled, do not imply: facts may pass these and not be in
        it."""
        return tuple(own for own in self.filters if not implies(filters, own))

    def unanswered(self, filters: Iterable[Filter]) -> tuple[Filter, ...]:
        """Those of these filters that its rows can not be held against. Of a dimension that it does not know only what
        its own filters imply is known to hold, and of all rows."""
        return tuple(one for one in filters if one.dimension not in self.closure and not implies(self.filters, one))


@dataclass(frozen=True, slots=True)
class Shares:
    """How the facts fall on the members of a dimension: which share of them the most frequent have, and what any other
    has, on the average and at most. A fact has `mean_length` members, on the average."""

    members: Mapping[Member, float]
    mean_of_others: float = 0.0
    most_of_others: float = 0.0
    mean_length: float = 1.0


@dataclass(frozen=True)
class Catalog:
    """All that a plan hangs on: the declarations, what is built, how large it is, what a query may cost.

    `projections` holds the facts last. `span` are the instants that the facts lie in; `members` the number of members
    of each dimension and `shares` how the facts fall on them. `strict` makes every plan on facts an error (rule 18).
    """

    schema: Schema
    projections: tuple[Projection, ...]
    span: Interval = EVERYTHING
    members: Mapping[str, int] = field(default_factory=dict)
    strict: bool = False
    caps: Caps = NO_CAPS
    version: int = 0
    shares: Mapping[str, Shares] = field(default_factory=dict)

    @cached_property
    def current(self) -> Catalog:
        """The same with nothing built but what is up to date."""
        projections = [
            one if one.statistics is None or one.statistics.backlog is None else replace(one, statistics=None)
            for one in self.projections
        ]
        return replace(self, projections=tuple(projections))

    @cached_property
    def calendars(self) -> tuple[Calendar, ...]:
        """How the buckets that are stored are cut, facts aside, each once."""
        built = [one.calendar for one in self.projections if one.statistics is not None and not one.is_facts]
        return tuple(dict.fromkeys(calendar for calendar in built if calendar is not None))

    @cached_property
    def coverages(self) -> tuple[Interval, ...]:
        """The stretches of time that projections hold, each once."""
        return tuple(dict.fromkeys(one.statistics.coverage for one in self.projections if one.statistics is not None))

    @cached_property
    def has_filters(self) -> bool:
        """Whether some projection holds some of the facts only."""
        return any(one.filters for one in self.projections)

    @cached_property
    def places(self) -> dict[str, int]:
        """Where each projection stands among all."""
        return {one.name: place for place, one in enumerate(self.projections)}

    @cached_property
    def reports(self) -> dict[Hashable, tuple[Any, ...]]:
        """What the planner has worked out of the reports that were asked for: it keeps it with what it hangs on."""
        return {}

    @cached_property
    def plans(self) -> dict[Hashable, Any]:
        """The plans that it has made last, by all that they hang on besides itself."""
        return {}

    @cached_property
    def offers(self) -> dict[Hashable, Any]:
        """Which reports lead to an answer, for each caller to whom somebody wanted to offer them (W48)."""
        return {}

    @cached_property
    def known(self) -> dict[Hashable, Any]:
        """What whoever shows answers has worked out of its declarations."""
        return {}


def declare_facts(schema: Schema, statistics: Statistics | None = None) -> Projection:
    """The facts of a schema as its finest projection."""
    dimensions = tuple(dimension.name for dimension in schema.dimensions)
    partials = frozenset(partial for name in schema.metrics for partial in schema.partials(name))
    level = INSTANT if schema.time else None
    metrics = tuple(schema.metrics)
    names = frozenset(dimensions)
    return Projection(
        FACTS,
        dimensions,
        names,
        level,
        metrics,
        partials,
        partials,
        frozenset(metrics),
        schema.zone,
        statistics=statistics,
    )


def declare_projection(
    schema: Schema,
    dimensions: str | Sequence[str],
    *,
    name: str | None = None,
    metrics: Iterable[str] | None = None,
    zone: str | None = None,
    where: Mapping[str, Values] | None = None,
    where_not: Mapping[str, Values] | None = None,
    every: str | Span | None = None,
) -> Projection:
    """A projection that is yet to be built, over dimensions in the order that its rows are to be sorted by.

    Its time dimensions say how fine its buckets are: the coarsest level that nests in them all, on the clock of `zone`,
    which is the cube's unless said. It stores all metrics unless some are named, and all facts unless `where` and
    `where_not` say whose members are kept or dropped. `every` is how often it is refreshed, such as "3 hours"; see
    `schedule_of`. Raises SchemaError for names that do not exist, a zone or a span that is none, and filters that leave
    no member.
    """
    steps = read_path(dimensions) if isinstance(dimensions, str) else tuple(dimensions)
    chosen = tuple(schema.metrics) if metrics is None else tuple(dict.fromkeys(metrics))
    own = name or path_text(steps) or "totals"
    place = f"projections.{own[:200]}"
    problems = [
        Problem(place, f"{quote(step)} is no dimension", f"dimensions are {nearest(step, schema.names)}")
        for step in steps
        if step not in schema.names
    ]
    problems += [
        Problem(place, f"{quote(metric)} is no metric", f"metrics are {nearest(metric, schema.metrics)}")
        for metric in chosen
        if metric not in schema.metrics
    ]
    if len(set(steps)) < len(steps):
        problems.append(Problem(place, "a dimension is named twice"))
    if not _NAME.fullmatch(own):
        problems.append(Problem(place, f"{quote(own)} is no name", "up to 200 letters, digits and . _ / - of ASCII"))
    if own == FACTS:
        problems.append(Problem(place, "is the name of the facts", "another name"))
    level = common_level(step for step in steps if step in schema.levels)
    problems += _zone_problems(place, zone, level)
    span = every if isinstance(every, Span) else None
    if isinstance(every, str):
        try:
            span = Span.parse(every)
        except ValueError as error:
            problems.append(Problem(f"{place}.every", f"{quote(every)} is {error}"))
    filters = declared_filters(where, where_not)
    problems += filter_problems(place, filters, schema.names, schema.levels, "a projection")
    problems += [
        Problem(
            f"{place}.{'where_not' if one.exclude else 'where'}",
            f"a fact has several members of {one.dimension}, which is no filter of a projection",
            f"store {one.dimension} in it, and filter the query",
        )
        for one in filters
        if one.dimension in schema.multivalued
    ]
    if problems:
        raise SchemaError(problems)
    settled = conjunction([settle_filter(one, schema) for one in filters])
    for step in {one.dimension: None for one in settled}:
        if members_left(settled, step) == (frozenset(), False):
            raise SchemaError([Problem(place, f"its filters leave no member of {step}", "other members, or no filter")])
    plain = tuple(step for step in steps if step not in schema.levels)
    return Projection(
        own,
        plain,
        schema.closure(plain),
        level,
        chosen,
        *stored_of(schema, chosen),
        schema.zone if zone is None else Zone(zone),
        settled,
        multivalued=schema.multivalued.intersection(plain),
        every=span,
    )


def schedule_of(schema: Schema, projection: Projection) -> tuple[Span, ...]:
    """How often a projection is refreshed at most: as it says itself or else the time of the cube for its level, and as
    each metric says that goes into it. It is due when all of them are over; at once where nothing is said."""
    own = projection.every
    if own is None and schema.time is not None and projection.level is not None:
        own = schema.time.refresh.get(projection.level)
    names = set(projection.metrics)
    while more := {operand for name in names for operand in schema.metrics[name].operands} - names:
        names |= more
    spans = [own, *(metric.every for name, metric in schema.metrics.items() if name in names)]
    return tuple(dict.fromkeys(one for one in spans if one is not None))


def stored_of(schema: Schema, metrics: Iterable[str]) -> tuple[frozenset[Partial], frozenset[Partial], frozenset[str]]:
    """The partials that some metrics are stored as, those of them that merge, and the metrics that need no others."""
    partials = frozenset(partial for metric in metrics for partial in schema.partials(metric))
    mergeable = frozenset(partial for partial in partials if partial.function not in SETS)
    merging = frozenset(name for name in schema.metrics if mergeable.issuperset(schema.partials(name)))
    return partials, mergeable, merging


def _zone_problems(place: str, zone: str | None, level: str | None) -> Iterable[Problem]:
    if zone is None:
        return
    if level is None:
        yield Problem(f"{place}.zone", "it holds no time, which a zone could be of", "a level of time, or no zone")
    try:
        Zone(zone)
    except ValueError as error:
        yield Problem(f"{place}.zone", f"{quote(zone)} is {error}")
