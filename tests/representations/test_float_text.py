"""One text of a float in every format and at every size: the shortest that reads back as it, as Python has it (W31).

Nothing is made small here: the large reports are those that polars writes.
"""

from __future__ import annotations

import json
import math
import re
import sys
import xml.etree.ElementTree as ET
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from report_cubes import read_csv, read_json, resource

from wolap import Cube, Dimension, Query, Schema, Tree, maximum, mean, minimum
from wolap.representations import csv_safe, csv_text, hal_json, hal_xml, html_page, records
from wolap.representations.resource import Resource
from wolap.web.body import LARGE as STREAMED
from wolap.web.body import STREAMS

HARD = [
    *(
        0.0,
        -0.0,
        1.0,
        0.1,
        1 / 3,
        0.1 + 0.2,
        2.5e-5,
        1e-4,
        1e-5,
        1e-6,
        1e-7,
        9.999999999999999e-5,
        0.00012345678901234567,
    ),
    *(1e14, 999999999999999.9, 1e15, 1e16, 123456789012345680.0, 1e21, 1e22, 1e23, 4.35, 2.675, 100.0, 1e100),
    *(2.0**53, 2.0**53 + 1, 2.0**53 + 2, float(2**63), 5e-324, 2.225073858507201e-308, sys.float_info.min),
    *(
        sys.float_info.max,
        math.nextafter(1, 2),
        math.nextafter(1e-4, 0),
        math.nextafter(1e15, 0),
        math.nextafter(1e15, 2e15),
    ),
    *(math.nextafter(1e16, 0), math.pi * 1e-5, math.pi * 1e15, math.pi * 1e16, 299792.458, 6.02214076e23),
]
VALUES = HARD + [-value for value in HARD]
SMALL, LARGE = len(VALUES), records.LARGE
# Values of a group whose extremes and mean are each that value.
METRICS = {"most": maximum("x"), "least": minimum("x"), "mean": mean("x")}


@cache
def report(rows: int, native: bool = False) -> tuple[Resource, list[str]]:
    """Each value in a record of its own, again and again; and the text that is expected of each."""
    schema = Schema("floats", [Dimension("g")], METRICS, [Tree.parse("g")], native_numbers=native)
    values = np.resize(np.array(VALUES), rows)
    found = resource(Cube(schema, pa.table({"g": pa.array(range(rows)), "x": values})), Query("g"))
    # A negative zero is a zero from when it is read.
    return found, [repr(value + 0.0) for value in values.tolist()]


@pytest.mark.parametrize("rows", [1, SMALL, LARGE, STREAMED])
def test_metrics(rows: int) -> None:
    found, expected = report(rows)
    texts = [[text] * len(METRICS) for text in expected]
    assert [list(record.values())[1:] for record in read_json(hal_json.serialize(found))] == texts
    assert [
        list(record.attrib.values())[1:] for record in ET.fromstring(hal_xml.serialize(found)).iter("record")
    ] == texts
    for module in (csv_text, csv_safe):
        assert [row[1:] for row in read_csv(module.serialize(found))[1]] == texts
    for name, module in (("json", hal_json), ("xml", hal_xml), ("csv", csv_text), ("csv-safe", csv_safe)):
        assert b"".join(STREAMS[name](found)) == module.serialize(found)


@pytest.mark.parametrize("rows", [1, SMALL, LARGE])
def test_bare_numbers(rows: int) -> None:
    found, expected = report(rows, native=True)
    shown = json.loads(hal_json.serialize(found), parse_float=str)["report"]
    assert [list(record.values())[1:] for record in shown] == [[text] * len(METRICS) for text in expected]


@pytest.mark.parametrize("rows", [1, SMALL, LARGE])
def test_the_page_for_people_has_the_same_digits(rows: int) -> None:
    found, expected = report(rows)
    cells = re.findall('<td class="n">([^<]*)</td>', html_page.serialize(found).decode())
    assert [cell.replace(",", "") for cell in cells] == [text for text in expected for _ in METRICS]


@pytest.mark.parametrize("way", [0, 1 << 60])
def test_members(way: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A float that is grouped by is written as one that is counted."""
    monkeypatch.setattr(records, "LARGE", way)
    values = sorted({value + 0.0 for value in VALUES})
    schema = Schema("floats", [Dimension("g")], {"most": maximum("x")}, [Tree.parse("g")])
    found = resource(Cube(schema, pa.table({"g": values, "x": values})), Query("g"))
    expected = [[repr(value)] * 2 for value in values]
    assert [list(record.values()) for record in read_json(hal_json.serialize(found))] == expected
    assert [
        list(record.attrib.values()) for record in ET.fromstring(hal_xml.serialize(found)).iter("record")
    ] == expected
    for module in (csv_text, csv_safe):
        assert read_csv(module.serialize(found))[1] == expected


@pytest.mark.parametrize("rows", [SMALL, LARGE])
def test_what_is_written_reads_back(rows: int) -> None:
    """Not only as Python writes it: the very number."""
    found, _ = report(rows)
    most = next(column for column in found.report.metrics if column.name == "most")
    shown = [float(record["most"]) for record in read_json(hal_json.serialize(found))]
    assert np.array_equal(np.array(shown), most.values)
