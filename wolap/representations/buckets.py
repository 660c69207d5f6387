"""The time of each record, by columns: where its bucket begins and ends on the clock of the cube.

Only parts that name a bucket together have one: year and month, not month alone, nor week (`IDENTIFYING`). The interval
of a page moves on the same clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from wolap.engine.execute import Report
from wolap.engine.time_index import local_to_instants
from wolap.model.interval import Interval
from wolap.model.level import IDENTIFYING
from wolap.model.zone import DAY, FIRST_INSTANT, LAST_INSTANT, Zone

__all__ = ["Stretches", "bucket_ends", "bucket_starts", "identified_level", "moved", "stretches"]

# Fine to coarse.
_LEVELS = ("second", "minute", "hour", "day", "month", "quarter", "year")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def identified_level(levels: Iterable[str]) -> str | None:
    """The finest level whose buckets these calendar parts name."""
    given = frozenset(levels)
    return next((level for level in _LEVELS if IDENTIFYING[level] <= given), None)


def bucket_starts(report: Report, level: str) -> np.ndarray:
    """When the bucket of each record begins: `datetime64[s]` of the cube's clock. The parts must be in the report."""
    parts = {column.name: column.codes.astype(np.int64) for column in report.dimensions if column.members is None}
    months = (parts["year"] - 1970) * 12 + _month(parts, level)
    days = months.astype("datetime64[M]").astype("datetime64[D]")
    seconds: np.ndarray = days.astype("datetime64[s]")
    if level in _MONTHS:
        return seconds
    seconds = (days + (parts["day"] - 1)).astype("datetime64[s]")
    for part in ("hour", "minute", "second"):
        if part in IDENTIFYING[level]:
            seconds = seconds + parts[part] * _SECONDS[part]
    return seconds


def _month(parts: Mapping[str, np.ndarray], level: str) -> np.ndarray:
    """The months of the year before that in which the bucket begins."""
    if level == "year":
        return np.zeros_like(parts["year"])
    months: np.ndarray = (parts["quarter"] - 1) * 3 if level == "quarter" else parts["month"] - 1
    return months


def bucket_ends(starts: np.ndarray, level: str) -> np.ndarray:
    """When the next bucket begins, on the same clock."""
    ends: np.ndarray
    if level in _MONTHS:
        ends = (starts.astype("datetime64[M]") + _MONTHS[level]).astype("datetime64[s]")
    else:
        ends = starts + np.timedelta64(_SECONDS[level], "s")
    return ends


@dataclass(frozen=True, slots=True, eq=False)
class Stretches:
    """The bucket of each record as one stretch of time, `[first, last)` in instants; not `exact` where the text of its
    local beginning or end would be read as another instant, since a clock is changed within the bucket's own ends."""

    first: np.ndarray
    last: np.ndarray
    exact: np.ndarray


def stretches(starts: np.ndarray, ends: np.ndarray, zone: Zone) -> Stretches:
    """The stretches of buckets between local times.

    What a clock shows twice, or never, lies between its two readings at a change. A bucket that holds all of that is
    still one stretch, which its local ends name; one that begins or ends within is not.
    """
    bounds = [times.astype("datetime64[us]").astype(np.int64) for times in (starts, ends)]
    low = max(int(bounds[0].min()) - 2 * DAY, FIRST_INSTANT)
    high = min(int(bounds[1].max()) + 2 * DAY, LAST_INSTANT)
    before, changes, offsets = zone.changes(low, high)
    exact = np.ones(len(starts), bool)
    if changes:
        at, after = np.array(changes), np.array(offsets)
        readings = (at + np.array((before, *offsets[:-1])), at + after)
        least, most = np.minimum(*readings), np.maximum.accumulate(np.maximum(*readings))
        for times in bounds:
            place = np.minimum(np.searchsorted(most, times, side="right"), len(most) - 1)
            exact &= ~((least[place] < times) & (times < most[place]))
    return Stretches(local_to_instants(bounds[0], zone), local_to_instants(bounds[1], zone), exact)


def moved(start: int, end: int, zone: Zone) -> tuple[Interval | None, Interval | None]:
    """The intervals just before and just after one that are as long on the calendar: whole months move by months, whole
    days by days, all else by the time between. None where the calendar has no room."""
    first, last = (np.datetime64(zone.local(bound), "us") for bound in (start, end))
    for unit in ("M", "D"):
        low, high = (bound.astype(f"datetime64[{unit}]") for bound in (first, last))
        if low == first and high == last:
            around = [_instant(low - (high - low), zone), _instant(high + (high - low), zone)]
            break
    else:
        around = [start - (end - start), end + (end - start)]
    before, after = (bound if FIRST_INSTANT <= bound <= LAST_INSTANT else None for bound in around)
    return None if before is None else Interval(before, start), None if after is None else Interval(end, after)


def _instant(local: np.datetime64, zone: Zone) -> int:
    """The instant of a local time; beyond the ends of the calendar some number beyond them."""
    microseconds = int(local.astype("datetime64[us]").astype(np.int64))
    inside = FIRST_INSTANT + DAY <= microseconds <= LAST_INSTANT - DAY
    return zone.instant(microseconds) if inside else microseconds
