"""Distinct counts: how many different items the rows of each group have.

A part of the rows (`engine/parts.py`) is counted by itself. Its pairs, `number of the group * stride + item`, are made
one of each and counted by group. What is no item is the item behind the last, and not counted; so each row has a pair,
and the groups that occur come with their counts, of one reading of the rows.

Which way (measured, nanoseconds a row, 220,000 rows in a part, sorting with AVX2):

    pairs                                      way       costs
    up to 16 slots a row, in 32 MB             marks     2 to 4 for the mark, 0.1 for each slot
    below 2^32                                 sorted    4.5 to 6, and 7 in the large
    else                                       sorted    15 to 30, of 64 bits

Where the rows of a part are many, what was sorted is reduced to the pairs that differ, of which the next are beside;
memory follows those. Else it is that of a part.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, zip_longest

import numpy as np

from wolap.engine.collection import Reader
from wolap.engine.columns import Column
from wolap.engine.groups import Groups, Series
from wolap.engine.keys import different
from wolap.engine.parts import NARROW, Part, parts_of
from wolap.engine.scan import Scan

__all__ = ["count_distinct"]

# Slots of a table of marks: up to so many for each row, or any few; and bytes at most, one a slot.
_MARKS_PER_ROW, _MARKS_ALWAYS, _MARKS_MOST = 16, 1 << 16, 1 << 25
# Rows that are marked at a time, those that are read at a time, and those that are put in order together.
_MARKED, _READ, _SORTED = 1 << 18, 1 << 20, 1 << 25
# Groups that have fewer slots or pairs than this are counted together, not one by one.
_LONG, _SPARSE = 1 << 12, 1 << 5

# The numbers of groups, and the count of each.
Counts = tuple[np.ndarray, np.ndarray]


def count_distinct(scan: Scan, column: Column, groups: Groups | None = None, threads: int = 1) -> Groups:
    """The groups of a scan that occur, which may be known, each with the number of different items of its rows.

    Parts are shared out among `threads`. Raises Cancelled when told to stop.
    """
    stride = (column.members or 0) + 1
    parts = parts_of(scan, stride, groups)
    if threads < 2 or len(parts) < 2:
        found = _counted(scan, column, parts, stride)
    else:
        shares = [parts[first::threads] for first in range(min(threads, len(parts)))]
        with ThreadPoolExecutor(len(shares)) as pool:
            dealt = pool.map(lambda share: _counted(scan, column, share, stride), shares)
            # One of each share in turn, which is their order.
            found = [one for one in chain.from_iterable(zip_longest(*dealt)) if one is not None]
    keys, counts = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    if not len(keys) and scan.keys.ranked is None and not scan.keys.digits:
        # One group, which is there even when no row is (W1).
        keys, counts = np.zeros(1, np.intp), np.zeros(1, np.int64)
    return Groups(keys, (Series(counts),))


def _counted(scan: Scan, column: Column, parts: Sequence[Part], stride: int) -> list[Counts]:
    """The keys of the groups of each part, and their counts. A table is used again and again."""
    found, table = [], np.zeros(0, bool)
    for part in parts:
        reader, slots = Reader(scan, part, column, stride), part.size * stride
        if slots <= min(max(_MARKS_PER_ROW * reader.items, _MARKS_ALWAYS), _MARKS_MOST):
            table = table if len(table) >= slots else np.zeros(slots, bool)
            numbers, counts = _marked(reader, table[:slots], part.size)
        else:
            numbers, counts = _ordered(reader, part.size)
        # Counts that add up along what their values determine do so in 64 bits.
        found.append((part.named(numbers), counts.astype(np.int64)))
    return found


def _marked(reader: Reader, table: np.ndarray, size: int) -> Counts:
    """By a table with a mark for each pair, which is left without."""
    stride = reader.stride
    for pairs, _ in reader.pairs(_MARKED, np.intp):
        table[pairs] = True
    marks = table.reshape(size, stride)
    if stride >= _LONG:
        # Ten times as fast as reducing them.
        counts = np.array([np.count_nonzero(row) for row in marks], np.int64)
    else:
        counts = np.add.reduceat(table.view(np.int8), np.arange(size) * stride, dtype=np.int64)
    present = np.flatnonzero(counts)
    counts = counts[present] - marks[present, stride - 1]
    table.fill(False)
    return present, counts


def _ordered(reader: Reader, size: int) -> Counts:
    """By putting pairs in order, which are beside their like then."""
    stride = reader.stride
    pairs = _in_order(reader, np.uint32 if size * stride <= NARROW else np.int64)
    if not len(pairs):
        return np.zeros(0, np.intp), np.zeros(0, np.int64)
    is_first = np.empty(len(pairs), bool)
    is_first[0] = True
    np.not_equal(pairs[1:], pairs[:-1], out=is_first[1:])
    numbers, begins = _groups_in(pairs, size, stride)
    ends = np.append(begins[1:], len(pairs)) - 1
    # The narrow type is added up in half the time.
    total = np.int32 if len(pairs) < 1 << 31 else np.int64
    counts = np.add.reduceat(is_first.view(np.int8), begins, dtype=total)
    return numbers, counts - (pairs[ends].astype(np.int64) - numbers * stride == stride - 1)


def _groups_in(pairs: np.ndarray, size: int, stride: int) -> Counts:
    """The numbers of the groups in pairs that are in order, and where each begins; searched for if groups are few."""
    if size * _SPARSE <= len(pairs):
        bounds = np.searchsorted(pairs, (np.arange(size) * stride).astype(pairs.dtype))
        present = np.flatnonzero(np.diff(bounds, append=len(pairs)))
        return present, bounds[present]
    numbers = pairs // pairs.dtype.type(stride)
    begins = np.concatenate(([0], np.flatnonzero(numbers[1:] != numbers[:-1]) + 1))
    return numbers[begins].astype(np.intp), begins


def _in_order(reader: Reader, number: type[np.integer]) -> np.ndarray:
    """The pairs in order. What does not fit is reduced to one of each as it comes, beside what differs so far."""
    found: list[np.ndarray] = []
    waiting = reduced = 0
    for pairs, _ in reader.pairs(_READ, number):
        found.append(pairs)
        waiting += len(pairs)
        if waiting > max(_SORTED, 2 * reduced):
            found = [different(_joined(found))]
            waiting = reduced = len(found[0])
    pairs = _joined(found) if found else np.zeros(0, number)
    pairs.sort()
    return pairs


def _joined(found: list[np.ndarray]) -> np.ndarray:
    return found[0] if len(found) == 1 else np.concatenate(found)
