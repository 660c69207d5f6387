"""Choosing: default metrics, widening, guards, and every word that is said about it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from wolap.errors import NoAnswer, QueryError, TooExpensive
from wolap.model.aggregate import Partial, count, distinct, total
from wolap.model.interval import EVERYTHING, Interval, Moment, read_moment
from wolap.model.principal import EVERYONE, Caps, Principal
from wolap.model.projection import Catalog, Projection, Statistics, declare_facts, declare_projection
from wolap.model.query import Filter, Query
from wolap.model.schema import Dimension, Schema, Time
from wolap.model.tree import Tree
from wolap.planner.choose import default_metrics, is_answerable, plan_query

METRICS = {"commits": count(), "lines": total("lines"), "authors": distinct("author")}
DIMENSIONS = [Dimension("repository"), Dimension("folder"), Dimension("size", kind="integer")]
SCHEMA = Schema("repo", DIMENSIONS, METRICS, [Tree.parse("year\n  month")], Time("at", ("year", "month", "day")))
MONTHS = tuple(read_moment(f"2024-{month:02}").microseconds for month in range(1, 13))
SPAN = Interval(MONTHS[0], read_moment("2025").microseconds)
MEMBERS = {"repository": 50, "folder": 200, "size": 9}
AT = datetime(2025, 1, 2, 3, 4, tzinfo=UTC)


def instant(text: str) -> int:
    return read_moment(text).microseconds


def measured(rows: int, level: str | None = "day", refreshed: datetime | None = None) -> Statistics:
    starts = MONTHS if level else MONTHS[:1]
    parts = tuple(rows * index // len(starts) for index in range(len(starts) + 1))
    return Statistics(parts, starts, refreshed=refreshed)


def stored(grain: str, rows: int = 12, *metrics: str, name: str | None = None) -> Projection:
    declared = declare_projection(SCHEMA, grain, name=name, metrics=metrics or None)
    return replace(declared, statistics=measured(rows, declared.level, AT))


def catalog(*projections: Projection, facts: int = 1_000_000, strict: bool = False, caps: Caps | None = None):
    last = declare_facts(SCHEMA, measured(facts))
    return Catalog(SCHEMA, (*projections, last), SPAN, MEMBERS, strict, caps or Caps(), version=7)


NOT_BUILT = declare_projection(SCHEMA, "year/month", name="planned")

DEFAULT_METRICS = [
    ("the one that offers the most", ("year", 1, "commits"), ("year/month", 12), "year", False, "commits lines"),
    ("the first of equals", ("year/month", 12, "lines"), ("year", 1, "commits"), "year", False, "lines"),
    ("no more than is exact", ("year/month", 12), ("year", 1), "year", False, "commits lines authors"),
    ("in the order of the schema", ("year", 1, "lines", "commits"), None, "year", False, "commits lines"),
    ("a cheaper one changes nothing", ("year/month", 9999), ("year", 1, "lines"), "year", False, "commits lines"),
    ("facts where no stored one can", ("year", 1), None, "year/month", False, "commits lines authors"),
    ("nothing where facts are not asked", ("year", 1), None, "year/month", True, ""),
    ("nothing of facts where another can", ("year", 1, "lines"), None, "year", False, "lines"),
    ("facts without projections", None, None, "year/repository", False, "commits lines authors"),
]


@pytest.mark.parametrize(
    ("one", "other", "path", "strict", "expected"),
    [pytest.param(*row[1:], id=row[0]) for row in DEFAULT_METRICS],
)
def test_default_metrics(one, other, path, strict, expected):
    """W21, from declarations alone."""
    projections = [stored(*row) for row in (one, other) if row is not None]
    wanted = tuple(expected.split())
    of = catalog(*projections, strict=strict)
    assert default_metrics(Query(path), of) == wanted
    declared = [replace(projection, statistics=None) for projection in projections]
    assert default_metrics(Query(path), catalog(*declared, strict=strict)) == wanted
    if wanted:
        assert plan_query(Query(path), of).metrics == wanted


def test_default_metrics_depend_on_filters():
    of = catalog(stored("year", 1, "lines"), stored("year/repository", 50))
    assert default_metrics(Query("year"), of) == ("commits", "lines")
    assert default_metrics(Query("year", where={"repository": ["a", "b"]}), of) == ("commits", "lines")
    assert default_metrics(Query("year", where={"repository": "a"}), of) == ("commits", "lines", "authors")
    assert default_metrics(Query("year", where={"folder": "a"}), of) == tuple(METRICS)


def test_default_metrics_are_among_those_of_the_path():
    of = catalog(stored("year/month", 12, "commits", "lines"), stored("year", 1))
    assert default_metrics(Query("year"), of, ("commits", "lines")) == ("commits", "lines")
    assert default_metrics(Query("year"), of, ("authors",)) == ("authors",)
    assert default_metrics(Query("year/month"), catalog(strict=True), ("lines",)) == ()
    assert default_metrics(Query("year/month"), catalog(), ("lines",)) == ("lines",)
    assert plan_query(Query("year"), of, among=("authors",)).metrics == ("authors",)


def test_metrics_that_are_asked_for_are_given_in_their_order():
    plan = plan_query(Query("year", metrics=["lines", "authors", "lines"]), catalog(), among=("commits",))
    assert plan.metrics == ("lines", "authors")
    assert plan.pieces[0].partials == (Partial("sum", "lines"), Partial("distinct", "author"))


ANSWERABLE = [
    ("year", None, True, True),
    ("year/month", None, True, True),
    ("year/month/day", None, True, False),
    ("year/repository", None, True, False),
    ("year/repository", None, False, True),
    ("year", ("authors",), True, False),
    ("year/month", ("authors",), True, True),
    ("year", ("authors",), False, True),
    ("", None, True, True),
]


@pytest.mark.parametrize(("path", "among", "strict", "expected"), ANSWERABLE)
def test_whether_a_path_can_ever_be_answered(path, among, strict, expected):
    """W4: a matter of declarations, whatever is built."""
    steps = tuple(path.split("/")) if path else ()
    assert is_answerable(steps, catalog(NOT_BUILT, strict=strict), among) is expected
    assert is_answerable(steps, catalog(stored("year/month"), strict=strict), among) is expected
    assert is_answerable(steps, catalog(strict=strict), among) is not strict


def test_a_widened_plan_keeps_all_but_the_interval():
    of = catalog(stored("year/month/repository", 600), strict=True)
    query = Query("year", include="repository", where_not={"repository": "a"}, start="2024-02-10", limit=5)
    plan = plan_query(query, of, Principal(filters=(Filter("repository", frozenset("abc")),)))
    assert plan.widened
    assert plan.interval == Interval(instant("2024-02"), EVERYTHING.end)
    assert [piece.interval for piece in plan.pieces] == [plan.interval]
    assert plan.query.start == Moment.at(instant("2024-02"))
    assert plan.query.end is None
    assert (plan.query.path, plan.query.include, plan.query.limit) == (("year",), ("repository",), 5)
    assert plan.query.filters == (
        Filter("repository", frozenset("abc")),
        Filter("repository", frozenset("a"), exclude=True),
    )
    assert plan.metrics == ("commits", "lines")
    assert "(widened to what is stored)" in str(plan)


def test_a_widened_plan_is_the_plan_of_what_it_says():
    """The self link shows the interval that was used: it gives the same report (W19)."""
    of = catalog(stored("year/month", 12), strict=True)
    first = plan_query(Query("year", start="2024-02-10", end="2024-03-10"), of)
    assert replace(plan_query(first.query, of), widened=True) == first


def test_the_smallest_of_several_intervals_is_used():
    of = catalog(stored("year", 1), stored("year/month", 12), stored("year/month/repository", 600), strict=True)
    plan = plan_query(Query("year", metrics="lines", start="2024-02-10", end="2024-03-01"), of)
    assert plan.interval == Interval(instant("2024-02"), instant("2024-03"))
    assert plan.pieces[0].projection == "year/month"


def test_an_exact_plan_says_what_it_does():
    query = Query("year", metrics=["lines", "authors"], where={"repository": "a"}, start="2024-02", end="2024-04")
    plan = plan_query(query, catalog(stored("year/month/repository", 600)))
    assert not plan.widened
    assert plan.pieces[0].projection == "facts"
    assert plan.interval == Interval(instant("2024-02"), instant("2024-04"))
    assert (plan.version, plan.zone, plan.candidates) == (7, SCHEMA.zone, ())
    assert plan.refreshed is None
    assert plan_query(Query("year", metrics="lines"), catalog(stored("year"))).refreshed == AT


IMPLIED = [
    ("repository", "b", frozenset({"b"}), {"b"}),
    ("repository", ["a", "b"], frozenset({"b", "c"}), {"b"}),
    ("repository", "N/A", frozenset({None}), {None}),
    ("repository", "(empty)", frozenset({""}), {""}),
    ("size", "07", frozenset({7}), {7}),
    ("size", 7, frozenset({"7"}), {7}),
    ("size", [7, 8], frozenset({"7", "9"}), {7}),
]


@pytest.mark.parametrize(("dimension", "asked", "implied", "left"), IMPLIED)
def test_implied_filters_meet_what_is_asked_member_by_member(dimension, asked, implied, left):
    """Rule 2 and W12: two spellings are one member, also where one is the asker's and one is implied."""
    principal = Principal(filters=(Filter(dimension, implied),))
    plan = plan_query(Query("year", where={dimension: asked}, metrics="lines"), catalog(), principal)
    assert plan.query.filters == (Filter(dimension, frozenset(left)),)


