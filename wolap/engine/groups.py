"""Groups, what a kernel gives, and how groups of several sources become one.

Merging is what rolling up is: equal keys are merged by the function of each partial. Whole numbers are exact. A sum
that could leave 64 bits is added up in two halves and refused if it really does (`performance.md` section 8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from wolap.engine.columns import Column, Values
from wolap.model.aggregate import Partial

if TYPE_CHECKING:
    from wolap.engine.grouping import Selection

__all__ = ["COUNTS", "MERGES", "Groups", "Halves", "PartialOverflow", "Partials", "Places", "Series", "merge"]

_LOW_HALF = 0xFFFF_FFFF
_RANKS_MOST = 1 << 24

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
    """Merged partials by group: for each dimension of the report its codes (of time: its plain numbers).

    `selection` says which groups of a kept grouping these are, in their order, where they come from one.
    """

    dimensions: dict[str, np.ndarray]
    series: dict[Partial, tuple[Series, pa.DataType]]
    rows: int
    selection: Selection | None = None


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
    rises = len(keys) < 2 or bool((keys[1:] > keys[:-1]).all())
    if rises:
        return Groups(keys, parts[0].series) if len(parts) == 1 else _joined(parts, keys, slice(None), None, functions)
    order = _order(keys)
    keys = keys[order]
    begins = np.concatenate(([0], np.flatnonzero(keys[1:] != keys[:-1]) + 1))
    return _joined(parts, keys[begins], order, begins, functions)


def _order(keys: np.ndarray) -> np.ndarray:
    """The stable order of keys: sorting key and position packed in one integer is faster than sorting positions."""
    bits = max(len(keys) - 1, 1).bit_length()
    least, most = int(keys.min()), int(keys.max())
    if (most - least).bit_length() + bits < 63:
        packed = ((keys - least) << bits) | np.arange(len(keys))
        packed.sort()
        return packed & ((1 << bits) - 1)
    return np.argsort(keys, kind="stable")


def _joined(
    parts: Sequence[Groups],
    keys: np.ndarray,
    order: np.ndarray | slice,
    begins: np.ndarray | None,
    functions: Sequence[Partial],
) -> Groups:
    found = []
    for index, partial in enumerate(functions):
        series = [part.series[index] for part in parts]
        values = np.concatenate([one.values for one in series])[order] if len(series) > 1 else series[0].values[order]
        valid = None
        if any(one.valid is not None for one in series):
            marks = [np.ones(len(one.values), bool) if one.valid is None else one.valid for one in series]
            valid = np.concatenate(marks)[order]
        found.append(Series(values, valid) if begins is None else _merged(partial, values, valid, begins))
    return Groups(keys, tuple(found))


def _merged(partial: Partial, values: Values, valid: np.ndarray | None, begins: np.ndarray) -> Series:
    ufunc, start, float_start = MERGES[partial.function]
    is_float = values.dtype.kind == "f"
    hit = None
    if valid is not None:
        hit = np.logical_or.reduceat(valid, begins)
        values = np.where(valid, values, values.dtype.type(float_start) if is_float else values.dtype.type(start))
    if ufunc is np.add and not is_float and len(values):
        bound = max(abs(int(values.min())), abs(int(values.max())))
        if bound * len(values) >= 1 << 63:
            high, low = Halves.split(values)
            joined = Halves.join(np.add.reduceat(high, begins), np.add.reduceat(low, begins), partial)
            return Series(joined, hit)
    reduced = ufunc.reduceat(values, begins)
    return Series(reduced if hit is None else np.where(hit, reduced, reduced.dtype.type(0)), hit)
