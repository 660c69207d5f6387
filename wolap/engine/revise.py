"""What a change of the facts does to a cube: the partitions that it touches are made anew, all else stays.

Whatever the change, it is one thing: some partitions of time are `touched`, of the facts that lie in them some are
kept, and some are added. The facts of those partitions become a new segment; then each projection, the finer ones
first, gets new stretches of whole buckets over them:

    facts only added, all partials merge      the stored rows of the stretch and what the new facts roll up to, merged
    else                                      rolled up from the source that it would be built from, of the stretch

A projection that was left behind by changes before (`schedules.py`) is rolled up anew in their stretches too, and feeds
no other before that.

So the cost follows the facts of the touched partitions, and of a projection with larger buckets or none its rows there;
but for a distinct count without its sets, which needs the facts of the whole bucket.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from threading import Event

from wolap.engine.gather import Chosen, Keep, chosen_rows, gathered
from wolap.engine.growing import joined
from wolap.engine.layout import Dictionaries, Layout
from wolap.engine.moments import cluster
from wolap.engine.rebuild import merged, rolled_up
from wolap.engine.segments import MEMORY, Segment, SegmentedSource, Shelf
from wolap.engine.source import MemorySource
from wolap.model.interval import EVERYTHING, Interval
from wolap.model.projection import FACTS, Projection
from wolap.model.schema import Schema
from wolap.model.zone import Zone
from wolap.planner.source import build_order, source_of

__all__ = ["Change", "Revision", "apart", "facts_on", "partitions_of", "span_of", "stretches_of"]

# Segments of one projection are no more than these, but for those that are large.
_MOST_SEGMENTS = 8
# Facts that are put in order at a time; segments of half as many are left alone.
_LARGE = 1 << 23
# A segment of which less than one in so many rows counts is copied.
_DEAD_SHARE = 2

Sources = Mapping[str, SegmentedSource]


@dataclass(frozen=True, slots=True)
class Change:
    """Stretches of whole partitions, in rising order, of which no two meet; of the facts in them those that `keep`
    marks stay (all, where it is None), and the facts of a layout are added. One that `forgets` leaves nothing of what
    does not stay."""

    touched: tuple[Interval, ...]
    keep: Callable[[MemorySource], Keep] | None = None
    added: Layout | None = None
    forgets: bool = False


def partitions_of(layout: Layout, level: str) -> tuple[Interval, ...]:
    """The partitions that have any of the facts of a layout, those that follow each other as one."""
    if layout.time is None:
        return (EVERYTHING,) if layout.rows else ()
    zone = layout.time.zone
    index = layout.time if layout.moments is None else layout.moments.index
    instants = index.buckets(level).instants.tolist()
    return apart(Interval(zone.floor(level, one), zone.ceiling(level, one + 1)) for one in instants)


def stretches_of(projection: Projection, touched: Iterable[Interval]) -> tuple[Interval, ...]:
    """The whole buckets of a projection that have any of these stretches."""
    level, zone = projection.level, projection.zone
    if level is None:
        return (EVERYTHING,) if tuple(touched) else ()
    return apart(Interval(zone.floor(level, one.start), zone.ceiling(level, one.end)) for one in touched)


def apart(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Intervals in rising order, those that meet as one."""
    found: list[Interval] = []
    for one in intervals:
        if found and one.start <= found[-1].end:
            found[-1] = Interval(found[-1].start, max(found[-1].end, one.end))
        else:
            found.append(one)
    return tuple(found)


