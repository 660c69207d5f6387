"""What has a schedule stays as it was until it is due: which projections those are, and what they say of themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from wolap import (
    Cube,
    Dimension,
    Query,
    Schema,
    SchemaError,
    Time,
    Tree,
    count,
    declare_projection,
    derived,
    distinct,
    ratio,
    total,
)
from wolap.model.projection import FACTS, schedule_of
from wolap.model.span import Span
from wolap.planner.choose import every_plan

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LEVELS = ("year", "month", "day", "hour")


def schema(refresh: dict[str, str] | None = None, **metrics: Any) -> Schema:
    time = Time("at", LEVELS, refresh={level: Span.parse(text) for level, text in (refresh or {}).items()})
    return Schema(
        "c",
        [Dimension("kind"), Dimension("who")],
        {"n": count(), "amount": total("amount"), **metrics},
        [Tree.parse("year\n  month\n    day\n      hour\n        kind")],
        time,
    )


def facts(*rows: tuple[str, str, str]) -> pa.Table:
    at, kinds, people = zip(*rows, strict=True) if rows else ((), (), ())
    instants = pa.array([datetime.fromisoformat(one).replace(tzinfo=UTC) for one in at], pa.timestamp("us", "UTC"))
    amounts = pa.array([1] * len(at), pa.int64())
    return pa.table({"at": instants, "kind": pa.array(kinds, pa.string()), "who": list(people), "amount": amounts})


FIRST = facts(("2026-02-27T10:00", "a", "annabel"), ("2026-03-10T09:00", "a", "bob"), ("2026-03-10T11:30", "b", "bob"))
SAME_DAY = facts(("2026-03-10T12:10", "a", "cem"))
NEXT_DAY = facts(("2026-03-11T00:05", "b", "cem"))
LATE = facts(("2026-02-27T11:00", "a", "dan"))


def cube(grain: str = "year/month/day", every: str | None = "3 hours", **options: Any) -> Cube:
    found = Cube(schema(**options), FIRST, refreshed=NOON)
    found.materialize(declare_projection(found.schema, grain, name="p", every=every), now=NOON)
    return found


def counted(served: Cube, path: str, projection: str) -> list[int]:
    """The numbers of one projection, which can answer alone."""
    for plan in every_plan(Query(path, metrics="n"), served.snapshot.catalog):
        if [piece.projection for piece in plan.pieces] == [projection]:
            return [record["n"] for record in served.snapshot.run(plan).to_pylist()]
    return []


def age(served: Cube, name: str = "p") -> datetime | None:
    statistics = next(one.statistics for one in served.projections if one.name == name)
    assert statistics is not None
    return statistics.refreshed


def test_it_waits_until_it_is_due_and_then_has_all_that_came() -> None:
    served = cube()
    assert served.append(SAME_DAY, now=NOON + HOUR).behind == ("p",)
    assert served.append(LATE, now=NOON + 2 * HOUR).behind == ("p",)
    assert (counted(served, "day", "p"), age(served), age(served, FACTS)) == ([2, 1], NOON, NOON + 2 * HOUR)
    assert counted(served, "day", FACTS) == [3, 2]
    assert served.append(facts(), now=NOON + 2 * HOUR).behind == ("p",)
    assert served.append(SAME_DAY, now=NOON + 3 * HOUR).behind == ()
    assert (counted(served, "day", "p"), age(served)) == ([4, 2], NOON + 3 * HOUR)


def test_days_that_it_has_not_are_no_zeros() -> None:
    served = cube()
    served.append(NEXT_DAY, now=NOON + HOUR)
    assert counted(served, "day", "p") == []
    plan = served.explain(Query("day", metrics="n"))
    [against] = [reason for one in plan.candidates if one.projection == "p" for reason in one.reasons]
    told = "holds 2026-02-27T00:00:00 to 2026-03-10T23:59:59.999999 only"
    assert (against.code, against.text, against.remedy) == ("coverage_gap", told, "refresh p")
    held = Query("day", metrics="n", end="2026-03-11")
    assert [record["n"] for record in served.answer(held).to_pylist()] == [2, 1]
    assert {plan.pieces[0].projection for plan in every_plan(held, served.snapshot.catalog)} == {"p", FACTS}


def test_an_end_behind_the_facts_is_one_though_the_projection_has_more() -> None:
    """The last day is emptied; the projection has it still, and an interval that ends within it cuts it."""
    served = cube()
    served.replace(facts(), "2026-03-10", "2026-03-11", now=NOON + HOUR)
    query = Query("month", metrics="n", end="2026-03-10T10:00")
    for plan in every_plan(query, served.snapshot.catalog):
        assert [piece.projection for piece in plan.pieces] != ["p"]
    assert served.snapshot.catalog.span.end > served.snapshot.sources[FACTS].segments[-1].held.layout.span.end
    served.refresh()
    assert counted(served, "day", "p") == [1]


def test_what_had_nothing_has_nothing() -> None:
    served = Cube(schema(), facts(), refreshed=NOON)
    served.materialize(declare_projection(served.schema, "kind", name="p", every="1 day"), now=NOON)
    served.append(FIRST, now=NOON + HOUR)
    assert (counted(served, "kind", "p"), counted(served, "kind", FACTS)) == ([], [2, 1])
    [against] = [one for one in served.explain(Query("kind")).candidates if one.projection == "p"]
    assert [reason.text for reason in against.reasons] == ["held nothing when it was refreshed"]


def test_a_budget_of_staleness_leaves_it_out() -> None:
    served = cube()
    served.append(LATE, now=NOON + HOUR)
    query = Query("day", metrics="n", fresh_since=NOON + timedelta(minutes=30))
    assert [piece.projection for piece in served.answer(query).plan.pieces] == [FACTS]
    plan = served.explain(query)
    assert [r.code for one in plan.candidates if one.projection == "p" for r in one.reasons] == ["stale"]


def test_refreshing_takes_what_is_due_or_all() -> None:
    served = cube()
    served.materialize(declare_projection(served.schema, "year/month", name="months", every="2 days"), now=NOON)
    served.append(LATE, now=NOON + HOUR)
    version = served.snapshot.catalog.version
    assert served.refresh(now=NOON + 2 * HOUR).behind == ("p", "months")
    assert served.snapshot.catalog.version == version, "nothing was done"
    done = served.refresh(now=NOON + 4 * HOUR)
    assert (done.added, done.removed, done.stretches, done.behind) == (0, 0, (), ("months",))
    assert (age(served), age(served, "months"), age(served, FACTS)) == (NOON + 4 * HOUR, NOON, NOON + HOUR)
    assert served.refresh().behind == ()
    assert age(served, "months") == NOON + HOUR, "as new as the facts"
    assert counted(served, "month", "months") == counted(served, "month", FACTS) == [2, 2]


def test_what_is_behind_feeds_nothing() -> None:
    """Months are due and days are not: months are made from the facts, though days would be nearer."""
    served = Cube(schema(), FIRST, refreshed=NOON)
    for grain, every in (("year/month/day", "1 day"), ("year/month", "1 hour")):
        served.materialize(declare_projection(served.schema, grain, every=every), now=NOON)
    seen = []
    served.append(LATE, now=NOON + HOUR, progress=lambda one: seen.append((one.projection.name, one.source.name)))
    served.append(LATE, now=NOON + HOUR)
    served.refresh(now=NOON + 2 * HOUR, progress=lambda one: seen.append((one.projection.name, one.source.name)))
    served.materialize("year", now=NOON + 2 * HOUR, progress=lambda one: seen.append(("year", one.source.name)))
    # Progress tells of the facts as well, and of pieces.
    made = list(dict.fromkeys(one for one in seen if one[0] != FACTS))
    assert made == [("year/month", FACTS), ("year", "year/month")]
    assert counted(served, "year", "year") == [5]
    served.append(LATE, now=NOON + 2 * HOUR)
    served.materialize("kind", now=NOON + 2 * HOUR, progress=lambda one: seen.append(("kind", one.source.name)))
    assert seen[-1] == ("kind", FACTS)


@pytest.mark.parametrize("now", [NOON + HOUR, None])
def test_without_a_time_or_a_schedule_all_is_at_once(now: datetime | None) -> None:
    served = cube(every=None if now else "3 hours")
    assert served.append(SAME_DAY, now=now).behind == ()
    assert (counted(served, "day", "p"), age(served)) == ([3, 1], now), "a time that nobody said is not known"


def test_deleting_waits_for_nothing(tmp_path: Path) -> None:
    served = cube("kind/who", "1 year")
    served.save(tmp_path / "cube")
    served.replace(facts(), "2026-02-27", "2026-02-28", now=NOON + HOUR)
    assert counted(served, "who", "p") == [1, 2], "ann is in none of the facts, and still there"
    done = served.delete(where={"who": "annabel"}, now=NOON + HOUR)
    assert (done.removed, done.behind, counted(served, "who", "p")) == (0, (), [2])
    assert served.snapshot.dictionaries.members["who"].find("annabel") < 0
    served.append(LATE, now=NOON + HOUR)
    assert served.retain("2026-03-01", now=NOON + HOUR).behind == ()
    assert counted(served, "who", "p") == [2]
    # Files of older versions go with the next, once nobody holds them.
    assert not any(b"annabel" in file.read_bytes() for file in (tmp_path / "cube").rglob("*.arrow"))


def test_what_is_behind_bounds_no_other() -> None:
    """A guard counts groups by what has a row for each: not by what is older than the facts."""
    served = cube("kind/who", "1 year")
    served.append(facts(*(("2026-03-10T12:30", "z", f"w{number}") for number in range(50))), now=NOON + HOUR)
    query = Query("who", metrics="n", fresh_since=NOON + HOUR)
    assert served.explain(query).groups >= len(served.answer(query)) == 52


def test_verifying_compares_what_is_up_to_date() -> None:
    served = cube()
    served.append(LATE, now=NOON + HOUR)
    assert served.verify(Query("day", metrics="n"))


def test_schedules_of_projections_levels_and_metrics() -> None:
    uniques = {"people": distinct("who", every="1 day"), "per": ratio("amount", "people")}
    declared = schema({"month": "2 days", "minute": "1 minute"}, **uniques, twice=derived("per * 2"))

    def said(grain: str, metrics: list[str], every: str | None = None) -> list[str]:
        return [
            str(one) for one in schedule_of(declared, declare_projection(declared, grain, metrics=metrics, every=every))
        ]

    assert said("year/month", ["n"]) == ["2 days"]
    assert said("year/month", ["n"], "3 hours") == ["3 hours"]
    assert said("year/month", ["n", "people"]) == ["2 days", "1 day"]
    assert said("year/month/day", ["n"]) == []
    assert said("year/month/day", ["per"]) == said("kind", ["twice"]) == ["1 day"]


def test_a_slower_metric_makes_what_stores_it_slower() -> None:
    served = Cube(schema(people=distinct("who", every="1 day")), FIRST, refreshed=NOON)
    everything = declare_projection(served.schema, "year/month/day", every="1 hour", name="all")
    quick = declare_projection(served.schema, "year/month/day", metrics=["n", "amount"], every="1 hour", name="quick")
    served.materialize(everything, quick, now=NOON)
    assert served.append(LATE, now=NOON + HOUR).behind == ("all",)
    assert served.answer(Query("day", metrics=["n"])).plan.pieces[0].projection == "quick", "of equals the fresher"
    both = served.answer(Query("day", metrics=["n", "people"], end="2026-03-11"))
    if both.plan.pieces[0].projection == "all":
        assert both.to_pylist()[0] == {"day": 10, "n": 2, "people": 1}


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: declare_projection(schema(), "day", every="often"), "projections.day.every: 'often' is not a span"),
        (lambda: distinct("who", every="0 days"), "every '0 days' is not a span"),
        (
            lambda: Schema("c", [], {"n": count()}, [], Time("at", refresh={"fortnight": Span(1, "day")})),
            "time.refresh",
        ),
    ],
)
def test_what_is_no_schedule_is_told(make: Any, told: str) -> None:
    with pytest.raises(SchemaError, match=told):
        make()


def test_another_schedule_is_another_declaration() -> None:
    served = cube()
    with pytest.raises(SchemaError, match="zone or schedule"):
        served.materialize(declare_projection(served.schema, "year/month/day", name="p", every="1 day"))
