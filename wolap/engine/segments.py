"""Where the rows of a projection are: in segments, each of which holds some stretches of time.

A segment is a layout that never changes, in memory or in a file that is opened when it is first asked. New facts make
new segments, and of the old ones the stretches that are not touched count on: so what a change costs follows what it
touches, and who reads an older version has all of it still. The stretches of one projection never meet, so an answer
is that of each segment within its stretches, put together as pieces of a plan are (`engine/stitch.py`).

A distinct count is more than the counts of two segments if a group has rows in both. Then sets are made of both and
counted when they are one; where the groups tell the time apart, as days do, counts are enough.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from threading import Event, Lock
from typing import Protocol

import pyarrow as pa

from wolap.engine.gather import Chosen, Keep, chosen_rows, gathered
from wolap.engine.groups import Partials, Series
from wolap.engine.growing import joined
from wolap.engine.layout import Dictionaries, Layout
from wolap.engine.scan import ALONE, Means
from wolap.engine.source import MemorySource
from wolap.engine.statistics import statistics_of, together
from wolap.engine.stitch import stitch
from wolap.model.aggregate import SETS, Partial
from wolap.model.filter import Filter
from wolap.model.interval import EVERYTHING, Interval
from wolap.model.level import IDENTIFYING, common_level
from wolap.model.projection import Statistics
from wolap.model.query import Query
from wolap.model.zone import Zone
from wolap.planner.plan import Piece

__all__ = ["MEMORY", "Held", "Segment", "SegmentedSource", "Shelf", "shelved"]


class Held:
    """A layout that is in memory, or will be opened when it is first asked for. `stored` is where, as whoever stores it
    says it; None in memory."""

    def __init__(self, read: Callable[[], Layout], stored: object | None = None) -> None:
        self.stored = stored
        self._read = read
        self._layout: Layout | None = None
        self._lock = Lock()

    @classmethod
    def of(cls, layout: Layout) -> Held:
        """One that is in memory."""
        held = cls(lambda: layout)
        held._layout = layout
        return held

    @property
    def layout(self) -> Layout:
        """The layout. Raises what opening it raises."""
        if self._layout is None:
            with self._lock:
                if self._layout is None:
                    self._layout = self._read()
        return self._layout


class Shelf(Protocol):
    """Where new segments go."""

    @property
    def most(self) -> int:
        """The most rows that one is to have, where it can be cut."""
        ...

    def hold(self, name: str, layout: Layout, stretch: Interval) -> Held:
        """Keeps the rows of a projection in a stretch of time. Raises OSError."""
        ...


@dataclass(frozen=True, slots=True)
class _Memory:
    """Where new segments are as they came."""

    most: int = sys.maxsize

    def hold(self, name: str, layout: Layout, stretch: Interval) -> Held:
        return Held.of(layout)


MEMORY: Shelf = _Memory()


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """The rows of a layout that lie in a stretch of time, and how many they are; without time all of them."""

    stretch: Interval
    held: Held
    rows: int

    @classmethod
    def of(cls, stretch: Interval, held: Held) -> Segment:
        """The rows of a layout in a stretch that cuts none of its buckets."""
        layout = held.layout
        if stretch == EVERYTHING or layout.time is None:
            return cls(stretch, held, layout.rows)
        return cls(stretch, held, sum(chosen.rows for chosen in chosen_rows(layout, [stretch])))

    def chosen(self, stretches: Iterable[Interval] = (EVERYTHING,), keep: Keep | None = None) -> list[Chosen]:
        """Its rows in some stretches, or those of them that are kept."""
        own = [found for one in stretches if (found := one.intersect(self.stretch)).start < found.end]
        return list(chosen_rows(self.held.layout, own, keep))

    def without(self, stretches: Sequence[Interval]) -> list[Segment]:
        """What is left of it outside of some stretches that are in rising order, as far as it has rows there."""
        found, start = [], self.stretch.start
        for one in (*stretches, Interval(self.stretch.end, self.stretch.end)):
            end = min(one.start, self.stretch.end)
            if start < end:
                # What is not touched at all need not be opened.
                own = Interval(start, end)
                found.append(self if own == self.stretch else Segment.of(own, self.held))
            start = max(start, one.end)
        return [one for one in found if one.rows]


class SegmentedSource:
    """A Source over segments, in the order of their stretches. `filters` are those that all rows passed when they were
    built; `means` are those of scans."""

    def __init__(
        self,
        segments: Sequence[Segment],
        dictionaries: Dictionaries,
        zone: Zone,
        filters: tuple[Filter, ...] = (),
        means: Means = ALONE,
    ) -> None:
        self.segments = tuple(segments)
        self.dictionaries = dictionaries
        self.zone = zone
        self.filters = filters
        self.means = means
        self._sources: dict[tuple[int, bool], MemorySource] = {}

    @classmethod
    def of(
        cls,
        layout: Layout,
        dictionaries: Dictionaries,
        zone: Zone,
        filters: tuple[Filter, ...] = (),
        means: Means = ALONE,
    ) -> SegmentedSource:
        """All rows in one layout."""
        return cls([Segment(EVERYTHING, Held.of(layout), layout.rows)], dictionaries, zone, filters, means)

    def known_by(self, dictionaries: Dictionaries) -> SegmentedSource:
        """The same rows, under dictionaries that have grown."""
        if dictionaries.means_as(self.dictionaries):
            return self
        return SegmentedSource(self.segments, dictionaries, self.zone, self.filters, self.means)

    def of_segment(self, segment: Segment, *, sets: bool = False) -> MemorySource:
        """The source over all rows of a segment's layout; with `sets` each distinct count is the set that it counts."""
        key = id(segment.held), sets
        if key not in self._sources:
            layout = segment.held.layout
            if sets:
                layout = replace(layout, columns={_kept(one): column for one, column in layout.columns.items()})
            self._sources[key] = MemorySource(layout, self.dictionaries, self.filters, self.means)
        return self._sources[key]

    @cached_property
    def whole(self) -> MemorySource:
        """All rows as one layout: the one that there is, or what its segments make put together in memory."""
        if len(self.segments) == 1 and self.segments[0].stretch == EVERYTHING:
            return self.of_segment(self.segments[0])
        parts = [chosen for segment in self.segments for chosen in segment.chosen()]
        parts = parts or [Chosen(self.segments[0].held.layout, 0, 0)]
        return MemorySource(gathered(parts, self.zone), self.dictionaries, self.filters, self.means)

    def statistics(self, refreshed: datetime | None) -> Statistics:
        """What the planner is told of all rows."""
        return together([statistics_of(one.held.layout, None, one.stretch) for one in self.segments], refreshed)

    def partials(self, query: Query, piece: Piece, cancel: Event | None) -> Partials:
        """See Source."""
        every = [(one, piece.interval.intersect(one.stretch)) for one in self.segments]
        touched = [(one, interval) for one, interval in every if interval.start < interval.end]
        if len(touched) < 2:
            # Of no rows it is known, too, what they add up to.
            [(segment, interval)] = touched or every[:1]
            return self.of_segment(segment).partials(query, replace(piece, interval=interval), cancel)
        sets = any(self._is_set(one) for one in piece.partials) and not self._are_apart(query, touched)
        wanted = tuple(dict.fromkeys(map(_kept, piece.partials))) if sets else piece.partials
        found = stitch(
            [
                self.of_segment(one, sets=sets).partials(
                    query, replace(piece, interval=interval, partials=wanted), cancel
                )
                for one, interval in touched
            ]
        )
        if not sets:
            return found
        series = {one: found.series[_kept(one)] for one in piece.partials}
        return replace(found, series={one: _counted(one, *known) for one, known in series.items()})

    def _is_set(self, partial: Partial) -> bool:
        """Whether it is a distinct count whose values are here, and not the count alone."""
        return partial.function in SETS and self.segments[0].held.layout.columns[partial].members is not None

    def _are_apart(self, query: Query, touched: Sequence[tuple[Segment, Interval]]) -> bool:
        """Whether no group has rows in two segments: the names of its time tell which of them it is in."""
        names = frozenset(name for name in query.group if name not in self.dictionaries.members)
        level = common_level(names)
        if level is None or not IDENTIFYING.get(level, names | {""}) <= names:
            return False
        first, last = touched[0][1], touched[-1][1]
        if self.zone.repeats(level, first.end - 1, last.start + 1):
            return False
        return all(self.zone.is_boundary(level, interval.start) for _, interval in touched[1:])


