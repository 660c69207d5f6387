"""Which projections a report leaves, laid out so that choosing among hundreds of them is a look at a few shelves.

What the rules say of a projection hangs on the report (its dimensions, metrics and filtered dimensions) or on its
interval. The first is the same each time the report is asked for, whatever its members and bounds, so it is worked
out once for a catalog. Of what that leaves, projections of the same buckets, coverage and partitions are alike to the
rules of time: they share a shelf, and those rules are asked once for all that stand on it. What is left to do for each
projection is one subtraction, the rows that it has in the interval.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from math import inf

from wolap.model.interval import Interval
from wolap.model.projection import Catalog, Projection
from wolap.planner.cost import Work, dense_rows, items_of, measured, reading
from wolap.planner.eligibility import crosses, is_fine_enough, is_timely, may_answer, offers
from wolap.planner.needs import Needs, remembered

__all__ = ["Served", "Shelf", "Stock", "cheapest", "offered_metrics", "stock_among", "stock_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Shelf:
    """Built projections of the same buckets, coverage and partitions, in the order of the catalog.

    For each of them `rows_before` counts the rows before each partition, as in Statistics, and `items` the values of a
    row that are counted by themselves; none where no metric is. `reading` tells how many rows are read for each; none
    where all are. `merges` tells that all metrics merge, `is_current` that none is behind the facts.
    """

    projections: tuple[Projection, ...]
    starts: Sequence[int]
    coverage: Interval
    rows_before: tuple[Sequence[int], ...]
    items: tuple[float, ...]
    reading: tuple[float, ...]
    merges: bool
    is_current: bool

    def rows_in(self, interval: Interval) -> list[int]:
        """The rows of each in the partitions that an interval touches."""
        last = bisect_left(self.starts, interval.end)
        first = max(bisect_right(self.starts, interval.start) - 1, 0)
        if last <= first:
            return [0] * len(self.projections)
        return [before[last] - before[first] for before in self.rows_before]

    def measures(self, needs: Needs) -> bool:
        """Whether no group of the report has less than a row of its own in the interval."""
        return (
            self.is_current
            and self.coverage.covers(needs.asked)
            and not crosses(self.projections[0], needs, needs.asked)
        )

    def is_timely(self, needs: Needs) -> bool:
        """Whether no rule of time objects, so that each can answer alone."""
        return is_timely(self.projections[0], needs, self.merges)


Served = tuple[Shelf, list[int]]


def cheapest(served: Sequence[Served], work: Work) -> tuple[float, list[tuple[Projection, int]]]:
    """The nanoseconds of the cheapest of some shelves, with the rows of each projection; and those that take just so
    many, with their rows."""
    if not served:
        return inf, []
    if served[0][0].items or any(shelf.reading for shelf, _ in served):
        spent = [
            (work.nanoseconds(many * share, few, work.keys), projection, many)
            for shelf, rows in served
            for projection, many, few, share in zip(
                shelf.projections,
                rows,
                shelf.items or repeat(0.0, len(rows)),
                shelf.reading or repeat(1.0, len(rows)),
                strict=True,
            )
        ]
        least = min([cost for cost, _, _ in spent])
        return least, [(projection, many) for cost, projection, many in spent if cost == least]
    # More rows take longer, but for the step to where keys are few beside them.
    fewest = min([min(rows) for _, rows in served])
    least = work.nanoseconds(fewest, 0.0, work.keys)
    if fewest < (dense := dense_rows(work.keys)) < inf:
        more = min([many for _, rows in served for many in rows if many >= dense], default=fewest)
        if (other := work.nanoseconds(more, 0.0, work.keys)) < least:
            fewest, least = more, other
    having = [(shelf, rows) for shelf, rows in served if fewest in rows]
    found = [both for shelf, rows in having for both in zip(shelf.projections, rows, strict=True) if both[1] == fewest]
    return least, found


@dataclass(frozen=True, slots=True, eq=False)
class Stock:
    """What a catalog has for a report: `servers` are right but for the interval; `measures` are not, but fine enough to
    tell how many groups there are at most."""

    servers: tuple[Shelf, ...]
    measures: tuple[Shelf, ...]

    def least_rows(self, needs: Needs, served: Iterable[tuple[Shelf, Sequence[int]]]) -> int:
        """The rows of the smallest projection that has a row at least for each group of the report, of the servers
        with theirs and of the measures; 0 if none is known."""
        if not needs.dimensions and not needs.levels:
            return 1
        rows = [min(many) for shelf, many in served if shelf.measures(needs)]
        rows += [min(shelf.rows_in(needs.asked)) for shelf in self.measures if shelf.measures(needs)]
        return min(rows, default=0)


def stock_of(needs: Needs, catalog: Catalog) -> Stock:
    """What the catalog has for the report, whatever its interval; the needs are those of this catalog."""
    return remembered(_stock, needs, catalog)


def offered_metrics(needs: Needs, catalog: Catalog) -> tuple[str, ...]:
    """Most of the needed metrics that one stored projection offers for the report; none where none can answer."""
    return remembered(_offered, needs, catalog)


def _stock(needs: Needs, catalog: Catalog) -> Stock:
    return stock_among(needs, catalog.projections)


def stock_among(needs: Needs, projections: Iterable[Projection]) -> Stock:
    """What some projections are for a report. Nothing is remembered."""
    fine = [projection for projection in projections if is_fine_enough(projection, needs)]
    right = {projection.name: may_answer(projection, needs) for projection in fine}
    servers = [projection for projection in fine if right[projection.name]]
    measures = [projection for projection in fine if not right[projection.name]]
    return Stock(_shelves(servers, needs), _shelves(measures, needs))


def _offered(needs: Needs, catalog: Catalog) -> tuple[str, ...]:
    best: tuple[str, ...] = ()
    for projection in catalog.projections:
        if not projection.is_facts and len(offered := offers(projection, needs)) > len(best):
            best = offered
    return best


def _shelves(projections: Iterable[Projection], needs: Needs) -> tuple[Shelf, ...]:
    shelves: dict[tuple[object, ...], list[Projection]] = {}
    for projection in projections:
        statistics = projection.statistics
        assert statistics is not None
        merges = projection.merging.issuperset(needs.metrics)
        # Equal partitions are mostly the same ones, which is quicker seen than thousands of numbers are compared.
        is_current = statistics.backlog is None
        key = (projection.calendar, statistics.coverage, id(statistics.starts), merges, is_current)
        shelves.setdefault(key, []).append(projection)
    return tuple(_shelf(alike, needs) for alike in shelves.values())


def _shelf(alike: list[Projection], needs: Needs) -> Shelf:
    statistics = [measured(projection, needs) for projection in alike]
    read = tuple(reading(projection, needs) for projection in alike)
    return Shelf(
        tuple(alike),
        statistics[0].starts,
        statistics[0].coverage,
        tuple(one.rows_before for one in statistics),
        tuple(items_of(projection, needs) for projection in alike) if needs.counted or needs.lists else (),
        read if min(read) < 1.0 else (),
        alike[0].merging.issuperset(needs.metrics),
        statistics[0].backlog is None,
    )
