"""Whatever ends a writer, readers have the version that was published last, whole."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import count
from pathlib import Path
from threading import Event, Thread

import pytest

from storage.cubes import publish, sales, stored
from storage.failing_disk import CALLS, Failing
from storage.test_folder import assert_stored, names
from wolap import Cube, StorageError
from wolap.storage import disk
from wolap.storage.folder import Folder


@pytest.fixture(scope="module")
def cubes() -> list[Cube]:
    """Those that versions are of, in turn."""
    return [sales(rows=40, shops=shops, projections=("day/city",)) for shops in (3, 5, 7)]


@pytest.mark.parametrize("for_good", [False, True])
def test_every_call_that_fails_publishes_nothing_or_all(
    cubes: list[Cube], tmp_path: Path, for_good: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(tmp_path, cubes[0]).close()
    seen: set[str] = set()
    for at in count():
        before = names(tmp_path)
        with Folder.at(tmp_path).open() as now:
            number, wanted = now.manifest.number, cubes[now.manifest.number % 3]
        with monkeypatch.context() as patched:
            failing = Failing(patched, at, for_good)
            try:
                with Folder.at(tmp_path).writing() as writer:
                    publish(writer, wanted).close()
                published = True
            except (OSError, StorageError) as error:
                assert "No space left" in str(error)  # noqa: PT017
                # A version that was put there and could not be taken back is there, and whole.
                has_stayed = (tmp_path / f"manifest-{number + 1}.json").exists()
                published = has_stayed and bool(getattr(error, "__notes__", []))
        seen |= set(failing.failed)
        with Folder.at(tmp_path).open() as opened:
            assert opened.manifest.number == number + published
            assert_stored(opened, wanted if published else cubes[(number - 1) % 3])
            if not published and "remove" not in failing.failed:
                assert names(tmp_path) == before
        if not failing.failed:
            break
    assert seen == set(CALLS)
    with Folder.at(tmp_path).writing() as writer, publish(writer, cubes[0]) as opened:
        assert names(tmp_path) == {f"manifest-{opened.manifest.number}.json", "writer.lock", *opened.manifest.files}


KILLED = """
import os, random, signal, sys, time
from pathlib import Path
from storage.cubes import publish, sales
from storage.test_folder import assert_stored
from wolap.storage.folder import Folder

folder = Folder.create(Path(sys.argv[1]))
random.seed(int(sys.argv[2]))
cubes = [sales(rows=3000, shops=shops, projections=("day/city", "day/shop")) for shops in (3, 5, 7)]

def write_for_ever(said):
    while True:
        with folder.writing() as writer:
            opened = publish(writer, cubes[(folder.versions or [0])[0] % 3])
        os.write(said, b"%d\\n" % opened.manifest.number)
        opened.close()

last = 0
for _ in range(int(sys.argv[3])):
    listening, saying = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            write_for_ever(saying)
        finally:
            os._exit(1)
    os.close(saying)
    with open(listening, "rb") as told:
        # However slow the machine is: some time after some version was published.
        for _ in range(random.randrange(3) if last else 1):
            last = max(last, int(told.readline()))
        time.sleep(random.random() * 0.1)
        os.kill(process, signal.SIGKILL)
        last = max([last, *map(int, told.read().split())])
    _, status = os.waitpid(process, 0)
    assert os.WIFSIGNALED(status), "the writer failed by itself"
    with folder.open() as opened:
        number = opened.manifest.number
        assert number >= last, (number, last)
        assert_stored(opened, cubes[(number - 1) % 3])
    last = number
with folder.writing() as writer, publish(writer, cubes[last % 3]) as opened:
    number = opened.manifest.number
    assert_stored(opened, cubes[(number - 1) % 3])
    left = {one.relative_to(folder.path).as_posix() for one in folder.path.rglob("*") if one.is_file()}
    assert left == {f"manifest-{number}.json", "writer.lock", *opened.manifest.files}, left
