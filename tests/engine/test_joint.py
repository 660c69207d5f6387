"""What is added up in a second pass: variances that nothing cancels in, and balances at an end of time.

Every answer is asked of the facts, of stored rows and of pieces put together, and held against exact fractions.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wolap import (
    Cube,
    Dimension,
    Metric,
    MetricOverflow,
    Query,
    Schema,
    SchemaError,
    Time,
    Tree,
    count,
    derived,
    first,
    last,
    standard_deviation,
    total,
    variance,
    weighted_mean,
)
from wolap.engine import groups as engine_groups
from wolap.engine import joint
from wolap.model.aggregate import JOINT
from wolap.model.interval import Interval
from wolap.planner.plan import Plan

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = 86_400_000_000


def cube_of(columns: dict[str, Any], days: list[int] | None = None, **metrics: Metric) -> Cube:
    """Facts on days of January, by default one on each; a city for every third fact."""
    rows = len(next(iter(columns.values())))
    at = [START + timedelta(days=day) for day in (days or [index % 28 for index in range(rows)])]
    facts = pa.table(
        {"at": pa.array(at, pa.timestamp("us", "UTC")), "city": [index % 3 for index in range(rows)], **columns}
    )
    schema = Schema(
        "joint",
        dimensions=[Dimension("city")],
        metrics=metrics,
        time=Time("at", ("year", "month", "day")),
        trees=[Tree.parse("year")],
    )
    cube = Cube(schema, facts)
    cube.materialize("year/month/day/city", "month/city", "city", "")
    return cube


def ways(cube: Cube, path: str) -> list[list[dict[str, Any]]]:
    """The answer of every projection that has it, and of facts and daily rows put together."""
    plan = cube.explain(Query(path, metrics=tuple(cube.schema.metrics)))
    piece = plan.pieces[0]
    right = [candidate.projection for candidate in plan.candidates if candidate.cost is not None]
    plans: list[Plan] = [replace(plan, pieces=(replace(piece, projection=name),)) for name in right]
    begin = int(START.timestamp() * 1e6)
    cuts = [plan.interval.start, begin + 2 * DAY, begin + 3 * DAY, begin + 9 * DAY, plan.interval.end]
    names = ["year/month/day/city", "facts", "year/month/day/city", "facts"]
    pieces = [
        replace(piece, projection=name, interval=Interval(since, until))
        for name, since, until in zip(names, cuts, cuts[1:], strict=False)
    ]
    plans.append(replace(plan, pieces=tuple(pieces)))
    assert len(plans) > 2
    return [cube.snapshot.run(one).to_pylist() for one in plans]


def exact_variance(values: list[Any], freedom: int = 1) -> Fraction:
    exact = [Fraction(value) for value in values]
    mean = sum(exact) / len(exact)
    return sum((value - mean) ** 2 for value in exact) / (len(exact) - freedom)


@pytest.mark.parametrize(
    "values",
    [
        [1e9 - 1, 1e9, 1e9 + 1],
        [1e9 - 1, 1e9 + 1] * 40,
        [10**9 - 1, 10**9, 10**9 + 1],
        [2**53 + 1, 2**53, 2**53 + 2],
        [2**62 - 1, 2**62 - 3],
        [2**63 - 1],
        [-(2**62), 2**62, 5],
        [0.1] * 30,
        [7] * 30,
        [1e-9, 2e-9, 1e9],
        [1e15 + 0.125, 1e15, 1e15 + 0.5, 1e15],
    ],
)
def test_nothing_cancels(values: list[Any]) -> None:
    metrics = {"v": variance("x"), "p": variance("x", population=True), "d": standard_deviation("x")}
    cube = cube_of({"x": values}, **metrics)
    for found in ways(cube, ""):
        [record] = found
        expected = exact_variance(values) if len(values) > 1 else None
        # Of floats the mean is rounded, which leaves traces at the square of its last digit.
        traces = 0 if isinstance(values[0], int) else (4 * np.spacing(max(map(abs, values)))) ** 2
        for name, right in (("v", expected), ("p", exact_variance(values, 0))):
            if right is None:
                assert record[name] is None
            else:
                assert record[name] == pytest.approx(float(right), rel=1e-14, abs=traces), name
        if expected is not None:
            assert record["d"] == pytest.approx(float(expected) ** 0.5, rel=1e-14, abs=traces**0.5)


WHOLE = st.integers(-(2**40), 2**40) | st.integers(2**50, 2**50 + 4)
REAL = st.floats(-1e12, 1e12).filter(lambda value: value == 0 or abs(value) > 1e-12)


@given(st.lists(WHOLE | st.none(), min_size=1, max_size=40) | st.lists(REAL | st.none(), min_size=1, max_size=40))
def test_a_variance_is_that_of_exact_fractions(values: list[Any]) -> None:
    kept = pa.float64() if any(isinstance(value, float) for value in values) else pa.int64()
    cube = cube_of({"x": pa.array(values, kept)}, v=variance("x"))
    present = [float(value) if kept == pa.float64() else value for value in values if value is not None]
    for found in ways(cube, ""):
        [record] = found
        if len(present) < 2:
            assert record["v"] is None
        else:
            room = (64 * np.spacing(max(map(abs, present)) or 1.0)) ** 2
            assert record["v"] == pytest.approx(float(exact_variance(present)), rel=1e-12, abs=room)


@pytest.mark.parametrize("ranks", [0, 1 << 24])
@pytest.mark.parametrize("path", ["city", "day", "day/city", "month/city"])
def test_groups_in_blocks_are_those_of_one(monkeypatch: pytest.MonkeyPatch, ranks: int, path: str) -> None:
    values = [(index * 37) % 101 for index in range(200)]
    metrics = {"v": variance("x", where_not={"city": 7}), "s": last("x"), "f": first("x")}
    cube = cube_of({"x": values}, **metrics)
    expected = ways(cube, path)[0]
    monkeypatch.setattr(joint, "BLOCK", 7)
    monkeypatch.setattr(engine_groups, "_RANKS_MOST", ranks)
    for found in ways(cube, path):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert one.pop("v") == pytest.approx(other["v"], rel=1e-13)
            assert one.items() <= other.items()


def test_what_is_not_finite_has_no_variance() -> None:
    cube = cube_of({"x": [1.0, float("nan"), 3.0, 4.0, float("inf"), 5.0]}, v=variance("x"))
    for found in ways(cube, "city"):
        assert found == [{"city": 0, "v": 4.5}, {"city": 1, "v": None}, {"city": 2, "v": 2.0}]


def test_variances_of_decimals_and_durations_are_in_their_units() -> None:
    columns = {
        "money": pa.array([Decimal("1.50"), Decimal("2.50"), Decimal("3.50")]),
        "took": pa.array([1000, 2000, 3000], pa.duration("ms")),
    }
    metrics = {name: kind(column) for column in columns for name, kind in ((f"{column}-v", variance),)}
    metrics |= {f"{column}-d": standard_deviation(column) for column in columns}
    metrics["lower"] = derived("took-d * 2 - took-d")
    for [record] in ways(cube_of(columns, **metrics), ""):
        assert record == {
            "money-v": 1.0,
            "took-v": 1.0,
            "money-d": 1.0,
            "took-d": timedelta(seconds=1),
            "lower": timedelta(seconds=1),
        }


@pytest.mark.parametrize(
    ("value", "weight", "expected"),
    [
        ([1, 2, 3, None], [1, 1, None, 5], 1.5),
        ([1.5, 2.5], [3, 1], 1.75),
        ([2**62, 2**62], [2, 2], float(2**62)),
        ([1, 2], [1, -1], None),
        ([None], [1], None),
        ([Decimal("1.5"), Decimal("2.5")], [Decimal("0.25"), Decimal("0.75")], 2.25),
        ([timedelta(seconds=1), timedelta(seconds=4)], [1, 2], timedelta(seconds=3)),
        ([timedelta(seconds=1), timedelta(seconds=4)], [Decimal("0.1"), Decimal("0.2")], timedelta(seconds=3)),
        ([10, 40], [timedelta(seconds=1), timedelta(seconds=2)], 30.0),
        ([0.5, 2.0], [timedelta(seconds=1), timedelta(seconds=2)], 1.5),
    ],
)
def test_a_weighted_mean(value: list[Any], weight: list[Any], expected: Any) -> None:
    cube = cube_of({"x": value, "w": weight}, m=weighted_mean("x", "w"))
    for found in ways(cube, ""):
        assert found == [{"m": expected}]


BALANCES = {
    "balance": [10, 20, 11, None, 12, 21, None],
    "days": [0, 0, 1, 1, 2, 2, 3],
}


def test_a_balance_is_of_the_last_instant_that_has_one() -> None:
    # Facts 0 3 6 are of city 0, 1 4 of city 1, 2 5 of city 2.
    cube = cube_of({"balance": BALANCES["balance"]}, BALANCES["days"], close=last("balance"), open=first("balance"))
    for found in ways(cube, ""):
        assert found == [{"close": 33, "open": 30}]
    for found in ways(cube, "city"):
        expected = [(0, 10, 10), (1, 12, 20), (2, 21, 11)]
        assert found == [{"city": city, "close": end, "open": begin} for city, end, begin in expected]
    for found in ways(cube, "day"):
        expected = [(1, 30, 30), (2, 11, 11), (3, 33, 33), (4, None, None)]
        assert found == [{"day": day, "close": end, "open": begin} for day, end, begin in expected]


def test_a_balance_that_does_not_fit_is_refused() -> None:
    large = [2**62] * 2
    cube = cube_of({"x": large[:1]}, [0], close=last("x"))
    assert cube.answer(Query("")).to_pylist() == [{"close": 2**62}]
    facts = pa.table({"at": pa.array([START] * 2), "city": [1, 2], "x": large})
    cube = Cube(cube.schema, facts)
    with pytest.raises(MetricOverflow, match=r"^close \(closing x\) does not fit a 64-bit integer"):
        cube.answer(Query(""))
    with pytest.raises(MetricOverflow, match=r"^close \(closing x\)"):
        cube.materialize("year")


def test_a_joint_partial_is_stored_with_what_it_goes_with() -> None:
    cube = cube_of({"x": [1, 2]}, v=variance("x"), close=last("x"), rows=count(), sum=total("x"))
    held = cube.snapshot.sources["city"].whole.layout.columns
    assert sorted(map(str, held)) == ["closing x", "count", "count x", "latest x", "squares x", "sum x"]
    assert {partial.function for partial in held} & set(JOINT) == {"closing", "squares"}


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        (variance("name"), "metrics.m: column 'name' has type string, which has no sum"),
        (last("born"), "metrics.m: column 'born' has type date32[day], which has no sum; min or max"),
        (weighted_mean("x", "name"), "metrics.m: column 'name' has type string, which has no sum"),
        (weighted_mean("took", "took"), "metrics.m: two durations have no product; a duration and a number"),
        (weighted_mean("x", "heavy"), "metrics.m: the facts have no column 'heavy'"),
    ],
)
def test_columns_that_do_not_fit_are_told(metric: Metric, told: str) -> None:
    columns = {"x": [1], "name": ["a"], "took": [timedelta(1)], "born": pa.array([0], pa.date32())}
    with pytest.raises(SchemaError) as caught:
        cube_of(columns, m=metric)
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        (Metric("variance", "x", weight="y"), "metrics.m: variance takes no weight"),
        (Metric("weighted_mean", "x"), "metrics.m: weighted_mean needs a weight"),
        (Metric("sum", "x", population=True), "metrics.m.population: only a variance or a standard deviation has it"),
        (Metric("sum", "x", expression="m"), "metrics.m: sum takes no expression; derived"),
        (last("x"), "metrics.m: last needs a time, and the cube has none"),
    ],
)
def test_declarations_that_cannot_be_are_told(metric: Metric, told: str) -> None:
    with pytest.raises(SchemaError) as caught:
        Schema("x", dimensions=[Dimension("d")], metrics={"m": metric}, trees=[Tree.parse("d")])
    assert told in str(caught.value).splitlines()


def test_a_balance_of_floats_over_a_piece_without_rows() -> None:
    """A filter leaves nothing of the facts that one piece of a cover reads."""
    rows = 60 * 24 * 40
    at = pa.array(np.datetime64("2024-01-01", "s") + np.arange(rows) * 60)
    kind = pa.array(["b" if number < 60 * 24 * 31 else "a" for number in range(rows)])
    schema = Schema(
        "s", [Dimension("k")], {"last": last("x")}, [Tree.parse("k")], Time("at", ("year", "month", "day"), "UTC")
    )
    table = pa.table({"at": at, "k": kind, "x": pa.array(np.arange(rows) * 0.5)})
    cube, plain = Cube(schema, table), Cube(schema, table)
    cube.materialize("month/k")
    for query in (Query("k", where={"k": "a"}, start="2024-01-30T05:30"), Query("k", start="2024-01-30T05:30")):
        assert cube.answer(query).to_pylist() == plain.answer(query).to_pylist()
        assert len(cube.explain(query).pieces) == 2


@pytest.mark.filterwarnings("error")
def test_no_warning_of_numbers_without_a_variance() -> None:
    schema = Schema("s", [Dimension("k")], {"spread": variance("x")}, [Tree.parse("k")])
    for values in ([1.0, float("inf")], [1e308, 1e308]):
        Cube(schema, pa.table({"k": ["a", "a"], "x": values})).answer(Query("k")).to_pylist()
