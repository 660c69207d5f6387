"""Cubes that have had other facts before: some come late, in any order of time, some are replaced, deleted or too old.

What happens to the cube happens to a plain table of facts beside it, with polars and without the engine. The table is
what the oracle of a world answers from, so whatever a change has left undone is a difference.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import isnan
from random import Random
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any
from weakref import finalize

import polars as pl
import pyarrow as pa

from wolap import Cube, MetricOverflow, Schema

__all__ = ["begun", "created", "lived", "reopened", "store"]

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def created(random: Random, schema: Schema, facts: pa.Table, **said: Any) -> Cube:
    """A cube that is ingested in pieces, and lives in a folder from the start."""
    cuts = sorted(random.randint(0, facts.num_rows) for _ in range(random.choice((0, 1, 4))))
    pieces = [facts.slice(a, b - a) for a, b in zip([0, *cuts], [*cuts, facts.num_rows], strict=True)]
    folder = mkdtemp()
    cube = Cube.create(folder, schema, pieces, **said)
    finalize(cube, rmtree, folder, ignore_errors=True)
    return cube


def store(cube: Cube) -> None:
    """Moves a cube to a folder, which goes with it."""
    folder = mkdtemp()
    cube.save(folder)
    finalize(cube, rmtree, folder, ignore_errors=True)


def reopened(cube: Cube, threads: int) -> Cube:
    """The same cube as another process would open it."""
    assert cube.folder is not None
    found = Cube.open(cube.folder, threads=threads)
    # The folder is there for as long as either is.
    finalize(found, list, [cube])
    assert [one.name for one in found.projections] == [one.name for one in cube.projections]
    return found


def begun(random: Random, facts: pa.Table) -> tuple[pa.Table, list[pa.Table]]:
    """The facts that a cube begins with, and those that come later, in batches."""
    if random.random() < 0.5 or not facts.num_rows:
        return facts, []
    places = list(range(facts.num_rows))
    if random.random() < 0.5:
        random.shuffle(places)
    cuts = sorted(random.randint(0, len(places)) for _ in range(random.choice((1, 1, 2, 4))))
    parts = [
        facts.take(pa.array(places[a:b], pa.int64())) for a, b in zip([0, *cuts], [*cuts, len(places)], strict=True)
    ]
    first, *others = parts
    return first, others


def lived(
    random: Random, cube: Cube, facts: pa.Table, batches: list[pa.Table], alphabets: dict[str, list[Any]]
) -> pa.Table:
    """Lets batches come, and other things happen; gives the facts that there are then."""
    for batch in batches:
        facts = _after(random, cube, facts, batch, alphabets)
        if random.random() < 0.2:
            cube.append(batch.slice(0, 0))
    return facts


def _after(random: Random, cube: Cube, facts: pa.Table, batch: pa.Table, alphabets: dict[str, list[Any]]) -> pa.Table:
    happening = random.choice((_appended, _appended, _replaced, _deleted, _retained))
    try:
        return happening(random, cube, facts, batch, alphabets)
    except MetricOverflow:
        # What does not fit is refused as a whole.
        return facts


def _appended(
    random: Random, cube: Cube, facts: pa.Table, batch: pa.Table, alphabets: dict[str, list[Any]]
) -> pa.Table:
    done = cube.append(batch)
    assert (done.added, done.removed) == (batch.num_rows, 0)
    return pa.concat_tables([facts, batch])


def _replaced(
    random: Random, cube: Cube, facts: pa.Table, batch: pa.Table, alphabets: dict[str, list[Any]]
) -> pa.Table:
    """A batch in the place of all that there is around it."""
    if cube.schema.time is None or not batch.num_rows:
        return _appended(random, cube, facts, batch, alphabets)
    times = _instants(cube.schema, batch)
    start, end = min(times), max(times) + random.choice((1, 1, 3_600_000_000))
    kept = _where(facts, [not start <= one < end for one in _instants(cube.schema, facts)])
    done = cube.replace(batch, _datetime(start), _datetime(end))
    assert (done.added, done.removed) == (batch.num_rows, facts.num_rows - kept.num_rows)
    return pa.concat_tables([kept, batch])


def _deleted(random: Random, cube: Cube, facts: pa.Table, batch: pa.Table, alphabets: dict[str, list[Any]]) -> pa.Table:
    """Facts of some members; the batch has come before."""
    facts = _appended(random, cube, facts, batch, alphabets)
    names = [dimension.name for dimension in cube.schema.dimensions if not dimension.multivalued]
    if not names:
        return facts
    name = random.choice(names)
    column = _members(facts, cube.schema.dimension(name).column)
    some = random.sample(sorted(set(column), key=repr), min(len(set(column)), random.choice((1, 1, 2))))
    if not some:
        return facts
    excludes = random.random() < 0.15
    kept = _where(facts, [(one in some) == excludes for one in column])
    said = {"where_not" if excludes else "where": {name: some}}
    done = cube.delete(**said)
    assert (done.added, done.removed) == (0, facts.num_rows - kept.num_rows)
    if not excludes:
        members = cube.snapshot.dictionaries.members[name]
        assert all(members.find(one) < 0 for one in some), "a member that no fact has is forgotten"
    return kept


def _retained(
    random: Random, cube: Cube, facts: pa.Table, batch: pa.Table, alphabets: dict[str, list[Any]]
) -> pa.Table:
    """What is older than some fact goes; the batch has come before."""
    facts = _appended(random, cube, facts, batch, alphabets)
    if cube.schema.time is None or not facts.num_rows:
        return facts
    times = _instants(cube.schema, facts)
    since = sorted(times)[random.randrange(max(len(times) // 3, 1))]
    kept = _where(facts, [one >= since for one in times])
    done = cube.retain(_datetime(since))
    assert (done.added, done.removed) == (0, facts.num_rows - kept.num_rows)
    return kept


def _where(facts: pa.Table, kept: list[bool]) -> pa.Table:
    return facts.filter(pa.array(kept, pa.bool_()))


def _instants(schema: Schema, facts: pa.Table) -> list[int]:
    """Microseconds since 1970 UTC, whatever the unit and the zone of the column, whose clock is UTC where it has
    none."""
    assert schema.time is not None
    column = pl.from_arrow(facts.select([schema.time.column]))[schema.time.column]
    return column.dt.epoch("us").to_list()


def _members(facts: pa.Table, name: str) -> list[Any]:
    """Members as Python values; what is no number is null, and both zeros are one."""
    column = facts[name]
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    values = column.to_pylist()
    return [
        None if isinstance(one, float) and isnan(one) else one + 0.0 if isinstance(one, float) else one
        for one in values
    ]


def _datetime(instant: int) -> datetime:
    return _EPOCH + instant * _MICROSECOND
