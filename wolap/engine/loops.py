"""The loops that numba compiles: the only module that sees it (the extra `fast`).

It is imported when the first scan asks for it that is large enough. What was compiled is kept on disk beside this file,
or where numba finds another place (`NUMBA_CACHE_DIR`), and is made again by each process where there is none.

A few thousand rows at a time, which stay in the caches of a core: their keys are put together digit by digit, and each
word from its fields (`words.py`), both in wide registers. What is left to do row by row is to add a word to its place
in a dense array, which takes longer than all else. A row of that array is a key, so that all words of a key share a
line of the cache; keys are the places where such rows begin. The loops over digits and words are inside: one call reads
many rows, and one compiled function serves every report. Slices and unsigned places are what lets the compiler use wide
registers: neither can be negative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types

__all__ = [
    "FLOAT",
    "LEAST",
    "LEAST_FLOAT",
    "MOST",
    "MOST_COLUMNS",
    "MOST_DIGITS",
    "MOST_FLOAT",
    "WORD",
    "add_rows_of",
    "empty",
]

# Digits, and columns of numbers and of validity, that a scan may have here.
MOST_DIGITS, MOST_COLUMNS = 8, 16
# What is done with a column of the array; those of floats come last.
WORD, LEAST, MOST, FLOAT, LEAST_FLOAT, MOST_FLOAT = range(6)
# Rows whose keys are put together before they are used.
_STRIDE = 4096

Array = np.ndarray
Arrays = tuple[np.ndarray, ...]


@njit(nogil=True)
def _spread(key: Array, start: int, bucket: int, firsts: Array, offsets: Array) -> int:
    """Begins keys with the place of their bucket, from that of the first row on. Gives that of the last."""
    stop = start + len(key)
    at = start
    while True:
        end = min(offsets[bucket + 1], stop)
        key[at - start : end - start] = firsts[bucket]
        if end == stop:
            return bucket
        at = end
        bucket += 1


@njit(nogil=True)
def _find(key: Array, start: int, rows: Array, bucket: int, firsts: Array, offsets: Array) -> int:
    """Begins keys of rows that lie behind `start`, in their order, with the place of their bucket, from that of the
    first on. Gives that of the last."""
    for row in range(len(key)):
        while offsets[bucket + 1] <= start + rows[row]:
            bucket += 1
        key[row] = firsts[bucket]
    return bucket


@njit(nogil=True)
def _fold(key: Array, column: Array, begin: int, rows: Array, table: Array, factor: np.uint32) -> None:
    """Adds a digit to keys: a column from one row on, or where there are `rows`, those of it that lie so far behind;
    through a table, where there is one."""
    codes = column[begin:]
    if len(rows) and len(table):
        for row in range(len(key)):
            key[row] += table[np.uint64(codes[np.uint64(rows[row])])] * factor
    elif len(rows):
        for row in range(len(key)):
            key[row] += np.uint32(codes[np.uint64(rows[row])]) * factor
    elif len(table):
        for row in range(len(key)):
            key[row] += table[np.uint64(codes[row])] * factor
    else:
        for row in range(len(key)):
            key[row] += np.uint32(codes[row]) * factor


@njit(nogil=True)
def _put(word: Array, column: Array, begin: int, rows: Array, shift: int) -> None:
    """Adds a field to words, so many bits higher."""
    numbers = column[begin:]
    if len(rows):
        for row in range(len(word)):
            word[row] += np.int64(numbers[np.uint64(rows[row])]) << shift
    else:
        for row in range(len(word)):
            word[row] += np.int64(numbers[row]) << shift


@njit(nogil=True)
def _put_both(word: Array, one: Array, shift: int, other: Array, more: int, constant: int) -> None:
    """Makes words of two fields at once, of as many numbers."""
    for row in range(len(word)):
        word[row] = constant + (np.int64(one[row]) << shift) + (np.int64(other[row]) << more)


@njit(nogil=True)
def _put_of(word: Array, column: Array, width: int, begin: int, rows: Array, shift: int) -> None:
    """The same of numbers of so many bytes."""
    if width == 1:
        _put(word, column.view(np.int8), begin, rows, shift)
    elif width == 2:
        _put(word, column.view(np.int16), begin, rows, shift)
    elif width == 4:
        _put(word, column.view(np.int32), begin, rows, shift)
    else:
        _put(word, column.view(np.int64), begin, rows, shift)


@njit(nogil=True)
def _put_all(word: Array, columns: Arrays, fields: Array, begin: int, rows: Array, constant: int) -> None:
    """Makes words of a number that all have in common and of fields."""
    at, end = 0, begin + len(word)
    if len(fields) > 1 and fields[0, 1] == fields[1, 1] and fields[0, 1] < 4 and not len(rows):
        # What most reports are.
        one, other = columns[fields[0, 0]], columns[fields[1, 0]]
        if fields[0, 1] == 1:
            one, other = one[begin:end], other[begin:end]
            _put_both(word, one.view(np.int8), fields[0, 2], other.view(np.int8), fields[1, 2], constant)
        else:
            one, other = one[2 * begin : 2 * end], other[2 * begin : 2 * end]
            _put_both(word, one.view(np.int16), fields[0, 2], other.view(np.int16), fields[1, 2], constant)
        at = 2
    else:
        word[:] = constant
    for field in range(at, len(fields)):
        _put_of(word, columns[fields[field, 0]], fields[field, 1], begin, rows, fields[field, 2])


@njit(nogil=True)
def _numbers(column: Array, width: int, begin: int, rows: Array, scratch: Array) -> Array:
    """Numbers in 64 bits: as they lie, or in the scratch where they are narrower or some of them."""
    if width == 8 and not len(rows):
        return column.view(np.int64)[begin : begin + len(scratch)]
    scratch[:] = 0
    _put_of(scratch, column, width, begin, rows, 0)
    return scratch


@njit(nogil=True)
def _add(dense: Array, key: Array, values: Array) -> None:
    for row in range(len(key)):
        dense[np.uint64(key[row])] += values[row]


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


def _add_rows_of(
    dense: Array,
    start: int,
    stop: int,
    rows: Array,
    digits: Array,
    codes: Arrays,
    tables: Arrays,
    offsets: Array,
    firsts: Array,
    bucket: int,
    operations: Array,
    fields: Array,
    columns: Arrays,
) -> None:
    """Adds the rows from `start` to `stop` to a dense array; where there are `rows`, those that lie so far behind
    `start`.

    Each of `digits` has the bytes of a code and what it is multiplied by. Where there is time, `firsts` has where the
    keys of each bucket begin and `offsets` where its rows do; `bucket` is that of the first row. Each of `operations`
    has what is done, the column of the array, a number that all rows have in common, and the first and the end of its
    `fields`, of which each has a place in `columns`, its bytes and its shift: those of a word, else numbers, and their
    validity where some have none.
    """
    floats = dense.view(np.float64)
    keys, words = np.empty(_STRIDE, np.uint32), np.empty((2, _STRIDE), np.int64)
    count = len(rows) if len(rows) else stop - start
    for first in range(0, count, _STRIDE):
        length = min(_STRIDE, count - first)
        chosen = rows[first : first + length]
        # What is read from here on are the chosen, or as many rows as there are keys.
        begin = start if len(chosen) else start + first
        key, word, mark = keys[:length], words[0, :length], words[1, :length]
        if not len(firsts):
            key[:] = 0
        elif len(chosen):
            bucket = _find(key, begin, chosen, bucket, firsts, offsets)
        else:
            bucket = _spread(key, begin, bucket, firsts, offsets)
        for digit in range(len(digits)):
            width, factor, table = digits[digit, 0], np.uint32(digits[digit, 1]), tables[digit]
            if width == 1:
                _fold(key, codes[digit], begin, chosen, table, factor)
            elif width == 2:
                _fold(key, codes[digit].view(np.uint16), begin, chosen, table, factor)
            else:
                _fold(key, codes[digit].view(np.uint32), begin, chosen, table, factor)
        for each in range(len(operations)):
            kind, place, constant, at, end = operations[each]
            if kind == WORD and (constant or end - at > 1 or fields[at, 2]):
                _put_all(word, columns, fields[at:end], begin, chosen, constant)
                numbers = word
            else:
                numbers = _numbers(columns[fields[at, 0]], fields[at, 1], begin, chosen, word)
            if kind == WORD:
                _add(dense[place:], key, numbers)
            elif kind == FLOAT:
                _add(floats[place:], key, numbers.view(np.float64))
            else:
                valid = mark[:0]
                if end - at > 1:
                    valid = _numbers(columns[fields[at + 1, 0]], fields[at + 1, 1], begin, chosen, mark)
                if kind < FLOAT:
                    _keep(dense[place:], key, numbers, valid, 1 if kind == LEAST else -1)
                else:
                    _keep(floats[place:], key, numbers.view(np.float64), valid, 1 if kind == LEAST_FLOAT else -1)


def _empty(dense: Array, width: int, place: int, bits: Array, sums: Array) -> None:
    """Takes the words in a column of a dense array of `width` apart, the field of the most bits first, adds each to its
    row of `sums`, and leaves none."""
    for key in range(sums.shape[1]):
        at = np.uint64(key * width + place)
        word = dense[at]
        if word:
            dense[at] = 0
            for field in range(len(bits) - 1, 0, -1):
                unused = 64 - bits[field]
                low = (word << unused) >> unused
                word = (word - low) >> bits[field]
                sums[field, key] += low
            sums[0, key] += word


def _compiled(function: Callable[..., None], signature: object) -> Any:
    """A compiled function, kept on disk where there is a place for it."""
    try:
        return njit(signature, nogil=True, cache=True)(function)
    except Exception:  # noqa: BLE001 (what is kept may be damaged, and then says anything; else it is said again here)
        return njit(signature, nogil=True)(function)


_BYTES = types.Array(types.uint8, 1, "C", readonly=True)
_NUMBERS = types.Array(types.int64, 1, "C", readonly=True)
_RECORDS = types.Array(types.int64, 2, "C", readonly=True)
_TABLE = types.Array(types.uint32, 1, "C", readonly=True)
add_rows_of = _compiled(
    _add_rows_of,
    types.void(
        types.int64[::1],
        types.int64,
        types.int64,
        _NUMBERS,
        _RECORDS,
        types.UniTuple(_BYTES, MOST_DIGITS),
        types.UniTuple(_TABLE, MOST_DIGITS),
        _NUMBERS,
        _TABLE,
        types.int64,
        _RECORDS,
        _RECORDS,
        types.UniTuple(_BYTES, MOST_COLUMNS),
    ),
)
empty = _compiled(_empty, types.void(types.int64[::1], types.int64, types.int64, _NUMBERS, types.int64[:, ::1]))
