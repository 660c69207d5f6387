"""Plans that a catalog remembers are those that it would make: for each caller, each interval, each page."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import pyarrow as pa
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from test_planner_properties import FILTERS, SCHEMA, catalogs, queries

from wolap import Cube, Dimension, Schema, Tree, count
from wolap.errors import NoAnswer, QueryError
from wolap.model.interval import Interval, Moment
from wolap.model.principal import EVERYONE, Caps, Principal
from wolap.model.projection import Catalog, Statistics, declare_facts
from wolap.model.query import Filter, Query
from wolap.model.zone import DAY
from wolap.planner import choose
from wolap.planner.choose import plan_query
from wolap.planner.plan import Plan

CALLERS = st.builds(
    Principal,
    filters=st.just(()) | st.lists(FILTERS, max_size=1).map(tuple),
    caps=st.builds(Caps, *(st.none() | st.sampled_from([1, 10, 10**4, 10**8]) for _ in range(3))),
    may_explain=st.booleans(),
)
AMONG = st.none() | st.sampled_from([("commits", "lines"), ("authors",), ()])


@st.composite
def further(draw: st.DrawFn, query: Query, span_end: int) -> Query:
    """A query that is like another: on another page, in another order, bounded elsewhere, or without its metrics."""
    start, end = query.start, query.end
    if draw(st.booleans()):
        end = Moment.at(span_end + draw(st.integers(-2, 2)) * DAY)
        start = None if start is None or start.microseconds >= end.microseconds else start
    metrics = draw(st.sampled_from([query.metrics, None]))
    return Query(
        query.path,
        filters=query.filters,
        start=start,
        end=end,
        metrics=metrics,
        limit=draw(st.sampled_from([None, 1, 1000])),
        offset=draw(st.sampled_from([0, 5])),
        order=draw(st.sampled_from([(), ("commits",), query.path[:1]])),
        fresh_since=query.fresh_since,
    )


def planned(query: Query, catalog: Catalog, principal: Principal, among: tuple[str, ...] | None) -> Plan | str:
    """The plan or its refusal. A new catalog has nothing that an old one remembers."""
    try:
        return plan_query(query, catalog, principal, among=among)
    except QueryError as error:
        return f"{type(error).__name__} {error}"


@given(catalogs(), st.data())
def test_what_is_remembered_is_what_would_be_planned(catalog, data):
    """Whoever has asked before, and for whatever."""
    asked = data.draw(st.lists(queries(), min_size=1, max_size=3))
    likes = [further(query, catalog.span.end) for query in asked]
    for _ in range(8):
        query = data.draw(st.one_of(*likes))
        caller, among = data.draw(CALLERS | st.just(EVERYONE)), data.draw(AMONG)
        known = len(catalog.plans)
        found = planned(query, catalog, caller, among)
        event("refused" if isinstance(found, str) else "looked up" if known == len(catalog.plans) else "made")
        assert found == planned(query, replace(catalog), caller, among)


def cube_of() -> Cube:
    schema = Schema("sales", (Dimension("city"), Dimension("weight")), {"facts": count()}, [Tree.parse("city")])
    return Cube(schema, pa.table({"city": ["Aix", "Bonn", "Cork"], "weight": [0.0, 0.5, 1.0]}))


def test_pages_and_times_behind_the_facts_share_a_plan(catalog_with_time):
    catalog, last = catalog_with_time
    for behind in (0, 1, 10**9):
        for limit in (None, 3):
            query = Query("year", metrics="commits", end=Moment.at(last + behind), limit=limit)
            plan = plan_query(query, catalog)
            assert plan.query == query
            assert plan.interval.end == plan.pieces[-1].interval.end == last + behind
    assert len(catalog.plans) == 1
    plan_query(Query("year", metrics="commits", end=Moment.at(last - DAY)), catalog)
    assert len(catalog.plans) == 2


@pytest.fixture
def catalog_with_time() -> tuple[Catalog, int]:
    facts = declare_facts(SCHEMA, Statistics((0, 10)))
    return Catalog(SCHEMA, (facts,), Interval(0, 400 * DAY)), 400 * DAY


def test_a_cap_is_looked_at_for_each_caller():
    snapshot = cube_of().snapshot
    for _ in range(2):
        assert snapshot.plan(Query("city")).groups == 3
        with pytest.raises(QueryError, match="3 records"):
            snapshot.plan(Query("city"), Principal(caps=Caps(groups=2)))


def test_each_version_plans_for_itself():
    cube, query = cube_of(), Query("city")
    first = cube.snapshot
    before = first.plan(query)
    cube.materialize("city")
    assert cube.snapshot.plan(query).version == cube.snapshot.catalog.version != before.version
    assert first.plan(query) == before


def test_what_is_refused_is_refused_again_with_its_reasons():
    snapshot = Cube(
        Schema("sales", (Dimension("city"),), {"facts": count()}, [Tree.parse("city")]),
        pa.table({"city": ["Aix"]}),
        strict=True,
    ).snapshot
    texts = []
    for may_explain in (True, False, True):
        with pytest.raises(NoAnswer) as refused:
            snapshot.plan(Query("city", metrics="facts"), Principal(may_explain=may_explain))
        texts.append(str(refused.value))
    assert texts[0] == texts[2] != texts[1]
    assert not snapshot.catalog.plans


def test_members_keep_the_text_that_they_were_asked_by():
    """Both zeros are equal, and a link says the one that was meant."""
    snapshot = cube_of().snapshot
    for text in ("0.0", "-0.0", "0.0"):
        plan = snapshot.plan(Query("city", filters=(Filter("weight", frozenset((float(text),))),)))
        assert str(plan.query.filters[0]) == f"weight in ({text})"
    assert len(snapshot.catalog.plans) == 1


def test_no_more_plans_are_kept_than_some_nor_any_with_very_many_members():
    snapshot = cube_of().snapshot
    with patch.object(choose, "_MOST_PLANS", 3):
        for city in "abcdefg":
            snapshot.plan(Query("city", where={"city": city}))
            assert len(snapshot.catalog.plans) <= 3
    assert [key[1][0].values for key in snapshot.catalog.plans] == [frozenset(city) for city in "efg"]
    snapshot.plan(Query("city", where={"city": [f"city {number}" for number in range(100)]}))
    assert len(snapshot.catalog.plans) == 3
