"""Random worlds: facts under a schema, and a cube of them with some projections, from one seed.

Members, numbers and metrics are those of `strategies.py`; here they are drawn by `random.Random`, which is a hundred
times as fast as Hypothesis and finds what only many rows show. A new metric in `strategies.METRICS` takes part by
itself; a new option of a schema, of a projection or of a cube takes part by one line here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
from strategies import ALPHABETS, CHANGES, METRICS, NUMBERS, TIMED, UNKNOWN, YEAR_ENDS, World, is_missing

from proof.lives import begun, created, lived, reopened, store
from wolap import (
    Cube,
    Dimension,
    Filter,
    Metric,
    MetricOverflow,
    Projection,
    Schema,
    Time,
    Tree,
    approximate_distinct,
    declare_projection,
    distinct,
    mean,
    total,
)
from wolap.engine.columns import Column
from wolap.engine.layout import Layout
from wolap.engine.segments import SegmentedSource
from wolap.model.filter import declared_filters
from wolap.model.interval import Interval
from wolap.model.level import LEVELS
from wolap.model.projection import FACTS
from wolap.snapshot import Snapshot

__all__ = ["AGES", "Trial", "of_layout", "trial"]

# Clocks that only look at what few rows show: quarters of an hour, a day that was left out, an offset of seconds.
MORE_CHANGES = {
    "Asia/Kathmandu": ["2024-02-29T18:15"],
    "Pacific/Apia": ["2011-12-30T10:00", "2011-09-24T14:00"],
    "Africa/Monrovia": ["1972-01-07T00:44"],
    "Antarctica/Troll": ["2024-03-31T01:00", "2024-10-27T01:00"],
    "+05:45": ["2024-02-29T18:15"],
}
ZONES = {**CHANGES, **MORE_CHANGES}
# Those that show an hour twice, the last of their changes.
REPEATING = ("America/Los_Angeles", "Europe/Berlin", "Antarctica/Troll", "America/St_Johns")
# Hours are cut by a change of this clock, and not where they begin.
AMID_HOUR = "America/St_Johns"
SIZES = (0, 1, 2, 7, 30, 200, 200, 800, 3000)
SPREADS = (90 * 60, 3 * 86_400, 60 * 86_400, 60 * 86_400, 700 * 86_400)
# Members enough for keys that are not dense.
MANY = [f"m{number}" for number in range(300)]
# Sums that may leave 64 bits: they are refused, and never wrong.
HUGE = pa.int64(), [2**62, -(2**62), 2**61, 1, None]
# When projections were refreshed.
AGES = tuple(datetime(2025, 2, day, tzinfo=UTC) for day in (1, 2, 3))
# Numbers of distinct values, which do not merge.
LONELY = frozenset({"whole_distinct", "real_distinct"})
HUGE_METRICS = {"huge_sum": total("huge"), "huge_mean": mean("huge")}


@dataclass(frozen=True)
class Trial:
    """A world, its cube, and what the cube was made of; `huge` where sums may leave 64 bits."""

    world: World
    cube: Cube
    alphabets: dict[str, list[Any]]
    huge: bool

    @cached_property
    def snapshot(self) -> Snapshot:
        """The version that is asked."""
        return self.cube.snapshot

    @cached_property
    def stored(self) -> list[Projection]:
        """What is built, facts aside."""
        return [one for one in self.cube.projections if not one.is_facts and one.statistics is not None]


def trial(random: Random) -> Trial:
    """The world of a seed."""
    dimensions, kinds = _dimensions(random)
    timed, huge = random.random() < 0.9, random.random() < 0.03
    zone = random.choice(sorted(ZONES))
    levels = tuple(LEVELS) if random.random() < 0.5 else tuple(random.sample(LEVELS, random.randint(1, 5)))
    changing = random.random() < 0.15
    if changing:
        # Around a change of the clock, by levels that name an hour: where what cannot merge must not be merged.
        levels = ("year", "month", "day", "hour", "minute")[: random.randint(4, 5)]
        zone = random.choice(REPEATING)
    clocks: tuple[str, ...] = ("UTC", *sorted(ZONES)) if random.random() < 0.5 else ()
    gathering = zone
    if changing and random.random() < 0.3:
        # An hour of one clock is two of another that changes a minute past the hour.
        zone, gathering, clocks = "Asia/Kolkata", AMID_HOUR, (AMID_HOUR,)
    paths = [levels if timed else (), tuple(dimension.name for dimension in dimensions)]
    schema = Schema(
        "world",
        dimensions=dimensions,
        metrics=_metrics(random, dimensions, timed, huge, changing),
        time=Time("at", levels, zone) if timed else None,
        trees=[Tree.from_paths([path for path in paths if path])],
    )
    texts = ZONES[gathering][-1:] if changing else ZONES[zone] + YEAR_ENDS
    centers = tuple(datetime.fromisoformat(text).replace(tzinfo=UTC) for text in texts)
    alphabets = {name: _alphabet(random, kind) for name, kind in kinds.items()}
    spreads = SPREADS if not changing else SPREADS[:2] if gathering == zone else (300,)
    facts = _facts(random, schema, alphabets, centers, spreads)
    single = [dimension.name for dimension in dimensions if not dimension.multivalued]
    cluster = random.sample(single, random.randint(0, len(single))) if random.random() < 0.4 else ()
    threads = random.choice((1, 1, 3))
    first, batches = begun(random, facts)
    moves = random.choice((0, 0, 0, 0, 1, 2, 3))
    said = {"strict": random.random() < 0.1, "cluster": cluster, "threads": threads}
    cube = created(random, schema, first, **said) if moves == 3 else Cube(schema, first, **said)
    if moves == 1:
        store(cube)
    _build(random, cube, alphabets, clocks)
    if moves == 2:
        store(cube)
    facts = lived(random, cube, first, batches, alphabets)
    if moves and random.random() < 0.5:
        cube = reopened(cube, threads)
    _age(random, cube)
    if random.random() < 0.25:
        _forget(random, cube)
    return Trial(World(schema, facts, kinds, centers), cube, alphabets, huge)


def _dimensions(random: Random) -> tuple[list[Dimension], dict[str, str]]:
    """One to four dimensions, some of them above the one before."""
    kinds = {f"d{index}": random.choice([*sorted(ALPHABETS), *["text"] * 8]) for index in range(random.randint(1, 4))}
    names = list(kinds)
    parents = [random.choice((above, None)) for above in names[1:]] + [None]
    dimensions = [
        Dimension(
            name,
            f"{name}_column",
            parent=parent,
            kind=kinds[name],
            multivalued=parent is None and name not in parents and random.random() < 0.3,
        )
        for name, parent in zip(names, parents, strict=True)
    ]
    return dimensions, kinds


def _metrics(random: Random, dimensions: list[Dimension], timed: bool, huge: bool, counted: bool) -> dict[str, Metric]:
    """Some metrics, with the operands that they need; a few filtered; counts of members, which may add up."""
    possible = [name for name in METRICS if timed or name not in TIMED]
    merges = not counted and random.random() < 0.4
    if merges:
        # What all merges is put together from pieces, and made from what is stored.
        possible = [name for name in possible if name not in LONELY]
    chosen = set(random.sample(possible, random.randint(1, 8)))
    plain = [dimension for dimension in dimensions if not dimension.multivalued]
    chosen |= {operand for name in chosen for operand in METRICS[name].operands}
    found = {name: METRICS[name] for name in METRICS if name in chosen}
    for name in random.sample(sorted(found), min(len(found), random.choice((0, 0, 1, 2)))):
        if not found[name].operands:
            found[name] = replace(found[name], filters=_conditions(random, plain) if plain else ())
    if plain and (counted or (not merges and random.random() < 0.5)):
        member = random.choice(plain)
        above = [parent for parent in [member.parent] if parent and random.random() < 0.7]
        found["members"] = distinct(member.column, determines=above)
        found["numbers"] = distinct("real")
    if plain and random.random() < 0.25:
        # Many values; sketches of two sizes, which do not merge; and, to be held against them, all of them.
        counted_column = random.choice(plain).column
        found["members_about"] = approximate_distinct(counted_column, precision=random.randint(8, 14))
        found["members_roughly"] = approximate_distinct(counted_column, precision=random.randint(4, 7))
        found["members_set"] = distinct(counted_column, keep="set")
    if huge:
        found.update(HUGE_METRICS)
    return found


def _conditions(random: Random, dimensions: list[Dimension]) -> tuple[Filter, ...]:
    """What a metric may be told to count: members of one or two dimensions, or all but some."""
    said: list[dict[str, list[Any]]] = [{}, {}]
    for dimension in random.sample(dimensions, random.randint(1, min(2, len(dimensions)))):
        members = [value for value in ALPHABETS[dimension.kind][1] if not is_missing(value)]
        members += [None, UNKNOWN[dimension.kind]]
        said[random.randint(0, 1)][dimension.name] = random.sample(members, random.randint(1, min(4, len(members))))
    return declared_filters(*said)


def _alphabet(random: Random, kind: str) -> list[Any]:
    values = ALPHABETS[kind][1]
    if kind == "text" and random.random() < 0.2:
        return [*values, *MANY]
    return random.sample(values, random.randint(1, len(values)))


def _facts(
    random: Random,
    schema: Schema,
    alphabets: dict[str, list[Any]],
    centers: tuple[datetime, ...],
    spreads: tuple[int, ...],
) -> pa.Table:
    size = random.choice(SIZES)
    numbers = np.random.default_rng(random.getrandbits(64))
    columns: dict[str, pa.Array] = {}
    if schema.time is not None:
        columns["at"] = _instants(random, numbers, centers, size, random.choice(spreads))
    below: np.ndarray | None = None
    below_alphabet: list[Any] = []
    for dimension in schema.dimensions:
        alphabet = alphabets[dimension.name]
        if below is None:
            places = numbers.integers(0, len(alphabet), size)
        else:
            places = numbers.integers(0, len(alphabet), len(below_alphabet))[_as_one(below_alphabet)][below]
        if dimension.multivalued:
            columns[dimension.column] = _lists(random, numbers, alphabet, ALPHABETS[dimension.kind][0], size)
        else:
            columns[dimension.column] = pa.array(alphabet, ALPHABETS[dimension.kind][0]).take(pa.array(places))
        below, below_alphabet = (places if dimension.parent else None), alphabet
    used = {name for metric in schema.metrics.values() for name in (metric.column, metric.weight) if name}
    for name, (kept, values) in {**NUMBERS, "huge": HUGE}.items():
        if name in used:
            some = random.sample(values, random.randint(1, len(values)))
            columns[name] = pa.array(some, kept).take(pa.array(numbers.integers(0, len(some), size)))
    return _arranged(random, pa.table(columns))


def _lists(random: Random, numbers: np.random.Generator, alphabet: list[Any], kept: pa.DataType, size: int) -> pa.Array:
    """Lists of up to a few members, with none, with null among them and in their place, and with one twice."""
    lengths = numbers.integers(0, random.choice((1, 2, 4, 9)) + 1, size)
    places = numbers.integers(0, len(alphabet), int(lengths.sum()))
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    mask = pa.array(numbers.random(size) < random.choice((0, 0.2)))
    encoded = pa.array(alphabet, kept).take(pa.array(places))
    if random.random() < 0.3:
        encoded = encoded.dictionary_encode()
    if random.random() < 0.5:
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), encoded, mask=mask)
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), encoded, mask=mask)


def _as_one(alphabet: list[Any]) -> np.ndarray:
    """The place of each member's first likeness: null and what is not a number are one member, both zeros are one."""
    plain = [None if is_missing(value) else value for value in alphabet]
    return np.array([plain.index(value) for value in plain])


