"""Projections as the planner sees them: what is stored, how fine, how much of it; never the data.

The facts are a projection too, the finest: their level is `instant`, their dimensions are all, and they keep what every
partial is computed from, so each partial can be merged from them. A Catalog is everything that a plan depends on,
frozen: the same catalog and query give the same plan.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from wolap.errors import Problem, SchemaError, nearest, quote
from wolap.model.aggregate import SETS, Partial
from wolap.model.interval import EVERYTHING, Interval
from wolap.model.level import INSTANT, common_level
from wolap.model.principal import Caps
from wolap.model.schema import Schema
from wolap.model.tree import path_text, read_path

__all__ = ["FACTS", "Catalog", "Projection", "Statistics", "declare_facts", "declare_projection"]

FACTS = "facts"
NO_CAPS = Caps()
# A name is shown in a header of HTTP.
_NAME = re.compile(r"[A-Za-z0-9_./-]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Statistics:
    """What was measured when a projection was built.

    `starts` holds an instant of each partition in rising order and `rows_before` the rows before each, and last all
    rows; without time there is one partition. `coverage` is the time whose facts it holds. `items` are those of the
    stored collections, of all rows together.
    """

    rows_before: tuple[int, ...]
    starts: tuple[int, ...] = (EVERYTHING.start,)
    bytes: int = 0
    coverage: Interval = EVERYTHING
    refreshed: datetime | None = None
    items: Mapping[Partial, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """All rows."""
        return self.rows_before[-1]

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
    `level` is that of its time buckets, None where it holds no time. `partials` are stored; `mergeable` are those of
    them that may be merged over rows, the others are right in their own row only. `merging` are the metrics that need
    no others.
    """

    name: str
    dimensions: tuple[str, ...]
    closure: frozenset[str]
    level: str | None
    metrics: tuple[str, ...]
    partials: frozenset[Partial]
    mergeable: frozenset[Partial]
    merging: frozenset[str]
    statistics: Statistics | None = None

    @property
    def is_facts(self) -> bool:
        """Whether this is the projection that all others are made from."""
        return self.name == FACTS


@dataclass(frozen=True)
class Catalog:
    """All that a plan hangs on: the declarations, what is built, how large it is, what a query may cost.

    `projections` holds the facts last. `span` are the instants that the facts lie in; `members` the number of members
    of each dimension. `strict` makes every plan on facts an error (rule 18).
    """

    schema: Schema
    projections: tuple[Projection, ...]
    span: Interval = EVERYTHING
    members: Mapping[str, int] = field(default_factory=dict)
    strict: bool = False
    caps: Caps = NO_CAPS
    version: int = 0

    @cached_property
    def levels(self) -> tuple[str, ...]:
        """The levels of the buckets that are stored, facts aside."""
        built = (one for one in self.projections if one.statistics is not None and not one.is_facts)
        return tuple(dict.fromkeys(one.level for one in built if one.level is not None))

    @cached_property
    def coverages(self) -> tuple[Interval, ...]:
        """The stretches of time that projections hold, each once."""
        return tuple(dict.fromkeys(one.statistics.coverage for one in self.projections if one.statistics is not None))


def declare_facts(schema: Schema, statistics: Statistics | None = None) -> Projection:
    """The facts of a schema as its finest projection."""
    dimensions = tuple(dimension.name for dimension in schema.dimensions)
    partials = frozenset(partial for name in schema.metrics for partial in schema.partials(name))
    level = INSTANT if schema.time else None
    metrics = tuple(schema.metrics)
    names = frozenset(dimensions)
    return Projection(FACTS, dimensions, names, level, metrics, partials, partials, frozenset(metrics), statistics)


def declare_projection(
    schema: Schema,
    dimensions: str | Sequence[str],
    *,
    name: str | None = None,
    metrics: Iterable[str] | None = None,
) -> Projection:
    """A projection that is yet to be built, over dimensions in the order that its rows are to be sorted by.

    Its time dimensions say how fine its buckets are: the coarsest level that nests in them all. It stores all metrics
    unless some are named. Raises SchemaError for names that do not exist.
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
    if problems:
        raise SchemaError(problems)
    partials = frozenset(partial for metric in chosen for partial in schema.partials(metric))
    mergeable = frozenset(partial for partial in partials if partial.function not in SETS)
    plain = tuple(step for step in steps if step not in schema.levels)
    return Projection(
        own,
        plain,
        schema.closure(plain),
        common_level(step for step in steps if step in schema.levels),
        chosen,
        partials,
        mergeable,
        frozenset(name for name in schema.metrics if mergeable.issuperset(schema.partials(name))),
    )
