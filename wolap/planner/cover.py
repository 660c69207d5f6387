"""Covering an interval with several projections (`planner.md` rule 10): months for the middle, days and facts for the
ends.

A projection whose buckets the interval cuts can still serve the whole buckets within it. The ends of those buckets
and of what is stored are the only places where a cut can pay, so the cheapest cover is the shortest way through them:
from cut to cut, each step one projection that has a boundary at both (dynamic programming over a few dozen cuts).
Pieces meet at cuts and leave no gap, so every instant is served exactly once. Only metrics that merge can be put
together again, so what cannot merge never has more than one piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

from wolap.model.crossing import Calendar
from wolap.model.interval import Interval
from wolap.model.projection import Catalog, Projection
from wolap.planner.cost import Part, Work, items_of, keys_of, measured, reading
from wolap.planner.eligibility import crosses
from wolap.planner.estimate import Estimate
from wolap.planner.needs import Needs
from wolap.planner.shelves import Stock, cheapest

__all__ = ["cover", "may_be_cut"]

# So dear are facts made that any other way is tried before them.
_DEAR = 1e9


def may_be_cut(needs: Needs, catalog: Catalog) -> bool:
    """Whether an end of the interval lies inside a bucket that is stored, or what is stored does not reach to it."""
    asked, span = needs.asked, needs.span
    if asked.start >= asked.end:
        return False
    for level, zone in catalog.calendars:
        if asked.start > span.start and not zone.is_boundary(level, asked.start):
            return True
        if asked.end < span.end and not zone.is_boundary(level, asked.end):
            return True
    return any(not coverage.covers(asked) for coverage in catalog.coverages)


def cover(needs: Needs, stock: Stock, size: Estimate, work: Work, *, avoids_facts: bool = False) -> tuple[Part, ...]:
    """The cheapest parts in rising order, or those that read the fewest facts; empty where no cover of several
    exists."""
    servers = _servers(needs, stock, work)
    reaches = {server.name: _reach(server, needs) for server in servers}
    cuts = sorted({cut for reach in reaches.values() for cut in (reach.start, reach.end) if reach.start < reach.end})
    if len(cuts) < 3 or cuts[0] > needs.asked.start or cuts[-1] < needs.asked.end:
        return ()
    tables = [_Table.of(server, reaches[server.name], needs, cuts, size, work) for server in servers]
    if avoids_facts:
        tables = [replace(table, rate=table.rate * _DEAR) if table.projection.is_facts else table for table in tables]
    parts = _cheapest(tables, cuts, work.piece)
    return _to_the_ends(parts, needs) if len(parts) > 1 else ()


def _servers(needs: Needs, stock: Stock, work: Work) -> list[Projection]:
    """What can serve a part: of those with the same buckets and coverage the cheapest. Metrics must merge, since a
    group may get rows of several parts."""
    best: dict[tuple[Calendar, Interval], tuple[float, Projection]] = {}
    for shelf in stock.servers:
        first = shelf.projections[0]
        if first.calendar is None or not shelf.merges:
            continue
        # Of another clock only the time counts that is held.
        if crosses(first, needs, needs.asked.intersect(shelf.coverage)):
            continue
        spent, projections = cheapest([(shelf, shelf.rows_in(needs.asked))], work)
        key = (first.calendar, shelf.coverage)
        if key not in best or spent < best[key][0]:
            best[key] = (spent, projections[0][0])
    return [projection for _, projection in best.values()]


def _reach(projection: Projection, needs: Needs) -> Interval:
    """The longest stretch of the asked time that a projection has whole buckets for."""
    zone, asked, span = projection.zone, needs.asked, needs.span
    assert projection.statistics is not None
    held = projection.statistics.coverage
    start, end = max(asked.start, held.start), min(asked.end, held.end)
    if projection.is_facts or projection.level is None:
        return Interval(start, max(start, end))
    # An end beyond the data needs no boundary: nothing is there that could be cut.
    first = start if start <= span.start else zone.ceiling(projection.level, start)
    last = end if end >= span.end else zone.floor(projection.level, end)
    return Interval(first, max(first, last))


def _cheapest(tables: Sequence[_Table], cuts: Sequence[int], piece: float) -> list[Part]:
    """The cheapest way from the first cut to the last, a part for each step."""
    best: list[tuple[float, list[Part]]] = [(0.0, []), *((inf, []) for _ in cuts[1:])]
    for to in range(1, len(cuts)):
        for table in tables:
            if not table.cuttable[to]:
                continue
            for since in range(table.first, to):
                total = best[since][0] + piece + table.rate * (table.begun[to] - table.ended[since])
                if table.cuttable[since] and total < best[to][0]:
                    part = Part(table.projection, Interval(cuts[since], cuts[to]))
                    best[to] = (total, [*best[since][1], part])
    return best[-1][1]


@dataclass(frozen=True, slots=True)
class _Table:
    """What the steps of one projection cost: for each cut whether it is a boundary within its reach, and the rows begun
    before it and ended by it."""

    projection: Projection
    first: int
    cuttable: list[bool]
    begun: list[int]
    ended: list[int]
    rate: float

    @classmethod
    def of(
        cls, projection: Projection, reach: Interval, needs: Needs, cuts: Sequence[int], size: Estimate, work: Work
    ) -> _Table:
        statistics = measured(projection, needs)
        rows, keys = statistics.rows_in(reach), keys_of(needs, size, reach)
        spent = work.nanoseconds(rows * reading(projection, needs), items_of(projection, needs), keys) - work.piece
        cuttable = [reach.start <= cut <= reach.end and _is_cut(projection, cut, needs) for cut in cuts]
        return cls(
            projection,
            cuttable.index(True) if any(cuttable) else len(cuts),
            cuttable,
            [statistics.rows_begun(cut) for cut in cuts],
            [statistics.rows_ended(cut) for cut in cuts],
            spent / max(rows, 1),
        )


def _is_cut(projection: Projection, cut: int, needs: Needs) -> bool:
    """Whether an instant is a boundary of a projection's buckets, or has no data on one side."""
    if projection.is_facts or projection.level is None or cut <= needs.span.start or cut >= needs.span.end:
        return True
    return projection.zone.is_boundary(projection.level, cut)


def _to_the_ends(parts: Sequence[Part], needs: Needs) -> tuple[Part, ...]:
    """The first and the last part reaching to the ends of what was asked, where no facts are."""
    first, *middle, last = parts
    return (
        Part(first.projection, Interval(needs.interval.start, first.interval.end)),
        *middle,
        Part(last.projection, Interval(last.interval.start, needs.interval.end)),
    )
