"""Approximate distinct counts: HyperLogLog (Flajolet, Fusy, Gandouet and Meunier, 2007) over collections of registers.

A value's hash has two halves. The low bits of the first say which of 2 ** precision registers it belongs to; its rank
is the number of leading zeros of the second, and one. A register keeps the greatest rank of its values, so the union
of two sketches is the greater of each register. An item is `register << 6 | rank`; a register without a value is not
there, so small groups are small, and none has more than 2 ** precision items of 4 bytes.

The estimate is Ertl's ("New cardinality estimation algorithms for HyperLogLog sketches", 2017, algorithm 6). It needs
neither tables of bias nor a change of method for small counts, and depends on nothing but how many registers have
each rank. Its relative standard error is 1.04 / sqrt(2 ** precision), and less for counts below 2 ** precision.

Hash, register and rank are those of Apache DataSketches (Java, C++, Python, and what databases build in), and so is
the image: `to_images` writes an HLL_8 sketch, `from_image` reads HLL_4, HLL_6 and HLL_8 and the lists of coupons that
small sketches are (https://datasketches.apache.org/docs/HLL/HllSketches.html, HllUtil, PreambleUtil).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log

import numpy as np
import pyarrow as pa

from wolap.engine.collection import RANK_BITS, blocks_of
from wolap.engine.columns import Column
from wolap.engine.hashing import hashes_of
from wolap.model.aggregate import Partial

__all__ = ["coupons", "estimates", "from_image", "image_bytes", "members_of", "to_images"]

_RANKS = 1 << RANK_BITS
_GREATEST = _RANKS - 1
_BLOCK, _HASHED = 1 << 14, 1 << 16
_ALPHA = 1 / (2 * log(2))
_FAMILY, _VERSION, _HLL = 7, 1, 2
_BYTES = 2
_COMPACT, _OUT_OF_ORDER = 8, 16
_PREAMBLE = 40
_SLOT_BITS = 26


def members_of(precision: int) -> int:
    """How many items there can be: they are below this."""
    return 1 << (precision + RANK_BITS)


def coupons(values: pa.Array, precision: int) -> np.ndarray:
    """The item of each value, none of which is null, as uint32; hashed in blocks, so that memory follows the items."""
    found = np.empty(len(values), np.uint32)
    for start in range(0, len(values), _HASHED):
        first, second = hashes_of(values.slice(start, _HASHED))
        registers = (first & np.uint64((1 << precision) - 1)).astype(np.uint32)
        # Ranks end at 63: six bits.
        ranks = np.minimum(_leading_zeros(second), _GREATEST - 1) + 1
        found[start : start + _HASHED] = (registers << np.uint32(RANK_BITS)) | ranks.astype(np.uint32)
    return found


def _leading_zeros(numbers: np.ndarray) -> np.ndarray:
    """Of 64 bits; a number is 2 ** (exponent - 1) or more, if no rounding has lifted it."""
    high, low = (numbers >> np.uint64(32)).astype(np.float64), (numbers & np.uint64(0xFFFFFFFF)).astype(np.float64)
    # 32 bits are exact as a float.
    upper, lower = np.frexp(high)[1], np.frexp(low)[1]
    found: np.ndarray = np.where(upper > 0, 32 - upper, 64 - lower)
    return found


def estimates(column: Column) -> np.ndarray:
    """The estimated number of values of each row of a column of registers, as floats."""
    assert column.offsets is not None
    found = np.empty(len(column.offsets) - 1)
    registers = (column.members or 0) >> RANK_BITS
    for start, stop in _blocks(column.offsets):
        found[start:stop] = _estimated(_multiplicities(column, start, stop, registers), registers)
    return found


def _blocks(offsets: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ranges of rows that are few and have few items."""
    for start, stop in blocks_of(offsets):
        for begin in range(start, stop, _BLOCK):
            yield begin, min(begin + _BLOCK, stop)


def _multiplicities(column: Column, start: int, stop: int, registers: int) -> np.ndarray:
    """For each row and rank the number of registers that have it; a row of the result is 64 numbers."""
    assert column.offsets is not None
    assert column.values is not None
    offsets = column.offsets[start : stop + 1]
    ranks = column.values[int(offsets[0]) : int(offsets[-1])] & _GREATEST
    rows = np.repeat(np.arange(stop - start) * _RANKS, np.diff(offsets))
    counts = np.bincount(rows + ranks, minlength=(stop - start) * _RANKS).reshape(-1, _RANKS)
    counts[:, 0] = registers - np.diff(offsets)
    return counts


def _estimated(counts: np.ndarray, registers: int) -> np.ndarray:
    """Ertl 2017, algorithm 6, with ranks from 1 to q + 1 = 63."""
    found = registers * _tau(1.0 - counts[:, _GREATEST] / registers)
    for rank in range(_GREATEST - 1, 0, -1):
        found = 0.5 * (found + counts[:, rank])
    with np.errstate(divide="ignore"):
        estimated: np.ndarray = _ALPHA * registers * registers / (found + registers * _sigma(counts[:, 0] / registers))
    return estimated


