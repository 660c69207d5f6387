"""What a review once found wrong: each case is a wrong number that looked right."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from wolap import (
    Cube,
    Dimension,
    Query,
    Schema,
    SchemaError,
    Time,
    Tree,
    count,
    distinct,
    mean,
    ratio,
    total,
    weighted_mean,
)
from wolap.model.level import LEVELS
from wolap.model.zone import Zone, to_microseconds
from wolap.sources.files import read_facts

HOUR = 3_600_000_000
ZONES = (
    "Atlantic/Azores", "Europe/Warsaw", "America/Sao_Paulo", "Asia/Tehran", "Antarctica/Casey", "Pacific/Apia",
    "America/Juneau", "America/St_Johns", "Australia/Lord_Howe", "Africa/Monrovia", "Asia/Manila",
)  # fmt: skip


def test_ranked_keys_before_time() -> None:
    """Leading dimensions that are ranked, since their product leaves 62 bits, with time as the last digit."""
    rows = 5000
    random = np.random.default_rng(1)
    columns = {name: random.permutation(rows) for name in "abcde"}
    moments = np.datetime64("2024-01-01", "ms") + random.integers(0, 90 * 86_400_000, rows).astype("timedelta64[ms]")
    schema = Schema(
        name="c",
        time=Time("t"),
        dimensions=[Dimension(name) for name in "abcde"],
        metrics={"n": count()},
        trees=[Tree.parse("a")],
    )
    cube = Cube(schema, pl.DataFrame({**columns, "t": moments}))
    for path in ("a/b/c/d/e/year/month/day", "year/month/day/a/b/c/d/e", "a/b/c/year/d/month/e/day"):
        result = cube.answer(Query(path))
        assert len(result) == rows
        assert set(result.table["n"].to_pylist()) == {1}


@pytest.mark.parametrize("name", ZONES)
def test_floor_and_ceiling_are_boundaries_around_every_change(name: str) -> None:
    """Also where the clock goes back onto midnight, so that a day begins once and midnight is there twice."""
    zone = Zone(name)
    start, end = (to_microseconds(datetime(year, 1, 1)) for year in (1980, 2025))  # noqa: DTZ001
    for change in zone.changes(start, end)[1]:
        for level, shift in itertools.product(LEVELS, (-HOUR, -1, 0, 1, HOUR // 2, HOUR, 13 * HOUR)):
            instant = change + shift
            below, above = zone.floor(level, instant), zone.ceiling(level, instant)
            assert below <= instant <= above
            assert zone.is_boundary(level, below), (level, instant)
            assert zone.is_boundary(level, above), (level, instant)


def small_cube() -> Cube:
    schema = Schema(
        name="c",
        dimensions=[Dimension("a")],
        metrics={"n": count(), "people": distinct("who")},
        trees=[Tree.parse("a")],
    )
    return Cube(schema, pa.table({"a": ["x", "y", "x"], "who": [1, 1, 2]}))


def test_the_facts_are_not_built() -> None:
    cube = small_cube()
    for projection in cube.projections:
        with pytest.raises(SchemaError, match="is the facts"):
            cube.materialize(projection)
    assert cube.answer(Query("", metrics="people")).to_pylist() == [{"people": 2}]


def test_threads_may_build_the_same_projection() -> None:
    cube = small_cube()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: cube.materialize("a", "a"), range(16))) == [None] * 16
    assert [projection.name for projection in cube.projections] == ["a", "facts"]


def test_what_another_cube_measured_is_not_believed() -> None:
    one, other = small_cube(), small_cube()
    one.materialize("a")
    other.declare(one.projections[0])
    assert other.projections[0].statistics is None
    assert other.answer(Query("a", metrics="n")).to_pylist() == [{"a": "x", "n": 2}, {"a": "y", "n": 1}]


def test_a_ratio_of_durations_divides_what_was_not_rounded() -> None:
    schema = Schema(
        name="c",
        dimensions=[Dimension("a")],
        metrics={"d": mean("d"), "e": mean("e"), "r": ratio("d", "e")},
        trees=[Tree.parse("a")],
    )
    seconds = {name: pa.array(values, pa.duration("s")) for name, values in (("d", [0, 1, 1]), ("e", [1, 0, 0]))}
    result = Cube(schema, pa.table({"a": ["x"] * 3, **seconds})).answer(Query("")).to_pylist()
    assert result == [{"d": timedelta(seconds=1), "e": timedelta(0), "r": 2.0}]


def test_files_that_are_not_yet_data_are_not_read(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1]})
    for name in ("part.parquet", "_temporary/part.parquet", "_half.parquet", ".hidden.parquet", ".x/part.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        frame.write_parquet(tmp_path / name)
    assert read_facts(".", tmp_path, ["a"]).num_rows == 1


def test_a_default_start_at_a_midnight_that_comes_twice_counts_the_whole_day() -> None:
    """The clock of the Azores went from 01:00 back to 00:00 on 27 October 2024."""
    moments = [datetime(2024, 10, 27, 0, 30), datetime(2024, 10, 27, 12)]  # noqa: DTZ001
    schema = Schema(
        name="c",
        time=Time("t", zone="Atlantic/Azores"),
        dimensions=[],
        metrics={"n": count()},
        trees=[Tree.parse("year")],
    )
    cube = Cube(schema, pl.DataFrame({"t": moments}))
    zone = cube.schema.zone
    first = zone.floor("day", to_microseconds(datetime(2024, 10, 27, 13)))  # noqa: DTZ001
    assert datetime.fromtimestamp(first / 1e6, UTC) == datetime(2024, 10, 27, tzinfo=UTC)
    assert cube.answer(Query("", start=datetime.fromtimestamp(first / 1e6, UTC))).to_pylist() == [{"n": 2}]


def test_a_quotient_of_decimals_is_rounded_once() -> None:
    """Weights of thousandths, each of which a float would have rounded: a mean of equal values is that value."""
    weights = [Decimal(f"0.{number:03}") for number in range(1, 200)]
    schema = Schema(
        "weights",
        [Dimension("g")],
        {"mean": weighted_mean("x", "w"), "share": ratio("total", "total"), "total": total("w"), "plain": mean("w")},
        [Tree.parse("g")],
    )
    groups = pa.array([str(number // 2) for number in range(199)])
    facts = pa.table({"g": groups, "x": pa.array([255] * 199), "w": pa.array(weights, pa.decimal128(9, 3))})
    cube = Cube(schema, facts)
    cube.materialize("g")
    for record in cube.answer(Query("g")).to_pylist():
        assert record["mean"] == 255.0
        assert record["share"] == 1.0
        few = weights[2 * int(record["g"]) :][:2]
        assert record["plain"] == float(sum(few) / len(few))
