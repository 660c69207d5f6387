"""A segment in a file is the layout in memory, and no array of it is believed that is not what it was."""

from __future__ import annotations

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from proof.worlds import trial
from strategies import projections, worlds

from wolap import Cube
from wolap.engine import columns
from wolap.engine.columns import Column
from wolap.engine.layout import Layout
from wolap.model.interval import Interval
from wolap.storage import segment
from wolap.storage.segment import StoredSegment, map_segment, partial_in, partial_out, write_segment


def same(one: Any, other: Any) -> bool:
    """The same bytes of the same type, or whole numbers that are narrower."""
    if one is None or other is None:
        return one is other
    if one.dtype != other.dtype and one.dtype.kind == "i":
        return other.dtype.kind == "i" and np.array_equal(one, other)
    return one.dtype == other.dtype and one.tobytes() == other.tobytes()


def assert_same_column(one: Column, other: Column) -> None:
    assert (one.type, one.low, one.high, one.members) == (other.type, other.low, other.high, other.members)
    for part in ("values", "valid", "offsets", "counts", "shown"):
        assert same(getattr(one, part), getattr(other, part)), part


def assert_same(one: Layout, other: Layout) -> None:
    """The same in all that a layout says."""
    assert (one.rows, one.order, one.are_groups) == (other.rows, other.order, other.are_groups)
    for left, right in ((one.time, other.time), (_index(one), _index(other))):
        assert (left is None) == (right is None)
        if left is not None and right is not None:
            assert (left.level, left.zone, left.rows) == (right.level, right.zone, right.rows)
            assert same(left.instants, right.instants)
            assert same(left.offsets, right.offsets)
    if one.moments is not None and other.moments is not None:
        for part in ("firsts", "offsets", "places"):
            assert same(getattr(one.moments, part), getattr(other.moments, part))
    assert list(one.codes) == list(other.codes)
    assert all(same(one.codes[name], other.codes[name]) for name in one.codes)
    for left, right in ((one.columns, other.columns), (one.lists, other.lists)):
        assert list(left) == list(right)
        for key, column in left.items():
            assert_same_column(column, right[key])


def _index(layout: Layout) -> Any:
    return None if layout.moments is None else layout.moments.index


def stored(folder: Path, layout: Layout, name: str = "p") -> StoredSegment:
    """A layout in a file of a folder."""
    (folder / "segments").mkdir(exist_ok=True)
    return write_segment(folder, name, layout, Interval(-5, 10**15))


def layouts_of(cube: Cube) -> list[Layout]:
    """All that a cube has in memory."""
    return [segment.held.layout for source in cube.snapshot.sources.values() for segment in source.segments]


def written_and_read(layout: Layout, schema: Any) -> Layout:
    with TemporaryDirectory() as folder:
        return map_segment(Path(folder), stored(Path(folder), layout), "p", schema.zone)


@given(st.data())
def test_a_segment_is_the_layout_that_was_written(data: st.DataObject) -> None:
    world = data.draw(worlds())
    single = [one.name for one in world.schema.dimensions]
    cluster = data.draw(st.lists(st.sampled_from(single), unique=True))
    cube = Cube(world.schema, world.facts, cluster=cluster)
    if wanted := data.draw(projections(world)):
        cube.materialize(*wanted)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(segment, "NARROW_ROWS", data.draw(st.sampled_from([0, columns.NARROW_ROWS])))
        for layout in layouts_of(cube):
            event("clustered" if layout.moments is not None else "by time")
            assert_same(layout, written_and_read(layout, cube.schema))


@pytest.mark.parametrize("seed", range(12))
def test_worlds_with_lists_and_many_rows(seed: int) -> None:
    tried = trial(Random(f"segments {seed}"))
    for layout in layouts_of(tried.cube):
        assert_same(layout, written_and_read(layout, tried.cube.schema))


@given(worlds())
def test_a_partial_is_read_as_the_one_that_was_written(world: Any) -> None:
    for name in world.schema.metrics:
        for partial in world.schema.partials(name):
            assert partial_in(partial_out(partial)) == partial
