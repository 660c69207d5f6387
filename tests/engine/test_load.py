"""From facts to a layout: what is read from which kinds of tables, and everything that is refused."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from wolap import (
    Cube,
    Dimension,
    Metric,
    Query,
    Schema,
    SchemaError,
    Time,
    Tree,
    count,
    distinct,
    maximum,
    mean,
    minimum,
    ratio,
    total,
)
from wolap.engine.load import needed_columns
from wolap.model.zone import FIRST_INSTANT, LAST_INSTANT

TREE = Tree.from_paths(["city/country"])
DIMENSIONS = [Dimension("city", parent="country"), Dimension("country", "land", parent="planet"), Dimension("planet")]
GOOD: dict[str, list[Any]] = {
    "at": [datetime(2024, 1, 1, tzinfo=UTC), datetime(2023, 12, 31, 23, 30, tzinfo=UTC)],
    "city": ["Berlin", "Wien"],
    "land": ["DE", "AT"],
    "planet": ["Earth", "Earth"],
    "plays": [1, 2],
    "user": ["u", "v"],
}


def schema(*, time: Time | None = None, dimensions: list[Dimension] = DIMENSIONS, **metrics: Metric) -> Schema:
    """A schema of cities with these metrics."""
    return Schema("load", dimensions=dimensions, metrics=metrics or {"n": count()}, trees=[TREE], time=time)


def table(**changed: Any) -> pa.Table:
    """Good facts with some columns replaced."""
    return pa.table(GOOD | changed)


AT = Time("at")
LONG_AGO = [datetime(1, 1, 1), datetime(2024, 1, 1)]  # noqa: DTZ001
LAST = [datetime(2024, 1, 1), datetime(9999, 12, 31, 23, 30)]  # noqa: DTZ001

# What is declared, what the facts hold instead, each fault that is told.
FAULTS: dict[str, tuple[Schema, dict[str, Any], list[str]]] = {
    "no such columns": (
        schema(time=Time("moment"), n=total("sum"), dimensions=[Dimension("city"), Dimension("country")]),
        {},
        [
            r"time\.column: the facts have no column 'moment'; columns are .*",
            r"dimensions\.country: the facts have no column 'country'; columns are .*",
            r"metrics\.n: the facts have no column 'sum'; columns are .*",
        ],
    ),
    "null time": (
        schema(time=AT),
        {"at": pa.array([None, 5], pa.timestamp("us"))},
        [r"time\.column: column 'at' is null in 1 rows; a time in every row"],
    ),
    "no time": (
        schema(time=AT),
        {"at": ["2024-01-01", "2024-01-02"]},
        [r"time\.column: column 'at' has type string; a timestamp, with or without zone, or a date"],
    ),
    "seconds too many": (
        schema(time=AT),
        {"at": pa.array([0, 2**60], pa.timestamp("s"))},
        [r"time\.column: column 'at' leaves the years 1 to 9999"],
    ),
    "microseconds too few": (
        schema(time=AT),
        {"at": pa.array([0, -(2**62)], pa.timestamp("us"))},
        [r"time\.column: column 'at' leaves the years 1 to 9999"],
    ),
    "dates too many": (
        schema(time=AT),
        {"at": pa.array([0, 2**30], pa.date32())},
        [r"time\.column: column 'at' leaves the years 1 to 9999"],
    ),
    "dates that wrap": (
        schema(time=AT),
        {"at": pa.array([0, -(2**31)], pa.date32())},
        [r"time\.column: column 'at' leaves the years 1 to 9999"],
    ),
    "a date before the first instant": (
        schema(time=Time("at", zone="Asia/Kolkata")),
        {"at": [date(1, 1, 1), date(2024, 1, 1)]},
        [r"time\.column: column 'at' leaves the years 1 to 9999"],
    ),
    "year 0 on the cube's clock": (
        schema(time=Time("at", zone="-08:00")),
        {"at": LONG_AGO},
        [r"time\.column: column 'at' leaves the years 1 to 9999"],
    ),
    "year 10000 on the cube's clock": (
        schema(time=Time("at", zone="Asia/Kolkata")),
        {"at": LAST},
        [r"time\.column: column 'at' leaves the years 1 to 9999"],
    ),
    "year 10000 in UTC": (
        schema(time=Time("at", zone="-08:00", column_zone="-08:00")),
        {"at": LAST},
        [r"time\.column: column 'at' leaves the years 1 to 9999"],
    ),
    "types": (
        schema(time=AT, n=total("plays"), most=maximum("user"), users=distinct("what")),
        {"at": [1, 2], "city": [[1], [2]], "plays": ["1", "2"], "what": [[1], [2]]},
        [
            r"time\.column: column 'at' has type int64; .*",
            r"dimensions\.city: column 'city' has type list<.*>; a dimension can be .*",
            r"metrics\.n: column 'plays' has type string, which has no sum; .*",
            r"metrics\.most: column 'user' has type string, which has no max; .*",
            r"metrics\.users: column 'what' has type list<.*>; a dimension can be .*",
        ],
    ),
    "sum of dates": (
        schema(n=total("at"), first=minimum("at")),
        {},
        [r"metrics\.n: column 'at' has type timestamp.*, which has no sum; min or max"],
    ),
    "ratio of dates": (
        schema(n=count(), first=minimum("at"), share=ratio("n", "first")),
        {},
        [r"metrics\.share: 'first' is a timestamp.*; metrics that are numbers"],
    ),
    "labels": (
        schema(),
        {"city": ["N/A", None], "land": ["", "(empty)"]},
        [
            r"dimensions\.city: column 'city' holds null and also the value 'N/A' in row 0 \(.*another label: .*",
            r"dimensions\.country: column 'land' holds the empty string and also '\(empty\)' in row 1 .*label: .*",
        ],
    ),
    "no hierarchy": (
        schema(n=distinct("user", determines=["planet"])),
        {"city": ["Berlin", "Berlin"], "planet": ["Earth", None], "user": [1, 1]},
        [
            r"dimensions\.city\.parent: 1 members lie under more than one country, such as 'Berlin', in row 1 .*",
            r"dimensions\.city\.parent: 1 members lie under more than one planet, such as 'Berlin', in row 1 .*",
            r"metrics\.n\.determines: 1 values of 'user' lie under more than one planet, in row 1 .*",
        ],
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_all_faults_are_told_at_once(name: str) -> None:
    declared, changed, expected = FAULTS[name]
    with pytest.raises(SchemaError) as caught:
        Cube(declared, table(**changed))
    lines = str(caught.value).split("\n")
    assert len(lines) == len(expected) == len(caught.value.problems)
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line), line


def test_two_columns_of_one_name_are_refused() -> None:
    twice = pa.Table.from_arrays([pa.array(["x"]), pa.array(["y"])], names=["city", "city"])
    with pytest.raises(SchemaError, match=r"^dimensions\.city: the facts have 2 columns 'city'; one of that name\n"):
        Cube(schema(dimensions=[Dimension("city"), Dimension("country", "city")]), twice)


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"^facts: is a list; a pyarrow Table, or anything with __arrow_c_stream__"):
        Cube(schema(), [{"city": "x"}])  # type: ignore[arg-type]


ZONED = schema(time=Time("at", ("year", "month", "day", "hour"), "Europe/Berlin"))
INPUTS = {
    "pyarrow": lambda one: one,
    "batches": lambda one: pa.RecordBatchReader.from_batches(one.schema, one.to_batches(max_chunksize=1)),
    "polars": pl.from_arrow,
    "pandas": lambda one: one.to_pandas(),
    "pandas with arrow types": lambda one: one.to_pandas(types_mapper=pd.ArrowDtype),
    "duckdb": duckdb.from_arrow,
}


@pytest.mark.parametrize("name", INPUTS)
def test_any_library_may_bring_the_facts(name: str) -> None:
    metrics = {"n": count(), "plays": total("plays"), "users": distinct("user"), "mean": mean("plays")}
    declared = schema(time=Time("at", zone="Europe/Berlin"), **metrics)
    cube = Cube(declared, INPUTS[name](table(unused=[[1], [2]])))
    assert cube.answer(Query("year/country")).to_pylist() == [
        {"year": 2024, "country": "AT", "n": 1, "plays": 2, "users": 1, "mean": 2.0},
        {"year": 2024, "country": "DE", "n": 1, "plays": 1, "users": 1, "mean": 1.0},
    ]
    assert cube.answer(Query("planet", where={"country": "DE"})).to_pylist() == [
        {"planet": "Earth", "n": 1, "plays": 1, "users": 1, "mean": 1.0}
    ]


def local(*moments: datetime) -> pa.Array:
    """Times without a zone."""
    return pa.array(moments, pa.timestamp("us"))


# The zone of the cube, that of the column, the column, the hours that are shown.
CLOCKS: list[tuple[str, str, pa.Array, list[tuple[int, int]]]] = [
    ("UTC", "UTC", local(datetime(2024, 1, 1, 5)), [(1, 5)]),  # noqa: DTZ001
    ("UTC", "Asia/Kolkata", local(datetime(2024, 1, 1, 5)), [(31, 23)]),  # noqa: DTZ001
    ("Asia/Kolkata", "Asia/Kolkata", local(datetime(2024, 1, 1, 5)), [(1, 5)]),  # noqa: DTZ001
    # Shown twice: the first of both. Skipped: shifted on by the gap.
    ("UTC", "Europe/Berlin", local(datetime(2024, 10, 27, 2, 30)), [(27, 0)]),  # noqa: DTZ001
    ("UTC", "Europe/Berlin", local(datetime(2024, 3, 31, 2, 30)), [(31, 1)]),  # noqa: DTZ001
    ("Europe/Berlin", "Europe/Berlin", local(datetime(2024, 3, 31, 2, 30)), [(31, 3)]),  # noqa: DTZ001
    # A column with a zone is an instant, whatever the cube says of columns without.
    ("Asia/Tokyo", "Europe/Berlin", pa.array([0], pa.timestamp("s", "America/New_York")), [(1, 9)]),
    # Nanoseconds are floored, before 1970 as well.
    ("UTC", "UTC", pa.array([-1, 999], pa.timestamp("ns")), [(1, 0), (31, 23)]),
    # A date is a day of the cube's own calendar; where its midnight is skipped, from the first hour that there is.
    ("-08:00", "Asia/Tokyo", pa.array([date(2024, 2, 29)]), [(29, 0)]),
    ("Asia/Kolkata", "UTC", pa.array([date(2024, 2, 29)], pa.date64()), [(29, 0)]),
    ("America/Sao_Paulo", "UTC", pa.array([date(2018, 11, 4)]), [(4, 1)]),
    ("UTC", "UTC", pa.array([date(1, 1, 1), date(9999, 12, 31)]), [(1, 0), (31, 0)]),
    ("UTC", "UTC", pa.array([FIRST_INSTANT, LAST_INSTANT], pa.timestamp("us")), [(1, 0), (31, 23)]),
    ("UTC", "UTC", pa.array([], pa.timestamp("s")), []),
    ("Asia/Kolkata", "UTC", pa.array([], pa.date32()), []),
]


@pytest.mark.parametrize(("zone", "column_zone", "column", "shown"), CLOCKS)
def test_times_are_read_on_their_clock(
    zone: str, column_zone: str, column: pa.Array, shown: list[tuple[int, int]]
) -> None:
    time = Time("at", ("day", "hour"), zone, column_zone)
    declared = Schema("clock", dimensions=[], metrics={"n": count()}, time=time, trees=[Tree.from_paths(["day/hour"])])
    cube = Cube(declared, pa.table({"at": column}))
    for _ in range(2):
        found = [(record["day"], record["hour"]) for record in cube.answer(Query("day/hour")).to_pylist()]
        assert found == shown
        cube.materialize(*["day/hour"] if len(cube.projections) == 1 else [])


def test_rows_are_put_in_the_order_of_time() -> None:
    hours = [5, 1, 3, 1]
    at = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in hours]
    changed = {name: [column[0]] * 4 for name, column in GOOD.items()} | {"at": at, "plays": hours}
    cube = Cube(schema(time=Time("at", ("hour",)), plays=total("plays")), pa.table(changed))
    assert cube.answer(Query("hour")).to_pylist() == [{"hour": h, "plays": p} for h, p in ((1, 2), (3, 3), (5, 5))]


def test_only_needed_columns_are_read() -> None:
    declared = schema(time=AT, n=count("plays"), m=mean("plays"), d=distinct("user"), r=ratio("n", "m"))
    assert needed_columns(declared) == ("at", "city", "land", "planet", "plays", "user")


def test_a_null_that_is_an_entry_of_a_dictionary_is_no_value() -> None:
    schema = Schema("s", [Dimension("k")], {"n": count("x"), "mean": mean("x"), "sum": total("x")}, [Tree.parse("k")])
    values = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0, 0]), pa.array([5, None]))
    record = Cube(schema, pa.table({"k": ["a"] * 4, "x": values})).answer(Query("k")).record(0)
    assert record == {"k": "a", "n": 3, "mean": 5.0, "sum": 15}
