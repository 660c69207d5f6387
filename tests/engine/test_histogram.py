"""Quantiles of logarithmic buckets: within their accuracy of the exact one, whole numbers and ends included."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wolap import Cube, Dimension, Metric, Query, Schema, SchemaError, Tree, median, quantile
from wolap.engine.columns import COUNT, Column
from wolap.engine.histogram import buckets_of, quantiles

ACCURACIES = st.sampled_from([0.000001, 0.001, 0.01, 0.05, 0.5])


def found(values: np.ndarray, accuracy: float, probability: float) -> float:
    """The quantile of values as one row."""
    items, shown = buckets_of(values, None, accuracy)
    kept, counts = np.unique(items, return_counts=True)
    column = Column(kept, None, COUNT, members=len(shown), offsets=np.array([0, len(kept)]), counts=counts, shown=shown)
    return float(quantiles(column, probability).values[0])


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), ACCURACIES, st.floats(0, 1))
def test_it_is_within_its_accuracy(values: list[float], accuracy: float, probability: float) -> None:
    right = float(np.quantile(np.array(values), probability, method="lower"))
    # Next to the smallest floats there is none within the accuracy.
    room = 5e-324 if abs(right) < 1e-300 else 0.0
    assert found(np.array(values), accuracy, probability) == pytest.approx(right, rel=accuracy * (1 + 1e-6), abs=room)


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-90, 90), min_size=1), ACCURACIES, st.floats(0, 1))
def test_it_is_within_its_accuracy_of_whole_numbers(values: list[int], accuracy: float, probability: float) -> None:
    right = sorted(values)[int(np.floor((len(values) - 1) * probability))]
    got = found(np.array(values, np.int64), accuracy, probability)
    assert got == pytest.approx(float(right), rel=accuracy * (1 + 1e-6), abs=0)


@pytest.mark.parametrize(("accuracy", "below"), [(0.01, 50), (0.001, 500), (0.0001, 5000), (0.1, 5)])
def test_small_whole_numbers_are_exact(accuracy: float, below: int) -> None:
    for number in [*range(-below + 1, below)][:: max(below // 100, 1)]:
        assert found(np.array([number]), accuracy, 0.5) == number


def test_there_are_as_many_buckets_as_the_values_are_apart() -> None:
    _, shown = buckets_of(np.exp(np.linspace(np.log(1.0), np.log(10.0), 100_000)), None, 0.01)
    assert 115 <= len(shown) <= 117
    assert (np.diff(shown) > 0).all()


def test_what_is_missing_has_no_bucket() -> None:
    items, shown = buckets_of(np.array([1.0, 5.0, 7.0]), np.array([True, False, True]), 0.01)
    assert items.tolist() == [0, 2, 1]
    assert len(shown) == 2


FACTS = {
    "k": ["a", "a", "a", "b", "b", "c", "d", "e"],
    "x": [1.0, 2.0, float("inf"), float("-inf"), 3.0, float("nan"), None, 1e308],
    "n": [1, 2, 3, 10, None, 7, None, 1_000_000],
    "m": [Decimal("0.07"), Decimal("0.09"), None, Decimal("-1.50"), Decimal("2.00"), None, None, Decimal("1.00")],
    "t": [timedelta(seconds=second) if second else None for second in (1, 2, 3, 10, 60, None, None, 3600)],
    "f": [True, False, False, True, True, None, False, None],
}


def cube(**metrics: Metric) -> Cube:
    return Cube(Schema("c", [Dimension("k")], metrics, [Tree.parse("k")]), pa.table(FACTS))


def test_quantiles_of_every_type() -> None:
    made = cube(x=median("x"), n=median("n"), m=median("m"), t=quantile("t", 1.0), f=median("f"))
    made.materialize("k")
    answers = [
        {"k": "a", "x": 2.0, "n": 2.0, "m": 0.07, "t": timedelta(seconds=3), "f": 0.0},
        {"k": "b", "x": None, "n": 10.0, "m": -1.5, "t": timedelta(seconds=60), "f": 1.0},
        {"k": "c", "x": None, "n": 7.0, "m": None, "t": None, "f": None},
        {"k": "d", "x": None, "n": None, "m": None, "t": None, "f": 0.0},
        {"k": "e", "x": 1e308, "n": 1e6, "m": 1.0, "t": timedelta(hours=1), "f": None},
    ]
    for record, right in zip(made.answer(Query("k")).to_pylist(), answers, strict=True):
        for name, value in right.items():
            if isinstance(value, timedelta):
                assert record[name].total_seconds() == pytest.approx(value.total_seconds(), rel=0.01)
            else:
                assert record[name] == (pytest.approx(value, rel=0.01) if isinstance(value, float) else value), name
    types = {field.name: field.type for field in made.answer(Query("k")).table.schema}
    assert types["t"] == pa.duration("us")
    assert {types[name] for name in "xnmf"} == {pa.float64()}


@pytest.mark.parametrize(
    ("column", "kept"), [("d", pa.date32()), ("d", pa.timestamp("us")), ("d", pa.string()), ("d", pa.list_(pa.int8()))]
)
def test_what_has_no_quantile_is_refused(column: str, kept: pa.DataType) -> None:
    facts = pa.table({"k": ["a"], column: pa.array([None], kept)})
    with pytest.raises(SchemaError, match="has no quantile"):
        Cube(Schema("c", [Dimension("k")], {"m": median(column)}, [Tree.parse("k")]), facts)


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        (quantile("x", 1.5), "metrics.m.probability: 1.5 is out of range"),
        (quantile("x", float("nan")), "metrics.m.probability: nan is out of range"),
        (Metric("quantile", "x"), "quantile needs a probability"),
        (median("x", accuracy=0.0), "metrics.m.accuracy: 0 is out of range"),
        (median("x", accuracy=0.9), "0.9 is out of range; 0.000001 to 0.5"),
        (Metric("sum", "x", accuracy=0.1), "metrics.m.accuracy: sum has none; quantile and median have"),
        (Metric("median", "x", probability=0.1), "metrics.m.probability: median has none"),
        (Metric("approximate_distinct", "x", precision=3), "metrics.m.precision: 3 is out of range; 4 to 18"),
        (Metric("distinct", "x", precision=12), "metrics.m.precision: distinct has none"),
        (Metric("distinct", "x", keep="all"), "metrics.m.keep: 'all' is none; one of count, set"),
        (Metric("sum", "x", keep="set"), "metrics.m.keep: only a distinct count has it"),
    ],
)
def test_options_are_checked(metric: Metric, text: str) -> None:
    with pytest.raises(SchemaError) as caught:
        cube(m=metric)
    assert text in str(caught.value)
