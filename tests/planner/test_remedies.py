"""Each remedy is followed, word by word, and the reason that it was given for is gone."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from test_planner_properties import ALL_LEVELS, NOW, SCHEMA, ZONE, catalogs, projections, queries

from wolap.model.interval import EVERYTHING, Interval, Moment, read_moment
from wolap.model.projection import Catalog, Projection, Statistics, declare_projection
from wolap.model.query import Filter, Query, settle
from wolap.model.zone import Zone
from wolap.planner.eligibility import reasons
from wolap.planner.needs import needs_of
from wolap.planner.plan import Reason

Case = tuple[Catalog, Projection, Query]


def told(case: Case) -> tuple[Reason, ...]:
    catalog, projection, query = case
    settled = settle(query, catalog.schema)
    return reasons(projection, needs_of(settled, catalog, settled.metrics or ()))


def redeclared(projection: Projection, *more: str) -> Projection:
    """The same with more dimensions or metrics."""
    level = () if projection.level is None else (projection.level,)
    steps = dict.fromkeys((*level, *projection.dimensions, *(name for name in more if name in SCHEMA.names)))
    metrics = (*projection.metrics, *(name for name in more if name in SCHEMA.metrics))
    made = declare_projection(SCHEMA, tuple(steps), name=projection.name, metrics=metrics)
    zone = SCHEMA.zone if projection.level is None else projection.zone
    return replace(made, zone=zone, filters=projection.filters, statistics=projection.statistics)


def asking(query: Query, group: tuple[str, ...]) -> Query:
    return Query(
        group,
        filters=query.filters,
        start=query.start,
        end=query.end,
        metrics=query.metrics,
        fresh_since=query.fresh_since,
    )


def names(text: str) -> list[str]:
    return text.split(" and ")


def follow(remedy: str, case: Case) -> Case:
    catalog, projection, query = case
    if found := re.fullmatch(rf"(?:add (.+) to|store (.+) in) {projection.name}", remedy):
        return catalog, redeclared(projection, *names(found[1] or found[2])), query
    if found := re.fullmatch(r"widen the interval to (start|end) (\S+)", remedy):
        moment = Moment.at(read_moment(found[2]).instant(ZONE))
        bounds = (moment, query.end) if found[1] == "start" else (query.start, moment)
        return catalog, projection, query.between(*bounds)
    if found := re.fullmatch(r"leave out (start|end)", remedy):
        bounds = (None, query.end) if found[1] == "start" else (query.start, None)
        return catalog, projection, query.between(*bounds)
    if re.fullmatch(rf"build {projection.name}(?: over the whole time)?", remedy):
        return catalog, replace(projection, statistics=Statistics((0, 1), coverage=EVERYTHING)), query
    if found := re.fullmatch(r"a projection (\S+)", remedy):
        grain = () if found[1] == "totals" else tuple(found[1].split("/"))
        return catalog, replace(declare_projection(SCHEMA, grain, name="new"), statistics=Statistics((0, 1))), query
    if found := re.fullmatch(r"group by (.+) too(?:, or filter by one member)?", remedy):
        return catalog, projection, asking(query, (*query.group, *names(found[1])))
    if found := re.fullmatch(r"filter (\S+) by (any but )?(.+)", remedy):
        members = frozenset(None if name == "null" else name for name in found[3].split(" or "))
        return catalog, projection, query.restrict([Filter(found[1], members, bool(found[2]))])
    if found := re.fullmatch(rf"zone (\S+) for {projection.name}", remedy):
        return catalog, replace(projection, zone=Zone(found[1])), query
    if re.fullmatch(rf"refresh {projection.name}(?: and say when)?", remedy):
        assert projection.statistics is not None
        return catalog, replace(projection, statistics=replace(projection.statistics, refreshed=NOW)), query
    if remedy == "a cube that is not strict":
        return replace(catalog, strict=False), projection, query
    raise AssertionError(f"nobody could follow: {remedy}")


@given(catalogs(), queries(), projections())
def test_what_is_followed_takes_the_reason_away(catalog: Catalog, query: Query, projection: Projection) -> None:
    case = (catalog, projection, query)
    for reason in told(case):
        event(reason.code)
        if reason.code == "metric_not_mergeable" or not reason.remedy:
            assert reason.code in {"metric_not_mergeable", "needs_exact_grain"}
            continue
        now = case
        # What says to ask for more may then say what to store.
        for _ in range(3):
            again = [one for one in told(now) if (one.code, one.subject) == (reason.code, reason.subject)]
            if not again or not again[0].remedy:
                break
            now = follow(again[0].remedy, now)
        left = [one for one in told(now) if (one.code, one.subject) == (reason.code, reason.subject)]
        assert not left or not left[0].remedy, (reason.remedy, left)


SPAN = Interval(*(read_moment(text).instant(ZONE) for text in ("2024-01-01", "2024-07-01")))


@pytest.mark.parametrize(
    ("said", "query", "code", "remedy"),
    [
        ({"where": {"country": ["ch"]}}, Query("year"), "build_filter_not_implied", "filter country by ch"),
        (
            {"where": {"country": ["ch", None]}},
            Query("year/month"),
            "build_filter_not_implied",
            "filter country by ch or null",
        ),
        (
            {"where_not": {"country": ["ch", None]}},
            Query("year", where_not={"country": "ch"}),
            "build_filter_not_implied",
            "filter country by any but ch or null",
        ),
        ({"zone": "Asia/Kolkata"}, Query("year/month/day"), "zone_boundary", "zone Europe/Berlin for p"),
        ({}, Query("year", fresh_since=NOW), "stale", "refresh p"),
        ({"metrics": ["commits", "about"]}, Query("year", metrics="roughly"), "sketch_differs", "add roughly to p"),
    ],
)
def test_the_remedy_alone_is_enough(said: dict[str, Any], query: Query, code: str, remedy: str) -> None:
    made = declare_projection(SCHEMA, ("year", "month", "day"), name="p", **said)
    stored = replace(made, statistics=Statistics((0, 1), refreshed=NOW - timedelta(days=1)))
    asked = settle(query.asking(query.metrics or ("commits",)), SCHEMA)
    case = (Catalog(SCHEMA, (stored,), SPAN), stored, asked)
    [reason] = told(case)
    assert (reason.code, reason.remedy) == (code, remedy)
    assert told(follow(reason.remedy, case)) == ()


@given(catalogs(), queries())
def test_facts_can_be_allowed(catalog: Catalog, query: Query) -> None:
    case = (replace(catalog, strict=True), catalog.projections[-1], query)
    [reason] = told(case)
    assert reason.code == "disabled"
    assert told(follow(reason.remedy, case)) == ()


@given(st.data())
def test_only_what_no_projection_could_hold_has_no_remedy(data: st.DataObject) -> None:
    """Weeks, which no set of calendar parts names."""
    catalog, query, projection = data.draw(catalogs()), data.draw(queries()), data.draw(projections())
    for reason in told((catalog, projection, query)):
        if not reason.remedy:
            assert reason.code == "needs_exact_grain"
            assert needs_of(query, catalog, query.metrics or ()).level == "week"


@pytest.mark.parametrize(
    ("query", "remedy"),
    [
        (Query("year/month", metrics="authors"), "a projection year/month"),
        (Query("", metrics="authors"), "a projection totals"),
        (Query("year", metrics="authors", where={"repository": "a"}), "a projection year/repository"),
        (Query("year/city", metrics="authors", where={"country": ["ch", "de"]}), "a projection year/city"),
        (
            Query("year", metrics="authors", where={"repository": ["a", "b"]}),
            "group by repository too, or filter by one member",
        ),
        (Query("month/day", metrics="authors"), "group by year too"),
        (Query("hour", metrics="authors"), "group by year and month and day too"),
        (Query("week", metrics="authors"), ""),
    ],
)
def test_the_remedy_for_what_cannot_merge(query: Query, remedy: str) -> None:
    fine = declare_projection(SCHEMA, (*ALL_LEVELS, "city", "repository"), name="fine")
    case = (Catalog(SCHEMA, (fine,)), replace(fine, statistics=Statistics((0, 1))), query)
    [found] = [reason.remedy for reason in told(case) if reason.code == "needs_exact_grain"]
    assert found == remedy
