"""Small layouts, grouped once: which group each row falls into hangs on the dimensions of a report, and on nothing else.

Of a few thousand rows adding up takes some microseconds, and finding out which go together takes most of the time: a
key is built for each row, keys that occur are looked for, and taken apart into codes again. Of a layout that never
changes all of that comes out the same each time. So it is kept, with the layout, for the sets of dimensions that were
asked for last: the place of each row's group, and what the groups are. What a request says of interval, members and
metrics has no part in it. Rows are read and numbers added up for each request.

Which groups an interval leaves is seen from the first and the last row of each: a group with one of them in the
interval has a row there, and only of one that has rows on both sides of it is it not known.

    bytes kept    2 (4 where groups are many) for each row, 8 and its codes for each group; MOST_KEPT sets at most
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from wolap.engine.columns import Column
from wolap.engine.groups import MERGES, Places, Series
from wolap.engine.kernels import may_overflow
from wolap.engine.scan import Scan
from wolap.model.aggregate import JOINT, Partial

__all__ = ["MOST_GROUPS", "MOST_KEPT", "MOST_ROWS", "Grouping", "Groupings", "Selection"]

# One block of a kernel, so that a request is heeded before it and needs not be within it.
MOST_ROWS = 1 << 16
MOST_GROUPS = 1 << 14
MOST_KEPT = 8
# What a format makes of all groups is kept for as many as a report mostly shows, and for as many formats as there are.
_MOST_TEXTS, _MOST_FORMS = 1000, 4
# From so many rows on, runs of rows in one group are reduced first (`performance.md` section 4).
_LONG_RUN = 16
# Keys that run up to so many are looked for in a table.
_DENSE = 1 << 20

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """The groups of all rows of a layout by some dimensions, in the order of a report.

    `places` has the group of each row; `dimensions` the codes of each group (of time: its plain numbers). `first` and
    `last` are its first and its last row. `runs` are the rows at which another group begins, if rows of a group mostly
    lie together.
    """

    places: np.ndarray
    dimensions: Mapping[str, np.ndarray]
    first: np.ndarray
    last: np.ndarray
    runs: np.ndarray | None
    _texts: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, keys: np.ndarray, size: int, codes_of: Callable[[np.ndarray], Mapping[str, np.ndarray]]) -> Grouping:
        """Of the key of each row, one at least and all below `size`, and what takes sorted keys apart."""
        if size <= _DENSE:
            occurring = np.flatnonzero(np.bincount(keys, minlength=size))
        else:
            occurring = np.unique(keys)
        places = Places.of(occurring, size).find(keys)
        rows = np.arange(len(keys))
        first, last = np.empty(len(occurring), np.intp), np.empty(len(occurring), np.intp)
        # Of several rows of a group the one that is put there last stays.
        last[places], first[places[::-1]] = rows, rows[::-1]
        runs = np.concatenate(([0], np.flatnonzero(keys[1:] != keys[:-1]) + 1))
        places = places.astype(np.min_scalar_type(len(occurring)))
        lies_together = len(runs) * _LONG_RUN <= len(keys)
        found = cls(places, codes_of(occurring), first, last, runs if lies_together else None)
        # Reports hold these very arrays.
        for shared in (places, first, last, runs, *found.dimensions.values()):
            shared.flags.writeable = False
        return found

    @property
    def size(self) -> int:
        """How many groups there are."""
        return len(self.first)

    def roll_up(
        self, scan: Scan, columns: Mapping[Partial, Column]
    ) -> tuple[np.ndarray | None, list[Series]] | None:
        """The groups that have rows in a scan, None for all, and a series of each column; None where no row is left.

        The columns are those that Groupings calls plain. Raises Cancelled.
        """
        block = next(scan.blocks(MOST_ROWS), None)
        if block is None:
            return None
        start, stop, chosen = block
        # A sum of floats that is no finite number is null in the end (`wire.md` W31), and no news.
        with np.errstate(over="ignore", invalid="ignore"):
            if chosen is None and self.runs is not None:
                begins = self._runs_in(self.runs, start, stop)
                places = self.places[begins].astype(np.intp)
                found = [self._of_runs(one, column, places, begins, stop) for one, column in columns.items()]
            else:
                rows = self.places[start:stop]
                places = (rows if chosen is None else rows[chosen]).astype(np.intp)
                found = [self._of_rows(one, column, places, block) for one, column in columns.items()]
        present = self._present(start, stop, places, whole=chosen is None)
        return present, [Series(values if present is None else values[present]) for values in found]

    @staticmethod
    def _runs_in(runs: np.ndarray, start: int, stop: int) -> np.ndarray:
        """The rows at which another group begins, within a range of rows."""
        begins = runs[int(runs.searchsorted(start, "right")) - 1 : int(runs.searchsorted(stop))].copy()
        begins[0] = start
        return begins

    def _of_runs(self, partial: Partial, column: Column, places: np.ndarray, begins: np.ndarray, stop: int) -> np.ndarray:
        """A value for each group, each run reduced first."""
        ufunc, found = self._nothing(partial, column)
        if column.values is None:
            reduced = np.diff(begins, append=stop)
        else:
            reduced = ufunc.reduceat(column.values[begins[0] : stop], begins - begins[0])
        ufunc.at(found, places, reduced)
        return found

    def _of_rows(
        self, partial: Partial, column: Column, places: np.ndarray, block: tuple[int, int, np.ndarray | None]
    ) -> np.ndarray:
        """A value for each group, row by row."""
        if column.values is None:
            return np.bincount(places, minlength=self.size)
        start, stop, chosen = block
        ufunc, found = self._nothing(partial, column)
        values = column.values[start:stop]
        ufunc.at(found, places, values if chosen is None else values[chosen])
        return found

    def _nothing(self, partial: Partial, column: Column) -> tuple[np.ufunc, np.ndarray]:
        """What merges a partial, and what it starts from."""
        ufunc, start, float_start = MERGES[partial.function]
        if column.is_float:
            return ufunc, np.full(self.size, float_start)
        return ufunc, np.full(self.size, start) if start else np.zeros(self.size, np.int64)

    def _present(self, start: int, stop: int, places: np.ndarray, *, whole: bool) -> np.ndarray | None:
        """The groups that have rows in a range, of which `places` is that of each that is kept; None for all."""
        if whole:
            if start == 0 and stop == len(self.places):
                return None
            some = (self.first < stop) & (self.last >= start)
            reaches_beyond = (self.first < start) & (self.last >= stop)
            if not reaches_beyond.any():
                return np.flatnonzero(some)
        some = np.zeros(self.size, bool)
        some[places] = True
        return np.flatnonzero(some)

    def texts(self, form: Hashable, make: Callable[[Mapping[str, np.ndarray]], Made]) -> Made | None:
        """What a form makes of the codes of all groups, once; None where they are too many to keep."""
        found: Made | None = self._texts.get(form)
        if found is None and self.size <= _MOST_TEXTS:
            if len(self._texts) >= _MOST_FORMS:
                self._texts.clear()
            found = self._texts[form] = make(self.dimensions)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Some groups of a grouping in some order; all as they are where `places` is None."""

    grouping: Grouping
    places: np.ndarray | None

    def at(self, rows: np.ndarray | slice) -> Selection:
        """Some of these."""
        places = np.arange(self.grouping.size) if self.places is None else self.places
        return Selection(self.grouping, places[rows])


