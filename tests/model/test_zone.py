"""Zones against the standard library, minute by minute around changes of the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import clock_of

from wolap.model.level import INSTANT, LEVELS, SUB_DAY
from wolap.model.zone import DAY, FIRST_INSTANT, HOUR, LAST_INSTANT, MINUTE, SECOND, Zone, to_microseconds

# A change of the clock, in UTC: an hour, half an hour, past midnight, a whole day, at midnight, local mean time.
CHANGES = [
    ("UTC", "2024-02-29T00:00"),
    ("-08:00", "2024-02-29T08:00"),
    ("Asia/Kolkata", "2024-02-29T18:30"),
    ("America/Los_Angeles", "2024-03-10T10:00"),
    ("America/Los_Angeles", "2024-11-03T09:00"),
    ("Europe/Berlin", "2024-03-31T01:00"),
    ("Europe/Berlin", "2024-10-27T01:00"),
    ("Australia/Lord_Howe", "2024-04-06T15:00"),
    ("Australia/Lord_Howe", "2024-10-05T15:30"),
    ("America/St_Johns", "2006-10-29T02:31"),
    ("America/St_Johns", "2007-03-11T03:31"),
    ("America/St_Johns", "2010-11-07T02:31"),
    ("America/Sao_Paulo", "2018-11-04T03:00"),
    ("America/Sao_Paulo", "2018-02-18T02:00"),
    ("Pacific/Apia", "2011-12-30T10:00"),
    ("Pacific/Kwajalein", "1993-08-21T12:00"),
    ("Africa/Monrovia", "1972-01-07T00:44"),
    ("Europe/Berlin", "1893-03-31T23:06"),
    ("Asia/Pyongyang", "2018-05-04T15:00"),
]
FORMATS = {
    "second": "%Y %j %H %M %S",
    "minute": "%Y %j %H %M",
    "hour": "%Y %j %H",
    "day": "%Y %j",
    "week": "%G %V",
    "month": "%Y %m",
    "year": "%Y",
}


def name_of(level: str, local: datetime) -> str:
    """The local period of a level, as a name that no other period has."""
    return f"{local.year} {(local.month - 1) // 3}" if level == "quarter" else local.strftime(FORMATS[level])


def brute_boundaries(zone: str, level: str, start: datetime, minutes: int) -> list[int]:
    """The boundaries in some minutes, found by looking at each minute, or each half of one for old clocks."""
    found = []
    clock = clock_of(zone)
    at = start
    while at < start + timedelta(minutes=minutes):
        before, local = (at - timedelta(microseconds=1)).astimezone(clock), at.astimezone(clock)
        shifts = level in SUB_DAY and before.utcoffset() != local.utcoffset()
        if shifts or name_of(level, before) != name_of(level, local):
            found.append(to_microseconds(at.replace(tzinfo=None)))
        at += timedelta(seconds=30 if zone in {"Africa/Monrovia", "Europe/Berlin"} else 60)
    return found


@pytest.mark.parametrize(("zone", "change"), CHANGES)
@pytest.mark.parametrize("level", ["hour", "day", "week", "month", "quarter", "year"])
def test_boundaries_are_where_the_calendar_turns(zone: str, change: str, level: str) -> None:
    center = datetime.fromisoformat(change).replace(tzinfo=UTC)
    start, minutes = center - timedelta(hours=13), 26 * 60
    step = 30 * SECOND if zone in {"Africa/Monrovia", "Europe/Berlin"} else MINUTE
    first = to_microseconds(start.replace(tzinfo=None))
    right = brute_boundaries(zone, level, start, minutes)
    ours = Zone(zone)
    instants = range(first, first + minutes * MINUTE, step)
    assert [one for one in instants if ours.is_boundary(level, one)] == right
    for before, after in pairwise(right):
        inside = (before + 1, (before + after) // 2, after - 1)
        assert {ours.floor(level, one) for one in (before, *inside)} == {before}
        assert {ours.ceiling(level, one) for one in (*inside, after)} == {after}


@given(st.sampled_from(CHANGES), st.sampled_from(LEVELS), st.integers(-40 * DAY, 40 * DAY))
def test_floor_and_ceiling_enclose_a_bucket(change: tuple[str, str], level: str, apart: int) -> None:
    zone = Zone(change[0])
    instant = to_microseconds(datetime.fromisoformat(change[1])) + apart
    low, high = zone.floor(level, instant), zone.ceiling(level, instant)
    assert low <= instant <= high
    assert zone.is_boundary(level, low)
    assert zone.is_boundary(level, high)
    assert (low == instant) == (high == instant) == zone.is_boundary(level, instant)
    assert zone.floor(level, low) == low
    assert zone.period(level, low) == zone.period(level, instant)
    if low < instant:
        assert zone.floor(level, high - 1) == low
    assert zone.floor(INSTANT, instant) == zone.ceiling(INSTANT, instant) == instant


@given(st.sampled_from(CHANGES), st.integers(-3 * DAY, 3 * DAY))
def test_offset_and_local_time_are_those_of_the_standard_library(change: tuple[str, str], apart: int) -> None:
    zone, clock = Zone(change[0]), clock_of(change[0])
    moment = datetime.fromisoformat(change[1]) + timedelta(microseconds=apart)
    offset = moment.replace(tzinfo=UTC).astimezone(clock).utcoffset()
    instant = to_microseconds(moment)
    assert zone.offset(instant) == offset // timedelta(microseconds=1)
    assert zone.local(instant) == to_microseconds(moment.replace(tzinfo=UTC).astimezone(clock).replace(tzinfo=None))
    # And back: the first of two, shifted on by a gap.
    assert zone.instant(instant) == instant - moment.replace(tzinfo=clock).utcoffset() // timedelta(microseconds=1)


@given(st.sampled_from(CHANGES), st.integers(-400 * DAY, 400 * DAY), st.integers(0, 800 * DAY))
def test_changes_tell_every_offset_in_between(change: tuple[str, str], apart: int, length: int) -> None:
    zone = Zone(change[0])
    start = to_microseconds(datetime.fromisoformat(change[1])) + apart
    first, instants, offsets = zone.changes(start, start + length)
    assert first == zone.offset(start)
    assert list(instants) == sorted(set(instants))
    for before, at, after in zip((first, *offsets), instants, offsets, strict=False):
        assert (zone.offset(at - 1), zone.offset(at)) == (before, after)
        assert start < at <= start + length
    assert zone.offset(start + length) == (first, *offsets)[-1]


REPEATS = [
    ("Europe/Berlin", "hour", "2024-10-27T00:00", "2024-10-27T02:00", True),
    ("Europe/Berlin", "hour", "2024-10-27T01:00", "2024-10-27T02:00", False),
    ("Europe/Berlin", "hour", "2024-10-27T00:00", "2024-10-27T01:00", False),
    ("Europe/Berlin", "hour", "2024-03-31T00:00", "2024-03-31T02:00", False),
    ("Europe/Berlin", "day", "2024-10-26T22:00", "2024-10-27T23:00", False),
    ("Europe/Berlin", "second", "2024-10-27T00:00", "2024-10-27T02:00", True),
    ("Europe/Berlin", INSTANT, "2024-10-27T00:00", "2024-10-27T02:00", False),
    ("America/St_Johns", "day", "2006-10-29T00:00", "2006-10-29T12:00", True),
    ("America/St_Johns", "month", "2006-10-29T00:00", "2006-10-29T12:00", False),
    ("America/St_Johns", "week", "2006-10-29T00:00", "2006-10-31T12:00", False),
    ("Australia/Lord_Howe", "hour", "2024-04-06T14:00", "2024-04-06T16:00", True),
    # The clock went from midnight back to one in the morning: one day of 47 hours.
    ("Pacific/Kwajalein", "day", "1969-09-01T00:00", "1969-10-02T00:00", False),
    ("Pacific/Kwajalein", "hour", "1969-09-01T00:00", "1969-10-02T00:00", True),
    ("UTC", "hour", "2000-01-01T00:00", "2030-01-01T00:00", False),
    ("-08:00", "day", "2000-01-01T00:00", "2030-01-01T00:00", False),
]


@pytest.mark.parametrize(("zone", "level", "start", "end", "expected"), REPEATS)
def test_a_name_given_to_two_buckets_is_noticed(zone: str, level: str, start: str, end: str, expected: bool) -> None:
    first, last = (to_microseconds(datetime.fromisoformat(text)) for text in (start, end))
    assert Zone(zone).repeats(level, first, last) == expected


@pytest.mark.parametrize(
    ("name", "hours"), [("UTC", 0), ("Z", 0), ("-08:00", -8), ("+0530", 5.5), ("+00:00", 0), ("-23:59", -23 - 59 / 60)]
)
def test_fixed_offsets_are_zones(name: str, hours: float) -> None:
    assert Zone(name).offset(0) == round(hours * HOUR)
    assert Zone(name).instant(0) == -round(hours * HOUR)
    assert Zone(name).changes(FIRST_INSTANT, LAST_INSTANT) == (round(hours * HOUR), (), ())


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "+24:00", "-08:60", "+8", "../etc/passwd", "/etc/localtime", "a\0b"]
)
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a time zone; possible are IANA names"):
        Zone(name)


@pytest.mark.parametrize("zone", ["UTC", "-08:00", "Asia/Kolkata", "America/Los_Angeles", "Pacific/Apia"])
@pytest.mark.parametrize("level", [INSTANT, *LEVELS])
def test_the_ends_of_the_calendar_do_no_harm(zone: str, level: str) -> None:
    ours = Zone(zone)
    assert ours.is_boundary(level, FIRST_INSTANT)
    for instant in (FIRST_INSTANT, FIRST_INSTANT + 1, FIRST_INSTANT + DAY, LAST_INSTANT - DAY, LAST_INSTANT):
        assert FIRST_INSTANT <= ours.floor(level, instant) <= instant <= ours.ceiling(level, instant)
