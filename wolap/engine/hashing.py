"""A stable hash of values: of what they are and not of where they stand, so that sketches of any cubes merge.

MurmurHash3 for 64-bit machines, 128 bits (Austin Appleby, 2011, public domain), with the seed and the bytes of values
that Apache DataSketches hashes, so that both make the same registers of the same values: of a text its UTF-8, of all
else eight bytes, the lowest first. Whole numbers, booleans, days, and microseconds of times and durations are whole
numbers of 64 bits; floats are those of IEEE, with one zero and one NaN. Decimals, which the others do not have, are
whole numbers of 256 bits with 38 digits behind the point, whatever the scale of their column.

It is computed for all values at once, sixteen bytes a step. Each different value is hashed once, when facts are
loaded.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

__all__ = ["hashes_of", "murmur"]

_SEED = np.uint64(9001)
_FIRST = np.uint64(0x87C37B91114253D5)
_SECOND = np.uint64(0x4CF5AD432745937F)
_LANE = 16
_BLOCK = 1 << 16
_WIDE, _WIDTH = pa.decimal256(76, 38), 32


def hashes_of(values: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Both halves of the hash of each value, as uint64; none may be null.

    Raises pa.ArrowInvalid for a decimal with more than 38 digits before or behind the point.
    """
    kept, types = values.type, pa.types
    if types.is_decimal(kept):
        wide = values.cast(_WIDE)
        content = np.frombuffer(wide.buffers()[1], np.uint8)[wide.offset * _WIDTH : (wide.offset + len(wide)) * _WIDTH]
        return murmur(content, np.arange(len(values) + 1, dtype=np.int64) * _WIDTH)
    if types.is_string(kept) or types.is_large_string(kept):
        texts = values.cast(pa.large_binary())
        _, offsets, data = texts.buffers()
        begins = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
        content = np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
        return murmur(content, begins)
    if types.is_floating(kept):
        numbers = values.cast(pa.float64()).to_numpy(zero_copy_only=False) + 0.0
        content = np.where(np.isnan(numbers), np.nan, numbers).view(np.uint8)
    elif types.is_uint64(kept):
        content = np.ascontiguousarray(values.to_numpy(zero_copy_only=False)).view(np.uint8)
    else:
        whole = values.cast(pa.int32()) if types.is_date32(kept) else values
        content = np.ascontiguousarray(whole.cast(pa.int64()).to_numpy(zero_copy_only=False)).view(np.uint8)
    return murmur(content, np.arange(len(values) + 1, dtype=np.int64) * 8)


def murmur(content: np.ndarray, begins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The hash of the bytes between each two of `begins`: two arrays of uint64."""
    padded = np.concatenate((content, np.zeros(_LANE, np.uint8)))
    # A number of eight bytes from every byte on.
    numbers = np.ndarray(len(content) + _LANE // 2 + 1, "<u8", padded, strides=(1,))
    first, second = (np.empty(max(len(begins) - 1, 0), np.uint64) for _ in range(2))
    for start in range(0, len(first), _BLOCK):
        own = slice(start, start + _BLOCK)
        first[own], second[own] = _hashed(numbers, begins[start : start + _BLOCK + 1])
    return first, second


def _hashed(numbers: np.ndarray, begins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lengths = np.diff(begins)
    # The longest come first, so that those that still have a whole lane are a leading slice.
    order = np.argsort(-(lengths // _LANE), kind="stable")
    starts, lengths = begins[:-1][order], lengths[order]
    one, other = np.full(len(order), _SEED), np.full(len(order), _SEED)
    lanes = lengths // _LANE
    for lane in range(int(lanes.max(initial=0))):
        active = int(np.count_nonzero(lanes > lane))
        low, high = _lane(numbers, starts[:active] + lane * _LANE)
        one[:active], other[:active] = _mixed(one[:active], other[:active], low, high)
    low, high = _lane(numbers, starts + lanes * _LANE)
    left = lengths % _LANE
    low, high = _shortened(low, left), _shortened(high, left - _LANE // 2)
    size = lengths.astype(np.uint64)
    one, other = one ^ _stirred(low), other ^ _stirred(high, second=True)
    one, other = _added(one ^ size, other ^ size)
    one, other = _added(_final(one), _final(other))
    found = np.empty((2, len(order)), np.uint64)
    found[:, order] = one, other
    return found[0], found[1]


def _lane(numbers: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sixteen bytes from each start as two numbers."""
    return numbers[starts].astype(np.uint64), numbers[starts + _LANE // 2].astype(np.uint64)


def _shortened(numbers: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The first bytes of numbers, those behind as 0."""
    kept = np.clip(lengths, 0, 8).astype(np.uint64) * np.uint64(8)
    # No number can be shifted by all its bits at one go.
    half = (np.uint64(64) - kept) // np.uint64(2)
    rest = np.uint64(64) - kept - half
    shortened: np.ndarray = numbers << half << rest >> half >> rest
    return shortened


def _turned(numbers: np.ndarray, bits: int) -> np.ndarray:
    turned: np.ndarray = (numbers << np.uint64(bits)) | (numbers >> np.uint64(64 - bits))
    return turned


def _stirred(numbers: np.ndarray, *, second: bool = False) -> np.ndarray:
    """The first numbers of a lane, or the second; 0 stays 0."""
    before, bits, behind = (_SECOND, 33, _FIRST) if second else (_FIRST, 31, _SECOND)
    stirred: np.ndarray = _turned(numbers * before, bits) * behind
    return stirred


def _mixed(one: np.ndarray, other: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    one = (_turned(one ^ _stirred(low), 27) + other) * np.uint64(5) + np.uint64(0x52DCE729)
    other = (_turned(other ^ _stirred(high, second=True), 31) + one) * np.uint64(5) + np.uint64(0x38495AB5)
    return one, other


def _added(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    one = one + other
    return one, other + one


def _final(numbers: np.ndarray) -> np.ndarray:
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        numbers = (numbers ^ (numbers >> np.uint64(33))) * np.uint64(factor)
    final: np.ndarray = numbers ^ (numbers >> np.uint64(33))
    return final
