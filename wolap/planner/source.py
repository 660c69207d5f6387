"""What to build a projection from: the smallest that is built and fine enough, or the facts.

A projection can be made from another when every query of its grain can be answered from that one: its dimensions are
stored there or determined, its buckets are made of those, and every partial merges. So a coarse projection costs what
its nearest finer one has rows, and not what the facts have. In `build_order` the finer ones come first (Gray 1997,
section 4: cubes from the smallest parent).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wolap.model.interval import Interval
from wolap.model.level import INSTANT, LEVELS, nests
from wolap.model.projection import Projection

__all__ = ["build_order", "source_of"]

_FINENESS = {level: place for place, level in enumerate((INSTANT, *LEVELS))}


def can_feed(source: Projection, projection: Projection) -> bool:
    """Whether one projection holds all that another is made of."""
    if projection.level is not None and (source.level is None or not nests(source.level, projection.level)):
        return False
    return source.closure.issuperset(projection.dimensions) and projection.partials <= source.mergeable


def source_of(projection: Projection, built: Iterable[Projection], span: Interval) -> Projection:
    """The built projection with the fewest rows that can feed this one. The facts are among `built`, and always can.

    What does not hold the whole `span` of the facts is no source.
    """
    feeding = [
        one
        for one in built
        if one.statistics is not None
        and one.name != projection.name
        and one.statistics.coverage.covers(span)
        and can_feed(one, projection)
    ]
    return min(feeding, key=lambda one: (0 if one.statistics is None else one.statistics.rows, one.is_facts))


def build_order(projections: Sequence[Projection]) -> list[Projection]:
    """The same projections, each behind all that could feed it, else in the order that they have."""
    return sorted(
        projections,
        key=lambda one: (
            -len(one.closure),
            len(_FINENESS) if one.level is None else _FINENESS[one.level],
            -len(one.partials),
        ),
    )
