"""What a kernel is given: which rows to read, which of them to keep, and how they are keyed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from threading import Event
from typing import Protocol

import numpy as np
import polars as pl

from wolap.engine.keys import Keys
from wolap.errors import Cancelled

__all__ = ["ALONE", "Condition", "Means", "Predicate", "Ranges", "Scan", "places_in", "ranges_within"]

# Rows from the first of each pair to before the second, in rising order.
Ranges = np.ndarray[tuple[int, int], np.dtype[np.int64]]
# So many rows are held against predicates at a time; a mask as long as the other is looked through by polars.
_FILTERED = 1 << 18
_LONG_MASK = 1 << 14
# Ranges of so many rows on average are read where they lie, rather than put together.
_LONG_RANGE = 1 << 12
# What tells how many rows are kept: so many stretches of so many rows.
_SAMPLES, _SAMPLE = 32, 1 << 7


class Condition(Protocol):
    """What rows are held against."""

    def mask(self, start: int, stop: int, chosen: np.ndarray | None = None) -> np.ndarray:
        """Which rows of a block, or of the chosen ones in it, are kept."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Predicate:
    """Keeps the rows whose code is marked in `kept`; `few` are the codes of IN or NOT IN where they are up to four."""

    codes: np.ndarray
    kept: np.ndarray
    few: tuple[int, ...] | None = None
    exclude: bool = False

    def mask(self, start: int, stop: int, chosen: np.ndarray | None = None) -> np.ndarray:
        """Which rows of a block, or of the chosen ones in it, are kept."""
        block = self.codes[start:stop]
        if chosen is not None:
            block = block[chosen]
        if self.few is None:
            marked: np.ndarray = self.kept[block]
            return marked
        found: np.ndarray = block == self.few[0]
        for code in self.few[1:]:
            found |= block == code
        return ~found if self.exclude else found


@dataclass(frozen=True, slots=True)
class Means:
    """By which means a scan may be run: on how many threads, that of the caller among them, and with compiled kernels
    where they are installed."""

    threads: int = 1
    compiled: bool = True


