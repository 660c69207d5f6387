"""How many bytes a run holds at its peak, beside what is stored (`planner.md` rule 17).

It follows the run: pieces are scanned one after the other, each leaves its groups, and all groups are put together,
finished and put in order. What a scan holds hangs on its kernel, as its time does: tables as long as keys run where
they are few, else blocks that wait to be merged. It is an estimate as far as it rests on the number of groups, so a
guard may trust it but for a factor of two, and tests hold runs to that (`tests/engine/test_memory.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from wolap.model.aggregate import SETS
from wolap.model.level import nests
from wolap.planner.cost import (
    DENSE_ALWAYS,
    DENSE_MOST,
    DENSE_PER_ROW,
    Part,
    dense_rows,
    items_by_partial,
    keys_of,
    rows_of,
)
from wolap.planner.estimate import Estimate, buckets_between
from wolap.planner.needs import Needs

__all__ = ["memory_of"]

_NUMBER = 8
# Blocks of rows, keys and values that any run holds at one time, and those of a kernel that sorts.
_BLOCKS, _SORTED_ROWS = 8 << 20, 1 << 20
# Blocks that wait have so many times the rows of one, or of all groups, before they are merged.
_WAITING = 5
# Facts in several groups are laid out by blocks of as many pairs; the groups of blocks wait to be put together, first
# beside one another and then as one.
_WAITING_PAIRS = 3
# While keys are put in order there are the keys, their order, both packed in one, and the keys in order.
_ORDERING = 5
# Keys that do not fit one number are ranked: what occurs is sorted and looked up.
_RANKED, _MOST_KEYS = 3, float(1 << 62)
# A value that is only counted, and an item that is merged and kept, while pairs are put in order or marked in a table.
_VALUE, _ITEM, _COUNTED_ITEM = 16, 32, 64
# What tells the times of a report by its buckets, and what those are found with, for each bucket that the facts could
# have: they are kept for the next report, and count as if they never were.
_BUCKET = 100
# The code of each instant that clustered facts have, where a report goes by a level below their partitions.
_MOMENT = 4


def memory_of(parts: Sequence[Part], needs: Needs, size: Estimate) -> int:
    """Bytes at the peak of answering from these parts."""
    groups, columns, whole = size.most, len(needs.dimensions) + len(needs.levels), len(parts) == 1
    plain = len(needs.partials) - len(needs.counted)
    # The codes and partials of the groups, their keys, and the metrics while they are finished.
    kept = columns + 2 * plain + 2 * len(needs.metrics) + 4
    if not whole:
        # Of each piece, one behind the other, and as one.
        kept += (len(parts) + 1) * (columns + plain) + 4
    if needs.query.order:
        kept += columns + len(needs.metrics) + 4
    taken = _BLOCKS + groups * _NUMBER * kept
    for part in parts:
        keys = size.keys if whole else keys_of(needs, size, part.interval)
        taken += _scan(part, needs, size, keys) + _times(part, needs) + _moments(part, needs)
    return taken


def _scan(part: Part, needs: Needs, size: Estimate, keys: float) -> int:
    """Bytes that reading a part takes, whose keys run up to `keys`, without the groups that come out."""
    rows, plain = rows_of(part, needs), len(needs.partials) - len(needs.counted)
    if needs.lists and part.projection.is_facts:
        return _exploded(needs, size, keys, plain, rows) + _items(part, needs, rows)
    left = min(rows, size.left)
    if not needs.dimensions and not needs.filtered:
        # A value and a number for each bucket of time, and nothing else.
        taken = keys * _NUMBER * (2 + plain)
    elif rows >= dense_rows(keys):
        # A value for each key that there could be, whether there was one, and whether it had values.
        taken = keys * (1 + (_NUMBER + 1) * plain)
    else:
        waiting = min(left, _WAITING * max(_SORTED_ROWS, size.most))
        taken = _NUMBER * (waiting * (1 + plain + _ORDERING) + min(left, _SORTED_ROWS) * (4 + 2 * plain))
    if keys >= _MOST_KEYS:
        taken += _NUMBER * _RANKED * rows
    if needs.counted or needs.has_joint:
        # Where the group of each key stands is kept in a table, or searched for.
        taken += keys * _NUMBER if keys <= DENSE_MOST else 0
    return int(taken) + _items(part, needs, rows)


def _exploded(needs: Needs, size: Estimate, keys: float, plain: int, pairs: int) -> int:
    """Bytes that reading facts takes which are in several groups: a block of pairs, with its keys in a table or in
    order, and the groups of the blocks before."""
    columns = len(needs.dimensions) + bool(needs.levels)
    block = min(pairs, _SORTED_ROWS)
    # A number for each pair: its fact, that fact's place, its codes, what is fetched for it.
    numbers = 4 + columns + plain + len(needs.counted)
    few = keys <= max(DENSE_ALWAYS, DENSE_PER_ROW * block)
    taken = _NUMBER * block * (numbers if few else numbers + plain + _ORDERING)
    taken += int(keys) * (1 + (_NUMBER + 1) * plain) if few else 0
    blocks = -(-pairs // _SORTED_ROWS)
    waiting = min(pairs, size.left, blocks * size.most, _WAITING_PAIRS * max(_SORTED_ROWS, size.most))
    return taken + _NUMBER * waiting * (2 * (columns + plain) + _ORDERING)


def _times(part: Part, needs: Needs) -> int:
    """Bytes of the buckets of time that a report cuts by, of all rows whatever its interval."""
    projection = part.projection
    if needs.level is None or projection.statistics is None:
        return 0
    key = (_times, projection.name)
    found: int | None = needs.known.get(key)
    if found is None:
        whole = needs.span.intersect(projection.statistics.coverage)
        found = int(_BUCKET * min(projection.statistics.rows, buckets_between(needs.level, whole)))
        needs.known[key] = found
    return found


def _moments(part: Part, needs: Needs) -> int:
    """Bytes that tell when clustered facts were, of an instant for each of them at most."""
    statistics = part.projection.statistics
    if not part.projection.is_facts or needs.level is None or statistics is None or not statistics.order:
        return 0
    is_told = statistics.partition is not None and nests(statistics.partition, needs.level)
    return 0 if is_told else _MOMENT * rows_of(part, needs)


def _items(part: Part, needs: Needs, rows: int) -> int:
    """Bytes of what is counted or merged by its items: one kind after the other, and those that are kept stay."""
    if not needs.counted:
        return 0
    taken, exploded = 0.0, needs.lists and part.projection.is_facts
    for partial, items in items_by_partial(part.projection, needs):
        size = _VALUE if partial.function in SETS else _COUNTED_ITEM if partial.function == "buckets" else _ITEM
        # Of pairs what is only counted is kept as a set from block to block.
        taken += rows * items * (max(size, _ITEM) if exploded else size)
    return int(taken)
