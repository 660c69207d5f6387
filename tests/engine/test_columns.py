"""Metric columns of each Arrow type: the numbers in 64 bits that they are kept as, and what comes out again."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from wolap import SchemaError
from wolap.engine.columns import Column, from_int64, read_numbers
from wolap.model.aggregate import Partial

DAY = 86_400_000_000


def read(column: pa.Array | pa.ChunkedArray, function: str = "sum") -> Column:
    """A column as the input of a function."""
    chunked = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    return read_numbers(chunked, Partial(function, "c"), "metrics.m")


# A column, the numbers that are kept, the type of what comes out.
SUMMED: list[tuple[pa.Array, list[float], pa.DataType]] = [
    (pa.array([1, -1, None], pa.int8()), [1, -1, 0], pa.int64()),
    (pa.array([2**63 - 1, -(2**63)]), [2**63 - 1, -(2**63)], pa.int64()),
    (pa.array([2**63 - 1], pa.uint64()), [2**63 - 1], pa.int64()),
    (pa.array([2**32 - 1], pa.uint32()), [2**32 - 1], pa.int64()),
    (pa.array([True, None, False]), [1, 0, 0], pa.int64()),
    (pa.array([None, None]), [0, 0], pa.int64()),
    (pa.array([7, None]).dictionary_encode(), [7, 0], pa.int64()),
    (pa.array([1.5, None], pa.float16()), [1.5, 0.0], pa.float64()),
    (pa.array([0.5], pa.float32()), [0.5], pa.float64()),
    (pa.array([Decimal("1.50"), None, Decimal("-2.25")]), [150, 0, -225], pa.decimal128(38, 2)),
    (pa.array([Decimal("1.50")]).dictionary_encode(), [150], pa.decimal128(38, 2)),
    (pa.array([Decimal("1.5")], pa.decimal32(5, 1)), [15], pa.decimal128(38, 1)),
    (pa.array([Decimal("1.5")], pa.decimal64(5, 1)), [15], pa.decimal128(38, 1)),
    (pa.array([Decimal("-1.5"), None], pa.decimal256(60, 1)), [-15, 0], pa.decimal128(38, 1)),
    (pa.array([Decimal(500)], pa.decimal128(5, -2)), [5], pa.decimal128(38, -2)),
    (pa.array([Decimal(-(2**63)), Decimal(2**63 - 1)], pa.decimal128(38)), [-(2**63), 2**63 - 1], pa.decimal128(38)),
    (pa.array([timedelta(1), None], pa.duration("us")), [DAY, 0], pa.duration("us")),
    (pa.array([timedelta(1)], pa.duration("s")), [86_400], pa.duration("s")),
    (pa.array([5], pa.duration("ns")), [5], pa.duration("ns")),
]
ORDERED: list[tuple[pa.Array, list[int], pa.DataType]] = [
    (pa.array([date(1970, 1, 2), None]), [1, 0], pa.date32()),
    (pa.array([date(1969, 12, 31)], pa.date64()), [-1], pa.date32()),
    (pa.array([datetime(1970, 1, 2)], pa.timestamp("us")), [DAY], pa.timestamp("us")),  # noqa: DTZ001
    (pa.array([5], pa.timestamp("ns", "Europe/Berlin")), [5], pa.timestamp("ns", "Europe/Berlin")),
]


def _check(column: pa.Array, function: str, kept: list[float], output: pa.DataType) -> None:
    found = read(column, function)
    assert found.values is not None
    assert (found.values.tolist(), found.type) == (kept, output)
    marks = [value is not None for value in column.to_pylist()]
    assert (None if found.valid is None else found.valid.tolist()) == (None if all(marks) else marks)
    if not found.is_float:
        assert (found.low, found.high) == (min(kept), max(kept))


@pytest.mark.parametrize(("column", "kept", "output"), SUMMED, ids=lambda value: str(getattr(value, "type", "")))
@pytest.mark.parametrize("function", ["sum", "min", "max"])
def test_numbers_are_kept_exactly(column: pa.Array, kept: list[float], output: pa.DataType, function: str) -> None:
    _check(column, function, kept, output)


@pytest.mark.parametrize(("column", "kept", "output"), ORDERED, ids=lambda value: str(getattr(value, "type", "")))
def test_dates_have_an_order_but_no_sum(column: pa.Array, kept: list[float], output: pa.DataType) -> None:
    _check(column, "max", kept, output)
    with pytest.raises(SchemaError, match=r"^metrics\.m: column 'c' has type .* which has no sum; min or max$"):
        read(column, "sum")


@pytest.mark.parametrize("column", [pair[0] for pair in (*SUMMED, *ORDERED)], ids=lambda column: str(column.type))
@pytest.mark.parametrize("chunks", [0, 1, 2])
def test_no_rows_and_many_chunks(column: pa.Array, chunks: int) -> None:
    once = read(column, "min")
    found = read(pa.chunked_array([column[:0], *[column] * chunks], column.type), "min")
    nothing = read(pa.chunked_array([], column.type), "min")
    assert once.values is not None
    assert found.values is not None
    assert found.values.tolist() == once.values.tolist() * chunks
    assert (found.type, nothing.type) == (once.type, once.type)
    sliced = read(pa.chunked_array([column]).slice(1), "min")
    assert sliced.values is not None
    assert sliced.values.tolist() == once.values.tolist()[1:]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([2**63], pa.uint64()),
        pa.array([None, 2**64 - 1], pa.uint64()),
        pa.array([Decimal(2**63)], pa.decimal128(38)),
        pa.array([Decimal(-(2**63) - 1)], pa.decimal128(38)),
        pa.array([Decimal("0"), Decimal("-12345678901234567.891")]),
        pa.array([Decimal(2**64)], pa.decimal128(38)),
        pa.array([Decimal("1.5")], pa.decimal256(60, 20)),
        pa.array([Decimal(10) ** 40], pa.decimal256(60)),
    ],
    ids=str,
)
@pytest.mark.parametrize("function", ["sum", "max"])
def test_what_does_not_fit_64_bits_is_refused(column: pa.Array, function: str) -> None:
    with pytest.raises(SchemaError, match=r"^metrics\.m: column 'c' of type .* does not fit 64 bits"):
        read(column, function)


@pytest.mark.parametrize("column", [pa.array(["1"]), pa.array([b"1"]), pa.array([1], pa.time32("s")), pa.array([[1]])])
@pytest.mark.parametrize("function", ["sum", "min"])
def test_what_is_no_number_is_refused(column: pa.Array, function: str) -> None:
    with pytest.raises(SchemaError, match=rf"^metrics\.m: column 'c' has type .* which has no {function}; a column of"):
        read(column, function)


COMES_OUT = [pair[0] for pair in (*SUMMED, *ORDERED) if not pa.types.is_floating(pair[0].type)]


@pytest.mark.parametrize("column", COMES_OUT, ids=lambda column: str(column.type))
def test_what_comes_out_is_what_went_in(column: pa.Array) -> None:
    kept = read(column, "max")
    assert kept.values is not None
    assert from_int64(kept.values, kept.valid, kept.type).to_pylist() == _as_numbers(column)


def _as_numbers(column: pa.Array) -> list[Any]:
    values = column.to_pylist()
    return [int(value) for value in values] if pa.types.is_boolean(column.type) and None not in values else values
