"""Where the buckets of one calendar cross those of another, against looking at every boundary."""

from __future__ import annotations

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from wolap.model.crossing import first_crossing, same_buckets
from wolap.model.interval import EVERYTHING, Interval, read_moment
from wolap.model.level import INSTANT, LEVELS, nests
from wolap.model.zone import DAY, HOUR, MINUTE, Zone

ZONES = (
    "UTC",
    "-08:00",
    "+00:20",
    "America/Los_Angeles",
    "Europe/Berlin",
    "Europe/Paris",
    "Europe/London",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Pacific/Honolulu",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Africa/Monrovia",
)
# Changes of some of these clocks, of one and of several at once, and the ends of a year and of a leap February.
CENTERS = [
    read_moment(text).instant(Zone("UTC"))
    for text in (
        "2024-03-10T10:00",
        "2024-11-03T09:00",
        "2024-03-31T01:00",
        "2024-10-27T01:00",
        "2024-04-06T15:00",
        "2024-10-05T15:30",
        "2011-12-30T10:00",
        "2018-02-18T02:00",
        "2010-11-07T02:31",
        "1972-01-07T00:44",
        "1893-03-31T23:06",
        "2024-03-01T00:00",
        "2025-01-01T00:00",
        "1970-01-01T00:00",
    )
]
# How far around a center boundaries of a level are looked at one by one.
ROOM = {"second": 3 * MINUTE, "minute": 2 * HOUR, "hour": 3 * DAY, "day": 60 * DAY}


def by_enumeration(coarse: tuple[str, Zone], fine: tuple[str, Zone], within: Interval) -> int | None:
    """The first boundary of the coarse calendar inside an interval that the fine one does not have."""
    at = coarse[1].ceiling(coarse[0], within.start + 1)
    while at < within.end:
        if not fine[1].is_boundary(fine[0], at):
            return at
        at = coarse[1].ceiling(coarse[0], at + 1)
    return None


@given(st.data())
def test_a_crossing_is_what_enumeration_finds(data: st.DataObject) -> None:
    fine_level, level = data.draw(
        st.sampled_from([(fine, coarse) for fine in LEVELS for coarse in LEVELS if nests(fine, coarse)])
    )
    coarse, fine = (
        (level, Zone(data.draw(st.sampled_from(ZONES)))),
        (fine_level, Zone(data.draw(st.sampled_from(ZONES)))),
    )
    room = ROOM.get(level, 800 * DAY)
    center = data.draw(st.sampled_from(CENTERS))
    steps = st.sampled_from([1, MINUTE, 30 * MINUTE, HOUR, DAY])
    ends = [center + data.draw(steps) * data.draw(st.integers(-50, 50)) for _ in range(2)]
    ends = sorted(min(max(end, center - room), center + room) for end in ends)
    within = Interval(ends[0], ends[1])
    found = first_crossing(coarse, fine, within)
    event("none" if found is None else "one")
    assert found == by_enumeration(coarse, fine, within)
    if level == fine_level:
        assert same_buckets(coarse, fine, within) == (found is None and by_enumeration(fine, coarse, within) is None)


@pytest.mark.parametrize("level", ["hour", "day", "week", "month", "quarter", "year"])
@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"])
def test_thirty_years_as_by_enumeration(zone: str, level: str) -> None:
    years = Interval(*(read_moment(year).instant(Zone("UTC")) for year in ("1994", "2024")))
    coarse, fine = (level, Zone(zone)), ("hour", Zone("UTC"))
    found = first_crossing(coarse, fine, years)
    assert found == by_enumeration(coarse, fine, years)
    # On Lord Howe years begin in summer, when the clock is whole hours ahead.
    fits = zone in {"America/Los_Angeles", "Pacific/Apia"} or (zone, level) == ("Australia/Lord_Howe", "year")
    assert (found is None) == fits


def test_one_clock_never_crosses_itself_nor_what_has_no_buckets() -> None:
    berlin, utc = Zone("Europe/Berlin"), Zone("UTC")
    assert first_crossing(("year", berlin), ("day", Zone("Europe/Berlin")), EVERYTHING) is None
    assert first_crossing(("second", berlin), (INSTANT, utc), EVERYTHING) is None
    assert first_crossing(("day", berlin), ("day", utc), Interval(5, 5)) is None


def test_days_a_day_apart_are_the_same_days() -> None:
    """Kiritimati is fourteen hours ahead and Honolulu ten behind: midnight is midnight."""
    there, here = Zone("Pacific/Kiritimati"), Zone("Pacific/Honolulu")
    year = Interval(*(read_moment(text).instant(Zone("UTC")) for text in ("2023-03", "2024-03")))
    assert same_buckets(("day", there), ("day", here), year)
    assert first_crossing(("month", there), ("day", here), year) is None
    crossing = first_crossing(("month", there), ("month", here), year)
    assert crossing == read_moment("2023-04-01").instant(there)
