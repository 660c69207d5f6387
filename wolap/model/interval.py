"""Intervals of time, and the one notation for a date: an ISO 8601 date or date-time, or a prefix of one.

An interval is half-open, `[start, end)`, in instants. A date as people write it is a Moment: it may have an
offset of its own, or be meant on the clock of the cube, which is known only later. `Moment.instant(zone)` settles it.

    2024                     2024-01-01 00:00:00 on the cube's clock        (`wire.md` W15)
    2024-07-20T10            2024-07-20 10:00:00 on the cube's clock
    2024-07-20 10:05+02:00   2024-07-20 08:05:00 UTC
    1721469600000            that many milliseconds after 1970, UTC
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from wolap.model.zone import (
    FIRST_INSTANT,
    HOUR,
    LAST_INSTANT,
    MINUTE,
    Zone,
    to_datetime,
    to_microseconds,
)

__all__ = ["EVERYTHING", "Interval", "Moment", "instant_of", "moment_text", "read_moment"]

_ISO = re.compile(
    r"(?P<year>\d{4})"
    r"(?:-(?P<month>\d{2})(?:-(?P<day>\d{2})"
    r"(?:(?P<separator>[T :])(?P<hour>\d{2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?)?)?"
    r"(?P<offset>Z|[+-]\d{2}(?::?\d{2})?|(?<=\d) \d{2}:\d{2})?)?)?",
    re.ASCII,
)
_MILLISECONDS = re.compile(r"\d{11,}", re.ASCII)
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """A point in time as it was written: microseconds on a clock, and that clock's offset if it was said.

    `offset` is microseconds ahead of UTC, or None for the clock of whichever cube is asked.
    """

    microseconds: int
    offset: int | None = None

    @classmethod
    def of(cls, value: str | date | Moment) -> Moment:
        """A Moment from a text in ISO 8601, a date, or a datetime with or without zone.

        Raises ValueError, with a text for people, for a text that is no such thing.
        """
        if isinstance(value, str):
            return read_moment(value)
        if isinstance(value, Moment):
            return value
        if isinstance(value, datetime):
            shift = value.utcoffset()
            local = to_microseconds(value.replace(tzinfo=None))
            return cls(local, None if shift is None else shift // _MICROSECOND)
        return cls(to_microseconds(datetime(value.year, value.month, value.day)))  # noqa: DTZ001

    @classmethod
    def at(cls, instant: int) -> Moment:
        """The Moment of an instant, independent of any zone."""
        return cls(instant, 0)

    def instant(self, zone: Zone) -> int:
        """The instant that is meant, on the clock of `zone` where no offset was said.

        Raises ValueError where it lies outside the years 1 to 9999.
        """
        instant = zone.instant(self.microseconds) if self.offset is None else self.microseconds - self.offset
        if not FIRST_INSTANT <= instant <= LAST_INSTANT:
            raise ValueError("outside the years 1 to 9999")
        return instant


@dataclass(frozen=True, slots=True)
class Interval:
    """A half-open range of instants, `[start, end)`, in microseconds since 1970 UTC."""

    start: int
    end: int

    def intersect(self, other: Interval) -> Interval:
        """What both cover; empty (start = end) where they have nothing in common."""
        if self.start >= other.start and self.start <= self.end <= other.end:
            return self
        start = max(self.start, other.start)
        return Interval(start, max(start, min(self.end, other.end)))

    def covers(self, other: Interval) -> bool:
        """Whether every instant of `other` lies in this interval. An empty one does in any."""
        return other.start >= other.end or (self.start <= other.start and other.end <= self.end)


EVERYTHING = Interval(FIRST_INSTANT, LAST_INSTANT + 1)


def read_moment(text: str) -> Moment:
    """Reads a date by W15, missing parts filled with the smallest values.

    Raises ValueError with the reason: not a date, a date that does not exist, a fraction finer than microseconds.
    """
    if _MILLISECONDS.fullmatch(text):
        milliseconds = int(text[:20])
        if len(text) > 20 or milliseconds * 1000 > LAST_INSTANT:
            raise ValueError("outside the years 1 to 9999")
        return Moment.at(milliseconds * 1000)
    match = _ISO.fullmatch(text)
    if match is None:
        raise ValueError(
            "not an ISO 8601 date or date-time or a whole part of one (2024, 2024-07, 2024-07-20T10:05), "
            "nor milliseconds since 1970"
        )
    # A blank before hh:mm stands for the plus of an offset only behind a time: behind a date it separates (W15).
    year, month, day, _, hour, minute, second, fraction, offset = match.groups()
    microsecond = 0
    if fraction is not None:
        digits = fraction.rstrip("0")
        if len(digits) > 6:
            raise ValueError("finer than a microsecond")
        microsecond = int(digits.ljust(6, "0"))
    try:
        clock = datetime(  # noqa: DTZ001
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0), microsecond
        )
    except ValueError as error:
        raise ValueError(f"a date that does not exist ({error})") from None
    return Moment(to_microseconds(clock), _read_offset(offset))


def _read_offset(text: str | None) -> int | None:
    if text is None:
        return None
    if text == "Z":
        return 0
    digits = text[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:
        raise ValueError("an offset that does not exist")
    size = hours * HOUR + minutes * MINUTE
    return -size if text[0] == "-" else size


def instant_of(moment: datetime, zone: Zone) -> int:
    """The instant of a datetime, on the clock of `zone` where it has none of its own."""
    if moment.utcoffset() is None:
        return zone.instant(to_microseconds(moment))
    return (moment - _EPOCH) // _MICROSECOND


# The bounds of one query are told of each candidate, and those of a dashboard with each request.
@lru_cache(maxsize=4096)
def moment_text(instant: int, zone: Zone) -> str:
    """An instant on the clock of a zone, `2024-07-20T00:00:00`, with a fraction or an offset only where the
    instant would be lost without (W47)."""
    offset = zone.offset(instant)
    local = instant + offset
    if not FIRST_INSTANT <= local <= LAST_INSTANT:
        return to_datetime(instant).isoformat() + "Z"
    text = to_datetime(local).isoformat()
    if "." in text:
        text = text.rstrip("0")
    if zone.instant(local) == instant:
        return text
    if offset % MINUTE:
        return to_datetime(instant).isoformat() + "Z"
    sign, size = ("-", -offset) if offset < 0 else ("+", offset)
    return f"{text}{sign}{size // HOUR:02}:{size % HOUR // MINUTE:02}"
