"""What the planner is told of a layout: how its rows fall on time, and on runs that are added up."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain
from math import ceil

import numpy as np

from wolap.engine.layout import Layout, partition_level
from wolap.engine.lists import longest_of, starts_of
from wolap.engine.time_index import TimeIndex
from wolap.engine.zones import WORTH_ROWS, runs_at
from wolap.model.interval import EVERYTHING, Interval
from wolap.model.projection import Statistics
from wolap.model.zone import Zone

__all__ = ["part_of", "starts_of_partitions", "statistics_of", "together"]


def statistics_of(
    layout: Layout, refreshed: datetime | None, stretch: Interval = EVERYTHING, size: int | None = None
) -> Statistics:
    """Row counts by the finest buckets that are not too many, with all else that was measured, of the rows in a
    stretch of time that cuts no bucket. `size` are the bytes of all rows, where they are not to be counted."""
    rows: tuple[int, ...] = (0, layout.rows)
    starts: tuple[int, ...] = (EVERYTHING.start,)
    partition: str | None = None
    if layout.time is not None and layout.rows:
        partition = partition_level(layout.time, layout.time.level)
        if partition is not None:
            buckets = layout.time.buckets(partition)
            rows = tuple(buckets.offsets.tolist())
            starts = starts_of_partitions(buckets.instants, layout.time.zone, partition)
        if not stretch.covers(layout.span):
            rows, starts = _within(layout.time, rows, starts, stretch)
    first, last = rows[0], rows[-1]
    share = (last - first) / layout.rows if layout.rows else 1
    places = list(rows)
    return Statistics(
        tuple([row - first for row in rows]),
        starts,
        round((layout.bytes if size is None else size) * share),
        refreshed=refreshed,
        # The items of stored collections.
        items={
            partial: int(column.offsets[last]) - int(column.offsets[first])
            for partial, column in layout.columns.items()
            if column.offsets is not None
        },
        members_before={
            name: tuple((starts_of(one)[places] - starts_of(one)[first]).tolist()) for name, one in layout.lists.items()
        },
        longest={name: longest_of(column) for name, column in layout.lists.items()},
        partition=partition,
        order=layout.order,
        runs=tuple([round(runs * share) for runs in _runs(layout)]),
    )


def _within(
    time: TimeIndex, rows: tuple[int, ...], starts: tuple[int, ...], stretch: Interval
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The partitions that have rows in a stretch of time, as far as they do."""
    first, last = time.rows_in(stretch)
    if first == last:
        return (first, first), (max(stretch.start, starts[0]),)
    begin, end = bisect_right(rows, first) - 1, bisect_left(rows, last)
    kept = (max(starts[begin], stretch.start), *starts[begin + 1 : end])
    return (first, *rows[begin + 1 : end], last), kept


def part_of(whole: Statistics, stretch: Interval, rows: int) -> Statistics:
    """What is known of the rows in a stretch of time, so many, without looking at them: from what was measured of all.
    Counts by partition are right where the stretch cuts none; what is not counted by partition is its share."""
    begin, end = bisect_left(whole.starts, stretch.start), bisect_left(whole.starts, stretch.end)
    starts, first = list(whole.starts[begin:end]), whole.rows_before[begin]
    before = [row - first for row in whole.rows_before[begin:end]]
    # A partition that began earlier has the rest; of one that goes on behind the end a part counts.
    rest = rows - (whole.rows_before[end] - first)
    if rest > 0 or not starts:
        starts, before = [stretch.start, *starts], [0, *(row + max(rest, 0) for row in before)]
    share = rows / whole.rows if whole.rows else 0.0
    counted = (*(min(row, rows) for row in before), rows)
    return replace(
        whole,
        rows_before=counted,
        starts=tuple(starts),
        bytes=round(whole.bytes * share),
        items={partial: ceil(items * share) for partial, items in whole.items.items()},
        members_before={
            name: tuple(ceil(row * members[-1] / max(whole.rows, 1)) for row in counted)
            for name, members in whole.members_before.items()
        },
        runs=tuple(ceil(runs * share) for runs in whole.runs),
    )


def together(parts: Sequence[Statistics], refreshed: datetime | None) -> Statistics:
    """The statistics of segments, which lie one behind the other in time, as those of all their rows. There is one at
    least."""
    filled = [one for one in parts if one.rows] or parts[:1]
    if len(filled) == 1:
        return replace(filled[0], refreshed=refreshed)
    first = filled[0]
    depths = min(len(one.runs) for one in filled)
    return Statistics(
        _added([one.rows_before for one in filled]),
        tuple(chain.from_iterable(one.starts for one in filled)),
        sum(one.bytes for one in filled),
        refreshed=refreshed,
        items={partial: sum(one.items[partial] for one in filled) for partial in first.items},
        members_before={name: _added([one.members_before[name] for one in filled]) for name in first.members_before},
        longest={name: max(one.longest[name] for one in filled) for name in first.longest},
        partition=first.partition if all(one.partition == first.partition for one in filled) else None,
        order=first.order,
        runs=tuple(sum(one.runs[depth] for one in filled) for depth in range(depths)),
    )


def _added(counts: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """What was counted from the start of each on, counted from the start of the first."""
    found, before = [0], 0
    for own in counts:
        found += [before + one for one in own[1:]]
        before = found[-1]
    return tuple(found)


def starts_of_partitions(instants: np.ndarray, zone: Zone, partition: str) -> tuple[int, ...]:
    """Where partitions begin whose first rows have these instants: the first there, the others where the calendar has
    it, so that an interval from there on does not count the one before. (Hours are too short to be worth that.)"""
    first, *others = instants.tolist()
    return (first, *(others if partition == "hour" else [zone.floor(partition, one) for one in others]))


def _runs(layout: Layout) -> Iterator[int]:
    """How many runs each depth has, up to the last that is worth knowing."""
    if layout.rows < WORTH_ROWS:
        return
    for depth in range(len(layout.order) + 1):
        if (runs := runs_at(layout, depth)) is None:
            return
        yield len(runs.offsets) - 1