def _instants(
    random: Random, numbers: np.random.Generator, centers: tuple[datetime, ...], size: int, spread: int
) -> pa.Array:
    """Instants around one or two of the centers, in a column of any zone and unit; some of them cut to the hour."""
    near = np.array([center.timestamp() * 1000 for center in random.choices(centers, k=random.randint(1, 2))], np.int64)
    instants = near[numbers.integers(0, len(near), size)] + numbers.integers(-spread * 1000, spread * 1000 + 1, size)
    if random.random() < 0.3:
        instants = instants // 3_600_000 * 3_600_000
    unit = random.choice(("ms", "us", "ns"))
    return pa.array(instants, pa.timestamp("ms", "UTC")).cast(
        pa.timestamp(unit, random.choice((None, "UTC", "Asia/Kolkata")))
    )


def _arranged(random: Random, facts: pa.Table) -> pa.Table:
    """Cut into chunks, some columns as dictionaries."""
    plain = [name for name in facts.column_names if not pa.types.is_nested(facts.schema.field(name).type)]
    encoded = [name for name in plain if name != "at" and random.random() < 0.2]
    for name in encoded:
        facts = facts.set_column(facts.column_names.index(name), name, facts[name].dictionary_encode())
    cuts = sorted(random.sample(range(facts.num_rows + 1), min(random.choice((0, 0, 1, 3)), facts.num_rows)))
    return pa.concat_tables([facts.slice(a, b - a) for a, b in zip([0, *cuts], [*cuts, facts.num_rows], strict=True)])


