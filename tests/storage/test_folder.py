"""Versions of a cube in a folder: what is published is what is read, and what is not whole is never believed."""

from __future__ import annotations

import contextlib
import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from threading import Timer

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from strategies import worlds

from storage.cubes import everything, publish, sales, stored
from storage.test_segment import assert_same, same
from wolap import Cube, SchemaError, StorageError
from wolap.engine.layout import Dictionaries
from wolap.engine.load import load_facts
from wolap.storage import manifest
from wolap.storage.arrays import StoredFile, file_name
from wolap.storage.dictionaries import kinds, map_dictionaries, write_dictionaries
from wolap.storage.folder import Folder, Opened
from wolap.storage.manifest import write_manifest


def assert_stored(opened: Opened, cube: Cube) -> None:
    """That a version holds all that the cube does."""
    dictionaries, layouts = everything(opened, cube)
    snapshot = cube.snapshot
    assert_same_dictionaries(snapshot.dictionaries, dictionaries)
    assert set(layouts) == set(snapshot.sources)
    for name, [layout] in layouts.items():
        assert_same(snapshot.sources[name].segments[0].held.layout, layout)


def assert_same_dictionaries(one: Dictionaries, other: Dictionaries) -> None:
    """The same codes for the same members and values."""
    assert list(one.members) == list(other.members)
    for name, members in one.members.items():
        found = other.members[name]
        assert found.values.equals(members.values)
        assert (found.kind, found.null_code, found.texts) == (members.kind, members.null_code, members.texts)
    for kind in set(kinds()) - {"members", "items"}:
        left, right = getattr(one, kind), getattr(other, kind)
        assert list(left) == list(right), kind
        assert all(same(left[key], right[key]) for key in left), kind
    assert list(one.items) == list(other.items)
    assert all(values.equals(other.items[column]) for column, values in one.items.items())
    assert one.types == other.types


def names(path: Path) -> set[str]:
    """The files of a folder."""
    return {one.relative_to(path).as_posix() for one in path.rglob("*") if one.is_file()}


@pytest.fixture(scope="module")
def cube() -> Cube:
    return sales()


def test_what_is_published_is_what_is_opened(cube: Cube, tmp_path: Path) -> None:
    with stored(tmp_path / "cube", cube) as published, Folder.at(tmp_path / "cube").open() as opened:
        assert write_manifest(opened.manifest) == write_manifest(published.manifest)
        assert opened.manifest.dictionaries == published.manifest.dictionaries
        for name, one in opened.manifest.projections.items():
            [projection] = [other for other in cube.projections if other.name == name]
            statistics = projection.statistics
            assert statistics is not None
            assert tuple(one.statistics.starts) == tuple(statistics.starts)
            assert tuple(one.statistics.rows_before) == tuple(statistics.rows_before)
            assert {
                key: tuple(value) for key, value in one.statistics.members_before.items()
            } == statistics.members_before
            numbers = {"starts": (), "rows_before": (), "members_before": {}}
            assert replace(one.statistics, **numbers) == replace(statistics, **numbers)
        assert opened.manifest.shares == dict(cube.snapshot.catalog.shares)
        assert_stored(opened, cube)


def test_equal_partitions_are_the_very_same(tmp_path: Path) -> None:
    with stored(tmp_path, sales(projections=("day/shop", "day/city"))) as _, Folder.at(tmp_path).open() as opened:
        one, other = (opened.manifest.projections[name].statistics.starts for name in ("day/shop", "day/city"))
        assert one is other


def test_only_what_changed_is_written_anew(cube: Cube, tmp_path: Path) -> None:
    first = stored(tmp_path, cube)
    before = names(tmp_path)
    with Folder.at(tmp_path).writing() as writer, publish(writer, cube, first) as second:
        assert second.manifest.number == 2
        assert names(tmp_path) - before == {"manifest-2.json"}
    other = sales(shops=30)
    with Folder.at(tmp_path).writing() as writer:
        changed = writer.dictionaries(other.snapshot.dictionaries, first)
        old = first.manifest.dictionaries
        assert changed["members"]["city"] == old["members"]["city"]
        assert changed["members"]["shop"] != old["members"]["shop"]
        assert changed["parents"]["shop", "city"] != old["parents"]["shop", "city"]
    first.close()


