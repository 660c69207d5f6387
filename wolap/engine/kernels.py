"""Grouped partials over packed keys; one table says which kernel for which case.

A kernel reads the rows of a Scan in blocks and gives Groups: the keys that occur, sorted, and for each partial a
value for each of them. All kernels give the same whole numbers. A sum that could leave 64 bits, by the bounds of its
column, is added up in two halves and refused if it really does (`performance.md` section 8: nothing wraps in
silence). Floats are added block by block, within a block pairwise or in the order of rows as the kernel has it: the
same rows in the same order give the same bits, and another order differs in the last digits only.

Which kernel (`performance.md` section 4):

    no key                            totals    whole blocks are reduced
    time only, nothing filtered       runs      rows of a group lie together: reduceat over stored offsets
    keys few beside the rows          scatter   blocked ufunc.at into a dense array
    else                              ordered   each block is sorted by key, blocks are merged
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from wolap.engine.columns import Column, Values, widened
from wolap.engine.groups import COUNTS, MERGES, Groups, Halves, PartialOverflow, Series, merge
from wolap.engine.keys import TimeDigit
from wolap.engine.scan import Scan
from wolap.model.aggregate import Partial

__all__ = ["BLOCK", "KERNELS", "LARGE_BLOCK", "block_of", "choose_kernel", "scan_groups"]

BLOCK = 1 << 16
LARGE_BLOCK = 1 << 20
DENSE_ALWAYS = 1 << 16
DENSE_PER_ROW = 4
DENSE_MOST = 1 << 24
_LONG_RUN = 16
_SAMPLE = 256
_FIRST = np.zeros(1, np.intp)
_NO_KEYS = np.zeros(0, np.intp)


Wanted = Sequence[tuple[Partial, Column]]
Kernel = Callable[[Scan, Wanted], Groups]


def _may_overflow(partial: Partial, column: Column, rows: int) -> bool:
    if column.values is None or column.is_float or MERGES[partial.function][0] is not np.add:
        return False
    return max(abs(column.low), abs(column.high)) * max(rows, 1) >= 1 << 63


def block_of(
    column: Column, start: int, stop: int, chosen: np.ndarray | None
) -> tuple[Values | None, np.ndarray | None]:
    """The values, in 64 bits, and the validity of the chosen rows of a block."""
    values, valid = _stored_block(column, start, stop, chosen)
    return None if values is None else widened(values), valid


def _stored_block(
    column: Column, start: int, stop: int, chosen: np.ndarray | None
) -> tuple[Values | None, np.ndarray | None]:
    """The same, values as narrow as they are stored."""
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
        self.ufunc, start, float_start = MERGES[partial.function]
        self.splits = _may_overflow(partial, column, rows)
        kind, begin = (np.float64, float_start) if column.is_float else (np.int64, start)
        self.values: Values = np.full(size, begin, kind) if begin else np.zeros(size, kind)
        self.low = np.zeros(size, np.int64) if self.splits else None
        nullable = column.valid is not None and partial.function != "count"
        self.hit = np.zeros(size, bool) if nullable else None

    def add(
        self, keys: np.ndarray, begins: np.ndarray | None, start: int, stop: int, chosen: np.ndarray | None
    ) -> None:
        """Adds a block; `begins` are where its runs of equal keys begin, where it lies in long ones."""
        values, valid = block_of(self.column, start, stop, chosen)
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
            high, low = Halves.split(values)
            np.add.at(self.values, keys, high)
            np.add.at(self.low, keys, low)
        else:
            self.ufunc.at(self.values, keys, values)

    def series(self, present: np.ndarray | slice) -> Series:
        """The values of the keys that occur; a slice where all do."""
        values = self.values[present]
        if self.low is not None:
            values = Halves.join(values, self.low[present], self.partial)
        if self.hit is None:
            return Series(values)
        hit = self.hit[present]
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
    chosen_keys = slice(None) if len(present) == size else present
    return Groups(present, tuple(one.series(chosen_keys) for one in running))


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
    ufunc, start, _ = MERGES[partial.function]
    whole = 0 if ufunc is np.add else start
    sums: list[float] = []
    seen = False
    for block_start, block_stop, chosen in scan.blocks(BLOCK):
        values, valid = block_of(column, block_start, block_stop, chosen)
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
    if partial.function in COUNTS:
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
    high, low = Halves.split(values)
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
    scan.heed()
    ufunc, start, float_start = MERGES[partial.function]
    begin, end = int(offsets[0]), int(offsets[-1])
    begins = offsets[:-1] - begin
    values, valid = block_of(column, begin, end, None)
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
    # What may leave 64 bits is carried from block to block in two halves, which do not.
    splits = [_may_overflow(partial, column, scan.rows) for partial, column in wanted]
    functions = [partial for (partial, _), in_two in zip(wanted, splits, strict=True) for _ in range(1 + in_two)]
    parts: list[Groups] = []
    waiting = 0
    for start, stop, chosen in scan.blocks(LARGE_BLOCK):
        keys = scan.keys.build(start, stop, chosen)
        series = []
        for (_, column), in_two in zip(wanted, splits, strict=True):
            values, valid = _stored_block(column, start, stop, chosen)
            if values is None:
                values = np.ones(len(keys), np.int8) if valid is None else valid.astype(np.int8)
                valid = None
            halves = Halves.split(widened(values)) if in_two else (values,)
            series += [Series(half, valid) for half in halves]
        part = merge([Groups(keys, tuple(series))], functions, fits=True)
        parts.append(part)
        waiting += len(part.keys)
        if len(parts) > 1 and waiting > 4 * max(LARGE_BLOCK, len(parts[0].keys)):
            parts, waiting = [merge(parts, functions, fits=True)], 0
    if not parts:
        empty = [Series(np.zeros(0, np.float64 if column.is_float else np.int64)) for _, column in wanted]
        return Groups(_NO_KEYS, tuple(empty))
    found = parts[0] if len(parts) == 1 else merge(parts, functions, fits=True)
    whole = iter(found.series)
    joined = []
    for (partial, _), in_two in zip(wanted, splits, strict=True):
        one = next(whole)
        joined.append(Series(Halves.join(one.values, next(whole).values, partial), one.valid) if in_two else one)
    return Groups(found.keys, tuple(joined))


def _is_total(scan: Scan, wanted: Wanted) -> bool:
    return not scan.keys.digits and scan.keys.ranked is None


def _is_time_only(scan: Scan, wanted: Wanted) -> bool:
    digits = scan.keys.digits
    if scan.keys.ranked is not None or scan.predicates or scan.rows == 0:
        return False
    if len(digits) != 1 or not isinstance(digits[0], TimeDigit):
        return False
    if any(column.valid is not None for _, column in wanted) and _longest(digits[0].offsets) > LARGE_BLOCK:
        # What has no value is left out in a copy, which blocks keep short.
        return False
    return not any(_may_overflow(partial, column, scan.rows) for partial, column in wanted)


def _longest(offsets: np.ndarray) -> int:
    return int((offsets[1:] - offsets[:-1]).max(initial=0))


def _is_dense(scan: Scan, wanted: Wanted) -> bool:
    return scan.keys.size <= min(max(DENSE_ALWAYS, DENSE_PER_ROW * scan.rows), DENSE_MOST)


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
