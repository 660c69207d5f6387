"""What is known of a cube whose facts change: counts are those of its rows, though no row is looked at twice."""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wolap import (
    Cube,
    Dimension,
    Query,
    QueryError,
    Schema,
    SchemaError,
    Time,
    Tree,
    count,
    declare_projection,
    distinct,
    total,
)
from wolap.engine import layout, moments, revise
from wolap.engine.gather import Chosen
from wolap.model.interval import Interval

SCHEMA = Schema(
    "visits",
    dimensions=[Dimension("city"), Dimension("tag", multivalued=True)],
    metrics={"rows": count(), "seconds": total("seconds"), "people": distinct("person")},
    time=Time("at", ("year", "month", "day", "hour"), "Europe/Berlin"),
    trees=[Tree.parse("year\n  month\n    day\n      city")],
)
BEGIN = datetime(2024, 3, 20)  # noqa: DTZ001
HOURS = st.lists(st.integers(0, 24 * 40), max_size=30)


def facts(hours: list[int]) -> pa.Table:
    return pa.table(
        {
            "at": pa.array([BEGIN + timedelta(hours=hour) for hour in hours], pa.timestamp("us")),
            "city": pa.array([f"c{hour % 3}" for hour in hours], pa.string()),
            "tag": pa.array([[f"t{hour % 5}"] * (hour % 3) for hour in hours], pa.list_(pa.string())),
            "seconds": pa.array(hours, pa.int64()),
            "person": pa.array([f"p{hour % 7}" for hour in hours], pa.string()),
        }
    )


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments, "_PARTITION_ROWS", 0)
    monkeypatch.setattr(revise, "_MOST_SEGMENTS", 3)


@settings(max_examples=25)
@given(st.lists(HOURS, min_size=2, max_size=5), st.sampled_from([1, 5, 10_000]), st.data())
def test_counts_by_partition_are_never_too_low(batches: list[list[int]], partitions: int, data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patched:
        # Partitions that rows are counted by may be coarser than those that are made anew.
        patched.setattr(layout, "_MOST_PARTITIONS", partitions)
        cube = Cube(SCHEMA, facts(batches[0]))
        cube.materialize("year/month/day/hour/city", "year/month/day/tag", "year/month", "city")
        for batch in batches[1:]:
            cube.append(facts(batch))
        cube.delete({"city": "c1"})
    for one in cube.projections:
        source, statistics = cube.snapshot.sources[one.name], one.statistics
        assert statistics is not None
        whole = source.whole.layout
        assert statistics.rows == whole.rows == sum(segment.rows for segment in source.segments)
        assert list(statistics.starts) == sorted(statistics.starts)
        assert list(statistics.rows_before) == sorted(statistics.rows_before)
        assert len(statistics.rows_before) == len(statistics.starts) + 1
        if whole.time is None:
            continue
        span = cube.snapshot.catalog.span
        ends = [data.draw(st.integers(span.start - 1, span.end + 1)) for _ in range(2)]
        asked = Interval(min(ends), max(ends))
        first, last = whole.time.rows_in(asked)
        assert statistics.rows_in(asked) >= last - first


def test_what_is_said_of_a_change() -> None:
    cube = Cube(SCHEMA, facts([0, 1, 30, 60]))
    cube.materialize("year/month/day/city")
    done = cube.append(facts([2, 31]))
    assert (done.added, done.removed, len(done.stretches), done.version) == (2, 0, 1, cube.snapshot.catalog.version)
    assert cube.append(facts([])).stretches == ()
    done = cube.replace(facts([5]), "2024-03-20", "2024-03-21")
    assert (done.added, done.removed) == (1, 3)
    assert cube.retain("2024-03-21").removed == 1
    assert cube.delete({"person": "p3"}).removed == 1
    assert cube.delete({"person": "p3"}).removed == 0
    assert cube.delete({"person": "nobody"}).removed == 0


def test_changes_that_cannot_be() -> None:
    cube = Cube(SCHEMA, facts([0, 1, 30]))
    before = cube.snapshot
    with pytest.raises(QueryError, match="nothing is said of which facts to delete"):
        cube.delete()
    with pytest.raises(QueryError, match="'town' is nothing that facts can be deleted by"):
        cube.delete({"town": "c1"})
    with pytest.raises(QueryError, match="day' cannot be filtered by value"):
        cube.delete({"day": "1"})
    with pytest.raises(QueryError, match="facts without 'person' cannot be told by it"):
        cube.delete({"person": None})
    with pytest.raises(SchemaError, match="1 of 2 facts lie outside of the interval"):
        cube.replace(facts([1, 30]), "2024-03-20", "2024-03-21")
    with pytest.raises(QueryError, match="is not before end"):
        cube.replace(facts([1]), "2024-03-21", "2024-03-21")
    with pytest.raises(QueryError, match="since 'yesterday' is not an ISO 8601 date"):
        cube.retain("yesterday")
    with pytest.raises(SchemaError, match="the facts have no column 'city'"):
        cube.append(facts([1]).drop_columns("city"))
    assert cube.snapshot is before
    timeless = Cube(Schema("c", [Dimension("city")], {"rows": count()}, [Tree.parse("city")]), facts([1]))
    with pytest.raises(QueryError, match="has no time that facts could be told by"):
        timeless.retain("2024")
    assert timeless.append(facts([2, 3])).added == 2


def test_a_change_of_all_days_is_gathered_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revise, "_LARGE", 40)
    monkeypatch.setattr(revise, "_MOST_SEGMENTS", 100)
    cube = Cube(SCHEMA, facts([]))
    for day in range(8):
        cube.append(facts([24 * day + hour for hour in range(24)]))
    gathered: list[int] = []
    in_order = revise.in_order
    monkeypatch.setattr(
        revise, "in_order", lambda parts, *given: gathered.append(sum(map(rows_of, parts))) or in_order(parts, *given)
    )
    assert cube.delete({"person": "p3"}).removed == 27
    assert len(gathered) >= 8
    assert max(gathered) <= 40
    assert max(segment.rows for segment in cube.snapshot.sources["facts"].segments) <= 40


