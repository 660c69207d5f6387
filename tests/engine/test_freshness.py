"""A query may name an instant since which whatever answers it must have been refreshed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pyarrow as pa
import pytest

from wolap import Cube, Dimension, NoAnswer, Query, QueryError, Schema, Time, Tree, count
from wolap.model.projection import FACTS

SCHEMA = Schema("c", [Dimension("kind")], {"n": count()}, [Tree.parse("year")], Time("at", ("year", "month")))
TABLE = pa.table({"at": pa.array([date(2024, month, 1) for month in range(1, 13)]), "kind": ["a", "b"] * 6})
MORNING = datetime(2025, 1, 1, 6, tzinfo=UTC)
NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)


def cube(strict: bool = False) -> Cube:
    made = Cube(SCHEMA, TABLE, strict=strict, refreshed=MORNING - timedelta(days=9))
    made.materialize("year", now=MORNING)
    made.materialize("month/kind", now=NOON)
    return made


def candidates(query: Query) -> dict[str, list[str]]:
    """The reasons that have to do with freshness, by candidate."""
    plan = cube().explain(query)
    return {
        one.projection: [reason.text for reason in one.reasons if reason.code == "stale"] for one in plan.candidates
    }


def test_what_is_older_is_left_out() -> None:
    told = "refreshed 2025-01-01T06:00:00, asked for since 2025-01-01T06:00:01"
    since = MORNING + timedelta(seconds=1)
    assert candidates(Query("year", fresh_since=since)) == {"year": [told], "month/kind": [], FACTS: []}


@pytest.mark.parametrize("since", [MORNING, MORNING.astimezone(timezone(timedelta(hours=-8)))])
def test_the_very_instant_is_fresh_enough_on_any_clock(since: datetime) -> None:
    assert not any(candidates(Query("year", fresh_since=since)).values())


def test_facts_are_never_stale_but_a_strict_cube_may_have_no_answer() -> None:
    query = Query("year", fresh_since=NOON + timedelta(days=1))
    assert [piece.projection for piece in cube().answer(query).plan.pieces] == [FACTS]
    with pytest.raises(NoAnswer, match="year: refreshed 2025-01-01T06:00:00, asked for since 2025-01-02T12:00:00"):
        cube(strict=True).answer(query)


def test_the_plan_says_what_was_asked_for() -> None:
    text = str(cube().explain(Query("year", metrics="n", fresh_since=NOON)))
    assert text.startswith("year · n · all time · refreshed since 2025-01-01T12:00:00\n")


def test_changing_a_query_keeps_it() -> None:
    query = Query("year/kind", fresh_since=NOON)
    for changed in (query.along(("year",)), query.skipping(3), query.asking(("n",)), query.between(None, None)):
        assert changed.fresh_since == NOON
    assert query != Query("year/kind")


def test_an_instant_needs_a_clock() -> None:
    with pytest.raises(QueryError, match="fresh_since 2025-01-01 00:00:00 is on no clock; give a datetime with a zone"):
        Query("year", fresh_since=datetime(2025, 1, 1))  # noqa: DTZ001
