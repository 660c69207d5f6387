"""Grouped partials over packed keys; one table says which kernel for which case.

A kernel reads the rows of a Scan in blocks and gives Groups: the keys that occur, sorted, and for each partial a
value for each of them. All kernels give the same whole numbers. A sum that could leave 64 bits, by the bounds of its
column, is added up in two halves and refused if it really does (`performance.md` section 8: nothing wraps in
silence). Floats are added in the order of the rows, whatever the size of a block, so that a result depends on the
rows alone.

Which kernel (`performance.md` section 4):

    no key                            totals    whole blocks are reduced
    time only, nothing filtered       runs      rows of a group lie together: reduceat over stored offsets
    keys few beside the rows          scatter   blocked ufunc.at into a dense array
    else                              ordered   each block is sorted by key, blocks are merged
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Event

import numpy as np

from wolap.engine.columns import Column
from wolap.engine.keys import Keys, TimeDigit
from wolap.errors import Cancelled
from wolap.model.aggregate import Partial

__all__ = [
    "KERNELS",
    "Groups",
    "PartialOverflow",
    "Predicate",
    "Scan",
    "Series",
    "choose_kernel",
    "merge",
    "scan_groups",
]

BLOCK = 1 << 16
LARGE_BLOCK = 1 << 20
_DENSE_ALWAYS = 1 << 16
_DENSE_MOST = 1 << 24
_LOW_HALF = 0xFFFF_FFFF
_LONG_RUN = 16
_SAMPLE = 256
_FIRST = np.zeros(1, np.intp)
_NO_KEYS = np.zeros(0, np.intp)

Values = np.ndarray


class PartialOverflow(ArithmeticError):
    """A sum that does not fit 64 bits. Who knows the metric names it."""

    def __init__(self, partial: Partial) -> None:
        self.partial = partial
        super().__init__(str(partial))


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


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """Rows to read, which of them to keep, how they are keyed. `cancel` is looked at between blocks."""

    start: int
    stop: int
    keys: Keys
    predicates: tuple[Predicate, ...] = ()
    cancel: Event | None = None

    @property
    def rows(self) -> int:
        """Rows to read, before predicates."""
        return self.stop - self.start

    def blocks(self, size: int) -> Iterator[tuple[int, int, np.ndarray | None]]:
        """Ranges of rows with the positions in them that are kept; None for all. Raises Cancelled when told to stop."""
        for start in range(self.start, self.stop, size):
            stop = min(start + size, self.stop)
            if self.cancel is not None and self.cancel.is_set():
                raise Cancelled("stopped between two blocks of rows, as the caller asked")
            chosen = self._chosen(start, stop)
            if chosen is None or len(chosen):
                yield start, stop, chosen

    def _chosen(self, start: int, stop: int) -> np.ndarray | None:
        if not self.predicates:
            return None
        mask = self.predicates[0].mask(start, stop)
        for predicate in self.predicates[1:]:
            mask &= predicate.mask(start, stop)
        chosen = np.flatnonzero(mask)
        return None if len(chosen) == stop - start else chosen


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """A value for each group; `valid` False where there is none."""

    values: Values
    valid: np.ndarray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """The keys that occur, in rising order, and a series for each column that was asked for, in its order."""

    keys: np.ndarray
    series: tuple[Series, ...]


Wanted = Sequence[tuple[Partial, Column]]
Kernel = Callable[[Scan, Wanted], Groups]

# What counts is 0 where there is nothing; all else is null.
_COUNTS = frozenset({"count", "distinct"})

# How the partial of a function merges: the ufunc, and what it starts from for int64 and for float64.
_MERGES: dict[str, tuple[np.ufunc, int, float]] = {
    "count": (np.add, 0, 0.0),
    "sum": (np.add, 0, 0.0),
    "distinct": (np.add, 0, 0.0),
    "min": (np.minimum, np.iinfo(np.int64).max, np.inf),
    "max": (np.maximum, np.iinfo(np.int64).min, -np.inf),
}


class _Split:
    """An exact sum in two halves, for a column whose bounds do not promise that its sum fits 64 bits.

    Each half is a sum of at most 2^31 numbers of 32 bits and cannot overflow; their carry tells whether the whole does.
    """

    @staticmethod
    def halves(values: Values) -> tuple[Values, Values]:
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


def _may_overflow(partial: Partial, column: Column, rows: int) -> bool:
    if column.values is None or column.is_float or _MERGES[partial.function][0] is not np.add:
        return False
    return max(abs(column.low), abs(column.high)) * max(rows, 1) >= 1 << 63


def _block(column: Column, start: int, stop: int, chosen: np.ndarray | None) -> tuple[Values | None, np.ndarray | None]:
    """The values and the validity of the chosen rows of a block."""
    values = None if column.values is None else column.values[start:stop]
    valid = None if column.valid is None else column.valid[start:stop]
    if chosen is not None:
        values = None if values is None else values[chosen]
        valid = None if valid is None else valid[chosen]
    return values, valid


class _Dense:
    """A running value for each key of a small key space."""

    def __init__(self, partial: Partial, column: Column, size: int, rows: int) -> None:
        self.partial, self.column = partial, column
        self.ufunc, start, float_start = _MERGES[partial.function]
        self.splits = _may_overflow(partial, column, rows)
        self.values: Values = (
            np.full(size, float_start, np.float64) if column.is_float else np.full(size, start, np.int64)
        )
        self.low = np.zeros(size, np.int64) if self.splits else None
        nullable = column.valid is not None and partial.function != "count"
        self.hit = np.zeros(size, bool) if nullable else None

    def add(
        self, keys: np.ndarray, begins: np.ndarray | None, start: int, stop: int, chosen: np.ndarray | None
    ) -> None:
        """Adds a block; `begins` are where its runs of equal keys begin, where it lies in long ones."""
        values, valid = _block(self.column, start, stop, chosen)
        if begins is not None and values is not None and valid is None and self.low is None:
            self.ufunc.at(self.values, keys[begins], self.ufunc.reduceat(values, begins))
            return
        if valid is not None and not valid.all():
            keys = keys[valid]
            values = None if values is None else values[valid]
        if self.hit is not None:
            self.hit[keys] = True
        if values is None:
            np.add.at(self.values, keys, 1)
        elif self.low is not None:
            high, low = _Split.halves(values)
            np.add.at(self.values, keys, high)
            np.add.at(self.low, keys, low)
        else:
            self.ufunc.at(self.values, keys, values)

    def series(self, present: np.ndarray | None) -> Series:
        low = self.low
        values = self.values if present is None else self.values[present]
        if low is not None:
            values = _Split.join(values, low if present is None else low[present], self.partial)
        if self.hit is None:
            return Series(values)
        hit = self.hit if present is None else self.hit[present]
        return Series(np.where(hit, values, values.dtype.type(0)), hit)


def _scatter(scan: Scan, wanted: Wanted) -> Groups:
    """Blocked ufunc.at into dense arrays (1.0 to 1.6 ns a row and metric where it was measured)."""
    size = scan.keys.size
    running = [_Dense(partial, column, size, scan.rows) for partial, column in wanted]
    seen = np.zeros(size, bool)
    for start, stop, chosen in scan.blocks(BLOCK):
        keys = scan.keys.build(start, stop, chosen)
        begins = _long_runs(keys)
        seen[keys if begins is None else keys[begins]] = True
        for one in running:
            one.add(keys, begins, start, stop, chosen)
    present = np.flatnonzero(seen)
    return Groups(present, tuple(one.series(present) for one in running))


def _long_runs(keys: np.ndarray) -> np.ndarray | None:
    """Where runs of equal keys begin, if they are so long that reducing each first is the shorter way."""
    sample = keys[:_SAMPLE]
    if np.count_nonzero(sample[1:] != sample[:-1]) * _LONG_RUN > len(sample):
        return None
    begins = np.flatnonzero(keys[1:] != keys[:-1])
    if (len(begins) + 1) * _LONG_RUN > len(keys):
        return None
    begins += 1
    return np.concatenate((_FIRST, begins))


def _totals(scan: Scan, wanted: Wanted) -> Groups:
    """One group, which is there even when no row is (W1)."""
    parts = [_reduced(scan, partial, column) for partial, column in wanted]
    return Groups(np.zeros(1, np.intp), tuple(parts))


def _reduced(scan: Scan, partial: Partial, column: Column) -> Series:
    ufunc, start, _ = _MERGES[partial.function]
    whole = 0 if ufunc is np.add else start
    sums: list[float] = []
    seen = False
    for block_start, block_stop, chosen in scan.blocks(BLOCK):
        values, valid = _block(column, block_start, block_stop, chosen)
        if values is None:
            rows = block_stop - block_start if chosen is None else len(chosen)
            whole += rows if valid is None else int(np.count_nonzero(valid))
            continue
        if valid is not None:
            values = values[valid]
        if not len(values):
            continue
        seen = True
        if column.is_float:
            sums.append(float(ufunc.reduce(values)))
        elif ufunc is np.add:
            whole += _exact_sum(column, values)
        else:
            whole = int(ufunc.reduce(values, initial=whole))
    if partial.function in _COUNTS:
        return Series(np.array([whole], np.int64))
    if column.is_float:
        value = float(ufunc.reduce(np.array(sums))) if seen else 0.0
        return Series(np.array([value]), None if seen else np.zeros(1, bool))
    if not -(1 << 63) <= whole < 1 << 63:
        raise PartialOverflow(partial)
    return Series(np.array([whole if seen else 0], np.int64), None if seen else np.zeros(1, bool))


def _exact_sum(column: Column, values: Values) -> int:
    if max(abs(column.low), abs(column.high)) * len(values) < 1 << 63:
        return int(np.add.reduce(values))
    high, low = _Split.halves(values)
    return (int(np.add.reduce(high)) << 32) + int(np.add.reduce(low))


def _runs(scan: Scan, wanted: Wanted) -> Groups:
    """Time alone: the rows of a bucket lie together, so each is reduced where it lies; then buckets of one name
    merge."""
    digit = scan.keys.digits[0]
    assert isinstance(digit, TimeDigit)
    offsets = digit.offsets
    # No block of this kernel makes a copy as long as the rows, but for columns with nulls and halves.
    cuts = np.searchsorted(offsets, np.arange(scan.start, scan.stop, LARGE_BLOCK, dtype=np.int64))
    series = []
    for partial, column in wanted:
        parts = [
            _run_block(partial, column, offsets[begin : end + 1], scan)
            for begin, end in zip(cuts.tolist(), [*cuts[1:].tolist(), len(offsets) - 1], strict=True)
            if end > begin
        ]
        valid = None if parts[0].valid is None else np.concatenate([part.valid for part in parts])
        series.append(Series(np.concatenate([part.values for part in parts]), valid))
    groups = digit.groups.astype(np.intp)
    functions = [partial for partial, _ in wanted]
    return merge([Groups(groups, tuple(series))], functions)


def _run_block(partial: Partial, column: Column, offsets: np.ndarray, scan: Scan) -> Series:
    if scan.cancel is not None and scan.cancel.is_set():
        raise Cancelled("stopped between two blocks of rows, as the caller asked")
    ufunc, start, float_start = _MERGES[partial.function]
    begin, end = int(offsets[0]), int(offsets[-1])
    begins = offsets[:-1] - begin
    values, valid = _block(column, begin, end, None)
    if values is None:
        counted = np.diff(offsets) if valid is None else np.add.reduceat(valid, begins, dtype=np.int64)
        return Series(counted)
    if partial.function == "count" or valid is None:
        hit = None
    else:
        hit = np.logical_or.reduceat(valid, begins)
        if ufunc is not np.add:
            values = np.where(valid, values, float_start if column.is_float else start)
    reduced = ufunc.reduceat(values, begins)
    return Series(reduced if hit is None else np.where(hit, reduced, reduced.dtype.type(0)), hit)


def _ordered(scan: Scan, wanted: Wanted) -> Groups:
    """Many keys: each block is put in the order of its keys and reduced, then the blocks are merged like
    projections."""
    functions = [partial for partial, _ in wanted]
    parts: list[Groups] = []
    waiting = 0
    # Halves of a sum are not carried from block to block, so what may overflow is added up in one.
    risky = any(_may_overflow(partial, column, scan.rows) for partial, column in wanted)
    for start, stop, chosen in scan.blocks(max(scan.rows, 1) if risky else LARGE_BLOCK):
        keys = scan.keys.build(start, stop, chosen)
        series = []
        for _, column in wanted:
            values, valid = _block(column, start, stop, chosen)
            if values is None:
                values = np.ones(len(keys), np.int64) if valid is None else valid.astype(np.int64)
                valid = None
            series.append(Series(values, valid))
        part = merge([Groups(keys, tuple(series))], functions)
        parts.append(part)
        waiting += len(part.keys)
        if len(parts) > 1 and waiting > 4 * max(LARGE_BLOCK, len(parts[0].keys)):
            parts, waiting = [merge(parts, functions)], 0
    if not parts:
        empty = [Series(np.zeros(0, np.float64 if column.is_float else np.int64)) for _, column in wanted]
        return Groups(_NO_KEYS, tuple(empty))
    return parts[0] if len(parts) == 1 else merge(parts, functions)


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
    ufunc, start, float_start = _MERGES[partial.function]
    is_float = values.dtype.kind == "f"
    hit = None
    if valid is not None:
        hit = np.logical_or.reduceat(valid, begins)
        values = np.where(valid, values, values.dtype.type(float_start) if is_float else values.dtype.type(start))
    if ufunc is np.add and not is_float and len(values):
        bound = max(abs(int(values.min())), abs(int(values.max())))
        if bound * len(values) >= 1 << 63:
            high, low = _Split.halves(values)
            joined = _Split.join(np.add.reduceat(high, begins), np.add.reduceat(low, begins), partial)
            return Series(joined, hit)
    reduced = ufunc.reduceat(values, begins)
    return Series(reduced if hit is None else np.where(hit, reduced, reduced.dtype.type(0)), hit)


def _is_total(scan: Scan, wanted: Wanted) -> bool:
    return not scan.keys.digits and scan.keys.ranked is None


def _is_time_only(scan: Scan, wanted: Wanted) -> bool:
    digits = scan.keys.digits
    if scan.predicates or scan.rows == 0 or len(digits) != 1 or not isinstance(digits[0], TimeDigit):
        return False
    return not any(_may_overflow(partial, column, scan.rows) for partial, column in wanted)


def _is_dense(scan: Scan, wanted: Wanted) -> bool:
    return scan.keys.size <= min(max(_DENSE_ALWAYS, 4 * scan.rows), _DENSE_MOST)


def _is_any(scan: Scan, wanted: Wanted) -> bool:
    return True


# The first whose test holds.
KERNELS: tuple[tuple[str, Callable[[Scan, Wanted], bool], Kernel], ...] = (
    ("totals", _is_total, _totals),
    ("runs", _is_time_only, _runs),
    ("scatter", _is_dense, _scatter),
    ("ordered", _is_any, _ordered),
)


def choose_kernel(scan: Scan, wanted: Wanted) -> tuple[str, Kernel]:
    """The name of the kernel that suits a scan, and the kernel."""
    return next((name, kernel) for name, suits, kernel in KERNELS if suits(scan, wanted))


def scan_groups(scan: Scan, wanted: Wanted) -> Groups:
    """Groups of a scan by the kernel that suits it. Raises PartialOverflow, and Cancelled when told to stop."""
    # A sum of floats that is no finite number is null in the end (`wire.md` W31), and no news.
    with np.errstate(over="ignore", invalid="ignore"):
        return choose_kernel(scan, wanted)[1](scan, wanted)