@given(st.data())
def test_dictionaries_are_those_that_were_written(data: st.DataObject) -> None:
    world = data.draw(worlds())
    half = world.facts.num_rows // 2
    bound, dictionaries, _ = load_facts(world.schema, world.facts[:half])
    with contextlib.suppress(SchemaError):
        # What came later may lie under another member, which is refused.
        _, dictionaries, _ = load_facts(bound, world.facts[half:], known=dictionaries)
        event("later members")
    forgotten = {
        name: np.flatnonzero(np.array([data.draw(st.booleans()) for _ in range(one.cardinality)], bool))
        for name, one in dictionaries.members.items()
    }
    written: list[str] = []

    def new_name(part: str, shown: str) -> str:
        written.append(f"{part}/{file_name(shown)}")
        return written[-1]

    with TemporaryDirectory() as folder:
        (Path(folder) / "dictionaries").mkdir()
        before = write_dictionaries(Path(folder), dictionaries, {}, None, new_name)
        assert_same_dictionaries(dictionaries, map_dictionaries(Path(folder), before, dictionaries.types))
        less = dictionaries.without(forgotten, {})
        after = write_dictionaries(Path(folder), less, before, None, new_name)
        assert_same_dictionaries(less, map_dictionaries(Path(folder), after, less.types))
        for name, codes in forgotten.items():
            is_same = less.members[name].values.equals(dictionaries.members[name].values)
            is_same &= less.members[name].null_code == dictionaries.members[name].null_code
            assert is_same == (after["members"][name] == before["members"][name])
            assert is_same or len(codes)
        assert sorted(written) == sorted(f"dictionaries/{one.name}" for one in Path(folder, "dictionaries").iterdir())


def test_what_is_the_very_same_is_not_read_to_be_kept(cube: Cube, tmp_path: Path) -> None:
    opened = stored(tmp_path, cube)
    mapped = opened.dictionaries()
    for path in tmp_path.glob("dictionaries/*"):
        path.write_bytes(b"")
    with Folder.at(tmp_path).writing() as writer:
        kept = writer.dictionaries(mapped, opened, mapped)
        assert kept == opened.manifest.dictionaries
        with pytest.raises(StorageError, match="members of shop"):
            writer.dictionaries(cube.snapshot.dictionaries, opened)


def test_a_version_stays_for_who_holds_it_and_goes_then(cube: Cube, tmp_path: Path) -> None:
    first = stored(tmp_path, cube)
    folder = Folder.at(tmp_path)
    for number in range(2, 5):
        with folder.writing() as writer:
            publish(writer, cube).close()
        assert folder.open().manifest.number == number
    assert {one for one in names(tmp_path) if one.startswith("manifest")} == {"manifest-1.json", "manifest-4.json"}
    assert_stored(first, cube)
    first.close()
    with folder.writing() as writer, publish(writer, cube) as last:
        assert names(tmp_path) == {"manifest-5.json", "writer.lock", *last.manifest.files}


def test_what_is_mapped_stays_when_the_version_goes(cube: Cube, tmp_path: Path) -> None:
    first = stored(tmp_path, cube)
    _, layouts = everything(first, cube)
    kept = {name: {key: codes.copy() for key, codes in layout.codes.items()} for name, [layout] in layouts.items()}
    first.close()
    with Folder.at(tmp_path).writing() as writer:
        publish(writer, cube).close()
    assert not names(tmp_path) & first.manifest.files
    for name, [layout] in layouts.items():
        assert all(same(codes, layout.codes[key]) for key, codes in kept[name].items())


def test_a_second_writer_is_refused_or_waits(cube: Cube, tmp_path: Path) -> None:
    folder = Folder.create(tmp_path)
    writer = folder.writing()
    with pytest.raises(StorageError, match=f"is being written by process {os.getpid()}; wait"):
        folder.writing()
    with pytest.raises(StorageError, match="is being written"):
        folder.writing(patience=0.05)
    timer = Timer(0.1, writer.__exit__)
    timer.start()
    with folder.writing(patience=60) as second:
        publish(second, cube).close()
    timer.join()


