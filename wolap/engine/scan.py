"""What a kernel is given: which rows to read, which of them to keep, and how they are keyed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event
from typing import Protocol

import numpy as np

from wolap.engine.keys import Keys
from wolap.errors import Cancelled

__all__ = ["Condition", "Predicate", "Ranges", "Scan"]

# Rows from the first of each pair to before the second, in rising order.
Ranges = np.ndarray[tuple[int, int], np.dtype[np.int64]]


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

    @property
    def rows(self) -> int:
        """Rows to read, before predicates."""
        return self.stop - self.start if self.ranges is None else int((self.ranges[:, 1] - self.ranges[:, 0]).sum())

    @property
    def is_filtered(self) -> bool:
        """Whether some rows between `start` and `stop` may be left out."""
        return bool(self.predicates) or self.ranges is not None

    def blocks(self, size: int) -> Iterator[tuple[int, int, np.ndarray | None]]:
        """Ranges of rows with the positions in them that are kept; None for all. Raises Cancelled when told to stop."""
        for start, stop, within in self._blocks(size) if self.ranges is None else self._slices(self.ranges, size):
            self.heed()
            chosen = self._chosen(start, stop, within)
            if chosen is None or len(chosen):
                yield start, stop, chosen

    def _blocks(self, size: int) -> Iterator[tuple[int, int, None]]:
        for start in range(self.start, self.stop, size):
            yield start, min(start + size, self.stop), None

    @staticmethod
    def _slices(ranges: Ranges, size: int) -> Iterator[tuple[int, int, np.ndarray | None]]:
        """Blocks of as many rows of the ranges, however far those lie apart."""
        lengths = ranges[:, 1] - ranges[:, 0]
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
        chosen: np.ndarray = np.flatnonzero(mask) if within is None else within[mask]
        if within is not None:
            return chosen
        return None if len(chosen) == stop - start else chosen