print(number)
"""


def script(text: str, *arguments: object) -> subprocess.Popen[str]:
    """A process of its own that runs a text."""
    paths = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parents[2])])
    command = [sys.executable, "-c", text, *map(str, arguments)]
    return subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": paths}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_a_writer_that_is_killed_leaves_the_version_that_was_published(tmp_path: Path) -> None:
    kills = int(os.environ.get("WOLAP_KILLS") or 20)
    with script(KILLED, tmp_path / "cube", 11, kills) as process:
        told, _ = process.communicate()
    assert process.returncode == 0
    assert int(told) >= kills // 2


READER = """
import sys
from pathlib import Path
from storage.cubes import sales
from storage.test_folder import assert_stored
from wolap.storage.folder import Folder

opened = Folder.at(Path(sys.argv[1])).open()
cube = sales(rows=40, shops=3, projections=("day/city",))
print(opened.manifest.number, flush=True)
input()
assert_stored(opened, cube)
print("read", flush=True)
input()
"""


def test_another_process_keeps_its_version_until_it_ends(cubes: list[Cube], tmp_path: Path) -> None:
    first = stored(tmp_path, cubes[0])
    first.close()
    folder = Folder.at(tmp_path)
    with script(READER, tmp_path) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        assert reader.stdout.readline() == "1\n"
        for number in range(2, 52):
            with folder.writing() as writer, publish(writer, cubes[number % 3]) as opened:
                assert names(tmp_path) == {
                    "manifest-1.json",
                    f"manifest-{number}.json",
                    "writer.lock",
                    *first.manifest.files,
                    *opened.manifest.files,
                }
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "read\n"
        reader.communicate("\n")
    assert reader.returncode == 0
    with folder.writing() as writer, publish(writer, cubes[0]) as opened:
        assert names(tmp_path) == {"manifest-52.json", "writer.lock", *opened.manifest.files}


def test_readers_see_whole_versions_that_rise(cubes: list[Cube], tmp_path: Path) -> None:
    folder = Folder.create(tmp_path)
    with folder.writing() as writer:
        publish(writer, cubes[0]).close()
    done = Event()
    failures: list[BaseException] = []
    looked = []

    def read() -> None:
        last = 0
        try:
            while not done.is_set():
                with folder.open() as opened:
                    number = opened.manifest.number
                    assert number >= last
                    assert_stored(opened, cubes[(number - 1) % 3])
                    last = number
                    looked.append(number)
        except BaseException as error:
            failures.append(error)
            raise

    readers = [Thread(target=read) for _ in range(2)]
    for one in readers:
        one.start()
    with folder.writing() as writer:
        for number in range(2, 40):
            publish(writer, cubes[(number - 1) % 3]).close()
    done.set()
    for one in readers:
        one.join()
    assert not failures
    assert len(set(looked)) > 3


def test_a_process_that_was_forked_does_not_keep_the_lock(cubes: list[Cube], tmp_path: Path) -> None:
    folder = Folder.create(tmp_path)
    waiting, going = os.pipe()
    with folder.writing() as writer:
        process = os.fork()
        if process == 0:
            os.close(going)
            os.read(waiting, 1)
            os._exit(0)
        publish(writer, cubes[0]).close()
    with folder.writing() as writer:
        publish(writer, cubes[0]).close()
    os.close(going)
    assert os.waitpid(process, 0)[1] == 0


def test_nobody_waits_for_a_version_that_is_being_published(
    cubes: list[Cube], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(tmp_path, cubes[0]).close()
    folder, seen, real = Folder.at(tmp_path), [], disk.sync

    def looking(path: Path) -> None:
        with folder.open() as opened:
            seen.append((path.name, folder.versions[0], opened.manifest.number))
        real(path)

    with folder.writing() as writer, monkeypatch.context() as patched:
        patched.setattr(disk, "sync", looking)
        publish(writer, cubes[1]).close()
    assert (tmp_path.name, 2, 1) in seen
    assert {number for _, _, number in seen} == {1}
    with folder.open() as opened:
        assert opened.manifest.number == 2
