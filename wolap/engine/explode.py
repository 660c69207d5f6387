"""Grouping facts by what they have several of: each stands once in the group of each of its members.

It is `facts CROSS JOIN UNNEST(members) WHERE … GROUP BY …`, of one or several such dimensions: a pair for each
combination of a fact's members. Pairs are laid out for a block of facts at a time, never for all. A block is ordinary
rows, of ordinary columns, with a code for each dimension, so the kernels that group it know nothing of lists; and its
groups are put together with those of the blocks before like the pieces of a plan (`stitch.py`). Memory follows the
groups and the block.

Facts are dropped before they are laid out, pairs before any number is fetched for them.

In a group each fact is there once, since a list has each member once. A distinct count of pairs is that of its facts;
numbers of different blocks do not add up to it, so it is taken to the end as a set, and counted there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from wolap.engine.collection import blocks_of, take
from wolap.engine.columns import Column
from wolap.engine.groups import Partials, Series
from wolap.engine.kernels import LARGE_BLOCK
from wolap.engine.keys import CodeDigit, Digit
from wolap.engine.lists import codes_in, starts_of
from wolap.engine.scan import Scan
from wolap.engine.stitch import stitch
from wolap.model.aggregate import SETS, Partial

__all__ = ["Block", "ListDigit", "explode"]

_ROWS = 1 << 18


@dataclass(frozen=True, slots=True, eq=False)
class ListDigit:
    """The members of each fact, and which of them are kept; all where `kept` is None."""

    members: Column
    kept: np.ndarray | None = None

    def lengths(self, rows: np.ndarray) -> np.ndarray:
        """How many members some facts have."""
        starts = starts_of(self.members)
        found: np.ndarray = starts[rows + 1] - starts[rows]
        return found

    def pairs(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The kept members of some facts, and of which of them each is, by its place."""
        taken = take(self.members, rows)
        codes, places = codes_in(taken), np.repeat(np.arange(len(rows)), np.diff(starts_of(taken)))
        if self.kept is None:
            return codes, places
        kept = self.kept[codes]
        return codes[kept], places[kept]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some pairs as rows: how they are keyed, in the order of the report, and the columns of their facts."""

    rows: int
    digits: Mapping[str, Digit]
    columns: Mapping[Partial, Column]


def explode(
    scan: Scan,
    digits: Mapping[str, Digit | ListDigit],
    columns: Mapping[Partial, Column],
    group: Callable[[Block], Partials],
) -> Partials:
    """The partials of the facts of a scan, whose keys are not looked at, by digits of which some are lists.

    `group` gives the partials of a block. Raises PartialOverflow, and Cancelled when told to stop.
    """
    kept = {partial: _as_set(partial) for partial in columns}
    inputs = {kept[partial]: column for partial, column in columns.items()}
    found = _together(group(block) for block in _blocks(scan, digits, inputs))
    series = {partial: found.series[kept[partial]] for partial in columns}
    for partial, (one, kind) in series.items():
        if kept[partial] != partial:
            # Of a plain count nothing else is kept.
            series[partial] = Series(one.values), kind
    return replace(found, series=series)


def _as_set(partial: Partial) -> Partial:
    return replace(partial, function="set") if partial.function in SETS else partial


def _together(parts: Iterable[Partials]) -> Partials:
    """All groups as one. What waits is put together once it is as much as what was found before."""
    waiting: list[Partials] = []
    size = 0
    for part in parts:
        waiting.append(part)
        size += _size(part)
        if len(waiting) > 1 and size > 2 * max(LARGE_BLOCK, _size(waiting[0])):
            waiting = [stitch(waiting)]
            size = _size(waiting[0])
    return stitch(waiting)


def _size(part: Partials) -> int:
    """Groups and items."""
    items = [series.items for series, _ in part.series.values()]
    return part.rows + sum([len(one.values) for one in items if one is not None and one.values is not None])


def _blocks(scan: Scan, digits: Mapping[str, Digit | ListDigit], columns: Mapping[Partial, Column]) -> Iterator[Block]:
    """The kept pairs of a scan, as many facts at a time as have a block of pairs; at least one block, though empty."""
    lists = [digit for digit in digits.values() if isinstance(digit, ListDigit)]
    is_empty = True
    for start, stop, chosen in scan.blocks(_ROWS):
        within = np.arange(stop - start) if chosen is None else chosen
        lengths = np.ones(len(within), np.int64)
        for digit in lists:
            lengths *= digit.lengths(within + start)
        before = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
        for begin, end in blocks_of(before):
            scan.heed()
            block = _block(start, stop, within[begin:end], digits, columns)
            if block.rows:
                is_empty = False
                yield block
    if is_empty:
        nothing = np.zeros(0, np.int64)
        yield _block(scan.start, scan.start, nothing, digits, columns)


def _block(
    start: int,
    stop: int,
    within: np.ndarray,
    digits: Mapping[str, Digit | ListDigit],
    columns: Mapping[Partial, Column],
) -> Block:
    """The pairs of the facts at some places of a block: first the members, one list after the other, then the rest."""
    codes: dict[str, np.ndarray] = {}
    for name, digit in digits.items():
        if isinstance(digit, ListDigit):
            found, places = digit.pairs(within + start)
            codes = {other: own[places] for other, own in codes.items()}
            codes[name], within = found, within[places]
    laid_out: dict[str, Digit] = {}
    for name, digit in digits.items():
        if isinstance(digit, ListDigit):
            laid_out[name] = CodeDigit(codes[name], digit.members.members or 0)
        else:
            laid_out[name] = CodeDigit(digit.codes(start, stop, within), digit.size)
    rows, fetched = within + start, dict[int, Column]()
    for column in columns.values():
        if id(column) not in fetched:
            values = None if column.values is None else column.values[rows]
            valid = None if column.valid is None else column.valid[rows]
            fetched[id(column)] = replace(column, values=values, valid=valid)
    return Block(len(rows), laid_out, {partial: fetched[id(column)] for partial, column in columns.items()})