@pytest.mark.parametrize("query", [Query("jahr"), Query("year", metrics="loc"), Query("year", where={"x": "y"})])
def test_a_query_that_does_not_fit(query):
    with pytest.raises(QueryError, match="there is no"):
        plan_query(query, catalog())


A_LINE = Query("repository/folder", metrics="lines")
A_SIZE = Query("repository/folder", metrics="lines", where={"size": 1})
INCLUDED = Query("repository", include="folder", metrics="lines")
HALF = Query("year", metrics="lines", start="2024-03", end="2024-09")

# What is asked of a million facts, under which caps; what the text must name.
TOO_EXPENSIVE = {
    "groups": (A_LINE, Caps(groups=1000), "10,000", "1,000"),
    "groups, filtered": (A_SIZE, Caps(groups=1000), "10,000", "1,000"),
    "groups, but the totals": (Query("repository", metrics="lines"), Caps(groups=7), "50", "7"),
    "groups, included": (INCLUDED, Caps(groups=99), "10,000", "99"),
    "facts": (Query("year", metrics="lines"), Caps(facts=300_000), "1,000,000", "300,000"),
    "facts, an interval": (HALF, Caps(facts=200_000), "500,000", "200,000"),
    "memory": (Query("year", metrics="authors"), Caps(memory=10_000_000), r"24,38\d,\d+", "10,000,000"),
}


