"""The loops that numba compiles: the only module that sees it (the extra `fast`).

It is imported when the first scan asks for it that is large enough. What was compiled is kept on disk beside this file,
or where numba finds another place (`NUMBA_CACHE_DIR`), and is made again by each process where there is none.

A few thousand rows at a time, which stay in the first cache: their keys are put together digit by digit, then each term
is added to its column of a dense array. A row of that array is a key, so that all terms of a key share a line of the
cache. The loops over digits and terms are inside: one call reads many rows, and one compiled function serves every
report. Slices and unsigned places are what lets the compiler use wide registers: neither can be negative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types

__all__ = ["FLOAT", "LEAST", "LEAST_FLOAT", "MOST", "MOST_COLUMNS", "PAIR", "ROWS", "VALID", "WHOLE", "add_rows_of"]

# Digits, columns of numbers and columns of validity that a scan may have here.
MOST_COLUMNS = 8
# What is done with a term; those of floats come last.
ROWS, VALID, WHOLE, PAIR, LEAST, MOST, FLOAT, LEAST_FLOAT, MOST_FLOAT = range(9)
# Rows whose keys are put together before they are used.
_STRIDE = 2048

Array = np.ndarray
Arrays = tuple[np.ndarray, ...]


@njit(nogil=True)
def _read(out: Array, column: Array, begin: int, rows: Array) -> None:
    """A column from one row on, or where there are `rows`, those of it that lie so far behind."""
    if len(rows):
        for row in range(len(out)):
            out[row] = column[np.uint64(begin + rows[row])]
    else:
        for row in range(len(out)):
            out[row] = column[np.uint64(begin + row)]


@njit(nogil=True)
def _through(codes: Array, table: Array) -> None:
    for row in range(len(codes)):
        codes[row] = table[np.uint64(codes[row])]


@njit(nogil=True)
def _fold(key: Array, codes: Array, size: np.uint32) -> None:
    for row in range(len(key)):
        key[row] = np.uint32(key[row] * size + codes[row])


@njit(nogil=True)
def _spread(out: Array, start: int, bucket: int, groups: Array, offsets: Array) -> int:
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


@njit(nogil=True)
def _find(out: Array, start: int, rows: Array, bucket: int, groups: Array, offsets: Array) -> int:
    """The codes of time of rows that lie behind `start`, in their order, from the bucket of the first on. Gives that of
    the last."""
    for row in range(len(out)):
        while offsets[bucket + 1] <= start + rows[row]:
            bucket += 1
        out[row] = groups[bucket]
    return bucket


@njit(nogil=True)
def _add_rows(dense: Array, key: Array) -> None:
    for row in range(len(key)):
        dense[np.uint64(key[row])] += 1


@njit(nogil=True)
def _add(dense: Array, key: Array, values: Array) -> None:
    for row in range(len(key)):
        dense[np.uint64(key[row])] += values[row]


@njit(nogil=True)
def _add_pair(dense: Array, key: Array, values: Array, others: Array) -> None:
    for row in range(len(key)):
        place = np.uint64(key[row])
        dense[place] += values[row]
        dense[place + np.uint64(1)] += others[row]


@njit(nogil=True)
def _keep(dense: Array, key: Array, values: Array, valid: Array, sign: int) -> None:
    """The least, or with a negative sign the greatest. What is no number stays, as in numpy."""
    everything = len(valid) == 0
    for row in range(len(key)):
        if everything or valid[row] != 0:
            value, place = values[row], np.uint64(key[row])
            known = dense[place]
            if (value < known if sign > 0 else value > known) or value != value:  # noqa: PLR0124
                dense[place] = value


@njit(nogil=True)
def _numbers(column: Array, width: int, begin: int, rows: Array, scratch: Array) -> Array:
    """Numbers of so many bytes in 64 bits: as they lie, or in the scratch where they are narrower or some of them."""
    if width == 8 and not len(rows):
        return column.view(np.int64)[begin : begin + len(scratch)]
    if width == 1:
        _read(scratch, column.view(np.int8), begin, rows)
    elif width == 2:
        _read(scratch, column.view(np.int16), begin, rows)
    elif width == 4:
        _read(scratch, column.view(np.int32), begin, rows)
    else:
        _read(scratch, column.view(np.int64), begin, rows)
    return scratch


@njit(nogil=True)
def _valid(column: Array, begin: int, rows: Array, scratch: Array) -> Array:
    """Validity in the same way; nothing where all are valid."""
    if not len(column) or not len(rows):
        return column[begin : begin + len(scratch)]
    _read(scratch, column, begin, rows)
    return scratch


def _add_rows_of(
    dense: Array,
    width: int,
    start: int,
    stop: int,
    rows: Array,
    digits: Array,
    codes: Arrays,
    tables: Arrays,
    offsets: Array,
    groups: Array,
    bucket: int,
    operations: Array,
    widths: Array,
    values: Arrays,
    valids: Arrays,
) -> None:
    """Adds the rows from `start` to `stop` to a dense array of `width` columns; where there are `rows`, those that lie
    so far behind `start`.

    Each of `digits` has the bytes of a code (0 for time), whether codes go through a table, and a size. Time has the
    code of each bucket in `groups` and where it begins in `offsets`; `bucket` is that of the first row. Each of
    `operations` has what is done, the place of a column of numbers and of another or of validity, and the column of the
    array. Numbers have as many bytes as `widths` says.
    """
    floats = dense.view(np.float64)
    keys, wide = np.empty(_STRIDE, np.uint32), np.empty(_STRIDE, np.uint32)
    scratches, marks = np.empty((2, _STRIDE), np.int64), np.empty(_STRIDE, np.uint8)
    count = len(rows) if len(rows) else stop - start
    for first in range(0, count, _STRIDE):
        length = min(_STRIDE, count - first)
        chosen = rows[first : first + length]
        # What is read from here on are the chosen, or as many rows as there are keys.
        begin = start if len(chosen) else start + first
        key, code, scratch, beside, marked = (
            keys[:length], wide[:length], scratches[0, :length], scratches[1, :length], marks[:length],
        )  # fmt: skip
        key[:] = 0
        for digit in range(len(digits)):
            kind, is_below, size = digits[digit]
            column = codes[digit]
            if kind == 0 and len(chosen):
                bucket = _find(code, begin, chosen, bucket, groups, offsets)
            elif kind == 0:
                bucket = _spread(code, begin, bucket, groups, offsets)
            elif kind == 1:
                _read(code, column, begin, chosen)
            elif kind == 2:
                _read(code, column.view(np.uint16), begin, chosen)
            else:
                _read(code, column.view(np.uint32), begin, chosen)
            if is_below:
                _through(code, tables[digit])
            _fold(key, code, np.uint32(size))
        for row in range(len(key)):
            key[row] = np.uint32(key[row] * np.uint32(width))
        for each in range(len(operations)):
            kind, one, other, place = operations[each]
            column = dense[place:]
            if kind == ROWS:
                _add_rows(column, key)
                continue
            valid = _valid(valids[other], begin, chosen, marked)
            if kind == VALID:
                _add(column, key, valid)
                continue
            numbers = _numbers(values[one], widths[one], begin, chosen, scratch)
            if kind == WHOLE:
                _add(column, key, numbers)
            elif kind == PAIR:
                _add_pair(column, key, numbers, _numbers(values[other], widths[other], begin, chosen, beside))
            elif kind < FLOAT:
                _keep(column, key, numbers, valid, 1 if kind == LEAST else -1)
            elif kind == FLOAT:
                _add(floats[place:], key, numbers.view(np.float64))
            else:
                _keep(floats[place:], key, numbers.view(np.float64), valid, 1 if kind == LEAST_FLOAT else -1)


def _compiled(function: Callable[..., None], signature: object) -> Any:
    """A compiled function, kept on disk where there is a place for it."""
    try:
        return njit(signature, nogil=True, cache=True)(function)
    except Exception:  # noqa: BLE001 (what is kept may be damaged, and then says anything; else it is said again here)
        return njit(signature, nogil=True)(function)


_BYTES = types.Array(types.uint8, 1, "C", readonly=True)
_NUMBERS = types.Array(types.int64, 1, "C", readonly=True)
_TABLE = types.Array(types.uint32, 1, "C", readonly=True)
add_rows_of = _compiled(
    _add_rows_of,
    types.void(
        types.int64[::1],
        types.int64,
        types.int64,
        types.int64,
        _NUMBERS,
        types.Array(types.int64, 2, "C", readonly=True),
        types.UniTuple(_BYTES, MOST_COLUMNS),
        types.UniTuple(_TABLE, MOST_COLUMNS),
        _NUMBERS,
        _TABLE,
        types.int64,
        types.Array(types.int64, 2, "C", readonly=True),
        _NUMBERS,
        types.UniTuple(_BYTES, MOST_COLUMNS),
        types.UniTuple(_BYTES, MOST_COLUMNS),
    ),
)
