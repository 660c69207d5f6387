"""Time zones as the offsets that really were in force.

An instant is a count of microseconds since 1970-01-01T00:00:00 UTC; a local time is the same count on the
clock of a zone, `instant + offset`. Between two changes of the clock the offset is constant, so a zone is a
short list of changes: found once a year and zone by looking at each day and halving, from the standard library's
`zoneinfo` alone. Planner and kernels read the same list and so can never disagree on where a bucket ends.

A bucket of a level is a longest run of instants with the same local period; below the day it also ends where
the clock changes. The repeated hour of autumn is thus two buckets that carry one name (`planner.md` rule 6).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from wolap.model.level import INSTANT, SUB_DAY

__all__ = [
    "DAY",
    "FIRST_INSTANT",
    "HOUR",
    "LAST_INSTANT",
    "MINUTE",
    "SECOND",
    "Zone",
    "to_datetime",
    "to_microseconds",
]

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a clock without zone is what local times are counted on
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_LAST_ORDINAL = date.max.toordinal()
_MICROSECOND = timedelta(microseconds=1)
_SIZES = {"second": SECOND, "minute": MINUTE, "hour": HOUR, "day": DAY}
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})")
_NO_CLOCK_CHANGES_BEFORE = 1800
_LAST_YEAR_OF_DATA = 2037

FIRST_INSTANT = (datetime(1, 1, 1) - _EPOCH) // timedelta(microseconds=1)  # noqa: DTZ001
LAST_INSTANT = (datetime(9999, 12, 31, 23, 59, 59, 999_999) - _EPOCH) // timedelta(microseconds=1)  # noqa: DTZ001


def to_datetime(microseconds: int) -> datetime:
    """A count of microseconds as a datetime without zone, inside the years 1 to 9999."""
    return _EPOCH + timedelta(microseconds=microseconds)


def to_microseconds(moment: datetime) -> int:
    """A datetime without zone as microseconds since 1970-01-01T00:00:00."""
    return (moment - _EPOCH) // _MICROSECOND


@dataclass(frozen=True, slots=True)
class Zone:
    """An IANA name such as `Europe/Berlin`, or a fixed offset such as `-08:00`.

    Raises ValueError, with a text for people, for a name that is neither.
    """

    name: str
    _fixed: int | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        rules = _rules(self.name)
        fixed = _microseconds(rules.utcoffset(None)) if isinstance(rules, timezone) else None
        object.__setattr__(self, "_fixed", fixed)

    def offset(self, instant: int) -> int:
        """Microseconds to add to an instant for the local time."""
        return self._stretch(instant)[1]

    def _stretch(self, instant: int) -> tuple[int, int]:
        """The offset at an instant, behind since when it has held, not looking back beyond the UTC year."""
        if self._fixed is not None:
            return FIRST_INSTANT - DAY, self._fixed
        starts, offsets = _stretches_of_year(self.name, _year_of(instant))
        index = bisect_right(starts, instant, 1) - 1
        return starts[index], offsets[index]

    def changes(self, start: int, end: int) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
        """The offset at `start`, the instants in `(start, end]` where it changes, the offset from each on."""
        if self._fixed is not None:
            return self._fixed, (), ()
        first_year, last_year = _year_of(start), _year_of(end)
        instants: list[int] = []
        offsets: list[int] = []
        for year in (first_year, *range(max(first_year + 1, _NO_CLOCK_CHANGES_BEFORE), last_year + 1)):
            starts, to = _stretches_of_year(self.name, year)
            low = bisect_right(starts, start, 1)
            high = bisect_right(starts, end, low)
            instants += starts[low:high]
            offsets += to[low:high]
        return self.offset(start), tuple(instants), tuple(offsets)

    def local(self, instant: int) -> int:
        """The local time of an instant."""
        return instant + self.offset(instant)

    def instant(self, local: int) -> int:
        """The instant of a local time: the first of two in autumn, shifted on by the gap in spring (PEP 495)."""
        if self._fixed is not None:
            return local - self._fixed
        return local - _microseconds(_rules(self.name).utcoffset(to_datetime(local)))

    def period(self, level: str, instant: int) -> int:
        """A number that all instants of one local period share, rising with time."""
        return _period(level, self.local(instant))

    def is_boundary(self, level: str, instant: int) -> bool:
        """Whether a bucket of the level begins at this instant."""
        return _is_boundary(self.name, level, instant)

    def floor(self, level: str, instant: int) -> int:
        """The start of the bucket that an instant lies in."""
        if level == INSTANT:
            return instant
        since, offset = self._stretch(instant)
        start = _period_start(level, _period(level, instant + offset)) - offset
        # At the ends of the calendar a local period may have no beginning, or no end.
        start = min(max(start, FIRST_INSTANT), instant)
        if since < start:
            return start
        # A change at the very start counts: there the same local time may begin a second time.
        _, changes, _ = self.changes(max(start - 1, FIRST_INSTANT), instant)
        for change in reversed(changes):
            return change if self.is_boundary(level, change) else self.floor(level, change - 1)
        return start

    def ceiling(self, level: str, instant: int) -> int:
        """The first boundary of the level at an instant or after it."""
        if self.is_boundary(level, instant):
            return instant
        offset = self.offset(instant)
        end = min(_period_start(level, _period(level, instant + offset) + 1) - offset, LAST_INSTANT)
        end = max(end, instant)
        _, changes, _ = self.changes(instant, end)
        for change in changes:
            return change if self.is_boundary(level, change) else self.ceiling(level, change)
        return end

    def repeats(self, level: str, start: int, end: int) -> bool:
        """Whether, inside `(start, end)`, one name of a local period is given to two buckets of the level."""
        if level == INSTANT:
            return False
        _, changes, _ = self.changes(start, end - 1)
        return any(
            self.is_boundary(level, change)
            and self.period(level, change) <= _period(level, change - 1 + self.offset(change - 1))
            for change in changes
        )


# The ends of intervals come back with each request that looks as far back as the last.
@lru_cache(maxsize=65536)
def _is_boundary(name: str, level: str, instant: int) -> bool:
    if level == INSTANT or instant <= FIRST_INSTANT:
        return True
    zone = Zone(name)
    before, at = zone.offset(instant - 1), zone.offset(instant)
    if level in SUB_DAY and before != at:
        return True
    return _period(level, instant - 1 + before) != _period(level, instant + at)


def _microseconds(offset: timedelta | None) -> int:
    return 0 if offset is None else offset // _MICROSECOND


def _day_of(microseconds: int) -> date:
    """The calendar day that a count of microseconds falls on; the first or the last there is, for what is outside."""
    ordinal = microseconds // DAY + _EPOCH_ORDINAL
    return date.fromordinal(ordinal if 1 <= ordinal <= _LAST_ORDINAL else 1 if ordinal < 1 else _LAST_ORDINAL)


def _year_of(instant: int) -> int:
    return _day_of(instant).year


@cache
def _rules(name: str) -> tzinfo:
    if name in ("UTC", "Z"):
        return UTC
    if match := _OFFSET.fullmatch(name):
        sign, hours, minutes = match.groups()
        if int(hours) < 24 and int(minutes) < 60:
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            return timezone(-offset if sign == "-" else offset)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            "not a time zone; possible are IANA names such as Europe/Berlin and offsets such as -08:00 "
            "(names need the system's zone data or the package tzdata)"
        ) from error


@lru_cache(maxsize=65536)
def _stretches_of_year(name: str, year: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The stretches of one offset in a UTC year, when each begins and its offset: the first at the start of the year,
    the others at changes of the clock, which are found day by day and then by halving."""
    rules = _rules(name)

    def offset_at(instant: int) -> int:
        # The first and the last day of the calendar have no room for an offset; nothing changes there.
        inside = min(max(instant, FIRST_INSTANT + DAY), LAST_INSTANT - DAY)
        moment = rules.fromutc(to_datetime(inside).replace(tzinfo=rules))
        return _microseconds(moment.utcoffset())

    start = to_microseconds(datetime(year, 1, 1))  # noqa: DTZ001
    first = offset_at(start)
    if year < _NO_CLOCK_CHANGES_BEFORE:
        return (start,), (first,)
    changes, offsets = [start], [first]
    if offset_at(start - SECOND) != first:
        changes.append(start)
        offsets.append(first)
    # Zone data ends in 2037; what follows is a rule that changes the clock twice a year.
    step = DAY if year <= _LAST_YEAR_OF_DATA else 7 * DAY
    low, before = start, first
    end = to_microseconds(datetime(year, 12, 31)) + DAY - SECOND  # noqa: DTZ001
    while low < end:
        high = min(low + step, end)
        if (after := offset_at(high)) != before:
            changes.append(_halve(offset_at, low, high, before))
            offsets.append(after)
            before = after
        low = high
    return tuple(changes), tuple(offsets)


def _halve(offset_at: Callable[[int], int], low: int, high: int, before: int) -> int:
    """The first whole second in `(low, high]` at which the offset is no longer `before`."""
    while high - low > SECOND:
        middle = low + (high - low) // (2 * SECOND) * SECOND
        if offset_at(middle) == before:
            low = middle
        else:
            high = middle
    return high


def _period(level: str, local: int) -> int:
    if level in _SIZES:
        return local // _SIZES[level]
    if level == "week":
        return (local // DAY + 3) // 7
    day = _day_of(local)
    if level == "month":
        return day.year * 12 + day.month - 1
    if level == "quarter":
        return day.year * 4 + (day.month - 1) // 3
    return day.year


def _period_start(level: str, period: int) -> int:
    if level in _SIZES:
        return period * _SIZES[level]
    if level == "week":
        return (period * 7 - 3) * DAY
    months = period * {"month": 1, "quarter": 3, "year": 12}[level]
    year, month = divmod(months, 12)
    if year > 9999:
        return LAST_INSTANT + 1
    return (date(year, month + 1, 1).toordinal() - _EPOCH_ORDINAL) * DAY
