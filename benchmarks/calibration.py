"""Does the planner know what its plans cost? Predicted against measured, for random queries by every right plan.

    python -m benchmarks.calibration --rows 2_000_000 --queries 500
    python -m benchmarks.calibration --rows 2_000_000 --queries 500 --fit

Times are those of the thread itself, the least of several runs, so that other work on the machine counts little. It
prints how well the ranks of predicted and measured times agree (Spearman), and, where the best plan takes a millisecond
or more, how often the chosen one is within one and a half times of it. `--fit` gives the rates that would fit the
measured times best (least squares of relative errors, none below 0), for `planner/cost.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from time import thread_time_ns

import numpy as np

from benchmarks.data import END, PROGRAMMER
from wolap import Cube, Query
from wolap.apis import declaration_path, make_events
from wolap.cube_file import read_cube_file
from wolap.errors import QueryError
from wolap.planner.choose import every_plan
from wolap.planner.cost import RATES, Part, cost_of, work_of
from wolap.planner.estimate import estimate
from wolap.planner.needs import needs_of
from wolap.planner.plan import Plan
from wolap.planner.shelves import stock_of
from wolap.snapshot import Snapshot
from wolap.verify import random_queries

LONG = 1_000_000
WITHIN = 1.5
RUNS = 3
# Coarse and fine ones besides those of the cube file, so that most questions have a choice.
MORE = (
    "year/month",
    "year/month/mvpd",
    "year/month/day/media-company/mvpd",
    "year/month/day/mvpd/platform",
    "year/month/day/requestor-id/mvpd/platform",
    "year/month/day/hour/platform",
    "year/month/day/hour/requestor-id/mvpd",
    "media-company/mvpd/platform/nsdk",
)


@dataclass(frozen=True, slots=True)
class Run:
    """One plan of one query: nanoseconds as predicted and as measured, and what the prediction was made of."""

    plan: Plan
    predicted: float
    measured: float
    terms: dict[str, float]


def cube_of(rows: int) -> Cube:
    """The packaged cube of ESM v3 over that many events, with more projections."""
    declared = read_cube_file(declaration_path("esm-v3"))
    cube = Cube(declared.schema, make_events("esm-v3", rows, seed=1, end=END, days=90))
    cube.materialize(*declared.projections, *MORE)
    return cube


def questions(cube: Cube, count: int, seed: int) -> Iterator[Query]:
    """Half of them over the paths of the trees, which are long, and half over their beginnings."""
    random = Random(seed)
    for query in random_queries(cube, count, seed, PROGRAMMER):
        short = query.path[: random.randint(0, 5)]
        kept = query.along(short) if random.random() < 0.5 else query
        yield Query(
            kept.path,
            filters=query.filters,
            metrics=query.metrics,
            start=query.start,
            end=query.end,
            include=kept.include,
        )


def runs_of(snapshot: Snapshot, query: Query) -> list[Run]:
    """Every plan of a query, the chosen one first."""
    try:
        plans = every_plan(query, snapshot.catalog, PROGRAMMER)
    except QueryError:
        return []
    return [Run(plan, plan.cost.nanoseconds, _measured(snapshot, plan), _terms(snapshot, plan)) for plan in plans]


def _measured(snapshot: Snapshot, plan: Plan) -> float:
    spent = []
    for _ in range(RUNS):
        began = thread_time_ns()
        snapshot.run(plan)
        spent.append(thread_time_ns() - began)
    return float(min(spent))


def _terms(snapshot: Snapshot, plan: Plan) -> dict[str, float]:
    """How many of the things that rates are for a plan takes: what it costs where one of them takes a nanosecond and
    all others take none."""
    catalog = snapshot.catalog
    needs = needs_of(plan.query, catalog, plan.metrics)
    stock = stock_of(needs, catalog)
    served = [(shelf, shelf.rows_in(needs.asked)) for shelf in stock.servers]
    size = estimate(needs, catalog, stock.least_rows(needs, served))
    parts = [Part(catalog.projections[catalog.places[piece.projection]], piece.interval) for piece in plan.pieces]
    nothing = dict.fromkeys(RATES, 0.0)
    works = {name: work_of(needs, size, {**nothing, name: 1.0}) for name in RATES}
    return {name: cost_of(parts, needs, size, work).nanoseconds for name, work in works.items()}


def agreement(one: Sequence[float], other: Sequence[float]) -> float:
    """The rank correlation of two measures of the same things (Spearman)."""
    ranks = [np.argsort(np.argsort(measure)) for measure in (one, other)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def fitted(runs: Sequence[Run]) -> dict[str, float]:
    """The rates that fit measured times best: those that would fall below 0 are taken out one by one."""
    names = list(RATES)
    measured = np.array([run.measured for run in runs])
    terms = np.array([[run.terms[name] for name in names] for run in runs]) / measured[:, None]
    kept = list(range(len(names)))
    while True:
        rates, *_ = np.linalg.lstsq(terms[:, kept], np.ones(len(runs)), rcond=None)
        if (rates >= 0).all():
            break
        del kept[int(rates.argmin())]
    return {names[place]: float(rate) for place, rate in zip(kept, rates, strict=True)}


def report(answers: Sequence[Sequence[Run]]) -> Iterator[str]:
    """What there is to say of measured queries."""
    chosen = [runs[0] for runs in answers]
    every = [run for runs in answers for run in runs]
    for name, some in (("chosen plans", chosen), ("all plans", every)):
        ranks = agreement([run.predicted for run in some], [run.measured for run in some])
        errors = np.array([run.predicted / run.measured for run in some])
        low, middle, high = np.quantile(errors, (0.1, 0.5, 0.9))
        yield (
            f"{len(some):,} {name}: rank correlation {ranks:.3f}, "
            f"predicted over measured {middle:.2f} ({low:.2f} to {high:.2f} for eight in ten)"
        )
    long = [runs for runs in answers if min(run.measured for run in runs) >= LONG]
    factors = [runs[0].measured / min(run.measured for run in runs) for runs in long]
    good = sum(factor <= WITHIN for factor in factors)
    yield (
        f"{len(long):,} queries whose best plan takes a millisecond or more: the chosen one is within {WITHIN} times "
        f"of it in {good / max(len(long), 1):.1%}, the worst {max(factors, default=1.0):.1f} times"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--fit", action="store_true")
    options = parser.parse_args(arguments)
    snapshot = (cube := cube_of(options.rows)).snapshot
    found = (runs_of(snapshot, query) for query in questions(cube, options.queries, options.seed))
    answers = [runs for runs in found if runs]
    for line in report(answers):
        print(line)
    if options.fit:
        for name, rate in fitted([run for runs in answers for run in runs]).items():
            print(f'    "{name}": {rate:.3g},')


if __name__ == "__main__":
    main()