def test_files_that_were_not_published_go_with_their_writer(cube: Cube, tmp_path: Path) -> None:
    opened = stored(tmp_path, cube)
    before = names(tmp_path)
    with Folder.at(tmp_path).writing() as writer:
        writer.segment("facts", cube.snapshot.sources["facts"].segments[0].held.layout, opened.manifest.span)
        assert names(tmp_path) != before
    assert names(tmp_path) == before
    assert_stored(Folder.at(tmp_path).open(), cube)


def test_threads_write_while_one_publishes(cube: Cube, tmp_path: Path) -> None:
    """A file that is half written has a name that nobody removes."""
    layout, span = cube.snapshot.sources["facts"].segments[0].held.layout, cube.snapshot.catalog.span
    with Folder.create(tmp_path).writing() as writer, ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(writer.segment, "facts", layout, span) for _ in range(60)]
        for _ in range(4):
            publish(writer, cube).close()
        assert {one.result().file.name for one in waiting} <= names(tmp_path)


def test_what_a_writer_is_writing_stays_while_it_publishes(cube: Cube, tmp_path: Path) -> None:
    with Folder.create(tmp_path).writing() as writer:
        waiting = writer.segment(
            "facts", cube.snapshot.sources["facts"].segments[0].held.layout, cube.snapshot.catalog.span
        )
        publish(writer, cube).close()
        assert waiting.file.name in names(tmp_path)
    assert waiting.file.name not in names(tmp_path)


def test_a_version_that_names_what_is_not_there_is_not_published(cube: Cube, tmp_path: Path) -> None:
    opened = stored(tmp_path, cube)
    lost = next(iter(opened.manifest.files))
    (tmp_path / lost).unlink()
    with Folder.at(tmp_path).writing() as writer, pytest.raises(StorageError, match=f"{re.escape(lost)}: is missing"):
        writer.publish(opened.manifest)
    assert Folder.at(tmp_path).open().manifest.number == 1


def test_a_folder_of_something_else_is_told(cube: Cube, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="none: does not exist; name the folder of a cube"):
        Folder.at(tmp_path / "none")
    with pytest.raises(StorageError, match="holds no cube; name the folder of a cube"):
        Folder.at(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match=r"notes.txt: is no folder"):
        Folder.at(tmp_path / "notes.txt")
    with pytest.raises(StorageError, match=r"notes.txt: is a file"):
        Folder.create(tmp_path / "notes.txt")
    with pytest.raises(StorageError, match=r"holds no cube, but 'notes.txt'; name a folder that is empty"):
        Folder.create(tmp_path)
    deep = tmp_path / "a" / "b"
    stored(deep, cube)
    (deep / "notes.txt").write_text("mine")
    stored(deep, cube)
    assert (deep / "notes.txt").read_text() == "mine"


