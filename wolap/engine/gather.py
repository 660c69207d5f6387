"""Rows of several layouts as one layout in the order of time.

Layouts of one projection (or of the facts) share codes, so their rows can be put one behind the other, whether they
hold different stretches of time or the same. Of each those rows are taken that lie in some stretches, and of these what
a condition keeps. What comes out is as facts are: an index by the instant of each row, sorted by it; rows of one group
may then be several, which rolling up merges. Collections keep their items, and what is no item of one layout is none
of the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wolap.engine.collection import take
from wolap.engine.columns import Column, widened
from wolap.engine.histogram import of_one_coding
from wolap.engine.layout import Layout
from wolap.engine.moments import cuts_of, reorder
from wolap.engine.time_index import TimeIndex
from wolap.model.interval import Interval
from wolap.model.zone import Zone

__all__ = ["Chosen", "Keep", "chosen_rows", "gathered", "in_blocks", "instants_of"]

_BLOCK = 1 << 20

# Which rows of a layout from one to before another are kept.
Keep = Callable[[int, int], np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """Rows of a layout: those from `start` to before `stop`, or of these the ones that are `marked`."""

    layout: Layout
    start: int
    stop: int
    marked: np.ndarray | None = None

    @property
    def rows(self) -> int:
        """How many."""
        return self.stop - self.start if self.marked is None else int(np.count_nonzero(self.marked))

    def of(self, array: np.ndarray) -> np.ndarray:
        """These rows of an array that has all."""
        block = array[self.start : self.stop]
        kept: np.ndarray = block if self.marked is None else block[self.marked]
        return kept

    def places(self) -> np.ndarray:
        """Where they lie."""
        found = np.arange(self.start, self.stop)
        places: np.ndarray = found if self.marked is None else found[self.marked]
        return places


def chosen_rows(layout: Layout, stretches: Iterable[Interval], keep: Keep | None = None) -> Iterator[Chosen]:
    """The rows of a layout in some stretches of time, of which no two touch, in rising order."""
    for stretch in stretches:
        for (start, stop), within in _ranges(layout, stretch):
            if start < stop:
                marked = None if within is None else within(start, stop)
                if keep is not None:
                    kept = in_blocks(keep, start, stop)
                    marked = kept if marked is None else marked & kept
                yield Chosen(layout, start, stop, None if marked is None or marked.all() else marked)


def in_blocks(keep: Keep, start: int, stop: int) -> np.ndarray:
    """Which rows are kept, looked at in blocks."""
    marked = np.empty(stop - start, bool)
    for first in range(start, stop, _BLOCK):
        last = min(first + _BLOCK, stop)
        marked[first - start : last - start] = keep(first, last)
    return marked


def _ranges(layout: Layout, stretch: Interval) -> Iterator[tuple[tuple[int, int], Keep | None]]:
    if layout.time is None:
        yield (0, layout.rows), None
    elif layout.moments is None:
        yield layout.time.rows_in(stretch), None
    else:
        for rows, within in cuts_of(layout.moments, stretch, whole=False):
            yield rows, None if within is None else within.mask


def instants_of(layout: Layout, start: int, stop: int) -> np.ndarray:
    """The instant of each row from one to before another, of a layout with time: of stored rows that of their
    bucket."""
    if layout.moments is not None:
        moments: np.ndarray = layout.moments.index.instants[layout.moments.places_of(start, stop, None)]
        return moments
    time = layout.time
    assert time is not None
    if time.offsets is None:
        return time.instants[start:stop]
    first = int(time.offsets.searchsorted(np.int64(start), side="right")) - 1
    last = int(time.offsets.searchsorted(np.int64(stop)))
    bounds = time.offsets[first : last + 1].clip(start, stop)
    return np.repeat(time.instants[first:last], np.diff(bounds))


def gathered(parts: Sequence[Chosen], zone: Zone) -> Layout:
    """The chosen rows of one or more layouts as one, sorted by time on the clock of `zone` where they have time."""
    first = parts[0].layout
    rows = sum(part.rows for part in parts)
    codes = {name: _together([part.of(part.layout.codes[name]) for part in parts]) for name in first.codes}
    lists = {name: _joined(parts, [part.layout.lists[name] for part in parts]) for name in first.lists}
    known: dict[tuple[int, ...], Column] = {}
    columns = {}
    for partial in first.columns:
        own = [part.layout.columns[partial] for part in parts]
        # What partials share they share still.
        shared = tuple(map(id, own))
        if shared not in known:
            known[shared] = _joined(parts, own)
        columns[partial] = known[shared]
    whole = Layout(rows, None, codes, columns, lists)
    if first.time is None:
        return whole
    instants = _together([_instants(part) for part in parts])
    if not bool((instants[1:] >= instants[:-1]).all()):
        order = np.argsort(instants, kind="stable")
        whole, instants = reorder(whole, order), instants[order]
    return replace(whole, time=TimeIndex.over(instants, zone))


def _instants(part: Chosen) -> np.ndarray:
    found = instants_of(part.layout, part.start, part.stop)
    return found if part.marked is None else found[part.marked]


def _joined(parts: Sequence[Chosen], columns: Sequence[Column]) -> Column:
    """The chosen rows of each part's column, one behind the other."""
    if columns[0].offsets is not None or columns[0].members is not None:
        return _joined_items(parts, columns)
    filled = [column for part, column in zip(parts, columns, strict=True) if part.rows] or columns[:1]
    values = None
    if columns[0].values is not None:
        arrays = [part.of(_values(column)) for part, column in zip(parts, columns, strict=True)]
        values = _together([one for one in arrays if len(one)] or arrays[:1])
    # Of whole numbers the widest bounds hold for all.
    low, high = min(one.low for one in filled), max(one.high for one in filled)
    return Column(values, _valid(parts, columns), filled[0].type, low, high)


