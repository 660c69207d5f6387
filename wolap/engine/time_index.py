"""Time as an index over rows that are sorted by it.

Rows lie in buckets: of facts those of one instant (or each row its own, where hardly two share one), of a projection
those of one day or hour. A bucket is represented by the first instant that was seen in it, so that facts and
projections are handled by the same code, and a coarser level is found by looking where the local period changes.

Where each bucket of a level begins is worked out when it is first asked for and kept. So are the groups that calendar
parts make, of which there are as many as orders of levels: those that were asked for last are kept, and of large ones
the last alone. Two threads that ask at once work out the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wolap.model.crossing import Calendar
from wolap.model.interval import Interval
from wolap.model.level import INSTANT, SUB_DAY, common_level, nests
from wolap.model.recent import keep
from wolap.model.zone import DAY, FIRST_INSTANT, HOUR, LAST_INSTANT, MINUTE, SECOND, Zone

__all__ = ["Buckets", "TimeGroups", "TimeIndex", "local_to_instants"]

Instants = np.ndarray[tuple[int], np.dtype[np.int64]]
_BLOCK = 1 << 18
# An instant with an offset takes two numbers, one for each row takes one: what is shared by fewer rows is not worth it.
_SHARED = 2
# Groups of so many orders of levels are kept; of one where it tells more buckets apart, each of up to 36 bytes.
_MOST_KEPT, _MANY = 8, 1 << 20
_FIRST = np.zeros(1, np.int64)
_SIZES = {"second": SECOND, "minute": MINUTE, "hour": HOUR, "day": DAY}


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """The non-empty buckets of one level in order: an instant in each, where its rows begin, the local time there."""

    instants: Instants
    offsets: np.ndarray
    local: np.ndarray

    def part(self, level: str) -> np.ndarray:
        """A calendar part of each bucket, as the plain number of W7."""
        local = self.local
        if level in ("hour", "minute", "second"):
            size, wrap = {"hour": (HOUR, 24), "minute": (MINUTE, 60), "second": (SECOND, 60)}[level]
            return (local // size % wrap).astype(np.int32)
        days = local // DAY
        if level == "week":
            return _iso_week(days)
        months = days.astype("datetime64[D]").astype("datetime64[M]")
        number = months.astype(np.int64)
        if level == "day":
            return (days - months.astype("datetime64[D]").astype(np.int64) + 1).astype(np.int32)
        if level == "month":
            return (number % 12 + 1).astype(np.int32)
        if level == "quarter":
            return (number % 12 // 3 + 1).astype(np.int32)
        return (number // 12 + 1970).astype(np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class TimeGroups:
    """What a set of time dimensions groups by: for each bucket its group, for each group its parts, in their order.

    `rising` tells that no group comes before an earlier one, as in `year/month`, so that bounds are at the ends.
    """

    buckets: Buckets
    codes: np.ndarray
    parts: dict[str, np.ndarray]
    rising: bool

    @property
    def bytes(self) -> int:
        """Bytes in memory, beside the buckets."""
        return self.codes.nbytes + sum([numbers.nbytes for numbers in self.parts.values()])


class TimeIndex:
    """The time of a layout. `offsets` None: each row is a bucket of its own. `zone` is that of the calendar that is
    shown; the stored buckets may follow another, which nobody has to know who has an instant in each."""

    __slots__ = ("_buckets", "_groups", "instants", "level", "offsets", "rows", "zone")

    def __init__(self, instants: Instants, offsets: np.ndarray | None, level: str, zone: Zone) -> None:
        self.instants = instants
        self.offsets = offsets
        self.level = level
        self.zone = zone
        self.rows = len(instants) if offsets is None else int(offsets[-1])
        self._buckets: dict[Calendar, Buckets] = {}
        self._groups: dict[tuple[str, ...], TimeGroups] = {}

    @classmethod
    def over(cls, instants: Instants, zone: Zone) -> TimeIndex:
        """The index of facts by the instant of each, in rising order."""
        changes = instants[1:] != instants[:-1]
        if len(instants) and (np.count_nonzero(changes) + 1) * _SHARED > len(instants):
            return cls(instants, None, INSTANT, zone)
        begins = np.concatenate((_FIRST, np.flatnonzero(changes) + 1))[: len(instants)]
        return cls(instants[begins], np.append(begins, len(instants)), INSTANT, zone)

    @property
    def bytes(self) -> int:
        """Bytes in memory, of what was asked for so far."""
        own = self.instants.nbytes + (0 if self.offsets is None else self.offsets.nbytes)
        buckets, groups = list(self._buckets.values()), list(self._groups.values())
        known = sum(one.instants.nbytes + one.offsets.nbytes + one.local.nbytes for one in buckets)
        return own + known + sum(one.bytes for one in groups)

    @property
    def span(self) -> Interval:
        """From the first instant to behind the last; empty without rows."""
        if not len(self.instants):
            return Interval(0, 0)
        return Interval(int(self.instants[0]), int(self.instants[-1]) + 1)

    def rows_in(self, interval: Interval) -> tuple[int, int]:
        """The range of rows whose buckets begin in an interval."""
        start = max(interval.start, FIRST_INSTANT)
        end = min(interval.end, LAST_INSTANT + 1)
        # An int64 scalar: a Python int would have the whole column converted (`performance.md` section 8).
        first = int(self.instants.searchsorted(np.int64(start)))
        last = max(int(self.instants.searchsorted(np.int64(end))), first)
        return (first, last) if self.offsets is None else (int(self.offsets[first]), int(self.offsets[last]))

    def buckets(self, level: str, zone: Zone | None = None) -> Buckets:
        """The buckets of a level that the index's own nests in, on the clock that is shown or on another."""
        calendar = (level, zone or self.zone)
        if calendar not in self._buckets:
            self._buckets[calendar] = self._find_buckets(*calendar)
        return self._buckets[calendar]

    def groups(self, levels: tuple[str, ...]) -> TimeGroups:
        """The groups of a set of time dimensions, sorted by them from left to right."""
        found = self._groups.get(levels)
        if found is None:
            found = self._find_groups(levels)
            keep(self._groups, levels, found, _MOST_KEPT if len(found.codes) <= _MANY else 1)
        return found

    def _find_buckets(self, level: str, zone: Zone) -> Buckets:
        instants, offsets = self._finest(level, zone)
        if not len(instants):
            return Buckets(instants, np.zeros(1, np.int64), instants)
        clock = _Clock.over(zone, level, int(instants[0]), int(instants[-1]))
        begins = np.arange(len(instants)) if level == INSTANT else _begins(instants, level, clock)
        rows = begins if offsets is None else offsets[begins]
        chosen = instants[begins]
        return Buckets(
            chosen, np.append(rows, self.rows).astype(np.int64), chosen + clock.shifts[clock.segment(chosen)]
        )

    def _finest(self, level: str, zone: Zone) -> tuple[Instants, np.ndarray | None]:
        """The fewest buckets that are known and nest in a level: its own buckets are found among them."""
        instants, offsets = self.instants, self.offsets
        for (known, clock), found in list(self._buckets.items()):
            if clock == zone and nests(known, level) and len(found.instants) < len(instants):
                instants, offsets = found.instants, found.offsets
        return instants, offsets

    def _find_groups(self, levels: tuple[str, ...]) -> TimeGroups:
        level = common_level(levels)
        assert level is not None
        buckets = self.buckets(level)
        columns = [buckets.part(name) for name in levels]
        packed = np.zeros(len(buckets.instants), np.int64)
        for name, column in zip(levels, columns, strict=True):
            packed = packed * (10_000 if name == "year" else 100) + column
        if (packed[1:] >= packed[:-1]).all():
            # Mostly names rise with time: then each begins where it is not the one before.
            begins = np.concatenate(([True], packed[1:] != packed[:-1])) if len(packed) else np.zeros(0, bool)
            keys, where, codes = packed[begins], np.flatnonzero(begins), np.cumsum(begins) - 1
        else:
            keys, where, codes = np.unique(packed, return_index=True, return_inverse=True)
        parts = {name: column[where] for name, column in zip(levels, columns, strict=True)}
        narrow = codes.astype(np.uint32 if len(keys) > 1 << 16 else np.uint16)
        return TimeGroups(buckets, narrow, parts, not bool((codes[1:] < codes[:-1]).any()))


