"""Strategies composed of strategies: a world of facts under a schema, how it lies in memory, and questions about it.

Members come from a tiny nasty alphabet, so that groups collide and every sign that some format escapes is there.
Whole numbers and multiples of 1/8 have exact sums, so that equality is equality. Instants cluster around changes of
the clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from math import isnan
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from wolap import (
    Dimension,
    Filter,
    Metric,
    Projection,
    Query,
    Schema,
    Time,
    Tree,
    approximate_distinct,
    count,
    declare_projection,
    derived,
    distinct,
    first,
    last,
    maximum,
    mean,
    median,
    minimum,
    quantile,
    ratio,
    standard_deviation,
    total,
    variance,
    weighted_mean,
)
from wolap.model.filter import declared_filters
from wolap.model.level import LEVELS

__all__ = ["World", "arrangements", "build_filters", "projections", "queries", "worlds", "zones_of"]

ALPHABETS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "text": (pa.string(), ["", ",", '"', "<b>", "&amp;", "%2F", "/", "ä", "日本", "a", None]),
    "integer": (pa.int64(), [0, -1, 7, 300, 2**53 + 1, None]),
    "float": (pa.float64(), [0.0, -0.0, 0.5, -2.25, float("nan"), None]),
    "decimal": (pa.decimal128(9, 2), [Decimal("0.00"), Decimal("1.50"), Decimal("-2.25"), Decimal("10.00"), None]),
    "boolean": (pa.bool_(), [True, False, None]),
    "date": (pa.date32(), [date(2024, 2, 29), date(1969, 12, 31), date(2000, 1, 1), None]),
    "timestamp": (pa.timestamp("us"), [datetime(2024, 2, 29, 1, 2, 3, 4), datetime(1969, 12, 31), None]),  # noqa: DTZ001
    "duration": (pa.duration("us"), [timedelta(0), timedelta(seconds=-1), timedelta(microseconds=5), None]),
}

# Members of no data, to be asked for all the same.
UNKNOWN: dict[str, Any] = {
    "text": "nobody",
    "integer": 8,
    "float": 0.25,
    "decimal": Decimal("7.77"),
    "boolean": None,
    "date": date(1999, 9, 9),
    "timestamp": datetime(1999, 9, 9),  # noqa: DTZ001
    "duration": timedelta(days=9),
}

# The changes of each clock that instants gather around, in UTC; every zone gets the ends of a year as well.
CHANGES = {
    "UTC": ["2024-02-29T00:00"],
    "-08:00": ["2024-03-01T08:00"],
    "Asia/Kolkata": ["2024-02-29T18:30"],
    "Asia/Kathmandu": ["2024-02-29T18:15"],
    "America/Los_Angeles": ["2024-03-10T10:00", "2024-11-03T09:00"],
    "Europe/Berlin": ["2024-03-31T01:00", "2024-10-27T01:00"],
    "Australia/Lord_Howe": ["2024-04-06T15:00", "2024-10-05T15:30"],
    "America/St_Johns": ["2006-10-29T02:31", "2007-03-11T03:31", "2010-11-07T02:31"],
}
YEAR_ENDS = ["2020-12-31T23:59", "2023-01-01T00:00"]

NUMBERS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "whole": (pa.int64(), [None, 0, 1, -1, 5, 2**53 + 1, -(2**53), 997]),
    "small": (pa.uint8(), [None, 0, 255, 3]),
    "real": (pa.float64(), [None, 0.0, 0.125, -0.5, 1000.875]),
    "money": (pa.decimal128(12, 3), [None, Decimal("0.001"), Decimal("-9.990"), Decimal("12.500")]),
    "flag": (pa.bool_(), [None, True, False]),
    "length": (
        pa.duration("ms"),
        [None, timedelta(0), timedelta(seconds=1), timedelta(milliseconds=-5)],
    ),
    "born": (pa.date32(), [None, date(1970, 1, 1), date(2024, 2, 29), date(1900, 1, 1)]),
}

METRICS: dict[str, Metric] = {
    "rows": count(),
    "whole_count": count("whole"),
    "whole_sum": total("whole"),
    "whole_min": minimum("whole"),
    "whole_max": maximum("whole"),
    "whole_mean": mean("whole"),
    "whole_distinct": distinct("whole"),
    "small_sum": total("small"),
    "small_max": maximum("small"),
    "real_sum": total("real"),
    "real_min": minimum("real"),
    "real_mean": mean("real"),
    "real_distinct": distinct("real"),
    "money_sum": total("money"),
    "money_max": maximum("money"),
    "money_mean": mean("money"),
    "flag_sum": total("flag"),
    "flag_min": minimum("flag"),
    "length_sum": total("length"),
    "length_mean": mean("length"),
    "born_max": maximum("born"),
    "small_by_row": ratio("small_sum", "rows"),
    "real_by_flag": ratio("real_mean", "flag_sum"),
    "money_by_whole": ratio("money_sum", "whole_sum"),
    "whole_variance": variance("whole"),
    "whole_deviation": standard_deviation("whole", population=True),
    "small_deviation": standard_deviation("small"),
    "real_variance": variance("real", population=True),
    "money_variance": variance("money"),
    "money_deviation": standard_deviation("money"),
    "length_variance": variance("length"),
    "length_deviation": standard_deviation("length"),
    "real_weighted": weighted_mean("real", "small"),
    "small_weighted": weighted_mean("small", "money"),
    "money_weighted": weighted_mean("money", "flag"),
    "whole_last": last("whole"),
    "small_first": first("small"),
    "money_last": last("money"),
    "real_first": first("real"),
    "length_last": last("length"),
    "whole_set": distinct("whole", keep="set"),
    "money_set": distinct("money", keep="set"),
    "born_set": distinct("born", keep="set"),
    "whole_about": approximate_distinct("whole"),
    "real_about": approximate_distinct("real", precision=10),
    "money_about": approximate_distinct("money", precision=13),
    "length_about": approximate_distinct("length", precision=9),
    "whole_median": median("whole"),
    "whole_high": quantile("whole", 0.9),
    "small_low": quantile("small", 0.1, accuracy=0.05),
    "real_high": quantile("real", 0.75),
    "real_low": quantile("real", 0.25, accuracy=0.001),
    "money_median": median("money", accuracy=0.001),
    "length_high": quantile("length", 0.9),
    "sets_apart": derived("whole_set - money_set + whole_about"),
    "gain": derived("whole_last - small_first"),
    "known_share": derived("(rows - (rows - whole_count)) / rows"),
    "whole_many": derived("whole_sum * 3 - -1 * small_sum * (whole_count + 1)"),
    "whole_spread": derived("(whole_max - whole_min) * 0.5"),
    "money_left": derived("money_sum - money_max + 2"),
    "real_more": derived("-real_sum + small_sum / 8 - 2.25"),
    "length_left": derived("length_sum - length_longest"),
    "length_longest": maximum("length"),
}
TIMED = frozenset({"whole_last", "small_first", "money_last", "real_first", "length_last", "gain"})
MERGEABLE = frozenset(name for name, metric in METRICS.items() if metric.function in {"count", "sum", "min", "max"})


@dataclass(frozen=True)
class World:
    """A schema with facts that fit it. `kinds` are those of the dimensions; `centers` is where the instants gather."""

    schema: Schema
    facts: pa.Table
    kinds: dict[str, str]
    centers: tuple[datetime, ...]

    @property
    def frame(self) -> pl.DataFrame:
        """The facts for the oracle."""
        frame = pl.from_arrow(self.facts)
        assert isinstance(frame, pl.DataFrame)
        return frame


def is_missing(value: Any) -> bool:
    """Whether this is null, or what is not a number, which is the null member too."""
    return value is None or (isinstance(value, float) and isnan(value))


def clock_of(zone: str) -> timezone | ZoneInfo:
    """A zone of the standard library."""
    return timezone(timedelta(hours=-8)) if zone == "-08:00" else ZoneInfo(zone)


@st.composite
def dimension_lists(draw: DrawFn) -> tuple[list[Dimension], dict[str, str]]:
    """One to four dimensions, some of them above the one before."""
    kinds = draw(st.lists(st.sampled_from(sorted(ALPHABETS)), min_size=1, max_size=4))
    # Half of all dimensions are of text, which is what cubes are made of.
    kinds = [kind if draw(st.booleans()) else "text" for kind in kinds]
    names = [f"d{index}" for index in range(len(kinds))]
    parents = [draw(st.booleans()) for _ in names[1:]] + [False]
    above = [*names[1:], None]
    dimensions = [
        Dimension(
            name, f"{name}_column", parent=parent if has else None, kind=dict(zip(names, kinds, strict=True))[name]
        )
        for name, parent, has in zip(names, above, parents, strict=True)
    ]
    return dimensions, dict(zip(names, kinds, strict=True))


@st.composite
def metric_sets(draw: DrawFn, dimensions: list[Dimension], timed: bool) -> dict[str, Metric]:
    """Some metrics, with the operands that they need, and a distinct count of a level that determines the one above."""
    chosen = draw(
        st.sets(
            st.sampled_from([name for name in sorted(METRICS) if timed or name not in TIMED]), min_size=1, max_size=8
        )
    )
    needed = {operand for name in chosen for operand in METRICS[name].operands}
    found = {name: METRICS[name] for name in METRICS if name in chosen | needed}
    for name in draw(st.sets(st.sampled_from(sorted(found)), max_size=3)):
        if not found[name].operands:
            found[name] = replace(found[name], filters=draw(metric_conditions(dimensions)))
    first = dimensions[0]
    if draw(st.booleans()):
        found["members"] = distinct(first.column, determines=[first.parent] if first.parent else [])
    return found


@st.composite
def metric_conditions(draw: DrawFn, dimensions: list[Dimension]) -> tuple[Filter, ...]:
    """What a metric may be told to count: members of one or two dimensions, or all but some."""
    said: list[dict[str, list[Any]]] = [{}, {}]
    for dimension in draw(st.lists(st.sampled_from(dimensions), min_size=1, max_size=2)):
        members = [value for value in ALPHABETS[dimension.kind][1] if not is_missing(value)]
        values = st.lists(st.sampled_from([None, *members, UNKNOWN[dimension.kind]]), min_size=1, max_size=4)
        said[draw(st.integers(0, 1))][dimension.name] = draw(values)
    return declared_filters(*said)


@st.composite
def worlds(draw: DrawFn, rows: int = 24, has_time: bool | None = None) -> World:
    """A schema and up to this many facts."""
    dimensions, kinds = draw(dimension_lists())
    timed = draw(st.integers(0, 4)) > 0 if has_time is None else has_time
    zone = draw(st.sampled_from(sorted(CHANGES)))
    levels = draw(st.lists(st.sampled_from(LEVELS), min_size=1, max_size=5, unique=True)) if timed else []
    levels = draw(st.sampled_from([levels, list(LEVELS)])) if timed else []
    paths = [tuple(levels), tuple(dimension.name for dimension in dimensions)]
    schema = Schema(
        "world",
        dimensions=dimensions,
        metrics=draw(metric_sets(dimensions, timed)),
        time=Time("at", tuple(levels), zone) if timed else None,
        trees=[Tree.from_paths([path for path in paths if path])],
    )
    centers = tuple(datetime.fromisoformat(text).replace(tzinfo=UTC) for text in CHANGES[zone] + YEAR_ENDS)
    size = draw(st.integers(0, rows))
    columns: dict[str, pa.Array] = {}
    if timed:
        columns["at"] = draw(instants(centers, size))
    columns.update(draw(dimension_columns(dimensions, kinds, size)))
    for name, (kept, values) in NUMBERS.items():
        columns[name] = pa.array(draw(st.lists(st.sampled_from(values), min_size=size, max_size=size)), kept)
    return World(schema, pa.table(columns), kinds, centers)


@st.composite
def instants(draw: DrawFn, centers: tuple[datetime, ...], size: int) -> pa.Array:
    """Instants around one or two of the centers, in a column of any zone and unit."""
    near = draw(st.lists(st.sampled_from(centers), min_size=1, max_size=2))
    minutes = st.integers(-90, 90) | st.integers(-4000, 4000)
    apart = st.tuples(st.sampled_from(near), minutes, st.sampled_from([0, 0, 1, 59_999]))
    moments = [
        center + timedelta(minutes=minute, milliseconds=more)
        for center, minute, more in draw(st.lists(apart, min_size=size, max_size=size))
    ]
    unit = draw(st.sampled_from(["ms", "us", "ns"]))
    kept = pa.array(moments, pa.timestamp(unit, "UTC"))
    return kept.cast(pa.timestamp(unit, draw(st.sampled_from([None, "UTC", "Asia/Kolkata"]))))


@st.composite
def dimension_columns(
    draw: DrawFn, dimensions: list[Dimension], kinds: dict[str, str], size: int
) -> dict[str, pa.Array]:
    """A column for each dimension; where one has a parent, each of its members has one member there."""
    found: dict[str, pa.Array] = {}
    below: list[Any] | None = None
    for dimension in dimensions:
        kept, alphabet = ALPHABETS[kinds[dimension.name]]
        if below is None:
            values = draw(st.lists(st.sampled_from(alphabet), min_size=size, max_size=size))
        else:
            # What is one member (null and not a number, both zeros) must have one parent.
            as_one = [None if is_missing(value) else value for value in below]
            parent_of = {value: draw(st.sampled_from(alphabet)) for value in dict.fromkeys(as_one)}
            values = [parent_of[value] for value in as_one]
        found[dimension.column] = pa.array(values, kept)
        below = values if dimension.parent else None
    return found


@st.composite
def arrangements(draw: DrawFn, facts: pa.Table) -> pa.Table:
    """The same rows in another order, cut into chunks, with some columns as dictionaries, with entries nobody uses."""
    order = draw(st.permutations(range(facts.num_rows)))
    cuts = sorted(draw(st.sets(st.integers(0, facts.num_rows), max_size=3)))
    encoded = {name for name in facts.column_names if name != "at" and draw(st.booleans())}
    if not order:
        return facts
    shuffled = facts.take(pa.array(order, pa.int64())).combine_chunks()
    pieces = [shuffled.slice(a, b - a) for a, b in zip([0, *cuts], [*cuts, facts.num_rows], strict=True)]
    columns = [
        pa.chunked_array([_encode(piece[name], name in encoded, shuffled[name]) for piece in pieces])
        for name in facts.column_names
    ]
    return pa.table(columns, names=facts.column_names)


def _encode(column: pa.ChunkedArray, wanted: bool, all_rows: pa.ChunkedArray) -> pa.Array:
    """A chunk with a dictionary of its own: the values of its rows, the last first, and again those of all rows."""
    plain = column.combine_chunks()
    if not wanted:
        return plain
    values = [*reversed(plain.to_pylist()), *all_rows.to_pylist()]
    places: dict[Any, int] = {}
    for place, value in enumerate(values):
        places.setdefault(repr(value), place)
    indices = [None if value is None else places[repr(value)] for value in plain.to_pylist()]
    return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int16()), pa.array(values, plain.type))


@st.composite
def filters(draw: DrawFn, world: World) -> list[Filter]:
    """Up to two predicates, with null and with members that no row has."""
    names = draw(st.lists(st.sampled_from(sorted(world.kinds)), max_size=2))
    found = []
    for name in names:
        kind = world.kinds[name]
        # What is not a number is no member that could be asked for.
        members = [value for value in ALPHABETS[kind][1] if not is_missing(value)]
        values = draw(st.sets(st.sampled_from([None, *members, UNKNOWN[kind]]), min_size=1, max_size=4))
        found.append(Filter(name, frozenset(values), draw(st.booleans())))
    return found


@st.composite
def bounds(draw: DrawFn, world: World) -> datetime | None:
    """No bound, one on a boundary of the calendar, or one anywhere, by the second."""
    if world.schema.time is None or draw(st.booleans()):
        return None
    near = draw(st.sampled_from(world.centers)) + timedelta(minutes=draw(st.integers(-3000, 3000)))
    local = near.astimezone(clock_of(world.schema.time.zone))
    cut = draw(st.sampled_from(["hour", "day", "month", "year", "nothing"]))
    fields = {"minute": 0} if cut == "hour" else {"hour": 0, "minute": 0} if cut != "nothing" else {}
    fields |= {"day": 1} if cut in {"month", "year"} else {}
    fields |= {"month": 1} if cut == "year" else {}
    seconds = draw(st.integers(0, 59)) if cut == "nothing" else 0
    return local.replace(**fields, second=seconds, fold=draw(st.integers(0, 1))).astimezone(UTC)


@st.composite
def queries(draw: DrawFn, world: World, *, limited: bool = True) -> Query:
    """Any dimensions in any order, filtered, over some interval."""
    names = world.schema.names
    group = draw(st.lists(st.sampled_from(names), max_size=min(len(names), 4), unique=True))
    start, end = draw(bounds(world)), draw(bounds(world))
    if start is not None and end is not None:
        start, end = min(start, end), max(start, end) + timedelta(seconds=start == end)
    chosen = draw(st.none() | st.lists(st.sampled_from(sorted(world.schema.metrics)), min_size=1, max_size=4))
    return Query(
        group,
        filters=draw(filters(world)),
        start=start,
        end=end,
        metrics=chosen,
        limit=draw(st.none() | st.integers(1, 5)) if limited else None,
    )


@st.composite
def build_filters(draw: DrawFn, world: World, always: bool = False) -> dict[str, dict[str, list[Any]]]:
    """What a projection is built of: mostly all, or the facts with some members of a dimension or two."""
    said: dict[str, dict[str, list[Any]]] = {"where": {}, "where_not": {}}
    names = sorted(world.kinds)
    for name in draw(st.sampled_from([*([] if always else [[]] * 4), *[[one] for one in names], names[:2]])):
        members = [value for value in ALPHABETS[world.kinds[name]][1] if not is_missing(value)]
        values = st.lists(st.sampled_from([None, *members]), min_size=1, max_size=4)
        said[draw(st.sampled_from(["where", "where_not"]))][name] = draw(values)
    return said


@st.composite
def zones_of(draw: DrawFn, world: World, steps: list[str]) -> str | None:
    """The clock of a projection's buckets: mostly that of the cube, or UTC, or any."""
    if not world.schema.levels.intersection(steps):
        return None
    return draw(st.none() | st.just("UTC") | st.sampled_from(sorted(CHANGES)))


@st.composite
def projections(draw: DrawFn, world: World, stored: list[str] | None = None) -> list[Projection]:
    """Up to four pre-aggregations, most with all metrics unless some are `stored`."""
    found = []
    for index in range(draw(st.integers(0, 4))):
        names = world.schema.names
        steps = draw(st.lists(st.sampled_from(names), max_size=min(len(names), 6), unique=True))
        some = st.lists(st.sampled_from(sorted(world.schema.metrics)), min_size=1)
        metrics = draw(some) if stored is None and draw(st.integers(0, 3)) == 0 else stored
        zone, filtered = draw(zones_of(world, steps)), draw(build_filters(world))
        found.append(declare_projection(world.schema, steps, name=f"p{index}", metrics=metrics, zone=zone, **filtered))
    return found