def _sigma(share: np.ndarray) -> np.ndarray:
    """x + sum of x ** (2 ** k) * 2 ** (k - 1): infinite for 1, where all registers are empty."""
    is_one = share == 1
    power, factor, total = np.where(is_one, 0.0, share), 1.0, np.where(is_one, 0.0, share)
    while True:
        power = power * power
        more = total + power * factor
        if np.array_equal(more, total):
            return np.where(is_one, np.inf, total)
        total, factor = more, factor + factor


def _tau(share: np.ndarray) -> np.ndarray:
    """(1 - x - sum of (1 - x ** (2 ** -k)) ** 2 * 2 ** -k) / 3: 0 for 0 and for 1."""
    root, factor, total = share.copy(), 1.0, 1.0 - share
    while True:
        root = np.sqrt(root)
        factor *= 0.5
        less = total - (1.0 - root) ** 2 * factor
        if np.array_equal(less, total):
            return np.where((share == 0) | (share == 1), 0.0, total / 3.0)
        total = less


def image_bytes(partial: Partial) -> int:
    """How large the image of a row is."""
    return _PREAMBLE + (1 << int(partial.parameter or 0))


def to_images(column: Column) -> pa.Array:
    """Each row of a column of registers as an HLL_8 sketch of Apache DataSketches: large_binary.

    Made of merged registers, they are marked as out of order: their reader estimates from the registers.
    """
    assert column.offsets is not None
    assert column.values is not None
    rows, registers = len(column.offsets) - 1, (column.members or 0) >> RANK_BITS
    size = _PREAMBLE + registers
    images = np.zeros((rows, size), np.uint8)
    precision = registers.bit_length() - 1
    images[:, :8] = (_PREAMBLE // 4, _VERSION, _FAMILY, precision, 0, _COMPACT | _OUT_OF_ORDER, 0, _HLL | _BYTES << 2)
    for start, stop in _blocks(column.offsets):
        own = slice(start, stop)
        counts = _multiplicities(column, start, stop, registers)
        # What the reader adds up: 2 ** -rank of all registers, those with large ranks apart; and the empty ones.
        powers = counts * 0.5 ** np.arange(_RANKS)
        sums = np.stack([powers[:, :32].sum(axis=1), powers[:, 32:].sum(axis=1)], axis=1)
        images[own, 16:32] = sums.astype("<f8").view(np.uint8)
        images[own, 32:36] = counts[:, :1].astype("<u4").view(np.uint8)
        items = column.values[int(column.offsets[start]) : int(column.offsets[stop])]
        of_row = np.repeat(np.arange(start, stop), np.diff(column.offsets[start : stop + 1]))
        images[of_row, _PREAMBLE + (items >> RANK_BITS)] = items & _GREATEST
    offsets = np.arange(rows + 1, dtype=np.int64) * size
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(images.tobytes())]
    return pa.Array.from_buffers(pa.large_binary(), rows, buffers)


def from_image(image: bytes) -> np.ndarray:
    """The rank of each register, 0 where it has no value, as uint8, of a sketch of Apache DataSketches.

    Two such arrays of one length merge by `np.maximum`. Raises ValueError for what is no HLL sketch, or is cut off.
    """
    content = np.frombuffer(image, np.uint8)
    if len(content) < 8 or content[1] != _VERSION or content[2] != _FAMILY or not 4 <= content[3] <= 21:
        raise ValueError("this is no HLL sketch of Apache DataSketches, version 1")
    found = np.zeros(1 << int(content[3]), np.uint8)
    mode, kind = int(content[7]) & 3, int(content[7]) >> 2 & 3
    if mode > _HLL:
        raise ValueError("no image of a sketch: its mode is none of list, set and HLL")
    if mode != _HLL:
        _put_coupons(found, content[8 if mode == 0 else 12 :])
        return found
    body = content[_PREAMBLE:]
    needed = len(found) * (4, 6, 8)[kind] // 8 if kind < 3 else len(body) + 1
    if len(body) < needed:
        raise ValueError(f"an HLL sketch of {len(found):,} registers is cut off after {len(content):,} bytes")
    if kind == _BYTES:
        found[:] = body[:needed]
    elif kind == 1:
        bits = np.unpackbits(body[: needed + 1], bitorder="little")[: 6 * len(found)].reshape(-1, 6)
        found[:] = bits @ (1 << np.arange(6))
    else:
        # Four bits above the least rank; what does not fit stands behind, as coupons.
        found[0::2], found[1::2] = body[:needed] & 15, body[:needed] >> 4
        found += content[6]
        _put_coupons(found, body[needed:])
    return found


def _put_coupons(registers: np.ndarray, content: np.ndarray) -> None:
    """Sets what coupons say: the rank in the upper 6 bits, the low bits of the hash in the 26 below; 0 is none."""
    given = np.frombuffer(content[: len(content) // 4 * 4].tobytes(), "<u4")
    given = given[given != 0]
    slots = given & np.uint32(min(len(registers), 1 << _SLOT_BITS) - 1)
    np.maximum.at(registers, slots, (given >> np.uint32(_SLOT_BITS)).astype(np.uint8))
