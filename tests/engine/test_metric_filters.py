"""Metrics that count some of the facts: what they may say, and that a filtered number is never another's."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from wolap import Cube, Dimension, Metric, Query, Schema, SchemaError, Time, Tree, count, distinct, ratio, total
from wolap.cube_file import load_cube, read_cube_file
from wolap.model.aggregate import Partial

FACTS = pa.table(
    {
        "at": pa.array([datetime(2024, 1, day, tzinfo=UTC) for day in (1, 1, 2, 2, 3)]),
        "event": ["failed", "granted", "failed", None, ""],
        "code": [1, 2, 1, 7, None],
        "user": ["ann", "bob", "ann", "bob", "eve"],
        "land": ["se", "no", "se", "dk", "se"],
    }
)


def schema(**metrics: Metric) -> Schema:
    return Schema(
        "logins",
        dimensions=[Dimension("event"), Dimension("code"), Dimension("land")],
        metrics=metrics,
        time=Time("at", ("year", "month", "day")),
        trees=[Tree.parse("year")],
    )


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (count(where={"event": "failed"}), 2),
        (count(where={"event": ["failed", "granted"]}), 3),
        (count(where_not={"event": "failed"}), 3),
        (count(where={"event": None}), 1),
        (count(where={"event": "N/A"}), 1),
        (count(where={"event": ""}), 1),
        (count(where={"event": "(empty)"}), 1),
        (count(where_not={"event": [None, ""]}), 3),
        (count(where={"event": "nobody"}), 0),
        (total("code", where={"event": "nobody"}), None),
        (count(where={"code": 1}), 2),
        (count(where={"code": "01"}), 2),
        (count(where={"code": 1.0}), 2),
        (count(where={"event": "failed", "code": 1}, where_not={"land": "no"}), 2),
        (count("code", where={"land": "se"}), 2),
        (total("code", where={"land": ["no", "dk"]}), 9),
        (distinct("user", where={"land": "se"}), 2),
        (distinct("user", where={"land": "fi"}), 0),
    ],
)
def test_a_filtered_metric_counts_those_facts_only(metric: Metric, expected: int | None) -> None:
    cube = Cube(schema(m=metric, rows=count()), FACTS)
    # The filtered dimensions are not stored, and need not be.
    cube.materialize("year", "year/month/day")
    plan = cube.explain(Query("", metrics=["m", "rows"]))
    right = [candidate.projection for candidate in plan.candidates if candidate.cost is not None]
    assert "facts" in right
    for name in right:
        one = replace(plan, pieces=(replace(plan.pieces[0], projection=name),))
        assert cube.snapshot.run(one).to_pylist() == [{"m": expected, "rows": 5}]


def test_groups_without_a_fact_that_counts_are_there() -> None:
    cube = Cube(schema(m=count(where={"event": "failed"}), n=total("code", where={"event": "failed"})), FACTS)
    found = cube.answer(Query("day")).to_pylist()
    assert found == [{"day": 1, "m": 1, "n": 1}, {"day": 2, "m": 1, "n": 1}, {"day": 3, "m": 0, "n": None}]


def test_a_stored_number_is_known_by_its_filter() -> None:
    cube = Cube(schema(rows=count(), failed=count(where={"event": "failed"}), rate=ratio("failed", "rows")), FACTS)
    cube.materialize("year/month", "year")
    held = cube.snapshot.sources["year"].whole.layout.columns
    assert sorted(map(str, held)) == ["count", "count where event in (failed)"]
    assert cube.answer(Query("year", metrics="rate")).to_pylist() == [{"year": 2024, "rate": 0.4}]


def test_values_that_python_calls_equal_are_told_apart() -> None:
    one = [count(where={"code": value}).partials[0] for value in (1, True, "1.0")]
    assert len(set(one)) == 3
    same = [count(where={"code": value, "land": ["a", "b"]}) for value in (1, "1")]
    assert same[0] == same[1] == count(where={"land": ["b", "a"], "code": [1]})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (date(2024, 2, 3), "2024-02-03"),
        (datetime(2024, 2, 3, 4, tzinfo=UTC), "2024-02-03T04:00:00"),
        (Decimal("1.50"), "1.5"),
        (0.1, "0.1"),
        (False, "false"),
        (None, None),
    ],
)
def test_members_are_kept_as_a_request_spells_them(value: Any, text: str | None) -> None:
    assert count(where={"x": value}).filters[0].values == {text}


def test_a_distinct_count_of_some_determines_nothing_of_all() -> None:
    facts = FACTS.set_column(4, "land", pa.array(["se", "no", "fi", "dk", "se"]))
    some = distinct("user", determines=["land"], where={"code": ["2"]})
    declared = schema(some=some, every=distinct("user"))
    assert declared.determined_by(some.partials[0]) == {"land"}
    assert declared.determined_by(Partial("distinct", "user")) == frozenset()
    cube = Cube(declared, facts)
    cube.materialize("land")
    assert cube.answer(Query("", metrics=["some", "every"])).to_pylist() == [{"some": 1, "every": 3}]
    with pytest.raises(SchemaError, match="lie under more than one land"):
        Cube(schema(every=distinct("user", determines=["land"])), facts)


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        (count(where={"day": "1"}), "metrics.m.where: 'day' is a level of time, and time is no filter of a metric"),
        (count(where_not={"evnt": "x"}), "metrics.m.where_not: 'evnt' is no dimension; dimensions are event, "),
        (count(where={"event": []}), "metrics.m.where: event has no member"),
        (Metric("ratio", operands=("n", "n"), filters=count(where={"land": "x"}).filters), "ratio takes no filters"),
    ],
)
def test_a_filter_that_cannot_be_is_refused(metric: Metric, told: str) -> None:
    with pytest.raises(SchemaError) as caught:
        schema(m=metric, n=count())
    assert told in str(caught.value)


def test_a_member_that_no_such_dimension_can_have_is_refused() -> None:
    with pytest.raises(SchemaError) as caught:
        Cube(schema(m=count(where={"code": "failed"}), n=count(where_not={"code": ["1", "two"]})), FACTS)
    assert str(caught.value).splitlines() == [
        "metrics.m.where: 'failed' is no member of code, whose kind is integer; a text that reads as integer",
        "metrics.n.where_not: 'two' is no member of code, whose kind is integer; a text that reads as integer",
    ]


FILE = """
cube = { name = "logins", facts = "facts.parquet" }
dimensions = { event = {}, code = {} }
trees = { main = "event" }
[metrics]
failed = { count = true, where = { event = "failed" } }
few = { sum = "code", where = { code = [1, "2"] }, where_not = { event = "N/A" } }
"""


def test_a_cube_file_declares_filters(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(FACTS, tmp_path / "facts.parquet")
    (tmp_path / "logins.toml").write_text(FILE, encoding="utf-8")
    declared = read_cube_file(tmp_path / "logins.toml")
    assert declared.schema.metrics["failed"] == count(where={"event": "failed"})
    assert declared.schema.metrics["few"] == total("code", where={"code": [1, 2]}, where_not={"event": "N/A"})
    assert load_cube(declared).answer(Query("")).to_pylist() == [{"failed": 2, "few": 4}]


def test_a_member_in_a_cube_file_is_a_scalar(tmp_path: Path) -> None:
    text = FILE.replace('[1, "2"]', "[1, { x = 2 }]").replace('"failed" }', "[] }")
    (tmp_path / "logins.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SchemaError) as caught:
        read_cube_file(tmp_path / "logins.toml")
    possible = "a member, or a list of members; null by its label, or as { null = true }"
    assert str(caught.value).splitlines() == [
        f"logins.toml: metrics.few.where.code: holds a table; {possible}",
        "logins.toml: metrics.failed.where: event has no member; one or several members, or leave it out",
    ]


def test_null_in_a_cube_file_is_told_from_a_member_with_its_label(tmp_path: Path) -> None:
    for said, values in (('"N/A"', {"N/A"}), ("{ null = true }", {None}), ('["N/A", {null = true}]', {"N/A", None})):
        path = tmp_path / "logins.toml"
        path.write_text(FILE.replace('"failed" }', f"{said} }}"), encoding="utf-8")
        [filtered] = read_cube_file(path).schema.metrics["failed"].filters
        assert filtered.values == values
