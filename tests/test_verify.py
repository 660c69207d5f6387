"""The differential mode: silent on a cube that is right, and loud on one that is not."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from strategies import projections, queries, worlds

from wolap import (
    Cancelled,
    Caps,
    Cube,
    Dimension,
    Filter,
    Principal,
    Query,
    QueryError,
    Schema,
    Time,
    Tree,
    approximate_distinct,
    count,
    declare_projection,
    distinct,
    mean,
    median,
    total,
)
from wolap.command import commands
from wolap.engine.arithmetic import MetricColumn
from wolap.engine.verdict import _unlike
from wolap.snapshot import Snapshot
from wolap.verify import random_queries, verify

EXAMPLE = Path(__file__).parents[1] / "examples" / "commits.toml"


def sales() -> Cube:
    schema = Schema(
        "sales",
        [Dimension("country"), Dimension("kind")],
        {
            "sales": count(),
            "amount": total("amount"),
            "average": mean("share"),
            "buyers": distinct("buyer", keep="set"),
            "about": approximate_distinct("buyer", where_not={"kind": "k0"}),
            "usual": median("share"),
        },
        [Tree.parse("year\n  month\n    day\n      country\n        kind\ncountry\n  kind")],
        Time("at", ("year", "month", "day"), "Europe/Berlin"),
    )
    rows = np.arange(5_000)
    random = np.random.default_rng(3)
    facts = {
        "at": pa.array((1_700_000_000 + rows * 9_000).astype("datetime64[s]")),
        "country": pa.array([None, "DE", "FR"]).take(pa.array(rows % 3)),
        "kind": pa.array([f"k{number}" for number in range(7)]).take(pa.array(rows % 7)),
        "amount": pa.array(random.integers(-100, 100, len(rows))),
        "share": pa.array(random.random(len(rows))),
        "buyer": pa.array(random.integers(0, 900, len(rows))),
    }
    cube = Cube(schema, pa.table(facts))
    cube.materialize("year/month/country", "year/month/day/country/kind", "country/kind")
    return cube


def broken(cube: Cube, name: str) -> Cube:
    """One stored number of a projection is off by one."""
    snapshot = cube.snapshot
    source = snapshot.sources[name].whole
    columns = dict(source.layout.columns)
    partial = next(one for one in columns if one.function == "sum")
    values = np.array(columns[partial].values)
    values[len(values) // 2] += 1
    columns[partial] = replace(columns[partial], values=values)
    damaged = replace(source, layout=replace(source.layout, columns=columns))
    cube._snapshot = Snapshot(snapshot.catalog, {**snapshot.sources, name: damaged}, snapshot.dictionaries)
    return cube


def without_items(cube: Cube, name: str, function: str) -> Cube:
    """A stored collection has every other of its items taken for its neighbour."""
    snapshot = cube.snapshot
    source = snapshot.sources[name].whole
    partial = next(one for one in source.layout.columns if one.function == function)
    column = source.layout.columns[partial]
    assert column.values is not None
    values = column.values.copy()
    values[::2] = np.minimum(values[::2] ^ 1, (column.members or 0) - 1)
    columns = {**source.layout.columns, partial: replace(column, values=values)}
    damaged = replace(source, layout=replace(source.layout, columns=columns))
    cube._snapshot = Snapshot(snapshot.catalog, {**snapshot.sources, name: damaged}, snapshot.dictionaries)
    return cube


def test_a_right_cube_has_no_differences() -> None:
    cube = sales()
    verdict = verify(cube, random_queries(cube, 300, seed=1))
    assert verdict.differences == ()
    assert verdict.queries == 300
    assert verdict.plans > 450  # most queries have more than one plan


@pytest.mark.parametrize("function", ["set", "registers", "buckets"])
def test_wrong_items_are_found(function: str) -> None:
    cube = without_items(sales(), "year/month/country", function)
    verdict = verify(cube, random_queries(cube, 300, seed=1))
    assert {names for one in verdict.differences for names in (one.one, one.other)} >= {("year/month/country",)}


@pytest.mark.parametrize("name", ["year/month/country", "year/month/day/country/kind", "country/kind"])
def test_one_wrong_number_is_found(name: str) -> None:
    cube = broken(sales(), name)
    verdict = verify(cube, random_queries(cube, 1000, seed=1))
    assert verdict.differences
    for difference in verdict.differences:
        assert name in (*difference.one, *difference.other)
        assert " record" in str(difference)


def test_the_cube_verifies_one_query() -> None:
    cube = sales()
    verdict = cube.verify(Query("year/month", metrics="amount"))
    assert verdict
    assert str(verdict) == "1 query by 3 plans: 0 differences"


def test_the_cube_shows_what_parts() -> None:
    verdict = broken(sales(), "year/month/country").verify(Query("year/month", metrics="amount"))
    assert not verdict
    [difference] = verdict.differences
    assert (difference.one, difference.other) == (("year/month/country",), ("facts",))
    head, count, found, expected, figures = str(verdict).splitlines()
    assert head == "year/month · amount: year/month/country and facts part"
    assert count == "  1 of 18 records:"
    found, expected = (ast.literal_eval(line) for line in (found, expected))
    assert found == {**expected, "amount": expected["amount"] + 1}
    assert figures == "1 query by 3 plans: 1 difference"


def test_the_filters_of_the_caller_count_and_its_caps_do_not() -> None:
    cube = broken(sales(), "year/month/country")
    query = Query("year/month", metrics="amount")
    callers = [
        Principal(filters=(Filter("country", frozenset([name])),), caps=Caps(groups=1)) for name in ("DE", "FR", None)
    ]
    assert sorted(bool(cube.verify(query, caller)) for caller in callers) == [False, True, True]


def test_what_does_not_fit_the_cube_is_refused() -> None:
    with pytest.raises(QueryError, match="there is no dimension"):
        sales().verify(Query("nothing"))


def test_verifying_can_be_cancelled() -> None:
    cancel = Event()
    cancel.set()
    with pytest.raises(Cancelled):
        sales().verify(Query("country", metrics="amount"), cancel=cancel)


def test_a_wrong_number_of_some_facts_on_another_clock_is_found() -> None:
    cube = sales()
    cube.materialize(
        declare_projection(cube.schema, "year/month/day", name="some", zone="Europe/Paris", where={"country": "DE"})
    )
    assert verify(cube, random_queries(cube, 300, seed=1)).differences == ()
    verdict = verify(broken(cube, "some"), random_queries(cube, 300, seed=1))
    assert verdict.differences
    assert all("some" in (*difference.one, *difference.other) for difference in verdict.differences)


def test_queries_are_those_of_their_seed() -> None:
    cube = sales()
    one, again, other = (list(random_queries(cube, 50, seed)) for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_what_is_refused_is_counted() -> None:
    cube = sales()
    assert verify(cube, [Query("nothing")]).refused == 1


@given(st.data())
def test_any_world_is_right(data: st.DataObject) -> None:
    world = data.draw(worlds())
    cube = Cube(world.schema, world.facts)
    wanted = data.draw(projections(world))
    cube.materialize(*wanted) if wanted else None
    verdict = verify(cube, data.draw(st.lists(queries(world), min_size=1, max_size=4)))
    assert verdict.differences == ()


def test_the_command() -> None:
    result = CliRunner().invoke(commands, ["verify", str(EXAMPLE), "--queries", "40", "--seed", "7"])
    assert result.exit_code == 0, result.output
    assert "40 queries by " in result.stdout
    assert ": 0 differences" in result.stdout


def test_what_is_rounded_is_compared_as_it_was_before() -> None:
    """A float on either side of a half is no difference, and a whole unit is one."""
    unit = pa.duration("ms")

    def column(number: float) -> MetricColumn:
        return MetricColumn("m", np.rint([number]).astype(np.int64), None, unit, np.array([number]))

    assert _unlike(column(502.5 - 1e-9), column(502.5 + 1e-9)).tolist() == [False]
    assert _unlike(column(502.0), column(503.0)).tolist() == [True]
    assert _unlike(column(502.4), column(502.0)).tolist() == [True]
