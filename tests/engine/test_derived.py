"""Derived metrics of real columns: exact where they can be, null where they are nothing, else refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

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
    maximum,
    mean,
    ratio,
    total,
)
from wolap.cube_file import read_cube_file

FACTS = pa.table(
    {
        "at": pa.array([datetime(2024, 1, 1, tzinfo=UTC)] * 3),
        "land": ["no", "no", "se"],
        "whole": [5, 2**53 + 1, None],
        "real": [0.5, 1.0, 1e308],
        "money": pa.array([Decimal("1.10"), Decimal("2.20"), Decimal("-0.05")], pa.decimal128(9, 2)),
        "fine": pa.array([Decimal("0.001")] * 3, pa.decimal128(9, 3)),
        "slow": pa.array([timedelta(seconds=3)] * 3, pa.duration("s")),
        "quick": pa.array([timedelta(milliseconds=7)] * 3, pa.duration("ms")),
        "born": pa.array([date(2024, 1, 2)] * 3),
        "large": [2**62, 0, 3],
    }
)
BASE: dict[str, Metric] = {name: total(name) for name in FACTS.column_names if name not in ("at", "land", "born")}
BASE |= {"rows": count(), "latest": maximum("born"), "mean-slow": mean("slow"), "a-b": total("whole")}


def schema(**metrics: Metric) -> Schema:
    return Schema(
        "sums",
        dimensions=[Dimension("land")],
        metrics={**BASE, **metrics},
        time=Time("at"),
        trees=[Tree.parse("year")],
    )


def value(text: str, land: str = "no", **more: Metric) -> Any:
    cube = Cube(schema(m=derived(text), **more), FACTS)
    cube.materialize("year/land")
    [record] = cube.answer(Query("", where={"land": land}, metrics="m")).to_pylist()
    return record["m"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("whole - 5", 2**53 + 1),
        ("whole * 2 + rows", 2**54 + 14),
        ("-whole", -(2**53) - 6),
        ("- -rows", 2),
        ("rows", 2),
        ("a-b - whole", 0),
        ("rows / 4", 0.5),
        ("(rows - 1) * 0.5", 0.5),
        ("rows / (rows - 2)", None),
        ("0 / (rows - 2)", None),
        ("1 + rows / (rows - 2)", None),
        ("1 / (1 / (rows - 2))", None),
        ("money + 1", Decimal("4.30")),
        ("money - fine", Decimal("3.298")),
        ("money * fine", Decimal("0.00660")),
        ("money * 0.5", 1.65),
        ("money / 2", 1.65),
        ("slow + quick", timedelta(milliseconds=6014)),
        ("quick - slow", timedelta(milliseconds=-5986)),
        ("slow * rows", timedelta(seconds=12)),
        ("0.5 * slow", timedelta(seconds=3)),
        ("slow / rows", timedelta(seconds=3)),
        ("slow / quick", 6 / 0.014),
        ("rows / slow", 2 / 6),
        ("mean-slow - quick", timedelta(milliseconds=2986)),
        ("-slow", timedelta(seconds=-6)),
    ],
)
def test_a_value(text: str, expected: Any) -> None:
    found = value(text)
    assert found == (pytest.approx(expected, rel=1e-15) if isinstance(expected, float) else expected)
    assert type(found) is type(expected)


@pytest.mark.parametrize("text", ["whole", "whole + 1", "0 * whole", "1 / whole", "real * 10.0", "real + real - real"])
def test_null_and_what_is_not_finite_are_null(text: str) -> None:
    assert value(text, "se") is None


def test_derived_metrics_of_derived_ones() -> None:
    more = {"half": derived("rows / 2"), "share": ratio("half", "rows")}
    assert value("share + half * 2 - rows", **more) == 0.5


@pytest.mark.parametrize(
    "text", ["large + large", "large * 2", "0 - large - large - 1", "large * large", "fine * large"]
)
def test_a_number_that_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(MetricOverflow, match=r"^m does not fit a 64-bit integer in some group"):
        value(text)


@pytest.mark.parametrize("text", ["0 - large - large", "large + (large - 1)", "-2 * large"])
def test_a_number_that_just_fits_is_exact(text: str) -> None:
    assert value(text) == eval(text, {}, {"large": 2**62})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "slow + 1",
            "metrics.m: a duration and a number have neither sum nor difference; two durations or two numbers",
        ),
        (
            "rows - quick",
            "metrics.m: a duration and a number have neither sum nor difference; two durations or two numbers",
        ),
        ("slow * quick", "metrics.m: two durations have no product; a duration and a number"),
        ("latest / 2", "metrics.m: latest is a date32[day]; metrics that are numbers"),
    ],
)
def test_what_does_not_go_together_is_told_when_facts_are_there(text: str, told: str) -> None:
    with pytest.raises(SchemaError) as caught:
        Cube(schema(m=derived(text)), FACTS)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rows +", "metrics.m: 'rows +' has the end at position 7 where a metric, a number, - or ( is expected"),
        ("rows-whole", "metrics.m: 'rows-whole' is no metric; a minus between names needs blanks: rows - whole"),
        ("rows- 1", "metrics.m: 'rows- 1' has '1' at position 7 where one of + - * / or the end is expected"),
        ("rows- - 1", "metrics.m: 'rows-' is no metric; a minus between names needs blanks: rows - …"),
        ("rowz / 2", "metrics.m: 'rowz' is no metric; metrics are rows, "),
        ("1 + 2", "metrics.m: '1 + 2' names no metric; an expression of other metrics"),
        ("m + 1", "metrics.m: its operands lead back to it; operands that end in a column"),
    ],
)
def test_an_expression_that_is_none_is_told_with_the_declaration(text: str, told: str) -> None:
    with pytest.raises(SchemaError) as caught:
        schema(m=derived(text))
    assert str(caught.value).startswith(told)


def test_a_cube_file_declares_expressions(tmp_path: Path) -> None:
    path = tmp_path / "sums.toml"
    text = """
    cube = { name = "sums" }
    dimensions = { land = {} }
    trees = { main = "land" }
    metrics = { tried = "count", failed = { count = "code" }, rate = { derived = "(tried - failed) / tried" } }
    """
    path.write_text(text, encoding="utf-8")
    metric = read_cube_file(path).schema.metrics["rate"]
    assert metric == derived("(tried - failed) / tried")
    assert metric.operands == ("tried", "failed")
    path.write_text(text.replace('"(tried - failed) / tried"', '["tried"]'), encoding="utf-8")
    with pytest.raises(SchemaError, match=r"metrics\.rate\.derived: is a list; text$"):
        read_cube_file(path)


EDGES = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-(2**63), -1, 0, 1, 2**32, -(2**32), 2**62, 2**63 - 1])


@given(EDGES, EDGES)
def test_whole_numbers_are_exact_or_refused(left: int, right: int) -> None:
    facts = pa.table({"a": [left], "b": [right]})
    for sign, exact in (("+", left + right), ("-", left - right), ("*", left * right)):
        metrics = {"a": total("a"), "b": total("b"), "m": derived(f"a {sign} b")}
        declared = Schema("edges", dimensions=[Dimension("d", "a")], metrics=metrics, trees=[Tree.parse("d")])
        cube = Cube(declared, facts)
        if -(2**63) <= exact < 2**63:
            assert cube.answer(Query("")).to_pylist()[0]["m"] == exact
        else:
            with pytest.raises(MetricOverflow):
                cube.answer(Query(""))
