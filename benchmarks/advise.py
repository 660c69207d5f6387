"""How long does advice take, and how good is it: what do the reports cost with it, against random choices as large?

    python -m benchmarks.advise --rows 20_000_000 --budget 64

prints the advice on the programmer's paths of the ESM v3 cube, how long it took, and what it leaves of their cost
beside the best of 1,000 random choices: candidates in random order, each that still fits. With --exact all of them are
judged by the true sizes of every candidate, which takes some minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from random import Random
from time import perf_counter

from benchmarks.data import PROGRAMMER, declaration, events, rows
from wolap import Advice, Cube, Projection
from wolap.engine.sizes import SAMPLE, estimate_sizes
from wolap.model.projection import FACTS, Statistics
from wolap.planner.advise import Search
from wolap.planner.greedy import Costs
from wolap.planner.workload import demands_of, path_queries

CHOICES = 200
BUDGET = 4 << 20


def declared_cube(count: int) -> Cube:
    """The cube with what the packaged file declares, which decides what a report shows, and nothing built."""
    cube = Cube(declaration().schema, events(count))
    cube.declare(*declaration().projections)
    return cube


def advised(cube: Cube, budget: int, whole: bool = False) -> Advice:
    """The advice on the reports of the programmer's paths."""
    return cube.advise(budget, audience=PROGRAMMER.audience, afresh=True, whole=whole)


def search(cube: Cube, sample: int = SAMPLE, whole: bool = False) -> Search:
    """What each of those reports would cost with each candidate."""
    catalog, facts = cube.snapshot.catalog, cube.snapshot.sources[FACTS].whole

    def measure(projections: Sequence[Projection]) -> Sequence[Statistics]:
        return estimate_sizes(projections, facts.layout, facts.dictionaries, sample=sample)

    queries = path_queries(catalog, cube.schema.forest(PROGRAMMER.audience), whole=whole)
    return Search.of(catalog, demands_of(queries, catalog), measure, afresh=True)


def random_costs(costs: Costs, budget: int, choices: int, seed: int = 1) -> Iterator[float]:
    """What the workload costs with each of some random choices."""
    random = Random(seed)
    order = list(range(len(costs.sizes)))
    for _ in range(choices):
        random.shuffle(order)
        free, chosen = budget, []
        for candidate in order:
            if costs.sizes[candidate] <= free:
                free -= costs.sizes[candidate]
                chosen.append(candidate)
        yield sum(costs.with_these(chosen))


def cost_of_advice(found: Search, advice: Advice) -> tuple[float, int]:
    """What the workload costs with what was advised, by the table of a search, and its bytes there."""
    found.add(choice.projection for choice in advice.choices)
    keys = [(frozenset(one.dimensions), one.level, one.partials) for one in found.candidates]
    chosen = [keys.index((frozenset(one.dimensions), one.level, one.partials)) for one in advice.projections]
    return sum(found.costs.with_these(chosen)), sum(found.costs.sizes[one] for one in chosen)


class Advise:
    params = (1 << 20, 16 << 20)
    param_names = ("budget",)

    def setup(self, budget: int) -> None:
        self.cube = declared_cube(rows())

    def time_advise(self, budget: int) -> None:
        advised(self.cube, budget)


class Quality:
    unit = "of the cost with the best random choice"

    def track_cost(self) -> float:
        cube = declared_cube(rows())
        found = search(cube)
        random = min(random_costs(found.costs, BUDGET, CHOICES))
        return cost_of_advice(found, advised(cube, BUDGET))[0] / random


def main(arguments: list[str] | None = None) -> None:
    """Prints the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--budget", type=int, default=64, help="in MiB")
    parser.add_argument("--choices", type=int, default=1_000)
    parser.add_argument("--whole", action="store_true", help="reports over all time, not over their default intervals")
    parser.add_argument("--exact", action="store_true", help="judge by the true sizes of all candidates")
    said = parser.parse_args(arguments)
    budget = said.budget << 20
    cube = declared_cube(said.rows)
    began = perf_counter()
    advice = advised(cube, budget, said.whole)
    print(f"{advice}\n\nadvised in {perf_counter() - began:.1f} s")
    found = search(cube, said.rows if said.exact else SAMPLE, said.whole)
    start = sum(found.costs.start)
    random = sorted(random_costs(found.costs, budget, said.choices))
    cost, size = cost_of_advice(found, advice)
    print(f"without anything stored {start / 1e6:,.0f} ms for all reports")
    print(f"with the advice         {cost / 1e6:,.0f} ms, {size / (1 << 20):,.2f} MiB {'in truth' * said.exact}")
    middle = random[len(random) // 2]
    print(f"with random choices     {random[0] / 1e6:,.0f} ms at best, {middle / 1e6:,.0f} in the middle")
    print(f"the advice costs {cost / random[0]:.3f} times what the best of {said.choices:,} random choices costs")


if __name__ == "__main__":
    main()
