"""What does a refresh cost, and does that grow with what is there? `python -m benchmarks.refresh`

A cube of the ESM v3 events of 90 days, with the first projections of its tree of days, is stored in a folder. Then the
same facts come again and again, some for the last day, and some late, for a day amid the others. Each line is a cube of
as many facts; what comes is the same. `touched` counts the facts of the day that is made anew, which grow with the
cube, since it has as many days. Times are the least and the median of several refreshes, published and all.
"""

from __future__ import annotations

import argparse
import time
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.builds import projections_of
from benchmarks.data import DAYS, END, new_cube
from wolap import Cube
from wolap.apis import make_events

_API = "esm-v3"


def refreshed(rows: int, projections: int, new: int, rounds: int) -> str:
    """One line: a cube of so many facts, and what its refreshes take."""
    cube = new_cube(rows)
    with TemporaryDirectory() as folder:
        cube.save(Path(folder) / "cube")
        cube.materialize(*projections_of(cube.schema, every=False)[:projections])
        texts = [f"{rows:>12,}", f"{rows // DAYS:>10,}"]
        for end in (END, END - timedelta(days=DAYS // 2)):
            facts = make_events(_API, new, seed=7, end=end, days=1)
            times = [_timed(cube, facts) for _ in range(rounds)]
            texts.append(f"{min(times) * 1000:>10.0f} {median(times) * 1000:>8.0f}")
        begin = time.perf_counter()
        opened = Cube.open(Path(folder) / "cube")
        texts.append(f"{(time.perf_counter() - begin) * 1000:>8.1f}")
        del opened
    return " ".join(texts)


def _timed(cube: Cube, facts: object) -> float:
    begin = time.perf_counter()
    cube.append(facts, now=END)  # type: ignore[arg-type]
    return time.perf_counter() - begin


def main(arguments: list[str] | None = None) -> None:
    """Prints the table."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--rows", default="100_000,1_000_000", help="facts that are there, several with commas")
    reader.add_argument("--projections", type=int, default=20)
    reader.add_argument("--new", type=int, default=1_000, help="facts that come each time")
    reader.add_argument("--rounds", type=int, default=5)
    options = reader.parse_args(arguments)
    print(f"{options.new:,} facts come, {options.projections} projections; milliseconds, least and median")
    print(f"{'facts':>12} {'touched':>10} {'last day':>19} {'amid the others':>19} {'open':>8}")
    for rows in options.rows.split(","):
        print(refreshed(int(rows), options.projections, options.new, options.rounds), flush=True)


if __name__ == "__main__":
    main()
