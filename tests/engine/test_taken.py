"""Reports at the grain of a projection take its rows as they are, and no other report does."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from wolap import Cube, Dimension, Query, Schema, Time, Tree, count, declare_projection, mean, minimum, total, variance
from wolap.engine import grouping, source
from wolap.model.projection import FACTS

GRAIN = "year/month/day/a/b/c"
SCHEMA = Schema(
    "taken",
    [Dimension("a"), Dimension("b"), Dimension("c")],
    {
        "rows": count(),
        "sum": total("number"),
        "least": minimum("holes"),
        "mean": mean("holes"),
        "spread": variance("real"),
    },
    [Tree.from_paths([tuple(GRAIN.split("/"))])],
    Time("at", ("year", "month", "day", "hour")),
)


@pytest.fixture(scope="module")
def cube() -> Cube:
    random, rows = np.random.default_rng(5), 30_000
    table = pa.table(
        {
            "at": pa.array(random.integers(0, 9 * 86_400, rows), pa.timestamp("s", "UTC")),
            "a": [f"a{number}" for number in random.integers(0, 6, rows)],
            "b": [None if number == 3 else f"b{number}" for number in random.integers(0, 5, rows)],
            "c": [f"c{number}" for number in random.integers(0, 4, rows)],
            "number": random.integers(-9, 9, rows),
            "holes": pa.array(random.integers(0, 99, rows), mask=random.random(rows) < 0.9),
            "real": random.normal(0, 1, rows),
        }
    )
    cube = Cube(SCHEMA, table)
    cube.materialize(declare_projection(SCHEMA, GRAIN))
    return cube


TAKEN = [
    (GRAIN, {}, {}),
    (GRAIN, {"b": [None]}, {}),
    ("year/month/day/b/c", {"a": ["a1"]}, {}),
    ("year/month/day/a/c", {"b": [None]}, {"start": "1970-01-03", "end": "1970-01-08"}),
    ("a/year/month/day/b/c", {"a": ["a1"]}, {}),
    ("month/day/c", {"a": ["a1"], "b": ["b1"]}, {}),
    (GRAIN, {"a": ["none such"]}, {}),
]
ADDED_UP = [
    ("year/month/day/b/a/c", {}, {}),
    ("a/year/month/day/b/c", {}, {}),
    ("day/year/month/a/b/c", {}, {"start": "1970-01-01", "end": "1970-01-02"}),
    ("year/month/day/b/c", {"a": ["a1", "a2"]}, {}),
    ("year/month/a/b/c", {}, {}),
    ("a/b/c", {}, {"start": "1970-01-03", "end": "1970-01-04"}),
    ("", {"a": ["none such"]}, {}),
]


@pytest.mark.parametrize(("path", "where", "asked", "is_taken"), [
    *((*one, True) for one in TAKEN),
    *((*one, False) for one in ADDED_UP),
])  # fmt: skip
def test_rows_are_groups(
    cube: Cube,
    path: str,
    where: dict[str, list[str | None]],
    asked: dict[str, str],
    is_taken: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grouping, "MOST_ROWS", 0)
    calls = []
    take_rows = source.take_rows
    monkeypatch.setattr(source, "take_rows", lambda *given: calls.append(1) or take_rows(*given))
    query = Query(path, where=where, metrics=["rows", "sum", "least", "mean"], **asked)
    snapshot = cube.snapshot
    stored, facts = (snapshot.run(snapshot.plan(query, among=(name,))) for name in (GRAIN, FACTS))
    assert stored.table.equals(facts.table)
    # An interval of one day has one bucket, which is in any order.
    assert bool(calls) is (is_taken or path.startswith("day/"))
    calls.clear()
    joint = Query(path, where=where, metrics=["spread"], **asked)
    assert cube.verify(joint)
    assert not calls
