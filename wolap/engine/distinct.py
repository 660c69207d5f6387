"""Exact distinct counts: the different pairs of group and value, counted for each group.

Where group times value is a small space, pairs are marked in a table; else each block is sorted and stripped of what it
repeats, and the pairs found so far are kept sorted. Either way memory follows the pairs that differ, not the rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wolap.engine.columns import Column
from wolap.engine.groups import Groups, Places, Series
from wolap.engine.kernels import BLOCK, LARGE_BLOCK
from wolap.engine.keys import different
from wolap.engine.scan import Scan

__all__ = ["count_distinct"]

_MARKS_MOST = 1 << 25


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """A pair is `place of the group * members + value`."""

    scan: Scan
    values: np.ndarray
    members: int
    places: Places

    def of(self, start: int, stop: int, chosen: np.ndarray | None) -> np.ndarray:
        """The pairs of the chosen rows of a block; null is no value."""
        keys = self.scan.keys.build(start, stop, chosen)
        counted = self.values[start:stop] if chosen is None else self.values[start:stop][chosen]
        present = counted < self.members
        if not present.all():
            keys, counted = keys[present], counted[present]
        pairs: np.ndarray = self.places.find(keys) * self.members + counted
        return pairs


def count_distinct(scan: Scan, column: Column, groups: Groups) -> Series:
    """For each group the number of different values that its rows have. Raises Cancelled when told to stop."""
    assert column.values is not None
    assert column.members is not None
    count, members = len(groups.keys), column.members
    if not count or not members:
        return Series(np.zeros(count, np.int64))
    pairs = _Pairs(scan, column.values, members, Places.of(groups.keys, scan.keys.size))
    if count * members <= min(max(4 * scan.rows, 1 << 16), _MARKS_MOST):
        marks = np.zeros(count * members, bool)
        for block in scan.blocks(BLOCK):
            marks[pairs.of(*block)] = True
        return Series(np.count_nonzero(marks.reshape(count, members), axis=1).astype(np.int64))
    return Series(_sorted(scan, pairs, count))


def _sorted(scan: Scan, pairs: _Pairs, count: int) -> np.ndarray:
    """Half as wide pairs, where they fit, are sorted twice as fast."""
    narrow = count * pairs.members < 1 << 32
    found: list[np.ndarray] = []
    waiting = 0
    for block in scan.blocks(LARGE_BLOCK):
        part = pairs.of(*block)
        found.append(different(part.astype(np.uint32) if narrow else part))
        waiting += len(found[-1])
        if len(found) > 1 and waiting > 2 * max(LARGE_BLOCK, len(found[0])):
            found = [different(np.concatenate(found))]
            waiting = len(found[0])
    if not found:
        return np.zeros(count, np.int64)
    pairs_found = found[0] if len(found) == 1 else different(np.concatenate(found))
    bounds = np.arange(count + 1, dtype=np.int64) * pairs.members
    # Pairs are sorted by group, so that counting them is finding where each group begins.
    if narrow:
        return np.diff(np.searchsorted(pairs_found, bounds.astype(np.uint32)))
    return np.diff(np.searchsorted(pairs_found, bounds))