def rows_of(part: Chosen) -> int:
    return part.rows


def test_nothing_is_left_of_facts_that_were_replaced_once_they_are_deleted() -> None:
    cube = Cube(SCHEMA, facts([0, 30, 31, 60]))
    cube.materialize("year/month/day/city")
    cube.replace(facts([31]), "2024-03-21", "2024-03-22")
    dead = [one.held.layout.rows - one.rows for one in cube.snapshot.sources["facts"].segments]
    assert max(dead) > 0
    cube.delete({"person": "p2"})
    for source in cube.snapshot.sources.values():
        assert all(one.held.layout.rows == sum(other.rows for other in source.segments if other.held is one.held)
                   for one in source.segments)  # fmt: skip


def test_what_is_empty_stays_as_it_is() -> None:
    cube = Cube(SCHEMA, facts([0, 3]))
    cube.materialize(declare_projection(cube.schema, "year/month", name="none", where={"city": "c9"}))
    version = cube.snapshot.catalog.version
    assert cube.delete({"city": "c2"}).removed == 0
    assert cube.retain("2024").removed == 0
    assert cube.snapshot.catalog.version == version


def test_whole_numbers_come_where_floats_are() -> None:
    schema = Schema("c", [Dimension("city")], {"sum": total("n")}, [Tree.parse("city")])

    def numbers(*values: float, kind: pa.DataType) -> pa.Table:
        return pa.table({"city": ["a"] * len(values), "n": pa.array(values, kind)})

    cube = Cube(schema, numbers(1.5, 2, kind=pa.float64()))
    cube.append(numbers(3, kind=pa.int64()))
    assert cube.answer(Query("city")).to_pylist() == [{"city": "a", "sum": 6.5}]
    with pytest.raises(SchemaError, match="numbers of type int64, and those before of type double"):
        cube.append(numbers((1 << 53) + 1, kind=pa.int64()))
    whole = Cube(schema, numbers(1, kind=pa.int64()))
    with pytest.raises(SchemaError, match="numbers of type double, and those before of type int64"):
        whole.append(numbers(2.0, kind=pa.float64()))
