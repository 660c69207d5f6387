"""The laws of an answer: it is the oracle's, whichever projection gives it and however the facts lie in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st
from oracle import Records, oracle
from strategies import MERGEABLE, World, arrangements, projections, queries, worlds

from wolap import Cube, NoAnswer, Projection, Query, Result, Schema, Time, Tree, count, mean, total
from wolap.model.projection import FACTS, declare_projection
from wolap.planner import cost

EXACT = 1e-12


def build(world: World, facts: pa.Table, wanted: list[Projection], *, strict: bool = False) -> Cube:
    """A cube with these projections, built."""
    cube = Cube(world.schema, facts, strict=strict)
    cube.materialize(*wanted) if wanted else None
    return cube


def assert_same(found: Records, expected: Records, near: dict[str, float] | None = None) -> None:
    """Equal records; quotients, the only numbers that are rounded, within 1e-12, and some as near as is said."""
    assert len(found) == len(expected)
    for record, right in zip(found, expected, strict=True):
        assert list(record) == list(right)
        for name, value in record.items():
            assert (value is None) == (right[name] is None), name
            if value is not None and near and name in near:
                # Durations are shown in whole units.
                one, other, unit = (value, right[name], 0.0)
                if isinstance(value, timedelta):
                    one, other, unit = value.total_seconds(), right[name].total_seconds(), 0.0005
                assert one == pytest.approx(other, rel=near[name] * (1 + 1e-9), abs=unit), name
            elif isinstance(value, float):
                assert value == pytest.approx(right[name], rel=EXACT, abs=0), name
            else:
                assert value == right[name], name


def assert_alike(schema: Schema, one: Result, other: Result) -> None:
    """The same to the last bit, but for squared deviations, whose rounding follows the order of rows."""
    rounded = [
        name for name in one.plan.metrics if any(partial.function == "squares" for partial in schema.partials(name))
    ]
    # Dictionaries of equal texts may differ.
    assert one.to_polars().drop(rounded).equals(other.to_polars().drop(rounded))
    assert_same(one.table.select(rounded).to_pylist(), other.table.select(rounded).to_pylist())


def assert_right(world: World, result: Result, query: Query) -> None:
    """The answer is the oracle's, in names, order and number; quantiles as near as they promise."""
    near = {
        name: partial.parameter or 0.0
        for name in result.plan.metrics
        for partial in world.schema.partials(name)
        if partial.function == "buckets"
    }
    assert_same(result.to_pylist(), oracle(world.schema, world.frame, query, result.plan.metrics), near)


@given(st.data())
def test_an_answer_is_that_of_the_oracle(data: st.DataObject) -> None:
    world = data.draw(worlds())
    facts = data.draw(arrangements(world.facts))
    cube = build(world, facts, data.draw(projections(world)))
    for query in data.draw(st.lists(queries(world), min_size=1, max_size=3)):
        result = cube.answer(query)
        event("from the facts" if result.plan.pieces[0].projection == FACTS else "from a projection")
        assert_right(world, result, query)


@given(st.data())
def test_an_answer_does_not_depend_on_the_projection(data: st.DataObject) -> None:
    world = data.draw(worlds())
    cube = build(world, world.facts, data.draw(projections(world)))
    for query in data.draw(st.lists(queries(world), min_size=1, max_size=3)):
        plan = cube.explain(query)
        piece = replace(plan.pieces[0], interval=plan.interval)
        expected = None
        for candidate in plan.candidates:
            for reason in candidate.reasons:
                event(reason.code)
            if candidate.cost is None:
                continue
            one = replace(plan, pieces=(replace(piece, projection=candidate.projection),))
            result = cube.snapshot.run(one)
            assert_right(world, result, query)
            expected = expected or result
            assert_alike(world.schema, result, expected)
            assert result.total == expected.total


@given(st.data())
def test_an_answer_put_together_of_pieces_is_that_of_the_oracle(data: st.DataObject) -> None:  # rule 10
    """As many pieces as there can be: in small worlds one is always cheaper, so a piece more is made to save time."""
    world = data.draw(worlds(has_time=True))
    dimensions = [dimension.name for dimension in world.schema.dimensions]
    mergeable = [
        name
        for name, metric in world.schema.metrics.items()
        if metric.keep == "set" or metric.function not in {"distinct", "ratio"}
    ]
    assume(mergeable)
    # Everything by buckets of some sizes, so that whatever is asked has something to be put together from.
    levels = data.draw(st.lists(st.sampled_from(world.schema.time.levels), min_size=1, max_size=4, unique=True))
    wanted = [declare_projection(world.schema, [level, *dimensions], name=level) for level in levels]
    cube = build(world, world.facts, wanted, strict=data.draw(st.booleans()))
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(cost.RATES, "piece", -1e6)
        for asked in data.draw(st.lists(queries(world), min_size=1, max_size=4)):
            query = asked.asking(
                tuple(data.draw(st.lists(st.sampled_from(mergeable), min_size=1, max_size=3, unique=True)))
            )
            try:
                result = cube.answer(query)
            except NoAnswer:
                event("no answer")
                continue
            pieces = result.plan.pieces
            event(f"{len(pieces)} pieces")
            stretches = [piece.interval for piece in pieces]
            assert stretches[0].start == result.plan.interval.start
            assert stretches[-1].end == result.plan.interval.end
            assert all(one.end == two.start for one, two in pairwise(stretches))
            assert_right(world, result, result.plan.query if result.plan.widened else query)


