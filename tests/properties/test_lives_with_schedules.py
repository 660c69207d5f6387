"""Each piece of an answer is the facts of its stretch of time as they were when it was refreshed, and nothing else.

The model is a list of tables, each with the time since when it is what the facts are. Whatever plan is right, and of
however many pieces, gives what the oracle does of the stretches of its pieces, each cut out of the table of that time.
"""

from __future__ import annotations

import shutil
from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from strategies import World, is_missing, projections, queries, worlds
from test_answers import assert_right

from wolap import Cube, MetricOverflow, NoAnswer, Query
from wolap.model.interval import EVERYTHING, Interval
from wolap.model.projection import FACTS, declare_projection, schedule_of
from wolap.model.span import Span
from wolap.planner import cost
from wolap.planner.choose import every_plan
from wolap.planner.plan import Plan

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
GAPS = [timedelta(0), timedelta(minutes=1), timedelta(hours=2), timedelta(hours=5), timedelta(days=3)]
SPANS = [None, Span(1, "minute"), Span(3, "hour"), Span(2, "day"), Span(1, "year")]


@dataclass
class Life:
    """A cube with a list of what its facts were since when; `lost` tells whether some time is not known."""

    world: World
    cube: Cube
    times: list[datetime]
    tables: list[pa.Table]

    @property
    def facts(self) -> pa.Table:
        """The facts as they are."""
        return self.tables[-1]

    def became(self, now: datetime, facts: pa.Table) -> None:
        """The facts are these from now on."""
        self.times.append(now)
        self.tables.append(facts)

    def as_of(self, refreshed: datetime) -> pa.Table:
        """What the facts were at a time."""
        return self.tables[bisect_right(self.times, refreshed) - 1]

    def read_by(self, plan: Plan) -> World:
        """What a plan is to have read."""
        parts = []
        for piece in plan.pieces:
            assert piece.refreshed is not None
            parts.append(self.within(self.as_of(piece.refreshed), piece.interval))
        return replace(self.world, facts=pa.concat_tables(parts))

    def within(self, facts: pa.Table, interval: Interval) -> pa.Table:
        """The facts in an interval."""
        if self.world.schema.time is None or interval == EVERYTHING:
            return facts
        frame = pl.from_arrow(facts.select(["at"]))
        assert isinstance(frame, pl.DataFrame)
        instants = frame["at"].dt.epoch("us").to_list()
        return facts.filter(pa.array([interval.start <= one < interval.end for one in instants], pa.bool_()))


@st.composite
def scheduled(draw: st.DrawFn, has_time: bool | None = None, all_pieces: bool = False) -> tuple[Life, list[pa.Table]]:
    """A cube that begins with some facts, and those that are to come. `all_pieces` of whole buckets of some levels."""
    world = draw(worlds(has_time=has_time))
    schema, facts = world.schema, world.facts
    metrics = {
        name: one if one.operands else replace(one, every=draw(st.sampled_from([None, None, None, *SPANS])))
        for name, one in schema.metrics.items()
    }
    time = schema.time
    if time is not None:
        levels = draw(st.lists(st.sampled_from(time.levels), max_size=2, unique=True))
        time = replace(time, refresh={level: draw(st.sampled_from(SPANS[1:])) for level in levels})
        if draw(st.booleans()):
            # As they happened, so that what comes later begins buckets that were not there.
            facts = facts.take(pc.sort_indices(facts["at"]))
    schema = replace(schema, metrics=metrics, time=time)
    world = replace(world, schema=schema)
    cuts = sorted(draw(st.lists(st.integers(0, facts.num_rows), max_size=3)))
    first, *others = [facts.slice(a, b - a) for a, b in zip([0, *cuts], [*cuts, facts.num_rows], strict=True)]
    cube = Cube(schema, first, refreshed=BEGIN)
    wanted = draw(projections(world))
    if all_pieces and schema.time is not None:
        names = [one.name for one in schema.dimensions]
        levels = draw(st.lists(st.sampled_from(schema.time.levels), min_size=1, max_size=3, unique=True))
        wanted += [declare_projection(schema, [level, *names], name=level) for level in levels]
    wanted = [replace(one, every=draw(st.sampled_from(SPANS))) for one in wanted]
    try:
        cube.materialize(*wanted, now=BEGIN) if wanted else None
    except MetricOverflow:
        event("too large")
    return Life(world, cube, [BEGIN], [first]), others


def lived(data: st.DataObject, life: Life, batches: list[pa.Table]) -> None:
    """Lets the facts come and go, and time with them."""
    now = life.times[-1]
    for batch in batches:
        now += data.draw(st.sampled_from(GAPS))
        try:
            _happens(data, life, batch, now)
        except MetricOverflow:
            event("too large")
        said = {one.name: one.statistics for one in life.cube.projections if one.statistics is not None}
        for one in life.cube.projections:
            if one.name in said and said[one.name].backlog is not None:
                event("behind")
                assert schedule_of(life.cube.schema, one)


