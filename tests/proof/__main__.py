"""`PYTHONPATH=tests python -m proof --queries 200000 --seed 1`: exits with 1 where two answers part."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from proof.run import QUESTIONS, Figures, run_world, run_worlds
from proof.tally import watch

_PATHS: Counter[str] = Counter()


def _begin() -> None:
    """Once for each process."""
    watch(_PATHS)


def _share(arguments: tuple[int, int, int]) -> Figures:
    return run_worlds(*arguments, _PATHS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="proof", description="Random worlds: every right plan, and the oracle.")
    parser.add_argument("--queries", type=int, default=20_000, help="how many to ask in all (20,000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same worlds and queries (1)")
    parser.add_argument("--world", type=int, help="only this world of the seed, to see a difference again")
    parser.add_argument("--processes", type=int, default=1, help="how many to share the worlds among (1)")
    given = parser.parse_args()
    if given.world is not None:
        figures = run_world(given.seed, given.world)
    else:
        figures = _run(given.seed, given.queries, given.processes)
    print(figures)
    return 1 if figures.differences else 0


def _run(seed: int, queries: int, processes: int) -> Figures:
    share = 10 * QUESTIONS
    shares = [(seed, first // QUESTIONS, min(share, queries - first)) for first in range(0, queries, share)]
    figures, begun = Figures(), time.perf_counter()
    with ProcessPoolExecutor(processes, initializer=_begin) as pool:
        for found in pool.map(_share, shares):
            figures.add(found)
            rate = figures.queries / (time.perf_counter() - begun)
            print(
                f"{figures.queries:,} queries, {rate:,.0f} a second, {len(figures.differences)} differences",
                file=sys.stderr,
            )
    return figures


if __name__ == "__main__":
    sys.exit(main())
