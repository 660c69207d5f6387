"""A changed schema is told by where it changed, and by nothing that no number hangs on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wolap import Caps, Dimension, Schema, SchemaError, Time, Tree, count, declare_projection, total
from wolap.cube_file_text import cube_text
from wolap.model.span import Span
from wolap.storage.declaration import check_declaration

SCHEMA = Schema(
    "sales",
    [Dimension("city", parent="country"), Dimension("country")],
    {"sales": count(), "spent": total("spent"), "title": total("paid", where={"city": [None, "Ulm"]})},
    [Tree.parse("country")],
    Time("at", ("year", "day"), "Europe/Berlin"),
)
STORED = cube_text(SCHEMA, cluster=["country"])


def problems(schema: Schema, cluster: tuple[str, ...] = ("country",)) -> list[str]:
    with pytest.raises(SchemaError) as caught:
        check_declaration(STORED, cube_text(schema, cluster=cluster), "sales.cube")
    assert all("build the cube again into another folder" in str(one) for one in caught.value.problems)
    return [f"{one.place}: {one.found}" for one in caught.value.problems]


def test_what_is_only_shown_or_asked_may_change() -> None:
    dimensions = [replace(one, title="A title", unit="each") for one in SCHEMA.dimensions]
    metrics = {name: replace(one, description="of all") for name, one in SCHEMA.metrics.items()}
    metrics["sales"] = replace(metrics["sales"], every=Span(1, "day"))
    assert SCHEMA.time is not None
    time = replace(SCHEMA.time, everywhere=True, refresh={"day": Span(3, "hour")})
    changed = replace(
        SCHEMA, time=time, title="Sales", trees=[Tree.parse("city")], dimensions=dimensions, metrics=metrics
    )
    text = cube_text(
        changed,
        [declare_projection(changed, "day/city")],
        caps=Caps(7),
        cluster=["country"],
        strict=True,
        facts="x.csv",
    )
    assert "refresh" in text
    assert "every" in text
    check_declaration(STORED, text, "sales.cube")


def test_where_declarations_differ() -> None:
    dimensions = [Dimension("city"), Dimension("country", "land"), Dimension("shop")]
    metrics = {"sales": count(), "spent": total("paid"), "title": total("paid", where={"city": "Ulm"})}
    time = Time("at", ("year", "month"), "UTC")
    found = problems(replace(SCHEMA, dimensions=dimensions, metrics=metrics, time=time), ())
    assert found == [
        "cube.zone: is 'UTC', and 'Europe/Berlin' in sales.cube",
        "cube.cluster: is not declared, and '['country']' in sales.cube",
        "time.levels: is '['year', 'month']', and '['year', 'day']' in sales.cube",
        "dimensions.city.parent: is not declared, and 'country' in sales.cube",
        "dimensions.country.column: is 'land', and not declared in sales.cube",
        "dimensions.shop: is '{}', and not declared in sales.cube",
        "metrics.spent.sum: is 'paid', and 'spent' in sales.cube",
        "metrics.title.where.city: is '['Ulm']', and '['Ulm', {'null': True}]' in sales.cube",
    ]


def test_a_metric_named_as_a_key_that_is_shown_is_compared() -> None:
    metrics = {name: one for name, one in SCHEMA.metrics.items() if name != "title"}
    [found] = problems(replace(SCHEMA, metrics=metrics))
    assert found.startswith("metrics.title: is not declared, and '{")
