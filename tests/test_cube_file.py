"""Cubes declared in TOML: everything that can be said."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cube_documents import document

from wolap import (
    Caps,
    Filter,
    Query,
    Tree,
    approximate_distinct,
    count,
    distinct,
    maximum,
    median,
    quantile,
    ratio,
    total,
)
from wolap.apis import declaration_path
from wolap.cube_file import CubeFile, load_cube, read_cube_file
from wolap.model.schema import Dimension, Time
from wolap.model.span import Span

EXAMPLE = Path(__file__).parents[1] / "examples" / "commits.toml"


def read(folder: Path, text: str) -> CubeFile:
    path = folder / "sales.toml"
    path.write_text(text, encoding="utf-8")
    return read_cube_file(path)


def test_the_example() -> None:
    found = read_cube_file(EXAMPLE)
    schema = found.schema
    assert (schema.name, schema.base, schema.title) == ("commits", "/commits/v1", "Development history")
    assert schema.time == Time("committed_at", ("year", "month", "day", "hour"), "UTC")
    assert [dimension.name for dimension in schema.dimensions] == ["repository", "folder", "ending", "change"]
    assert schema.dimension("folder").null == "(top)"
    assert schema.metrics["commits"] == distinct("commit")
    assert schema.metrics["deepest"] == maximum("depth", unit="path segments")
    assert schema.metrics["changes-per-commit"] == ratio("changes", "commits")
    assert found.facts == "commits.parquet"
    assert [one.name for one in found.projections] == ["year/month/day/repository/folder"]
    assert (found.strict, found.caps) == (False, Caps())


@pytest.mark.parametrize("name", ["esm-v3"])
def test_the_declarations_that_come_with_wolap(name: str) -> None:
    assert read_cube_file(declaration_path(name)).schema.metrics


WHOLE = '''
[cube]
name = "sales"
title = "Sales"
description = "All of them."
base = "/sales/v2"
aliases = ["/sales/report", "/sales/v1"]
zone = "Europe/Berlin"
facts = "facts/*.parquet"
strict = true
file_prefix = "report"
default_limit = 50
maximum_limit = 500
native_numbers = true

[time]
column = "sold_at"
column_zone = "-08:00"
levels = ["year", "quarter", "week"]
everywhere = true
default_spans = { year = "2 years", week = "6 weeks" }

[dimensions]
country = { column = "country_code", null = "(none)", empty = "(blank)", title = "Country" }
city = { parent = "country", description = "Where the shop is.", unit = "place" }

[metrics]
sales = "count"
priced = { count = "price" }
all = { count = true, title = "All" }
takings = { sum = "price", unit = "EUR" }
customers = { distinct = "customer", determines = ["country"] }
buyers = { distinct = "customer", keep = "set" }
about = { approximate_distinct = "customer", precision = 10 }
dear = { quantile = "price", probability = 0.9, accuracy = 0.02 }
dearest = { quantile = "price", probability = 1, accuracy = 0.02 }
usual = { median = "price", accuracy = 0.01, where = { country = "SE" } }
each = { ratio = ["takings", "sales"] }

[trees]
"text" = """
year
  country
"""
table = { paths = """
country
  city
""", audience = "staff" }
listed = { paths = ["year/quarter/week", "city"], metrics = ["sales", "each"] }

[[projections]]
dimensions = ["year", "quarter", "country"]

[[projections]]
name = "cities"
dimensions = "country/city"
metrics = ["sales", "takings"]

[[projections]]
name = "abroad"
dimensions = "quarter"
zone = "UTC"
where = { city = ["Rome", "N/A"] }
where_not = { country = ["de", "(none)"] }

[caps]
groups = 1000
facts = 2000
memory = 3000
'''


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    found = read(tmp_path, WHOLE)
    schema = found.schema
    assert (schema.title, schema.description, schema.base) == ("Sales", "All of them.", "/sales/v2")
    assert schema.aliases == ("/sales/report", "/sales/v1")
    assert (schema.file_prefix, schema.default_limit, schema.maximum_limit) == ("report", 50, 500)
    assert schema.native_numbers
    assert schema.time == Time(
        "sold_at",
        ("year", "quarter", "week"),
        "Europe/Berlin",
        "-08:00",
        True,
        {"year": Span(2, "year"), "week": Span(6, "week")},
    )
    assert schema.dimensions == (
        Dimension("country", "country_code", null="(none)", empty="(blank)", title="Country"),
        Dimension("city", parent="country", description="Where the shop is.", unit="place"),
    )
    assert dict(schema.metrics) == {
        "sales": count(),
        "priced": count("price"),
        "all": count(title="All"),
        "takings": total("price", unit="EUR"),
        "customers": distinct("customer", determines=["country"]),
        "buyers": distinct("customer", keep="set"),
        "about": approximate_distinct("customer", precision=10),
        "dear": quantile("price", 0.9, accuracy=0.02),
        "dearest": quantile("price", 1, accuracy=0.02),
        "usual": median("price", where={"country": "SE"}),
        "each": ratio("takings", "sales"),
    }
    assert schema.trees == (
        Tree((("year",), ("year", "country")), "text"),
        Tree((("country",), ("country", "city")), "table", audience="staff"),
        Tree(
            (("year",), ("year", "quarter"), ("year", "quarter", "week"), ("city",)),
            "listed",
            metrics=("sales", "each"),
        ),
    )
    assert [(one.name, one.dimensions, one.level) for one in found.projections] == [
        ("year/quarter/country", ("country",), "quarter"),
        ("cities", ("country", "city"), None),
        ("abroad", (), "quarter"),
    ]
    assert [one.zone.name for one in found.projections] == ["Europe/Berlin", "Europe/Berlin", "UTC"]
    assert found.projections[2].filters == (
        Filter("city", frozenset({"Rome", None})),
        Filter("country", frozenset({"de", None}), True),
    )
    assert found.projections[1].metrics == ("sales", "takings")
    assert (found.facts, found.strict, found.caps) == ("facts/*.parquet", True, Caps(1000, 2000, 3000))


def test_no_more_than_what_is_needed(tmp_path: Path) -> None:
    found = read(tmp_path, document())
    assert (found.schema.base, found.facts, found.projections) == ("/sales", None, ())
    assert found.schema.time == Time("at")
    timeless = read(tmp_path, document(time="", dimensions="country = {}", trees='main = "country"'))
    assert timeless.schema.time is None


def test_a_dimension_of_lists(tmp_path: Path) -> None:
    lists = document(
        dimensions="country = { multivalued = true }\ncity = {}", cube='name = "sales"\nfacts = "f.parquet"'
    )
    declared = read(tmp_path, lists)
    assert declared.schema.multivalued == {"country"}
    found = {"at": [datetime(2024, 1, 2)] * 2, "country": [["de", "at"], ["at"]], "city": ["x", "y"], "amount": [1, 2]}  # noqa: DTZ001
    pq.write_table(pa.table(found), tmp_path / "f.parquet")
    answer = load_cube(declared).answer(Query("country", metrics="amount")).to_pylist()
    assert answer == [{"country": "at", "amount": 3}, {"country": "de", "amount": 1}]
