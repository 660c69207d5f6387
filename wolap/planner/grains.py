"""Which projections are worth a thought: the grains of what is asked, and unions of two of them.

The lattice of all grains is far too large to look through, and most of it serves nobody. A demand is served cheapest by
its own grain: its dimensions and those it filters, without those that another determines, and the coarsest buckets
that nest in its own and end where its interval ends. A grain between that of two demands pays only where it is smaller
than both of theirs together, since the two of them serve no less and faster; so unions are tried for grains that were
chosen (as Agrawal, Chaudhuri and Narasayya merge views in "Automated selection of materialized views and indexes",
2000). For each grain several sets of metrics are tried: those of one demand, and all that it could serve.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from wolap.model.level import IDENTIFYING, LEVELS, common_level, nests
from wolap.model.projection import Projection, declare_projection
from wolap.model.schema import Schema
from wolap.planner.eligibility import offers
from wolap.planner.needs import Needs

__all__ = ["UNNAMED", "Grain", "GrainKey", "declarations", "grains_of", "steps_of", "time_steps", "union"]

# What a projection is called before it is chosen: none of a cube can have this name.
UNNAMED = "?"
# Sets of metrics of single demands that are tried at one grain.
MOST_OWN = 3

GrainKey = tuple[frozenset[str], str | None]


@dataclass(frozen=True, slots=True)
class Grain:
    """Dimensions none of which determines another, in the order that rows are sorted by, and the level of time."""

    dimensions: tuple[str, ...]
    level: str | None

    @classmethod
    def of(cls, names: Iterable[str], level: str | None, schema: Schema) -> Grain:
        """The grain of some dimensions, without those that others of them determine."""
        named = tuple(dict.fromkeys(names))
        determined = {above for name in named for above in schema.ancestors(name)}
        return cls(tuple(name for name in named if name not in determined), level)

    @property
    def key(self) -> GrainKey:
        """What makes it another grain: not the order of its dimensions."""
        return frozenset(self.dimensions), self.level


def grains_of(needs: Needs) -> Iterator[Grain]:
    """The grains that would serve a query: the coarsest that can alone; and where its interval cuts the buckets of its
    own level, that of the whole buckets within it."""
    query, schema = needs.query, needs.schema
    named = [name for name in query.group if name not in schema.levels]
    named += [one.dimension for one in query.filters]
    if needs.level is None and _ends_at(None, needs):
        yield Grain.of(named, None, schema)
        return
    # From coarse to fine.
    nesting = [level for level in reversed(LEVELS) if needs.level is None or nests(level, needs.level)]
    possible = [level for level in nesting if time_steps(level, schema) is not None]
    alone = next((level for level in possible if _ends_at(level, needs)), None)
    parts = [needs.level] if needs.level in possible else possible if alone is None else []
    for level in dict.fromkeys((alone, *parts)):
        if level is not None:
            yield Grain.of(named, level, schema)


def _ends_at(level: str | None, needs: Needs) -> bool:
    """Whether the interval ends at boundaries of a level, or beyond the data."""
    zone, interval, span = needs.schema.zone, needs.interval, needs.span
    cuts = [interval.start] * (interval.start > span.start) + [interval.end] * (interval.end < span.end)
    return not cuts or (level is not None and all(zone.is_boundary(level, cut) for cut in cuts))


def time_steps(level: str | None, schema: Schema) -> tuple[str, ...] | None:
    """The time dimensions that a declaration names for buckets of a level; None where the schema has none such."""
    if level is None or schema.time is None:
        return () if level is None else None
    declared, identifying = schema.time.levels, IDENTIFYING.get(level, frozenset())
    named = tuple(name for name in declared if name in identifying)
    # Weeks and months together make days, whether the schema has days or not.
    possible = (named, (level,), *combinations(declared, 2))
    return next((steps for steps in possible if common_level(steps) == level and schema.levels.issuperset(steps)), None)


def steps_of(projection: Projection, schema: Schema) -> tuple[str, ...]:
    """What a declaration of a projection names: its time dimensions, then the others."""
    return (*(time_steps(projection.level, schema) or ()), *projection.dimensions)


def union(one: Grain, other: Grain, schema: Schema) -> Grain | None:
    """The coarsest grain that serves whatever either does; None where that has a level that the schema has not."""
    level = common_level(level for level in (one.level, other.level) if level is not None)
    if time_steps(level, schema) is None:
        return None
    return Grain.of((*one.dimensions, *other.dimensions), level, schema)


def declarations(grain: Grain, demands: Sequence[Needs], own: Sequence[Needs]) -> Iterator[Projection]:
    """A declaration for each set of metrics that is worth storing at a grain: those of each demand that it is the grain
    of (`own`), these together, and those of all `demands` that it could serve.

    What cannot merge is stored where a demand for it has just this grain, and nowhere else: elsewhere nobody reads it.
    """
    schema = demands[0].schema
    steps = (*(time_steps(grain.level, schema) or ()), *grain.dimensions)

    def declared(metrics: frozenset[str]) -> Projection:
        in_order = tuple(name for name in schema.metrics if name in metrics)
        return replace(declare_projection(schema, steps, name="unnamed", metrics=in_order), name=UNNAMED)

    whole = declared(frozenset(name for needs in demands for name in needs.metrics))
    served = [frozenset(needs.metrics) for needs in demands if _is_served(needs, whole)]
    mine = [frozenset(needs.metrics) for needs in own if _is_served(needs, whole)]
    nothing = frozenset[str]()
    for metrics in dict.fromkeys((nothing.union(*served), nothing.union(*mine), *mine[:MOST_OWN])):
        if metrics:
            yield declared(metrics)


def _is_served(needs: Needs, whole: Projection) -> bool:
    """Whether a projection that stores everything would give a demand all of its metrics, by its declaration."""
    return needs.dimensions <= whole.closure and len(offers(whole, needs)) == len(needs.metrics)
