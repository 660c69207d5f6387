"""Partials that are a collection of items for each row: sets of values, registers of a sketch, buckets of a histogram.

A row keeps items, small whole numbers in rising order; a fact keeps one item or none. All rows lie in one Column:
`values` are the items, `offsets` where those of each row begin, `counts` how often each occurs where that matters.
Merging rows is the same for every kind: put the pairs of (group, item) in order and make one of those that share a
slot, which is the item without its lowest `rank_bits`.

    set         an item is the code of a value                      slot = item                 one is left
    registers   an item is a register with a rank, of 1 or more,    slot = register             the greatest is left
                in its low bits
    buckets     an item is the number of a bucket, with a count     slot = item                 counts are added

Union, maximum and sum do not ask in which order or in how many steps they are taken, and are exact. So a collection
is the same to the last bit whether it comes from the facts, from stored rows, or from pieces put together, and so is
whatever is finished from it. A plain distinct count is the size of a set that is not kept (`engine/distinct.py`).

Rows are merged a part at a time (`engine/parts.py`). Where groups times slots is a small space, pairs are marked in a
table. Else each block is sorted and reduced, and what was found so far is kept sorted: memory follows the pairs that
differ, not the rows. A block is bounded by its items and not by its rows alone, since one stored row may have a
million.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wolap.engine.columns import Column
from wolap.engine.groups import Groups, Series
from wolap.engine.histogram import of_one_coding
from wolap.engine.kernels import BLOCK, LARGE_BLOCK
from wolap.engine.parts import NARROW, Part, parts_of
from wolap.engine.scan import Scan

__all__ = ["KINDS", "RANK_BITS", "Reader", "blocks_of", "collect", "regroup", "take"]

# A rank is at most 63.
RANK_BITS = 6
_TABLE_BYTES_MOST = 1 << 25
_TABLE_ALWAYS = 1 << 16

# Items with the place of the group of each, and how often each occurs: once where there are no counts.
Pairs = tuple[np.ndarray, np.ndarray | None]
# The blocks of pairs of up to so many rows, in numbers of a type.
Read = Callable[[int, type[np.integer]], Iterator[Pairs]]


@dataclass(frozen=True, slots=True)
class Kind:
    """How items of one slot become one, and the table in which small spaces are marked."""

    rank_bits: int
    has_counts: bool
    table: type[np.generic]
    mark: Callable[[np.ndarray, np.ndarray, np.ndarray | None], None]


def _mark_present(table: np.ndarray, pairs: np.ndarray, counts: np.ndarray | None) -> None:
    table[pairs] = True


def _mark_greatest(table: np.ndarray, pairs: np.ndarray, counts: np.ndarray | None) -> None:
    np.maximum.at(table, pairs >> RANK_BITS, (pairs & ((1 << RANK_BITS) - 1)).astype(table.dtype))


def _mark_sum(table: np.ndarray, pairs: np.ndarray, counts: np.ndarray | None) -> None:
    # In the type of the table, since others are ten times as slow.
    np.add.at(table, pairs, np.int64(1) if counts is None else counts.astype(np.int64))


KINDS: dict[str, Kind] = {
    "set": Kind(0, False, np.bool_, _mark_present),
    "registers": Kind(RANK_BITS, False, np.uint8, _mark_greatest),
    "buckets": Kind(0, True, np.int64, _mark_sum),
}


def collect(scan: Scan, function: str, column: Column, groups: Groups) -> Series:
    """For each group the merged collection of its rows, and how many items that has. Raises Cancelled when told to
    stop."""
    kind, members = KINDS[function], column.members or 0
    merged = []
    for part in parts_of(scan, max(members, 1), groups):
        reader = Reader(scan, part, column, members)
        merged.append(_merged(kind, reader.pairs, reader.items, part.numbered(groups), part.size, members))
    return _series(merged, column)


def regroup(function: str, parts: Sequence[tuple[np.ndarray, Series]], count: int) -> Series:
    """Collections of the groups of several sources as those of `count` groups; with each its place among them."""
    columns = [series.items for _, series in parts if series.items is not None]
    if columns[0].shown is not None:
        columns = of_one_coding(columns)
    given = [(places, column) for (places, _), column in zip(parts, columns, strict=True)]
    # Items keep their numbers where later sources know of more.
    members = max(column.members or 0 for _, column in given)
    like = replace(given[0][1], members=members)

    def pairs(_: int, number: type[np.integer]) -> Iterator[Pairs]:
        for places, column in given:
            assert column.offsets is not None
            for start, stop in blocks_of(column.offsets):
                yield _pairs_of(column, start, stop, None, places[start:stop].astype(number), members)

    items = sum(len(_items(column)) for _, column in given)
    return _series([_merged(KINDS[function], pairs, items, np.arange(count), count, members)], like)


def take(column: Column, rows: np.ndarray) -> Column:
    """These rows of a stored column, in their order."""
    places, offsets = _chosen(column, rows)
    counts = None if column.counts is None else column.counts[places]
    return replace(column, values=_items(column)[places], offsets=offsets, counts=counts)


def _items(column: Column) -> np.ndarray:
    assert column.values is not None
    return column.values


def blocks_of(offsets: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ranges of rows that have up to a large block of items, or are a single row."""
    start, rows = 0, len(offsets) - 1
    while start < rows:
        limit = min(int(offsets[start]) + LARGE_BLOCK, int(offsets[-1]))
        stop = max(int(np.searchsorted(offsets, offsets.dtype.type(limit), side="right")) - 1, start + 1)
        yield start, stop
        start = stop


