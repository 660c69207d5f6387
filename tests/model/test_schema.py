"""Declarations that cannot be: each fault is told with its place, all of them together."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from wolap import Dimension, Metric, Schema, SchemaError, Time, Tree, count, distinct, mean, ratio, total
from wolap.model.aggregate import Partial
from wolap.model.projection import declare_projection
from wolap.model.schema import RESERVED
from wolap.model.span import Span

GOOD = Schema(
    "sales",
    dimensions=[Dimension("city", parent="country"), Dimension("country", parent="planet"), Dimension("planet")],
    metrics={
        "plays": total("plays"),
        "again": total("plays"),
        "mean": mean("plays"),
        "rows": count(),
        "share": ratio("mean", "rows"),
        "users": distinct("user", determines=["country"]),
    },
    time=Time("at", ("year", "month", "day")),
    trees=[Tree.parse("year\n month\n  city"), Tree.from_paths(["planet"], name="own", audience="us")],
)


def metrics(**more: Metric) -> dict[str, Any]:
    """The change to a schema that adds metrics."""
    return {"metrics": {**GOOD.metrics, **more}}


def dimensions(*more: Dimension) -> dict[str, Any]:
    """The change to a schema that adds dimensions."""
    return {"dimensions": [*GOOD.dimensions, *more]}


def trees(*more: Tree) -> dict[str, Any]:
    """The change to a schema that adds trees."""
    return {"trees": [*GOOD.trees, *more]}


def time(**changed: Any) -> dict[str, Any]:
    """The change to a schema that changes its time."""
    assert GOOD.time is not None
    return {"time": replace(GOOD.time, **changed)}


# A change, and what is told of it.
FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"name": "a b"}, r"name: 'a b' is no name; letters, digits and . _ ~ -"),
    ({"name": "a/b"}, r"name: 'a/b' is no name; .*"),
    (trees(Tree.from_paths(["city"], name="bare", metrics=())), r"trees\.bare\.metrics: offers none; .*"),
    ({"base": "sales"}, r"base: 'sales' is no path; a path such as /sales/v1, without a slash at its end"),
    ({"base": "/sales/"}, r"base: '/sales/' is no path; .*"),
    ({"aliases": ["/ok", "/?"]}, r"aliases: '/\?' is no path; .*"),
    ({"default_limit": 0}, r"default_limit: 0 is below 1"),
    ({"maximum_limit": -1}, r"maximum_limit: -1 is below 1"),
    ({"metrics": {}}, r"metrics: there are none; at least one, such as count\(\)"),
    ({"trees": []}, r"trees: there are none; at least one, or no report has an address"),
    (time(zone="Mars"), r"time\.zone: 'Mars' is not a time zone; possible are IANA names .*"),
    (time(column_zone="+99:00"), r"time\.column_zone: '\+99:00' is not a time zone; .*"),
    (time(column=""), r"time\.column: no column is named"),
    (time(levels=("year", "month", "decade")), r"time\.levels: 'decade' is no level; levels are .*"),
    (time(levels=("year", "month", "month")), r"time\.levels: a level is named twice"),
    (time(default_spans={"week": Span(1, "day")}), r"time\.default_spans: 'week' is no level of this time; .*"),
    (dimensions(Dimension("1st")), r"dimensions\.1st: '1st' is no name; a name begins with a letter or _ .*"),
    (dimensions(Dimension("ä")), r"dimensions\.ä: 'ä' is no name; .*"),
    (dimensions(Dimension("x\n")), r"dimensions\.x\n: 'x\\n' is no name; .*"),
    (dimensions(Dimension("city")), r"dimensions\.city: is declared twice"),
    (dimensions(Dimension("plays")), r"dimensions\.plays: is also the name of a metric; .*"),
    (dimensions(Dimension("day")), r"dimensions\.day: has the name of a level of time; .*"),
    (dimensions(Dimension("hour")), r"dimensions\.hour: has the name of a level of time; .*"),
    (dimensions(Dimension("x", null="-", empty="-")), r"dimensions\.x: null and empty have one label, '-'; two labels"),
    (dimensions(Dimension("x", null="")), r"dimensions\.x: a label for null or for the empty string is empty; .*"),
    (
        dimensions(Dimension("x", parent="citty")),
        r"dimensions\.x\.parent: 'citty' is no dimension; dimensions are city.*",
    ),
    (dimensions(Dimension("x", parent="x")), r"dimensions\.x\.parent: the levels above it lead back to it; .*"),
    (metrics(x=Metric("mode", "plays")), r"metrics\.x: 'mode' is no function; functions are .*"),
    (metrics(x=Metric("sum")), r"metrics\.x: sum needs a column"),
    (metrics(x=Metric("ratio", "a", ("plays", "rows"))), r"metrics\.x: ratio takes no column; names of metrics"),
    (metrics(x=Metric("ratio", None, ("plays",))), r"metrics\.x: ratio has 1 operands; it takes 2"),
    (metrics(x=Metric("count", None, ("plays",))), r"metrics\.x: count has 1 operands; it takes 0"),
    (metrics(x=ratio("plays", "row")), r"metrics\.x: 'row' is no metric; metrics are rows, .*"),
    (metrics(x=ratio("x", "plays")), r"metrics\.x: its operands lead back to it; .*"),
    (metrics(month=count()), r"metrics\.month: has the name of a level of time; another name"),
    (metrics(**{"a b": count()}), r"metrics\.a b: 'a b' is no name; .*"),
    (metrics(x=replace(count(), determines=("city",))), r"metrics\.x\.determines: only a distinct count has it"),
    (metrics(x=distinct("u", determines=["cty"])), r"metrics\.x\.determines: 'cty' is no dimension; dimensions are .*"),
    (trees(Tree.from_paths(["city"])), r"trees\.main: is declared twice"),
    (trees(Tree((), "x")), r"trees\.x: has no path"),
    (trees(Tree.from_paths(["town"], name="x")), r"trees\.x: 'town' is no dimension; dimensions are .*"),
    (trees(Tree.from_paths(["city/city"], name="x")), r"trees\.x: 'city/city' names a dimension twice"),
    (
        trees(Tree.from_paths(["city"], name="x", metrics=["play"])),
        r"trees\.x\.metrics: 'play' is no metric; .*plays.*",
    ),
    *((metrics(**{name: count()}), rf"metrics\.{name}: '{name}' is reserved; not one of .*") for name in RESERVED),
    *((dimensions(Dimension(name)), rf"dimensions\.{name}: '{name}' is reserved; .*") for name in RESERVED),
]


@pytest.mark.parametrize(("changed", "told"), FAULTS, ids=lambda value: value if isinstance(value, str) else "")
def test_each_fault_is_told(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(SchemaError) as caught:
        replace(GOOD, **changed)
    assert len(caught.value.problems) == 1, caught.value
    assert re.fullmatch(told, str(caught.value))


def test_all_faults_are_told_together() -> None:
    with pytest.raises(SchemaError) as caught:
        Schema(
            "a b",
            dimensions=[Dimension("x", parent="y"), Dimension("y", parent="x")],
            metrics={"one": ratio("two", "three"), "two": ratio("one", "one")},
            time=Time("at", ("decade",), zone="Mars"),
            trees=[Tree.from_paths(["x", "z"])],
            default_limit=0,
        )
    assert [problem.place for problem in caught.value.problems] == [
        "name",
        "base",
        "default_limit",
        "time.zone",
        "time.levels",
        "dimensions.x.parent",
        "dimensions.y.parent",
        "metrics.one",
        "metrics.one",
        "metrics.two",
        "trees.main",
    ]


def test_levels_lead_up() -> None:
    assert GOOD.ancestors("city") == ("country", "planet")
    assert GOOD.ancestors("planet") == GOOD.ancestors("year") == ()
    assert GOOD.closure(["country", "year"]) == {"year", "country", "planet"}
    assert GOOD.determined_by(Partial("distinct", "user")) == {"country", "planet"}
    assert GOOD.determined_by(Partial("distinct", "plays")) == frozenset()


def test_partials_are_shared_by_function_and_column() -> None:
    plays, values = Partial("sum", "plays"), Partial("count", "plays")
    assert GOOD.partials("plays") == GOOD.partials("again") == (plays,)
    assert GOOD.partials("mean") == (plays, values)
    assert GOOD.partials("share") == (plays, values, Partial("count"))


def test_names_begin_with_time_and_an_audience_has_its_trees() -> None:
    assert GOOD.names == ("year", "month", "day", "city", "country", "planet")
    assert GOOD.audiences == ("us",)
    assert ("planet",) in GOOD.forest("us")
    assert ("planet",) not in GOOD.forest(None)
    assert GOOD.with_kinds({"city": "integer"}).dimension("city").kind == "integer"


@pytest.mark.parametrize(
    ("path", "changed", "told"),
    [
        ("year/town", {}, r"projections\.year/town: 'town' is no dimension; dimensions are .*"),
        ("year/year", {}, r"projections\.year/year: a dimension is named twice"),
        ("city", {"metrics": ["play"]}, r"projections\.city: 'play' is no metric; metrics are plays, .*"),
        ("city", {"name": "facts"}, r"projections\.facts: is the name of the facts; another name"),
    ],
)
def test_a_projection_of_what_does_not_exist_is_refused(path: str, changed: dict[str, Any], told: str) -> None:
    with pytest.raises(SchemaError) as caught:
        declare_projection(GOOD, path, **changed)
    assert re.fullmatch(told, str(caught.value))


def test_a_projection_knows_what_it_holds() -> None:
    found = declare_projection(GOOD, "month/city/year", metrics=["mean", "users"])
    assert (found.name, found.dimensions, found.level) == ("month/city/year", ("city",), "month")
    assert found.closure == {"city", "country", "planet"}
    assert found.mergeable == {Partial("sum", "plays"), Partial("count", "plays")}
    assert found.partials == found.mergeable | {Partial("distinct", "user")}
    assert (declare_projection(GOOD, "").name, declare_projection(GOOD, "").level) == ("totals", None)
