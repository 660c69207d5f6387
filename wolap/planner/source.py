"""What to build a projection from: the smallest that is built and fine enough, or the facts.

A projection can be made from another when every query of its grain can be answered from that one: its dimensions are
stored there or determined, its buckets are made of those, also where the two follow different clocks, every partial
merges, the facts that pass its filters are all there and can be told from others, and no multi-valued dimension would
be collapsed. So a coarse projection costs what
its nearest finer one has rows, and not what the facts have. In `build_order` the finer ones come first (Gray 1997,
section 4: cubes from the smallest parent).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wolap.model.crossing import first_crossing
from wolap.model.filter import members_left
from wolap.model.interval import Interval
from wolap.model.level import INSTANT, LEVELS, nests
from wolap.model.projection import Projection

__all__ = ["build_order", "source_of"]

# More members than any filter names.
_MANY = 1 << 40
_FINENESS = {level: place for place, level in enumerate((INSTANT, *LEVELS))}


def can_feed(source: Projection, projection: Projection, span: Interval) -> bool:
    """Whether one projection holds all that another is made of, of facts in this span."""
    wanted, stored = projection.calendar, source.calendar
    if wanted is not None and (stored is None or not nests(stored[0], wanted[0])):
        return False
    if not source.closure.issuperset(projection.dimensions) or not projection.partials <= source.mergeable:
        return False
    if not source.multivalued <= projection.multivalued:
        return False
    if source.lacking(projection.filters) or source.unanswered(projection.filters):
        return False
    return wanted is None or stored is None or first_crossing(wanted, stored, span) is None


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
        and can_feed(one, projection, span)
    ]
    return min(feeding, key=lambda one: (_rows(one, projection), one.is_facts))


def _rows(source: Projection, projection: Projection) -> int:
    """The rows that go into a projection: of facts with several members each as many as they have."""
    if source.statistics is None:
        return 0
    explodes = source.is_facts and projection.multivalued
    return (source.statistics.exploded(projection.multivalued) if explodes else source.statistics).rows


def build_order(projections: Sequence[Projection]) -> list[Projection]:
    """The same projections, each behind all that could feed it, else in the order that they have."""
    return sorted(
        projections,
        key=lambda one: (
            -len(one.closure),
            len(_FINENESS) if one.level is None else _FINENESS[one.level],
            _strictness(one),
            -len(one.partials),
        ),
    )


def _strictness(projection: Projection) -> tuple[int, int]:
    """More where fewer facts pass: filters that imply others speak of all their dimensions, and of each they leave out
    no less, or leave no more."""
    names = {one.dimension for one in projection.filters}
    said = [members_left(projection.filters, name) for name in names]
    return len(names), sum(len(members) if is_rest else _MANY - len(members) for members, is_rest in said)
