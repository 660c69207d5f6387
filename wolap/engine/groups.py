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

from wolap.engine.columns import Column, Values, widened
from wolap.model.aggregate import Partial

if TYPE_CHECKING:
    from wolap.engine.grouping import Selection

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


def merge(parts: Sequence[Groups], functions: Sequence[Partial], *, fits: bool = False) -> Groups:
    """Groups of several sources, or rows as groups of one, as groups: equal keys are merged by each partial's function.

    Equal keys keep the order that they come in, so that floats are added up in the order of rows. Values may be narrow,
    and come out in 64 bits; `fits` promises that each sum does. Raises PartialOverflow.
    """
    keys = parts[0].keys if len(parts) == 1 else np.concatenate([part.keys for part in parts])
    order: np.ndarray | slice = slice(None)
    if not bool((keys[1:] >= keys[:-1]).all()):
        keys, order = _in_order(keys)
    begins = np.concatenate((_FIRST[: len(keys)], np.flatnonzero(keys[1:] != keys[:-1]) + 1))
    wholes = (_whole([part.series[index] for part in parts]) for index in range(len(functions)))
    if len(begins) == len(keys):
        return Groups(keys, tuple(_placed(one, order) for one in wholes))
    runs = _Runs(order, begins, len(keys))
    return Groups(keys[begins], tuple(_merged(*one, runs, fits) for one in zip(functions, wholes, strict=True)))


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


def _whole(series: Sequence[Series]) -> Series:
    """The series of all parts as one."""
    if len(series) == 1:
        return series[0]
    values = np.concatenate([one.values for one in series])
    if all(one.valid is None for one in series):
        return Series(values)
    marks = [np.ones(len(one.values), bool) if one.valid is None else one.valid for one in series]
    return Series(values, np.concatenate(marks))


def _placed(series: Series, order: np.ndarray | slice) -> Series:
    """A series in an order, in 64 bits."""
    return Series(widened(series.values[order]), None if series.valid is None else series.valid[order])


class _Runs:
    """Rows in the order of their keys, and where the runs of equal ones begin among them.

    Reducing costs as much for a run as for a dozen rows. So short ones are taken apart, into the first row of each run,
    `firsts`, and the `others`, of which those of one run are `ends` apart and belong to `longer`.
    """

    def __init__(self, order: np.ndarray | slice, begins: np.ndarray, rows: int) -> None:
        self.order, self.begins = order, begins
        self.are_short = rows < _LONG_RUN * len(begins)
        if self.are_short:
            is_other = np.ones(rows, bool)
            is_other[begins] = False
            others = np.flatnonzero(is_other)
            # Of the rows before it, all but the others are the firsts of a run.
            run = others - np.arange(1, len(others) + 1)
            self.ends = np.append(np.flatnonzero(run[1:] != run[:-1]), len(run) - 1)
            self.longer = run[self.ends]
            self.firsts = begins if isinstance(order, slice) else order[begins]
            self.others = others if isinstance(order, slice) else order[others]


def _merged(partial: Partial, series: Series, runs: _Runs, fits: bool) -> Series:
    """The values of each run, merged."""
    ufunc, start, float_start = MERGES[partial.function]
    values, valid, hit = series.values, series.valid, None
    is_float = values.dtype.kind == "f"
    if valid is not None:
        hit = np.logical_or.reduceat(valid[runs.order], runs.begins)
        values = widened(values)
        values = np.where(valid, values, values.dtype.type(float_start if is_float else start))
    if ufunc is np.add and not is_float:
        return Series(_sums(partial, values, runs, fits), hit)
    reduced = ufunc.reduceat(widened(values[runs.order]), runs.begins)
    return Series(reduced if hit is None else np.where(hit, reduced, reduced.dtype.type(0)), hit)


def _sums(partial: Partial, values: Values, runs: _Runs, fits: bool) -> Values:
    """The exact sum of each run of whole numbers, whose rows are as they come."""
    if not fits and max(abs(int(values.min())), abs(int(values.max()))) * len(values) >= 1 << 63:
        high, low = Halves.split(widened(values[runs.order]))
        return Halves.join(np.add.reduceat(high, runs.begins), np.add.reduceat(low, runs.begins), partial)
    if not runs.are_short:
        summed: Values = np.add.reduceat(widened(values[runs.order]), runs.begins)
        return summed
    sums = widened(values[runs.firsts])
    # What has run up to the end of each run, less what had before it.
    more = np.cumsum(widened(values[runs.others]))[runs.ends]
    more[1:] -= more[:-1].copy()
    sums[runs.longer] += more
    return sums
