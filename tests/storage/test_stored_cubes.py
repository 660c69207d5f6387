"""A cube that lives in a folder whose disk is full or damages files, and readers and writers that meet there."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from itertools import count, islice
from pathlib import Path
from threading import Event, Thread

import pytest
from proof.ledger import SCHEMA, State, Step, check, steps, table

from storage.failing_disk import CALLS, Failing
from wolap import Cube, Query, StorageError
from wolap.storage import disk

MERGED, COUNTED = "year/month/day/city/shop", "year/month"


def made(path: Path, *projections: str) -> tuple[Cube, State]:
    """A ledger in a folder."""
    [step] = islice(steps(5), 1)
    cube = Cube(SCHEMA, table(step.rows))
    if projections:
        cube.materialize(*projections)
    cube.save(path)
    return cube, State(step.rows)


def names(path: Path) -> set[str]:
    return {one.relative_to(path).as_posix() for one in path.rglob("*") if one.is_file()}


def change(kind: str) -> Step:
    """The first step of a ledger that is of some kind, after which it is another seed's."""
    for seed in count():
        _, step = islice(steps(seed, builds=False), 2)
        if step.of == kind:
            return step
    raise AssertionError(kind)


class TestAFullDisk:
    """Every call of the operating system fails in turn, once or from then on."""

    def every(self, cube: Cube, act: Callable[[], object], monkeypatch: pytest.MonkeyPatch, for_good: bool) -> set[str]:
        """Lets each call of an act fail, until it is done; each time the cube is as before, and so is its folder."""
        seen: set[str] = set()
        assert cube.folder is not None
        for at in count():
            before, version, reports = names(cube.folder), cube.snapshot, answers(cube)
            with monkeypatch.context() as patched:
                failing = Failing(patched, at, for_good)
                try:
                    act()
                    return seen | set(failing.failed)
                except (OSError, StorageError) as error:
                    seen |= set(failing.failed)
                    assert "No space left" in str(error)  # noqa: PT017
                    is_told = bool(getattr(error, "__notes__", []))
            assert failing.failed
            stayed = (cube.folder / f"manifest-{version.catalog.version + 1}.json").exists()
            assert cube.snapshot is version
            assert answers(cube) == reports
            with_it = Cube.open(cube.folder)
            if stayed:
                # It could be published and not be taken back: then it is there, and whole.
                assert is_told
                assert with_it.snapshot.catalog.version == version.catalog.version + 1
                return seen
            assert with_it.snapshot.catalog.version == version.catalog.version
            assert answers(with_it) == reports
            if "remove" not in failing.failed:
                assert names(cube.folder) == before
        raise AssertionError

    @pytest.mark.parametrize("for_good", [False, True])
    def test_append(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, for_good: bool) -> None:
        cube, state = made(tmp_path, "year/month")
        more = change("append").rows[-1:]
        seen = self.every(cube, lambda: cube.append(table(more)), monkeypatch, for_good)
        assert {"write", "sync", "rename"} <= seen
        cube.catch_up()
        after = State((*state.rows, *more))
        if cube.snapshot.catalog.version == 1:
            cube.append(table(more))
        check(cube.snapshot, after)
        check(Cube.open(tmp_path).snapshot, after)

    @pytest.mark.parametrize("for_good", [False, True])
    def test_build(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, for_good: bool) -> None:
        cube, state = made(tmp_path)
        cube.declare("city")
        seen = self.every(cube, lambda: cube.materialize("city"), monkeypatch, for_good)
        assert {"write", "sync", "rename"} <= seen
        cube.catch_up()
        cube.materialize()
        check(cube.snapshot, state)
        assert [one.statistics is not None for one in Cube.open(tmp_path).projections] == [True, True]

    def test_save(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A cube that could not be stored is in memory still, and the folder can be tried again."""
        [step] = islice(steps(5), 1)
        cube, state = Cube(SCHEMA, table(step.rows)), State(step.rows)
        seen: set[str] = set()
        for at in count():
            with monkeypatch.context() as patched:
                failing = Failing(patched, at, for_good=False)
                try:
                    cube.save(tmp_path / "cube")
                except OSError:
                    seen |= set(failing.failed)
                    assert cube.folder is None
                    check(cube.snapshot, state, ("", "city"))
                    continue
                break
        assert seen >= {"make_folder", "write", "sync", "rename"}
        check(Cube.open(tmp_path / "cube").snapshot, state)

    def test_the_calls_are_those_that_there_are(self) -> None:
        assert all(callable(getattr(disk, name)) for name in CALLS)


def answers(cube: Cube) -> list[object]:
    return [cube.answer(Query(path)).to_pylist() for path in ("", "month", "city/shop")]


class TestDamage:
    def damaged(self, path: Path, name: str) -> Path:
        """Flips a bit in the middle of the first file of a projection."""
        file = path / segments_of(path, name)[0]
        whole = bytearray(file.read_bytes())
        whole[len(whole) // 2] ^= 1
        file.unlink()
        file.write_bytes(whole)
        return file

    def cut(self, path: Path, name: str) -> Path:
        file = path / segments_of(path, name)[0]
        whole = file.read_bytes()
        file.unlink()
        file.write_bytes(whole[:-1])
        return file

    def lost(self, path: Path, name: str) -> Path:
        file = path / segments_of(path, name)[0]
        file.unlink()
        return file

    @pytest.mark.parametrize("how", ["cut", "lost"])
    def test_an_answer_that_needs_it_is_an_error_that_names_it(self, tmp_path: Path, how: str) -> None:
        _, state = made(tmp_path, COUNTED, "city")
        file = getattr(self, how)(tmp_path, "city")
        opened = Cube.open(tmp_path)
        pattern = f"{re.escape(str(file))}.*projection city, all time.*build it again"
        with pytest.raises(StorageError, match=pattern):
            opened.answer(Query("city"))
        # What lies elsewhere is answered.
        check(opened.snapshot, state, ("", "year", "year/month"))

    def test_no_flipped_bit_is_a_wrong_number(self, tmp_path: Path) -> None:
        """Each report is the right one, or an error that names the file."""
        _, state = made(tmp_path, "city/shop")
        [name] = segments_of(tmp_path, "city/shop")
        whole = (tmp_path / name).read_bytes()
        told = 0
        for place in range(0, len(whole), 37):
            (tmp_path / name).unlink()
            (tmp_path / name).write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
            for path in ("city", "city/shop"):
                try:
                    check(Cube.open(tmp_path).snapshot, state, (path,))
                except StorageError as error:
                    assert name in str(error)  # noqa: PT017
                    assert "projection city/shop, all time" in str(error)  # noqa: PT017
                    told += 1
        # Some bytes are there only to fill up, some in columns that the coarser report does not need.
        assert told > len(whole) // 37 // 2

    @pytest.mark.parametrize("how", ["damaged", "cut", "lost"])
    @pytest.mark.parametrize("changed", [False, True])
    def test_projections_are_repaired(self, tmp_path: Path, how: str, changed: bool) -> None:
        cube, state = made(tmp_path, MERGED, COUNTED, "city")
        if changed:
            for step in islice(steps(5, builds=False), 1, 12):
                step.act(cube)
                state = State(step.rows)
        refreshed = {one.name: one.statistics.refreshed for one in cube.projections}
        assert cube.damage() == {}
        assert cube.repair() == ()
        number = cube.snapshot.catalog.version
        files = [getattr(self, how)(tmp_path, name) for name in (MERGED, "city")]
        opened, seen = Cube.open(tmp_path), []
        found = opened.damage()
        assert set(found) == {MERGED, "city"}
        assert all(str(file) in str(found[name][0]) for file, name in zip(files, (MERGED, "city"), strict=True))
        made_anew = opened.repair(progress=seen.append)
        # The finer one comes first, and is what the coarser is made of, where that can be.
        assert [one.name for one in made_anew] == [MERGED, "city"]
        assert list(dict.fromkeys(one.projection.name for one in seen)) == [MERGED, "city"]
        assert seen[0].source.is_facts
        assert opened.snapshot.catalog.version == number + 1
        assert opened.damage() == {}
        assert {one.name: one.statistics.refreshed for one in opened.projections} == refreshed
        del cube
        for one in (opened, Cube.open(tmp_path)):
            check(one.snapshot, state)
            assert all(one.verify(Query(path)) for path in ("", "city", "year/month", "month/shop"))

    @pytest.mark.parametrize("how", ["damaged", "cut", "lost"])
    def test_damaged_facts_are_an_error_and_stay_one(self, tmp_path: Path, how: str) -> None:
        made(tmp_path, MERGED)
        files = [getattr(self, how)(tmp_path, name) for name in ("facts", MERGED)]
        opened = Cube.open(tmp_path)
        before = names(tmp_path)
        for _ in range(2):
            with pytest.raises(
                StorageError, match=f"{re.escape(str(files[0]))}.*facts, .*restore the file from a copy"
            ):
                opened.repair()
        assert names(tmp_path) == before
        assert set(opened.damage()) == {"facts", MERGED}

    def test_what_codes_mean_is_nothing_that_could_be_repaired(self, tmp_path: Path) -> None:
        made(tmp_path, "city")
        [name] = [one for one in names(tmp_path) if one.startswith("dictionaries/members-shop")]
        (tmp_path / name).unlink()
        opened = Cube.open(tmp_path)
        assert set(opened.damage()) == {""}
        with pytest.raises(StorageError, match=rf"{name}: is missing \(members of shop\)"):
            opened.repair()

    def test_a_cube_in_memory_has_no_damage(self) -> None:
        cube = Cube(SCHEMA, table(next(steps(1)).rows))
        assert cube.damage() == {}
        assert cube.repair() == ()


def segments_of(path: Path, name: str) -> list[str]:
    """The files of a projection."""
    lease = Cube.open(path).snapshot.lease
    return [one.file.name for one in lease.manifest.projections[name].segments]


class TestMeeting:
    """Several cubes in one folder."""

    def test_readers_do_not_wait_for_a_writer(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        cube, state = made(tmp_path, "city")
        [_, step] = islice(steps(5, builds=False), 2)
        writing, going_on, real = Event(), Event(), disk.sync_all

        def stopped(paths: object) -> None:
            writing.set()
            assert going_on.wait(60)
            real(paths)

        monkeypatch.setattr(disk, "sync_all", stopped)
        writer = Thread(target=step.act, args=(cube,))
        writer.start()
        try:
            assert writing.wait(60)
            # In the midst of a change the cube itself answers, and others open the folder, as it was before.
            for one in (cube, Cube.open(tmp_path)):
                check(one.snapshot, state)
            assert Cube.open(tmp_path).catch_up() is False
            assert cube.catch_up() is False
        finally:
            going_on.set()
            writer.join()
        check(cube.snapshot, State(step.rows))

    def test_a_second_writer_is_told_and_nothing_changes(self, tmp_path: Path) -> None:
        from wolap.storage.folder import Folder

        cube, state = made(tmp_path)
        with Folder.at(tmp_path).writing(), pytest.raises(StorageError, match="is being written by process"):
            cube.append(table(state.rows[:1]))
        check(cube.snapshot, state)
        cube.append(table(state.rows[:1]))
        check(cube.snapshot, State((*state.rows, state.rows[0])))

    def test_what_another_has_declared_is_declared_once(self, tmp_path: Path) -> None:
        cube, state = made(tmp_path)
        other = Cube.open(tmp_path)
        cube.materialize("city")
        other.materialize("city", "year/month")
        assert [one.name for one in other.projections] == ["city", "year/month", "facts"]
        check(other.snapshot, state)
        assert cube.catch_up()
        assert [one.name for one in cube.projections] == [one.name for one in other.projections]
        assert all(one.statistics is not None for one in cube.projections)

    def test_a_version_goes_when_its_last_reader_does(self, tmp_path: Path) -> None:
        """What was deleted is on no disk when the deletion is done, if nobody reads."""
        cube, state = made(tmp_path, "city/shop")
        shop = state.rows[0][1]
        first = names(tmp_path)
        cube.delete({"shop": shop})
        assert not (first & names(tmp_path)) - cube.snapshot.lease.manifest.files - {"writer.lock"}
        reader = Cube.open(tmp_path)
        second = names(tmp_path)
        cube.append(table(state.rows[:3]))
        assert second <= names(tmp_path)
        check(reader.snapshot, State([row for row in state.rows if row[1] != shop]))
        del reader
        cube.append(table(state.rows[:1]))
        assert names(tmp_path) == {
            *cube.snapshot.lease.manifest.files,
            "writer.lock",
            f"manifest-{cube.snapshot.catalog.version}.json",
        }

    @pytest.mark.parametrize("by", ["shop", "account"])
    def test_what_went_with_other_facts_is_forgotten_when_it_is_deleted(self, tmp_path: Path, by: str) -> None:
        """A day was replaced, and who asks to be forgotten had facts there alone: they are dead, and yet in a file."""
        [step] = islice(steps(5), 1)
        rows, secret = list(step.rows), 0x5EC12E75EC12E7
        at, *_ = rows[0]
        cube = Cube(SCHEMA, table([*rows, (at, "s770077", secret, 5)]))
        cube.materialize("city/shop")
        cube.save(tmp_path)
        day = at.date()
        cube.replace(table([row for row in rows if row[0].date() == day]), str(day), str(day + timedelta(days=1)))
        assert self.holding(tmp_path, b"s770077") and self.holding(tmp_path, secret.to_bytes(8, "little"))  # noqa: PT018
        number = cube.snapshot.catalog.version
        cube.delete({by: "s770077" if by == "shop" else secret})
        assert not self.holding(tmp_path, b"s770077" if by == "shop" else secret.to_bytes(8, "little"))
        assert cube.snapshot.catalog.version == number + 1
        for one in (cube, Cube.open(tmp_path)):
            check(one.snapshot, State(rows))
        cube.delete({by: "s770077" if by == "shop" else secret})
        assert cube.snapshot.catalog.version == number + 1, "there is nothing left that could be forgotten"

    def holding(self, path: Path, what: bytes) -> list[str]:
        return [name for name in names(path) if what in (path / name).read_bytes()]

    def test_days_whose_facts_are_all_replaced_can_be_stored(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file may be cut where its layout has facts that do not count any more."""
        from wolap import home

        [step] = islice(steps(5), 1)
        cube, rows = Cube(SCHEMA, table(step.rows)), list(step.rows)
        days = sorted({row[0].date() for row in rows})
        middle = [row for row in rows if row[0].date() == days[2]]
        cube.replace(table(middle), days[2].isoformat(), days[3].isoformat())
        monkeypatch.setattr(home, "_MOST", 2)
        cube.save(tmp_path)
        check(cube.snapshot, State(rows))
        check(Cube.open(tmp_path).snapshot, State(rows))
