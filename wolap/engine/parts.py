"""Parts of a scan whose groups never meet: what is merged or counted by its items is so a part at a time.

Rows lie by time. Where time is the leading digit of a key, the rows of one day and those of another have no group in
common, so pairs of group and item can be put in order, or marked, for each day by itself: what is sorted fits a cache,
its pairs fit 32 bits, and nothing is kept of it but the answer. Short buckets are pooled until a part is worth the
while. Where names do not rise with time (an hour of any day, a month of any year) the rows of one name are several
ranges, which are a part together while they are long. All else is one part.

The number of a group in its part is its key without that of the part's first; or its place among the groups that
occur, where their keys are too far apart for a pair to be narrow, or to fit 62 bits at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wolap.engine.groups import Groups, Places
from wolap.engine.kernels import scan_groups
from wolap.engine.keys import Keys, TimeDigit
from wolap.engine.scan import Scan

__all__ = ["NARROW", "Part", "parts_of"]

# Pairs below this are kept in 32 bits, which are sorted twice to four times as fast as 64; and below this at all.
NARROW, _WIDE = (1 << 32) - 1, 1 << 62
# Rows that a part is pooled to, and those that make up for what a part costs besides.
_POOLED, _WORTH = 1 << 17, 1 << 12
# Keys up to here are looked up in a table.
_LOOKED_UP = 1 << 24


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Ranges of rows, and how the groups in them are numbered: by their keys from `base` on, or by their places."""

    ranges: Sequence[tuple[int, int]]
    keys: Keys
    base: int
    places: Places | None = None

    @property
    def size(self) -> int:
        """The numbers are below this."""
        return self.keys.size if self.places is None else len(self.places.keys)

    @property
    def rows(self) -> int:
        """Rows to read, before predicates."""
        return sum([stop - start for start, stop in self.ranges])

    def scans(self, scan: Scan) -> Iterator[Scan]:
        """The scan of each range."""
        for start, stop in self.ranges:
            yield scan.between(start, stop)

    def numbers(self, start: int, stop: int, chosen: np.ndarray | None, kind: type[np.integer]) -> np.ndarray:
        """The number of the group of each chosen row of a block."""
        if self.places is None:
            return self.keys.build(start, stop, chosen, kind=kind)
        return self.places.find(self.keys.build(start, stop, chosen)).astype(kind)

    def named(self, numbers: np.ndarray) -> np.ndarray:
        """The keys of groups with these numbers, in the scan."""
        keys = numbers if self.places is None else self.places.keys[numbers]
        return keys.astype(np.intp) + self.base

    def numbered(self, groups: Groups) -> np.ndarray:
        """The numbers of those groups of a scan that are in this part."""
        own = _own(groups, self)
        return np.arange(len(own)) if self.places is not None else own


def parts_of(scan: Scan, stride: int, groups: Groups | None = None) -> list[Part]:
    """All rows of a scan in parts, whose groups rise from each to the next. A pair takes `stride` numbers for each
    group; `groups` are those of the scan, if they are known. Raises Cancelled when told to stop."""
    parts = _by_time(scan, stride) or [Part([(scan.start, scan.stop)], scan.keys, 0)]
    if groups is None and any(part.size * stride > _WIDE for part in parts):
        groups = scan_groups(scan, ())
    return parts if groups is None else [_placed(part, stride, groups) for part in parts]


def _by_time(scan: Scan, stride: int) -> list[Part] | None:
    """A part for each name of a time, or for several; None where time does not lead, or its buckets are too short."""
    digits = scan.keys.digits
    if scan.keys.ranked is not None or not digits or not isinstance(digits[0], TimeDigit) or not scan.rows:
        return None
    digit, rest = digits[0], Keys(digits[1:], scan.keys.size // max(digits[0].size, 1))
    if (int(digit.offsets[0]), int(digit.offsets[-1])) != (scan.start, scan.stop):
        return None
    groups, offsets = digit.groups, digit.offsets
    begins = np.flatnonzero(groups[1:] != groups[:-1]) + 1
    begins = np.concatenate((np.zeros(1, np.intp), begins))
    codes, rows = groups[begins].astype(np.int64), np.append(offsets[begins], scan.stop)
    if not bool((codes[1:] > codes[:-1]).all()):
        return _scattered(codes, rows, rest) if scan.rows >= _WORTH * len(codes) else None
    for limit in (NARROW, _WIDE):
        span = limit // (rest.size * stride)
        if not span:
            continue
        # A part ends where it has rows enough, and where its pairs would leave the limit.
        pooled, spanned = (rows[:-1] - scan.start) // _POOLED, (codes - codes[0]) // span
        ends = (pooled[1:] != pooled[:-1]) | (spanned[1:] != spanned[:-1])
        cuts = np.concatenate(([0], np.flatnonzero(ends) + 1, [len(codes)]))
        if len(cuts) == 2 or scan.rows >= _WORTH * (len(cuts) - 1):
            firsts, lasts = codes[cuts[:-1]].tolist(), codes[cuts[1:] - 1].tolist()
            places = np.append(begins, len(groups))[cuts].tolist()
            bounds = zip(firsts, lasts, places[:-1], places[1:], strict=True)
            return [_of_buckets(digit, rest, *one) for one in bounds]
    return None


def _of_buckets(digit: TimeDigit, rest: Keys, first: int, last: int, start: int, stop: int) -> Part:
    """The part of the buckets from `start` to `stop`, whose codes are from `first` to `last`."""
    offsets, size = digit.offsets[start : stop + 1], last - first + 1
    ranges = [(int(offsets[0]), int(offsets[-1]))]
    if size == 1:
        return Part(ranges, rest, first * rest.size)
    codes = digit.groups[start:stop] - digit.groups.dtype.type(first)
    own = TimeDigit(codes, offsets, size)
    return Part(ranges, Keys((own, *rest.digits), size * rest.size), first * rest.size)


def _scattered(codes: np.ndarray, rows: np.ndarray, rest: Keys) -> list[Part]:
    """A part for each code, of all ranges of rows that have it."""
    order = np.argsort(codes, kind="stable")
    cuts = np.flatnonzero(np.diff(codes[order])) + 1
    parts = []
    for same in np.split(order, cuts):
        ranges = list(zip(rows[same].tolist(), rows[same + 1].tolist(), strict=True))
        parts.append(Part(ranges, rest, int(codes[same[0]]) * rest.size))
    return parts


def _placed(part: Part, stride: int, groups: Groups) -> Part:
    """The part with places for numbers, where that makes its pairs narrow at the cost of a look into a table, or where
    they do not fit otherwise."""
    slots = part.keys.size * stride
    if slots <= NARROW or (part.keys.size > _LOOKED_UP and slots <= _WIDE):
        return part
    own = _own(groups, part)
    if slots <= _WIDE and len(own) * stride > NARROW:
        return part
    return replace(part, places=Places.of(own, part.keys.size))


def _own(groups: Groups, part: Part) -> np.ndarray:
    """The keys of a part's groups, without its base."""
    first, last = np.searchsorted(groups.keys, np.array([part.base, part.base + part.keys.size], groups.keys.dtype))
    own: np.ndarray = groups.keys[first:last] - part.base
    return own