@pytest.mark.parametrize("case", TOO_EXPENSIVE)
def test_a_refusal_names_the_number_the_cap_and_a_query_that_passes(case):
    """Rule 17."""
    query, caps, *named = TOO_EXPENSIVE[case]
    of = catalog(caps=caps)
    text = refusal(query, of)
    assert [part for part in named if not re.search(rf"\b{part}\b", text)] == []
    nearer = said_to_pass(text, query)
    assert nearer is not None, text
    assert plan_query(nearer, of).pieces


# The prefix of the path has few enough groups, and cannot be answered all the same.
NOT_TO_BE_NAMED = {
    "a distinct count": (
        Query("repository/folder", metrics="authors"),
        catalog(stored("folder/repository", 20_000), strict=True, caps=Caps(groups=99)),
    ),
    "too many facts": (A_LINE, catalog(caps=Caps(groups=1000, facts=1000))),
}


@pytest.mark.parametrize("case", NOT_TO_BE_NAMED)
def test_no_query_is_said_to_pass_that_does_not(case):
    query, of = NOT_TO_BE_NAMED[case]
    nearer = said_to_pass(refusal(query, of), query)
    assert nearer is None or plan_query(nearer, of).pieces


def refusal(query: Query, of: Catalog) -> str:
    with pytest.raises(TooExpensive) as caught:
        plan_query(query, of)
    return str(caught.value)


def said_to_pass(text: str, query: Query) -> Query | None:
    """The query of `year/month would pass`, `the totals would pass` or `start=2024-02 would pass`."""
    passing = re.search(r"([^;]+) would pass", text)
    if passing is None or passing[1].startswith(" no "):
        return None
    name, _, start = passing[1].strip().partition("=")
    path = query.group if start else "" if name == "the totals" else name
    return Query(path, filters=query.filters, metrics=query.metrics, start=start or query.start, end=query.end)


def test_nothing_passes_a_cap_of_no_groups():
    for path in ("year", ""):
        assert "0 are allowed" in refusal(Query(path, metrics="lines"), catalog(caps=Caps(groups=0)))


