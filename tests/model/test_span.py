"""Lengths on the calendar, and how far back a report looks when nobody says (W17)."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wolap.model.level import LEVELS
from wolap.model.span import Span, default_start
from wolap.model.zone import DAY, FIRST_INSTANT, HOUR, LAST_INSTANT, Zone, to_datetime, to_microseconds

BEFORE = [
    ("1 day", "2024-03-01T12:00", "2024-02-29T12:00"),
    ("2 weeks", "2024-03-01", "2024-02-16"),
    ("90 minutes", "2024-01-01", "2023-12-31T22:30"),
    ("1 month", "2024-03-31T10:00", "2024-02-29T10:00"),
    ("1 month", "2023-03-31", "2023-02-28"),
    ("1 quarter", "2024-05-31", "2024-02-29"),
    ("1 year", "2024-02-29", "2023-02-28"),
    ("4 years", "2024-02-29", "2020-02-29"),
    ("12 months", "2024-01-15", "2023-01-15"),
    ("3000 years", "2024-01-15", "0001-01-01"),
    ("999999 days", "2024-01-15", "0001-01-01"),
    ("1 month", "0001-01-15", "0001-01-01"),
]


def at(text: str) -> int:
    """A date as microseconds."""
    return to_microseconds(datetime.fromisoformat(text))


@pytest.mark.parametrize(("span", "end", "start"), BEFORE)
def test_a_span_counts_back_on_the_calendar(span: str, end: str, start: str) -> None:
    assert to_datetime(Span.parse(span).before(at(end))) == datetime.fromisoformat(start)


@pytest.mark.parametrize(
    "text", ["", "month", "0 days", "-1 day", "1.5 days", "1  day", "1 fortnight", "01 day", "٣ days"]
)
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not a span; write a number and a level, such as 3 months$"):
        Span.parse(text)


DEFAULTS = [
    ({"second"}, "2024-08-20T14:35:21", "2024-08-20T13:35:00"),
    ({"minute", "hour"}, "2024-08-20T14:35:21", "2024-08-20T13:35:00"),
    ({"hour", "year"}, "2024-08-20T14:35:21", "2024-08-19T14:00:00"),
    ({"day", "month"}, "2024-08-20T14:35:21", "2024-07-20"),
    ({"week"}, "2024-03-31T01:00", "2024-02-29"),
    ({"month", "year"}, "2024-08-20T14:35:21", "2024-07-20"),
    ({"quarter"}, "2024-08-20T14:35:21", "2019-01-01"),
    ({"year"}, "2024-08-20T14:35:21", "2019-01-01"),
    ({"year"}, "0003-08-20", "0001-01-01"),
]


@pytest.mark.parametrize(("levels", "end", "start"), DEFAULTS)
def test_the_default_start_follows_the_finest_level(levels: set[str], end: str, start: str) -> None:
    assert default_start(frozenset(levels), at(end), Zone("UTC"), {}) == at(start)


def test_the_default_start_is_floored_on_the_clock_of_the_zone() -> None:
    found = default_start(frozenset({"day"}), at("2024-04-01T02:00"), Zone("America/Los_Angeles"), {})
    # 31 March, 19:00 there; a month before is 29 February, still winter.
    assert found == at("2024-02-29T08:00")


def test_hours_are_counted_in_time_that_passes() -> None:
    """Where the clock skips from 2 to 3, the hour before 3 is that from 1; where it goes back, 2 is twice."""
    minute = frozenset({"minute"})
    assert default_start(minute, at("2024-03-31T01:00"), Zone("Europe/Berlin"), {}) == at("2024-03-31T00:00")
    assert default_start(minute, at("2024-10-27T01:30"), Zone("Europe/Berlin"), {}) == at("2024-10-27T00:30")
    assert default_start(minute, at("2024-10-05T15:30"), Zone("Australia/Lord_Howe"), {}) == at("2024-10-05T14:30")


def test_a_day_that_a_zone_skipped_leaves_a_default() -> None:
    """Samoa had no 30 December 2011: the day before the 31st would begin when the 31st does."""
    found = default_start(frozenset({"hour"}), at("2011-12-30T10:00"), Zone("Pacific/Apia"), {})
    assert found == at("2011-12-30T09:00")


CLOCKS = ("Europe/Berlin", "Australia/Lord_Howe", "America/Los_Angeles", "Pacific/Apia", "Africa/Monrovia")


@given(
    st.sets(st.sampled_from(LEVELS), min_size=1),
    st.sampled_from(CLOCKS).flatmap(
        lambda zone: st.tuples(
            st.just(zone), st.sampled_from(Zone(zone).changes(at("1950-01-01"), at("2037-01-01"))[1])
        )
    ),
    st.sampled_from((0, 1, HOUR // 2, HOUR, DAY)) | st.integers(0, 40 * DAY),
)
def test_a_default_interval_is_never_empty_around_changes(
    levels: set[str], change: tuple[str, int], later: int
) -> None:
    zone, instant = change
    assert default_start(frozenset(levels), instant + later, Zone(zone), {}) < instant + later


def test_a_schema_may_say_its_own_span() -> None:
    found = default_start(frozenset({"day"}), at("2024-04-10T02:00"), Zone("UTC"), {"day": Span(1, "week")})
    assert found == at("2024-04-03")


@given(
    st.sets(st.sampled_from(LEVELS), min_size=1),
    st.integers(FIRST_INSTANT + DAY, LAST_INSTANT),
    st.sampled_from(["UTC", "Asia/Kolkata", "America/Los_Angeles"]),
)
def test_a_default_interval_is_never_empty(levels: set[str], end: int, zone: str) -> None:
    assert FIRST_INSTANT <= default_start(frozenset(levels), end, Zone(zone), {}) < end
