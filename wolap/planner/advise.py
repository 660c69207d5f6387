"""What to store: the projections that save most of what a workload costs, under a budget of bytes.

The lattice that answers queries is read backwards here (Harinarayan, Rajaraman and Ullman, "Implementing data cubes
efficiently", 1996). What a demand would cost with a candidate is asked of the rules and the cost model that queries are
planned by, so the advice is true to what will happen; that is worked out once for each pair, and `greedy.py` chooses
from the table. The statistics of what is not built are estimated from a sample, by whoever knows the data. In the end
all demands are planned, as if what was chosen were built: before and after are costs of plans.

What cannot merge, such as a plain distinct count, is read at its own grain only, so a candidate saves of that what its
own demands cost, and nothing beyond.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations, count, islice
from math import inf

from wolap.errors import NoAnswer, QueryError
from wolap.model.aggregate import Partial
from wolap.model.filter import Filter
from wolap.model.principal import Caps
from wolap.model.projection import Catalog, Projection, Statistics
from wolap.model.schema import Schema
from wolap.model.tree import path_text
from wolap.model.zone import Zone
from wolap.planner.advice import Advice, Answered, Choice
from wolap.planner.choose import plan_query
from wolap.planner.cost import Part, Work, cost_of, work_of
from wolap.planner.cover import cover
from wolap.planner.eligibility import crosses, is_timely, may_answer
from wolap.planner.estimate import Estimate, estimate
from wolap.planner.grains import UNNAMED, Grain, GrainKey, declarations, grains_of, steps_of, union
from wolap.planner.greedy import Costs, choose
from wolap.planner.needs import Needs, needs_of
from wolap.planner.shelves import stock_among
from wolap.planner.workload import Workload

__all__ = ["Measure", "Search", "advise"]

# Unions are tried of the first so many that were chosen, and measured where they could pay at all.
_CHOSEN_FOR_UNIONS, _MOST_UNIONS = 24, 100
# Names go up to 200 letters; a number may follow.
_LONGEST_NAME = 190

# What makes it another projection: not its name.
Identity = tuple[frozenset[str], str | None, frozenset[Partial], Zone, tuple[Filter, ...]]
# Estimates statistics: those that each of some declared projections would have if it were built.
Measure = Callable[[Sequence[Projection]], Sequence[Statistics]]


def advise(catalog: Catalog, workload: Workload, budget: int, measure: Measure, *, afresh: bool = False) -> Advice:
    """What to store beside what is built (or, `afresh`, instead of it) within `budget` bytes.

    Raises QueryError for a budget below 1 and for a workload of nothing.
    """
    if budget < 1:
        raise QueryError(f"a budget of {budget:,} bytes stores nothing; give at least 1")
    search = Search.of(catalog, workload, measure, afresh)
    search.add(search.unions([candidate for candidate, _ in choose(search.costs, budget)]))
    chosen = choose(search.costs, budget)
    picked = _named([search.candidates[candidate] for candidate, _ in chosen], catalog)
    answered, used = search.answered(picked), frozenset[str]()
    used = used.union(*(one.by for one in answered))
    if any(one.name not in used for one in picked):
        # A cover of others took its place.
        answered = search.answered([one for one in picked if one.name in used])
    saved = [saved for _, saved in chosen]
    choices = [Choice(one, gain) for one, gain in zip(picked, saved, strict=True) if one.name in used]
    return Advice(budget, tuple(choices), answered, len(search.candidates), workload.left_out)


@dataclass(slots=True)
class Search:
    """The candidates so far, and what each demand would cost with each of them.

    `base` is the catalog without caps, with what is built; `owners` the demands that each grain is the grain of;
    `sizes` and `works` belong to demands, as the cost model wants them.
    """

    catalog: Catalog
    base: Catalog
    workload: Workload
    measure: Measure
    needs: list[Needs]
    grains: dict[GrainKey, Grain]
    owners: dict[GrainKey, list[Needs]]
    candidates: list[Projection]
    sizes: list[Estimate]
    works: list[Work]
    costs: Costs

    @classmethod
    def of(cls, catalog: Catalog, workload: Workload, measure: Measure, afresh: bool) -> Search:
        """A search with what is declared and not built, and the grains of the demands, as candidates.

        Raises QueryError for a workload of nothing.
        """
        if not workload.demands:
            raise QueryError("nothing is asked, so nothing is worth storing; give at least one query")
        built = [one for one in catalog.projections if one.is_facts or (one.statistics is not None and not afresh)]
        base = replace(catalog, projections=tuple(built), caps=Caps())
        needs = [needs_of(one.query, base, one.query.metrics or ()) for one in workload.demands]
        search = cls(catalog, base, workload, measure, needs, {}, {}, [], [], [], Costs([], [], []))
        for one in needs:
            for grain in grains_of(one):
                search.grains.setdefault(grain.key, grain)
                search.owners.setdefault(grain.key, []).append(one)
        search.begin()
        return search

    def begin(self) -> None:
        """The first candidates, and what the demands cost without any."""
        kept = {one.name for one in self.base.projections}
        found = [one for one in self.catalog.projections if one.name not in kept]
        for key, grain in self.grains.items():
            found += declarations(grain, self.needs, self.owners[key])
        measured = self._measured(found)
        # The finest statistics there are say best how many groups a report has.
        known = (*measured, *self.base.projections)
        self.sizes = [estimate(one, self.base, _least_rows(one, known)) for one in self.needs]
        self.works = [work_of(one, size) for one, size in zip(self.needs, self.sizes, strict=True)]
        start = [self._start(number) for number in range(len(self.needs))]
        self.costs = Costs(start, [], [])
        self._take(measured)

    def add(self, declared: Iterable[Projection]) -> None:
        """More candidates."""
        self._take(self._measured(declared))

    def unions(self, chosen: Sequence[int]) -> Iterator[Projection]:
        """Declarations at unions of the grains of two candidates, where one could be smaller than both together."""
        schema = self.base.schema
        first = [self.candidates[number] for number in chosen[:_CHOSEN_FOR_UNIONS]]
        fresh: dict[GrainKey, Grain] = {}
        for one, other in combinations(first, 2):
            grain = union(_grain(one, schema), _grain(other, schema), schema)
            if grain is not None and grain.key not in self.grains and _may_pay(one, other):
                fresh.setdefault(grain.key, grain)
        for grain in islice(fresh.values(), _MOST_UNIONS):
            self.grains[grain.key] = grain
            yield from declarations(grain, self.needs, ())

    def answered(self, picked: Sequence[Projection]) -> tuple[Answered, ...]:
        """The plan of each demand before and after some projections are stored."""
        *stored, facts = self.base.projections
        after = replace(self.base, projections=(*stored, *picked, facts))
        found = []
        for number, demand in enumerate(self.workload.demands):
            was, is_now = (self._planned(number, catalog) for catalog in (self.base, after))
            found.append(Answered(demand.query, demand.weight, self.sizes[number].groups, *was, *is_now))
        return tuple(found)

    def _planned(self, number: int, catalog: Catalog) -> tuple[float, tuple[str, ...]]:
        """What a demand costs and what its plan reads. What nothing can answer, but over a longer interval than asked
        for, costs what the facts would.

        A plan knows the groups from what is stored; here they are the best estimate that there is, before and after.
        """
        try:
            plan = plan_query(self.workload.demands[number].query, catalog)
        except NoAnswer:
            return self._price(number), ()
        if plan.widened:
            return self._price(number), ()
        stored = {one.name: one for one in catalog.projections}
        parts = [Part(stored[piece.projection], piece.interval) for piece in plan.pieces]
        cost = cost_of(parts, self.needs[number], self.sizes[number], self.works[number])
        return cost.nanoseconds, tuple(dict.fromkeys(piece.projection for piece in plan.pieces))

    def _measured(self, declared: Iterable[Projection]) -> list[Projection]:
        """Projections that no candidate is the same as, each once, with statistics: estimated where they are not
        built."""
        known = {_identity(one) for one in self.candidates}
        fresh: dict[Identity, Projection] = {}
        for one in declared:
            if _identity(one) not in known:
                fresh.setdefault(_identity(one), one)
        waiting = [one for one in fresh.values() if one.statistics is None]
        estimates = iter(self.measure(waiting))
        return [
            one if one.statistics is not None else replace(one, statistics=next(estimates)) for one in fresh.values()
        ]

    def _take(self, measured: Iterable[Projection]) -> None:
        columns, sizes = list(self.costs.columns), list(self.costs.sizes)
        for one in measured:
            assert one.statistics is not None
            self.candidates.append(one)
            sizes.append(one.statistics.bytes)
            columns.append(list(self._cheaper(one)))
        self.costs = Costs(self.costs.start, columns, sizes)

    def _cheaper(self, candidate: Projection) -> Iterator[tuple[int, float]]:
        """The demands that cost less with a candidate than without, and what."""
        beside = (candidate, *self.base.projections)
        for number, needs in enumerate(self.needs):
            if _can_answer(candidate, needs):
                cost = self._cost(number, (Part(candidate, needs.interval),))
            elif _may_serve_part(candidate, needs):
                cost = self._cost(number, self._cover(number, beside))
            else:
                continue
            if cost < self.costs.start[number]:
                yield number, cost

    def _start(self, number: int) -> float:
        """What a demand costs with what is built."""
        needs = self.needs[number]
        alone = [(Part(one, needs.interval),) for one in self.base.projections if _can_answer(one, needs)]
        covered = self._cover(number, self.base.projections)
        found = min((self._cost(number, parts) for parts in (*alone, covered)), default=inf)
        return found if found < inf else self._price(number) * self.workload.demands[number].weight

    def _cover(self, number: int, projections: Sequence[Projection]) -> tuple[Part, ...]:
        needs = self.needs[number]
        return cover(needs, stock_among(needs, projections), self.sizes[number], self.works[number])

    def _cost(self, number: int, parts: tuple[Part, ...]) -> float:
        if not parts:
            return inf
        cost = cost_of(parts, self.needs[number], self.sizes[number], self.works[number])
        return cost.nanoseconds * self.workload.demands[number].weight

    def _price(self, number: int) -> float:
        """What the facts would cost, whether they may be asked or not."""
        needs, facts = self.needs[number], self.base.projections[-1]
        return cost_of((Part(facts, needs.interval),), needs, self.sizes[number], self.works[number]).nanoseconds


def _can_answer(one: Projection, needs: Needs) -> bool:
    return may_answer(one, needs) and is_timely(one, needs, one.merging.issuperset(needs.metrics))


def _may_serve_part(one: Projection, needs: Needs) -> bool:
    return one.merging.issuperset(needs.metrics) and may_answer(one, needs) and not crosses(one, needs, needs.asked)


def _least_rows(needs: Needs, projections: Sequence[Projection]) -> int:
    stock = stock_among(needs, projections)
    return stock.least_rows(needs, [(shelf, shelf.rows_in(needs.asked)) for shelf in stock.servers])


def _identity(one: Projection) -> Identity:
    return frozenset(one.dimensions), one.level, one.partials, one.zone, one.filters


def _grain(one: Projection, schema: Schema) -> Grain:
    return Grain.of(one.dimensions, one.level, schema)


def _may_pay(one: Projection, other: Projection) -> bool:
    """Whether a union could be smaller than both together: it has the rows of the larger at least, each at least as
    wide as the wider of both."""
    assert one.statistics is not None
    assert other.statistics is not None
    rows = max(one.statistics.rows, other.statistics.rows)
    width = max(each.statistics.bytes / max(each.statistics.rows, 1) for each in (one, other) if each.statistics)
    return rows * width < one.statistics.bytes + other.statistics.bytes


def _named(picked: Sequence[Projection], catalog: Catalog) -> list[Projection]:
    """What was chosen, each with a name that no other has: its steps, and a number behind where that is taken."""
    taken = {one.name for one in catalog.projections}
    found = []
    for one in picked:
        named = one
        if one.name == UNNAMED:
            steps = path_text(steps_of(one, catalog.schema)) or "totals"
            plain = steps if len(steps) <= _LONGEST_NAME else "advised"
            numbered = (f"{plain}.{number}" for number in count(2))
            name = next(name for name in chain((plain,), numbered) if name not in taken)
            named = replace(one, name=name)
        taken.add(named.name)
        found.append(named)
    return found
