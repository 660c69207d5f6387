"""What the planner is told of a layout: how its rows fall on time, and on runs that are added up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import numpy as np

from wolap.engine.layout import Layout, partition_level
from wolap.engine.lists import longest_of, starts_of
from wolap.engine.zones import WORTH_ROWS, runs_at
from wolap.model.interval import EVERYTHING
from wolap.model.projection import Statistics
from wolap.model.zone import Zone

__all__ = ["starts_of_partitions", "statistics_of"]


def statistics_of(layout: Layout, refreshed: datetime | None) -> Statistics:
    """Row counts by the finest buckets that are not too many, with all else that was measured."""
    before: tuple[int, ...] = (0, layout.rows)
    starts: tuple[int, ...] = (EVERYTHING.start,)
    partition: str | None = None
    if layout.time is not None and layout.rows:
        partition = partition_level(layout.time, layout.time.level)
        if partition is not None:
            buckets = layout.time.buckets(partition)
            before = tuple(buckets.offsets.tolist())
            starts = starts_of_partitions(buckets.instants, layout.time.zone, partition)
    return Statistics(
        before,
        starts,
        layout.bytes,
        refreshed=refreshed,
        # The items of stored collections.
        items={
            partial: len(column.values)
            for partial, column in layout.columns.items()
            if column.offsets is not None and column.values is not None
        },
        members_before={name: tuple(starts_of(one)[list(before)].tolist()) for name, one in layout.lists.items()},
        longest={name: longest_of(column) for name, column in layout.lists.items()},
        partition=partition,
        order=layout.order,
        runs=tuple(_runs(layout)),
    )


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
