"""Groups, what a kernel gives, and how groups of several sources become one.

Merging is what rolling up is: equal keys are merged by the function of each partial. Whole numbers are exact. A sum
that could leave 64 bits is added up in two halves and refused if it really does (`performance.md` section 8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from wolap.engine.columns import Column, Values, widened
from wolap.model.aggregate import Partial

__all__ = ["COUNTS", "MERGES", "Groups", "Halves", "PartialOverflow", "Partials", "Places", "Series", "merge"]

_LOW_HALF = 0xFFFF_FFFF
_RANKS_MOST = 1 << 24
_LONG_RUN = 16
_FIRST = np.zeros(1, np.intp)

# What counts is 0 where there is nothing; all else is null.
COUNTS = frozenset({"count", "distinct"})

# How the partial of a function merges: the ufunc, and what it starts from for int64 and for float64.
MERGES: dict[str, tuple[np.ufunc, int, float]] = {
    "count": (np.add, 0, 0.0),
    "sum": (np.add, 0, 0.0),
    "distinct": (np.add, 0, 0.0),
    "min": (np.minimum, np.iinfo(np.int64).max, np.inf),
    "max": (np.maximum, np.iinfo(np.int64).min, -np.inf),
    "products": (np.add, 0, 0.0),
    "weights": (np.add, 0, 0.0),
    "earliest": (np.minimum, np.iinfo(np.int64).max, np.inf),
    "latest": (np.maximum, np.iinfo(np.int64).min, -np.inf),
}


class PartialOverflow(ArithmeticError):
    """A sum that does not fit 64 bits. Who knows the metric names it."""

    def __init__(self, partial: Partial) -> None:
        self.partial = partial
        super().__init__(str(partial))


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """A value for each group; `valid` False where there is none. Of collections the values are their sizes, and
    `items` has them."""

    values: Values
    valid: np.ndarray | None = None
    items: Column | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """The keys that occur, in rising order, and a series for each column that was asked for, in its order."""

    keys: np.ndarray
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Partials:
    """Merged partials by group: for each dimension of the report its codes (of time: its plain numbers)."""

    dimensions: dict[str, np.ndarray]
    series: dict[Partial, tuple[Series, pa.DataType]]
    rows: int


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where the group of a key stands. `ranks` is a table from key to place, where keys are small."""

    keys: np.ndarray
    ranks: np.ndarray | None

    @classmethod
    def of(cls, keys: np.ndarray, size: int) -> Places:
        """For these keys of groups, which are below `size`."""
        if size > _RANKS_MOST:
            return cls(keys, None)
        ranks = np.zeros(size, np.int64)
        ranks[keys] = np.arange(len(keys))
        return cls(keys, ranks)

    def find(self, keys: np.ndarray) -> np.ndarray:
        """The place of the group of each key."""
        found: np.ndarray = np.searchsorted(self.keys, keys) if self.ranks is None else self.ranks[keys]
        return found


class Halves:
    """An exact sum in two halves, for a column whose bounds do not promise that its sum fits 64 bits.

    Each half is a sum of at most 2^31 numbers of 32 bits and cannot overflow; their carry tells whether the whole does.
    """

    @staticmethod
    def split(values: Values) -> tuple[Values, Values]:
        high: Values = values >> 32
        low: Values = values & _LOW_HALF
        return high, low

    @staticmethod
    def join(high: Values, low: Values, partial: Partial) -> Values:
        top = high + (low >> 32)
        limit = 1 << 31
        if bool(((top >= limit) | (top < -limit)).any()):
            raise PartialOverflow(partial)
        joined: Values = (top << 32) | (low & _LOW_HALF)
        return joined


def merge(parts: Sequence[Groups], functions: Sequence[Partial]) -> Groups:
    """Groups of several sources, or rows as groups of one, as groups: equal keys are merged by each partial's function.

    Equal keys keep the order that they come in, so that floats are added up in the order of rows. Raises
    PartialOverflow.
    """
    keys = parts[0].keys if len(parts) == 1 else np.concatenate([part.keys for part in parts])
    if bool((keys[1:] > keys[:-1]).all()):
        return Groups(keys, tuple(_whole(parts, index, slice(None)) for index in range(len(functions))))
    order: np.ndarray | slice = slice(None)
    if not bool((keys[1:] >= keys[:-1]).all()):
        keys, order = _in_order(keys)
    begins = np.concatenate((_FIRST, np.flatnonzero(keys[1:] != keys[:-1]) + 1))
    merged = (_merged(partial, _whole(parts, index, order), begins) for index, partial in enumerate(functions))
    return Groups(keys[begins], tuple(merged))


def _in_order(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keys in order, and the stable order.

    Sorting key and position packed in one integer is several times as fast as sorting positions. Keys too wide for
    that are sorted by what fits, the low bits, and then by the rest (as a radix sort does it).
    """
    bits = max(len(keys) - 1, 1).bit_length()
    least = int(keys.min())
    offsets = keys - least
    room, width = 63 - bits, int(offsets.max()).bit_length()
    if width <= room:
        order = _order(offsets, bits)
        # What was sorted is the keys, but for the positions in the low bits.
        offsets >>= bits
        offsets += least
        return offsets, order
    order = _order(offsets & ((1 << room) - 1), bits)
    order = order[_order((offsets >> room)[order], bits)]
    return keys[order], order


def _order(keys: np.ndarray, bits: int) -> np.ndarray:
    """The stable order of an array that is the caller's own, and is left as keys with positions behind, sorted."""
    keys <<= bits
    keys |= np.arange(len(keys))
    keys.sort()
    return keys & ((1 << bits) - 1)


def _whole(parts: Sequence[Groups], index: int, order: np.ndarray | slice) -> Series:
    """One of the series of all parts, in an order, in 64 bits."""
    series = [part.series[index] for part in parts]
    values = widened((series[0].values if len(series) == 1 else np.concatenate([one.values for one in series]))[order])
    if all(one.valid is None for one in series):
        return Series(values)
    marks = [np.ones(len(one.values), bool) if one.valid is None else one.valid for one in series]
    return Series(values, np.concatenate(marks)[order])


def _merged(partial: Partial, series: Series, begins: np.ndarray) -> Series:
    """The values of each run, merged; runs begin at `begins`."""
    ufunc, start, float_start = MERGES[partial.function]
    values, valid, hit = series.values, series.valid, None
    is_float = values.dtype.kind == "f"
    if valid is not None:
        hit = np.logical_or.reduceat(valid, begins)
        values = np.where(valid, values, values.dtype.type(float_start) if is_float else values.dtype.type(start))
    if ufunc is np.add and not is_float:
        return Series(_sums(partial, values, begins), hit)
    reduced = ufunc.reduceat(values, begins)
    return Series(reduced if hit is None else np.where(hit, reduced, reduced.dtype.type(0)), hit)


def _sums(partial: Partial, values: Values, begins: np.ndarray) -> Values:
    """The exact sum of each run of whole numbers."""
    bound = max(abs(int(values.min())), abs(int(values.max())))
    if bound * len(values) >= 1 << 63:
        high, low = Halves.split(values)
        return Halves.join(np.add.reduceat(high, begins), np.add.reduceat(low, begins), partial)
    if len(values) >= _LONG_RUN * len(begins):
        summed: Values = np.add.reduceat(values, begins)
        return summed
    # Reducing costs as much for a run as for a dozen rows. Short runs are the differences of what has run up.
    running = np.cumsum(values)
    sums: Values = running[np.append(begins[1:], len(values)) - 1]
    sums[1:] -= sums[:-1].copy()
    return sums
