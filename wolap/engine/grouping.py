"""Small layouts, grouped once: which group a row falls into hangs on the dimensions of a report, and on nothing else.

Of a few thousand rows adding up takes some microseconds, and finding out which go together takes most of the time: a
key is built for each row, keys that occur are looked for, and taken apart into codes again. Of a layout that never
changes all of that comes out the same each time. So it is kept, with the layout, for the sets of dimensions that were
asked for last: the place of each row's group, and what the groups are. What a request says of interval, members and
metrics has no part in it.

An interval that leaves or takes each group whole needs no row looked at: what all rows of each group add up to is kept
too, once a request has wanted it, as if the layout had been rolled up to that grain. An interval that cuts the first
and the last of groups that lie one behind the other reduces the rows between. Filters, and an interval that cuts other
groups, put each row to the value of its group, which took four times as long where it was measured (17 and 4
microseconds for ten thousand rows).

    kept for each of MOST_KEPT sets    1 to 4 bytes a row, about 32 a group, texts of up to a thousand groups
    kept for all of them together      no more sums of groups than numbers in the layout
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from wolap.engine.columns import Column, Values, widened
from wolap.engine.groups import MERGES, Places
from wolap.engine.terms import may_overflow
from wolap.model.aggregate import JOINT, Partial
from wolap.model.interval import Interval
from wolap.model.recent import keep

__all__ = ["MOST_GROUPS", "MOST_KEPT", "MOST_ROWS", "Grouping", "Groupings", "Selection", "Summand"]

# One block of a kernel, so that a request is heeded before it and needs not be within it.
MOST_ROWS = 1 << 16
MOST_GROUPS = 1 << 14
MOST_KEPT = 8
# What a format makes of all groups is kept for as many as a report mostly shows, and for as many forms: a format of
# which records begin with one metric or another.
_MOST_TEXTS, _MOST_FORMS = 1000, 6
# So many groups for each row make a table of groups the longer way.
_FEW = 4
# Keys that run up to so many are looked for in a table.
_DENSE = 1 << 20


# Groups by their places, in rising order: mostly those from one place to another.
Some = np.ndarray | slice


class Summand(NamedTuple):
    """A plain column: a number in each row (a 1 where `values` is None), what merges it and what that starts from. Its
    own `number` tells it from the others of its layout."""

    number: int
    values: Values | None
    ufunc: np.ufunc
    start: float
    type: pa.DataType

    @classmethod
    def of(cls, number: int, partial: Partial, column: Column, rows: int) -> Summand | None:
        """Of a column of so many rows; None where some have no number, or a sum might not fit 64 bits."""
        if column.valid is not None or column.members is not None or partial.function in JOINT:
            return None
        if may_overflow(partial, column, rows):
            return None
        ufunc, start, float_start = MERGES[partial.function]
        values = None if column.values is None else widened(column.values)
        return cls(number, values, ufunc, float_start if column.is_float else start, column.type)

    def reduced(self, values: Values, begins: np.ndarray) -> np.ndarray:
        """A value for each stretch of values."""
        if values.dtype.kind != "f":
            return self.ufunc.reduceat(values, begins)
        # A sum of floats that is no finite number is null in the end (`wire.md` W31), and no news.
        with np.errstate(over="ignore", invalid="ignore"):
            return self.ufunc.reduceat(values, begins)

    def scattered(self, values: Values, places: np.ndarray, size: int) -> np.ndarray:
        """A value for each of so many groups, of values whose groups are at these places."""
        found = np.full(size, self.start, values.dtype) if self.start else np.zeros(size, values.dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            self.ufunc.at(found, places, values)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """The groups of all rows of a layout by some dimensions, in the order of a report.

    `places` has the group of each row; `dimensions` the codes of each group (of time: its plain numbers). `first` and
    `last` are its first and its last row. `order` are the rows by group, of each in their own order; None where they
    lie like that. In it `begins` tells where a group begins, and last where all end. `sums` have the value of each
    group, of all of its rows, by the number of a column.
    """

    places: np.ndarray
    dimensions: Mapping[str, np.ndarray]
    first: np.ndarray
    last: np.ndarray
    order: np.ndarray | None
    begins: np.ndarray
    sums: dict[int, Values] = field(default_factory=dict, repr=False)
    _texts: dict[Hashable, list[str]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, keys: np.ndarray, size: int, codes_of: Callable[[np.ndarray], Mapping[str, np.ndarray]]) -> Grouping:
        """Of the key of each row, one at least and all below `size`, and what takes sorted keys apart."""
        is_near = size <= _DENSE
        occurring = np.flatnonzero(np.bincount(keys, minlength=size)) if is_near else np.unique(keys)
        places = Places.of(occurring, size).find(keys)
        rows = np.arange(len(keys))
        first, last = np.empty(len(occurring), np.intp), np.empty(len(occurring), np.intp)
        # Of several rows of a group the one that is put there last stays.
        last[places], first[places[::-1]] = rows, rows[::-1]
        begins = np.concatenate(([0], np.cumsum(np.bincount(places))))
        order = None if bool((places[1:] >= places[:-1]).all()) else np.argsort(places, kind="stable")
        narrow = places.astype(np.min_scalar_type(len(occurring)))
        if order is not None:
            order = order.astype(np.min_scalar_type(len(keys)))
        found = cls(narrow, codes_of(occurring), first, last, order, begins)
        # Reports hold these very arrays.
        for shared in (narrow, first, last, begins, *found.dimensions.values()):
            shared.flags.writeable = False
        return found

    @property
    def size(self) -> int:
        """How many groups there are."""
        return len(self.first)

    def between(self, start: int, stop: int) -> Some | None:
        """The groups that have rows in a range; None where it cuts one of them."""
        if self.order is None:
            first, last = self.begins.searchsorted((start, stop)).tolist()
            is_whole = self.begins[first] == start and self.begins[last] == stop
            return slice(first, last) if is_whole else None
        some = (self.first < stop) & (self.last >= start)
        whole = (self.first >= start) & (self.last < stop)
        if not np.array_equal(some, whole):
            return None
        present = np.flatnonzero(whole)
        first, last = int(present[0]), int(present[-1]) + 1
        return slice(first, last) if last - first == len(present) else present

    def texts(self, form: Hashable, make: Callable[[Mapping[str, np.ndarray]], list[str]]) -> list[str] | None:
        """A text of each group, as a form makes them of the codes of all, once; None where they are too many to
        keep."""
        found = self._texts.get(form)
        if found is None and self.size <= _MOST_TEXTS:
            found = make(self.dimensions)
            keep(self._texts, form, found, _MOST_FORMS)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Some groups of a grouping in some order; all as they are where `places` is None."""

    grouping: Grouping
    places: Some | None

    @property
    def size(self) -> int:
        """How many these are."""
        places = self.places
        if places is None:
            return self.grouping.size
        return places.stop - places.start if isinstance(places, slice) else len(places)

    def at(self, rows: Some) -> Selection:
        """Some of these."""
        places = self.places
        if places is None or isinstance(places, slice):
            places = np.arange(self.grouping.size)[places or slice(None)]
        return Selection(self.grouping, places[rows])

    def texts(self, form: Hashable, make: Callable[[Mapping[str, np.ndarray]], list[str]]) -> list[str] | None:
        """The texts of these groups, as `Grouping.texts` has those of all."""
        whole, places = self.grouping.texts(form, make), self.places
        if whole is None or places is None:
            return whole
        return whole[places] if isinstance(places, slice) else [whole[place] for place in places.tolist()]


