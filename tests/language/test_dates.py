"""Spellings of dates and what they become (W15), and the interval that a report counts (W16 to W18)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from language_schemas import ESM, NOW, ask

from wolap.errors import QueryError
from wolap.model.interval import moment_text
from wolap.model.query import interval_of
from wolap.model.span import Span
from wolap.model.zone import LAST_INSTANT, Zone

BERLIN = replace(ESM, time=replace(ESM.time, zone="Europe/Berlin"))
UTC_ZONE = Zone("UTC")

# What is written behind `start=`, and the instant it is in UTC where the cube's clock is that of Berlin.
RIGHT = [
    ("2024", "2023-12-31T23:00:00"),
    ("0001-02", "0001-01-31T23:06:32"),  # local mean time
    ("2024-07", "2024-06-30T22:00:00"),
    ("2024-02-29", "2024-02-28T23:00:00"),
    ("2024-07-20", "2024-07-19T22:00:00"),
    ("2024-07-20T10", "2024-07-20T08:00:00"),
    ("2024-07-20T10:05", "2024-07-20T08:05:00"),
    ("2024-07-20T10:05:09", "2024-07-20T08:05:09"),
    ("2024-07-20T10:05:09.5", "2024-07-20T08:05:09.5"),
    ("2024-07-20T10:05:09,25", "2024-07-20T08:05:09.25"),
    ("2024-07-20T10:05:09.123456", "2024-07-20T08:05:09.123456"),
    ("2024-07-20T10:05:09.1234560000", "2024-07-20T08:05:09.123456"),
    ("2024-07-20T10:05:09.0", "2024-07-20T08:05:09"),
    ("2024-07-20+10", "2024-07-20T08:00:00"),
    ("2024-07-20%2010:05", "2024-07-20T08:05:00"),
    ("2024-07-20+10:05:09", "2024-07-20T08:05:09"),
    ("2024-07-20:10", "2024-07-20T08:00:00"),
    ("2024-07-20:10:05", "2024-07-20T08:05:00"),
    ("2024-07-20:10:05:09", "2024-07-20T08:05:09"),
    ("2024-07-20T10%3A05", "2024-07-20T08:05:00"),
    ("2024-07-20Z", "2024-07-20T00:00:00"),
    ("2024-07-20T10Z", "2024-07-20T10:00:00"),
    ("2024-07-20T10:05Z", "2024-07-20T10:05:00"),
    ("2024-07-20T10:05:09.5Z", "2024-07-20T10:05:09.5"),
    ("2024-07-20T10:05%2B02:00", "2024-07-20T08:05:00"),
    ("2024-07-20T10:05%2B0530", "2024-07-20T04:35:00"),
    ("2024-07-20T10:05%2B05", "2024-07-20T05:05:00"),
    ("2024-07-20T10:05+02:00", "2024-07-20T08:05:00"),
    ("2024-07-20T10+02:00", "2024-07-20T08:00:00"),
    ("2024-07-20+10:05+02:00", "2024-07-20T08:05:00"),
    ("2024-07-20T10:05:09.5+02:00", "2024-07-20T08:05:09.5"),
    ("2024-07-20T10:05-08:00", "2024-07-20T18:05:00"),
    ("2024-07-20T10:05-0800", "2024-07-20T18:05:00"),
    ("2024-07-20T10:05-08", "2024-07-20T18:05:00"),
    ("2024-07-20-08:00", "2024-07-20T08:00:00"),
    ("2024-07-20+02:00", "2024-07-20T00:00:00"),  # behind a date a blank separates: two o'clock
    ("2024-07-20%2B02:00", "2024-07-19T22:00:00"),  # an offset of its own: midnight there
    ("2024-03-31T02:30", "2024-03-31T01:30:00"),  # does not exist in Berlin: an hour later
    ("2024-10-27T02:30", "2024-10-27T00:30:00"),  # exists twice: the first
    ("2024-10-27T02:30%2B01:00", "2024-10-27T01:30:00"),
    ("1721469600000", "2024-07-20T10:00:00"),
    ("1721469600001", "2024-07-20T10:00:00.001"),
    ("10000000000", "1970-04-26T17:46:40"),
    ("00000000000", "1970-01-01T00:00:00"),
]

WRONG = [
    "202", "20240", "20240102", "2024-0", "2024-1", "2024-00", "2024-13", "2024-01-0", "2024-01-1", "2024-01-00",
    "2024-01-32", "2023-02-29", "2024-02-30", "2024-W01", "2024-W01-1", "2024-001", "2024-", "2024-01-", "24-01-01",
    "2024/01/01", "01.02.2024", "0000", "10000", "-2024", "+2024", "%2B2024-01", "2024-01-01T", "2024-01-01T1",
    "2024-01-01T24", "2024-01-01T10:", "2024-01-01T10:60", "2024-01-01T10:05:60", "2024-01-01T10:05:09.",
    "2024-01-01T10:05:09.1234567", "2024-01-01t10", "2024-01-01T10z", "2024-01-01T1005", "2024-01-01++10",
    "2024-01-01T10%2B24:00", "2024-01-01T10%2B02:60", "2024-01-01T10%2B2", "2024-01-01T10++02:00", "2024Z",
    "2024-01Z", "2024-01-01T10+02", "+2024", "2024+", "2024%0A", "２０２４", "2024-01-01T10:05[Europe/Berlin]",
    "1721469600", "1721469600.5", "-17214696000000", "999999999999999", "9" * 5000, "now", "today", "null", "0",
    "9999-12-31T23:59:59-08:00", "0001-01-01",
]  # fmt: skip


@pytest.mark.parametrize(("text", "utc"), RIGHT)
def test_date_that_is_right(text, utc):  # W15
    start = ask(f"/esm/v3/year?start={text}&end=9999", BERLIN).start
    assert moment_text(start.microseconds, UTC_ZONE) == utc


@pytest.mark.parametrize("text", [text.replace("start", "end") for text in ("2024-07", "2024-07-20T10")])
def test_end_is_completed_like_a_start(text):  # W15
    asked = ask(f"/esm/v3/year?end={text}&start=1970", BERLIN)
    assert asked.end == ask(f"/esm/v3/year?start={text}&end=9999", BERLIN).start


@pytest.mark.parametrize("text", WRONG)
@pytest.mark.parametrize("target", ["/esm/v3/year?start=", "/esm/v3/platform?end="])
def test_date_that_is_wrong(target, text):  # W15 W18
    with pytest.raises(QueryError, match=r"^(start|end) '.*' is "):
        ask(target + text, BERLIN)


# The same elsewhere: a zone, what is written, and the instant. Changes of the clock by half an hour and by a whole day,
# leap days, and both ends of the calendar.
ELSEWHERE = [
    ("-08:00", "2024", "2024-01-01T08:00:00"),
    ("-08:00", "0001-01-01", "0001-01-01T08:00:00"),
    ("-08:00", "9999-12-31T15:59:59.999998", "9999-12-31T23:59:59.999998"),
    ("Asia/Kolkata", "2024", "2023-12-31T18:30:00"),
    ("Asia/Kolkata", "2024-02-29T05:30", "2024-02-29T00:00:00"),
    ("Asia/Kolkata", "2024-02-29T05:30Z", "2024-02-29T05:30:00"),
    ("Asia/Kolkata", "2000-02-29", "2000-02-28T18:30:00"),
    ("Asia/Kolkata", "0001-01-02", "0001-01-01T18:06:32"),  # local mean time
    ("Asia/Kolkata", "0001-01-01T05:53:28", "0001-01-01T00:00:00"),
    ("Asia/Kolkata", "9999-12-31T23:59:59", "9999-12-31T18:29:59"),
    ("Australia/Lord_Howe", "2024-04-07T01:29", "2024-04-06T14:29:00"),
    ("Australia/Lord_Howe", "2024-04-07T01:45", "2024-04-06T14:45:00"),  # exists twice: the first
    ("Australia/Lord_Howe", "2024-04-07T01:45%2B10:30", "2024-04-06T15:15:00"),
    ("Australia/Lord_Howe", "2024-04-07T01:45%2B1030", "2024-04-06T15:15:00"),
    ("Australia/Lord_Howe", "2024-04-07T02", "2024-04-06T15:30:00"),
    ("Australia/Lord_Howe", "2024-10-06T02:15", "2024-10-05T15:45:00"),  # does not exist: half an hour later
    ("Australia/Lord_Howe", "2024-10-06T02:30", "2024-10-05T15:30:00"),
    ("America/Los_Angeles", "2024-03-10T01:59:59.999999", "2024-03-10T09:59:59.999999"),
    ("America/Los_Angeles", "2024-03-10T02:30", "2024-03-10T10:30:00"),
    ("America/Los_Angeles", "2024-03-10T03", "2024-03-10T10:00:00"),
    ("America/Los_Angeles", "2024-11-03T01:30", "2024-11-03T08:30:00"),
    ("America/Los_Angeles", "2024-11-03T01:30-08", "2024-11-03T09:30:00"),
    ("Pacific/Apia", "2011-12-29T23:59", "2011-12-30T09:59:00"),
    ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00"),  # a day that was left out
    ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00"),
]


@pytest.mark.parametrize(("zone", "text", "utc"), ELSEWHERE)
def test_date_on_another_clock(zone, text, utc):  # W15
    schema = replace(ESM, time=replace(ESM.time, zone=zone))
    start = ask(f"/esm/v3/year?start={text}&end=9999-12-31T23:59:59.999999Z", schema).start
    assert moment_text(start.microseconds, UTC_ZONE) == utc


# A zone and a date that lies before the first instant there is, or behind the last.
OUTSIDE = [
    ("Asia/Kolkata", "0001"),
    ("Asia/Kolkata", "0001-01-01T05:53:27.999999"),
    ("-08:00", "9999-12-31T16"),
    ("America/Los_Angeles", "9999-12-31T23:59:59"),
    ("UTC", "0001-01-01%2B00:01"),
    ("UTC", "9999-12-31T23:59:59.999999-00:01"),
    ("UTC", "253402300800000"),
]


@pytest.mark.parametrize(("zone", "text"), OUTSIDE)
def test_date_outside_the_years(zone, text):  # W15
    schema = replace(ESM, time=replace(ESM.time, zone=zone))
    for name in ("start", "end"):
        with pytest.raises(QueryError, match=rf"^{name} '.*' is outside the years 1 to 9999$"):
            ask(f"/esm/v3/year?{name}={text}", schema)


def test_last_instant_there_is():  # W15
    assert ask("/esm/v3/year?end=9999-12-31T23:59:59.999999").end.microseconds == LAST_INSTANT
    assert ask("/esm/v3/year?end=253402300799999").end.microseconds == LAST_INSTANT - 999


def shown(text, schema=ESM, now=NOW):
    found = interval_of(ask(text, schema, now=now))
    return moment_text(found.start, schema.zone), moment_text(found.end, schema.zone)


# Asked at 2024-08-20T14:35:21.987654: the report, its start, its end.
DEFAULTS = [
    ("/year/month", "2024-07-20T00:00:00", "2024-08-20T14:35:21"),  # the published sample
    ("/year?second", "2024-08-20T13:35:00", "2024-08-20T14:35:21"),
    ("/year?minute", "2024-08-20T13:35:00", "2024-08-20T14:35:21"),
    ("/year?hour", "2024-08-19T14:00:00", "2024-08-20T14:35:21"),
    ("/year/month/day", "2024-07-20T00:00:00", "2024-08-20T14:35:21"),
    ("/week", "2024-07-20T00:00:00", "2024-08-20T14:35:21"),
    ("/quarter", "2019-01-01T00:00:00", "2024-08-20T14:35:21"),
    ("/year", "2019-01-01T00:00:00", "2024-08-20T14:35:21"),
    ("/year/month?end=2024-03-31T10:05:09", "2024-02-29T00:00:00", "2024-03-31T10:05:09"),
    ("/year?end=2024", "2019-01-01T00:00:00", "2024-01-01T00:00:00"),
    ("/year?end=0003", "0001-01-01T00:00:00", "0003-01-01T00:00:00"),
    ("/year?start=2024-08-20T14:35:20", "2024-08-20T14:35:20", "2024-08-20T14:35:21"),
    ("/year?start=&end=", "2019-01-01T00:00:00", "2024-08-20T14:35:21"),
]


@pytest.mark.parametrize(("text", "start", "end"), DEFAULTS)
def test_default_interval(text, start, end):  # W17
    assert shown("/esm/v3" + text) == (start, end)


def test_default_interval_is_on_the_clock_of_the_cube():  # W17
    assert shown("/esm/v3/year/month", BERLIN) == ("2024-07-20T00:00:00", "2024-08-20T16:35:21")
    tokyo = NOW.astimezone(timezone(timedelta(hours=9)))
    assert shown("/esm/v3/year/month", BERLIN, tokyo) == ("2024-07-20T00:00:00", "2024-08-20T16:35:21")


# On a clock that changes: zone, report with its end, start, and the end where it is written in another way.
DEFAULTS_ELSEWHERE = [
    # The clock in Berlin skips from 2 to 3 on 31 March 2024, and goes back from 3 to 2 on 27 October.
    ("Europe/Berlin", "/year?second&end=2024-03-31T03:30:45", "2024-03-31T01:30:00", None),
    ("Europe/Berlin", "/year?minute&end=2024-03-31T03:00:00", "2024-03-31T01:00:00", None),
    ("Europe/Berlin", "/year?hour&end=2024-04-01T02:30:00", "2024-03-31T03:00:00", None),
    ("Europe/Berlin", "/year?hour&end=2024-03-31T12:34:56", "2024-03-30T12:00:00", None),
    ("Europe/Berlin", "/year/month/day?end=2024-04-30T10:00:00", "2024-03-30T00:00:00", None),
    ("Europe/Berlin", "/year/month?end=2024-03-31T03:00:00", "2024-02-29T00:00:00", None),
    ("Europe/Berlin", "/week?end=2024-04-15T00:00:00", "2024-03-15T00:00:00", None),
    ("Europe/Berlin", "/quarter?end=2024-07-01T00:00:00", "2019-01-01T00:00:00", None),
    ("Europe/Berlin", "/year?end=2024-02-29T23:59:59", "2019-01-01T00:00:00", None),
    ("Europe/Berlin", "/year?minute&end=2024-10-27T02:30:30%2B02:00", "2024-10-27T01:30:00", "2024-10-27T02:30:30"),
    ("Europe/Berlin", "/year?minute&end=2024-10-27T02:30%2B01:00", "2024-10-27T02:30:00", "2024-10-27T02:30:00+01:00"),
    ("Europe/Berlin", "/year?second&end=2024-10-27T03:10:05", "2024-10-27T02:10:00+01:00", None),
    ("Europe/Berlin", "/year?hour&end=2024-10-28T02:30:00", "2024-10-27T02:00:00", None),
    # On Lord Howe Island half an hour is skipped from 2:00 on 6 October 2024, and repeated from 1:30 on 7 April.
    ("Australia/Lord_Howe", "/year?minute&end=2024-10-06T02:30:00", "2024-10-06T01:00:00", None),
    ("Australia/Lord_Howe", "/year?hour&end=2024-10-07T02:15:00", "2024-10-06T02:30:00", None),
    ("Australia/Lord_Howe", "/year?second&end=2024-04-07T02:10:10", "2024-04-07T01:40:00", None),
    ("Australia/Lord_Howe", "/year?hour&end=2024-04-08T01:45:00", "2024-04-07T01:00:00", None),
    ("Australia/Lord_Howe", "/year/month?end=2024-04-30T12:00:00", "2024-03-30T00:00:00", None),
    ("Asia/Kolkata", "/year?hour&end=2024-03-01T00:29:59", "2024-02-29T00:00:00", None),
    ("Asia/Kolkata", "/year/month?end=2023-03-31T00:00:00", "2023-02-28T00:00:00", None),
    # Never before year 1, which begins in the middle of a day where the clock is ahead.
    ("Asia/Kolkata", "/year?end=0003-01-01T00:00:00", "0001-01-01T05:53:28", None),
    ("-08:00", "/year?end=0003-01-01T00:00:00", "0001-01-01T00:00:00", None),
    ("-08:00", "/year/month?end=0001-01-15T00:00:00", "0001-01-01T00:00:00", None),
    ("UTC", "/year?second&end=0001-01-01T00:30:00", "0001-01-01T00:00:00", None),
    ("UTC", "/year?hour&end=0001-01-01T00:00:01", "0001-01-01T00:00:00", None),
    ("UTC", "/week?end=0001-01-08T00:00:00", "0001-01-01T00:00:00", None),
    ("UTC", "/year?hour&end=9999-12-31T23:59:59", "9999-12-30T23:00:00", None),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "text", "start", "end"), DEFAULTS_ELSEWHERE)
def test_default_interval_on_a_clock_that_changes(zone, text, start, end):  # W17
    schema = replace(ESM, time=replace(ESM.time, zone=zone))
    assert shown("/esm/v3" + text, schema) == (start, end or text.partition("end=")[2])


def test_schema_may_set_its_own_span():  # W17
    schema = replace(ESM, time=replace(ESM.time, default_spans={"month": Span.parse("3 months")}))
    assert shown("/esm/v3/year/month", schema)[0] == "2024-05-20T00:00:00"


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/Los_Angeles", "+14:00", "-12:00"])
@pytest.mark.parametrize("path", ["/year", "/year/month", "/week", "/year?hour", "/year?second"])
@pytest.mark.parametrize("end", ["0001", "0001-01-01T00:00Z", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59"])
def test_default_start_at_the_ends_of_time(zone, path, end):  # W15 W17
    schema = replace(ESM, time=replace(ESM.time, zone=zone))
    with suppress(QueryError):
        found = interval_of(ask(f"/esm/v3{path}{'&' if '?' in path else '?'}end={end}", schema))
        assert found.start < found.end


def test_now_may_have_any_fraction():  # W17
    assert shown("/esm/v3/year", now=datetime(2024, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC))[1] == "2024-01-01T00:00:00"
