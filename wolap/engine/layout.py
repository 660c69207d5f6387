"""How facts and projections lie in memory: the same way.

A layout is rows sorted by time; for each dimension a column of codes, for each partial a column of numbers. Facts
have a row per fact and, as their partials, what those are computed from; a projection has a row per combination of
its grain and bucket. Merging partials of either gives any coarser grain. The members of dimensions, and which member
of a level belongs to which of the level above, are one set of dictionaries for the whole cube.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from wolap.engine.columns import Column
from wolap.engine.members import Codes, Members
from wolap.engine.time_index import TimeIndex
from wolap.model.aggregate import Partial
from wolap.model.interval import EVERYTHING, Interval
from wolap.model.level import nests
from wolap.model.projection import Statistics

__all__ = ["Dictionaries", "Layout", "partition_level"]

_MOST_PARTITIONS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Dictionaries:
    """The members of every dimension; and for a level and one above it, the upper code of each lower code."""

    members: Mapping[str, Members]
    parents: Mapping[tuple[str, str], Codes]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Rows sorted by time, as columns."""

    rows: int
    time: TimeIndex | None
    codes: Mapping[str, Codes]
    columns: Mapping[Partial, Column]

    @property
    def bytes(self) -> int:
        """Bytes in memory; a column that two partials share counts once."""
        columns = {id(column): column.bytes for column in self.columns.values()}
        codes = {id(column): column.nbytes for column in self.codes.values()}
        time = 0 if self.time is None else self.time.bytes
        return time + sum(columns.values()) + sum(codes.values())

    @property
    def span(self) -> Interval:
        """The instants that the rows lie in; everything without time."""
        return EVERYTHING if self.time is None else self.time.span

    def statistics(self, refreshed: datetime | None) -> Statistics:
        """Row counts for the planner, by the finest of these buckets that are not too many."""
        if self.time is not None and self.rows:
            level = partition_level(self.time, self.time.level)
            if level is not None:
                buckets = self.time.buckets(level)
                starts, before = tuple(buckets.instants.tolist()), tuple(buckets.offsets.tolist())
                return Statistics(before, starts, self.bytes, refreshed=refreshed, items=self._items())
        return Statistics((0, self.rows), bytes=self.bytes, refreshed=refreshed, items=self._items())

    def _items(self) -> dict[Partial, int]:
        """The items of stored collections."""
        return {
            partial: len(column.values)
            for partial, column in self.columns.items()
            if column.offsets is not None and column.values is not None
        }


def partition_level(time: TimeIndex, level: str) -> str | None:
    """What rows in buckets of one level are counted by: the finest of these that gives not too many partitions."""
    coarser = (one for one in ("hour", "day", "month", "year") if nests(level, one))
    return next((one for one in coarser if len(time.buckets(one).instants) <= _MOST_PARTITIONS), None)
