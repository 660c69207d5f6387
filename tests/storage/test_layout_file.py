"""A projection in a file is the projection in memory, and a file that is not whole is never believed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from strategies import projections, queries, worlds

from wolap import Cube, Dimension, Query, Schema, StorageError, Time, Tree, count, maximum, median, total
from wolap.engine import groups, materialize
from wolap.engine.layout import Layout
from wolap.engine.materialize import roll_up
from wolap.model.projection import FACTS, declare_projection
from wolap.storage import layout_file
from wolap.storage.layout_file import file_name, map_layout, write_layout
from wolap.storage.spool import Spool

GRAIN = "year/month/day/shop/kind"


def same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    """The same numbers, whatever their width."""
    if one is None or other is None:
        return one is other
    return one.dtype.kind == other.dtype.kind and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def assert_same(one: Layout, other: Layout) -> None:
    """Equal to the last bit."""
    assert one.rows == other.rows
    assert (one.time is None) == (other.time is None)
    if one.time is not None and other.time is not None:
        assert (one.time.level, one.time.zone) == (other.time.level, other.time.zone)
        assert same(one.time.instants, other.time.instants)
        assert same(one.time.offsets, other.time.offsets)
    assert list(one.codes) == list(other.codes)
    for name in one.codes:
        assert one.codes[name].dtype == other.codes[name].dtype
        assert same(one.codes[name], other.codes[name])
    assert list(one.columns) == list(other.columns)
    for partial, left in one.columns.items():
        right = other.columns[partial]
        assert (left.type, left.low, left.high, left.members) == (right.type, right.low, right.high, right.members)
        for part in ("values", "valid", "offsets", "counts", "shown"):
            assert same(getattr(left, part), getattr(right, part)), (str(partial), part)


def in_order(layout: Layout) -> bool:
    """Rows differ, and are sorted by bucket and then by dimensions from left to right."""
    buckets = np.zeros(layout.rows, np.int64)
    if layout.time is not None:
        assert layout.time.offsets is not None
        buckets = np.repeat(np.arange(len(layout.time.instants)), np.diff(layout.time.offsets))
    rows = list(zip(buckets.tolist(), *(codes.tolist() for codes in layout.codes.values()), strict=True))
    return rows == sorted(set(rows))


@given(st.data())
def test_a_projection_from_stretches_in_a_file_is_that_in_memory(data: st.DataObject) -> None:
    world = data.draw(worlds())
    wanted = data.draw(projections(world))
    whole, mapped = Cube(world.schema, world.facts), Cube(world.schema, world.facts)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(materialize, "_STRETCH", 1 << 30)
        if wanted:
            whole.materialize(*wanted)
        patched.setattr(materialize, "_STRETCH", data.draw(st.sampled_from([1, 3, 1 << 17])))
        patched.setattr(layout_file, "NARROW_ROWS", data.draw(st.sampled_from([0, 1 << 20])))
        patched.setattr(groups, "_LONG_RUN", data.draw(st.sampled_from([1, 16])))
        held = data.draw(st.sampled_from([0, 100, 1 << 20]))
        patched.setattr(layout_file, "Spool", lambda folder: Spool(folder, held))
        if wanted:
            mapped.materialize(*wanted, folder=Path(folder), threads=data.draw(st.sampled_from([1, 3])))
        for one in mapped.projections[:-1]:
            layout = mapped.snapshot.sources[one.name].whole.layout
            assert layout.mapped is not None
            assert in_order(layout)
            assert_same(whole.snapshot.sources[one.name].whole.layout, layout)
            opened = map_layout(
                Path(folder) / file_name(one), one, mapped.snapshot.dictionaries.members, world.schema.zone
            )
            assert_same(layout, opened)
            event("mapped")
        assert {path.suffix for path in Path(folder).iterdir()} <= {".projection"}
        for query in data.draw(st.lists(queries(world), min_size=1, max_size=3)):
            expected, found = whole.answer(query), mapped.answer(query)
            event("from the facts" if found.plan.pieces[0].projection == FACTS else "from a projection")
            assert found.plan.pieces == expected.plan.pieces
            assert found.table.equals(expected.table)


def sales(rows: int = 4_000) -> Cube:
    """A cube over facts of some days."""
    random = np.random.default_rng(3)
    facts = pa.table(
        {
            "at": pa.array(np.sort(random.integers(0, 9 * 86_400, rows)), pa.timestamp("s")),
            "shop": [f"s{number}" for number in random.integers(0, 20, rows)],
            "kind": [f"k{number}" for number in random.integers(0, 5, rows)],
            "spent": pa.array(random.integers(-1000, 1000, rows), mask=random.random(rows) < 0.1),
        }
    )
    metrics = {"sales": count(), "spent": total("spent"), "most": maximum("spent"), "usual": median("spent")}
    levels = ("year", "month", "day")
    return Cube(
        Schema("sales", [Dimension("shop"), Dimension("kind")], metrics, [Tree.parse("shop")], Time("at", levels)),
        facts,
    )


def opened(cube: Cube, path: Path, grain: str = GRAIN) -> Layout:
    """The layout in a file, as that of a projection of this cube."""
    projection = declare_projection(cube.schema, grain)
    return map_layout(path, projection, cube.snapshot.dictionaries.members, cube.schema.zone)


@pytest.fixture
def cube() -> Cube:
    return sales()


@pytest.fixture
def path(cube: Cube, tmp_path: Path) -> Path:
    """A file of a projection."""
    cube.materialize(GRAIN, folder=tmp_path)
    [found] = tmp_path.iterdir()
    return found


def test_a_file_is_named_by_its_projection(path: Path) -> None:
    assert path.name == "year+month+day+shop+kind.projection"


def test_a_flipped_bit_anywhere_is_found(cube: Cube, path: Path) -> None:
    whole = path.read_bytes()
    layout = opened(cube, path)
    assert layout.rows > 500
    random = Random(5)
    # What lies between arrays, to align them, is nothing that is read.
    known = _bytes_that_count(whole)
    for place in [*range(12), *random.sample(known, 300), *range(len(whole) - 20, len(whole))]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << random.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(StorageError, match=r"build it again"):
            opened(cube, path)


def _bytes_that_count(whole: bytes) -> list[int]:
    foot = layout_file._foot(Path("file"), whole)
    arrays = [(one["begin"], one["length"] * np.dtype(one["type"]).itemsize) for one in foot["arrays"].values()]
    behind = max(begin + length for begin, length in arrays)
    spans = [*(range(begin, begin + length) for begin, length in arrays), range(behind, len(whole))]
    return [place for span in spans for place in span]


def test_a_file_that_is_cut_short_is_refused(cube: Cube, path: Path) -> None:
    whole = path.read_bytes()
    for length in [0, 1, 7, 12, 63, 64, 65, 84, 100, len(whole) // 2, len(whole) - 21, len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(StorageError, match=r"cut short|no file of a projection|damaged"):
            opened(cube, path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(StorageError, match="cut short"):
        opened(cube, path)


def test_another_version_is_told_from_damage(cube: Cube, path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[8] = 7
    path.write_bytes(whole)
    with pytest.raises(StorageError, match="has version 7 of the format, this wolap reads 1; build it again"):
        opened(cube, path)


def test_a_file_of_something_else_is_refused(cube: Cube, path: Path) -> None:
    with pytest.raises(StorageError, match="holds a projection 'year/month/day/shop/kind' that is declared otherwise"):
        opened(cube, path, "year/month/day/kind/shop")
    fewer = sales(40)
    with pytest.raises(StorageError, match=r"made of other facts: .* had \d+ members, not \d+; build it again"):
        opened(fewer, path)
    path.write_text("[cube]\nname = 'sales'\n" * 10)
    with pytest.raises(StorageError, match="is no file of a projection"):
        opened(cube, path)
    with pytest.raises(FileNotFoundError):
        opened(cube, path.with_name("none.projection"))


def test_a_build_that_ends_early_leaves_the_folder_as_it_was(cube: Cube, path: Path) -> None:
    before = path.read_bytes()
    projection = declare_projection(cube.schema, GRAIN)
    snapshot = cube.snapshot

    def ends_early() -> Iterator[Layout]:
        yield from roll_up(projection, cube.schema, snapshot.sources[FACTS].whole)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_layout(path.parent, projection, ends_early(), snapshot.dictionaries.members)
    assert [path] == list(path.parent.iterdir())
    assert path.read_bytes() == before


def test_a_disk_that_is_full_leaves_the_folder_as_it_was(
    cube: Cube, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(layout_file, "_write_array", full)
    with pytest.raises(OSError, match="No space left on device"):
        cube.materialize(GRAIN, folder=path.parent)
    assert [path] == list(path.parent.iterdir())
    assert path.read_bytes() == before


def test_what_is_mapped_stays_when_the_file_is_made_again(cube: Cube, path: Path) -> None:
    layout = opened(cube, path)
    kept = {partial: np.array(column.values) for partial, column in layout.columns.items()}
    cube.materialize(GRAIN, folder=path.parent)
    path.unlink()
    for partial, column in layout.columns.items():
        assert np.array_equal(column.values, kept[partial])


def test_numbers_are_stored_as_narrow_as_they_are(cube: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout_file, "NARROW_ROWS", 0)
    cube.materialize(GRAIN, folder=tmp_path)
    layout = cube.snapshot.sources[GRAIN].whole.layout
    widths = {str(partial): column.values.dtype.itemsize for partial, column in layout.columns.items()}
    assert widths["count"] == 1
    assert widths["sum spent"] == 2
    with pytest.raises(ValueError, match="read-only"):
        layout.codes["shop"][0] = 1


def test_a_projection_too_large_for_its_room_goes_to_disk(tmp_path: Path) -> None:
    with Spool(tmp_path, most=100) as spool:
        arrays = [np.arange(10, dtype=np.uint8), np.arange(50) * 0.5, np.arange(9, dtype=np.int16), np.arange(30)]
        kept = [spool.keep(array) for array in arrays]
        for _ in range(2):
            for array, fetch in zip(arrays, kept, strict=True):
                assert fetch().dtype == array.dtype
                assert np.array_equal(fetch(), array)
    assert not list(tmp_path.iterdir())


def test_facts_without_rows(tmp_path: Path) -> None:
    types = {"at": pa.timestamp("s"), "shop": pa.string(), "kind": pa.string(), "spent": pa.int64()}
    schema = sales(1).schema
    cube = Cube(schema, pa.table({name: pa.array([], kind) for name, kind in types.items()}), strict=True)
    cube.materialize(GRAIN, "kind", "", folder=tmp_path)
    assert cube.answer(Query("year/shop", metrics="sales")).to_pylist() == []
    assert cube.answer(Query("", metrics="sales")).to_pylist() == [{"sales": 0}]
