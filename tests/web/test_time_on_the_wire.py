"""Intervals end to end: what counts where nothing lies beyond (W19), and reports of times without facts."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from web_cubes import ask, cube, document

from wolap import Time, Tree
from wolap.web.endpoint import Endpoint

TARGET = "/sales/v1/year/month/day/country?metrics=sales"
# The first fact and the last one of the cube, and the days that they lie in.
FIRST, LAST = "2024-07-19T23:59:59", "2024-08-20T20:00:00"
FIRST_DAY, DAY_AFTER = "2024-07-19T00:00:00", "2024-08-21T00:00:00"


@pytest.fixture(scope="module")
def strict() -> Endpoint:
    return Endpoint(cube("year/month/day/country", strict=True))


@pytest.fixture(scope="module")
def facts() -> Endpoint:
    return Endpoint(cube())


def used(found: dict[str, Any]) -> tuple[str, str]:
    """The interval in the self link."""
    parameters = dict(part.partition("=")[::2] for part in found["_links"]["self"]["href"].partition("?")[2].split("&"))
    return parameters["start"], parameters["end"]


# What is asked of a cube that stores days, and what is used. Only where a fact lies between is an edge moved.
EDGES = [
    (FIRST_DAY, DAY_AFTER, FIRST_DAY, DAY_AFTER),
    # An end behind the last fact counts as the end of its day, and is shown as it was asked.
    (FIRST_DAY, "2024-08-20T20:00:00.000001", FIRST_DAY, "2024-08-20T20:00:00.000001"),
    (FIRST_DAY, "2024-08-20T23:59:59", FIRST_DAY, "2024-08-20T23:59:59"),
    (FIRST_DAY, "2031-05-06T07:08:09", FIRST_DAY, "2031-05-06T07:08:09"),
    # The last fact is not before the end that is its own time: it would be cut off, so the day is counted whole.
    (FIRST_DAY, LAST, FIRST_DAY, DAY_AFTER),
    (FIRST_DAY, "2024-08-20T10:00:00", FIRST_DAY, DAY_AFTER),
    # A start before the first fact counts as the start of its day.
    (FIRST, DAY_AFTER, FIRST, DAY_AFTER),
    ("2024-07-19T12:00:00", DAY_AFTER, "2024-07-19T12:00:00", DAY_AFTER),
    ("1999-12-31T23:59:59", DAY_AFTER, "1999-12-31T23:59:59", DAY_AFTER),
    ("2024-07-19T23:59:59.000001", DAY_AFTER, FIRST_DAY, DAY_AFTER),
    # Both at once, and one of them.
    ("2024-07-19T00:00:01", "2024-08-20T23:00:00", "2024-07-19T00:00:01", "2024-08-20T23:00:00"),
    ("2024-07-19T00:00:01", "2024-08-20T01:00:00", "2024-07-19T00:00:01", DAY_AFTER),
]


@pytest.mark.parametrize(("start", "end", "used_start", "used_end"), EDGES)
def test_edges_beyond_the_facts(
    strict: Endpoint, facts: Endpoint, start: str, end: str, used_start: str, used_end: str
) -> None:  # W19
    found = document(ask(strict, f"{TARGET}&start={start}&end={end}"))
    assert used(found) == (used_start, used_end)
    exact = document(ask(facts, f"{TARGET}&start={used_start}&end={used_end}"))
    assert found["report"] == exact["report"]
    assert used(exact) == (used_start, used_end)
    # The link is the whole question: it is followed to the same answer.
    assert document(ask(strict, found["_links"]["self"]["href"])) == found


EMPTY = [
    "start=1999&end=2000",
    "start=2030&end=2031",
    "start=0001-01-01&end=0001-01-02",
    "start=9999-12-31&end=9999-12-31T23:59:59.999999",
    "start=2024-07-22&end=2024-07-23",
    "end=1970",
    "start=2024-08-19&end=2024-08-20&country=nowhere",
]


@pytest.mark.parametrize("asked", EMPTY)
@pytest.mark.parametrize("path", ["year", "year/month/day", "year/month/country", "year/month/day/country"])
@pytest.mark.parametrize("made", ["strict", "facts", "no facts at all", "no facts, strict"])
def test_an_interval_without_facts_is_an_empty_report(
    request: pytest.FixtureRequest, made: str, path: str, asked: str
) -> None:
    if made.startswith("no facts"):
        endpoint = Endpoint(cube("year/month/day/country", rows=(), strict=made.endswith("strict")))
    else:
        endpoint = request.getfixturevalue(made)
    response = ask(endpoint, f"/sales/v1/{path}?metrics=sales&{asked}")
    found = document(response)
    assert found["report"] == []
    assert response.header("Wolap-Rows") == "0/0"
    assert document(ask(endpoint, found["_links"]["self"]["href"])) == found
    text = ask(endpoint, f"/sales/v1/{path}.csv?metrics=sales&{asked}").body.decode()
    assert list(csv.reader(io.StringIO(text, newline=""))) == [[*path.split("/"), "sales"]]


HALF_HOURS = [
    # On Lord Howe Island the half hour from 1:30 comes twice on 7 April 2024: by hour of day it is one record.
    ("start=2024-04-07T01:00&end=2024-04-07T02:00", {"1": "3"}),
    ("start=2024-04-07T01:00&end=2024-04-07T01:30%2B10:30", {"1": "2"}),
    ("start=2024-04-07T01:30%2B10:30&end=2024-04-07T03:00", {"1": "1", "2": "1"}),
    ("start=2024-04-06T14:40Z&end=2024-04-06T15:20:01Z", {"1": "2"}),
    ("start=2024-04-07&end=2024-04-08", {"1": "3", "2": "1"}),
]


@pytest.mark.parametrize(("asked", "hours"), HALF_HOURS)
def test_half_an_hour_that_comes_twice(asked: str, hours: dict[str, str]) -> None:  # W7 W15 W19
    times = ("2024-04-06T14:10:00", "2024-04-06T14:40:00", "2024-04-06T15:20:00", "2024-04-06T15:40:00")
    rows = tuple((time, "AU", "Lord Howe", "tea", "ann", 1) for time in times)
    time = Time("at", ("year", "month", "day", "hour"), zone="Australia/Lord_Howe")
    endpoint = Endpoint(cube(rows=rows, time=time, trees=[Tree.parse("year\n hour")]))
    found = document(ask(endpoint, f"/sales/v1/year?hour&metrics=sales&{asked}"))
    assert {record["hour"]: record["sales"] for record in found["report"]} == hours