class Groupings:
    """What is kept of one layout, whose rows lie in a `span`. Two threads that ask at once work out the same."""

    __slots__ = ("_columns", "_kept", "_rows", "_summands", "span")

    def __init__(self, rows: int, columns: Mapping[Partial, Column], span: Interval) -> None:
        self.span = span
        self._rows = rows
        self._columns = columns
        self._summands: dict[Partial, Summand | None] | None = None
        self._kept: dict[tuple[str, ...], Grouping] = {}

    @property
    def is_small(self) -> bool:
        """Whether there is something to group, and not too much to keep."""
        return 0 < self._rows <= MOST_ROWS

    def summands(self, partials: Sequence[Partial]) -> list[Summand] | None:
        """The columns of some partials, if all of them are plain."""
        if self._summands is None:
            self._summands = {
                partial: Summand.of(number, partial, column, self._rows)
                for number, (partial, column) in enumerate(self._columns.items())
            }
        found = []
        for partial in partials:
            if (summand := self._summands[partial]) is None:
                return None
            found.append(summand)
        return found

    def of(self, group: tuple[str, ...], make: Callable[[], Grouping]) -> Grouping:
        """The grouping by these dimensions, which is kept unless it has too many groups."""
        found = self._kept.get(group)
        if found is None:
            found = make()
            if found.size <= MOST_GROUPS:
                keep(self._kept, group, found, MOST_KEPT)
        return found

    def roll_up(
        self, grouping: Grouping, summands: Sequence[Summand], start: int, stop: int, chosen: np.ndarray | None
    ) -> tuple[Some | None, list[np.ndarray]]:
        """The groups that have rows in a range, or those of its rows that are chosen, None for all groups; and a value
        of each column for each of them. One row is in it at least."""
        if chosen is not None:
            few = len(chosen) * _FEW < grouping.size
            return (_picked if few else _scattered)(grouping, summands, start, stop, chosen)
        if start == 0 and stop == self._rows:
            return None, [self._sums(one, grouping).copy() for one in summands]
        if (present := grouping.between(start, stop)) is not None:
            return present, [self._sums(one, grouping)[present].copy() for one in summands]
        return (_cut if grouping.order is None else _scattered)(grouping, summands, start, stop, None)

    def _sums(self, one: Summand, grouping: Grouping) -> Values:
        """A value of a column for each group, of all of its rows."""
        found = grouping.sums.get(one.number)
        if found is None:
            found = _reduced(one, grouping)
            kept = list(self._kept.values())
            if sum([len(other.sums) * other.size for other in kept]) + len(found) > self._rows * len(self._columns):
                for other in kept:
                    other.sums.clear()
            grouping.sums[one.number] = found
        return found