@given(st.data())
def test_a_strict_cube_answers_rightly_or_not_at_all(data: st.DataObject) -> None:
    world = data.draw(worlds())
    cube = build(world, world.facts, data.draw(projections(world)), strict=True)
    for query in data.draw(st.lists(queries(world), min_size=1, max_size=3)):
        try:
            result = cube.answer(query)
        except NoAnswer:
            event("no answer")
            continue
        event("widened" if result.plan.widened else "exact")
        # A widened plan says which interval it has used, and is right for that one.
        assert_right(world, result, result.plan.query if result.plan.widened else query)


@given(st.data())
def test_an_answer_does_not_depend_on_how_the_facts_lie(data: st.DataObject) -> None:
    world = data.draw(worlds())
    wanted = data.draw(projections(world))
    one = build(world, data.draw(arrangements(world.facts)), wanted)
    other = build(world, data.draw(arrangements(world.facts)), wanted)
    for query in data.draw(st.lists(queries(world), min_size=1, max_size=3)):
        assert_alike(world.schema, one.answer(query), other.answer(query))


def _sort_key(value: Any) -> tuple[bool, Any]:
    return (value is None, 0 if value is None else value)


@given(st.data())
def test_records_are_unique_and_sorted_by_grain(data: st.DataObject) -> None:
    world = data.draw(worlds())
    cube = build(world, world.facts, data.draw(projections(world)))
    query = data.draw(queries(world))
    keys = [tuple(_sort_key(record[name]) for name in query.group) for record in cube.answer(query).to_pylist()]
    assert keys == sorted(set(keys))


@given(st.data())
def test_a_limit_cuts_behind_the_sort(data: st.DataObject) -> None:
    world = data.draw(worlds())
    cube = build(world, world.facts, data.draw(projections(world)))
    query = data.draw(queries(world, limited=False))
    whole = cube.answer(query)
    limit = data.draw(st.integers(1, max(whole.total, 1) + 1))
    few = cube.answer(_limited(query, limit))
    assert few.table.equals(whole.table.slice(0, limit))
    assert few.total == whole.total == len(whole)


def _limited(query: Query, limit: int) -> Query:
    return Query(
        query.path, filters=query.filters, start=query.start, end=query.end, metrics=query.metrics, limit=limit
    )


@given(st.data())
def test_a_coarser_answer_is_a_finer_one_merged(data: st.DataObject) -> None:
    world = data.draw(worlds())
    names = [name for name in world.schema.metrics if name in MERGEABLE]
    cube = build(world, world.facts, data.draw(projections(world)))
    fine = data.draw(queries(world, limited=False))
    group = data.draw(st.permutations(fine.group))[: data.draw(st.integers(0, len(fine.group)))]
    bounds = {"filters": fine.filters, "start": fine.start, "end": fine.end}
    for name in names:
        coarse = cube.answer(Query(group, metrics=name, **bounds)).to_pylist()
        merged: dict[tuple[Any, ...], list[Any]] = {} if group else {(): []}
        for record in cube.answer(Query(fine.path, metrics=name, **bounds)).to_pylist():
            merged.setdefault(tuple(record[step] for step in group), []).append(record[name])
        function = world.schema.metrics[name].function
        found = {tuple(record[step] for step in group): record[name] for record in coarse}
        assert found == {key: _merge(function, values) for key, values in merged.items()}


def _merge(function: str, values: list[Any]) -> Any:
    known = [value for value in values if value is not None]
    if not known:
        return 0 if function == "count" else None
    if function in {"min", "max"}:
        return min(known) if function == "min" else max(known)
    return sum(known[1:], known[0])


FLOATS = Schema(
    "floats",
    dimensions=[],
    metrics={"sum": total("x"), "mean": mean("x"), "rows": count()},
    time=Time("at", ("year", "month", "day", "hour")),
    trees=[Tree.from_paths(["year/month/day/hour"])],
)


@given(st.lists(st.floats(-1e9, 1e9), max_size=200), st.sampled_from(["", "month", "day/hour", "hour"]))
def test_any_floats_add_up_within_their_rounding(values: list[float], group: str) -> None:
    start = datetime(2024, 2, 27, tzinfo=UTC)
    hours = [start + timedelta(hours=index * 7 % 100) for index in range(len(values))]
    facts = pa.table({"at": pa.array(hours, pa.timestamp("us", "UTC")), "x": pa.array(values, pa.float64())})
    cube = Cube(FLOATS, facts)
    cube.materialize("year/month/day/hour", "year/month")
    frame = pl.from_arrow(facts)
    assert isinstance(frame, pl.DataFrame)
    query = Query(group)
    room = EXACT * sum(map(abs, values))
    plan = cube.explain(query)
    for candidate in plan.candidates:
        if candidate.cost is not None:
            piece = replace(plan.pieces[0], projection=candidate.projection)
            found = cube.snapshot.run(replace(plan, pieces=(piece,))).to_pylist()
            for record, right in zip(found, oracle(FLOATS, frame, query, plan.metrics), strict=True):
                for name, value in right.items():
                    assert record[name] == (None if value is None else pytest.approx(value, rel=EXACT, abs=room))
