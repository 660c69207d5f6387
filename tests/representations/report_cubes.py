"""Reports that are hard to write: members with every sign that some format escapes, numbers of every type."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from wolap import Cube, Dimension, Metric, Query, Schema, Tree, count, maximum, mean, minimum, total
from wolap.model.query import settle
from wolap.representations.resource import Resource, describe

NASTY = (
    None,
    "",
    " ",
    ",",
    '"',
    '""',
    'a"b,c',
    "a\nb",
    "a\r\nb",
    "\r",
    "<script>alert('&')</script>",
    "&amp;",
    "\\",
    "\\u0041",
    "\x00",
    "\x01\x1f\x7f",
    "\t",
    "\x85\u2028\u2029",
    "\ufeff",
    "'; drop table --",
    "=1+1",
    "null",
    "NULL",
    "NaN",
    "true",
    "0",
    "é",
    "e\u0301",
    "東京",
    "👩‍👩‍👧",
    "שלום",
    "\u202eabc",
    "\U0010ffff",
)
NUMBERS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "whole": (pa.int64(), [2**63 - 1, -(2**63), 0, None]),
    "real": (pa.float64(), [0.1, 1e22, 5e-324, None]),
    "gap": (pa.float64(), [float("nan"), float("inf"), float("-inf"), None]),
    "money": (pa.decimal128(18, 3), [Decimal("12.500"), Decimal("-0.001"), Decimal("0.000"), None]),
    "length": (
        pa.duration("us"),
        [timedelta(seconds=90), timedelta(microseconds=-500_000), timedelta(0), None],
    ),
    "day": (pa.date32(), [date(2024, 2, 29), date(1, 1, 1), date(9999, 12, 31), None]),
    "moment": (
        pa.timestamp("us"),
        [datetime(2024, 2, 29, 1, 2, 3, 500_000), datetime(1969, 12, 31), datetime(2000, 1, 1), None],  # noqa: DTZ001
    ),
    "flag": (pa.bool_(), [True, False, None, None]),
}


def resource(cube: Cube, query: Query) -> Resource:
    """The resource of a query, without links."""
    return describe(cube.answer(settle(query, cube.schema)), cube.schema)


def members(values: tuple[str | None, ...] = NASTY, **labels: str) -> Cube:
    """One text dimension with these members, each in one fact."""
    schema = Schema("nasty", [Dimension("d", **labels)], {"rows": count()}, [Tree.parse("d")])
    return Cube(schema, pa.table({"d": pa.array(values, pa.string())}))


def numbers(native: bool = False) -> Cube:
    """Four facts, a group for each, whose metrics hold each kind of number, and none."""
    metrics: dict[str, Metric] = {name: maximum(name) for name in NUMBERS}
    metrics["whole-sum"] = total("whole")
    metrics["whole-mean"] = mean("whole")
    metrics["money-mean"] = mean("money")
    metrics["length-mean"] = mean("length")
    metrics["least-flag"] = minimum("flag")
    columns = {name: pa.array(values, kept) for name, (kept, values) in NUMBERS.items()}
    schema = Schema("numbers", [Dimension("g")], metrics, [Tree.parse("g")], native_numbers=native)
    return Cube(schema, pa.table({"g": pa.array([0, 1, 2, 3]), **columns}))


def read_csv(body: bytes) -> tuple[list[str], list[list[str]]]:
    """Header and rows, as Python's own module reads them."""
    header, *rows = csv.reader(io.StringIO(body.decode(), newline=""), strict=True)
    return header, rows


def read_json(body: bytes) -> list[dict[str, Any]]:
    """The records of a report, as Python's own module reads them."""
    found: list[dict[str, Any]] = json.loads(body)["report"]
    return found
