"""What does it take to build every path of a drill-down tree? `python -m benchmarks.builds --rows 20_000_000 [--all]`

Without `--all` these are the paths of the tree `day` of the ESM v3 cube, with it all that its programmers have. Each
path is a projection of its own, built from the smallest that can give it and streamed to a file. It stores what adds
up: the twelve sums, and `count` where the path has the event. Distinct counts can be made from the facts only, and are
in `benchmarks/materialize.py`.

Printed is a line for each path, with its groups, the bytes of its file, the seconds that passed, those that
processors worked, and what it was made from; and below them the sums, with the peak of the process's memory, facts
included. On a machine at rest one thread works as many seconds as pass.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.data import END, declaration
from wolap import Cube, Projection, Schema, declare_projection
from wolap.apis import make_events
from wolap.command.working import working
from wolap.cube import Progress

_PROGRAMMER, _EVENTS = "programmer", "count"


@dataclass(frozen=True)
class Built:
    """A path that was built: `worked` are seconds of processors, of all threads together."""

    path: str
    groups: int
    bytes: int
    seconds: float
    worked: float
    source: str

    def __str__(self) -> str:
        numbers = f"{self.groups:>12,} {self.bytes / (1 << 20):>9,.1f} {self.seconds:>8.2f} {self.worked:>8.2f}"
        return f"{numbers}  {self.path}  <- {self.source}"


def paths_of(schema: Schema, trees: Iterable[str]) -> list[tuple[str, ...]]:
    """The paths of some trees, each once."""
    wanted = set(trees)
    return list(dict.fromkeys(path for tree in schema.trees if tree.name in wanted for path in tree.paths))


def projections_of(schema: Schema, every: bool) -> list[Projection]:
    """A projection for each path of the tree of days, or of all trees of programmers."""
    trees = [tree.name for tree in schema.trees if tree.audience == _PROGRAMMER] if every else ["day"]
    sums = [name for name, one in schema.metrics.items() if one.function == "sum" and name != _EVENTS]
    return [
        declare_projection(schema, path, metrics=[*sums, _EVENTS] if "event" in path else sums)
        for path in paths_of(schema, trees)
    ]


def build(cube: Cube, projections: list[Projection], folder: Path, threads: int = 1) -> Iterator[Built]:
    """Builds projections into a folder, and tells of each."""
    found: list[Built] = []
    before = [time.perf_counter(), time.process_time()]

    def note(step: Progress) -> None:
        work.progress(step)
        if step.done == len(found):
            return
        now = time.perf_counter(), time.process_time()
        statistics = step.projection.statistics
        assert statistics is not None
        seconds, worked = now[0] - before[0], now[1] - before[1]
        before[:] = now
        found.append(Built(step.projection.name, statistics.rows, statistics.bytes, seconds, worked, step.source.name))

    with working("building") as work:
        cube.save(folder)
        before[:] = [time.perf_counter(), time.process_time()]
        cube.materialize(*projections, progress=note, threads=threads)
    yield from found


def peak() -> float:
    """The most memory that this process has had, in GiB; mapped pages count while they are in it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints what was built."""
    reader = argparse.ArgumentParser(description="Build the paths of drill-down trees, and say what each takes.")
    reader.add_argument("--rows", type=int, default=1_000_000)
    reader.add_argument("--all", action="store_true", help="all paths of programmers, not those of the tree `day` only")
    reader.add_argument("--threads", type=int, default=2)
    reader.add_argument("--folder", type=Path, help="where the files go, and stay; a temporary one unless said")
    asked = reader.parse_args(arguments)
    cube = Cube(declaration().schema, make_events("esm-v3", asked.rows, end=END), refreshed=END)
    loaded = peak()
    with TemporaryDirectory() if asked.folder is None else nullcontext(asked.folder) as folder:
        print(f"{'groups':>12} {'MiB':>9} {'seconds':>8} {'worked':>8}  path  <- made from")
        every = list(build(cube, projections_of(cube.schema, asked.all), Path(folder), asked.threads))
        for one in every:
            print(one)
    whole = Built(
        f"{len(every)} paths of {asked.rows:,} events",
        sum(one.groups for one in every),
        sum(one.bytes for one in every),
        sum(one.seconds for one in every),
        sum(one.worked for one in every),
        f"{sum(one.source == 'facts' for one in every)} of them from the facts",
    )
    print(f"{whole}\npeak memory {peak():.2f} GiB, {loaded:.2f} of it to make and load the facts")


if __name__ == "__main__":
    main()
