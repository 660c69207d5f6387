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
whatever is finished from it. A plain distinct count is the size of a set of which nothing else is kept.

Where groups times slots is a small space, pairs are marked in a table. Else each block is sorted and reduced, and
what was found so far is kept sorted: memory follows the pairs that differ, not the rows. A block is bounded by its
items and not by its rows alone, since one stored row may have a million.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wolap.engine.columns import Column
from wolap.engine.groups import Groups, Places, Series
from wolap.engine.kernels import BLOCK, LARGE_BLOCK
from wolap.engine.scan import Scan

__all__ = ["KINDS", "RANK_BITS", "blocks_of", "collect", "count_distinct", "regroup", "take"]

# A rank is at most 63.
RANK_BITS = 6
_TABLE_BYTES_MOST = 1 << 25
_TABLE_ALWAYS = 1 << 16

# Items with the place of the group of each, and how often each occurs: once where there are no counts.
Pairs = tuple[np.ndarray, np.ndarray | None]


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
    reader = _Reader(scan, column, groups)
    return _series(_merged(KINDS[function], reader.pairs, reader.items, column, len(groups.keys)))


def count_distinct(scan: Scan, column: Column, groups: Groups) -> Series:
    """For each group the number of different items that its rows have. Raises Cancelled when told to stop."""
    reader, count, members = _Reader(scan, column, groups), len(groups.keys), column.members or 0
    kind = KINDS["set"]
    if not count or not members:
        return Series(np.zeros(count, np.int64))
    if _is_small(kind, count * members, reader.items):
        table = _table(kind, reader.pairs(BLOCK), count * members)
        return Series(np.count_nonzero(table.reshape(count, members), axis=1).astype(np.int64))
    pairs, _ = _sorted(kind, reader.pairs(LARGE_BLOCK), count * members)
    # Counts that add up along what their values determine do so in 64 bits.
    return Series(np.diff(_bounds(pairs, count, members)).astype(np.int64))


def regroup(function: str, parts: Sequence[tuple[np.ndarray, Series]], count: int) -> Series:
    """Collections of the groups of several sources as those of `count` groups; with each its place among them."""
    given = [(places, series.items) for places, series in parts if series.items is not None]

    def pairs(_: int) -> Iterator[Pairs]:
        for places, column in given:
            assert column.offsets is not None
            for start, stop in blocks_of(column.offsets):
                yield _pairs_of(column, start, stop, None, places[start:stop])

    items = sum(len(_items(column)) for _, column in given)
    return _series(_merged(KINDS[function], pairs, items, given[0][1], count))


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


class _Reader:
    """The pairs of a scan: `place of the group * members + item`. What is no item is left out."""

    def __init__(self, scan: Scan, column: Column, groups: Groups) -> None:
        self.scan, self.column = scan, column
        self.places = Places.of(groups.keys, scan.keys.size)

    @property
    def items(self) -> int:
        """The items of the rows that are read, before predicates."""
        offsets, scan = self.column.offsets, self.scan
        return scan.rows if offsets is None else int(offsets[scan.stop]) - int(offsets[scan.start])

    def pairs(self, block: int) -> Iterator[Pairs]:
        """The pairs of the rows that are kept, of facts by blocks of this many rows."""
        if self.column.offsets is None:
            for start, stop, chosen in self.scan.blocks(block):
                yield self._of_facts(start, stop, chosen)
            return
        for start, stop, chosen in self.scan.blocks(BLOCK):
            places = self.places.find(self.scan.keys.build(start, stop, chosen))
            rows = np.arange(start, stop) if chosen is None else chosen + start
            lengths = np.asarray(self.column.offsets[rows + 1] - self.column.offsets[rows], np.int64)
            before = np.concatenate(([0], np.cumsum(lengths)))
            for begin, end in blocks_of(before):
                self.scan.heed()
                own = None if chosen is None else rows[begin:end]
                yield _pairs_of(self.column, start + begin, start + end, own, places[begin:end])

    def _of_facts(self, start: int, stop: int, chosen: np.ndarray | None) -> Pairs:
        keys = self.scan.keys.build(start, stop, chosen)
        items, members = _items(self.column)[start:stop], self.column.members or 0
        items = items if chosen is None else items[chosen]
        present = items < members
        if not present.all():
            keys, items = keys[present], items[present]
        pairs: np.ndarray = self.places.find(keys) * members + items
        return pairs, None


def _pairs_of(column: Column, start: int, stop: int, rows: np.ndarray | None, places: np.ndarray) -> Pairs:
    """The pairs of stored rows: of those from `start` to `stop`, or of `rows`. Each is in the group of its place."""
    assert column.offsets is not None
    chosen: slice | np.ndarray
    if rows is None:
        chosen = slice(int(column.offsets[start]), int(column.offsets[stop]))
        lengths = np.diff(column.offsets[start : stop + 1])
    else:
        chosen, offsets = _chosen(column, rows)
        lengths = np.diff(offsets)
    pairs: np.ndarray = np.repeat(places * (column.members or 0), lengths) + _items(column)[chosen]
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


def _merged(kind: Kind, pairs: Callable[[int], Iterator[Pairs]], items: int, column: Column, count: int) -> Column:
    """The merged items of `count` groups, as a column with a row for each."""
    members = column.members or 0
    slots = count * members >> kind.rank_bits
    if _is_small(kind, slots, items):
        table = _table(kind, pairs(BLOCK), slots)
        # Of truth values, which are looked through ten times as fast as numbers.
        found = np.flatnonzero(table != 0)
        amounts = table[found]
        counts = amounts if kind.has_counts else None
        if kind.rank_bits:
            found = found << kind.rank_bits | amounts
    else:
        found, counts = _sorted(kind, pairs(LARGE_BLOCK), count * members)
    offsets = _bounds(found, count, members)
    kept = np.remainder(found, max(members, 1)).astype(_smallest(members))
    if counts is not None:
        counts = counts.astype(_smallest(int(counts.max(initial=0)) + 1))
    return Column(kept, None, column.type, members=members, offsets=offsets, counts=counts, shown=column.shown)


def _sorted(kind: Kind, pairs: Iterable[Pairs], size: int) -> Pairs:
    """Half as wide pairs, where they fit, are sorted twice as fast."""
    narrow = size <= 1 << 32
    found: list[Pairs] = []
    waiting = 0
    for block, counts in pairs:
        found.append(_reduced(kind, block.astype(np.uint32) if narrow else block, counts))
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


def _bounds(pairs: np.ndarray, count: int, members: int) -> np.ndarray:
    """Where the pairs of each group begin, and the last end; narrow where they are few."""
    bounds = np.arange(count + 1, dtype=np.int64) * members
    last = len(pairs)
    # Searched for in their own type: another would have all pairs copied into it.
    found = np.searchsorted(pairs, bounds[:-1].astype(pairs.dtype)) if count else np.zeros(0, np.int64)
    return np.append(found, last).astype(np.int32 if last < 1 << 31 else np.int64)


def _smallest(values: int) -> np.dtype[np.unsignedinteger]:
    """The narrowest type for whole numbers below this."""
    return np.min_scalar_type(max(values - 1, 0))


def _series(column: Column) -> Series:
    assert column.offsets is not None
    return Series(np.diff(column.offsets).astype(np.int64), items=column)