def _happens(data: st.DataObject, life: Life, batch: pa.Table, now: datetime) -> None:
    cube, has_time = life.cube, life.world.schema.time is not None
    happening = data.draw(st.sampled_from(["append"] * 4 + ["replace", "delete", "retain", "refresh", "build"]))
    if happening == "replace" and has_time and batch.num_rows:
        bounds = pc.min_max(batch["at"].cast(pa.timestamp("us", "UTC"), safe=False)).as_py()
        start, end = bounds["min"], bounds["max"] + timedelta(milliseconds=data.draw(st.sampled_from([1, 86_400_000])))
        interval = Interval(
            *((one - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) for one in (start, end))
        )
        inside = life.within(life.facts, interval)
        cube.replace(batch, start, end, now=now)
        kept = [
            life.within(life.facts, one)
            for one in (Interval(EVERYTHING.start, interval.start), Interval(interval.end, EVERYTHING.end))
        ]
        assert sum(one.num_rows for one in (inside, *kept)) == life.facts.num_rows
        life.became(now, pa.concat_tables([*kept, batch]))
        return
    cube.append(batch, now=now)
    life.became(now, pa.concat_tables([life.facts, batch]))
    if happening == "refresh":
        at = data.draw(st.sampled_from([None, now, now + timedelta(hours=4)]))
        behind = cube.refresh(now=at).behind
        assert not behind or at is not None
    elif happening == "build":
        names = [one.name for one in cube.projections if not one.is_facts]
        if names:
            name = data.draw(st.sampled_from(names))
            declared = next(one for one in cube.projections if one.name == name)
            cube.materialize(replace(declared, statistics=None), now=data.draw(st.sampled_from([None, now])))
    elif happening == "retain" and has_time and life.facts.num_rows:
        since = pc.min(life.facts["at"].cast(pa.timestamp("us", "UTC"), safe=False)).as_py() + timedelta(days=1)
        instant = (since - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        done = cube.retain(since, now=now)
        assert done.behind == ()
        life.became(now, life.within(life.facts, Interval(instant, EVERYTHING.end)))
    elif happening == "delete":
        dimension = data.draw(st.sampled_from(life.world.schema.dimensions))
        values = [None if is_missing(one) else one for one in life.facts[dimension.column].to_pylist()]
        if values:
            member = data.draw(st.sampled_from(values))
            done = cube.delete(where={dimension.name: member}, now=now)
            # Nothing that was deleted is anywhere, whatever is due.
            assert done.behind == () or not done.removed
            life.became(now, life.facts.filter(pa.array([one != member for one in values], pa.bool_())))


@given(st.data())
def test_each_piece_is_the_facts_of_its_refresh(data: st.DataObject) -> None:
    life, batches = data.draw(scheduled())
    lived(data, life, batches)
    for query in data.draw(st.lists(queries(life.world), min_size=1, max_size=3)):
        for plan in every_plan(query, life.cube.snapshot.catalog):
            old = any(piece.refreshed != life.times[-1] for piece in plan.pieces)
            event("older pieces" if old else "the newest")
            assert_right(life.read_by(plan), life.cube.snapshot.run(plan), query)
        assert life.cube.verify(query)


@given(st.data())
def test_pieces_of_several_times_hold_each_instant_once(data: st.DataObject) -> None:
    life, batches = data.draw(scheduled(has_time=True, all_pieces=True))
    lived(data, life, batches)
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(cost.RATES, "piece", -1e6)
        for query in data.draw(st.lists(queries(life.world), min_size=1, max_size=3)):
            result = life.cube.answer(query)
            times = {piece.refreshed for piece in result.plan.pieces}
            event(f"{len(times)} times" if len(times) < 4 else "many times")
            assert_right(life.read_by(result.plan), result, query)


@given(st.data())
def test_a_folder_keeps_what_is_behind(data: st.DataObject) -> None:
    life, batches = data.draw(scheduled())
    folder = Path(mkdtemp())
    try:
        life.cube.save(folder)
        half = data.draw(st.integers(0, len(batches)))
        lived(data, life, batches[:half])
        before = life.cube
        life.cube = Cube.open(folder)
        for one, kept in zip(life.cube.projections, before.projections, strict=True):
            assert (one.name, schedule_of(life.cube.schema, one)) == (kept.name, schedule_of(before.schema, kept))
            assert (one.statistics is None) == (kept.statistics is None)
            if one.statistics is not None and kept.statistics is not None:
                for name in ("backlog", "coverage", "refreshed"):
                    assert getattr(one.statistics, name) == getattr(kept.statistics, name)
        assert life.cube.snapshot.catalog.span == before.snapshot.catalog.span
        lived(data, life, batches[half:])
        query = data.draw(queries(life.world))
        result = life.cube.answer(query)
        assert_right(life.read_by(result.plan), result, query)
    finally:
        shutil.rmtree(folder)


@given(st.data())
def test_a_strict_cube_says_what_it_has_not(data: st.DataObject) -> None:
    """Nothing is left out in silence: of what no projection holds yet there is no answer."""
    life, batches = data.draw(scheduled(has_time=True, all_pieces=True))
    lived(data, life, batches)
    catalog = replace(life.cube.snapshot.catalog, strict=True)
    query: Query = data.draw(queries(life.world))
    try:
        plans = every_plan(query, catalog)
    except NoAnswer:
        event("no answer")
        return
    for plan in plans:
        assert FACTS not in {piece.projection for piece in plan.pieces}
        asked = plan.query if plan.widened else query
        assert_right(life.read_by(plan), life.cube.snapshot.run(plan), asked)
