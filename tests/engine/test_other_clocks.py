"""Stored hours of UTC answer reports of another calendar, through the changes of its clock; where they cannot, they say
at which instant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pyarrow as pa
import pytest

from wolap import (
    Cube,
    Dimension,
    Projection,
    Query,
    Schema,
    Time,
    Tree,
    count,
    declare_projection,
    distinct,
    last,
    total,
)
from wolap.model.projection import FACTS

HOURS = ("year", "month", "day", "hour")
# The days around both changes of Los Angeles in 2024, with an empty summer between them.
SPRING, AUTUMN = datetime(2024, 3, 8, tzinfo=UTC), datetime(2024, 11, 1, tzinfo=UTC)


def facts(start: datetime, days: int) -> pl.DataFrame:
    """A fact each seven minutes."""
    rows = days * 24 * 60 // 7
    return pl.DataFrame(
        {
            "at": [start + timedelta(minutes=7 * number) for number in range(rows)],
            "kind": [("a", "b", None)[number % 3] for number in range(rows)],
            "amount": [number * number % 101 - 50 for number in range(rows)],
            "user": [number % 13 for number in range(rows)],
        }
    )


BOTH = pl.concat([facts(SPRING, 5), facts(AUTUMN, 5)])


def schema(zone: str) -> Schema:
    metrics = {"n": count(), "amount": total("amount"), "users": distinct("user"), "last": last("amount")}
    return Schema("c", [Dimension("kind")], metrics, [Tree.parse("year\n  kind")], Time("at", HOURS, zone))


def cube_of(zone: str, frame: pl.DataFrame, *grains: str, strict: bool = True, stored: str = "UTC") -> Cube:
    made = Cube(schema(zone), frame, strict=strict)
    made.materialize(*(declare_projection(made.schema, grain, zone=stored) for grain in grains))
    return made


def by_polars(frame: pl.DataFrame, zone: str, group: tuple[str, ...]) -> list[dict[str, object]]:
    local = pl.col("at").dt.convert_time_zone(zone).dt
    parts = {"year": local.year(), "month": local.month(), "day": local.day(), "hour": local.hour()}
    columns = [(parts[name].cast(pl.Int32) if name in parts else pl.col(name)).alias(name) for name in group]
    found = frame.group_by(columns).agg(n=pl.len().cast(pl.Int64), amount=pl.col("amount").sum())
    return found.sort(group, nulls_last=True).to_dicts()


@pytest.mark.parametrize(
    "group", ["year/month/day", "year/month/day/hour", "day/kind", "hour", "year", "kind/month/hour"]
)
def test_hours_of_utc_answer_for_los_angeles_through_both_changes(group: str) -> None:
    cube = cube_of("America/Los_Angeles", BOTH, "year/month/day/hour/kind")
    found = cube.answer(Query(group, metrics=["n", "amount"]))
    assert found.plan.pieces[0].projection != FACTS
    assert found.to_pylist() == by_polars(BOTH, "America/Los_Angeles", tuple(group.split("/")))


@pytest.mark.parametrize(("day", "rows"), [("2024-03-10", 23), ("2024-11-03", 25)])
def test_a_day_of_another_length(day: str, rows: int) -> None:
    cube = cube_of("America/Los_Angeles", BOTH, "year/month/day/hour")
    following = (datetime.fromisoformat(day) + timedelta(days=1)).isoformat()
    found = cube.answer(Query("year/month/day", metrics=["n"], start=day, end=following))
    local = pl.col("at").dt.convert_time_zone("America/Los_Angeles")
    asked = BOTH.filter(local.dt.date() == pl.lit(day).str.to_date())
    assert found.to_pylist() == [{"year": 2024, "month": int(day[5:7]), "day": int(day[8:]), "n": len(asked)}]
    assert asked.select(pl.col("at").dt.truncate("1h").n_unique()).item() == rows


def test_distinct_users_of_an_hour_are_those_of_the_same_hour() -> None:
    """Wherever hours are shown once: in autumn one is two."""
    cube = cube_of("America/Los_Angeles", BOTH, "year/month/day/hour", strict=False)
    query = Query("year/month/day/hour", metrics=["users"], end="2024-11-03T01:00")
    plan = cube.explain(query)
    assert "year/month/day/hour" in [one.projection for one in plan.candidates if one.cost is not None]
    found = {tuple(record.values()) for record in cube.answer(query).to_pylist()}
    local = BOTH.with_columns(pl.col("at").dt.convert_time_zone("America/Los_Angeles").alias("local"))
    before = local.filter(pl.col("at") < datetime(2024, 11, 3, 8, tzinfo=UTC))
    parts = [getattr(pl.col("local").dt, name)().alias(name) for name in HOURS]
    assert found == set(before.group_by(parts).agg(pl.col("user").n_unique()).rows())
    through = cube.explain(Query("year/month/day/hour", metrics=["users"]))
    codes = {one.projection: [reason.code for reason in one.reasons] for one in through.candidates}
    assert codes["year/month/day/hour"] == ["metric_not_mergeable"]


def test_the_refusal_names_the_first_boundary_and_a_remedy() -> None:
    cube = cube_of("Asia/Kolkata", BOTH, "year/month/day/hour", strict=False)
    [reason] = [
        reason
        for candidate in cube.explain(Query("year/month/day", metrics=["n"])).candidates
        for reason in candidate.reasons
        if candidate.projection != FACTS
    ]
    assert (reason.code, reason.subject) == ("zone_boundary", "UTC")
    # The first fact is of half past five in the morning there.
    assert reason.text == "no hour of UTC begins at 2024-03-09T00:00:00 (Asia/Kolkata)"
    assert reason.remedy == "zone Asia/Kolkata for year/month/day/hour"


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Los_Angeles"])
@pytest.mark.parametrize("group", ["year/month/day", "year/month/day/hour", "hour/kind"])
def test_any_zone_is_answered_rightly_from_facts_if_need_be(zone: str, group: str) -> None:
    cube = cube_of(zone, BOTH, "year/month/day/hour/kind", "year/month/day", strict=False)
    found = cube.answer(Query(group, metrics=["n", "amount"]))
    assert found.to_pylist() == by_polars(BOTH, zone, tuple(group.split("/")))


def declared(of: Cube, grain: str, zone: str, name: str) -> Projection:
    return declare_projection(of.schema, grain, name=name, zone=zone, metrics=["n", "amount", "last"])


@pytest.mark.parametrize(("zone", "source"), [("America/Los_Angeles", "hours"), ("Asia/Kolkata", FACTS)])
def test_days_of_one_clock_are_made_of_hours_of_another_where_they_can(
    zone: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_from = {}

    def spy(projection, catalog, span):
        found = source_of(projection, catalog, span)
        made_from[projection.name] = found.name
        return found

    from wolap import versions as module

    source_of = module.source_of
    monkeypatch.setattr(module, "source_of", spy)
    cube = Cube(schema("UTC"), BOTH)
    cube.materialize(declared(cube, "day", zone, "days"), declared(cube, "hour", "UTC", "hours"))
    assert made_from == {"hours": FACTS, "days": source}
    days = cube.snapshot.sources["days"].whole.layout
    local = BOTH.group_by(pl.col("at").dt.convert_time_zone(zone).dt.date()).agg(pl.len(), pl.col("amount").sum())
    expected = local.sort("at")
    [counts] = [column.values.tolist() for partial, column in days.columns.items() if str(partial) == "count"]
    assert counts == expected["len"].to_list()
    assert days.columns[cube.schema.partials("amount")[0]].values.tolist() == expected["amount"].to_list()


def test_default_metrics_are_those_of_a_clock_that_fits_wherever_facts_lie() -> None:
    """Whatever the interval: inside one hour no day of Kolkata begins, and still the metrics are those of the facts."""
    for zone, expected in (("America/Los_Angeles", ("n",)), ("Asia/Kolkata", ("n", "amount", "users", "last"))):
        cube = Cube(schema(zone), BOTH)
        cube.materialize(declare_projection(cube.schema, "year/month/day/hour", zone="UTC", metrics=["n"]))
        hour = {"start": datetime(2024, 3, 10, 4, tzinfo=UTC), "end": datetime(2024, 3, 10, 5, tzinfo=UTC)}
        for query in (Query("year/month/day"), Query("year/month/day", **hour)):
            assert cube.answer(query).plan.metrics == expected
        assert cube.answer(Query("")).plan.metrics == ("n",)


def test_a_strict_cube_widens_to_the_buckets_of_the_stored_clock() -> None:
    cube = cube_of("Europe/Berlin", BOTH, "year/month/day")
    found = cube.answer(Query("", metrics=["n"], start="2024-03-09", end="2024-03-11"))
    assert found.plan.widened
    expected = BOTH.filter(
        pl.col("at").is_between(datetime(2024, 3, 8, tzinfo=UTC), datetime(2024, 3, 11, tzinfo=UTC), closed="left")
    )
    assert found.to_pylist() == [{"n": len(expected)}]


def test_an_empty_cube_has_no_boundary_that_could_be_crossed() -> None:
    nothing = pa.table(BOTH.clear().to_arrow())
    cube = cube_of("Asia/Kolkata", nothing, "year/month/day/hour")
    assert cube.answer(Query("year/month/day", metrics=["n"])).to_pylist() == []
