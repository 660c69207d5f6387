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
from wolap.engine.keys import CodeDigit, Digit, MomentDigit, TimeDigit
from wolap.engine.scan import Scan
from wolap.engine.terms import SUMS, UFUNCS, Term
from wolap.engine.words import share_words

__all__ = ["add_up", "fits"]

# A thread pays from so many rows on, and from as many as its own array has keys.
_THREAD_ROWS = 300_000
# Bytes of the tables of other threads.
_TABLES = 8 << 20

# What is done with an extreme of whole numbers, and with a term of floats.
_WHOLE = {"least": loops.LEAST, "most": loops.MOST}
_FLOAT = {"float": loops.FLOAT, "least": loops.LEAST_FLOAT, "most": loops.MOST_FLOAT}
_NO_BYTES, _NO_NUMBERS, _NO_TABLE = np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.uint32)


def fits(scan: Scan, terms: Sequence[Term]) -> bool:
    """Whether the compiled kernel can do it: keys of 32 bits, some digits and columns, no sums in halves."""
    keys = scan.keys
    if keys.ranked is not None or keys.size * len(terms) >= 1 << 32:
        return False
    times = [digit for digit in keys.digits if isinstance(digit, TimeDigit)]
    if len(keys.digits) > loops.MOST_DIGITS or 2 * len(terms) > loops.MOST_COLUMNS or len(times) > 1:
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
        return _added_up(scan, terms, block)
    with ThreadPoolExecutor(len(scans) - 1) as threads:
        others = [threads.submit(_added_up, part, terms, block) for part in scans[1:]]
        totals = _added_up(scans[0], terms, block)
        for other in others:
            for term, own, more in zip(terms, totals, other.result(), strict=True):
                UFUNCS.get(term.kind, np.add)(own, more, out=own)
    return totals


