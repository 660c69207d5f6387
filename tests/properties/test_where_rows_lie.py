"""Clustered facts, zones and slices: where rows lie, and what is known of runs of them, changes no answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from strategies import projections, queries, worlds
from test_answers import assert_alike, assert_right

from wolap import Cube
from wolap.engine import moments, source, statistics, zones


@pytest.fixture(scope="module", autouse=True)
def few_rows_are_many() -> Iterator[None]:
    """Runs are worth knowing however short they are, and a day with a fact is a partition."""
    with pytest.MonkeyPatch.context() as patched:
        for module in (source, statistics, zones):
            patched.setattr(module, "WORTH_ROWS", 0)
        patched.setattr(zones, "_MEAN_RUN", 0)
        patched.setattr(moments, "_PARTITION_ROWS", 1)
        yield


@given(st.data())
def test_an_answer_from_clustered_facts_is_that_of_the_oracle(data: st.DataObject) -> None:
    world = data.draw(worlds(rows=40))
    single = [one.name for one in world.schema.dimensions if not one.multivalued]
    cluster = data.draw(st.permutations(single))[: data.draw(st.integers(0, len(single)))]
    cube = Cube(world.schema, world.facts, cluster=cluster)
    event(f"clustered by {len(cluster)}")
    plain = Cube(world.schema, world.facts)
    for query in data.draw(st.lists(queries(world), min_size=1, max_size=4)):
        # The second time what is known of runs is there already.
        for _ in range(2):
            result = cube.answer(query)
            assert_right(world, result, query)
        assert_alike(world.schema, result, plain.answer(query))


@given(st.data())
def test_projections_of_clustered_facts_are_those_of_any_facts(data: st.DataObject) -> None:
    world = data.draw(worlds(rows=40))
    single = [one.name for one in world.schema.dimensions if not one.multivalued]
    wanted = data.draw(projections(world))
    cubes = [Cube(world.schema, world.facts, cluster=cluster) for cluster in (single, ())]
    for cube in cubes:
        cube.materialize(*wanted) if wanted else None
    for query in data.draw(st.lists(queries(world), min_size=1, max_size=4)):
        one, other = (cube.answer(query) for cube in cubes)
        assert_alike(world.schema, one, other)
        assert_right(world, one, query)
