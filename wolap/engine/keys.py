"""Group keys: the codes of several columns packed into one integer, most significant first.

The order of keys is the order of the columns from left to right, so sorted keys are a sorted report. A key is built
for a block of rows at a time. Where the product of all cardinalities leaves 62 bits, the leading columns are replaced
by the rank of their combination among those that occur, which keeps the order, and packing goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

__all__ = ["CodeDigit", "Digit", "Keys", "TimeDigit", "different", "pack"]

_MOST = 1 << 62
_RANKED_BLOCK = 1 << 20


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
            block = block[chosen]
        return block if self.table is None else self.table[block]


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
        groups, offsets = self.groups, self.offsets
        if len(groups) and (start > offsets[0] or stop < offsets[-1]):
            first = int(np.searchsorted(offsets, np.int64(start), side="right")) - 1
            last = int(np.searchsorted(offsets, np.int64(stop)))
            groups = groups[first:last]
            offsets = np.clip(offsets[first : last + 1], start, stop)
        block = np.repeat(groups, offsets[1:] - offsets[:-1])
        return block if chosen is None else block[chosen]


Digit = CodeDigit | TimeDigit


@dataclass(frozen=True, slots=True, eq=False)
class Keys:
    """How keys are built and taken apart. `ranked` are the packed combinations that stand for the leading `depth`
    digits."""

    digits: tuple[Digit, ...]
    size: int
    ranked: tuple[np.ndarray, Keys] | None = None

    def build(self, start: int, stop: int, chosen: np.ndarray | None) -> np.ndarray:
        """The key of each chosen row of a block, as intp."""
        if self.ranked is not None:
            combinations, leading = self.ranked
            key = np.searchsorted(combinations, leading.build(start, stop, chosen)).astype(np.intp)
            rest = self.digits
        elif self.digits:
            key = self.digits[0].codes(start, stop, chosen).astype(np.intp)
            rest = self.digits[1:]
        else:
            return np.zeros(stop - start if chosen is None else len(chosen), np.intp)
        for digit in rest:
            key *= digit.size
            key += digit.codes(start, stop, chosen)
        return key

    def split(self, keys: np.ndarray) -> list[np.ndarray]:
        """The codes that keys were packed from, one array for each digit."""
        found: list[np.ndarray] = []
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