def _parts(scan: Scan, width: int) -> list[Scan]:
    """Stretches of a scan for as many threads as it may have and as pay, whose tables are no more than the guard of
    memory allows for (`planner/memory.py`): as much again as one, or as blocks."""
    slots = max(scan.keys.size * width, 1)
    most = 1 + max(_TABLES // (8 * slots), 1)
    return scan.parts(max(min(scan.means.threads, most, scan.rows // max(_THREAD_ROWS, slots)), 1))


def _added_up(scan: Scan, terms: Sequence[Term], block: int) -> list[Values]:
    table = _Table(scan, terms, block)
    moments = any(isinstance(digit, MomentDigit) for digit in scan.keys.digits)
    call = None if moments else _Call.of(scan.keys.digits, terms, table)
    for start, stop, chosen in scan.blocks(block):
        rows = stop - start if chosen is None else len(chosen)
        table.make_room(rows)
        if call is not None:
            call(table, start, stop, chosen)
        else:
            digits = [CodeDigit(digit.codes(start, stop, chosen), digit.size) for digit in scan.keys.digits]
            own = [_fetched(term, start, stop, chosen) for term in terms]
            _Call.of(digits, own, table)(table, 0, rows)
    return table.totals()


class _Table:
    """What rows are added up in: for each key a row of words, then of floats and extremes, whose bits are in the same
    array."""

    def __init__(self, scan: Scan, terms: Sequence[Term], block: int) -> None:
        self.terms, self.size = terms, max(scan.keys.size, 1)
        self.words, self.most = share_words(terms, self.size, scan.rows, block)
        self.singles = [place for place, term in enumerate(terms) if term.kind not in SUMS]
        self.width = len(self.words) + len(self.singles)
        self.dense = np.zeros((self.size, self.width), np.int64)
        for column, place in enumerate(self.singles, len(self.words)):
            terms[place].begin(self.dense[:, column].view(terms[place].type))
        self.waiting = 0
        self.sums = [np.zeros((len(fields), self.size), np.int64) for fields in self.words]

    def make_room(self, rows: int) -> None:
        """Empties words that might not hold so many rows more."""
        if self.waiting + rows > self.most:
            self._empty()
        self.waiting += rows

    def _empty(self) -> None:
        for place, (fields, sums) in enumerate(zip(self.words, self.sums, strict=True)):
            bits = np.array([width for _, width in fields], np.int64)
            loops.empty(self.dense.reshape(-1), self.width, place, bits, sums)
        self.waiting = 0

    def totals(self) -> list[Values]:
        """What was added up of each term."""
        self._empty()
        found = {
            place: own
            for fields, sums in zip(self.words, self.sums, strict=True)
            for (place, _), own in zip(fields, sums, strict=True)
        }
        for column, place in enumerate(self.singles, len(self.words)):
            found[place] = self.dense[:, column].view(self.terms[place].type)
        return [found[place] for place in range(len(self.terms))]


def _fetched(term: Term, start: int, stop: int, chosen: np.ndarray | None) -> Term:
    """A term over the chosen rows of a block alone."""
    values, valid = (stored_rows(one, start, stop, chosen) for one in (term.values, term.valid))
    return replace(term, values=values, valid=valid)


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """What the compiled kernel is called with, but for the rows."""

    digits: np.ndarray
    codes: tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]
    offsets: np.ndarray
    firsts: np.ndarray
    operations: tuple[np.ndarray, np.ndarray, tuple[np.ndarray, ...]]

    @classmethod
    def of(cls, digits: Sequence[Digit], terms: Sequence[Term], table: _Table) -> _Call:
        """For these digits and terms."""
        kinds = np.zeros((len(digits), 2), np.int64)
        codes, tables = [_NO_BYTES] * loops.MOST_DIGITS, [_NO_TABLE] * loops.MOST_DIGITS
        offsets, firsts = _NO_NUMBERS, _NO_TABLE
        factor, place = table.width, 0
        for digit in reversed(digits):
            if isinstance(digit, TimeDigit):
                offsets = digit.offsets.astype(np.int64, copy=False)
                firsts = digit.groups.astype(np.uint32) * np.uint32(factor)
            else:
                assert isinstance(digit, CodeDigit)
                column = digit.column if digit.column.itemsize <= 4 else digit.column.astype(np.uint32)
                kinds[place] = column.itemsize, factor
                codes[place] = np.ascontiguousarray(column).view(np.uint8)
                if digit.table is not None:
                    tables[place] = digit.table.astype(np.uint32, copy=False)
                place += 1
            factor *= digit.size
        return cls(kinds[:place], (tuple(codes), tuple(tables)), offsets, firsts, _operations(terms, table))

    def __call__(self, table: _Table, start: int, stop: int, chosen: np.ndarray | None = None) -> None:
        bucket = int(self.offsets.searchsorted(np.int64(start), side="right")) - 1
        rows = _NO_NUMBERS if chosen is None else chosen.astype(np.int64, copy=False)
        loops.add_rows_of(
            table.dense.reshape(-1), start, stop, rows, self.digits, *self.codes, self.offsets, self.firsts, bucket,
            *self.operations,
        )  # fmt: skip


def _operations(terms: Sequence[Term], table: _Table) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, ...]]:
    """What is done with each column of a table, the fields of that, and the columns that those are read from."""
    operations: list[tuple[int, int, int, int, int]] = []
    fields: list[tuple[int, int, int]] = []
    columns: list[np.ndarray] = []

    def add_field(column: np.ndarray, shift: int = 0) -> None:
        fields.append((len(columns), column.itemsize, shift))
        columns.append(column.view(np.uint8))

    for place, word in enumerate(table.words):
        constant, first, shift = 0, len(fields), sum([bits for _, bits in word])
        for which, bits in word:
            shift -= bits
            term = terms[which]
            column = term.valid if term.kind == "valid" else term.values
            if column is None:
                constant = 1 << shift
            else:
                add_field(column, shift)
        operations.append((loops.WORD, place, constant, first, len(fields)))
    for place, which in enumerate(table.singles, len(table.words)):
        term, first = terms[which], len(fields)
        assert term.values is not None
        add_field(term.values)
        if term.valid is not None:
            add_field(term.valid)
        kind = (_FLOAT if term.type is np.float64 else _WHOLE)[term.kind]
        operations.append((kind, place, 0, first, len(fields)))
    columns += [_NO_BYTES] * (loops.MOST_COLUMNS - len(columns))
    return np.array(operations, np.int64), np.array(fields, np.int64).reshape(-1, 3), tuple(columns)