ALONE = Means()


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """Rows to read, which of them to keep, how they are keyed. `cancel` is looked at between blocks.

    With `ranges` only those rows between `start` and `stop` are read.
    """

    start: int
    stop: int
    keys: Keys
    predicates: tuple[Condition, ...] = ()
    cancel: Event | None = None
    ranges: Ranges | None = None
    means: Means = ALONE

    @property
    def rows(self) -> int:
        """Rows to read, before predicates."""
        return self.stop - self.start if self.ranges is None else int((self.ranges[:, 1] - self.ranges[:, 0]).sum())

    @property
    def is_filtered(self) -> bool:
        """Whether some rows between `start` and `stop` may be left out."""
        return bool(self.predicates) or self.ranges is not None

    @property
    def kept(self) -> int:
        """About how many rows predicates leave, by a sample that is spread evenly."""
        if not self.predicates or not self.rows:
            return self.rows
        found = []
        for number in np.linspace(0, self.rows - 1, _SAMPLES).astype(int).tolist():
            begin, end = self._stretch(number)
            end = min(begin + _SAMPLE, end)
            found.append(np.logical_and.reduce([one.mask(begin, end) for one in self.predicates]).mean())
        return round(self.rows * float(np.mean(found)))

    def _stretch(self, number: int) -> tuple[int, int]:
        """Where the row lies that has a number among those that are read, and up to where those behind it lie."""
        if self.ranges is None:
            return self.start + number, self.stop
        ends = np.cumsum(self.ranges[:, 1] - self.ranges[:, 0])
        place = int(np.searchsorted(ends, number, side="right"))
        end = int(self.ranges[place, 1])
        return end - (int(ends[place]) - number), end

    def blocks(self, size: int) -> Iterator[tuple[int, int, np.ndarray | None]]:
        """Ranges of rows with the positions in them that are kept; None for all. Raises Cancelled when told to stop.

        At most `size` rows are kept of each, in a range that may be longer.
        """
        read = max(size, _FILTERED) if self.predicates else size
        for start, stop, within in self._blocks(read) if self.ranges is None else self._slices(self.ranges, read):
            self.heed()
            chosen = self._chosen(start, stop, within)
            if chosen is None:
                for begin in range(start, stop, size):
                    yield begin, min(begin + size, stop), None
            else:
                for begin in range(0, len(chosen), size):
                    yield start, stop, chosen[begin : begin + size]

    def whole(self) -> tuple[int, int, np.ndarray | None] | None:
        """All of its rows as one block, where they are few; None where none is kept. Raises Cancelled when told to
        stop."""
        self.heed()
        chosen = self._chosen(self.start, self.stop, None)
        is_empty = self.start >= self.stop if chosen is None else not len(chosen)
        return None if is_empty else (self.start, self.stop, chosen)

    def _blocks(self, size: int) -> Iterator[tuple[int, int, None]]:
        for start in range(self.start, self.stop, size):
            yield start, min(start + size, self.stop), None

    @staticmethod
    def _slices(ranges: Ranges, size: int) -> Iterator[tuple[int, int, np.ndarray | None]]:
        """Blocks of as many rows of the ranges, however far those lie apart; long ranges are blocks of their own."""
        lengths = ranges[:, 1] - ranges[:, 0]
        if len(ranges) * _LONG_RANGE <= lengths.sum():
            for start, stop in ranges.tolist():
                for begin in range(start, stop, size):
                    yield begin, min(begin + size, stop), None
            return
        ends = np.cumsum(lengths)
        # How far a row of a range lies behind its number among all rows that are read.
        ahead = ranges[:, 0] - (ends - lengths)
        for first in range(0, int(ends[-1]) if len(ends) else 0, size):
            last = min(first + size, int(ends[-1]))
            low, high = np.searchsorted(ends, (first, last - 1), side="right")
            shifts, edges = ahead[low : high + 1], np.clip(ends[low : high + 1], first, last)
            start, stop = first + int(shifts[0]), last + int(shifts[-1])
            if low == high:
                yield start, stop, None
            else:
                shifts = np.repeat(shifts - start, np.diff(edges, prepend=first))
                yield start, stop, np.arange(first, last) + shifts

    def parts(self, count: int) -> list[Scan]:
        """Scans of the rows before each other, of about as many rows each."""
        if count == 1:
            return [self]
        numbers = [self.rows * part // count for part in range(1, count)]
        edges = [self.start, *(self._stretch(number)[0] for number in numbers), self.stop]
        return [self.between(start, stop) for start, stop in pairwise(edges)]

    def between(self, start: int, stop: int) -> Scan:
        """The scan of those of its rows that are from `start` to `stop`."""
        ranges = None if self.ranges is None else ranges_within(self.ranges, start, stop)
        return replace(self, start=start, stop=stop, ranges=ranges)

    def heed(self) -> None:
        """Raises Cancelled when told to stop; to be called once a block."""
        if self.cancel is not None and self.cancel.is_set():
            raise Cancelled("stopped between two blocks of rows, as the caller asked")

    def _chosen(self, start: int, stop: int, within: np.ndarray | None) -> np.ndarray | None:
        if not self.predicates:
            return within
        mask = self.predicates[0].mask(start, stop, within)
        for predicate in self.predicates[1:]:
            mask &= predicate.mask(start, stop, within)
        if within is not None:
            kept: np.ndarray = within[mask]
            return kept
        chosen = places_in(mask)
        return None if len(chosen) == stop - start else chosen


def ranges_within(ranges: Ranges, start: int, stop: int) -> Ranges:
    """Those of the rows that are from `start` to `stop`."""
    cut: Ranges = np.clip(ranges, start, stop)
    filled: Ranges = cut[cut[:, 0] < cut[:, 1]]
    return filled


def places_in(mask: np.ndarray) -> np.ndarray:
    """Where a mask is set. Of a long one polars tells in half the time that numpy takes."""
    if len(mask) < _LONG_MASK:
        return np.flatnonzero(mask)
    return _places(1 << (len(mask) - 1).bit_length()).head(len(mask)).filter(pl.Series(mask)).to_numpy()


@cache
def _places(length: int) -> pl.Series:
    return pl.Series(np.arange(length))
