"""The order that was asked for, and pages of it (W70, W71): that of Python's own sort over all records."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracle import in_order
from strategies import projections, queries, worlds

from wolap import Cube, Dimension, Query, Schema, Tree, minimum, total
from wolap.model.query import Order


@given(st.data())
def test_order_and_pages(data: st.DataObject) -> None:
    world = data.draw(worlds())
    cube = Cube(world.schema, world.facts)
    wanted = data.draw(projections(world))
    cube.materialize(*wanted) if wanted else None
    asked = data.draw(queries(world, limited=False))
    plain = cube.answer(asked)
    records, names = plain.to_pylist(), plain.table.column_names
    order = [Order(name, data.draw(st.booleans())) for name in data.draw(st.lists(st.sampled_from(names), unique=True))]
    assume(order)
    offset, limit = data.draw(st.integers(0, 8)), data.draw(st.none() | st.integers(1, 5))
    query = Query(
        asked.path, filters=asked.filters, start=asked.start, end=asked.end, metrics=plain.plan.metrics,
        order=order, offset=offset, limit=limit,
    )  # fmt: skip
    found = cube.answer(query)
    expected = in_order(records, order)
    assert found.to_pylist() == expected[offset : None if limit is None else offset + limit]
    assert found.total == len(records)


@given(st.data())
def test_the_first_of_many_are_those_of_all_in_order(data: st.DataObject) -> None:
    """Many equals, nulls and floats that are no number; so few are shown that the others are not sorted."""
    count = data.draw(st.integers(60, 200))
    values = st.sampled_from([None, 0.0, 1.5, -2.5, float("nan"), float("inf"), -1e300])
    table = pa.table(
        {
            "k": [f"k{number:03}" for number in range(count)],
            "x": pa.array(data.draw(st.lists(values, min_size=count, max_size=count)), pa.float64()),
            "n": pa.array(data.draw(st.lists(st.integers(-3, 3), min_size=count, max_size=count)), pa.int64()),
        }
    )
    cube = Cube(Schema("c", [Dimension("k")], {"x": total("x"), "n": total("n")}, [Tree.parse("k")]), table)
    names = data.draw(st.lists(st.sampled_from(["n", "x", "k"]), min_size=1, unique=True))
    order = [Order(name, data.draw(st.booleans())) for name in names]
    offset, limit = data.draw(st.integers(0, 4)), data.draw(st.integers(1, 6))
    records = cube.answer(Query("k")).to_pylist()
    found = cube.answer(Query("k", order=order, offset=offset, limit=limit))
    assert found.to_pylist() == in_order(records, order)[offset : offset + limit]
    assert found.total == count


@given(st.data())
def test_pages_put_together_are_the_whole(data: st.DataObject) -> None:
    world = data.draw(worlds())
    cube = Cube(world.schema, world.facts)
    asked = data.draw(queries(world, limited=False))
    whole = cube.answer(asked).to_pylist()
    size = data.draw(st.integers(1, 4))
    pages = []
    for offset in range(0, len(whole) + size, size):
        page = Query(
            asked.path, filters=asked.filters, start=asked.start, end=asked.end, metrics=asked.metrics,
            offset=offset, limit=size,
        )  # fmt: skip
        pages += cube.answer(page).to_pylist()
    assert pages == whole


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (("-n",), [9, 5, -(2**63), None]),
        (("n",), [-(2**63), 5, 9, None]),
    ],
)
def test_the_least_whole_number_is_turned_around(order: tuple[str, ...], expected: list[int | None]) -> None:
    schema = Schema("one", [Dimension("g")], {"n": minimum("n")}, [Tree.parse("g")])
    cube = Cube(schema, pa.table({"g": pa.array([1, 2, 3, 4]), "n": pa.array([5, -(2**63), None, 9])}))
    assert [record["n"] for record in cube.answer(Query("g", order=order)).to_pylist()] == expected
