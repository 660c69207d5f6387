"""The dense kernel compiled (numba, the extra `fast`): one pass over the rows, without the interpreter's lock.

Only this module sees numba, and it is imported when the first scan that is large enough asks for it; what was compiled
is kept on disk beside it, or where numba finds a place, and made again for each process where there is none.

A few thousand rows at a time, which stay in the first cache: their keys are put together digit by digit, then each term
is added to its column of the dense array. A row of that array is a key, so that all terms of a key share a line of the
cache. The loops over digits and terms are inside: one call reads many rows, and one compiled function serves every
report. Rows that predicates leave are fetched first, and are then rows like others.

Threads take equal stretches of the rows and an array each, which are merged in their order. Whole numbers are those of
numpy to the last bit (`engine/terms.py` is common to both), floats are added in the order of rows within a stretch and
may differ in the last digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numba import njit, types

from wolap.engine.columns import Values
from wolap.engine.keys import CodeDigit, Digit, TimeDigit
from wolap.engine.scan import Scan
from wolap.engine.terms import Term

__all__ = ["MOST", "add_up", "fits"]

# Digits, columns of numbers and columns of validity that a scan may have here.
MOST = 8
# Rows whose keys are put together before they are used, and rows of a call.
_STRIDE = 2048
_CALL = 1 << 18
# A thread pays from so many rows on, and from as many as its own array has keys.
_THREAD_ROWS = 300_000

# What is done with a term; those of floats come last.
_ROWS, _VALID, _WHOLE, _PAIR, _LEAST, _MOST, _FLOAT, _LEAST_FLOAT, _MOST_FLOAT = range(9)
_KINDS = {"rows": _ROWS, "valid": _VALID, "whole": _WHOLE, "float": _FLOAT, "least": _LEAST, "most": _MOST}
_MERGES = {"least": np.minimum, "most": np.maximum}
_NO_BYTES, _NO_NUMBERS, _NO_TABLE = np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.uint32)




def fits(scan: Scan, terms: Sequence[Term]) -> bool:
    """Whether the compiled kernel can do it: keys of 32 bits, some digits and columns, no sums in halves."""
    keys = scan.keys
    if keys.ranked is not None or keys.size * len(terms) >= 1 << 32 or len(keys.digits) > MOST or len(terms) > MOST:
        return False
    return all(term.kind not in ("high", "low") and _is_plain(term.values) for term in terms)


def _is_plain(values: np.ndarray | None) -> bool:
    return values is None or (values.itemsize == 8 and values.flags.c_contiguous and values.flags.aligned)


def add_up(scan: Scan, terms: Sequence[Term]) -> list[Values]:
    """What the rows of a scan add up to for each key, of each term. Raises Cancelled when told to stop."""
    scans = _parts(scan, len(terms))
    if len(scans) == 1:
        dense = _dense(scan, terms)
    else:
        with ThreadPoolExecutor(len(scans) - 1) as threads:
            others = [threads.submit(_dense, part, terms) for part in scans[1:]]
            dense = _dense(scans[0], terms)
            for other in others:
                _merge(dense, other.result(), terms)
    return [_column(dense, place, term) for place, term in enumerate(terms)]


def _parts(scan: Scan, width: int) -> list[Scan]:
    """Stretches of a scan for as many threads as it may have and as pay."""
    count = max(min(scan.means.threads, scan.rows // max(_THREAD_ROWS, scan.keys.size * width)), 1)
    edges = [scan.start + scan.rows * part // count for part in range(count + 1)]
    return [replace(scan, start=start, stop=stop) for start, stop in pairwise(edges)]


def _column(dense: Values, place: int, term: Term) -> Values:
    column: Values = dense[:, place]
    return np.ascontiguousarray(column.view(np.float64) if term.type is np.float64 else column)


def _merge(dense: Values, other: Values, terms: Sequence[Term]) -> None:
    for place, term in enumerate(terms):
        own, more = (one[:, place].view(term.type) for one in (dense, other))
        _MERGES.get(term.kind, np.add)(own, more, out=own)


def _dense(scan: Scan, terms: Sequence[Term]) -> Values:
    """A row for each key, a column for each term; those of floats hold their bits."""
    dense = np.zeros((max(scan.keys.size, 1), len(terms)), np.int64)
    for place, term in enumerate(terms):
        if term.start:
            dense[:, place].view(term.type)[:] = term.start
    if scan.predicates:
        for start, stop, chosen in scan.blocks(_CALL):
            digits = [CodeDigit(digit.codes(start, stop, chosen), digit.size) for digit in scan.keys.digits]
            rows = stop - start if chosen is None else len(chosen)
            _Call.of(digits, [_fetched(term, start, stop, chosen) for term in terms])(dense, 0, rows)
        return dense
    call = _Call.of(scan.keys.digits, terms)
    for start, stop, _ in scan.blocks(_CALL):
        call(dense, start, stop)
    return dense


def _fetched(term: Term, start: int, stop: int, chosen: np.ndarray | None) -> Term:
    """A term over the chosen rows of a block alone."""
    values, valid = (None if one is None else one[start:stop] for one in (term.values, term.valid))
    if chosen is not None:
        values, valid = (None if one is None else one.take(chosen) for one in (values, valid))
    return replace(term, values=values, valid=valid)


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """What the compiled kernel is called with, but for the rows."""

    digits: np.ndarray
    columns: tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]
    offsets: np.ndarray
    groups: np.ndarray
    terms: tuple[np.ndarray, tuple[np.ndarray, ...], tuple[np.ndarray, ...]]

    @classmethod
    def of(cls, digits: Sequence[Digit], terms: Sequence[Term]) -> _Call:
        """For these digits and terms."""
        kinds = np.zeros((len(digits), 3), np.int64)
        codes, tables = [_NO_BYTES] * MOST, [_NO_TABLE] * MOST
        offsets, groups = _NO_NUMBERS, _NO_TABLE
        for place, digit in enumerate(digits):
            if isinstance(digit, TimeDigit):
                kinds[place] = 0, 0, digit.size
                offsets, groups = digit.offsets.astype(np.int64, copy=False), digit.groups.astype(np.uint32)
            else:
                kinds[place] = digit.column.itemsize, digit.table is not None, digit.size
                codes[place] = np.ascontiguousarray(digit.column).view(np.uint8)
                if digit.table is not None:
                    tables[place] = digit.table.astype(np.uint32, copy=False)
        return cls(kinds, (tuple(codes), tuple(tables)), offsets, groups, _operations(terms))

    def __call__(self, dense: Values, start: int, stop: int) -> None:
        bucket = int(self.offsets.searchsorted(np.int64(start), side="right")) - 1
        _scatter(
            dense.reshape(-1), dense.shape[1], start, stop, self.digits, *self.columns, self.offsets, self.groups,
            bucket, *self.terms,
        )  # fmt: skip


def _operations(terms: Sequence[Term]) -> tuple[np.ndarray, tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """What is done with each term, and the columns of numbers and of validity. Two whole numbers side by side are added
    as a pair."""
    found: list[tuple[int, int, int, int]] = []
    values, valids = [_NO_NUMBERS] * MOST, [_NO_BYTES] * MOST
    for place, term in enumerate(terms):
        if term.values is not None:
            values[place] = term.values.view(np.int64)
        if term.valid is not None:
            valids[place] = term.valid.view(np.uint8)
        kind = _KINDS[term.kind] + (_LEAST_FLOAT - _LEAST if term.type is np.float64 and term.kind != "float" else 0)
        if kind == _WHOLE and found and found[-1][0] == _WHOLE and found[-1][3] == place - 1:
            found[-1] = _PAIR, place - 1, place, place - 1
        else:
            found.append((kind, place, place, place))
    return np.array(found, np.int64).reshape(-1, 4), tuple(values), tuple(valids)


def _widen(out, codes):  # type: ignore[no-untyped-def]
    for row in range(len(codes)):
        out[row] = codes[row]


def _through(codes, table):  # type: ignore[no-untyped-def]
    for row in range(len(codes)):
        codes[row] = table[np.uint64(codes[row])]


def _fold(key, codes, size):  # type: ignore[no-untyped-def]
    for row in range(len(key)):
        key[row] = np.uint32(key[row] * size + codes[row])


def _spread(out, start, bucket, groups, offsets):  # type: ignore[no-untyped-def]
    """The codes of time, those of each bucket as often as it has rows, from the bucket of the first row on. Gives that
    of the last."""
    stop = start + len(out)
    at = start
    while True:
        end = min(offsets[bucket + 1], stop)
        out[at - start : end - start] = groups[bucket]
        if end == stop:
            return bucket
        at = end
        bucket += 1


def _add_rows(dense, key):  # type: ignore[no-untyped-def]
    for row in range(len(key)):
        dense[np.uint64(key[row])] += 1


def _add(dense, key, values):  # type: ignore[no-untyped-def]
    for row in range(len(key)):
        dense[np.uint64(key[row])] += values[row]


def _add_pair(dense, key, values, others):  # type: ignore[no-untyped-def]
    for row in range(len(key)):
        place = np.uint64(key[row])
        dense[place] += values[row]
        dense[place + np.uint64(1)] += others[row]


def _keep(dense, key, values, valid, sign):  # type: ignore[no-untyped-def]
    """The least, or with a negative sign the greatest. What is no number stays, as in numpy."""
    everything = len(valid) == 0
    for row in range(len(key)):
        if everything or valid[row] != 0:
            value, place = values[row], np.uint64(key[row])
            known = dense[place]
            if (value < known if sign > 0 else value > known) or value != value:
                dense[place] = value


def _scatter(dense, width, start, stop, digits, codes, tables, offsets, groups, bucket, operations, values, valids):  # type: ignore[no-untyped-def]
    """Adds rows to a dense array of `width` columns.

    Digits are (bytes of a code, or 0 for time; whether it goes through a table; size), operations (which, the place of
    a column of numbers, of another or of validity, the column of the array).
    """
    floats = dense.view(np.float64)
    keys, wide = np.empty(_STRIDE, np.uint32), np.empty(_STRIDE, np.uint32)
    for begin in range(start, stop, _STRIDE):
        end = min(begin + _STRIDE, stop)
        key, code = keys[: end - begin], wide[: end - begin]
        key[:] = 0
        for digit in range(len(digits)):
            kind, is_below, size = digits[digit]
            column = codes[digit]
            if kind == 0:
                bucket = _spread(code, begin, bucket, groups, offsets)
            elif kind == 1:
                _widen(code, column[begin:end])
            elif kind == 2:
                _widen(code, column.view(np.uint16)[begin:end])
            else:
                _widen(code, column.view(np.uint32)[begin:end])
            if is_below:
                _through(code, tables[digit])
            _fold(key, code, np.uint32(size))
        for row in range(len(key)):
            key[row] = np.uint32(key[row] * np.uint32(width))
        for each in range(len(operations)):
            kind, one, other, place = operations[each]
            column = dense[place:]
            numbers, valid = values[one][begin:end], valids[other][begin:end]
            if kind == _ROWS:
                _add_rows(column, key)
            elif kind == _VALID:
                _add(column, key, valid)
            elif kind == _WHOLE:
                _add(column, key, numbers)
            elif kind == _PAIR:
                _add_pair(column, key, numbers, values[other][begin:end])
            elif kind < _FLOAT:
                _keep(column, key, numbers, valid, 1 if kind == _LEAST else -1)
            elif kind == _FLOAT:
                _add(floats[place:], key, numbers.view(np.float64))
            else:
                _keep(floats[place:], key, numbers.view(np.float64), valid, 1 if kind == _LEAST_FLOAT else -1)


_widen, _through, _fold, _spread, _add_rows, _add, _add_pair, _keep = (
    njit(nogil=True)(one) for one in (_widen, _through, _fold, _spread, _add_rows, _add, _add_pair, _keep)
)
def _compiled(function, signature=None):  # type: ignore[no-untyped-def]
    """A compiled function, kept on disk where there is room for it."""
    try:
        return njit(signature, nogil=True, cache=True)(function)
    except (RuntimeError, OSError):
        return njit(signature, nogil=True)(function)


_BYTES = types.Array(types.uint8, 1, "C", readonly=True)
_NUMBERS = types.Array(types.int64, 1, "C", readonly=True)
_TABLE = types.Array(types.uint32, 1, "C", readonly=True)
_scatter = _compiled(
    _scatter,
    types.void(
        types.int64[::1],
        types.int64,
        types.int64,
        types.int64,
        types.Array(types.int64, 2, "C", readonly=True),
        types.UniTuple(_BYTES, MOST),
        types.UniTuple(_TABLE, MOST),
        _NUMBERS,
        _TABLE,
        types.int64,
        types.Array(types.int64, 2, "C", readonly=True),
        types.UniTuple(_NUMBERS, MOST),
        types.UniTuple(_BYTES, MOST),
    ),
)