class Revision:
    """A change on its way through the projections of a cube: the facts and those that are to follow it. `current` are
    right as they are. `level` is that of the partitions of its facts, which are clustered by the `leading` dimensions;
    `dictionaries` know all members, those of new facts too."""

    def __init__(
        self,
        schema: Schema,
        projections: Iterable[Projection],
        sources: Sources,
        dictionaries: Dictionaries,
        change: Change,
        *,
        current: Iterable[Projection] = (),
        level: str,
        leading: tuple[str, ...] = (),
        cancel: Event | None = None,
        shelf: Shelf = MEMORY,
    ) -> None:
        self.schema, self.dictionaries, self.change = schema, dictionaries, change
        self.level, self.leading, self.cancel, self.shelf = level, leading, cancel, shelf
        self.sources = {name: source.known_by(dictionaries) for name, source in sources.items()}
        facts, *others = sorted(projections, key=lambda one: not one.is_facts)
        self.waiting = build_order(others)
        self._done = [facts, *current]
        self._added: dict[str, SegmentedSource] = {}
        if change.touched:
            self._of_facts()
        elif change.forgets:
            # Of facts that went earlier there may be left what they were.
            self._put(FACTS, (), ())
        self.span = span_of(self.sources[FACTS])

    def _of_facts(self) -> None:
        """Puts the facts of the touched partitions in the place of those that were there."""
        old, change = self.sources[FACTS], self.change
        new = []
        for stretches in _batches(old, change):
            new += self._shelved(FACTS, self._facts_in(old, stretches), stretches)
        if change.added is not None:
            added = SegmentedSource.of(change.added, self.dictionaries, self.schema.zone, means=old.means)
            self._added = {FACTS: added}
        self._put(FACTS, change.touched, new)

    def _facts_in(self, old: SegmentedSource, stretches: Sequence[Interval]) -> Layout:
        """The facts of some partitions after the change, in the order that facts have."""
        parts: list[Chosen] = []
        for segment in old.segments:
            keep = None if self.change.keep is None else self.change.keep(old.of_segment(segment))
            parts += segment.chosen(stretches, keep)
        if self.change.added is not None:
            parts += chosen_rows(self.change.added, stretches)
        return self._in_order(parts or [_none_of(old)])

    def _in_order(self, parts: Sequence[Chosen]) -> Layout:
        return in_order(parts, self.schema.zone, self.dictionaries, self.level, self.leading)

    def revise(self, projection: Projection) -> Projection:
        """Brings a projection up to date, from those that are: they come in the order of `waiting`. Gives what it
        was made of."""
        statistics = projection.statistics
        backlog = None if statistics is None else statistics.backlog
        touched = [*self.change.touched, *(() if backlog is None else backlog.stretches)]
        stretches = stretches_of(projection, sorted(touched, key=lambda one: one.start))
        old = self.sources[projection.name]
        if not stretches:
            self._put(projection.name, (), ())
            self._done.append(projection)
            return projection
        if backlog is None and self._added and self.change.keep is None and projection.partials == projection.mergeable:
            source, layout = self._merged(projection, old, stretches)
        else:
            source = source_of(projection, self._done, self.span)
            finer = self.sources[source.name]
            threads = finer.means.threads
            layout = _joined(rolled_up(projection, self.schema, finer, self.cancel, threads, one) for one in stretches)
        self._put(projection.name, stretches, self._shelved(projection.name, layout, stretches))
        # What it held before its refresh bounds it no more.
        held = None if statistics is None else replace(statistics, backlog=None, coverage=EVERYTHING)
        self._done.append(replace(projection, statistics=held))
        return source

    def _merged(
        self, projection: Projection, old: SegmentedSource, stretches: Sequence[Interval]
    ) -> tuple[Projection, Layout]:
        """The rows of some stretches with those that the new facts make, and what these were made of."""
        finer = source_of(projection, [one for one in self._done if one.name in self._added], self.span)
        own = _joined([rolled_up(projection, self.schema, self._added[finer.name], self.cancel)])
        source = SegmentedSource.of(own, self.dictionaries, self.schema.zone, projection.filters, old.means)
        self._added[projection.name] = source
        parts = [part for segment in old.segments for part in segment.chosen(stretches)]
        parts.append(Chosen(own, 0, own.rows))
        return finer, _joined([merged(projection, self.schema, old, parts, self.cancel)])

    def _shelved(self, name: str, layout: Layout, stretches: Sequence[Interval]) -> list[Segment]:
        """The rows of some stretches, which a layout has, as segments that share it."""
        if not layout.rows or not stretches:
            return []
        held = self.shelf.hold(name, layout, Interval(stretches[0].start, stretches[-1].end))
        return [Segment.of(one, held) for one in stretches]

    def _put(self, name: str, stretches: Sequence[Interval], new: Iterable[Segment]) -> None:
        """New segments in the place of some stretches, and few enough of them."""
        old = self.sources[name]
        left = [part for segment in old.segments for part in self._left(name, segment, stretches)]
        segments = sorted([*left, *(one for one in new if one.rows)], key=lambda one: one.stretch.start)
        while (place := _next_to_join(segments)) is not None:
            first, second = segments[place : place + 2]
            segments[place : place + 2] = [self._together(name, [first, second])]
        if not segments and not any(one.held.layout.rows for one in old.segments):
            # As empty as it was.
            return
        if not segments:
            empty = replace(gathered([_none_of(old)], self.schema.zone), order=old.segments[0].held.layout.order)
            segments = [Segment(EVERYTHING, self.shelf.hold(name, empty, EVERYTHING), 0)]
        self.sources[name] = SegmentedSource(segments, self.dictionaries, old.zone, old.filters, old.means)

    def _left(self, name: str, segment: Segment, stretches: Sequence[Interval]) -> list[Segment]:
        """What is left of a segment. Where that is little, or nothing is to remain of the rest, it is copied."""
        left = segment.without(stretches)
        rows, live = segment.held.layout.rows, sum(one.rows for one in left)
        if live < rows and left and (self.change.forgets or live * _DEAD_SHARE < rows):
            return [self._together(name, [one]) for one in left]
        return left

    def _together(self, name: str, segments: Sequence[Segment]) -> Segment:
        """The rows of neighbours as one segment."""
        parts = [part for segment in segments for part in segment.chosen()]
        if name == FACTS:
            layout = self._in_order(parts)
        else:
            projection = next(one for one in self.waiting if one.name == name)
            layout = _joined([merged(projection, self.schema, self.sources[name], parts, self.cancel)])
        stretch = Interval(segments[0].stretch.start, segments[-1].stretch.end)
        return Segment(stretch, self.shelf.hold(name, layout, stretch), layout.rows)