def _reduced(one: Summand, grouping: Grouping) -> Values:
    starts = grouping.begins[:-1]
    if one.values is None:
        counts: np.ndarray = grouping.begins[1:] - starts
        return counts
    return one.reduced(one.values if grouping.order is None else one.values[grouping.order], starts)


def _cut(
    grouping: Grouping, summands: Sequence[Summand], start: int, stop: int, chosen: None
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Of a range of rows that lie in the order of groups, of which it may cut the first and the last."""
    first = int(grouping.begins.searchsorted(start, "right")) - 1
    last = int(grouping.begins.searchsorted(stop))
    begins = grouping.begins[first:last] - start
    begins[0] = 0
    found = [
        np.diff(begins, append=stop - start) if one.values is None else one.reduced(one.values[start:stop], begins)
        for one in summands
    ]
    return np.arange(first, last), found


def _picked(
    grouping: Grouping, summands: Sequence[Summand], start: int, stop: int, chosen: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Of few rows of a range beside many groups: they are put in the order of groups, and no group is touched that has
    none of them."""
    rows = chosen + start
    places = grouping.places[rows]
    if grouping.order is not None:
        order = np.argsort(places, kind="stable")
        rows, places = rows[order], places[order]
    begins = np.concatenate(([0], np.flatnonzero(places[1:] != places[:-1]) + 1))
    found = [
        np.diff(begins, append=len(rows)) if one.values is None else one.reduced(one.values[rows], begins)
        for one in summands
    ]
    return places[begins].astype(np.intp), found


def _scattered(
    grouping: Grouping, summands: Sequence[Summand], start: int, stop: int, chosen: np.ndarray | None
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Of the chosen rows of a range, or of all of them, each put to the value of its group."""
    rows = grouping.places[start:stop]
    places = (rows if chosen is None else rows[chosen]).astype(np.intp)
    some = np.zeros(grouping.size, bool)
    some[places] = True
    present, found = np.flatnonzero(some), []
    for one in summands:
        if one.values is None:
            found.append(np.bincount(places, minlength=grouping.size)[present])
        else:
            values = one.values[start:stop]
            found.append(one.scattered(values if chosen is None else values[chosen], places, grouping.size)[present])
    return present, found
