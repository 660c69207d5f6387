"""Where the buckets of one calendar cross those of another (`planner.md` rule 7).

Stored buckets follow a level in one zone, the groups of a report another level in another zone. The stored ones can be
added up to the groups if no group begins inside a stored bucket, so each boundary of the coarse buckets has to be one
of the fine ones. That is said of boundaries, one by one, so daylight saving needs no rule of its own.

Thirty years have a quarter of a million hours, so they are not looked at one by one. Between two changes of either
clock both are a constant number d of microseconds apart. There a coarse boundary begins a period of the fine level on
the coarse clock too, since the levels nest, and on the fine clock that instant is d later: it begins a period there as
well if d is a multiple of the fine level's length, and if not, it never does (weeks, months and longer ones begin more
than two days apart, and no two clocks are: only d = 0 is a multiple). So all boundaries inside such a stretch fit or
none does, and only the changes themselves are looked at one by one. What does not fit is worked out once for two
calendars and a range of years, and kept.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

from wolap.model.interval import Interval
from wolap.model.level import INSTANT, nests
from wolap.model.zone import DAY, FIRST_INSTANT, HOUR, LAST_INSTANT, MINUTE, SECOND, Zone

__all__ = ["Calendar", "first_crossing", "same_buckets"]

# A way to cut time: a level, and the zone whose clock it follows.
Calendar = tuple[str, Zone]

_SIZES = {"second": SECOND, "minute": MINUTE, "hour": HOUR, "day": DAY}
# Longer than any two clocks are apart.
_APART = 7 * DAY
_YEAR = 366 * DAY


def first_crossing(coarse: Calendar, fine: Calendar, within: Interval) -> int | None:
    """The first instant inside an interval (its own ends aside) at which a coarse bucket begins and no fine one; None
    where there is none. The fine level nests in the coarse one."""
    (level, zone), (fine_level, fine_zone) = coarse, fine
    if zone == fine_zone or fine_level == INSTANT or within.start >= within.end:
        return None
    # Texts are found in a cache sooner than zones.
    years = within.start // _YEAR, within.end // _YEAR
    for since, until in _misfits(level, zone.name, fine_level, fine_zone.name, *years):
        first, last = max(since, within.start + 1), min(until, within.end)
        if first < last and (boundary := zone.ceiling(level, first)) < last:
            return boundary
    return None


def same_buckets(one: Calendar, other: Calendar, within: Interval) -> bool:
    """Whether two calendars of one level have the same boundaries inside an interval."""
    return first_crossing(one, other, within) is None and first_crossing(other, one, within) is None


@lru_cache(maxsize=4096)
def _misfits(
    level: str, zone_name: str, fine_level: str, fine_name: str, first: int, last: int
) -> tuple[tuple[int, int], ...]:
    """Half-open stretches with a coarse boundary in them, none of which is a fine one, in rising order; outside of them
    each is. From one year of 366 days to another, counted from 1970."""
    assert nests(fine_level, level), f"a {fine_level} does not lie inside a {level}"
    zone, fine_zone = Zone(zone_name), Zone(fine_name)
    start, end = max(first * _YEAR, FIRST_INSTANT), min((last + 1) * _YEAR, LAST_INSTANT + 1)
    changes = {change for one in (zone, fine_zone) for change in one.changes(start, min(end, LAST_INSTANT))[1]}
    size = _SIZES.get(fine_level, _APART)
    found = []
    for since, until in pairwise([start, *sorted(changes), end]):
        crossed = zone.is_boundary(level, since) and not fine_zone.is_boundary(fine_level, since)
        if (fine_zone.offset(since) - zone.offset(since)) % size == 0:
            found += [(since, since + 1)] if crossed else []
        elif crossed or zone.ceiling(level, since + 1) < until:
            found.append((since if crossed else since + 1, until))
    return tuple(found)
