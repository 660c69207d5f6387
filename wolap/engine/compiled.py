"""The dense kernel with compiled loops (`loops.py`): without the interpreter's lock, on several threads where asked.

Threads take equal stretches of the rows and an array each, which are merged in their order. Whole numbers are those of
numpy to the last bit, since both add up the same terms (`terms.py`); floats are added in the order of rows within a
stretch, and may differ in the last digits. Rows that predicates leave are found by numpy, a block at a time, and read
where they lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from wolap.engine import loops
from wolap.engine.columns import Values, stored_rows
from wolap.engine.keys import CodeDigit, MomentDigit, TimeDigit
from wolap.engine.scan import Scan
from wolap.engine.terms import UFUNCS, Term

__all__ = ["add_up", "fits"]

# A thread pays from so many rows on, and from as many as its own array has keys.
_THREAD_ROWS = 300_000
# Bytes of the tables of other threads.
_TABLES = 8 << 20

# What is done with a term of whole numbers, and with one of floats.
_WHOLE = {
    "rows": loops.ROWS,
    "valid": loops.VALID,
    "whole": loops.WHOLE,
    "least": loops.LEAST,
    "most": loops.MOST,
}
_FLOAT = {"float": loops.FLOAT, "least": loops.LEAST_FLOAT, "most": loops.MOST_FLOAT}
_NO_BYTES, _NO_NUMBERS, _NO_TABLE = np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.uint32)


def fits(scan: Scan, terms: Sequence[Term]) -> bool:
    """Whether the compiled kernel can do it: keys of 32 bits, some digits and columns, no sums in halves."""
    keys = scan.keys
    if keys.ranked is not None or keys.size * len(terms) >= 1 << 32:
        return False
    times = [digit for digit in keys.digits if isinstance(digit, TimeDigit)]
    if max(len(keys.digits), len(terms)) > loops.MOST_COLUMNS or len(times) > 1:
        return False
    return all(term.kind not in ("high", "low") and _is_plain(term.values) for term in terms)


def _is_plain(values: np.ndarray | None) -> bool:
    return values is None or (values.flags.c_contiguous and values.flags.aligned)


def add_up(scan: Scan, terms: Sequence[Term], block: int) -> list[Values]:
    """What the rows of a scan add up to for each key, of each term, read in blocks of so many rows.

    Raises Cancelled when told to stop.
    """
    scans = _parts(scan, len(terms))
    if len(scans) == 1:
        dense = _dense(scan, terms, block)
    else:
        with ThreadPoolExecutor(len(scans) - 1) as threads:
            others = [threads.submit(_dense, part, terms, block) for part in scans[1:]]
            dense = _dense(scans[0], terms, block)
            for other in others:
                _merge(dense, other.result(), terms)
    return [dense[:, place].view(term.type) for place, term in enumerate(terms)]


def _parts(scan: Scan, width: int) -> list[Scan]:
    """Stretches of a scan for as many threads as it may have and as pay, whose tables are no more than the guard of
    memory allows for (`planner/memory.py`): as much again as one, or as blocks."""
    slots = max(scan.keys.size * width, 1)
    most = 1 + max(_TABLES // (8 * slots), 1)
    return scan.parts(max(min(scan.means.threads, most, scan.rows // max(_THREAD_ROWS, slots)), 1))


def _merge(dense: Values, other: Values, terms: Sequence[Term]) -> None:
    for place, term in enumerate(terms):
        own, more = (one[:, place].view(term.type) for one in (dense, other))
        UFUNCS.get(term.kind, np.add)(own, more, out=own)


def _dense(scan: Scan, terms: Sequence[Term], block: int) -> Values:
    """A row for each key, a column for each term; those of floats hold their bits."""
    dense = np.zeros((max(scan.keys.size, 1), len(terms)), np.int64)
    for place, term in enumerate(terms):
        if term.start:
            dense[:, place].view(term.type)[:] = term.start
    in_place = [digit for digit in scan.keys.digits if not isinstance(digit, MomentDigit)]
    if len(in_place) < len(scan.keys.digits):
        for start, stop, chosen in scan.blocks(block):
            digits = [CodeDigit(digit.codes(start, stop, chosen), digit.size) for digit in scan.keys.digits]
            rows = stop - start if chosen is None else len(chosen)
            _Call.of(digits, [_fetched(term, start, stop, chosen) for term in terms])(dense, 0, rows)
        return dense
    call = _Call.of(in_place, terms)
    for start, stop, chosen in scan.blocks(block):
        call(dense, start, stop, chosen)
    return dense


def _fetched(term: Term, start: int, stop: int, chosen: np.ndarray | None) -> Term:
    """A term over the chosen rows of a block alone."""
    values, valid = (stored_rows(one, start, stop, chosen) for one in (term.values, term.valid))
    return replace(term, values=values, valid=valid)


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """What the compiled kernel is called with, but for the rows."""

    digits: np.ndarray
    columns: tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]
    offsets: np.ndarray
    groups: np.ndarray
    terms: tuple[np.ndarray, np.ndarray, tuple[np.ndarray, ...], tuple[np.ndarray, ...]]

    @classmethod
    def of(cls, digits: Sequence[CodeDigit | TimeDigit], terms: Sequence[Term]) -> _Call:
        """For these digits and terms."""
        kinds = np.zeros((len(digits), 3), np.int64)
        codes, tables = [_NO_BYTES] * loops.MOST_COLUMNS, [_NO_TABLE] * loops.MOST_COLUMNS
        offsets, groups = _NO_NUMBERS, _NO_TABLE
        for place, digit in enumerate(digits):
            if isinstance(digit, TimeDigit):
                kinds[place] = 0, 0, digit.size
                offsets, groups = digit.offsets.astype(np.int64, copy=False), digit.groups.astype(np.uint32)
            else:
                column = digit.column if digit.column.itemsize <= 4 else digit.column.astype(np.uint32)
                kinds[place] = column.itemsize, digit.table is not None, digit.size
                codes[place] = np.ascontiguousarray(column).view(np.uint8)
                if digit.table is not None:
                    tables[place] = digit.table.astype(np.uint32, copy=False)
        return cls(kinds, (tuple(codes), tuple(tables)), offsets, groups, _operations(terms))

    def __call__(self, dense: Values, start: int, stop: int, chosen: np.ndarray | None = None) -> None:
        bucket = int(self.offsets.searchsorted(np.int64(start), side="right")) - 1
        rows = _NO_NUMBERS if chosen is None else chosen.astype(np.int64, copy=False)
        loops.add_rows_of(
            dense.reshape(-1), dense.shape[1], start, stop, rows, self.digits, *self.columns, self.offsets,
            self.groups, bucket, *self.terms,
        )  # fmt: skip


def _operations(
    terms: Sequence[Term],
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """What is done with each term, the bytes of numbers, and the columns of numbers and of validity. Two whole numbers
    side by side are added as a pair."""
    found: list[tuple[int, int, int, int]] = []
    widths = np.full(loops.MOST_COLUMNS, 8, np.int64)
    values, valids = [_NO_BYTES] * loops.MOST_COLUMNS, [_NO_BYTES] * loops.MOST_COLUMNS
    for place, term in enumerate(terms):
        if term.values is not None:
            widths[place], values[place] = term.values.itemsize, term.values.view(np.uint8)
        if term.valid is not None:
            valids[place] = term.valid.view(np.uint8)
        kind = (_FLOAT if term.type is np.float64 else _WHOLE)[term.kind]
        if kind == loops.WHOLE and found and found[-1][0] == loops.WHOLE and found[-1][3] == place - 1:
            found[-1] = loops.PAIR, place - 1, place, place - 1
        else:
            found.append((kind, place, place, place))
    return np.array(found, np.int64).reshape(-1, 4), widths, tuple(values), tuple(valids)
