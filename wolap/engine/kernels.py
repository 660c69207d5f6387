"""Grouped partials over packed keys; one table says which kernel for which case.

A kernel reads the rows of a Scan in blocks and gives Groups: the keys that occur, sorted, and for each partial a
value for each of them. All kernels give the same whole numbers. A sum that could leave 64 bits, by the bounds of its
column, is added up in two halves and refused if it really does (`performance.md` section 8: nothing wraps in
silence). Floats are added block by block, within a block pairwise or in the order of rows as the kernel has it: the
same rows in the same order give the same bits, and another order differs in the last digits only.

Which kernel (`performance.md` section 4):

    no key                              totals     blocks are reduced
    time only, nothing filtered         runs       rows of a group lie together: reduceat over stored offsets
    keys many beside the rows kept      ordered    each block is sorted by key, blocks are merged
    many rows, and `fast` is installed  compiled   a compiled loop into dense arrays, on threads (`compiled.py`)
    else                                scatter    blocked ufunc.at into dense arrays, sums share words (`words.py`)

Both dense kernels add up the same terms (`terms.py`), so they give the same bits, but for sums of floats.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from warnings import warn

import numpy as np

from wolap.engine.columns import Column, Values, stored_rows, widened
from wolap.engine.groups import COUNTS, MERGES, Groups, Halves, Series, merge
from wolap.engine.keys import TimeDigit
from wolap.engine.scan import Scan
from wolap.engine.terms import SUMS, UFUNCS, Term, Terms, Wanted, may_overflow
from wolap.engine.words import Block, running
from wolap.model.aggregate import Partial

__all__ = ["BLOCK", "KERNELS", "LARGE_BLOCK", "block_of", "choose_kernel", "has_compiled", "scan_groups"]

# Rows of a block: of these and their keys the cache of a core holds some columns, and of the large ones it need not.
BLOCK = 1 << 16
LARGE_BLOCK = 1 << 20
# From so many rows on the compiled kernel is worth its import; so many it reads before it looks whether to stop.
COMPILED_ROWS = 100_000
COMPILED_BLOCK = 1 << 18
DENSE_ALWAYS = 1 << 16
DENSE_PER_ROW = 4
DENSE_MOST = 1 << 24
_LONG_RUN = 16
_SAMPLE = 256
# So many blocks are reduced at once where there is no key.
_TOTAL_BLOCKS = 4
_FIRST = np.zeros(1, np.intp)
_NO_KEYS = np.zeros(0, np.intp)


Kernel = Callable[[Scan, Wanted], Groups]


def block_of(
    column: Column | Term, start: int, stop: int, chosen: np.ndarray | None
) -> tuple[Values | None, np.ndarray | None]:
    """The values, in 64 bits, and the validity of the chosen rows of a block."""
    values = stored_rows(column.values, start, stop, chosen)
    return None if values is None else widened(values), stored_rows(column.valid, start, stop, chosen)


def _scatter(scan: Scan, wanted: Wanted) -> Groups:
    """Blocked ufunc.at into dense arrays (1.0 to 1.6 ns a row and word where it was measured)."""
    terms = Terms.of(wanted, scan.rows)
    tables = running(terms.each, scan.keys.size, scan.rows, BLOCK)
    scratch = np.empty(BLOCK, np.intp)
    for start, stop, chosen in scan.blocks(BLOCK):
        keys = scan.keys.build(start, stop, chosen, scratch)
        block = Block(keys, _long_runs(keys), start, stop, chosen)
        for table in tables:
            table.add(block)
    totals = {place: values for table in tables for place, values in table.totals().items()}
    return terms.groups([totals[place] for place in range(len(totals))])


def _compiled(scan: Scan, wanted: Wanted) -> Groups:
    """The same in one compiled loop, on both cores where the scan may have them."""
    # Not before it is needed: small scans do not have the time that its import takes.
    from wolap.engine import compiled  # noqa: PLC0415

    terms = Terms.of(wanted, scan.rows)
    if not compiled.fits(scan, terms.each):
        return _scatter(scan, wanted)
    return terms.groups(compiled.add_up(scan, terms.each, COMPILED_BLOCK))


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
    terms = Terms.of(wanted, scan.rows)
    found: list[list[float]] = [[] for _ in terms.each]
    is_empty = True
    for start, stop, chosen in scan.blocks(_TOTAL_BLOCKS * BLOCK):
        is_empty = False
        rows = stop - start if chosen is None else len(chosen)
        for parts, term in zip(found, terms.each, strict=True):
            parts.extend(_reduced(term, rows, *block_of(term, start, stop, chosen)))
    totals = [_total(term, parts) for term, parts in zip(terms.each, found, strict=True)]
    series = terms.series(totals, slice(None))
    if is_empty:
        none = np.zeros(1, bool)
        series = tuple([
            one if partial.function in COUNTS else Series(np.zeros_like(one.values), none)
            for (partial, _), one in zip(wanted, series, strict=True)
        ])  # fmt: skip
    return Groups(np.zeros(1, np.intp), series)


def _reduced(term: Term, rows: int, values: Values | None, valid: np.ndarray | None) -> list[float]:
    """What a block adds to a term; nothing where no row has a value."""
    if term.kind == "rows":
        return [rows]
    if term.kind == "valid" and valid is not None:
        return [int(np.count_nonzero(valid))]
    assert values is not None
    if term.kind == "high":
        values = values >> 32
    elif term.kind == "low":
        values = values & 0xFFFF_FFFF
    elif valid is not None:
        values = values[valid]
    return [UFUNCS.get(term.kind, np.add).reduce(values).item()] if len(values) else []


def _total(term: Term, parts: list[float]) -> Values:
    """What blocks add up to, as the one value of an array."""
    if term.kind in SUMS:
        return np.array([sum(parts)], np.int64)
    ufunc = UFUNCS[term.kind]
    return np.array([ufunc.reduce(np.array(parts, term.type)) if parts else term.start], term.type)


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
    splits = [may_overflow(partial, column, scan.rows) for partial, column in wanted]
    functions = [partial for (partial, _), in_two in zip(wanted, splits, strict=True) for _ in range(1 + in_two)]
    parts: list[Groups] = []
    waiting = 0
    for start, stop, chosen in scan.blocks(LARGE_BLOCK):
        keys = scan.keys.build(start, stop, chosen)
        series = []
        for (_, column), in_two in zip(wanted, splits, strict=True):
            values, valid = (stored_rows(one, start, stop, chosen) for one in (column.values, column.valid))
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
    if scan.keys.ranked is not None or scan.is_filtered or scan.rows == 0:
        return False
    if len(digits) != 1 or not isinstance(digits[0], TimeDigit):
        return False
    if any(column.valid is not None for _, column in wanted) and _longest(digits[0].offsets) > LARGE_BLOCK:
        # What has no value is left out in a copy, which blocks keep short.
        return False
    return not any(may_overflow(partial, column, scan.rows) for partial, column in wanted)


def _longest(offsets: np.ndarray) -> int:
    return int((offsets[1:] - offsets[:-1]).max(initial=0))


def _is_sparse(scan: Scan, wanted: Wanted) -> bool:
    size = scan.keys.size
    if size > min(max(DENSE_ALWAYS, DENSE_PER_ROW * scan.rows), DENSE_MOST):
        return True
    # Of a large table it counts how many rows come to it at all.
    return size > DENSE_ALWAYS and size > DENSE_PER_ROW * scan.kept


def _is_compiled(scan: Scan, wanted: Wanted) -> bool:
    # In this order: what is not asked for is not imported.
    return scan.means.compiled and scan.rows >= COMPILED_ROWS and has_compiled()


@cache
def has_compiled() -> bool:
    """Whether the extra `fast` is installed. Imports it, which takes some tenths of a second, and some seconds where
    nothing compiled was kept on disk yet."""
    if find_spec("numba") is None:
        return False
    try:
        import_module("wolap.engine.compiled")
    except ImportError as error:
        # Such as numba that is older than the numpy beside it.
        warn(f"reports are not worked out by compiled kernels: {error}", RuntimeWarning, stacklevel=2)
        return False
    return True


def _is_any(scan: Scan, wanted: Wanted) -> bool:
    return True


# The first whose test holds.
KERNELS: tuple[tuple[str, Callable[[Scan, Wanted], bool], Kernel], ...] = (
    ("totals", _is_total, _totals),
    ("runs", _is_time_only, _runs),
    ("ordered", _is_sparse, _ordered),
    ("compiled", _is_compiled, _compiled),
    ("scatter", _is_any, _scatter),
)


def choose_kernel(scan: Scan, wanted: Wanted) -> tuple[str, Kernel]:
    """The name of the kernel that suits a scan, and the kernel."""
    return next((name, kernel) for name, suits, kernel in KERNELS if suits(scan, wanted))


def scan_groups(scan: Scan, wanted: Wanted) -> Groups:
    """Groups of a scan by the kernel that suits it. Raises PartialOverflow, and Cancelled when told to stop."""
    # A sum of floats that is no finite number is null in the end (`wire.md` W31), and no news.
    with np.errstate(over="ignore", invalid="ignore"):
        return choose_kernel(scan, wanted)[1](scan, wanted)
