"""A projection, or a stretch of one, from whatever its source has in its segments.

Where the ends of segments are ends of buckets, each is rolled up by itself, and what comes out lies one behind the
other. A bucket that two segments share is made of the rows of both: of what they roll up to where all partials merge,
else of the rows themselves.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from threading import Event

from wolap.engine.gather import Chosen, gathered
from wolap.engine.growing import joined
from wolap.engine.layout import Layout
from wolap.engine.materialize import roll_up
from wolap.engine.segments import Segment, SegmentedSource
from wolap.engine.source import MemorySource
from wolap.model.interval import EVERYTHING, Interval
from wolap.model.projection import Projection
from wolap.model.schema import Schema

__all__ = ["merged", "rolled_up"]


def rolled_up(
    projection: Projection,
    schema: Schema,
    source: SegmentedSource,
    cancel: Event | None = None,
    threads: int = 1,
    within: Interval = EVERYTHING,
) -> Generator[Layout, None, None]:
    """The stretches of a projection in the order of time, as `roll_up` gives them, of the buckets within an interval
    that cuts none. Raises MetricOverflow and Cancelled."""
    for interval in _intervals(projection, source, within):
        touched = [one for one in source.segments if _meet(one.stretch, interval)] or list(source.segments[:1])
        if len(touched) == 1 and _is_cut_by_rows(touched[0], interval, projection):
            own = interval.intersect(touched[0].stretch)
            yield from roll_up(projection, schema, source.of_segment(touched[0]), cancel, threads, own)
        elif projection.partials == projection.mergeable and len(touched) > 1:
            layouts = [_of_segment(projection, schema, source, one, interval, cancel) for one in touched]
            yield from merged(projection, schema, source, [Chosen(one, 0, one.rows) for one in layouts], cancel)
        else:
            parts = [part for one in touched for part in one.chosen((interval,))]
            yield from roll_up(projection, schema, _source(source, parts, touched), cancel, threads)


def merged(
    projection: Projection, schema: Schema, like: SegmentedSource, parts: list[Chosen], cancel: Event | None = None
) -> Generator[Layout, None, None]:
    """Rows of the projection itself, of which several may be of one group, as its stretches."""
    source = MemorySource(gathered(parts, like.zone), like.dictionaries, projection.filters, like.means)
    return roll_up(projection, schema, source, cancel)


def _of_segment(
    projection: Projection,
    schema: Schema,
    source: SegmentedSource,
    segment: Segment,
    interval: Interval,
    cancel: Event | None,
) -> Layout:
    """What the rows of one segment make of some buckets."""
    own = source.of_segment(segment)
    if not _is_cut_by_rows(segment, interval, projection):
        own = _source(source, segment.chosen((interval,)), [segment])
    with closing(roll_up(projection, schema, own, cancel, within=interval.intersect(segment.stretch))) as stretches:
        return joined(stretches)


def _source(like: SegmentedSource, parts: list[Chosen], touched: list[Segment]) -> MemorySource:
    parts = parts or [Chosen(touched[0].held.layout, 0, 0)]
    return MemorySource(gathered(parts, like.zone), like.dictionaries, like.filters, like.means)


def _intervals(projection: Projection, source: SegmentedSource, within: Interval) -> Iterator[Interval]:
    """An interval as runs of whole buckets: those that a boundary of segments cuts stand alone."""
    if projection.level is None:
        yield EVERYTHING
        return
    start = within.start
    for boundary in sorted({end for one in source.segments for end in (one.stretch.start, one.stretch.end)}):
        if not within.start < boundary < within.end:
            continue
        zone, level = projection.zone, projection.level
        for cut in (zone.floor(level, boundary), zone.ceiling(level, boundary)):
            if start < cut <= within.end:
                yield Interval(start, cut)
                start = cut
    if start < within.end:
        yield Interval(start, within.end)


def _meet(one: Interval, other: Interval) -> bool:
    return one.start < other.end and other.start < one.end


def _is_cut_by_rows(segment: Segment, interval: Interval, projection: Projection) -> bool:
    """Whether the rows of the interval's buckets lie together in a segment's layout, and no others among them."""
    layout = segment.held.layout
    if segment.stretch.covers(layout.span):
        if interval.covers(layout.span):
            return True
    elif not segment.stretch.covers(interval):
        return False
    return projection.level is not None and layout.moments is None
