"""`PYTHONPATH=tests python -m proof.refreshes --refreshes 1000`: readers that ask while a cube changes.

The steps of a ledger happen to a cube, in memory and in a folder. All the while threads of the same process ask it,
and other processes that have the folder open and catch up with it; of a stored cube some readers keep the version that
they began with, of which they have read nothing, until the end. Each answer says which version gave it, and has to be
what the ledger says of that version: whatever mixed two, or waited for a writer to end, would not.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from proof.ledger import PATHS, SCHEMA, Row, State, check, steps, table
from wolap import Cube, Query

__all__ = ["Refreshed", "run"]

# Those that count nothing that cannot be merged, and that does.
PROJECTIONS = ("year/month/day/city/shop", "year/month", "city")


@dataclass
class Refreshed:
    """What was asked, by whom, and of how many versions."""

    refreshes: int
    answers: Counter[str] = field(default_factory=Counter)
    versions: dict[str, int] = field(default_factory=dict)
    files: int = 0

    def __str__(self) -> str:
        readers = (f"{who}: {self.answers[who]:,} of {self.versions[who]:,} versions" for who in sorted(self.answers))
        return "\n".join((f"{self.refreshes:,} refreshes; snapshots compared by each reader:", *readers))


def run(refreshes: int, seed: int, *, stored: bool, threads: int = 2, processes: int = 2) -> Refreshed:
    """Lets so many things happen to a cube that readers hammer on."""
    known = list(islice(steps(seed, builds=False), refreshes + 1))
    states = [State(step.rows) for step in known]
    figures, cube = Refreshed(refreshes), Cube(SCHEMA, table(known[0].rows))
    cube.materialize(*PROJECTIONS)
    with ExitStack() as stack:
        if stored:
            folder = Path(stack.enter_context(TemporaryDirectory())) / "cube"
            cube.save(folder)
        first = cube.snapshot.catalog.version
        done = Event()
        # Of the version that they keep the second has read nothing.
        keeping = [cube.snapshot, *([Cube.open(folder).snapshot] if stored else [])]
        readers = [stack.enter_context(_reading(folder, seed, refreshes)) for _ in range(processes if stored else 0)]
        pool = stack.enter_context(ThreadPoolExecutor(threads))
        asking = [pool.submit(_ask, cube, states, first, done) for _ in range(threads)]
        try:
            for number, step in enumerate(known[1:], first + 1):
                step.act(cube)
                assert cube.snapshot.catalog.version == number
                if any(one.done() for one in asking):
                    break
        finally:
            done.set()
        for place, one in enumerate(asking):
            seen = one.result()
            figures.answers[f"thread {place}"], figures.versions[f"thread {place}"] = sum(seen.values()), len(seen)
        for place, reader in enumerate(readers):
            said, _ = reader.communicate(timeout=600)
            assert reader.returncode == 0, "a reader has failed"
            who = f"process {place}"
            figures.answers[who], figures.versions[who] = map(int, said.split())
        for snapshot in keeping:
            check(snapshot, states[0])
        check(cube.snapshot, states[-1])
        if stored:
            keeping.clear()
            del snapshot
            figures.files = _files_when_nobody_reads(cube, folder, states[-1].rows)
    return figures


def _ask(cube: Cube, states: list[State], first: int, done: Event) -> Counter[int]:
    """Compares snapshots, and answers of the cube itself, until all is done, and once more; how often which version."""
    seen: Counter[int] = Counter()
    while True:
        is_last = done.is_set()
        snapshot = cube.snapshot
        number = snapshot.catalog.version
        check(snapshot, states[number - first])
        seen[number] += 1
        for path in PATHS[:3]:
            result = cube.answer(Query(path, metrics=tuple(SCHEMA.metrics)))
            assert result.to_pylist() == states[result.plan.version - first].report(path)
        if is_last:
            return seen


def _reading(folder: Path, seed: int, refreshes: int) -> subprocess.Popen[bytes]:
    """A process that reads; it has the folder open when this returns."""
    arguments = [sys.executable, "-m", "proof.refreshes", "--read", str(folder), "--seed", str(seed)]
    environment = {"PYTHONPATH": ":".join(sys.path)}
    reader = subprocess.Popen(
        [*arguments, "--refreshes", str(refreshes)], stdout=subprocess.PIPE, env=environment
    )  # fmt: skip
    assert reader.stdout is not None
    assert reader.stdout.readline() == b"up\n"
    return reader


def read(folder: Path, seed: int, refreshes: int) -> None:
    """Compares the versions of a folder until the last, and keeps the first to the end."""
    states = [State(step.rows) for step in islice(steps(seed, builds=False), refreshes + 1)]
    kept, cube, seen = Cube.open(folder).snapshot, Cube.open(folder), Counter[int]()
    first = kept.catalog.version
    print("up", flush=True)
    assert first == 1
    while not seen[first + refreshes]:
        cube.catch_up()
        check(cube.snapshot, states[cube.snapshot.catalog.version - first])
        seen[cube.snapshot.catalog.version] += 1
    check(kept, states[0])
    print(sum(seen.values()), len(seen))


def _files_when_nobody_reads(cube: Cube, folder: Path, rows: Sequence[Row]) -> int:
    """After one more version the folder has the files that it names, and no others."""
    cube.append(table(rows[:1]))
    lease = cube.snapshot.lease
    files = {one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()}
    assert files == {*lease.manifest.files, "writer.lock", f"manifest-{lease.manifest.number}.json"}
    return len(files)


def main() -> int:
    parser = argparse.ArgumentParser(prog="proof.refreshes", description="Readers while a cube is changed.")
    parser.add_argument("--refreshes", type=int, default=1000, help="how many (1,000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same changes (1)")
    parser.add_argument("--read", type=Path, help="be a reader of this folder")
    given = parser.parse_args()
    if given.read is not None:
        read(given.read, given.seed, given.refreshes)
        return 0
    for stored in (False, True):
        print("a stored cube" if stored else "a cube in memory")
        print(run(given.refreshes, given.seed, stored=stored))
    return 0


if __name__ == "__main__":
    sys.exit(main())
