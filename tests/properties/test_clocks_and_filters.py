"""Projections with a clock of their own, and of some of the facts only: whatever plan is right gives the oracle's
answer, and what is built from another projection is what would have been built from the facts.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st
from strategies import CHANGES, World, build_filters, projections, queries, worlds, zones_of
from test_answers import assert_right

from wolap import Cube, NoAnswer, Projection, Query
from wolap.model.filter import Filter
from wolap.model.projection import FACTS, declare_projection
from wolap.planner import cost
from wolap.planner.choose import every_plan


def check_every_plan(world: World, cube: Cube, query: Query) -> list[str]:
    """Every right plan gives the oracle's answer; the projections that were asked, for what was seen."""
    asked = []
    chosen = cube.snapshot.plan(query)
    ran = chosen.query if chosen.widened else query
    for plan in every_plan(query, cube.snapshot.catalog):
        assert_right(world, cube.snapshot.run(plan), ran)
        stretches = [piece.interval for piece in plan.pieces]
        assert all(one.end == two.start for one, two in pairwise(stretches))
        asked += [piece.projection for piece in plan.pieces]
    return asked


@st.composite
def clockworks(draw: st.DrawFn, world: World) -> list[Projection]:
    """All dimensions and metrics, by buckets of several sizes on several clocks."""
    assert world.schema.time is not None
    names = [dimension.name for dimension in world.schema.dimensions]
    fine = [level for level in world.schema.time.levels if level in {"day", "hour", "minute"}]
    sizes = st.sampled_from(world.schema.time.levels) | st.sampled_from(fine or list(world.schema.time.levels))
    clocks = st.sampled_from(["UTC", world.schema.time.zone]) | st.sampled_from(sorted(CHANGES))
    return [
        declare_projection(world.schema, [level, *names], name=f"{level}{index}", zone=draw(clocks))
        for index, level in enumerate(draw(st.lists(sizes, min_size=1, max_size=4)))
    ]


@given(st.data())
def test_any_clock_answers_rightly(data: st.DataObject) -> None:
    world = data.draw(worlds(has_time=True))
    cube = Cube(world.schema, world.facts)
    cube.materialize(*data.draw(clockworks(world)))
    for query in data.draw(st.lists(queries(world), min_size=1, max_size=3)):
        asked = set(check_every_plan(world, cube, query)) - {FACTS}
        event("stored and shown on " + ("one clock" if not asked else "some clock"))
        for candidate in cube.explain(query).candidates:
            for reason in candidate.reasons:
                event(reason.code)


@given(st.data())
def test_pieces_on_any_clock_fit_together(data: st.DataObject) -> None:
    world = data.draw(worlds(has_time=True))
    merging = [name for name in world.schema.metrics if "distinct" not in str(world.schema.partials(name))]
    assume(merging)
    cube = Cube(world.schema, world.facts, strict=data.draw(st.booleans()))
    cube.materialize(*data.draw(clockworks(world)))
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(cost.RATES, "piece", -1e6)
        for asked in data.draw(st.lists(queries(world), min_size=1, max_size=3)):
            query = asked.asking(tuple(merging[:3]))
            try:
                event(f"{len(cube.explain(query).pieces)} pieces")
                check_every_plan(world, cube, query)
            except NoAnswer:
                event("no answer")


def asked_of(query: Query, filters: tuple[Filter, ...], more: list[Filter]) -> Query:
    """The same query of the facts that pass these filters."""
    return Query(
        query.path,
        filters=[*filters, *more],
        start=query.start,
        end=query.end,
        metrics=query.metrics,
        limit=query.limit,
    )


@given(st.data())
def test_some_facts_answer_rightly(data: st.DataObject) -> None:
    """Asked for what was built, for a part of it, and for anything else."""
    world = data.draw(worlds())
    names = world.schema.names
    wanted = []
    for index in range(data.draw(st.integers(1, 3))):
        steps = data.draw(st.lists(st.sampled_from(names), max_size=min(len(names), 5), unique=True))
        filtered = data.draw(build_filters(world, always=True))
        zone = data.draw(zones_of(world, steps))
        wanted.append(declare_projection(world.schema, steps, name=f"p{index}", zone=zone, **filtered))
    cube = Cube(world.schema, world.facts, strict=data.draw(st.booleans()))
    cube.materialize(*wanted)
    for one in cube.projections:
        query = data.draw(queries(world))
        if one.closure and data.draw(st.booleans()):
            query = query.along(tuple(data.draw(st.lists(st.sampled_from(sorted(one.closure)), unique=True))))
        query = with_filters(query, one.filters, query.filters if data.draw(st.booleans()) else ())
        try:
            asked = check_every_plan(world, cube, query)
        except NoAnswer:
            event("no answer")
            continue
        event("from some facts" if set(asked) - {FACTS} else "from the facts")


def with_filters(query: Query, filters: tuple[Filter, ...], more: tuple[Filter, ...]) -> Query:
    """The same query of the facts that pass these filters."""
    given_at = {"start": query.start, "end": query.end}
    return Query(query.path, filters=[*filters, *more], metrics=query.metrics, limit=query.limit, **given_at)


@given(st.data())
def test_what_is_built_from_another_is_what_the_facts_give(data: st.DataObject) -> None:
    world = data.draw(worlds())
    merging = [name for name in world.schema.metrics if "distinct" not in str(world.schema.partials(name))]
    assume(merging)
    wanted = data.draw(projections(world, merging))
    together = Cube(world.schema, world.facts)
    together.materialize(*wanted) if wanted else None
    for projection in wanted:
        alone = Cube(world.schema, world.facts)
        alone.materialize(projection)
        one, other = (cube.snapshot.sources[projection.name].whole.layout for cube in (alone, together))
        assert one.rows == other.rows
        assert (one.time is None) == (other.time is None)
        if one.time is not None and other.time is not None:
            assert one.time.offsets.tolist() == other.time.offsets.tolist()
        for name, codes in one.codes.items():
            assert codes.tolist() == other.codes[name].tolist()
        for partial, column in one.columns.items():
            expected = column.values.tolist()
            rounded = partial.function == "squares"
            assert other.columns[partial].values.tolist() == (pytest.approx(expected) if rounded else expected), partial