def test_another_format_is_told_from_damage(cube: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = stored(tmp_path, cube)
    path = tmp_path / "manifest-1.json"
    for number, how in ((2, "a newer wolap wrote it: use that"), (0, "an older wolap wrote it: build the cube again")):
        with monkeypatch.context() as patched:
            patched.setattr(manifest, "FORMAT", number)
            path.write_bytes(write_manifest(opened.manifest))
        with pytest.raises(StorageError, match=f"has version {number} of the format, and this wolap reads 1; {how}"):
            Folder.at(tmp_path).open()
    path.write_text("{}\n")
    with pytest.raises(StorageError, match="is no manifest of a cube, or damaged"):
        Folder.at(tmp_path).open()


def test_a_manifest_of_another_number_is_not_believed(cube: Cube, tmp_path: Path) -> None:
    stored(tmp_path, cube).close()
    (tmp_path / "manifest-1.json").rename(tmp_path / "manifest-3.json")
    with pytest.raises(StorageError, match="is the manifest of version 1; give it back its name"):
        Folder.at(tmp_path).open()


def test_many_segments_need_no_descriptors(cube: Cube, tmp_path: Path) -> None:
    opened = stored(tmp_path, cube)
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("no /proc here, which tells descriptors")
    before = len(list(folder.iterdir()))
    kept = [everything(opened, cube) for _ in range(20)]
    assert len(list(folder.iterdir())) == before
    assert len(kept) == 20


def test_all_that_is_damaged_is_told(cube: Cube, tmp_path: Path) -> None:
    with stored(tmp_path, cube) as opened:
        assert list(opened.damage(cube.schema.zone)) == []
        hurt = {None: opened.manifest.dictionaries["members"]["shop"].file.name}
        for name, projection in opened.manifest.projections.items():
            hurt[name] = projection.segments[0].file.name
        for name in hurt.values():
            whole = bytearray((tmp_path / name).read_bytes())
            # Somewhere in an array: what is at the end of them all.
            whole[next(one for one in _files(opened) if one.name == name).foot * -1 - 1] ^= 1
            (tmp_path / name).unlink()
            (tmp_path / name).write_bytes(whole)
        found = list(opened.damage(cube.schema.zone))
        assert [name for name, _ in found] == ["day/shop", "facts", None]
        assert all(hurt[name] in str(error) for name, error in found)


def _files(opened: Opened) -> list[StoredFile]:
    segments = [one.file for projection in opened.manifest.projections.values() for one in projection.segments]
    return [*segments, *(one.file for kind in opened.manifest.dictionaries.values() for one in kind.values())]


class TestDamage:
    """Every file of a small folder, cut and with flipped bits."""

    @pytest.fixture
    def small(self, tmp_path: Path) -> tuple[Cube, Path]:
        cube = sales(rows=12, shops=3, projections=("day/city",))
        stored(tmp_path, cube).close()
        return cube, tmp_path

    def test_flipped_bits(self, small: tuple[Cube, Path]) -> None:
        cube, path = small
        random = Random(7)
        for name in sorted(names(path) - {"writer.lock"}):
            whole = (path / name).read_bytes()
            told = 0
            places = range(len(whole)) if len(whole) < 300 else sorted(random.sample(range(len(whole)), 250))
            for place in places:
                damaged = bytearray(whole)
                damaged[place] ^= 1 << random.randrange(8)
                (path / name).write_bytes(damaged)
                told += self.is_told(cube, path, name)
            assert told > len(places) * 0.6, name
            (path / name).write_bytes(whole)

    def test_cut_short(self, small: tuple[Cube, Path]) -> None:
        cube, path = small
        for name in sorted(names(path) - {"writer.lock"}):
            whole = (path / name).read_bytes()
            lengths = [*range(0, len(whole), max(len(whole) // 60, 1)), len(whole) - 1, len(whole) + 1]
            for length in lengths:
                (path / name).write_bytes((whole + b"\0")[:length])
                assert length == len(whole) or self.is_told(cube, path, name)
            (path / name).unlink()
            if "manifest" not in name:
                assert self.is_told(cube, path, name)
            (path / name).write_bytes(whole)

    def is_told(self, cube: Cube, path: Path, name: str) -> bool:
        """Whether the error names the file; else all is as it was."""
        try:
            with Folder.at(path).open() as opened:
                assert_stored(opened, cube)
        except StorageError as error:
            assert name in str(error)  # noqa: PT017
            return True
        return False


def test_an_error_names_projection_stretch_and_column(cube: Cube, tmp_path: Path) -> None:
    opened = stored(tmp_path, cube)
    [segment] = opened.manifest.projections["day/shop"].segments
    file = tmp_path / segment.file.name
    whole = bytearray(file.read_bytes())
    layout = opened.segment(segment, "day/shop", cube.schema.zone)
    place = bytes(whole).index(layout.codes["shop"].tobytes())
    whole[place] ^= 4
    del layout
    file.unlink()
    file.write_bytes(whole)
    again = opened.segment(segment, "day/shop", cube.schema.zone)
    assert again.time is not None
    pattern = r"is damaged: .* \(projection day/shop, all time, \d+ codes of shop\); build it again from the facts"
    with pytest.raises(StorageError, match=pattern):
        again.codes["shop"]
    # What is not damaged can be read.
    assert all(column.bytes for column in again.columns.values())
