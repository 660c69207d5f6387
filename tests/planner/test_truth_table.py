"""Distinct counts never lie (rule 12): who serves what, by the plan and by the number.

For each situation a projection and a query; for each way to count whether the projection serves it, or the reason why
not. Whatever is served is run and compared with polars, and so are the facts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from oracle import oracle

from wolap import (
    Cube,
    Dimension,
    Filter,
    Query,
    Schema,
    Time,
    Tree,
    approximate_distinct,
    count,
    declare_projection,
    distinct,
    median,
)
from wolap.model.interval import Interval, read_moment
from wolap.planner.needs import needs_of
from wolap.planner.shelves import stock_of
from wolap.planner.source import source_of

# A client has one country; users and clients are the same people, of whom some are unknown.
METRICS = {
    "number": distinct("user"),
    "set": distinct("user", keep="set"),
    "sketch": approximate_distinct("user"),
    "middle": median("spent"),
    "determines": distinct("client", determines=["country"]),
    "rows": count(),
}
COUNTRIES = ["se", "no", None, "dk"]
HOUR = datetime(2024, 10, 26, 20, tzinfo=UTC)
FACTS = pa.table(
    {
        # Every half hour through the night in which Berlin shows 02:00 twice, then every three days.
        "at": pa.array(
            [
                HOUR + timedelta(minutes=30 * row) if row < 40 else HOUR + timedelta(days=3 * row - 119)
                for row in range(90)
            ],
            pa.timestamp("us", "UTC"),
        ),
        "repository": ["abc"[row * row % 3] if row % 7 else None for row in range(90)],
        "country": [COUNTRIES[row % 5 % 4] for row in range(90)],
        "user": [None if row % 5 == 4 else f"user {row % 5} of {row * 3 % 7 % 3}" for row in range(90)],
        "client": [None if row % 5 == 4 else f"user {row % 5} of {row * 3 % 7 % 3}" for row in range(90)],
        "spent": [None if row % 4 == 3 else row * 13 % 40 for row in range(90)],
    }
)
SCHEMA = Schema(
    "people",
    dimensions=[Dimension("country"), Dimension("repository")],
    metrics=METRICS,
    time=Time("at", ("year", "month", "day", "hour"), "Europe/Berlin"),
    trees=[Tree.parse("year")],
)
MONTHLY, HOURLY = "year/month/country/repository", "year/month/day/hour/country"
GRAIN, LOST = "needs_exact_grain", "metric_not_mergeable"


@dataclass(frozen=True)
class Situation:
    projection: str
    group: str
    number: str = ""
    determines: str = ""
    where: dict[str, list[Any]] | None = None
    exclude: bool = False
    start: str | None = None
    end: str | None = None

    @property
    def query(self) -> Query:
        filters = [Filter(name, frozenset(values), self.exclude) for name, values in (self.where or {}).items()]
        start, end = (None if text is None else datetime.fromisoformat(text) for text in (self.start, self.end))
        return Query(self.group, filters=filters, start=start, end=end)


# What a number, and one whose values determine countries, is refused for. Sets and sketches are served in all of them.
TABLE = {
    "the same grain": Situation(MONTHLY, MONTHLY),
    "the same grain in another order": Situation(MONTHLY, "repository/year/month/country"),
    "a collapsed dimension": Situation(MONTHLY, "year/month/country", GRAIN, GRAIN),
    "a collapsed dimension that is determined": Situation(MONTHLY, "year/month/repository", GRAIN),
    "both collapsed": Situation(MONTHLY, "year/month", GRAIN, GRAIN),
    "coarser time": Situation(MONTHLY, "year/country/repository", GRAIN, GRAIN),
    "no time": Situation(MONTHLY, "country/repository", GRAIN, GRAIN),
    "months of all years": Situation(MONTHLY, "month/country/repository", GRAIN, GRAIN),
    "totals": Situation(MONTHLY, "", GRAIN, GRAIN),
    "a filter that pins": Situation(MONTHLY, "year/month/country", where={"repository": ["a"]}),
    "a filter that pins null": Situation(MONTHLY, "year/month/country", where={"repository": [None]}),
    "a filter that pins nobody": Situation(MONTHLY, "year/month/country", where={"repository": ["x"]}),
    "a filter of two": Situation(MONTHLY, "year/month/country", GRAIN, GRAIN, where={"repository": ["a", None]}),
    "a filter of all but one": Situation(
        MONTHLY, "year/month/country", GRAIN, GRAIN, where={"repository": ["a"]}, exclude=True
    ),
    "a filter of two that are grouped by": Situation(
        MONTHLY, "year/month/country/repository", where={"repository": ["a", "b"]}
    ),
    "a filter of two that are determined": Situation(
        MONTHLY, "year/month/repository", GRAIN, where={"country": ["se", None]}
    ),
    "whole months": Situation(MONTHLY, MONTHLY, start="2024-10-31T23:00Z", end="2024-12-31T23:00Z"),
    "the hour that is shown twice": Situation(HOURLY, HOURLY, LOST, LOST),
    "an hour that is not": Situation(HOURLY, HOURLY, start="2024-10-27T02:00Z", end="2024-10-28T00:00Z"),
    "hours, over what is determined": Situation(
        HOURLY, "year/month/day/hour", GRAIN, start="2024-10-27T02:00Z", end="2024-10-28T00:00Z"
    ),
    "the day of that hour": Situation(HOURLY, "year/month/day/country", f"{GRAIN} {LOST}", f"{GRAIN} {LOST}"),
}


def cube(*projections: str) -> Cube:
    made = Cube(SCHEMA, FACTS)
    made.materialize(*projections)
    return made


def assert_right(found: list[dict[str, Any]], query: Query, metric: str) -> None:
    frame = pl.from_arrow(FACTS)
    assert isinstance(frame, pl.DataFrame)
    expected = oracle(SCHEMA, frame, query, (metric,))
    if metric == "middle":
        expected = [
            {**one, metric: pytest.approx(one[metric], rel=0.01) if one[metric] else one[metric]} for one in expected
        ]
    assert found == expected


@pytest.mark.parametrize("metric", ["number", "set", "sketch", "middle", "determines"])
@pytest.mark.parametrize("situation", TABLE)
def test_who_serves_what(situation: str, metric: str) -> None:
    row = TABLE[situation]
    query = row.query.asking((metric,))
    made = cube(row.projection)
    plan = made.explain(query)
    candidates = {candidate.projection: candidate for candidate in plan.candidates}
    against = {reason.code for reason in candidates[row.projection].reasons} - {"cheaper_exists"}
    refused = {"number": row.number, "determines": row.determines}.get(metric, "")
    assert against == set(refused.split())
    for name in ("facts", row.projection):
        if not (refused and name == row.projection):
            one = replace(plan, pieces=(replace(plan.pieces[0], projection=name),))
            assert_right(made.snapshot.run(one).to_pylist(), query, metric)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("group", ["", "year/month", "country", "repository/month"])
def test_who_is_put_together_of_pieces(group: str, metric: str) -> None:
    """Of months in the middle and facts at the ends."""
    made = cube(MONTHLY)
    first, last = datetime(2024, 10, 27, 0, 45, tzinfo=UTC), datetime(2025, 1, 20, tzinfo=UTC)
    only = [Filter("repository", frozenset(["a", None]))]
    query = Query(group, filters=only, start=first, end=last, metrics=metric)
    plan = made.explain(query)
    catalog = made.snapshot.catalog
    needs = needs_of(plan.query, catalog, plan.metrics)
    serving = [one.name for shelf in stock_of(needs, catalog).servers if shelf.merges for one in shelf.projections]
    assert (MONTHLY in serving) == (metric not in {"number", "determines"})
    if MONTHLY not in serving:
        return
    november, january = (read_moment(text).instant(SCHEMA.zone) for text in ("2024-11", "2025-01"))
    cuts = [plan.interval.start, november, january, plan.interval.end]
    pieces = [
        replace(plan.pieces[0], projection=name, interval=Interval(*cut))
        for name, cut in zip(("facts", MONTHLY, "facts"), pairwise(cuts), strict=True)
    ]
    assert_right(made.snapshot.run(replace(plan, pieces=tuple(pieces))).to_pylist(), query, metric)


@pytest.mark.parametrize(
    ("metric", "feeds"), [("number", False), ("determines", False), ("set", True), ("sketch", True), ("middle", True)]
)
def test_what_feeds_a_coarser_projection(metric: str, feeds: bool) -> None:
    """A number feeds nothing, not even along what its values determine: those are looked up in the facts."""
    made = cube()
    fine = declare_projection(SCHEMA, MONTHLY, metrics=[metric], name="fine")
    coarse = declare_projection(SCHEMA, "year/country", metrics=[metric], name="coarse")
    made.materialize(fine)
    catalog = made.snapshot.catalog
    assert source_of(coarse, catalog.projections, catalog.span).name == ("fine" if feeds else "facts")
    made.materialize(coarse)
    query = Query("year/country", metrics=metric)
    plan = made.explain(query)
    one = replace(plan, pieces=(replace(plan.pieces[0], projection="coarse"),))
    assert_right(made.snapshot.run(one).to_pylist(), query, metric)