def _joined_items(parts: Sequence[Chosen], columns: Sequence[Column]) -> Column:
    """Items keep their numbers, since those of new values are higher; of facts, what was none of a part stays none."""
    if columns[0].shown is not None:
        columns = of_one_coding(columns)
    members = max(column.members or 0 for column in columns)
    kind = np.min_scalar_type(members)
    values, counts, lengths = [], [], []
    for part, column in zip(parts, columns, strict=True):
        if column.offsets is None:
            own = part.of(_values(column)).astype(kind, copy=(column.members or 0) < members)
            if (column.members or 0) < members:
                own[part.of(_values(column)) >= (column.members or 0)] = members
            values.append(own)
            continue
        taken = take(column, part.places())
        values.append(_values(taken).astype(kind, copy=False))
        assert taken.offsets is not None
        lengths.append(np.diff(taken.offsets))
        if taken.counts is not None:
            counts.append(taken.counts)
    offsets = None
    if lengths:
        offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(np.concatenate(lengths), dtype=np.int64)))
    return replace(
        columns[0],
        values=_together(values),
        members=members,
        offsets=offsets,
        counts=_together(counts) if counts else None,
    )


def _valid(parts: Sequence[Chosen], columns: Sequence[Column]) -> np.ndarray | None:
    if all(column.valid is None for column in columns):
        return None
    return _together(
        [
            np.ones(part.rows, bool) if column.valid is None else part.of(column.valid)
            for part, column in zip(parts, columns, strict=True)
        ]
    )


def _values(column: Column) -> np.ndarray:
    assert column.values is not None
    return column.values


def _together(arrays: Sequence[np.ndarray]) -> np.ndarray:
    if len(arrays) == 1:
        return arrays[0]
    if {array.dtype.kind for array in arrays} == {"i", "f"}:
        # What had no value at all was kept as whole zeros.
        arrays = [widened(array).astype(np.float64, copy=False) for array in arrays]
    return np.concatenate(arrays)
