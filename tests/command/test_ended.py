"""Commands as processes that are stopped, killed and watched: what they leave is what was published."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from itertools import combinations
from pathlib import Path
from time import sleep

import pytest
from command.stored_sales import DECLARATION, begin, declare, run, said, sales_by_day, sales_in_files, write

from wolap import Cube
from wolap.command.working import working
from wolap.cube_file import load_cube, read_cube_file
from wolap.storage.folder import Folder

LOOKS = 6000
PAUSE = 0.01


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A cube file that declares many projections."""
    for day in range(1, 9):
        write(tmp_path, f"day{day}", day, 5_000)
    names = ("year/month/day", "country", "city", "size")
    sections = [
        f'[[projections]]\ndimensions = "{"/".join(some)}"\nname = "p{number}"\nmetrics = ["{metric}"]\n'
        for number, (metric, some) in enumerate(
            (metric, some)
            for metric in ("sales", "amount", "customers")
            for size in (4, 3, 2)
            for some in combinations(names, size)
        )
    ]
    return declare(tmp_path, DECLARATION + "\n" + "\n".join(sections))


def built(folder: Path) -> int:
    """How many projections a folder has."""
    return sum(one.statistics is not None for one in Cube.open(folder).projections) - 1


def until(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    """Waits for something that a process does."""
    for _ in range(LOOKS):
        if condition():
            return
        assert process.poll() is None, process.communicate()
        sleep(PAUSE)
    raise AssertionError("the process has not come so far")


def is_begun(folder: Path, least: int) -> Callable[[], bool]:
    return lambda: (Folder(folder).versions or [0])[0] >= least


def test_ctrl_c_leaves_what_is_built_and_the_command_goes_on(file: Path) -> None:
    out = file.parent / "cube"
    with begin("build", file, "--out", out) as process:
        until(process, is_begun(out, 4))
        process.send_signal(signal.SIGINT)
        printed, told = process.communicate()
    assert (process.returncode, printed) == (130, ""), told
    stays, total = built(out), len(Cube.open(out).projections) - 1
    # The facts are a version, and what is declared is the next.
    assert 2 <= stays < total
    assert told == (
        f"building was stopped; {out} has the facts and {stays} of {total} projections; `wolap build {out}` goes on\n"
    )
    assert "0 differences" in said(run("verify", out, "--queries", 20))
    again = run("build", file, "--out", out)
    assert (again.exit_code, again.stderr) == (0, f"{out}: goes on with {total - stays} of {total} projections\n")
    assert built(out) == total


def test_the_first_ctrl_c_is_heeded_between_blocks_and_the_second_at_once(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cube = load_cube(read_cube_file(file), build=False)
    ever = signal.getsignal(signal.SIGINT)

    def interrupted(times: int) -> None:
        with working("building") as work:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
            assert work.cancel.is_set()
            cube.materialize(progress=work.progress, cancel=work.cancel)

    with pytest.raises(SystemExit) as ended:
        interrupted(1)
    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "building was stopped; nothing is left of it\n")
    assert signal.getsignal(signal.SIGINT) is ever
    assert all(one.statistics is None for one in cube.projections if not one.is_facts)
    with pytest.raises(KeyboardInterrupt):
        interrupted(2)
    assert signal.getsignal(signal.SIGINT) is ever


def test_a_build_that_is_killed_is_gone_on_with(file: Path) -> None:
    out, moments = file.parent / "cube", random.Random(4)
    total, before = 35, 0
    for kill in range(4):
        with begin("build", file, "--out", out) as process:
            until(process, is_begun(out, before + 1 if kill else 1))
            sleep(moments.random() * 0.2)
            process.kill()
            process.communicate()
        before = Folder(out).versions[0]
        assert "0 differences" in said(run("verify", out, "--queries", 5))
        assert sales_by_day(out) == sales_in_files(file.parent)
        if process.returncode == 0:
            break
    assert run("build", file, "--out", out).exit_code == 0
    assert built(out) == len(Cube.open(out).projections) - 1 == total


def test_ctrl_c_in_a_refresh_changes_nothing(file: Path) -> None:
    out = file.parent / "cube"
    said(run("build", file, "--out", out))
    before, number = sales_by_day(out), Folder(out).versions[0]
    write(file.parent, "late", 3, 5_000, seed=1)
    segments = set((out / "segments").iterdir())
    with begin("refresh", out) as process:
        until(process, lambda: bool(set((out / "segments").iterdir()) - segments))
        process.send_signal(signal.SIGINT)
        printed, told = process.communicate()
    assert (process.returncode, printed) == (130, "")
    assert told == "refreshing was stopped; 0 of 1 new file taken in, and the next time goes on\n"
    assert Folder(out).versions[0] == number
    assert sales_by_day(out) == before
    said(run("refresh", out))
    assert sales_by_day(out) == sales_in_files(file.parent)


def test_refreshes_that_are_killed_lose_nothing_and_take_nothing_twice(file: Path) -> None:
    out, moments = file.parent / "cube", random.Random(9)
    said(run("build", file, "--out", out))
    for round_ in range(3):
        write(file.parent, f"late{round_}", 1 + round_, 3_000, seed=round_ + 1)
        before, number = sales_by_day(out), Folder(out).versions[0]
        segments = set((out / "segments").iterdir())
        with begin("refresh", out) as process:
            until(process, lambda seen=segments: bool(set((out / "segments").iterdir()) - seen))
            sleep(moments.random() * 0.4)
            process.kill()
            process.communicate()
        is_published = Folder(out).versions[0] > number
        assert sales_by_day(out) == (sales_in_files(file.parent) if is_published else before)
        told = said(run("refresh", out))
        assert ("nothing is new" in told) == is_published
        assert sales_by_day(out) == sales_in_files(file.parent)
    assert "0 differences" in said(run("verify", out, "--queries", 50))


def test_two_writers_at_once(file: Path) -> None:
    out = file.parent / "cube"
    said(run("build", file, "--out", out))
    write(file.parent, "late", 3, 5_000, seed=1)
    with Folder(out).writing():
        result = run("refresh", out)
    assert result.exit_code == 2
    assert f"is being written by process {os.getpid()}; wait until that is done" in result.stderr
    assert "1 file taken in" in said(run("refresh", out))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """The port of a server over a folder."""
    write(tmp_path, "day1", 1)
    out = tmp_path / "cube"
    said(run("build", declare(tmp_path), "--out", out))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with begin("serve", out, "--port", port) as process:
        try:
            until(process, lambda: _listens(port))
            yield port, out
        finally:
            process.kill()
            process.communicate()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def test_a_server_takes_up_what_others_publish(served: tuple[int, Path]) -> None:
    port, out = served
    connection = HTTPConnection("127.0.0.1", port, timeout=30)

    def fetched() -> bytes:
        connection.request("GET", "/sales/v1.csv?metrics=sales&start=2024&end=2025")
        response = connection.getresponse()
        assert response.status == 200
        return response.read()

    assert fetched() == b"sales\r\n200\r\n"
    for day in (2, 3):
        write(out.parent, f"day{day}", day)
        with begin("refresh", out) as process:
            assert process.wait() == 0
        for _ in range(LOOKS):
            if fetched() == b"sales\r\n%d\r\n" % (day * 200):
                break
            sleep(PAUSE)
        else:
            raise AssertionError("the server still answers from an old version")
    connection.close()