def _declarations(
    random: Random, schema: Schema, alphabets: dict[str, list[Any]], clocks: tuple[str, ...]
) -> Iterator[Projection]:
    """Any, or everything by buckets of several sizes, so that intervals have something to be put together from."""
    if schema.time is None or random.random() < 0.65:
        yield from _any_declarations(random, schema, alphabets, clocks)
        return
    dimensions = [dimension.name for dimension in schema.dimensions]
    zone = random.choice(clocks) if clocks else None
    for level in random.sample(schema.time.levels, random.randint(1, len(schema.time.levels))):
        steps = random.sample(dimensions, len(dimensions) if random.random() < 0.7 else len(dimensions) - 1)
        yield declare_projection(schema, [level, *steps], name=level, zone=zone if random.random() < 0.5 else None)


def _any_declarations(
    random: Random, schema: Schema, alphabets: dict[str, list[Any]], clocks: tuple[str, ...]
) -> Iterator[Projection]:
    """Up to six projections: most with all metrics, the first fine, so that others are made from it; some of a clock
    of their own, or of some facts only."""
    own = random.sample(clocks, min(len(clocks), 2))
    for index in range(random.randint(1, 6)):
        names = schema.names
        steps = random.sample(
            names, len(names) if not index and random.random() < 0.5 else random.randint(0, len(names))
        )
        some = random.sample(sorted(schema.metrics), random.randint(1, len(schema.metrics)))
        yield declare_projection(
            schema,
            steps,
            name=f"p{index}",
            metrics=some if random.random() < 0.25 else None,
            zone=random.choice((None, *own)) if schema.levels & set(steps) else None,
            **(_build_filters(random, schema, alphabets) if random.random() < 0.25 else {}),
        )


