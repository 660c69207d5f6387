"""JSON, XML and CSV of one report hold the same records, read back by libraries that are not ours (W24, W31, W46)."""

from __future__ import annotations

import gc
import json
import math
import weakref
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import orjson
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_cubes import NASTY, members, numbers, read_csv, read_json, resource

from wolap import Cube, Dimension, Query, Schema, Time, Tree, count, maximum, mean, total
from wolap.representations import csv_safe, csv_text, hal_json, hal_xml, records
from wolap.representations.resource import Resource

PICTURES = {chr(code): chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\t\n\r"}
PICTURES |= {"\ufffe": "\ufffd", "\uffff": "\ufffd"}

# Limits that decide how records are written: from arrays of texts, by polars, and by polars with the first dimensions
# as one column.
WAYS = {
    "woven": {"LARGE": 1 << 60},
    "written": {"LARGE": 0, "_STRETCH": 1 << 60},
    "folded": {"LARGE": 0, "_STRETCH": 0},
}


@pytest.fixture(params=list(WAYS))
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each way to write records, whatever the size of the report."""
    for name, value in WAYS[request.param].items():
        monkeypatch.setattr(records, name, value)
    return request.param


def read_xml(body: bytes) -> list[dict[str, str]]:
    """The records of a report, as expat reads them."""
    report = ET.fromstring(body).find("report")
    assert report is not None
    return [dict(record.attrib) for record in report]


def in_xml(text: str) -> str:
    """A text as XML 1.0 can hold it: pictures for control characters."""
    return "".join(PICTURES.get(sign, sign) for sign in text)


def agree(found: Resource) -> list[dict[str, Any]]:
    """The records, once they are the same in all formats."""
    body = hal_json.serialize(found)
    shown = read_json(body)
    assert orjson.loads(body)["report"] == shown
    header, rows = read_csv(csv_text.serialize(found))
    assert [list(record) for record in shown] == [header] * len(shown)
    plain = [["" if value is None else str(value) for value in record.values()] for record in shown]
    assert rows == plain
    in_marks = read_xml(hal_xml.serialize(found))
    assert [list(record) for record in in_marks] == [header] * len(shown)
    assert [list(record.values()) for record in in_marks] == [[in_xml(text) for text in row] for row in plain]
    return shown


def test_every_kind_of_number(way: str) -> None:
    assert len(agree(resource(numbers(), Query("g")))) == 4
    assert len(agree(resource(numbers(), Query()))) == 1


def test_every_nasty_member(way: str) -> None:
    shown = agree(resource(members(), Query("d")))
    assert {record["d"] for record in shown} == {value or {"": "(empty)", None: "N/A"}[value] for value in NASTY}


@pytest.mark.parametrize("native", [False, True])
def test_first_dimensions_that_stay_the_same_are_folded_away(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a byte differs, whether none, some or all dimensions are one column: also of numbers and dates that stand
    without quotes."""
    schema = Schema(
        "folds",
        [Dimension("flag"), Dimension("kind"), Dimension("size"), Dimension("each", null="none")],
        {"rows": count(), "mean": mean("n")},
        [Tree.parse("year\n  flag\n    kind\n      size\n        each")],
        Time("at", ("year", "month")),
        native_numbers=native,
    )
    rows = 240
    table = pa.table(
        {
            "at": pa.array([(row % 3) * 32 * 86_400 for row in range(rows)], pa.timestamp("s")),
            "flag": pa.array([bool(row % 2) for row in range(rows)]),
            "kind": pa.array([NASTY[row % 5] for row in range(rows)]),
            "size": pa.array([row % 4 / 2 for row in range(rows)]),
            "each": pa.array([None if row % 40 == 0 else row for row in range(rows)], pa.int64()),
            "n": pa.array(range(rows)),
        }
    )
    found = resource(Cube(schema, table), Query("year/flag/kind/size/each", include="month"))
    monkeypatch.setattr(records, "LARGE", 0)
    folded: list[int] = []
    fold = records._fold
    monkeypatch.setattr(records, "_fold", lambda *given: folded.append(fold(*given)) or folded[-1])
    bodies = set()
    for stretch in (1 << 60, 60, 16, 1, 0):
        monkeypatch.setattr(records, "_STRETCH", stretch)
        bodies.add(tuple(module.serialize(found) for module in (hal_json, hal_xml, csv_text, csv_safe)))
    assert len(bodies) == 1
    assert len(set(folded)) >= 4
    assert {min(folded), max(folded)} == {0, 6}


@given(st.lists(st.text(max_size=12) | st.sampled_from(NASTY), min_size=1, max_size=20))
def test_any_member(values: list[str | None]) -> None:
    found = resource(members(tuple(value for value in values if value not in ("N/A", "(empty)"))), Query("d"))
    for limits in WAYS.values():
        with patch.multiple(records, **limits):
            agree(found)


@given(st.lists(st.floats(width=64) | st.floats(1e-6, 1e18) | st.none(), min_size=1, max_size=30))
def test_all_ways_write_the_same_bytes(values: list[float | None]) -> None:
    metrics = {"most": maximum("x"), "rows": count(), "sum": total("n"), "mean": mean("n")}
    schema = Schema("one", [Dimension("g"), Dimension("t")], metrics, [Tree.parse("g\n  t")])
    rows = len(values)
    columns = {
        "g": pa.array(range(rows)),
        "t": pa.array([("a", "é", None, "<", '"')[row % 5] for row in range(rows)]),
        "x": pa.array(values, pa.float64()),
        "n": pa.array([None if row % 3 else (row - 7) * 10**row for row in range(rows)][:18] + [None] * (rows - 18)),
    }
    found = resource(Cube(schema, pa.table(columns)), Query("g/t"))
    for module in (hal_json, hal_xml, csv_text, csv_safe):
        bodies = set()
        for limits in WAYS.values():
            with patch.multiple(records, **limits):
                bodies.add(module.serialize(found))
        assert len(bodies) == 1


@given(st.lists(st.floats(*records._PLAIN_FLOATS, exclude_max=True), min_size=1, max_size=200))
def test_polars_writes_floats_as_python_does(values: list[float]) -> None:
    """What `records` rests on: within its bounds both write the shortest text, without an exponent."""
    signed = [sign * value for value in values for sign in (1, -1)] + [0.0, -0.0]
    written = pl.DataFrame({"x": signed}).write_csv(include_header=False).splitlines()
    assert written == list(map(repr, signed))


def test_floats_beyond_those_bounds_are_not_left_to_polars() -> None:
    for value in (math.nextafter(records._PLAIN_FLOATS[0], 0), records._PLAIN_FLOATS[1] * 10, 5e-324, 1e22):
        schema = Schema("one", [Dimension("g")], {"most": maximum("x")}, [Tree.parse("g")])
        cube = Cube(schema, pa.table({"g": pa.array([0]), "x": pa.array([value])}))
        assert agree(resource(cube, Query("g"))) == [{"g": "0", "most": repr(value)}]


def test_infinity_is_nothing_both_ways(way: str) -> None:
    schema = Schema("one", [Dimension("g")], {"most": maximum("x")}, [Tree.parse("g")])
    values = [math.inf, -math.inf, math.nan, 1e300, None, 2.0]
    cube = Cube(schema, pa.table({"g": pa.array(range(6)), "x": pa.array(values, pa.float64())}))
    shown = [record["most"] for record in agree(resource(cube, Query("g")))]
    assert shown == [None, None, None, "1e+300", None, "2.0"]


def test_native_numbers_both_ways(way: str) -> None:
    body = hal_json.serialize(resource(numbers(native=True), Query("g")))
    assert json.loads(body)["report"] == orjson.loads(body)["report"]
    assert json.loads(body)["report"][0]["whole"] == 2**63 - 1
    assert json.loads(body)["report"][3]["day"] is None


def test_a_large_report_is_the_same_as_its_parts(way: str) -> None:
    rows = 20_000
    schema = Schema(
        "large",
        [Dimension("member"), Dimension("kind", null="none")],
        {"rows": count(), "sum": total("n"), "mean": mean("n")},
        [Tree.parse("year\n  member\n    kind")],
        Time("at", ("year", "month")),
    )
    numbers_ = range(rows)
    table = pa.table(
        {
            "at": pa.array([(number % 700) * 86_400 for number in numbers_], pa.timestamp("s")),
            "member": pa.array([f'm"{number}' for number in numbers_]),
            "kind": pa.array([None if number % 3 else f"<{number % 7}>" for number in numbers_]),
            "n": pa.array([number if number % 4 else None for number in numbers_], pa.int64()),
        }
    )
    shown = agree(resource(Cube(schema, table), Query("year/member/kind", include="month")))
    assert len(shown) == rows
    assert sum(int(record["rows"]) for record in shown) == rows
    assert {record["member"] for record in shown} == set(table["member"].to_pylist())
    assert sum(int(record["sum"] or 0) for record in shown) == sum(number for number in numbers_ if number % 4)


# Members, and what a spreadsheet is given instead.
GUARDED = [
    ("=1+1", "'=1+1"),
    ('=HYPERLINK("http://x","y")', '\'=HYPERLINK("http://x","y")'),
    ("+1+2", "'+1+2"),
    ("-2+3", "'-2+3"),
    ("@SUM(A1)", "'@SUM(A1)"),
    ("＝1", "'＝1"),
    (" =1", "' =1"),
    ("\t=1", "'\t=1"),
    ("\tx", "'\tx"),
    ("\r\n=1", "'\r\n=1"),
    ("\x00=1", "'\x00=1"),
    ("+44 20 7946", "'+44 20 7946"),
    ("-", "'-"),
    ("-5", "-5"),
    ("+3.25", "+3.25"),
    ("a=1", "a=1"),
    ("1-2", "1-2"),
    ("'quoted", "'quoted"),
    ("", "(empty)"),
    (None, "N/A"),
    ("plain", "plain"),
]


@pytest.mark.parametrize(("member", "expected"), GUARDED)
def test_no_cell_is_run_by_a_spreadsheet(way: str, member: str | None, expected: str) -> None:
    found = resource(members((member,)), Query("d"))
    assert read_csv(csv_safe.serialize(found))[1] == [[expected, "1"]]
    plain = "(empty)" if member == "" else member or "N/A"
    assert read_csv(csv_text.serialize(found))[1] == [[plain, "1"]]


@pytest.mark.parametrize("member", [-1e-7, -1e22, -0.5])
def test_members_that_are_numbers_are_left_to_a_spreadsheet(way: str, member: float) -> None:
    schema = Schema("one", [Dimension("g", null="=none")], {"rows": count()}, [Tree.parse("g")])
    cube = Cube(schema, pa.table({"g": pa.array([member, None])}))
    assert read_csv(csv_safe.serialize(resource(cube, Query("g"))))[1] == [[repr(member), "1"], ["'=none", "1"]]


def test_a_number_that_is_spelled_like_the_label_of_null_is_a_number(way: str) -> None:
    schema = Schema("one", [Dimension("g", null="0")], {"rows": count()}, [Tree.parse("g")], native_numbers=True)
    whole = Cube(schema, pa.table({"g": pa.array([0, 1])}))
    shown = json.loads(hal_json.serialize(resource(whole, Query("g"))))["report"]
    assert [record["g"] for record in shown] == [0, 1]
    with_null = Cube(schema, pa.table({"g": pa.array([1, None])}))
    shown = json.loads(hal_json.serialize(resource(with_null, Query("g"))))["report"]
    assert [record["g"] for record in shown] == [1, "0"]


def test_what_was_made_of_members_goes_with_them() -> None:
    """Texts that are kept belong to the members, so that a cube that is dropped leaves nothing behind."""
    cube = members(("a", "b"))
    kept = weakref.ref(cube.snapshot.dictionaries.members["d"])
    agree(resource(cube, Query("d")))
    del cube
    gc.collect()
    assert kept() is None


def test_negative_numbers_are_left_to_a_spreadsheet() -> None:
    schema = Schema("one", [Dimension("g")], {"sum": total("n")}, [Tree.parse("g")])
    cube = Cube(schema, pa.table({"g": pa.array([-1, 2]), "n": pa.array([-3, 4])}))
    assert csv_safe.serialize(resource(cube, Query("g"))) == b"g,sum\r\n-1,-3\r\n2,4\r\n"