class Reader:
    """The pairs of a part of a scan: `number of the group * stride + item`. What is no item is left out where the
    stride is the number of members; where it is one more, it is the item behind the last."""

    def __init__(self, scan: Scan, part: Part, column: Column, stride: int) -> None:
        self.scan, self.part, self.column, self.stride = scan, part, column, stride

    @property
    def items(self) -> int:
        """The items of the rows that are read, before predicates."""
        offsets = self.column.offsets
        if offsets is None:
            return self.part.rows
        return sum(int(offsets[stop]) - int(offsets[start]) for start, stop in self.part.ranges)

    def pairs(self, block: int, number: type[np.integer]) -> Iterator[Pairs]:
        """The pairs of the rows that are kept, as numbers of this type; of facts by blocks of this many rows."""
        facts = self.column.offsets is None
        for scan in self.part.scans(self.scan):
            for start, stop, chosen in scan.blocks(block if facts else BLOCK):
                if facts:
                    yield self._of_facts(start, stop, chosen, number), None
                else:
                    yield from self._of_stored(start, stop, chosen, number)

    def _of_stored(self, start: int, stop: int, chosen: np.ndarray | None, number: type[np.integer]) -> Iterator[Pairs]:
        assert self.column.offsets is not None
        numbers = self.part.numbers(start, stop, chosen, number)
        rows = np.arange(start, stop) if chosen is None else chosen + start
        lengths = np.asarray(self.column.offsets[rows + 1] - self.column.offsets[rows], np.int64)
        before = np.concatenate(([0], np.cumsum(lengths)))
        for begin, end in blocks_of(before):
            self.scan.heed()
            own = None if chosen is None else rows[begin:end]
            yield _pairs_of(self.column, start + begin, start + end, own, numbers[begin:end], self.stride)

    def _of_facts(self, start: int, stop: int, chosen: np.ndarray | None, number: type[np.integer]) -> np.ndarray:
        items, members = _items(self.column)[start:stop], self.column.members or 0
        items = items if chosen is None else items[chosen]
        present = None
        if self.stride > members:
            items = np.minimum(items, members) if members <= np.iinfo(items.dtype).max else items
        elif not (present := items < members).all():
            items = items[present]
        if self.part.size == 1:
            return items.astype(number)
        pairs = self.part.numbers(start, stop, chosen, number)
        if len(pairs) > len(items):
            pairs = pairs[present]
        pairs *= self.stride
        _add(pairs, items)
        return pairs


def _add(pairs: np.ndarray, items: np.ndarray) -> None:
    """Adds items, which may be kept wider than pairs are; each pair fits its type, since all slots do."""
    np.add(pairs, items, out=pairs, casting="unsafe")


def _pairs_of(
    column: Column, start: int, stop: int, rows: np.ndarray | None, numbers: np.ndarray, stride: int
) -> Pairs:
    """The pairs of stored rows: of those from `start` to `stop`, or of `rows`. Each is in the group of its number."""
    assert column.offsets is not None
    chosen: slice | np.ndarray
    if rows is None:
        chosen = slice(int(column.offsets[start]), int(column.offsets[stop]))
        lengths = np.diff(column.offsets[start : stop + 1])
    else:
        chosen, offsets = _chosen(column, rows)
        lengths = np.diff(offsets)
    pairs: np.ndarray = np.repeat(numbers * numbers.dtype.type(stride), lengths)
    _add(pairs, _items(column)[chosen])
    return pairs, None if column.counts is None else column.counts[chosen]


