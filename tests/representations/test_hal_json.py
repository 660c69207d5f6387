"""HAL as JSON (W42): what is written is read back by Python and orjson."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_cubes import NASTY, members, numbers, read_csv, read_json, resource

from wolap import Cube, Dimension, Query, Schema, Tree, count, maximum
from wolap.model.forest import Forest
from wolap.model.query import settle
from wolap.representations import csv_text, hal_json
from wolap.representations.resource import Surroundings, describe

LABELS = {None: "N/A", "": "(empty)"}


def test_nasty_members_are_read_back() -> None:
    body = hal_json.serialize(resource(members(), Query("d")))
    present = sorted(value for value in NASTY if value is not None)
    expected = [{"d": LABELS.get(value, value), "rows": "1"} for value in [*present, None]]
    assert json.loads(body)["report"] == expected
    assert orjson.loads(body)["report"] == expected


def test_more_members_than_are_escaped_at_once() -> None:
    values = tuple(f'"{number}\\\x01é' for number in range(20_000))
    found = resource(members(values), Query("d", limit=3))
    assert [record["d"] for record in read_json(hal_json.serialize(found))] == sorted(values)[:3]


def test_an_empty_report() -> None:
    assert json.loads(hal_json.serialize(resource(members(()), Query("d")))) == {
        "_links": {"self": {"href": "/nasty/d?metrics=rows"}},
        "report": [],
    }


def test_all_values_are_strings_or_null() -> None:
    for record in read_json(hal_json.serialize(resource(numbers(), Query("g")))):
        assert {type(value) for value in record.values()} <= {str, type(None)}


def test_json_and_csv_hold_the_same_records() -> None:
    for made, query in ((numbers(), Query("g")), (numbers(), Query()), (members(), Query("d"))):
        found = resource(made, query)
        header, rows = read_csv(csv_text.serialize(found))
        records = read_json(hal_json.serialize(found))
        assert all(list(record) == header for record in records)
        assert [["" if value is None else value for value in record.values()] for record in records] == rows


def test_native_numbers_are_those_of_the_texts() -> None:
    texts = read_json(hal_json.serialize(resource(numbers(), Query("g"))))
    body = hal_json.serialize(resource(numbers(native=True), Query("g")))
    natives = json.loads(body, parse_int=str, parse_float=str)["report"]
    assert natives == texts
    first = json.loads(body)["report"][0]
    assert first["whole"] == 2**63 - 1
    assert first["money"] == 12.5
    assert first["day"] == "2024-02-29"
    assert first["moment"] == "2024-02-29T01:02:03.5"
    assert first["gap"] is None
    assert orjson.loads(body)["report"][1]["whole"] == -(2**63)


def one_number(values: list[Any], kept: pa.DataType, native: bool) -> Cube:
    metrics = {"most": maximum("value"), "rows": count()}
    schema = Schema("one", [Dimension("g")], metrics, [Tree.parse("g")], native_numbers=native)
    return Cube(schema, pa.table({"g": pa.array(range(len(values)), pa.int64()), "value": pa.array(values, kept)}))


@given(st.lists(st.floats(), min_size=1, max_size=20), st.booleans())
def test_floats_read_back_the_same(values: list[float], native: bool) -> None:
    records = read_json(hal_json.serialize(resource(one_number(values, pa.float64(), native), Query("g"))))
    for value, record in zip(values, records, strict=True):
        if value - value != 0:
            assert record["most"] is None
        else:
            assert record["most"] == (value if native else repr(value + 0.0))


@given(st.lists(st.decimals(-(10**11), 10**11, places=4, allow_nan=False), min_size=1, max_size=10), st.booleans())
def test_decimals_are_plain_and_exact(values: list[Any], native: bool) -> None:
    """W31: the text that the same value has as a member, without an exponent and without zeros at its end."""
    body = hal_json.serialize(resource(one_number(values, pa.decimal128(18, 4), native), Query("g")))
    found = json.loads(body, parse_float=str, parse_int=str)["report"]
    assert [Decimal(record["most"]) for record in found] == values
    assert all(re.fullmatch(r"-?\d+(\.\d*[1-9])?", record["most"]) for record in found)


@given(st.lists(st.timedeltas(-timedelta(days=9999), timedelta(days=9999)), min_size=1, max_size=10))
def test_durations_are_seconds(values: list[timedelta]) -> None:
    records = read_json(hal_json.serialize(resource(one_number(values, pa.duration("us"), False), Query("g"))))
    for value, record in zip(values, records, strict=True):
        whole, _, fraction = record["most"].removeprefix("-").partition(".")
        microseconds = int(whole) * 1_000_000 + int(fraction.ljust(6, "0") or 0)
        assert timedelta(microseconds=-microseconds if record["most"].startswith("-") else microseconds) == value


@pytest.mark.parametrize(
    ("trees", "expected"),
    [
        ("", {}),
        ("d", {"roll-up": {"href": "/m/nasty", "name": "nasty"}}),
        (
            "d\n  e.f",
            {
                "roll-up": {"href": "/m/nasty", "name": "nasty"},
                "drill-down": {"href": "/m/nasty/d/e.f", "name": "e.f"},
            },
        ),
        (
            "d\n  e.f\n  hidden\n  g",
            {
                "roll-up": {"href": "/m/nasty", "name": "nasty"},
                "drill-down": [{"href": "/m/nasty/d/e.f", "name": "e.f"}, {"href": "/m/nasty/d/g", "name": "g"}],
            },
        ),
    ],
)
def test_links(trees: str, expected: dict[str, Any]) -> None:
    made = members()
    query = settle(Query("d", where={"d": 'a"b,c'}, limit=5), made.schema)
    around = Surroundings(Forest((Tree.parse(trees),)), lambda path: bool(trees) and "hidden" not in path, "/m")
    found = describe(made.answer(query), made.schema, around)
    links = json.loads(hal_json.serialize(found))["_links"]
    assert links.pop("self") == {"href": "/m/nasty/d?d=a%22b,c&limit=5&metrics=rows"}
    assert links == expected
