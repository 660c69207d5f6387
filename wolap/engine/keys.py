"""Group keys: the codes of several columns packed into one integer, most significant first.

The order of keys is the order of the columns from left to right, so sorted keys are a sorted report. A key is built
for a block of rows at a time. Where the product of all cardinalities leaves 62 bits, the leading columns are replaced
by the rank of their combination among those that occur, which keeps the order, and packing goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Protocol

import numpy as np

__all__ = ["CodeDigit", "Digit", "Keys", "MomentDigit", "TimeDigit", "different", "pack"]

_MOST = 1 << 62
_NARROW = 1 << 32
_RANKED_BLOCK = 1 << 20
# Of shorter buckets it takes longer to search for their ends than to write down the bucket of every row.
_LONG_BUCKET = 16
_FEW_RUNS = 32


@dataclass(frozen=True, slots=True, eq=False)
class CodeDigit:
    """A column of codes; `table` maps them to those of a level above."""

    column: np.ndarray
    size: int
    table: np.ndarray | None = None

    def codes(self, start: int, stop: int, chosen: np.ndarray | None) -> np.ndarray:
        """The codes of the chosen rows of a block."""
        block = self.column[start:stop]
        if chosen is not None:
            block = block.take(chosen)
        return block if self.table is None else self.table.take(block)


@dataclass(frozen=True, slots=True, eq=False)
class TimeDigit:
    """Rows that lie in buckets: `groups` has a code for each bucket, `offsets` the row where each begins, and the last
    end. `base` was taken off the codes, so that those of a short interval are small."""

    groups: np.ndarray
    offsets: np.ndarray
    size: int
    base: int = 0

    def codes(self, start: int, stop: int, chosen: np.ndarray | None) -> np.ndarray:
        """The codes of the chosen rows of a block."""
        groups, edges = self._runs(start, stop)
        if chosen is None:
            return np.repeat(groups, edges[1:] - edges[:-1])
        if stop - start < _LONG_BUCKET * min(len(groups), len(chosen)):
            block: np.ndarray = np.repeat(groups, edges[1:] - edges[:-1])[chosen]
            return block
        # Chosen rows are few in a long block, or buckets are long.
        if len(groups) <= len(chosen):
            ends = np.searchsorted(chosen, edges)
            return np.repeat(groups, ends[1:] - ends[:-1])
        found: np.ndarray = groups[np.searchsorted(edges, chosen, side="right") - 1]
        return found

    def _runs(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """The codes of the buckets in a block; where in it each begins, and the last ends."""
        if start == stop:
            return self.groups[:0], np.zeros(1, np.int64)
        first = int(self.offsets.searchsorted(np.int64(start), side="right")) - 1
        last = int(self.offsets.searchsorted(np.int64(stop)))
        edges = self.offsets[first : last + 1] - start
        edges[0], edges[-1] = 0, stop - start
        return self.groups[first:last], edges

    def add(self, key: np.ndarray, factor: int, start: int, stop: int, chosen: np.ndarray | None) -> None:
        """Adds the codes of a block times a factor to the keys. In a run of one bucket that is one number."""
        if chosen is not None:
            key += self.codes(start, stop, chosen).astype(key.dtype) * key.dtype.type(factor)
            return
        groups, edges = self._runs(start, stop)
        if len(groups) > _FEW_RUNS:
            key += np.repeat(groups.astype(key.dtype) * key.dtype.type(factor), edges[1:] - edges[:-1])
            return
        for group, begin, end in zip(groups.tolist(), edges.tolist(), edges[1:].tolist(), strict=False):
            key[begin:end] += group * factor


class Places(Protocol):
    """Tells of rows the places of their instants among all that occur."""

    def places_of(self, start: int, stop: int, chosen: np.ndarray | None) -> np.ndarray:
        """The places of the chosen rows of a block."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class MomentDigit:
    """Rows that do not lie in the order of time: `table` has a code for each instant from the place `low` on. `base`
    was taken off the codes."""

    rows: Places
    table: np.ndarray
    low: int
    size: int
    base: int = 0

    def codes(self, start: int, stop: int, chosen: np.ndarray | None) -> np.ndarray:
        """The codes of the chosen rows of a block."""
        places = self.rows.places_of(start, stop, chosen)
        places -= self.low
        codes: np.ndarray = self.table[places]
        return codes


Digit = CodeDigit | TimeDigit | MomentDigit