def _kept(partial: Partial) -> Partial:
    """A distinct count as the set that it counts; any other as it is."""
    return replace(partial, function="set") if partial.function in SETS else partial


def _counted(partial: Partial, series: Series, output: pa.DataType) -> tuple[Series, pa.DataType]:
    """A set as the distinct count that was asked for."""
    return (Series(series.values), output) if partial.function in SETS else (series, output)


def shelved(name: str, level: str | None, zone: Zone, layouts: Iterable[Layout], shelf: Shelf) -> Iterator[Segment]:
    """Layouts that come one behind the other in time, of whole buckets of a level, as segments on a shelf."""
    start, waiting, rows = EVERYTHING.start, list[Layout](), 0
    for layout in layouts:
        if rows and layout.rows and rows + layout.rows > shelf.most and level is not None and layout.time is not None:
            cut = zone.floor(level, int(layout.time.instants[0]))
            yield _shelved(name, Interval(start, cut), waiting, shelf)
            start, waiting, rows = cut, [], 0
        waiting.append(layout)
        rows += layout.rows
    yield _shelved(name, Interval(start, EVERYTHING.end), waiting, shelf)


def _shelved(name: str, stretch: Interval, layouts: list[Layout], shelf: Shelf) -> Segment:
    whole = joined(layouts)
    # What it was put together from is let go.
    layouts.clear()
    return Segment(stretch, shelf.hold(name, whole, stretch), whole.rows)
