"""Facts that come in batches have the codes of those before: whatever the batches, answers are the oracle's."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st
from strategies import World, arrangements, projections, queries, worlds
from test_answers import assert_alike, assert_right

from wolap import Cube, Query, versions
from wolap.engine.layout import Dictionaries, Layout
from wolap.engine.load import load_facts
from wolap.model.query import Order


@st.composite
def batches(draw: st.DrawFn, world: World) -> list[pa.Table]:
    """All facts in up to four tables, some of them empty, whose rows lie in memory in any way."""
    facts = draw(arrangements(world.facts))
    cuts = sorted(draw(st.lists(st.integers(0, facts.num_rows), max_size=3)))
    tables = [facts.slice(a, b - a) for a, b in zip([0, *cuts], [*cuts, facts.num_rows], strict=True)]
    return [draw(st.sampled_from([table, draw(arrangements(plain(table)))])) for table in tables]


def plain(table: pa.Table) -> pa.Table:
    """A table without dictionaries."""
    columns = [
        column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for column in table.columns
    ]
    return pa.table(columns, names=table.column_names)


def loaded(world: World, tables: list[pa.Table]) -> tuple[list[Dictionaries], list[Layout]]:
    """Each table with the dictionaries of those before."""
    dictionaries: list[Dictionaries] = []
    layouts = []
    for table in tables:
        _, found, layout = load_facts(world.schema, table, known=dictionaries[-1] if dictionaries else None)
        dictionaries.append(found)
        layouts.append(layout)
    return dictionaries, layouts


def later(world: World, known: Dictionaries, facts: pa.Table, cluster: tuple[str, ...] = ()) -> Cube:
    """A cube of facts whose codes are those of dictionaries that were there before."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(versions, "load_facts", partial(load_facts, known=known))
        return Cube(world.schema, facts, cluster=cluster)


def contents(dictionaries: Dictionaries) -> list[object]:
    """All that dictionaries say, to be compared later."""
    said: list[object] = [(name, one.values.to_pylist(), one.null_code) for name, one in dictionaries.members.items()]
    said += [(column, values.to_pylist()) for column, values in dictionaries.items.items()]
    said += [(key, table.tolist()) for key, table in dictionaries.parents.items()]
    return [*said, *((key, table.tolist()) for key, table in dictionaries.determined.items()), dictionaries.types]


@given(st.data())
def test_codes_of_each_batch_mean_its_facts(data: st.DataObject) -> None:
    world = data.draw(worlds())
    tables = data.draw(batches(world))
    dictionaries, layouts = loaded(world, tables)
    every = dictionaries[-1]
    for table, layout in zip(tables, layouts, strict=True):
        # Facts lie in the order of time, and those of one instant as they came.
        order = slice(None) if world.schema.time is None else np.argsort(_instants(table), kind="stable")
        for dimension in world.schema.dimensions:
            members = every.members[dimension.name]
            found = members.decode(layout.codes[dimension.name])
            expected = _members_in(plain(table)[dimension.column])[order]
            assert found.to_pylist() == expected.tolist()
            for above in world.schema.ancestors(dimension.name):
                codes = every.parents[dimension.name, above][layout.codes[dimension.name]]
                assert codes.tolist() == layout.codes[above].tolist()
        for column in layout.columns.values():
            assert column.members is None or column.values is None or column.values.dtype.kind == "u"


def _instants(table: pa.Table) -> np.ndarray:
    return table["at"].cast(pa.timestamp("us", table["at"].type.tz), safe=False).cast(pa.int64()).to_numpy()


def _members_in(column: pa.ChunkedArray) -> np.ndarray:
    values = column.to_pylist()
    found = np.empty(len(values), object)
    found[:] = [None if value != value else value for value in values]  # noqa: PLR0124
    return found


@given(st.data())
def test_whoever_holds_dictionaries_keeps_them(data: st.DataObject) -> None:
    world = data.draw(worlds())
    known: Dictionaries | None = None
    held: list[tuple[Dictionaries, list[object]]] = []
    for table in data.draw(batches(world)):
        _, known, _ = load_facts(world.schema, table, known=known)
        held.append((known, contents(known)))
    for dictionaries, said in held:
        assert contents(dictionaries) == said
    for (one, _), (other, _) in pairwise(held):
        for name, members in one.members.items():
            assert other.members[name].values[: members.cardinality].equals(members.values)
            assert members.null_code in (None, other.members[name].null_code)
        for column, items in one.items.items():
            assert other.items[column][: len(items)].equals(items) or not len(items)


@given(st.data())
def test_an_answer_in_codes_of_any_order_is_that_of_the_oracle(data: st.DataObject) -> None:
    world = data.draw(worlds())
    tables = data.draw(batches(world))
    dictionaries, _ = loaded(world, tables)
    known = data.draw(st.sampled_from(dictionaries))
    names = [dimension.name for dimension in world.schema.dimensions]
    cube = later(world, known, world.facts, tuple(data.draw(st.sampled_from([[], names]))))
    wanted = data.draw(projections(world))
    cube.materialize(*wanted) if wanted else None
    ranked = [one.ranks is not None for one in cube.snapshot.dictionaries.members.values()]
    event("members came later" if any(ranked) else "members in order")
    for query in data.draw(st.lists(queries(world), min_size=1, max_size=3)):
        assert_right(world, cube.answer(query), query)


@given(st.data())
def test_facts_that_came_later_alone_are_answered_rightly(data: st.DataObject) -> None:
    world = data.draw(worlds())
    *before, last = data.draw(batches(world))
    assume(before)
    dictionaries, _ = loaded(world, before)
    cube = later(world, dictionaries[-1], last)
    query = data.draw(queries(world))
    assert_right(World(world.schema, plain(last), world.kinds, world.centers), cube.answer(query), query)


@given(st.data())
def test_ties_of_a_sort_are_in_the_order_of_members(data: st.DataObject) -> None:
    world = data.draw(worlds())
    dictionaries, _ = loaded(world, data.draw(batches(world)))
    cube = later(world, dictionaries[-1], world.facts)
    asked = data.draw(queries(world, limited=False))
    whole = cube.answer(asked)
    order = [
        Order(name, data.draw(st.booleans()))
        for name in data.draw(st.lists(st.sampled_from(whole.table.column_names), min_size=1, max_size=2, unique=True))
    ]
    offset, limit = data.draw(st.integers(0, 3)), data.draw(st.none() | st.integers(1, 5))
    query = Query(
        asked.path, filters=asked.filters, start=asked.start, end=asked.end, metrics=whole.plan.metrics,
        order=order, offset=offset, limit=limit,
    )  # fmt: skip
    found, fresh = cube.answer(query), Cube(world.schema, world.facts).answer(query)
    assert_alike(world.schema, found, fresh)
    assert found.total == fresh.total == len(whole)