@dataclass(frozen=True, slots=True, eq=False)
class Keys:
    """How keys are built and taken apart. `ranked` are the packed combinations that stand for the leading `depth`
    digits."""

    digits: tuple[Digit, ...]
    size: int
    ranked: tuple[np.ndarray, Keys] | None = None

    def build(
        self,
        start: int,
        stop: int,
        chosen: np.ndarray | None,
        out: np.ndarray | None = None,
        kind: type[np.integer] = np.intp,
    ) -> np.ndarray:
        """The key of each chosen row of a block, of a type that holds all of them; in the first places of `out`, where
        that is given."""
        rows = stop - start if chosen is None else len(chosen)
        key = np.empty(rows, kind) if out is None else out[:rows]
        is_begun = self.ranked is not None
        if self.ranked is not None:
            combinations, leading = self.ranked
            np.copyto(key, np.searchsorted(combinations, leading.build(start, stop, chosen)), casting="unsafe")
        # First the codes, with room for those of time, which come last: they are one number for many rows.
        room, factor = 1, 1
        for digit in self.digits:
            room *= digit.size
            if not isinstance(digit, TimeDigit):
                codes = digit.codes(start, stop, chosen)
                if is_begun:
                    key *= room
                    # Codes may be kept wider than keys are; each key fits its type, since `size` does.
                    np.add(key, codes, out=key, casting="unsafe")
                else:
                    np.copyto(key, codes, casting="unsafe")
                is_begun, room = True, 1
        if not is_begun:
            key.fill(0)
        elif room > 1:
            key *= room
        for digit in reversed(self.digits):
            if isinstance(digit, TimeDigit):
                digit.add(key, factor, start, stop, chosen)
            factor *= digit.size
        return key

    def split(self, keys: np.ndarray) -> list[np.ndarray]:
        """The codes that keys were packed from, one array for each digit."""
        found: list[np.ndarray] = []
        if self.ranked is None and self.size < _NARROW:
            # In half the width dividing takes a fraction of the time.
            keys = keys.astype(np.uint32)
        for digit in reversed(self.digits if self.ranked is not None else self.digits[1:]):
            # Dividing by one number is several times as fast without the rest.
            rest = keys // digit.size
            found.append(keys - rest * digit.size)
            keys = rest
        if self.ranked is not None:
            combinations, leading = self.ranked
            return [*leading.split(combinations[keys]), *reversed(found)]
        return [keys, *reversed(found)] if self.digits else []


def pack(digits: Sequence[Digit], start: int, stop: int) -> Keys:
    """The keys of the rows from `start` to `stop`."""
    taken = 0
    keys: Keys | None = None
    size = 1
    for index, digit in enumerate(digits):
        if size * max(digit.size, 1) >= _MOST:
            leading = Keys(tuple(digits[taken:index]), size, None if keys is None else keys.ranked)
            combinations = _combinations(leading, start, stop)
            keys = Keys((), len(combinations), (combinations, leading))
            taken, size = index, max(len(combinations), 1)
        size *= max(digit.size, 1)
    own = tuple(digits[taken:])
    return Keys(
        own,
        prod((max(digit.size, 1) for digit in own), start=keys.size if keys else 1),
        keys.ranked if keys else None,
    )


def _combinations(keys: Keys, start: int, stop: int) -> np.ndarray:
    """The keys that occur, sorted; looked at in blocks, so that memory follows what is found."""
    found = [np.zeros(0, np.intp)]
    waiting = 0
    for block_start, block_stop in _blocks(start, stop):
        found.append(different(keys.build(block_start, block_stop, None)))
        waiting += len(found[-1])
        # What is found grows by at least half before it is sorted again.
        if 2 * waiting > len(found[0]):
            found, waiting = [different(np.concatenate(found))], 0
    return different(np.concatenate(found))


def _blocks(start: int, stop: int) -> Iterator[tuple[int, int]]:
    for at in range(start, stop, _RANKED_BLOCK):
        yield at, min(at + _RANKED_BLOCK, stop)


def different(values: np.ndarray) -> np.ndarray:
    """The different values in rising order, of an array that is the caller's own: it is sorted in place.

    (`np.unique` hashes whole numbers, which takes many times as long as sorting them where most of them differ.)
    """
    values.sort()
    first = np.empty(len(values), bool)
    first[:1] = True
    np.not_equal(values[1:], values[:-1], out=first[1:])
    return values[first]