@dataclass(frozen=True, slots=True, eq=False)
class _Clock:
    """The stretches between changes of a clock: how far each is ahead of UTC, and a number that two stretches share if
    no bucket of the level ends between them."""

    changes: np.ndarray
    shifts: np.ndarray
    joined: np.ndarray

    @classmethod
    def over(cls, zone: Zone, level: str, start: int, end: int) -> _Clock:
        first, changes, shifts = zone.changes(start, end)
        cuts = [level in SUB_DAY or zone.is_boundary(level, change) for change in changes]
        return cls(
            np.asarray(changes, np.int64), np.asarray((first, *shifts), np.int64), np.cumsum(np.asarray([0, *cuts]))
        )

    def segment(self, instants: Instants) -> np.ndarray:
        """The stretch of each instant."""
        return np.searchsorted(self.changes, instants, side="right")


def _begins(instants: Instants, level: str, clock: _Clock) -> np.ndarray:
    """Where a bucket begins among sorted instants, looked at in blocks, so that memory follows what is found."""
    found = []
    before: tuple[int, int] | None = None
    for start in range(0, len(instants), _BLOCK):
        block = instants[start : start + _BLOCK]
        segment = clock.segment(block)
        period, stretch = _periods(level, block + clock.shifts[segment]), clock.joined[segment]
        begins = np.ones(len(block), bool)
        np.not_equal(period[1:], period[:-1], out=begins[1:])
        begins[1:] |= stretch[1:] != stretch[:-1]
        begins[0] = before != (int(period[0]), int(stretch[0]))
        before = (int(period[-1]), int(stretch[-1]))
        found.append(np.flatnonzero(begins) + start)
    return np.concatenate(found)


def _periods(level: str, local: np.ndarray) -> np.ndarray:
    if level in _SIZES:
        return local // _SIZES[level]
    days = local // DAY
    if level == "week":
        return (days + 3) // 7
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return months // {"month": 1, "quarter": 3, "year": 12}[level]


def _iso_week(days: np.ndarray) -> np.ndarray:
    """The ISO 8601 week of the year: that of the Thursday in it."""
    thursday = (days + 3) // 7 * 7
    first = thursday.astype("datetime64[D]").astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
    return ((thursday - first) // 7 + 1).astype(np.int32)


def local_to_instants(local: np.ndarray, zone: Zone) -> Instants:
    """Local times as instants: the first of two in autumn, shifted on by the gap in spring (PEP 495)."""
    if not len(local):
        return local
    low = max(int(local.min()) - DAY, FIRST_INSTANT)
    high = min(int(local.max()) + DAY, LAST_INSTANT)
    first, changes, shifts = zone.changes(low, high)
    offsets = np.asarray((first, *shifts), np.int64)
    # Each offset holds from the later of both clocks at its change on: up to there the older one is meant.
    begins = np.asarray(changes, np.int64) + np.maximum(offsets[1:], offsets[:-1])
    return local - offsets[np.searchsorted(begins, local, side="right")]
