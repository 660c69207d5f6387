"""CSV (W44): what is written is read back by Python, pandas and DuckDB."""

from __future__ import annotations

import io
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_cubes import NASTY, members, numbers, read_csv, read_json, resource

from wolap import Cube, Dimension, Query, Schema, Tree, count, maximum, total
from wolap.representations import csv_text, hal_json

LABELS = {None: "N/A", "": "(empty)"}


def test_nasty_members_are_read_back() -> None:
    header, rows = read_csv(csv_text.serialize(resource(members(), Query("d"))))
    assert header == ["d", "rows"]
    present = sorted(value for value in NASTY if value is not None)
    assert rows == [[LABELS.get(value, value), "1"] for value in [*present, None]]


def test_every_line_ends_with_cr_lf_and_only_what_must_be_is_quoted() -> None:
    body = csv_text.serialize(
        resource(members(("plain", "with,comma", 'with"quote', "two\nlines", " blank ")), Query("d"))
    )
    assert body.decode() == (
        'd,rows\r\n blank ,1\r\nplain,1\r\n"two\nlines",1\r\n"with""quote",1\r\n"with,comma",1\r\n'
    )


def test_no_record_is_a_header_alone() -> None:
    assert csv_text.serialize(resource(members(()), Query("d"))) == b"d,rows\r\n"


def test_own_labels() -> None:
    made = members((None, "", "N/A", "(empty)"), null="(none of it)", empty='"')
    _, rows = read_csv(csv_text.serialize(resource(made, Query("d"))))
    assert rows == [['"', "1"], ["(empty)", "1"], ["N/A", "1"], ["(none of it)", "1"]]


def test_pandas_reads_the_same() -> None:
    # pandas ends a field at a zero byte.
    kept = tuple(value for value in NASTY if value is None or "\x00" not in value)
    body = csv_text.serialize(resource(members(kept), Query("d")))
    frame = pd.read_csv(io.BytesIO(body), keep_default_na=False, dtype=str)
    assert frame.to_numpy().tolist() == read_csv(body)[1]


def test_duckdb_reads_the_same(tmp_path: Path) -> None:
    # DuckDB reads one kind of line end in a file.
    kept = tuple(value for value in NASTY if value is None or not set("\x00\r\n") & set(value))
    body = csv_text.serialize(resource(members(kept), Query("d")))
    path = tmp_path / "report.csv"
    path.write_bytes(body)
    options = "header = true, delim = ',', quote = '\"', escape = '\"', all_varchar = true, auto_detect = false"
    columns = "columns = {'d': 'varchar', 'rows': 'varchar'}"
    found = duckdb.sql(f"select * from read_csv('{path}', {options}, {columns}, strict_mode = true)").fetchall()
    assert [list(row) for row in found] == read_csv(body)[1]


NUMBER_ROWS = (
    ["0", "9223372036854775807", "0.1", "", "12.5", "90", "2024-02-29", "2024-02-29T01:02:03.5", "1"],
    ["1", "-9223372036854775808", "1e+22", "", "-0.001", "-0.5", "0001-01-01", "1969-12-31T00:00:00", "0"],
    ["2", "0", "5e-324", "", "0", "0", "9999-12-31", "2000-01-01T00:00:00", ""],
    ["3", *[""] * 8],
)


def test_numbers_of_every_type() -> None:
    header, rows = read_csv(csv_text.serialize(resource(numbers(), Query("g"))))
    assert header[:9] == ["g", "whole", "real", "gap", "money", "length", "day", "moment", "flag"]
    assert tuple(row[:9] for row in rows) == NUMBER_ROWS
    assert header[9:] == ["whole-sum", "whole-mean", "money-mean", "length-mean", "least-flag"]
    assert rows[0][9:] == ["9223372036854775807", "9.223372036854776e+18", "12.5", "90", "1"]
    assert rows[3][9:] == [""] * 5


@pytest.mark.parametrize("name", ["real", "whole", "money", "length", "day"])
def test_a_single_missing_number_is_a_record_all_the_same(name: str) -> None:
    """A line with nothing in it is skipped by readers: the one empty field is quoted."""
    body = csv_text.serialize(resource(numbers(), Query(where={"g": 3}, metrics=name)))
    assert read_csv(body) == ([name], [[""]])
    assert len(pd.read_csv(io.BytesIO(body))) == 1


def one_number(values: list[float | int | None], kept: pa.DataType) -> Cube:
    """A group for each value; the largest of one value is itself."""
    schema = Schema("one", [Dimension("g")], {"most": maximum("value"), "rows": count()}, [Tree.parse("g")])
    return Cube(schema, pa.table({"g": pa.array(range(len(values)), pa.int64()), "value": pa.array(values, kept)}))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.none(), min_size=1, max_size=20))
def test_floats_read_back_the_same(values: list[float | None]) -> None:
    _, rows = read_csv(csv_text.serialize(resource(one_number(values, pa.float64()), Query("g"))))
    for value, row in zip(values, rows, strict=True):
        # A negative zero is a zero from when it is read.
        assert row[1] == ("" if value is None else repr(value + 0.0))
        if value is not None:
            assert float(row[1]) == value
            if value.is_integer() and abs(value) < 1e16:
                assert row[1].endswith(".0")


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.none(), min_size=1, max_size=20))
def test_whole_numbers_read_back_the_same(values: list[int | None]) -> None:
    _, rows = read_csv(csv_text.serialize(resource(one_number(values, pa.int64()), Query("g"))))
    assert [None if not row[1] else int(row[1]) for row in rows] == values


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(NASTY), max_size=12))
def test_any_members_are_read_back_from_both_formats(values: list[str | None]) -> None:
    made = members(tuple(values), null="the null", empty="the empty")
    found = resource(made, Query("d"))
    present = [value for value in values if value not in ("the null", "the empty")]
    _, rows = read_csv(csv_text.serialize(found))
    expected = [value or "the empty" for value in sorted({value for value in present if value is not None})]
    assert [row[0] for row in rows] == expected + ["the null"] * (None in values)
    assert [list(record.values()) for record in read_json(hal_json.serialize(found))] == rows


def test_time_and_several_dimensions_are_in_the_order_of_the_report() -> None:
    schema = Schema("two", [Dimension("a"), Dimension("b")], {"n": total("n")}, [Tree.parse("a\n  b")])
    table = pa.table({"a": ["x", "x", "y"], "b": [2, 10, 1], "n": [1, 2, 3]})
    body = csv_text.serialize(resource(Cube(schema, table), Query("a/b")))
    assert body == b"a,b,n\r\nx,2,1\r\nx,10,2\r\ny,1,3\r\n"