def _build_filters(random: Random, schema: Schema, alphabets: dict[str, list[Any]]) -> dict[str, Any]:
    """Members of one or two dimensions that facts have, kept or dropped: mostly so that some facts are left."""
    said: dict[str, dict[str, list[Any]]] = {"where": {}, "where_not": {}}
    names = [dimension.name for dimension in schema.dimensions if not dimension.multivalued]
    for name in random.sample(names, min(len(names), random.choice((1, 1, 2)))):
        members = [None, *dict.fromkeys(value for value in alphabets[name] if not is_missing(value))]
        some = random.sample(members, random.randint(1, min(4, len(members))))
        said[random.choice(("where", "where_not"))][name] = some
    return said


def _build(random: Random, cube: Cube, alphabets: dict[str, list[Any]], clocks: tuple[str, ...]) -> None:
    """Declares all and builds most, at once or one after the other in any order."""
    wanted = list(cube.declare(*_declarations(random, cube.schema, alphabets, clocks)))
    chosen = [one for one in wanted if random.random() < 0.9]
    at_once = random.random() < 0.5
    for some in [chosen] if at_once else [[one] for one in chosen]:
        threads = random.choice((1, 1, 2))
        try:
            if some:
                cube.materialize(*some, threads=threads)
        except MetricOverflow:
            # What does not fit is not stored, and so asked of the facts.
            continue