class Groupings:
    """What is kept of one layout. Two threads that ask at once work out the same."""

    __slots__ = ("_columns", "_kept", "_rows")

    def __init__(self, rows: int, columns: Mapping[Partial, Column]) -> None:
        self._rows = rows
        self._columns = columns
        self._kept: dict[tuple[str, ...], Grouping] = {}

    @property
    def is_small(self) -> bool:
        """Whether there is something to group, and not too much to keep."""
        return 0 < self._rows <= MOST_ROWS

    def plain(self, partials: Sequence[Partial]) -> dict[Partial, Column] | None:
        """The columns of some partials, if all of them have a number in each row, whose sum fits 64 bits."""
        columns = {partial: self._columns[partial] for partial in partials}
        for partial, column in columns.items():
            if column.valid is not None or column.members is not None or partial.function in JOINT:
                return None
            if may_overflow(partial, column, self._rows):
                return None
        return columns

    def of(self, group: tuple[str, ...], make: Callable[[], Grouping]) -> Grouping:
        """The grouping by these dimensions, which is kept unless it has too many groups."""
        found = self._kept.get(group)
        if found is None:
            found = make()
            if found.size <= MOST_GROUPS:
                for oldest in list(self._kept)[: len(self._kept) + 1 - MOST_KEPT]:
                    self._kept.pop(oldest, None)
                self._kept[group] = found
        return found