def in_order(
    parts: Sequence[Chosen], zone: Zone, dictionaries: Dictionaries, level: str, leading: tuple[str, ...]
) -> Layout:
    """Facts as one layout, clustered within partitions of a level by the leading dimensions, where there are some."""
    layout = gathered(parts, zone)
    return cluster(layout, dictionaries, leading, level=level) if leading else layout


def facts_on(facts: SegmentedSource, level: str, leading: tuple[str, ...], shelf: Shelf) -> Iterator[Segment]:
    """Facts as segments on a shelf, of whole partitions of a level. Raises OSError."""
    for segment in facts.segments:
        layout = segment.held.layout
        for stretch in _cuts(segment, level, shelf.most):
            own = layout
            if not stretch.covers(layout.span):
                parts = segment.chosen([stretch])
                if not parts:
                    # All that the layout has there is dead.
                    continue
                own = in_order(parts, facts.zone, facts.dictionaries, level, leading)
            yield Segment(stretch, shelf.hold(FACTS, own, stretch), own.rows)


def _cuts(segment: Segment, level: str, most: int) -> Iterator[Interval]:
    """A segment's stretch as some of up to so many facts, of whole partitions."""
    time, start = segment.held.layout.time, segment.stretch.start
    if time is not None and segment.rows > most:
        buckets = time.buckets(level)
        begin = 0
        for place in range(1, len(buckets.instants)):
            if buckets.offsets[place + 1] - buckets.offsets[begin] > most:
                cut = time.zone.floor(level, int(buckets.instants[place]))
                if start < cut < segment.stretch.end:
                    yield Interval(start, cut)
                    start, begin = cut, place
    yield Interval(start, segment.stretch.end)


def span_of(facts: SegmentedSource) -> Interval:
    """The instants that facts lie in: everything without time, and nothing without facts."""
    spans = [one.held.layout.span.intersect(one.stretch) for one in facts.segments if one.rows]
    return Interval(spans[0].start, spans[-1].end) if spans else facts.segments[0].held.layout.span


def _batches(facts: SegmentedSource, change: Change) -> Iterator[list[Interval]]:
    """Touched partitions whose facts are put in order together."""
    batch, waiting = list[Interval](), 0
    bounds = sorted({one.stretch.start for one in facts.segments})
    pieces = [piece for one in change.touched for piece in _cut(one, bounds)]
    for stretch in pieces:
        rows = sum(part.rows for one in facts.segments for part in one.chosen([stretch]))
        if change.added is not None:
            rows += sum(part.rows for part in chosen_rows(change.added, [stretch]))
        if batch and waiting + rows > _LARGE:
            yield list(apart(batch))
            batch, waiting = [], 0
        batch.append(stretch)
        waiting += rows
    if batch:
        yield list(apart(batch))


def _cut(stretch: Interval, bounds: Sequence[int]) -> Iterator[Interval]:
    """A stretch where segments begin, which are few enough facts each."""
    inner = [one for one in bounds if stretch.start < one < stretch.end]
    for start, end in pairwise((stretch.start, *inner, stretch.end)):
        yield Interval(start, end)


def _next_to_join(segments: Sequence[Segment]) -> int | None:
    """The place of the smallest neighbours that are to be one; None where there are few enough."""
    rows = [one.rows for one in segments]
    if sum(one < _LARGE // 2 for one in rows) <= _MOST_SEGMENTS:
        return None
    pairs = [(one + other, place) for place, (one, other) in enumerate(pairwise(rows)) if max(one, other) < _LARGE // 2]
    return min(pairs)[1] if pairs else None


def _none_of(source: SegmentedSource) -> Chosen:
    return Chosen(source.segments[0].held.layout, 0, 0)


def _joined(layouts: Iterable[Generator[Layout, None, None]]) -> Layout:
    """All stretches of some roll-ups, one behind the other."""
    with ExitStack() as stack:
        return joined(chain.from_iterable(stack.enter_context(closing(one)) for one in layouts))