def _age(random: Random, cube: Cube) -> None:
    """Says when each projection was refreshed, so that a seed asks the same: of some nobody knows."""
    snapshot = cube.snapshot
    projections = tuple(
        one
        if one.statistics is None
        else replace(one, statistics=replace(one.statistics, refreshed=random.choice((None, *AGES))))
        for one in snapshot.catalog.projections
    )
    cube._snapshot = Snapshot(
        replace(snapshot.catalog, projections=projections), snapshot.sources, snapshot.dictionaries
    )


def _forget(random: Random, cube: Cube) -> None:
    """Lets some projections hold a part of the time only: what they say of the rest is spoilt, so that reading it
    would show."""
    snapshot = cube.snapshot
    catalog, sources = snapshot.catalog, dict(snapshot.sources)
    if catalog.schema.time is None or catalog.span.start >= catalog.span.end:
        return
    projections = []
    for one in catalog.projections:
        if one.name == FACTS or one.level is None or one.statistics is None or random.random() < 0.3:
            projections.append(one)
            continue
        ends = sorted(random.randrange(catalog.span.start, catalog.span.end + 1) for _ in range(2))
        start, end = (one.zone.floor(one.level, instant) for instant in ends)
        coverage = Interval(start, catalog.span.end if random.random() < 0.3 else end)
        source = sources[one.name]
        sources[one.name] = of_layout(source, _spoilt(source.whole.layout, coverage))
        projections.append(replace(one, statistics=replace(one.statistics, coverage=coverage)))
    changed = replace(catalog, projections=tuple(projections), version=catalog.version + 1)
    cube._snapshot = Snapshot(changed, sources, snapshot.dictionaries)


def of_layout(like: SegmentedSource, layout: Layout) -> SegmentedSource:
    """A source of other rows, for the rest like one."""
    return SegmentedSource.of(layout, like.dictionaries, like.zone, like.filters, like.means)


def _spoilt(layout: Any, coverage: Interval) -> Any:
    start, stop = layout.time.rows_in(coverage)
    columns = {}
    for partial, column in layout.columns.items():
        values = column.values
        if column.members is not None:
            columns[partial] = _wrong_items(column, start, stop)
            continue
        if values is not None:
            values = np.array(values)
            values[:start] = values[stop:] = 77
        columns[partial] = replace(column, values=values, low=min(column.low, 0), high=max(column.high, 77))
    return replace(layout, columns=columns)


def _wrong_items(column: Column, start: int, stop: int) -> Column:
    """A column of collections in which the rows outside of these have items of others, each as many as before."""
    assert column.values is not None
    values, offsets = np.array(column.values), column.offsets
    first, last = (start, stop) if offsets is None else (offsets[start], offsets[stop])
    # Items of a row rise; the greatest of all is none that a small row would have.
    outside = np.r_[values[:first], values[last:]]
    if len(outside):
        values[:first] = values[last:] = outside.max()
    return replace(column, values=values)
