"""Bodies to the byte: golden/ holds one file for each small report.

Where a body is meant to change, write the files anew and look at the difference:

    WOLAP_GOLDEN=write python -m pytest tests/representations/test_golden.py; git diff tests/representations/golden
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from report_cubes import members, numbers

from wolap import Cube, Dimension, Query, Schema, Time, Tree, count, mean, total
from wolap.model.query import settle
from wolap.representations import csv_safe, csv_text, hal_json, hal_xml, html_page
from wolap.representations.resource import Resource, Surroundings, describe

FOLDER = Path(__file__).parent / "golden"
# The style of a page is no part of what a report is.
STYLE = re.compile(b"(?<=<style>).*?(?=</style>)", re.DOTALL)
SERIALIZERS: dict[str, Callable[[Resource], bytes]] = {
    ".json": hal_json.serialize,
    ".xml": hal_xml.serialize,
    ".csv": csv_text.serialize,
    ".safe.csv": csv_safe.serialize,
    ".html": lambda resource: STYLE.sub(b"", html_page.serialize(resource)),
}


def months() -> Resource:
    """Months by platform in a zone of its own, with every kind of link, a filter and a limit."""
    schema = Schema(
        "clients",
        [Dimension("platform", null="(unknown)")],
        {"clients": total("n"), "records": count(), "mean": mean("n")},
        [Tree.parse("year\n  month\n    platform\n    day")],
        Time("at", ("year", "month", "day"), "America/Los_Angeles"),
        base="/esm/v3",
    )
    rows = [
        ("2024-07-01T06:59:59", "iOS", 1),
        ("2024-07-01T07:00:00", "iOS", 2),
        ("2024-07-02T00:00:00", None, 4),
        ("2024-08-01T06:59:59", 'Apple "TV"', 8),
        ("2024-08-01T07:00:00", "iOS", None),
        ("2024-08-02T00:00:00", "web, old", 16),
    ]
    at, platform, n = zip(*rows, strict=True)
    table = pa.table({"at": pa.array(at).cast(pa.timestamp("s")), "platform": platform, "n": pa.array(n, pa.int64())})
    cube = Cube(schema, table)
    query = Query(
        "year/month",
        include="platform",
        where_not={"platform": "web, old"},
        start="2024-07",
        end="2024-08-20T14:35:21",
        limit=1000,
    )
    asked = settle(query, cube.schema)
    around = Surroundings(
        schema.forest(None), lambda path: True, "/reports", frozenset({"start", "end"}), filters=asked.filters
    )
    return describe(cube.answer(asked), cube.schema, around)


def whole(cube: Cube, query: Query) -> Resource:
    around = Surroundings(cube.schema.forest(None), lambda path: True)
    return describe(cube.answer(settle(query, cube.schema)), cube.schema, around)


REPORTS: dict[str, Callable[[], Resource]] = {
    "months": months,
    "members": lambda: whole(members(), Query("d")),
    "numbers": lambda: whole(numbers(), Query("g")),
    "native": lambda: whole(numbers(native=True), Query("g")),
}


@pytest.mark.parametrize("ending", SERIALIZERS)
@pytest.mark.parametrize("name", REPORTS)
def test_golden(name: str, ending: str) -> None:
    body, path = SERIALIZERS[ending](REPORTS[name]()), FOLDER / f"{name}{ending}"
    if os.environ.get("WOLAP_GOLDEN") == "write":
        path.write_bytes(body)
    assert body == path.read_bytes()


def test_every_golden_file_is_of_a_report() -> None:
    expected = {f"{name}{ending}" for name in REPORTS for ending in SERIALIZERS}
    assert {path.name for path in FOLDER.iterdir()} - {".gitattributes"} == expected