def test_the_stricter_cap_of_cube_and_caller_holds():
    query = Query("year", metrics="lines")
    loose, tight = Caps(facts=2_000_000), Caps(facts=10)
    assert plan_query(query, catalog(caps=loose), Principal(caps=loose)).pieces
    for of, principal in ((catalog(caps=loose), Principal(caps=tight)), (catalog(caps=tight), EVERYONE)):
        with pytest.raises(TooExpensive, match=r"the cap is 10\b"):
            plan_query(query, of, principal)


def test_a_refusal_tells_of_each_candidate_that_was_right():
    """The facts by their number, a projection by its memory."""
    of = catalog(stored("year/repository/folder", 10_000), caps=Caps(facts=10, memory=8_500_000))
    text = refusal(Query("year/repository/folder", metrics="lines"), of)
    assert "facts: 1,000,000 facts to scan, the cap is 10" in text
    assert re.search(r"year/repository/folder: [\d,]+ bytes of memory, the cap is 8,500,000", text)


NO_ANSWER = [
    Query("year/month/day", metrics="lines"),
    Query("year", metrics=["authors", "lines"], where={"folder": "x"}),
    Query("year/month/day"),
    Query("year/folder"),
]


@pytest.mark.parametrize("query", NO_ANSWER)
def test_a_question_without_answer_names_every_candidate_with_its_reasons(query):
    """Rules 18 and 19, also where no metric was asked for."""
    of = catalog(stored("year/month", 12, "commits", "lines"), NOT_BUILT, stored("repository", 50), strict=True)
    check_names(query, of)


def test_nothing_but_a_metric_that_cannot_merge():
    """Without `metrics` there is none that the projection could give; that is its reason."""
    check_names(Query("year"), catalog(stored("year/month", 12, "authors"), strict=True))


def check_names(query: Query, of: Catalog) -> None:
    with pytest.raises(NoAnswer) as caught:
        plan_query(query, of)
    said = str(caught.value)
    assert said.startswith(f"nothing that is stored can answer {'/'.join(query.group)}")
    at = [said.index(f" {projection.name}: ") + len(projection.name) + 3 for projection in of.projections]
    assert at == sorted(at)
    for begin, end in pairwise((*at, len(said) + 1)):
        assert re.match(r"\w", said[begin:end]), f"no reason in: {said}"


def test_a_plan_is_its_own_explanation():
    """Every reason and every remedy in words, however they are laid out."""
    daily = stored("year/month/day/repository", 24_000, name="daily")
    of = catalog(stored("year/month", 240), daily, declare_projection(SCHEMA, "folder"))
    query = Query("year/month", where={"repository": "a"}, metrics="lines", start="2024-02-10", end="2024-04")
    plan = plan_query(query, of, explain=True)
    text = str(plan)
    head = "year/month · lines · repository in (a) · from 2024-02-10T00:00:00 until 2024-04-01T00:00:00"
    assert text.splitlines()[0] == head
    marks = re.findall(r"(?m)^([✓·✗]) (\S+)\s+(not built|[\d,]+ rows)", text)
    assert marks == [
        ("✓", "daily", "24,000 rows"),
        ("·", "facts", "1,000,000 rows"),
        ("✗", "year/month", "240 rows"),
        ("✗", "folder", "not built"),
    ]
    said = " ".join(text.split())
    against = [reason for candidate in plan.candidates for reason in candidate.reasons]
    assert [reason for reason in against if reason.text not in said or reason.remedy not in said] == []
    assert "→ widen the interval to start 2024-02-01T00:00:00" in said
    assert "right, but daily is cheaper" in said


HEADS = [
    (Query(metrics="lines"), "totals · lines · all time"),
    (Query("year", metrics="lines", start="2024-02"), "year · lines · from 2024-02-01T00:00:00"),
    (Query("year", include="folder", metrics="lines", end="2025"), "year/folder · lines · until 2025-01-01T00:00:00"),
    (
        Query("year", metrics="lines", where_not={"repository": [None, "a"]}),
        "year · lines · repository not in (a, null) · all time",
    ),
]


@pytest.mark.parametrize(("query", "text"), HEADS)
def test_a_plan_without_candidates_is_one_line(query, text):
    assert str(plan_query(query, catalog())) == text
