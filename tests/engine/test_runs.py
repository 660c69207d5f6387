"""Runs, zones and clustered facts: what they take, what is looked at, and what is not tried twice."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pyarrow as pa
import pytest

from wolap import Cube, Dimension, Query, Schema, Time, Tree, count, declare_projection, total
from wolap.engine import dimensions, grouping, layout, source, zones
from wolap.engine.columns import COUNT, Column
from wolap.engine.keys import pack
from wolap.engine.lists import SomeMember
from wolap.engine.scan import Predicate, Scan
from wolap.engine.sizes import estimate_sizes
from wolap.model.projection import FACTS

DAY = 86_400_000_000
METRICS = {"rows": count(), **{f"m{number}": total(f"m{number}") for number in range(6)}}
SCHEMA = Schema(
    "lying",
    [Dimension("a"), Dimension("b")],
    METRICS,
    [Tree.parse("a")],
    Time("at", ("year", "month", "day", "hour")),
)


def facts(rows: int, days: int, *, is_sorted: bool = True) -> pa.Table:
    random = np.random.default_rng(3)
    at = random.integers(0, days * DAY, rows) + 1_709_000_000_000_000
    columns = {f"m{number}": random.integers(0, 1000, rows) for number in range(6)}
    return pa.table(
        {
            "at": pa.array(np.sort(at) if is_sorted else at, pa.timestamp("us", "UTC")),
            "a": random.zipf(1.5, rows) % 40,
            "b": random.integers(0, 7, rows),
            **columns,
        }
    )


# Bytes for each row, of numbers of 8: 6 metrics in the order of the rows, that of time, and what puts them in order.
@pytest.mark.parametrize(
    ("is_sorted", "cluster", "most"), [(True, (), 16), (False, (), 76), (True, ("a",), 72), (False, ("a",), 100)]
)
def test_no_column_is_put_in_order_twice(is_sorted: bool, cluster: tuple[str, ...], most: int) -> None:
    table = facts(1_000_000, 90, is_sorted=is_sorted)
    tracemalloc.start()
    try:
        Cube(SCHEMA, table, cluster=cluster)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak / table.num_rows < most


@pytest.mark.parametrize("cluster", [(), ("a",)])
@pytest.mark.parametrize("grain", ["year/month/day/hour", "year/month/day/a", "year/month"])
def test_estimates_count_rows_by_the_partitions_that_the_built_have(
    cluster: tuple[str, ...], grain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "_MOST_PARTITIONS", 50)
    cube = Cube(SCHEMA, facts(20_000, 20), cluster=cluster)
    held = cube.snapshot.sources[FACTS].whole
    [estimated] = estimate_sizes([declare_projection(cube.schema, grain)], held.layout, held.dictionaries)
    cube.materialize(grain)
    built = cube.projections[0].statistics
    assert built is not None
    assert (estimated.starts, estimated.rows_before) == (built.starts, built.rows_before)


def test_a_zone_that_does_not_fit_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # The sum of neither day fits 64 bits, that of both is 0. No layout counts as small.
    monkeypatch.setattr(grouping, "MOST_ROWS", 0)
    days = np.repeat([0, 1], 20_000)
    table = pa.table(
        {
            "at": pa.array(days * DAY + 1_709_000_000_000_000, pa.timestamp("us", "UTC")),
            "large": np.where(days, 1 << 62, -(1 << 62)),
            "small": np.ones(40_000, int),
        }
    )
    schema = Schema("large", [], {"large": total("large"), "small": total("small")}, [Tree.parse("day")], Time("at"))
    tried = []
    found = zones.zone_of

    def zone_of(held: layout.Layout, runs: layout.Runs, partials: list, add_up: zones.AddUp) -> layout.Layout | None:
        def added(scan, wanted):  # type: ignore[no-untyped-def]
            tried.append(wanted)
            return add_up(scan, wanted)

        return found(held, runs, partials, added)

    monkeypatch.setattr(source, "zone_of", zone_of)
    cube = Cube(schema, table)
    for metrics in (["large"], ["large", "small"], ["large"]):
        assert cube.answer(Query("", metrics=metrics)).table["large"].to_pylist() == [0]
    assert len(tried) == 1
    assert cube.answer(Query("", metrics=["small"])).table["small"].to_pylist() == [40_000]
    assert len(tried) == 2


def test_of_runs_only_those_of_the_interval_are_held_against_a_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    marked = []
    found = zones.kept_rows

    def kept_rows(offsets: np.ndarray, kept: np.ndarray, start: int, stop: int) -> np.ndarray:
        marked.append((len(kept), start, stop))
        return found(offsets, kept, start, stop)

    monkeypatch.setattr(dimensions, "kept_rows", kept_rows)
    for module in (dimensions, source):
        monkeypatch.setattr(module, "WORTH_ROWS", 100)
    table = facts(200_000, 10)
    cube, plain = Cube(SCHEMA, table, cluster=["a"]), Cube(SCHEMA, table)
    days = {"start": "2024-03-01", "end": "2024-03-03"}
    for asked in ({}, days):
        query = Query("year/month/day/b", where={"a": [1, 7]}, metrics=["rows", "m1"], **asked)
        assert cube.answer(query).table.equals(plain.answer(query).table)
    (every, *_), (few, start, stop) = marked
    assert 0 < few < every / 3
    assert 0 < start < stop < table.num_rows


def test_a_day_of_clustered_facts_is_planned_and_read_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    table = facts(400_000, 20)
    cube = Cube(SCHEMA, table, cluster=["a"])
    query = Query("a", start="2024-03-05", end="2024-03-06", metrics=["rows"])
    read = []
    scan_groups = source.scan_groups
    monkeypatch.setattr(source, "scan_groups", lambda scan, wanted: read.append(scan.rows) or scan_groups(scan, wanted))
    rows = sum(cube.answer(query).table["rows"].to_pylist())
    assert 0 < rows < table.num_rows / 15
    # No zone is worked out for so little, and no neighbouring day is counted.
    assert read == [rows]
    assert cube.snapshot.plan(query).cost.rows == rows
    whole = Query("a", metrics=["rows"])
    assert cube.answer(whole).table.equals(Cube(SCHEMA, table).answer(whole).table)
    read.clear()
    assert sum(cube.answer(query).table["rows"].to_pylist()) == rows
    assert read == [len(set(table["a"].to_pylist()))]


def test_what_is_kept_of_slices_is_told_by_them() -> None:
    codes = np.repeat(np.arange(100, dtype=np.uint8), 1_000)
    ranges = np.array([[7_000, 8_000], [50_000, 51_000]])
    few, half = Predicate(codes, np.arange(100) == 7), Predicate(codes, np.arange(100) < 50)
    keys = pack([], 0, len(codes))
    assert Scan(0, len(codes), keys, (few,), ranges=ranges).kept == 1_000
    assert 40_000 < Scan(0, len(codes), keys, (half,)).kept < 60_000


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 1])
def test_lists_of_few_facts_are_marked_as_those_of_all(share: float) -> None:
    random = np.random.default_rng(8)
    lengths = random.integers(1, 5, 5_000)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    lists = Column(random.integers(0, 20, offsets[-1]).astype(np.uint8), None, COUNT, members=20, offsets=offsets)
    condition = SomeMember(lists, np.arange(20) < 3)
    chosen = np.flatnonzero(random.random(4_000) < share)
    expected = [bool((lists.values[offsets[row] : offsets[row + 1]] < 3).any()) for row in chosen + 500]
    assert condition.mask(500, 4_500, chosen).tolist() == expected
