"""What a kernel is given: which rows to read, which of them to keep, and how they are keyed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from threading import Event
from typing import Protocol

import numpy as np
import polars as pl

from wolap.engine.keys import Keys
from wolap.errors import Cancelled

__all__ = ["ALONE", "Condition", "Means", "Predicate", "Scan", "places_in"]

# So many rows are held against predicates at a time; a mask as long as the other is looked through by polars.
_FILTERED = 1 << 18
_LONG_MASK = 1 << 14


class Condition(Protocol):
    """What rows are held against."""

    def mask(self, start: int, stop: int) -> np.ndarray:
        """Which rows of a block are kept."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Predicate:
    """Keeps the rows whose code is marked in `kept`; `few` are the codes of IN or NOT IN where they are up to four."""

    codes: np.ndarray
    kept: np.ndarray
    few: tuple[int, ...] | None = None
    exclude: bool = False

    def mask(self, start: int, stop: int) -> np.ndarray:
        """Which rows of a block are kept."""
        block = self.codes[start:stop]
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
    """Rows to read, which of them to keep, how they are keyed. `cancel` is looked at between blocks."""

    start: int
    stop: int
    keys: Keys
    predicates: tuple[Condition, ...] = ()
    cancel: Event | None = None
    means: Means = ALONE

    @property
    def rows(self) -> int:
        """Rows to read, before predicates."""
        return self.stop - self.start

    def blocks(self, size: int) -> Iterator[tuple[int, int, np.ndarray | None]]:
        """Ranges of rows with the positions in them that are kept; None for all. Raises Cancelled when told to stop.

        At most `size` rows are kept of each; with predicates a range may be longer.
        """
        read = max(size, _FILTERED) if self.predicates else size
        for start in range(self.start, self.stop, read):
            stop = min(start + read, self.stop)
            self.heed()
            chosen = self._chosen(start, stop)
            if chosen is None:
                for begin in range(start, stop, size):
                    yield begin, min(begin + size, stop), None
            else:
                for begin in range(0, len(chosen), size):
                    yield start, stop, chosen[begin : begin + size]

    def heed(self) -> None:
        """Raises Cancelled when told to stop; to be called once a block."""
        if self.cancel is not None and self.cancel.is_set():
            raise Cancelled("stopped between two blocks of rows, as the caller asked")

    def _chosen(self, start: int, stop: int) -> np.ndarray | None:
        if not self.predicates:
            return None
        mask = self.predicates[0].mask(start, stop)
        for predicate in self.predicates[1:]:
            mask &= predicate.mask(start, stop)
        chosen = places_in(mask)
        return None if len(chosen) == stop - start else chosen


def places_in(mask: np.ndarray) -> np.ndarray:
    """Where a mask is set. Of a long one polars tells in half the time that numpy takes."""
    if len(mask) < _LONG_MASK:
        return np.flatnonzero(mask)
    return _places(1 << (len(mask) - 1).bit_length()).head(len(mask)).filter(pl.Series(mask)).to_numpy()


@cache
def _places(length: int) -> pl.Series:
    return pl.Series(np.arange(length))
