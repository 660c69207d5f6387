"""Any number of threads may ask while projections are built, and every answer is right."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier, Event

import pyarrow as pa
import pytest

from wolap import Cancelled, Cube, Dimension, NoAnswer, Query, Schema, SchemaError, Time, Tree, count, distinct, total

SCHEMA = Schema(
    "busy",
    dimensions=[Dimension("a"), Dimension("b")],
    metrics={"rows": count(), "plays": total("plays"), "users": distinct("user")},
    time=Time("at", ("year", "month", "day", "hour")),
    trees=[Tree.from_paths(["year/month/day/hour/a/b", "a/b"])],
)
ROWS = 5000
START = datetime(2024, 1, 1, tzinfo=UTC)
PATHS = ["", "a", "b/a", "year/month", "day/a", "year/month/day/hour", "hour/b", "month/a/day"]
STORED = ["year/month/day/hour/a/b", "year/month/day/a", "year/month/a", "a/b", "year", "a", "day/b", "hour"]


def facts() -> pa.Table:
    """Facts over some weeks."""
    numbers = range(ROWS)
    return pa.table(
        {
            "at": pa.array([START + timedelta(minutes=7 * number) for number in numbers], pa.timestamp("us", "UTC")),
            "a": [f"a{number % 7}" for number in numbers],
            "b": [None if number % 11 == 0 else f"b{number % 5}" for number in numbers],
            "plays": list(numbers),
            "user": [number * number % 101 for number in numbers],
        }
    )


def test_answers_are_right_while_projections_are_built() -> None:
    queries = [Query(path, metrics=["rows", "plays"]) for path in PATHS]
    right = [Cube(SCHEMA, facts()).answer(query).table for query in queries]
    cube = Cube(SCHEMA, facts())
    together = Barrier(8)
    built = Event()

    def ask(first: int) -> set[int]:
        together.wait()
        versions: set[int] = set()
        rounds = 0
        while rounds < 3 or not built.is_set():
            for step in range(len(queries)):
                place = (first + step) % len(queries)
                result = cube.answer(queries[place])
                versions.add(result.plan.version)
                assert result.table.equals(right[place])
            rounds += 1
        return versions

    def build() -> None:
        together.wait()
        try:
            cube.materialize(*STORED)
        finally:
            built.set()

    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask, first) for first in range(7)]
        pool.submit(build).result()
        seen = set().union(*(one.result() for one in asking))
    assert cube.snapshot.catalog.version in seen
    assert all(one.statistics is not None for one in cube.projections)


def test_threads_that_build_at_once_all_have_their_projection() -> None:
    cube = Cube(SCHEMA, facts())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(cube.materialize, STORED))
    assert {one.name for one in cube.projections} == {*STORED, "facts"}
    assert all(one.statistics is not None for one in cube.projections)
    right = Cube(SCHEMA, facts())
    for path in PATHS:
        query = Query(path, metrics=["rows", "plays"])
        assert cube.answer(query).table.equals(right.answer(query).table)


def test_one_name_is_declared_by_one_thread_only() -> None:
    cube = Cube(SCHEMA, facts())

    def declare(_: int) -> bool:
        try:
            cube.declare("year/a")
        except SchemaError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(declare, range(8))) == 1
    assert [one.name for one in cube.projections] == ["year/a", "facts"]


def test_a_snapshot_stays_as_it_was() -> None:
    cube = Cube(SCHEMA, facts(), strict=True)
    before = cube.snapshot
    cube.materialize("a")
    query = Query("a", metrics="plays")
    assert cube.answer(query).plan.pieces[0].projection == "a"
    assert [one.name for one in before.catalog.projections] == ["facts"]
    with pytest.raises(NoAnswer):
        before.plan(query)


def test_what_is_cancelled_leaves_what_was_built() -> None:
    cube = Cube(SCHEMA, facts())
    cancel = Event()
    with pytest.raises(Cancelled):
        cube.materialize("a", "b", progress=lambda _: cancel.set(), cancel=cancel)
    assert [one.statistics is not None for one in cube.projections] == [True, False, True]
    for path in ["", "a", "hour", "day/b"]:
        with pytest.raises(Cancelled):
            cube.answer(Query(path, metrics="users"), cancel=cancel)
