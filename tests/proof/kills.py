"""`PYTHONPATH=tests python -m proof.kills --kills 500`: writers that are killed, and what they leave behind.

A child stores a cube and lets the steps of a ledger happen to it, builds among them; it says through a pipe which
version it has published. It is killed at a random moment, again and again. Each time the folder has to
open with the version that was said last or the one behind it, and answer as the ledger does then; the next child goes
on from there. After enough steps another ledger begins, in another folder.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from proof.ledger import BUILT, SCHEMA, State, check, steps, table
from wolap import Cube, StorageError

__all__ = ["Killed", "run"]

STEPS = 40


@dataclass
class Killed:
    """What became of it."""

    kills: int = 0
    ledgers: int = 0
    versions: int = 0
    # Killed after a version was published and before that was said; while there was none yet; with files left over.
    unsaid: int = 0
    unborn: int = 0
    leftovers: int = 0
    steps: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        return (
            f"{self.kills:,} kills of writers of {self.ledgers:,} cubes, which published {self.versions:,} versions\n"
            f"{self.unsaid:,} while a version was published, {self.unborn:,} before the first, "
            f"{self.leftovers:,} left files behind\n"
            f"nothing lost; what was done: {', '.join(sorted(self.steps))}"
        )


def run(kills: int, seed: int, patience: float = 60) -> Killed:
    """Kills so many writers. `patience` is for how many seconds one may say nothing."""
    random, killed = Random(f"kills {seed}"), Killed()
    while killed.kills < kills:
        with TemporaryDirectory() as folder:
            _ledger(Path(folder) / "cube", random.randrange(1 << 30), random, kills, killed, patience)
        killed.ledgers += 1
        print(f"{killed.kills:,} of {kills:,} kills", file=sys.stderr)
    return killed


def _ledger(path: Path, seed: int, random: Random, kills: int, killed: Killed, patience: float) -> None:
    known = list(islice(steps(seed), STEPS))
    said = 0
    while said < len(known) and killed.kills < kills:
        told = _until_killed(path, seed, random, patience)
        killed.kills += 1
        killed.versions += len(told)
        assert all(one == said + place for place, one in enumerate(told, 1)), (said, told)
        said += len(told)
        found = _version(path)
        assert found in (said, said + 1), f"{said} was said to be published, and {found} is there"
        killed.unsaid += found > said
        killed.unborn += found == 0
        killed.steps |= {one.of.split()[0] for one in known[said:found] + known[said - len(told) : said]}
        said = found
        if found:
            cube = Cube.open(path)
            check(cube.snapshot, State(known[found - 1].rows))
            assert cube.damage() == {}
            killed.leftovers += bool(_unnamed(path, cube))
            del cube
    if said == len(known) or (said and killed.kills == kills):
        _goes_on(path, seed, said)


def _version(path: Path) -> int:
    try:
        return Cube.open(path).snapshot.catalog.version
    except StorageError as error:
        assert "holds no" in str(error) or "does not exist" in str(error)  # noqa: PT017
        return 0


def _goes_on(path: Path, seed: int, number: int) -> None:
    """The next step publishes, and leaves no file that nobody names."""
    cube, [step] = Cube.open(path), islice(steps(seed), number, number + 1)
    step.act(cube)
    check(cube.snapshot, State(step.rows))
    assert not _unnamed(path, cube), _unnamed(path, cube)


def _unnamed(path: Path, cube: Cube) -> set[str]:
    """The files of a folder that a cube's version does not name."""
    files = {one.relative_to(path).as_posix() for one in path.rglob("*") if one.is_file()}
    lease = cube.snapshot.lease
    return files - lease.manifest.files - {"writer.lock", f"manifest-{lease.manifest.number}.json"}


def _until_killed(path: Path, seed: int, random: Random, patience: float) -> list[int]:
    """What a writer says before it is killed, or has done all steps."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["proof.ledger"])
    listening, saying = context.Pipe(duplex=False)
    process = context.Process(target=write, args=(path, seed, saying))
    process.start()
    saying.close()
    told: list[int] = []
    with listening:
        # It is up, and has published some versions, however slow the machine is: it is killed while it works.
        assert listening.poll(patience), "a writer does not begin"
        assert listening.recv() == "up"
        _listen(listening, told, random.randrange(5), patience)
        time.sleep(random.random() * 0.1)
        process.kill()
        _listen(listening, told, STEPS, patience)
    process.join(patience)
    assert process.exitcode in (0, -signal.SIGKILL), "a writer has failed"
    return told


def _listen(listening: Connection, told: list[int], most: int, patience: float) -> None:
    """Hears so many versions, or those that there are before the writer ends."""
    try:
        for _ in range(most):
            assert listening.poll(patience), "a writer says nothing"
            told.append(listening.recv())
    except EOFError:
        pass


def write(path: Path, seed: int, saying: Connection) -> None:
    """Goes on where another ended, and says each version."""
    number = _version(path)
    saying.send("up")
    for place, step in enumerate(islice(steps(seed), STEPS), 1):
        if place <= number:
            continue
        if place == 1:
            cube = Cube(SCHEMA, table(step.rows))
            cube.declare(*BUILT)
            cube.save(path)
        else:
            cube = cube if place > number + 1 else Cube.open(path)
            step.act(cube)
        assert cube.snapshot.catalog.version == place
        saying.send(place)


def main() -> int:
    parser = argparse.ArgumentParser(prog="proof.kills", description="Writers that are killed at random moments.")
    parser.add_argument("--kills", type=int, default=500, help="how many (500)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same cubes (1)")
    given = parser.parse_args()
    print(run(given.kills, given.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
