"""Laws of the lattice: what must hold for any projections and any question, and that what is eligible is right.

The last is the one sentence of `planner.md` taken at its word: facts are pre-aggregated by hand, a question is answered
from the stored rows of each projection that no rule objects to, and every answer is that of the facts.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path

from hypothesis import event, given
from hypothesis import strategies as st

from wolap.errors import NoAnswer
from wolap.model.aggregate import approximate_distinct, count, distinct, maximum, mean, ratio, total
from wolap.model.interval import EVERYTHING, Interval, Moment, read_moment
from wolap.model.level import LEVELS, nests
from wolap.model.projection import Catalog, Projection, Shares, Statistics, declare_facts, declare_projection
from wolap.model.query import Filter, Query, interval_of, settle
from wolap.model.schema import Dimension, Schema, Time
from wolap.model.tree import Tree
from wolap.model.zone import DAY, HOUR, MINUTE, to_datetime
from wolap.planner.choose import plan_query
from wolap.planner.eligibility import reasons
from wolap.planner.needs import needs_of
from wolap.planner.shelves import stock_of

ALL_LEVELS = ("year", "quarter", "month", "week", "day", "hour")
MERGEABLE = ("commits", "lines", "largest", "average", "share")
METRICS = {
    "commits": count(),
    "lines": total("lines"),
    "largest": maximum("lines"),
    "average": mean("lines"),
    "share": ratio("lines", "commits"),
    "authors": distinct("author"),
    "customers": distinct("customer", determines=["city"]),
    "lines_per_author": ratio("lines", "authors"),
    "about": approximate_distinct("author"),
    "roughly": approximate_distinct("author", precision=8),
}
PARENTS = {"city": "country"}
PLAIN = ("country", "city", "repository")
DIMENSIONS = [Dimension(name, parent=PARENTS.get(name)) for name in PLAIN]
SCHEMA = Schema("repo", DIMENSIONS, METRICS, [Tree.parse("year")], Time("at", ALL_LEVELS, "Europe/Berlin"))
ZONE = SCHEMA.zone
COUNTRIES = {"Bern": "ch", "Basel": "ch", "Bonn": "de", None: None}
CUSTOMERS = {"c1": "Bern", "c2": "Basel", "c3": "Bonn", "c4": "Bonn", "c5": None}

# New Year, the two changes of the clock and the end of a week, each with hours around it.
CENTERS = [read_moment(text).microseconds for text in ("2024-01-01", "2024-03-31", "2024-10-27", "2024-12-30")]
INSTANTS = st.one_of(
    st.builds(lambda center, hour: center + hour * HOUR, st.sampled_from(CENTERS), st.integers(-30, 30)),
    st.builds(
        lambda center, day: ZONE.floor("day", center + day * DAY), st.sampled_from(CENTERS), st.integers(-40, 40)
    ),
    st.builds(lambda center, bit: center + bit * 10 * MINUTE, st.sampled_from(CENTERS), st.integers(-30, 30)),
)
INTERVALS = st.builds(lambda one, other: Interval(min(one, other), max(one, other) + HOUR), INSTANTS, INSTANTS)
GRAINS = st.lists(st.sampled_from((*ALL_LEVELS, *PLAIN)), unique=True, max_size=5)
MEMBERS = {"country": ["ch", "de", None], "city": list(COUNTRIES), "repository": ["a", "b", None]}
FILTERS = st.sampled_from(PLAIN).flatmap(
    lambda name: st.builds(
        Filter, st.just(name), st.frozensets(st.sampled_from(MEMBERS[name]), min_size=1, max_size=2), st.booleans()
    )
)


NOW = datetime(2025, 2, 1, tzinfo=UTC)
# When something was refreshed, and since when it is to be.
AGES = st.sampled_from([NOW - timedelta(days=2), NOW - timedelta(days=1), NOW])


def statistics(starts: list[int], rows: list[int], coverage: Interval, refreshed: datetime | None = None) -> Statistics:
    sizes = [rows[place % len(rows)] for place in range(len(starts))]
    return Statistics((0, *accumulate(sizes)), tuple(sorted(starts)), coverage=coverage, refreshed=refreshed)


STATISTICS = st.builds(
    statistics,
    st.one_of(st.just([EVERYTHING.start]), st.lists(INSTANTS, min_size=1, max_size=4, unique=True)),
    st.lists(st.integers(1, 10**6), min_size=1, max_size=3),
    st.one_of(st.just(EVERYTHING), INTERVALS),
    st.none() | AGES,
)


def metric_lists(names: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), min_size=1, unique=True)


ZONES = st.sampled_from([None, None, "UTC", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"])


@st.composite
def declared(draw: st.DrawFn, grain: list[str], name: str, metrics: list[str] | None = None) -> Projection:
    """A projection of this grain, some with a clock of their own or of some facts only."""
    said: dict[str, dict[str, list[str | None]]] = {"where": {}, "where_not": {}}
    for each in draw(st.lists(FILTERS, max_size=1) | st.just([])):
        said["where_not" if each.exclude else "where"][each.dimension] = list(each.values)
    zone = draw(ZONES) if set(grain) & set(ALL_LEVELS) else None
    return declare_projection(SCHEMA, grain, name=name, metrics=metrics, zone=zone, **said)


@st.composite
def projections(draw: st.DrawFn, name: str = "p") -> Projection:
    stored = draw(declared(draw(GRAINS), name, draw(metric_lists(tuple(METRICS)))))
    return replace(stored, statistics=draw(st.one_of(st.none(), STATISTICS, STATISTICS)))


@st.composite
def queries(draw: st.DrawFn, names: tuple[str, ...] = tuple(METRICS)) -> Query:
    start, end = draw(st.booleans()), draw(st.booleans())
    interval = draw(INTERVALS)
    asked = Query(
        draw(GRAINS),
        filters=draw(st.lists(FILTERS, max_size=2)),
        start=Moment.at(interval.start) if start else None,
        end=Moment.at(interval.end) if end else None,
        metrics=draw(metric_lists(names)),
        fresh_since=draw(st.sampled_from([None, None, None, NOW - timedelta(days=1), NOW])),
    )
    return settle(asked, SCHEMA)


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    found = [draw(projections(f"p{index}")) for index in range(draw(st.integers(0, 4)))]
    facts = declare_facts(SCHEMA, Statistics((0, draw(st.integers(1, 10**6)))))
    return Catalog(SCHEMA, (*found, facts), draw(INTERVALS), {"repository": 3}, draw(st.booleans()))


def objections(projection: Projection, query: Query, catalog: Catalog) -> tuple[str, ...]:
    needs = needs_of(query, catalog, query.metrics or ())
    return tuple(reason.code for reason in reasons(projection, needs))


def changed(query: Query, path: list[str]) -> Query:
    return Query(
        path,
        filters=query.filters,
        start=query.start,
        end=query.end,
        metrics=query.metrics,
        fresh_since=query.fresh_since,
    )


@given(catalogs(), st.lists(queries(), min_size=1, max_size=4))
def test_what_is_looked_at_is_what_no_rule_objects_to(catalog, asked):
    for query in asked:
        needs = needs_of(query, catalog, query.metrics)
        timely = [shelf for shelf in stock_of(needs, catalog).servers if shelf.is_timely(needs)]
        against = {one.name for one in catalog.projections if reasons(one, needs)}
        assert sorted(one.name for shelf in timely for one in shelf.projections) == sorted(
            {one.name for one in catalog.projections} - against
        )


@given(catalogs(), st.lists(queries(), min_size=2, max_size=6))
def test_what_a_catalog_remembers_changes_no_plan(catalog, asked):
    """Reports with other members and bounds share what is worked out: the answers of a catalog that nobody asked yet
    are the same."""
    for query in (*asked, *asked):
        assert planned(query, catalog, explain=True) == planned(query, replace(catalog), explain=True)


@given(catalogs(), queries())
def test_rows_are_those_of_the_statistics(catalog, query):
    needs = needs_of(query, catalog, query.metrics)
    stock = stock_of(needs, catalog)
    for shelf in (*stock.servers, *stock.measures):
        counted = [one.statistics.rows_in(needs.asked) for one in shelf.projections if one.statistics]
        assert shelf.rows_in(needs.asked) == counted


@given(catalogs(), queries())
def test_facts_are_always_eligible(catalog, query):
    expected = ("disabled",) if catalog.strict else ()
    assert objections(catalog.projections[-1], query, catalog) == expected


@st.composite
def questions(draw: st.DrawFn) -> tuple[Catalog, Query, Projection]:
    """A catalog with a projection, and a report of mergeable metrics that lies near it."""
    catalog = draw(catalogs())
    near = replace(draw(declared(draw(GRAINS), "near")), statistics=draw(STATISTICS))
    query = draw(queries(MERGEABLE))
    if draw(st.booleans()):
        levels = [level for level in ALL_LEVELS if near.level is not None and nests(near.level, level)]
        within = [*levels, *sorted(near.closure)]
        group = draw(st.lists(st.sampled_from(within), unique=True, max_size=4)) if within else []
        cut = draw(st.booleans())
        start, end = (query.start, query.end) if cut else (None, None)
        query = Query(group, start=start, end=end, metrics=query.metrics, filters=near.filters)
    return replace(catalog, projections=(near, *catalog.projections)), query, near


@given(questions(), st.data())
def test_what_answers_a_report_answers_each_coarser_one(question, data):
    catalog, query, _ = question
    fewer = data.draw(st.lists(st.sampled_from(query.group), unique=True) if query.group else st.just([]))
    coarser = [
        data.draw(st.sampled_from([level for level in ALL_LEVELS if nests(name, level)]))
        if name in LEVELS
        else data.draw(st.sampled_from([name, *SCHEMA.ancestors(name)]))
        for name in fewer
    ]
    asked = changed(query, list(dict.fromkeys(coarser)))
    right = [one for one in catalog.projections if not objections(one, query, catalog)]
    event(f"{sum(not one.is_facts for one in right)} projections are right")
    for projection in right:
        assert objections(projection, asked, catalog) == ()


@given(questions(), st.sampled_from((*ALL_LEVELS, *PLAIN)))
def test_a_finer_projection_answers_whatever_merges(question, more):
    """One more dimension takes objections away and adds none, if we leave out what is said of levels that differ."""
    catalog, query, projection = question
    level = () if projection.level is None else (projection.level,)
    finer = declare_projection(
        SCHEMA, dict.fromkeys((*level, *projection.dimensions, more)), metrics=projection.metrics
    )
    finer = replace(
        finer,
        name=projection.name,
        zone=projection.zone,
        filters=projection.filters,
        statistics=projection.statistics,
    )
    before, after = objections(projection, query, catalog), objections(finer, query, catalog)
    event("eligible" if not before else "not eligible")
    assert before or not after
    levels = {"level_too_coarse", "level_not_nested"}
    # Where levels nest at last, it is asked for the first time whether boundaries are the same.
    excused = levels | ({"zone_boundary"} if levels & set(before) else set())
    assert set(after) - excused <= set(before)


@given(catalogs(), queries(), projections("another"))
def test_another_candidate_never_makes_the_plan_dearer(catalog, query, another):
    more = replace(catalog, projections=(another, *catalog.projections))
    if (before := planned(query, catalog)) is None:
        return
    after = planned(query, more)
    event("the other one is chosen" if after.pieces[0].projection == "another" else "it is not")
    assert before.widened or after.cost.nanoseconds <= before.cost.nanoseconds


@given(catalogs(), queries())
def test_explaining_changes_nothing(catalog, query):
    plan = planned(query, catalog)
    explained = planned(query, catalog, explain=True)
    assert explained is None if plan is None else replace(explained, candidates=()) == plan


@given(catalogs(), queries())
def test_the_chosen_is_the_cheapest_and_everybody_is_listed(catalog, query):
    if (plan := planned(query, catalog, explain=True)) is None:
        return
    assert sorted(one.projection for one in plan.candidates) == sorted(one.name for one in catalog.projections)
    assert [one.projection for one in plan.candidates if one.chosen] == [plan.pieces[0].projection]
    for one in plan.candidates:
        assert bool(one.reasons) != one.chosen
        assert one.cost is None or one.cost.nanoseconds >= plan.cost.nanoseconds
        assert (one.cost is None) == (not {reason.code for reason in one.reasons} <= {"cheaper_exists"})


@given(catalogs(), queries())
def test_same_inputs_same_plan(catalog, query):
    copy = replace(catalog, members=dict(catalog.members), projections=tuple(map(replace, catalog.projections)))
    assert planned(query, copy, explain=True) == planned(query, catalog, explain=True)


def planned(query: Query, catalog: Catalog, explain: bool = False):
    try:
        return plan_query(query, catalog, explain=explain)
    except NoAnswer:
        return None


def seeded() -> str:
    """Plans that pass through many sets."""
    grains = ("year/repository", "year/month/country/repository", "year/month/day/hour/city/repository")
    stored = [replace(declare_projection(SCHEMA, grain), statistics=Statistics((0, 99))) for grain in grains]
    members = {"country": 7, "city": 1_000_003, "repository": 999_983}
    shares = {
        "repository": Shares({None: 0.1, "a": 0.2, "b": 1 / 3, "c": 1e-17}, 1e-7, 1e-6),
        "country": Shares({"de": 0.7, "ch": 0.1}),
    }
    facts = declare_facts(SCHEMA, Statistics((0, 10**9)))
    catalog = Catalog(SCHEMA, (*stored, facts), EVERYTHING, members, shares=shares)
    left_out = {"repository": [None, "a", "b", "c"], "country": ["de", "ch"]}
    query = Query("year/month/week/day/country/city/repository", where_not=left_out, start="2024-01-20T00:10")
    return str(plan_query(query, catalog, explain=True))


def test_a_plan_does_not_depend_on_the_seed_of_hashes():
    code = "from test_planner_properties import seeded; print(seeded())"
    here = Path(__file__).parent
    paths = os.pathsep.join((str(here.parents[1]), str(here)))
    texts = set()
    for seed in ("1", "2", "3"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": paths}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True, text=True)
        texts.add(done.stdout)
    assert len(texts) == 1


FACTS = st.lists(
    st.tuples(INSTANTS, st.sampled_from(list(CUSTOMERS)), st.sampled_from(["a", "b", None]), st.sampled_from("xyz")),
    min_size=1,
    max_size=8,
)


def parts(at: int | None) -> dict[str, int]:
    if at is None:
        return {}
    local = to_datetime(ZONE.local(at))
    named = {name: getattr(local, name) for name in ("year", "month", "day", "hour")}
    return {**named, "quarter": (local.month + 2) // 3, "week": local.isocalendar().week}


def members_of(customer: str, repository: str | None) -> dict[str, str | None]:
    city = CUSTOMERS[customer]
    return {"country": COUNTRIES[city], "city": city, "repository": repository}


def is_kept(query: Query, members: dict) -> bool:
    return all((members[each.dimension] in each.values) != each.exclude for each in query.filters)


def truth(facts, query: Query) -> dict[tuple, tuple[int, ...]]:
    """Commits, authors and customers of each group of the facts that the interval and the filters keep."""
    asked = interval_of(query)
    groups: dict[tuple, list] = {}
    for at, customer, repository, author in facts:
        members = members_of(customer, repository)
        if asked.start <= at < asked.end and is_kept(query, members):
            known = {**members, **parts(at)}
            groups.setdefault(tuple(known[name] for name in query.group), []).append((author, customer))
    return {key: counted(found) for key, found in groups.items()}


def counted(found: list[tuple[str, str]]) -> tuple[int, ...]:
    return (len(found), *(len(set(values)) for values in zip(*found, strict=True)))


def from_stored(projection: Projection, facts, query: Query) -> dict[tuple, tuple[int, ...]]:
    """The same from finished rows, one for each bucket and combination of members, that are added up. A bucket is known
    by the first instant with a fact in it; of members only those that a row has can be held against a filter."""
    rows: dict[tuple, list] = {}
    seen: dict[int | None, int] = {}
    for at, customer, repository, author in facts:
        members = members_of(customer, repository)
        bucket = None if projection.level is None else projection.zone.floor(projection.level, at)
        seen[bucket] = min(at, seen.get(bucket, at))
        if all((members[each.dimension] in each.values) != each.exclude for each in projection.filters):
            row = (bucket, tuple((name, members[name]) for name in sorted(projection.closure)))
            rows.setdefault(row, []).append((author, customer))
    asked = interval_of(query)
    told = [each for each in query.filters if each.dimension in projection.closure]
    groups: dict[tuple, tuple[int, ...]] = {}
    for (bucket, named), found in rows.items():
        first = None if bucket is None else seen[bucket]
        inside = first is None or asked.start <= first < asked.end
        if inside and all((dict(named)[each.dimension] in each.values) != each.exclude for each in told):
            known = {**dict(named), **parts(first)}
            key = tuple(known[name] for name in query.group)
            groups[key] = tuple(map(sum, zip(counted(found), groups.get(key, (0, 0, 0)), strict=True)))
    return groups


@given(FACTS, queries(("commits", "authors", "customers")), st.lists(GRAINS, min_size=1, max_size=3), st.data())
def test_what_is_eligible_is_right(facts, query, grains, data):
    if data.draw(st.booleans()):
        grains = [[*query.group, *grain] for grain in grains]
    first, last = min(at for at, *_ in facts), max(at for at, *_ in facts)
    stored = [data.draw(declared(list(dict.fromkeys(grain)), f"p{i}")) for i, grain in enumerate(grains)]
    if data.draw(st.booleans()):
        query = query.restrict(stored[0].filters)
    built = [replace(one, statistics=Statistics((0, len(facts)))) for one in stored]
    catalog = Catalog(SCHEMA, (*built, declare_facts(SCHEMA, Statistics((0, len(facts))))), Interval(first, last + 1))
    expected = truth(facts, query)
    index = [("commits", "authors", "customers").index(name) for name in query.metrics]
    for projection in built:
        against = objections(projection, query, catalog)
        event(", ".join(against) or f"eligible for {', '.join(query.metrics)}")
        if not against:
            found = from_stored(projection, facts, query)
            assert found.keys() == expected.keys()
            assert {key: [found[key][at] for at in index] for key in found} == {
                key: [expected[key][at] for at in index] for key in expected
            }