def _chosen(column: Column, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the items of some rows stand, and where those of each begin among them."""
    assert column.offsets is not None
    begins = column.offsets[rows].astype(np.int64)
    lengths = column.offsets[rows + 1] - begins
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
    return np.repeat(begins - offsets[:-1], lengths) + np.arange(offsets[-1]), offsets


def _is_small(kind: Kind, slots: int, items: int) -> bool:
    most = _TABLE_BYTES_MOST // np.dtype(kind.table).itemsize
    return slots <= min(max(4 * items, _TABLE_ALWAYS), most)


def _table(kind: Kind, pairs: Iterable[Pairs], slots: int) -> np.ndarray:
    table = np.zeros(slots, kind.table)
    for block, counts in pairs:
        kind.mark(table, block, counts)
    return table


def _merged(
    kind: Kind, read: Read, items: int, numbers: np.ndarray, size: int, members: int
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """The merged items of the groups with these numbers, which are below `size`: all items, their counts, and how many
    each group has."""
    slots = size * members >> kind.rank_bits
    if _is_small(kind, slots, items):
        table = _table(kind, read(BLOCK, np.intp), slots)
        # Of truth values, which are looked through ten times as fast as numbers.
        found = np.flatnonzero(table != 0)
        amounts = table[found]
        counts = amounts if kind.has_counts else None
        if kind.rank_bits:
            found = found << kind.rank_bits | amounts
    else:
        found, counts = _sorted(kind, read, size * members)
    # Searched for in their own type: another would have all pairs copied into it.
    begins = (numbers * members).astype(found.dtype)
    lengths = np.diff(np.searchsorted(found, begins), append=len(found))
    kept = found - np.repeat(begins, lengths)
    if counts is not None:
        counts = counts.astype(_smallest(int(counts.max(initial=0)) + 1))
    return kept.astype(_smallest(members)), counts, lengths


def _sorted(kind: Kind, read: Read, slots: int) -> Pairs:
    """Half as wide pairs, where they fit, are sorted twice as fast."""
    found: list[Pairs] = []
    waiting = 0
    for block, counts in read(LARGE_BLOCK, np.uint32 if slots <= NARROW else np.int64):
        found.append(_reduced(kind, block, counts))
        waiting += len(found[-1][0])
        if len(found) > 1 and waiting > 2 * max(LARGE_BLOCK, len(found[0][0])):
            found = [_joined(kind, found)]
            waiting = len(found[0][0])
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64) if kind.has_counts else None
    return found[0] if len(found) == 1 else _joined(kind, found)


def _joined(kind: Kind, parts: list[Pairs]) -> Pairs:
    counts = np.concatenate([one for _, one in parts if one is not None]) if kind.has_counts else None
    return _reduced(kind, np.concatenate([pairs for pairs, _ in parts]), counts)


def _reduced(kind: Kind, pairs: np.ndarray, counts: np.ndarray | None) -> Pairs:
    """One pair for each slot, in rising order. The array is the caller's own: it is sorted in place."""
    slots = _slots(kind, pairs)
    if bool((slots[1:] > slots[:-1]).all()):
        # What is read from rows that stay apart.
        return pairs, np.ones(len(pairs), np.int64) if kind.has_counts and counts is None else counts
    if counts is None:
        pairs.sort()
    else:
        pairs, counts = _sorted_together(pairs, counts)
    slots = _slots(kind, pairs)
    # The last of those that share a slot has the greatest rank.
    is_last = np.empty(len(pairs), bool)
    is_last[-1:] = True
    np.not_equal(slots[1:], slots[:-1], out=is_last[:-1])
    if not kind.has_counts:
        return pairs[is_last], None
    ends = np.flatnonzero(is_last)
    begins = np.concatenate((np.zeros(1, np.intp), ends[:-1] + 1))
    return pairs[ends], ends + 1 - begins if counts is None else np.add.reduceat(counts, begins, dtype=np.int64)


def _slots(kind: Kind, pairs: np.ndarray) -> np.ndarray:
    return pairs >> pairs.dtype.type(kind.rank_bits) if kind.rank_bits else pairs


def _sorted_together(pairs: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs in order, with their counts: packed into one number where both fit, which is the fastest to sort."""
    bits = int(counts.max()).bit_length()
    if int(pairs.max()).bit_length() + bits >= 63:
        order = np.argsort(pairs, kind="stable")
        return pairs[order], counts[order].astype(np.int64)
    packed = pairs.astype(np.int64) << bits | counts
    packed.sort()
    return packed >> bits, packed & ((1 << bits) - 1)


def _smallest(values: int) -> np.dtype[np.unsignedinteger]:
    """The narrowest type for whole numbers below this."""
    return np.min_scalar_type(max(values - 1, 0))


def _series(merged: Sequence[tuple[np.ndarray, np.ndarray | None, np.ndarray]], column: Column) -> Series:
    """What was merged part by part as one column with a row for each group; offsets are narrow where they can be."""
    items, counts, lengths = zip(*merged, strict=True)
    sizes = np.concatenate(lengths).astype(np.int64)
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
    offsets = offsets.astype(np.int32 if offsets[-1] < 1 << 31 else np.int64)
    given = [one for one in counts if one is not None]
    joined = replace(
        column,
        values=_together(items),
        valid=None,
        offsets=offsets,
        counts=_together(given) if given else None,
    )
    return Series(sizes, items=joined)


def _together(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
