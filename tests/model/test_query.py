"""Queries as values: predicates joined by AND, and what settling against a schema makes of names, members and dates."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wolap import Dimension, Filter, Query, QueryError, Schema, Time, Tree, count
from wolap.model.interval import EVERYTHING, Moment
from wolap.model.query import conjunction, interval_of, settle
from wolap.model.zone import to_microseconds

MEMBERS = ["a", "b", "", None]
predicates = st.builds(
    Filter, st.sampled_from("xy"), st.frozensets(st.sampled_from(MEMBERS), min_size=1), st.booleans()
)


def keeps(filters: tuple[Filter, ...] | list[Filter], row: dict[str, str | None]) -> bool:
    """Whether a row passes all predicates."""
    return all((row[one.dimension] in one.values) != one.exclude for one in filters)


ROWS = [{"x": x, "y": y} for x in [*MEMBERS, "other"] for y in [*MEMBERS, "other"]]


@given(st.lists(predicates, max_size=6), st.randoms(use_true_random=False))
def test_a_conjunction_keeps_what_all_keep_in_any_order(filters: list[Filter], shuffler: Any) -> None:
    joined = conjunction(filters)
    assert [keeps(joined, row) for row in ROWS] == [keeps(filters, row) for row in ROWS]
    others = list(filters)
    shuffler.shuffle(others)
    assert [keeps(conjunction(others), row) for row in ROWS] == [keeps(joined, row) for row in ROWS]


@given(st.lists(predicates, max_size=6))
def test_a_conjunction_is_canonical(filters: list[Filter]) -> None:
    joined = conjunction(filters)
    keys = [(one.dimension, one.exclude) for one in joined]
    assert keys == sorted(set(keys))
    assert conjunction(joined) == conjunction([*joined, *joined]) == joined
    assert all(one.values for one in joined)


@given(st.lists(predicates, max_size=3), st.lists(predicates, max_size=3))
def test_restricting_is_joining(some: list[Filter], more: list[Filter]) -> None:
    query = Query("x", filters=some, limit=3, metrics="n").restrict(more)
    assert [keeps(query.filters, row) for row in ROWS] == [keeps([*some, *more], row) for row in ROWS]
    assert (query.path, query.limit, query.metrics) == (("x",), 3, ("n",))


SCHEMA = Schema(
    "asked",
    dimensions=[
        Dimension("x", null="none", empty="blank"),
        Dimension("rank", kind="integer"),
        Dimension("price", kind="decimal"),
        Dimension("aired", kind="date"),
    ],
    metrics={"n": count(), "m": count("x")},
    time=Time("at", ("year", "month"), "Europe/Berlin"),
    trees=[Tree.from_paths(["year/month/x"])],
)
TIMELESS = Schema("timeless", dimensions=[Dimension("x")], metrics={"n": count()}, trees=[Tree.from_paths(["x"])])


def test_what_is_given_is_typed_once() -> None:
    query = Query("/year/x/", include=["rank", "x", "rank"], where={"x": "a", "rank": [1, 2]}, where_not={"x": None})
    assert query.group == ("year", "x", "rank")
    assert query.filters == (
        Filter("x", frozenset({"a"})),
        Filter("rank", frozenset({1, 2})),
        Filter("x", frozenset({None}), True),
    )
    assert Query(("year",), include="x", metrics=["n", "m", "n"]).metrics == ("n", "m")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"path": "year/town"}, r"there is no dimension 'town'; the dimensions are .*"),
    ({"path": "x/year/x"}, r"the dimension 'x' is named twice in 'x/year/x'"),
    ({"where": {"month": 1}}, r"the time dimension 'month' cannot be filtered by value; give start and end instead"),
    ({"where": {"town": "a"}}, r"there is no dimension 'town' to filter; the dimensions are .*"),
    ({"where": {"x": []}}, r"the filter on 'x' has no value; give at least one member"),
    ({"metrics": "k"}, r"there is no metric 'k'; the metrics are .*"),
    ({"metrics": []}, r"no metric is asked for; the metrics are n, m, or leave them out"),
    ({"limit": 0}, r"limit 0 is below 1; .*"),
    ({"start": "2024", "end": "2024"}, r"start 2024-01-01T00:00:00 is not before end 2024-01-01T00:00:00; .*"),
    ({"start": "2024-02-30"}, r"start '2024-02-30' is a date that does not exist .*"),
    ({"end": "20240102"}, r"end '20240102' is not an ISO 8601 date .*"),
    ({"start": "0001-01-01T00:00+01:00"}, r"start is outside the years 1 to 9999"),
]


@pytest.mark.parametrize(("asked", "told"), WRONG)
def test_a_wrong_question_is_told_why(asked: dict[str, Any], told: str) -> None:
    with pytest.raises(QueryError) as caught:
        settle(Query(**asked), SCHEMA)
    assert re.fullmatch(told, str(caught.value))


def test_a_cube_without_time_has_no_start() -> None:
    with pytest.raises(QueryError, match=r"^start is given, but 'timeless' has no time$"):
        settle(Query("x", start="2024"), TIMELESS)


# A dimension, what is asked for, the member that is meant.
SETTLED: list[tuple[str, Any, Any]] = [
    ("x", "none", None),
    ("x", "blank", ""),
    ("x", "", ""),
    ("x", "N/A", "N/A"),
    ("x", 7, "7"),
    ("rank", "07", 7),
    ("rank", "7.0", 7),
    ("rank", Decimal(7), 7),
    ("rank", True, 1),
    ("rank", "seven", "seven"),
    ("rank", 7.5, "7.5"),
    ("rank", "N/A", None),
    ("rank", float("inf"), "inf"),
    ("rank", float("nan"), "nan"),
    ("price", "1.50", Decimal("1.5")),
    ("price", 0.1, Decimal("0.1")),
    ("price", 0.5, Decimal("0.5")),
    ("aired", "2024-07-20", date(2024, 7, 20)),
    ("aired", "20.7.2024", "20.7.2024"),
]


@pytest.mark.parametrize(("dimension", "asked", "member"), SETTLED)
def test_members_are_read_by_the_kind_of_their_dimension(dimension: str, asked: Any, member: Any) -> None:
    (found,) = settle(Query("x", where={dimension: asked}), SCHEMA).filters
    assert found == Filter(dimension, frozenset({member}))
    assert {type(value) for value in found.values} == {type(member)}


def test_spellings_of_one_member_are_one_value() -> None:
    (found,) = settle(Query("x", where={"rank": ["7", 7, "7.0", None, "N/A"]}), SCHEMA).filters
    assert found.values == {7, None}
    # Predicates are joined once their members are known: these two do not exclude each other.
    (found,) = settle(Query("x", where={"rank": "07"}, filters=[Filter("rank", frozenset({7}))]), SCHEMA).filters
    assert found == Filter("rank", frozenset({7}))


YEARS = (datetime(2, 1, 1), datetime(9998, 1, 1))  # noqa: DTZ001


def instant(text: str) -> int:
    """A date of UTC as an instant."""
    return to_microseconds(datetime.fromisoformat(text))


@pytest.mark.parametrize(
    ("start", "found"),
    [
        ("2024-07", "2024-06-30T22:00"),
        (date(2024, 1, 1), "2023-12-31T23:00"),
        (datetime(2024, 1, 1, 12), "2024-01-01T11:00"),  # noqa: DTZ001
        (datetime(2024, 1, 1, 12, tzinfo=UTC), "2024-01-01T12:00"),
        (Moment.at(instant("2024-01-01T12:00")), "2024-01-01T12:00"),
        ("2024-10-27T02:30", "2024-10-27T00:30"),
        ("2024-03-31T02:30", "2024-03-31T01:30"),
    ],
)
def test_dates_are_meant_on_the_clock_of_the_cube(start: Any, found: str) -> None:
    settled = settle(Query("year", start=start), SCHEMA)
    assert (interval_of(settled).start, interval_of(settled).end) == (instant(found), EVERYTHING.end)


@given(st.lists(predicates, max_size=4), st.none() | st.datetimes(*YEARS))
def test_settling_twice_is_settling_once(filters: list[Filter], start: datetime | None) -> None:
    named = [Filter("x", one.values, one.exclude) for one in filters]
    once = settle(Query("year", filters=named, start=start), SCHEMA)
    assert settle(once, SCHEMA) == once


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([None], "kind in (null)"),
        (["null"], "kind in ('null')"),
        ([None, "null", "a"], "kind in ('null', a, null)"),
        ([""], "kind in ('')"),
        (["a, b", "c"], "kind in ('a, b', c)"),
        ([" a"], "kind in (' a')"),
        (["New York"], "kind in (New York)"),
        ([7], "kind in (7)"),
    ],
)
def test_a_filter_shows_each_member_as_one(values: list[str | None], text: str) -> None:
    assert str(Filter("kind", frozenset(values))) == text
