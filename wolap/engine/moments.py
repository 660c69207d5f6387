"""When the facts of a partition were, where they do not lie in the order of time.

Facts that are clustered lie by partition (a day, a month, a year) and in it by their leading dimensions, so that what a
filter on those keeps are slices. Of each fact the place of its instant among those of its partition is kept, in as few
bytes as such a place takes. A report by a level finer than the partition looks there, as does an interval for the
partitions that it cuts; all else needs to know no more than where partitions begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from wolap.engine.collection import take
from wolap.engine.columns import Column
from wolap.engine.keys import CodeDigit, Digit, MomentDigit, TimeDigit, pack
from wolap.engine.layout import Dictionaries, Layout, Moments
from wolap.engine.time_index import Buckets, TimeIndex
from wolap.model.aggregate import Partial
from wolap.model.interval import Interval
from wolap.model.level import INSTANT, nests
from wolap.model.zone import Zone

__all__ = [
    "Within",
    "buckets_of",
    "cluster",
    "cuts_of",
    "digit_of_buckets",
    "level_of_partitions",
    "reorder",
    "spread",
    "starts_of_buckets",
]

# A partition has so many rows on average, or is of the coarsest of these levels.
_PARTITION_ROWS = 1 << 14
# By so many powers of two fewer.
_FEWER = 6
_PARTITIONS = ("day", "month", "year")
_WIDTHS: tuple[type[np.unsignedinteger], ...] = (np.uint8, np.uint16, np.uint32)


@dataclass(frozen=True, slots=True, eq=False)
class Within:
    """Keeps the rows whose instants have places from `low` to before `high`."""

    moments: Moments
    low: int
    high: int

    def mask(self, start: int, stop: int, chosen: np.ndarray | None = None) -> np.ndarray:
        """Which rows of a block, or of the chosen ones in it, are kept."""
        places = self.moments.places_of(start, stop, chosen)
        kept: np.ndarray = places >= self.low
        kept &= places < self.high
        return kept


def cuts_of(moments: Moments, interval: Interval, *, whole: bool) -> list[tuple[tuple[int, int], Within | None]]:
    """The ranges of rows that an interval touches, in the order of time, or as a `whole` one range; with what keeps
    those of its own, where it cuts a partition."""
    low, high = moments.index.rows_in(interval)
    if low == high:
        return [((0, 0), None)]
    firsts, offsets = moments.firsts, moments.offsets
    begin = int(np.searchsorted(firsts, np.int64(low), side="right")) - 1
    end = int(np.searchsorted(firsts, np.int64(high)))
    bounds = [begin, begin + (firsts[begin] < low), end - (firsts[end] > high), end]
    if whole or bounds[1] > bounds[2]:
        # Both ends may cut the same partition.
        bounds = [begin, end]
    within = Within(moments, low, high)
    found: list[tuple[tuple[int, int], Within | None]] = []
    for first, last in pairwise(bounds):
        if first < last:
            is_whole = firsts[first] >= low and firsts[last] <= high
            found.append(((int(offsets[first]), int(offsets[last])), None if is_whole else within))
    return found


def spread(digit: TimeDigit, moments: Moments, low: int, high: int) -> MomentDigit:
    """A digit of instants, from the place `low` to before `high`, as one of the rows that have them."""
    return MomentDigit(moments, digit.codes(low, high, None), low, digit.size, digit.base)


def buckets_of(layout: Layout, level: str, zone: Zone) -> tuple[Buckets, Moments | None]:
    """All buckets of a level on some clock, of a layout with time: of its rows, or of the moments where its partitions
    are too coarse to tell."""
    time, moments = layout.time, layout.moments
    assert time is not None
    if moments is not None and nests(time.level, level) and zone == time.zone:
        moments = None
    return (time if moments is None else moments.index).buckets(level, zone), moments


def digit_of_buckets(buckets: Buckets, moments: Moments | None, begin: int, end: int) -> TimeDigit | MomentDigit:
    """The buckets from `begin` to before `end` as a digit of the rows that have them, by their numbers from 0 on."""
    offsets = buckets.offsets[begin : end + 1]
    digit = TimeDigit(np.arange(end - begin), offsets, end - begin)
    return digit if moments is None else spread(digit, moments, int(offsets[0]), int(offsets[-1]))


def cluster(
    layout: Layout,
    dictionaries: Dictionaries,
    names: tuple[str, ...],
    in_time: np.ndarray | None = None,
    level: str | None = None,
) -> Layout:
    """Facts put in the order of their partitions of time, and within them of some dimensions.

    `in_time` are the rows in the order of time, if they do not lie in it: all columns are put in order once. Partitions
    are of a `level`, or of the one that fits so many facts.
    """
    time, rows = layout.time, layout.rows
    leading = [layout.codes[name] if in_time is None else layout.codes[name][in_time] for name in names]
    digits: list[Digit] = [
        CodeDigit(codes, dictionaries.members[name].cardinality) for name, codes in zip(names, leading, strict=True)
    ]
    moments = index = None
    if time is not None:
        level = level or level_of_partitions([time])
        buckets = time.buckets(level)
        digits.insert(0, TimeDigit(np.arange(len(buckets.instants)), buckets.offsets, len(buckets.instants)))
        index = TimeIndex(buckets.instants, buckets.offsets, level, time.zone)
    order = np.argsort(pack(digits, 0, rows).build(0, rows, None), kind="stable")
    if time is not None and index is not None and index.offsets is not None:
        moments = _moments(time, index.offsets, order)
    found = reorder(layout, order if in_time is None else in_time[order])
    return Layout(rows, index, found.codes, found.columns, found.lists, names, moments)


def level_of_partitions(times: Sequence[TimeIndex], *, clustered: bool = True) -> str:
    """The level whose buckets are the partitions of facts with these times. Those that are not clustered are made anew
    as a whole when facts change, and nothing else, so there may be fewer in each."""
    rows = sum(time.rows for time in times)
    least = _PARTITION_ROWS if clustered else _PARTITION_ROWS >> _FEWER
    enough = (one for one in _PARTITIONS if len(starts_of_buckets(times, one)) * least <= rows)
    return next(enough, _PARTITIONS[-1])


def starts_of_buckets(times: Sequence[TimeIndex], level: str) -> np.ndarray:
    """Where the buckets of a level begin that have any of the rows with these times, in order."""
    found = [time.zone.floor(level, one) for time in times for one in time.buckets(level).instants.tolist()]
    return np.unique(np.array(found, np.int64))


def _moments(time: TimeIndex, offsets: np.ndarray, order: np.ndarray) -> Moments:
    """The place of each fact's instant behind the first of its partition; partitions begin at these rows."""
    begins = np.arange(time.rows + 1) if time.offsets is None else time.offsets
    firsts = np.searchsorted(begins, offsets)
    most = int(np.diff(firsts).max(initial=1)) - 1
    kept = next(width for width in _WIDTHS if most <= np.iinfo(width).max)
    behind = (np.arange(len(time.instants)) - np.repeat(firsts[:-1], np.diff(firsts))).astype(kept)
    places = np.repeat(behind, np.diff(begins))[order]
    return Moments(TimeIndex(time.instants, None, INSTANT, time.zone), firsts, offsets, places)


def reorder(layout: Layout, order: np.ndarray) -> Layout:
    """The codes and columns of rows in another order."""
    done: dict[int, Column] = {}
    columns: dict[Partial, Column] = {}
    for partial, column in layout.columns.items():
        if id(column) not in done:
            done[id(column)] = take(column, order) if column.offsets is not None else _in_order(column, order)
        columns[partial] = done[id(column)]
    codes = {name: column[order] for name, column in layout.codes.items()}
    lists = {name: take(column, order) for name, column in layout.lists.items()}
    return replace(layout, codes=codes, columns=columns, lists=lists)


def _in_order(column: Column, order: np.ndarray) -> Column:
    values = None if column.values is None else column.values[order]
    return replace(column, values=values, valid=None if column.valid is None else column.valid[order])
