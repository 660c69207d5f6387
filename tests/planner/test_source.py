"""What a projection is built from: the smallest that is fine enough and merges all of it."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from wolap import Cube, Dimension, Schema, Time, Tree, count, distinct, total
from wolap.model.interval import Interval
from wolap.model.projection import FACTS, Projection, Statistics, declare_facts, declare_projection
from wolap.planner.source import build_order, source_of

SCHEMA = Schema(
    "sales",
    [Dimension("country"), Dimension("city", parent="country"), Dimension("kind")],
    {"sales": count(), "amount": total("amount"), "customers": distinct("customer")},
    [Tree.parse("year\n  month\n    day\n      city")],
    Time("at", ("year", "month", "week", "day")),
)
SPAN = Interval(0, 1000)
PLAIN = ("sales", "amount")


def stored(grain: str, rows: int, metrics: tuple[str, ...] = PLAIN, coverage: Interval = SPAN) -> Projection:
    return replace(
        declare_projection(SCHEMA, grain, metrics=metrics), statistics=Statistics((0, rows), coverage=coverage)
    )


FACTS_OF = declare_facts(SCHEMA, Statistics((0, 1000)))
DAILY, CITIES, KINDS = stored("day/city/kind", 500), stored("month/city", 50), stored("month/kind", 40)

# What is to be built, with which metrics, and from what.
TABLE = [
    ("year/city", PLAIN, "month/city"),
    ("year", PLAIN, "month/kind"),
    ("month/country", PLAIN, "month/city"),  # a city has one country
    ("month/city/kind", PLAIN, "day/city/kind"),
    ("week/city", PLAIN, "day/city/kind"),  # months do not feed weeks
    ("city", PLAIN, "month/city"),
    ("kind", ("sales",), "month/kind"),
    ("year/city", ("sales", "customers"), FACTS),  # a plain distinct count feeds nothing
]


@pytest.mark.parametrize(("grain", "metrics", "expected"), TABLE)
def test_source(grain: str, metrics: tuple[str, ...], expected: str) -> None:
    wanted = declare_projection(SCHEMA, grain, metrics=metrics)
    assert source_of(wanted, (DAILY, CITIES, KINDS, FACTS_OF), SPAN).name == expected


def test_what_is_not_built_or_not_whole_is_no_source() -> None:
    wanted = declare_projection(SCHEMA, "year/city", metrics=PLAIN)
    half = stored("month/city", 50, coverage=Interval(0, 500))
    planned = declare_projection(SCHEMA, "month/city", metrics=PLAIN)
    assert source_of(wanted, (half, FACTS_OF), SPAN).name == FACTS
    assert source_of(wanted, (planned, FACTS_OF), SPAN).name == FACTS


def test_finer_ones_come_first() -> None:
    grains = ["year", "year/city", "month/kind", "day/city/kind", "city", "month/city/kind"]
    names = [one.name for one in build_order([declare_projection(SCHEMA, grain) for grain in grains])]
    for early, late in (("day/city/kind", "month/city/kind"), ("month/city/kind", "month/kind"), ("year/city", "year")):
        assert names.index(early) < names.index(late)
    assert names.index("year/city") < names.index("city")


def test_another_clock_feeds_where_its_buckets_fit() -> None:
    year = Interval(0, 366 * 24 * 3_600_000_000)
    hours = replace(
        declare_projection(SCHEMA, "day/city", metrics=PLAIN, zone="UTC", name="days"),
        statistics=Statistics((0, 9), coverage=year),
    )
    for zone, expected in (("UTC", "days"), ("Etc/UTC", "days"), ("Europe/Berlin", FACTS)):
        wanted = declare_projection(SCHEMA, "month/city", metrics=PLAIN, zone=zone)
        facts = replace(FACTS_OF, statistics=Statistics((0, 1000), coverage=year))
        assert source_of(wanted, (hours, facts), year).name == expected


def test_stricter_filters_come_behind_those_that_they_imply() -> None:
    said = {
        "none": {},
        "known": {"where_not": {"country": None}},
        "few": {"where_not": {"country": [None, "fi"]}},
        "two": {"where": {"country": ["se", "no"]}},
        "one": {"where": {"country": ["se", "fi"]}, "where_not": {"country": "fi"}},
        "both": {"where": {"country": "se", "kind": "a"}},
    }
    declared = [declare_projection(SCHEMA, "month", name=name, **filters) for name, filters in said.items()]
    assert [one.name for one in build_order(declared[::-1])] == list(said)


def test_numbers_are_the_same_whatever_they_are_built_from() -> None:
    rows = 500
    facts = pa.table(
        {
            "at": pa.array([number * 3_600_000_000 * 7 for number in range(rows)], pa.timestamp("us")),
            "city": pa.array([f"c{number % 7}" for number in range(rows)]),
            "country": pa.array(["A" if number % 7 < 3 else None for number in range(rows)]),
            "kind": pa.array([None if number % 5 == 0 else f"k{number % 5}" for number in range(rows)]),
            "amount": pa.array([None if number % 11 == 0 else number for number in range(rows)], pa.int64()),
            "customer": pa.array([number % 13 for number in range(rows)]),
        }
    )
    wanted = [declare_projection(SCHEMA, grain, metrics=PLAIN) for grain in ("year/country", "month/city", "day/city")]
    together = Cube(SCHEMA, facts)
    together.materialize(*wanted)
    for projection in wanted:
        alone = Cube(SCHEMA, facts)
        alone.materialize(projection)
        one, other = (cube.snapshot.sources[projection.name].whole.layout for cube in (alone, together))
        assert one.rows == other.rows
        for partial, column in one.columns.items():
            assert column.values.tolist() == other.columns[partial].values.tolist(), partial
        for name, codes in one.codes.items():
            assert codes.tolist() == other.codes[name].tolist()
            assert codes.dtype == other.codes[name].dtype
