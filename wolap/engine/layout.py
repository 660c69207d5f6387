"""How facts and projections lie in memory: the same way.

A layout is rows sorted by time, and within a bucket of time by `order`; for each dimension a column of codes, for each
partial a column of numbers. Facts have a row per fact and, as their partials, what those are computed from; a
projection has a row per combination of its grain and bucket. Merging partials of either gives any coarser grain. The
members of dimensions, and which member of a level belongs to which of the level above, are one set of dictionaries for
the whole cube.

Of a multi-valued dimension facts have no codes, but lists of them. A projection that stores it has a row for each
member, and so a code like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from wolap.engine.columns import Column
from wolap.engine.groups import Series
from wolap.engine.keys import TimeDigit
from wolap.engine.lists import codes_in
from wolap.engine.members import Codes, Members, forgotten
from wolap.engine.time_index import TimeIndex
from wolap.model.aggregate import Partial
from wolap.model.interval import EVERYTHING, Interval
from wolap.model.level import nests

__all__ = ["Dictionaries", "Layout", "Moments", "Runs", "column_of", "partition_level"]

_MOST_PARTITIONS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Dictionaries:
    """What codes mean, the same in all facts and projections of a cube. Later versions add to it, and change nothing.

    The members of every dimension; and for a level and one above it, the upper code of each lower code. For a column
    that is no dimension and of which different values are counted, these by their numbers (null where one was
    forgotten); and for a metric and a dimension that its values determine, the code for each value, -1 where none has
    been seen. `types` are those of the columns that numbers are read from, and of dimensions that are timestamps.
    `counts` say of how many facts each code of a dimension is.
    """

    members: Mapping[str, Members]
    parents: Mapping[tuple[str, str], Codes]
    items: Mapping[str, pa.Array] = field(default_factory=dict)
    determined: Mapping[tuple[str, str], np.ndarray] = field(default_factory=dict)
    types: Mapping[str, pa.DataType] = field(default_factory=dict)
    counts: Mapping[str, np.ndarray] = field(default_factory=dict)

    def means_as(self, other: Dictionaries) -> bool:
        """Whether all codes mean the same in both, at a glance: they are the very same, whatever facts have them."""
        return all(one is other.members.get(name) for name, one in self.members.items()) and all(
            one is other.parents.get(name) for name, one in self.parents.items()
        )

    def without(self, members: Mapping[str, np.ndarray], items: Mapping[str, np.ndarray]) -> Dictionaries:
        """The same, of which the members with some codes, by dimension, and the values with some numbers, by column,
        are forgotten, since no fact has them any more."""
        return replace(
            self,
            members={
                name: one.without(members[name]) if name in members else one for name, one in self.members.items()
            },
            items={
                column: forgotten(values, items[column]) if column in items else values
                for column, values in self.items.items()
            },
        )


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Runs of one depth: `offsets` are the rows where each begins, and the end; `time` and `codes` have a row for each.

    `columns` are the partials that were asked for so far, `unfit` those that do not fit 64 bits in some run. `zone` is
    the layout that has these columns and a row for each run.
    """

    offsets: np.ndarray
    time: TimeIndex | None
    codes: Mapping[str, Codes]
    columns: dict[Partial, Column] = field(default_factory=dict)
    unfit: set[Partial] = field(default_factory=set)
    zone: Layout = field(init=False, repr=False)

    def __post_init__(self) -> None:
        zone = Layout(
            len(self.offsets) - 1, self.time, self.codes, self.columns, order=tuple(self.codes), are_groups=True
        )
        object.__setattr__(self, "zone", zone)


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """When the rows of partitions were (`engine/moments.py`): `index` has the instants that occur, in order.

    Partition i has the rows from offsets[i] to offsets[i + 1] and the instants from firsts[i] to firsts[i + 1]; the
    instant of a row is `places` behind the first of its partition.
    """

    index: TimeIndex
    firsts: np.ndarray
    offsets: np.ndarray
    places: np.ndarray

    @property
    def bytes(self) -> int:
        """Bytes in memory."""
        return self.index.bytes + self.firsts.nbytes + self.offsets.nbytes + self.places.nbytes

    def places_of(self, start: int, stop: int, chosen: np.ndarray | None) -> np.ndarray:
        """The places of the chosen rows of a block among all instants."""
        found = TimeDigit(self.firsts[:-1], self.offsets, 0).codes(start, stop, chosen)
        places = self.places[start:stop]
        found += places if chosen is None else places[chosen]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Rows sorted by time, and by the dimensions in `order` within each bucket of its index, as columns.

    Rows that `are_groups` have each a bucket and codes that no other has. `mapped` is what all columns are views of,
    where they are in a file.
    """

    rows: int
    time: TimeIndex | None
    codes: Mapping[str, Codes]
    columns: Mapping[Partial, Column]
    lists: Mapping[str, Column] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    moments: Moments | None = None
    mapped: object | None = None
    are_groups: bool = False
    # By depth and partition (`engine/zones.py`), worked out when they are first asked for.
    known_runs: dict[tuple[int, str | None], Runs | None] = field(default_factory=dict, init=False, repr=False)

    @property
    def bytes(self) -> int:
        """Bytes in memory; a column that two partials share counts once."""
        columns = {id(column): column.bytes for column in self.columns.values()}
        codes = {id(column): column.nbytes for column in self.codes.values()}
        time = 0 if self.time is None else self.time.bytes
        time += 0 if self.moments is None else self.moments.bytes
        lists = sum(column.bytes for column in self.lists.values())
        return time + sum(columns.values()) + sum(codes.values()) + lists

    def codes_of(self, name: str) -> Codes:
        """All codes of a dimension that is stored: one in each row, or of lists one row after the other."""
        return codes_in(self.lists[name]) if name in self.lists else self.codes[name]

    @property
    def span(self) -> Interval:
        """The instants that the rows lie in; everything without time."""
        if self.moments is not None:
            return self.moments.index.span
        return EVERYTHING if self.time is None else self.time.span


def partition_level(time: TimeIndex, level: str) -> str | None:
    """What rows in buckets of one level are counted by: the finest of these that gives not too many partitions."""
    coarser = (one for one in ("hour", "day", "month", "year") if nests(level, one))
    return next((one for one in coarser if len(time.buckets(one).instants) <= _MOST_PARTITIONS), None)


def column_of(series: Series, output: pa.DataType) -> Column:
    """What was rolled up, as a column to be rolled up again."""
    if series.items is not None:
        return series.items
    values = series.values
    if values.dtype.kind == "f" or not len(values):
        return Column(values, series.valid, output)
    return Column(values, series.valid, output, int(values.min()), int(values.max()))
