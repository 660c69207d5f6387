"""A small cube for the tests of the wire, with every kind of link and refusal in reach."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from wolap import Caps, Cube, Dimension, Principal, Schema, Time, Tree, count, distinct, mean, ratio, total
from wolap.web.endpoint import Endpoint, Request, Response

NOW = datetime(2024, 8, 20, 14, 35, 21, tzinfo=UTC)

# Ten sales of July and August. A customer is counted where the stored grain is exact.
COLUMNS = ("at", "country", "city", "kind", "customer", "amount")
ROWS = (
    ("2024-07-19T23:59:59", "DE", "Köln", "tea", "ann", 10),
    ("2024-07-20T00:00:00", "DE", "Köln", "tea", "ann", 20),
    ("2024-07-20T12:00:00", "DE", "Berlin", "coffee", "bob", 30),
    ("2024-07-31T23:00:00", "FR", "Paris", "tea", "cem", None),
    ("2024-08-01T00:00:00", "FR", "Paris", "coffee", "cem", 50),
    ("2024-08-19T08:30:00", "FR", 'L"Aquila,\r\n', "tea", "dan", 60),
    ("2024-08-20T10:00:00", None, None, "tea", "eve", 70),
    ("2024-08-20T14:35:20", "DE", "Berlin", "tea", "bob", 80),
    ("2024-08-20T14:35:21", "DE", "Berlin", "tea", "bob", 90),
    ("2024-08-20T20:00:00", "JP", "東京", "", "fay", 100),
)

TREE = """
year
  month
    day
      country
        city
    country
country
  city
    kind
"""
STAFF = """
kind
  country
year
  kind
"""


def facts(rows: tuple[tuple[Any, ...], ...] = ROWS) -> pa.Table:
    columns = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(COLUMNS, ())
    types = {name: pa.string() for name in COLUMNS} | {"amount": pa.int64()}
    table = pa.table({name: pa.array(columns[name], types[name]) for name in COLUMNS})
    return table.set_column(0, "at", table["at"].cast(pa.timestamp("us")))


def schema(**options: Any) -> Schema:
    given: dict[str, Any] = {
        "base": "/sales/v1",
        "aliases": ("/sales/report",),
        "dimensions": [Dimension("country"), Dimension("city"), Dimension("kind")],
        "metrics": {
            "sales": count(),
            "amount": total("amount"),
            "average": mean("amount"),
            "customers": distinct("customer"),
            "per-customer": ratio("amount", "customers"),
        },
        "time": Time("at", ("year", "month", "day")),
        "trees": [Tree.parse(TREE), Tree.parse(STAFF, name="staff", audience="staff", metrics=["sales", "amount"])],
    }
    return Schema("sales", **{**given, **options})


def cube(
    *projections: str,
    rows: tuple[tuple[Any, ...], ...] = ROWS,
    strict: bool = False,
    caps: Caps | None = None,
    **options: Any,
) -> Cube:
    made = Cube(schema(**options), facts(rows), strict=strict, caps=caps)
    if projections:
        made.materialize(*projections)
    return made


STAFF_MEMBER = Principal(audience="staff")


def ask(
    endpoint: Endpoint, target: str, method: str = "GET", principal: Principal | None = None, **headers: str
) -> Response:
    more = {} if principal is None else {"principal": principal}
    return endpoint.respond(Request(method, target, headers, **more), NOW)


def document(response: Response) -> dict[str, Any]:
    assert response.status == 200, response.body
    found: dict[str, Any] = json.loads(response.body)
    return found


def drill_downs(found: dict[str, Any]) -> list[dict[str, str]]:
    """What `drill-down` holds: nothing, one object or an array (W42)."""
    links = found["_links"].get("drill-down", [])
    return links if isinstance(links, list) else [links]
