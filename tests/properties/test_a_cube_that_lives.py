"""Whatever happens to a cube, in whatever order, every answer is that of a plain table of the facts there are then.

The model is a table of facts and the names of what is declared. A stored cube is open twice: what the second sees is
the version that it opened or caught up with, however far the first has gone since, and either may write. A writer may
find that its disk is full, once or for good; then the version before is there, whole.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from proof.strain import strained
from storage.failing_disk import Failing
from strategies import World, is_missing, projections, queries, worlds
from test_answers import assert_right, assert_same

from wolap import Cube, Projection, StorageError

_MOST_FACTS = 150
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Seen:
    """A cube, and what it is to know: its facts, and the names of what is declared, each with whether it is built."""

    cube: Cube
    facts: pa.Table
    declared: dict[str, bool]


class ACubeThatLives(RuleBasedStateMachine):
    """Rules are what may happen; `seen` are the cubes that know of it, the first of them the newest."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.path: Path | None = None
        self.number = 0

    def teardown(self) -> None:
        self.stack.close()

    # What there is.

    @initialize(data=st.data(), seed=st.integers(0, 1 << 16))
    def begin(self, data: st.DataObject, seed: int) -> None:
        self.stack.enter_context(strained(Random(seed)))
        self.world = data.draw(worlds(rows=40), label="world")
        size = self.world.facts.num_rows
        facts = self.world.facts.slice(0, data.draw(st.integers(0, min(size, 12)), label="facts at first"))
        single = [one.name for one in self.world.schema.dimensions]
        cluster = data.draw(st.sampled_from([(), tuple(single), tuple(reversed(single))]), label="cluster")
        cube = Cube(self.world.schema, facts, cluster=cluster)
        self.seen = [Seen(cube, facts, {})]

    def batch(self, data: st.DataObject) -> pa.Table:
        """Some facts of the world, in any order; what has come may come once more."""
        size = self.world.facts.num_rows
        places = data.draw(st.lists(st.integers(0, size - 1), max_size=8) if size else st.just([]), label="facts")
        return self.world.facts.take(pa.array(places, pa.int64()))

    def chosen(self, data: st.DataObject) -> Seen:
        """Either cube that is open."""
        return data.draw(st.sampled_from(self.seen)) if len(self.seen) > 1 else self.seen[0]

    # What may happen: each gives what is to be done to a cube, and the facts that there are then.

    def appended(self, data: st.DataObject) -> tuple[Any, pa.Table]:
        batch = self.batch(data)
        return lambda cube: cube.append(batch), pa.concat_tables([self.latest.facts, batch])

    def replaced(self, data: st.DataObject) -> tuple[Any, pa.Table]:
        facts, batch = self.latest.facts, self.batch(data)
        inside = self.instants(batch) or self.instants(self.world.facts)[:1]
        start, end = min(inside), max(inside) + data.draw(st.sampled_from([1, 3_600_000_000, 86_400_000_000]))
        kept = [not start <= one < end for one in self.instants(facts)]
        after = pa.concat_tables([facts.filter(pa.array(kept, pa.bool_())), batch])
        return lambda cube: cube.replace(batch, _datetime(start), _datetime(end)), after

    def retained(self, data: st.DataObject) -> tuple[Any, pa.Table]:
        facts = self.latest.facts
        since = data.draw(st.sampled_from(self.instants(self.world.facts))) + data.draw(st.integers(-1, 1))
        kept = [one >= since for one in self.instants(facts)]
        return lambda cube: cube.retain(_datetime(since)), facts.filter(pa.array(kept, pa.bool_()))

    def deleted(self, data: st.DataObject) -> tuple[Any, pa.Table]:
        """Facts of some members, of all others, or with some values of what is counted."""
        facts = self.latest.facts
        dimensions = {one.name: one.column for one in self.world.schema.dimensions}
        counted = {name: name for name in self.counted()}
        name = data.draw(st.sampled_from(sorted({*dimensions, *counted})), label="deleted by")
        values = _values(facts, (dimensions | counted)[name])
        known = sorted({*values} - ({None} if name in counted else set()), key=repr)
        if not known:
            return lambda cube: cube.append(facts.slice(0, 0)), facts
        some = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=2, unique=True), label="values")
        excludes = name in dimensions and data.draw(st.integers(0, 5)) == 0
        kept = facts.filter(pa.array([(one in some) == excludes for one in values], pa.bool_()))
        said = {"where_not" if excludes else "where": {name: some}}
        return lambda cube: cube.delete(**said), kept

    def counted(self) -> list[str]:
        """Columns whose different values are told in all facts: a metric counts them that has no filters."""
        dimensions = {one.column for one in self.world.schema.dimensions}
        metrics = self.world.schema.metrics.values()
        return sorted(
            {one.column for one in metrics if one.function == "distinct" and not one.filters and one.column}
            - dimensions
        )

    def happening(self, data: st.DataObject) -> tuple[Any, pa.Table]:
        """Any of these."""
        few = self.latest.facts.num_rows < _MOST_FACTS
        possible = [self.deleted, *([self.appended] * 3 if few else [])]
        if self.world.schema.time is not None and self.world.facts.num_rows:
            possible += [self.retained, *([self.replaced] if few else [])]
        found = data.draw(st.sampled_from(possible), label="what happens")
        event(found.__name__)
        return found(data)

    @rule(data=st.data())
    def change(self, data: st.DataObject) -> None:
        one = self.chosen(data)
        action, after = self.happening(data)
        done = action(one.cube)
        assert self.latest.facts.num_rows + done.added - done.removed == after.num_rows
        self.is_now(one, after, self.latest.declared)

    @rule(data=st.data(), builds=st.booleans())
    def declare(self, data: st.DataObject, builds: bool) -> None:
        one = self.chosen(data)
        if len(self.latest.declared) > 6:
            return
        wanted = self.wanted(data)
        if not wanted:
            return
        one.cube.materialize(*wanted) if builds else one.cube.declare(*wanted)
        self.is_now(one, self.latest.facts, self.latest.declared | dict.fromkeys((p.name for p in wanted), builds))

    def wanted(self, data: st.DataObject) -> list[Projection]:
        """Projections that nobody has declared."""
        found = data.draw(projections(self.world), label="projections")[:2]
        self.number += len(found)
        return [replace(one, name=f"p{self.number - place}") for place, one in enumerate(found)]

    @rule(data=st.data())
    def build_what_is_declared(self, data: st.DataObject) -> None:
        one = self.chosen(data)
        one.cube.materialize()
        # What another has declared since is nothing that was asked for here.
        known = self.latest.declared | dict.fromkeys(one.declared, True)
        if False in one.declared.values():
            self.is_now(one, self.latest.facts, known)

    # Where it lives.

    @precondition(lambda self: self.path is None)
    @rule()
    def save(self) -> None:
        self.path = Path(self.stack.enter_context(TemporaryDirectory())) / "cube"
        self.seen[0].cube.save(self.path)
        event("stored")

    @precondition(lambda self: self.path is not None)
    @rule()
    def reopen(self) -> None:
        newest = self.latest
        self.seen = [replace(newest, cube=Cube.open(self.path)), *self.seen[:1]]

    @precondition(lambda self: self.path is not None)
    @rule(data=st.data())
    def catch_up(self, data: st.DataObject) -> None:
        one = self.chosen(data)
        is_older = one.cube.snapshot.catalog.version < self.latest.cube.snapshot.catalog.version
        assert one.cube.catch_up() is is_older
        self.is_now(one, self.latest.facts, self.latest.declared)

    @precondition(lambda self: self.path is not None)
    @rule(data=st.data(), at=st.integers(0, 200), for_good=st.booleans())
    def crash(self, data: st.DataObject, at: int, for_good: bool) -> None:
        """A change whose disk fails; who made it is gone then."""
        one, before = self.chosen(data), self.latest
        action, after = self.happening(data)
        number = before.cube.snapshot.catalog.version
        with pytest.MonkeyPatch.context() as patched:
            failing = Failing(patched, at, for_good)
            try:
                action(one.cube)
                failed = False
            except (OSError, StorageError):
                failed = True
            assert failed <= bool(failing.failed)
        # What was put there and could not be taken back is there, and whole.
        stayed = not failed or (self.path / f"manifest-{number + 1}.json").exists()
        event("a crash" if failed else "a disk that did not fail")
        if failed and data.draw(st.booleans(), label="goes on"):
            self.assert_is(one)
            self.seen[:] = [replace(before, facts=after) if stayed else before, one]
            self.seen[0].cube = Cube.open(self.path)
            return
        self.seen = [Seen(Cube.open(self.path), after if stayed else before.facts, before.declared)]

    # What it answers.

    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        one = self.chosen(data)
        query = data.draw(queries(self.world), label="query")
        self.assert_answers(one, query)

    @invariant()
    def rows_are_as_many(self) -> None:
        for one in self.seen:
            self.assert_is(one)

    def assert_is(self, one: Seen) -> None:
        found = {projection.name: projection.statistics is not None for projection in one.cube.projections}
        assert found.pop("facts")
        assert found == one.declared
        assert sum(segment.rows for segment in one.cube.snapshot.sources["facts"].segments) == one.facts.num_rows

    def assert_answers(self, one: Seen, query: Any) -> None:
        world, snapshot = World(self.world.schema, one.facts, self.world.kinds, self.world.centers), one.cube.snapshot
        result = snapshot.run(snapshot.plan(query))
        assert_right(world, result, query)
        fresh = Cube(world.schema, one.facts).answer(query.asking(result.plan.metrics))
        assert_same(result.to_pylist(), fresh.to_pylist())
        assert result.total == fresh.total
        assert one.cube.verify(query)

    @property
    def latest(self) -> Seen:
        return self.seen[0]

    def is_now(self, one: Seen, facts: pa.Table, declared: dict[str, bool]) -> None:
        """One cube has the newest version; where it is not the first, it is now."""
        one.facts, one.declared = facts, dict(declared)
        self.seen.sort(key=lambda other: other is not one)

    def instants(self, facts: pa.Table) -> list[int]:
        """Microseconds since 1970 UTC, whatever the unit and the zone of the column."""
        column = pl.from_arrow(facts.select(["at"]))["at"]
        return column.dt.epoch("us").to_list()


def _values(facts: pa.Table, name: str) -> list[Any]:
    """The values of a column as Python has them; what is no number is null, and both zeros are one."""
    column = facts[name]
    values = (column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column).to_pylist()
    return [None if is_missing(one) else one + 0.0 if isinstance(one, float) else one for one in values]


def _datetime(instant: int) -> datetime:
    return _EPOCH + timedelta(microseconds=instant)


TestACubeThatLives = ACubeThatLives.TestCase
TestACubeThatLives.settings = settings(max_examples=max(settings.default.max_examples // 3, 1), stateful_step_count=25)
