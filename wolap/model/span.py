"""Spans: how far back a report looks when nobody says (W17), and how often something is refreshed.

Hours and less are counted in time that passes, days and more on the calendar, so that an hour before 3:30 on the
morning on which the clock skips from 2 to 3 is 1:30, and a month before noon is noon, whatever the clock did between.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache

from wolap.model.level import LEVELS, SUB_DAY
from wolap.model.zone import (
    DAY,
    FIRST_INSTANT,
    HOUR,
    LAST_INSTANT,
    MINUTE,
    SECOND,
    Zone,
    to_datetime,
)

__all__ = ["DEFAULT_SPANS", "Span", "default_start"]

_SPAN = re.compile(r"([1-9]\d{0,5}) (second|minute|hour|day|week|month|quarter|year)s?", re.ASCII)
_SIZES = {"second": SECOND, "minute": MINUTE, "hour": HOUR, "day": DAY, "week": 7 * DAY}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_SHORTEST_MONTH = 28


@dataclass(frozen=True, slots=True)
class Span:
    """A length on the calendar, such as `1 month`: the last day of a shorter month where the day is missing."""

    count: int
    level: str

    @classmethod
    def parse(cls, text: str) -> Span:
        """`3 months` as a Span. Raises ValueError for anything else."""
        if match := _SPAN.fullmatch(text):
            return cls(int(match[1]), match[2])
        raise ValueError("not a span; write a number and a level, such as 3 months")

    def __str__(self) -> str:
        return f"{self.count} {self.level}{'s' if self.count > 1 else ''}"

    def back(self, instant: int, zone: Zone) -> int:
        """The instant that lies this far back from another, as the calendar of a zone counts days and more."""
        if self.level in SUB_DAY:
            return self.before(instant)
        return zone.instant(self.before(min(max(zone.local(instant), FIRST_INSTANT), LAST_INSTANT)))

    def before(self, local: int) -> int:
        """The local time that lies this far back, never before year 1."""
        if self.level in _SIZES:
            return max(local - self.count * _SIZES[self.level], FIRST_INSTANT)
        end = to_datetime(local).date()
        months = end.year * 12 + end.month - 1 - self.count * _MONTHS[self.level]
        if months < 12:
            return FIRST_INSTANT
        year, month = divmod(months, 12)
        day = end.day if end.day <= _SHORTEST_MONTH else min(end.day, monthrange(year, month + 1)[1])
        return local - (end - date(year, month + 1, day)).days * DAY


# By the finest level in the report: how far back from the end, and what that is floored to.
DEFAULT_SPANS = {
    "second": (Span(1, "hour"), "minute"),
    "minute": (Span(1, "hour"), "minute"),
    "hour": (Span(1, "day"), "hour"),
    "day": (Span(1, "month"), "day"),
    "week": (Span(1, "month"), "day"),
    "month": (Span(1, "month"), "day"),
    "quarter": (Span(5, "year"), "year"),
    "year": (Span(5, "year"), "year"),
}


def default_start(levels: frozenset[str], end: int, zone: Zone, own: Mapping[str, Span]) -> int:
    """The default start of a report with these time dimensions that ends at the instant `end`.

    `own` holds the spans that a schema sets itself, by level.
    """
    finest = _finest(levels)
    span, floor = DEFAULT_SPANS[finest]
    span = own.get(finest, span)
    start = span.back(end, zone)
    # A day that a zone skipped may leave no time at all: then what ends there is its last bucket.
    start = zone.floor(floor, start if start < end else end - 1)
    return max(start, FIRST_INSTANT)


@cache
def _finest(levels: frozenset[str]) -> str:
    return next(level for level in LEVELS if level in levels)
