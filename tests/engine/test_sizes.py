"""What a projection would take: exact where all facts are looked at, close where they are not."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from threading import Event

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wolap import (
    Cube,
    Dimension,
    Projection,
    Schema,
    Time,
    Tree,
    count,
    declare_projection,
    distinct,
    last,
    maximum,
    mean,
    total,
    variance,
)
from wolap.engine.sizes import estimate_sizes
from wolap.errors import Cancelled
from wolap.model.projection import FACTS, Statistics

LEVELS = ("year", "month", "week", "day", "hour")
SCHEMA = Schema(
    "sales",
    [Dimension("country"), Dimension("city", parent="country"), Dimension("kind")],
    {
        "sales": count(),
        "described": count("text"),
        "amount": total("amount"),
        "largest": maximum("amount"),
        "average": mean("price"),
        "spread": variance("price"),
        "stock": last("amount"),
        "customers": distinct("customer"),
        "failed": count(where={"kind": "k1"}),
        "failed-amount": total("amount", where={"kind": "k1"}),
    },
    [Tree.parse("year")],
    Time("at", LEVELS, "Europe/Berlin"),
)
TIMES = ("", "year", "year/month", "week", "year/month/day", "year/month/day/hour")
PLAIN = ("", "country", "city", "city/kind", "country/kind")
GRAINS = ["/".join(filter(None, pair)) for pair in product(TIMES, PLAIN)]


def facts(rows: int, days: int, seed: int = 1, nulls: bool = True) -> pa.Table:
    """More in the morning than at night, with cities that are chosen more often the lower their number."""
    random = np.random.default_rng(seed)
    seconds = random.integers(0, days, rows) * 86_400 + (random.beta(2, 4, rows) * 86_400).astype(np.int64)
    city = np.minimum(random.zipf(1.5, rows), 60)
    missing = random.random(rows) < (0.1 if nulls else 0)
    return pa.table(
        {
            "at": pa.array(np.sort(seconds) * 1_000_000 + 1_711_600_000_000_000, pa.timestamp("us")),
            "city": pa.array([f"c{number}" for number in city]),
            "country": pa.array([None if number % 5 == 0 else f"l{number % 5}" for number in city]),
            "kind": pa.array([f"k{number}" for number in random.integers(0, 4, rows)]),
            "text": pa.array(np.full(rows, "x"), mask=missing),
            "amount": pa.array(random.integers(0, 9, rows), mask=missing),
            "price": pa.array(random.random(rows), mask=missing),
            "customer": pa.array(random.integers(0, 30, rows)),
        }
    )


def estimated(cube: Cube, projections: list[Projection], **options: object) -> tuple[Statistics, ...]:
    source = cube.snapshot.sources[FACTS].whole
    return estimate_sizes(projections, source.layout, source.dictionaries, **options)


def declared(*grains: str, metrics: tuple[str, ...] | None = None) -> list[Projection]:
    return [declare_projection(SCHEMA, grain, metrics=metrics) for grain in grains]


@settings(max_examples=40)
@given(
    st.integers(0, 400),
    st.integers(1, 40),
    st.booleans(),
    st.sets(st.sampled_from(tuple(SCHEMA.metrics)), min_size=1).map(tuple),
    st.sets(st.sampled_from(GRAINS), min_size=1, max_size=5),
)
def test_of_all_facts_everything_is_exact(
    rows: int, days: int, nulls: bool, metrics: tuple[str, ...], grains: set[str]
) -> None:
    cube = Cube(SCHEMA, facts(rows, days, nulls=nulls))
    wanted = declared(*grains, metrics=metrics)
    found = estimated(cube, wanted)
    cube.materialize(*wanted)
    for projection, estimate in zip(wanted, found, strict=True):
        built = next(one for one in cube.projections if one.name == projection.name).statistics
        assert built is not None
        assert (estimate.rows_before, estimate.starts) == (built.rows_before, built.starts), projection.name
        # One row, of no facts or of them all, knows better than its column whether it has a value: a byte for each.
        is_single = projection.level is None and not projection.dimensions
        slack = len(projection.partials) if is_single or not rows else 0
        assert abs(estimate.bytes - built.bytes) <= slack, projection.name


@pytest.fixture(scope="module")
def large() -> Cube:
    return Cube(SCHEMA, facts(60_000, 120))


@pytest.mark.parametrize("grain", [grain for grain in GRAINS if "day" in grain])
def test_whole_buckets_of_a_sample_tell_of_the_others(large: Cube, grain: str) -> None:
    (wanted,) = declared(grain)
    exact, found = (estimated(large, [wanted], sample=size)[0] for size in (60_000, 10_000))
    assert found.rows == pytest.approx(exact.rows, rel=0.05)
    assert found.bytes == pytest.approx(exact.bytes, rel=0.05)
    assert found.starts == exact.starts
    # A part of the time is found as well as all of it.
    half = len(exact.starts) // 2
    assert found.rows_before[half] == pytest.approx(exact.rows_before[half], rel=0.1)


@pytest.mark.parametrize("grain", [grain for grain in GRAINS if "day" not in grain and "week" not in grain])
def test_drawn_rows_are_off_by_no_more_than_the_bound(large: Cube, grain: str) -> None:
    (wanted,) = declared(grain)
    exact, found = (estimated(large, [wanted], sample=size)[0] for size in (60_000, 10_000))
    assert exact.rows / 6**0.5 * 0.9 <= found.rows <= exact.rows * 6**0.5 * 1.1


@pytest.mark.parametrize("sample", [1, 7, 500, 10_000])
def test_what_is_coarser_is_never_larger(large: Cube, sample: int) -> None:
    rows = dict(zip(GRAINS, (one.rows for one in estimated(large, declared(*GRAINS), sample=sample)), strict=True))
    for coarse, fine in (("year", "year/month"), ("year/month", "year/month/day"), ("week", "year/month/day")):
        for plain in PLAIN:
            above, below = ("/".join(filter(None, (time, plain))) for time in (coarse, fine))
            assert 1 <= rows[above] <= rows[below] <= 60_000
    for time in TIMES:
        above, below = ("/".join(filter(None, (time, plain))) for plain in ("country/kind", "city/kind"))
        assert rows[above] <= rows[below]


def test_a_sample_is_the_same_every_time(large: Cube) -> None:
    wanted = declared(*GRAINS)
    assert estimated(large, wanted, sample=2_000) == estimated(large, wanted, sample=2_000)


def test_a_rhythm_of_the_data_does_not_mislead() -> None:
    """Every seventh day has ten times as much: whole days that stand equally far apart would all be such, or none."""
    days = np.repeat(np.arange(140), np.where(np.arange(140) % 7 == 0, 2_000, 200))
    random = np.random.default_rng(3)
    table = facts(len(days), 1, nulls=False).set_column(
        0, "at", pa.array(days * 86_400_000_000 + 1_711_600_000_000_000, pa.timestamp("us"))
    )
    table = table.set_column(3, "kind", pa.array([f"k{number}" for number in random.integers(0, 3_000, len(days))]))
    cube = Cube(SCHEMA, table)
    wanted = declared("year/month/day/kind", metrics=("sales",))
    exact, found = (estimated(cube, wanted, sample=size)[0] for size in (10**6, 12_000))
    assert found.rows == pytest.approx(exact.rows, rel=0.15)


def test_a_cube_without_time_or_facts() -> None:
    timeless = Schema("t", [Dimension("kind")], {"sales": count()}, [Tree.parse("kind")])
    for rows, expected in ((0, 0), (5, 2)):
        cube = Cube(timeless, pa.table({"kind": pa.array([f"k{number % 2}" for number in range(rows)], pa.string())}))
        source = cube.snapshot.sources[FACTS].whole
        (found,) = estimate_sizes([declare_projection(timeless, "kind")], source.layout, source.dictionaries)
        assert found.rows == expected


def test_stops_when_told(large: Cube) -> None:
    cancel = Event()
    cancel.set()
    with pytest.raises(Cancelled):
        estimated(large, declared("year"), cancel=cancel)


def test_measuring_changes_nothing_of_the_cube() -> None:
    cube = Cube(SCHEMA, facts(100, 3), refreshed=datetime(2024, 1, 1, tzinfo=UTC))
    before = cube.snapshot
    estimated(cube, declared(*GRAINS))
    assert cube.snapshot is before
