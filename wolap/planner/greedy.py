"""Choosing under a budget: what saves most for each byte first, then whatever exchange makes it better.

What a set of projections saves is, for each demand, the difference between its cost without them and with the best of
them. Saving is submodular: the more there is, the less one more adds. So what a candidate would add now is never more
than what it would have added before, and of a queue in the order of what was true once only the first few have to be
looked at again (Minoux 1978).

Taking what saves most for each byte is what Harinarayan, Rajaraman and Ullman do ("Implementing data cubes
efficiently", 1996). Under a budget that alone can be arbitrarily bad, since something small can keep out something
large; the better of it and of taking what saves most, whatever its size, saves at least (1 - 1/e) / 2 of what the best
set would (Leskovec et al. 2007). Then each that was chosen is left out on trial and what became free filled again, as
long as that makes the whole cheaper: it removes what was made superfluous by what was chosen later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace

__all__ = ["Costs", "choose"]

_MOST_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Costs:
    """What each demand costs, and what it would with a candidate.

    `start` has a weighted cost for each demand; `columns` for each candidate the demands that it would make cheaper,
    with their weighted costs then; `sizes` the bytes of each candidate.
    """

    start: Sequence[float]
    columns: Sequence[Sequence[tuple[int, float]]]
    sizes: Sequence[int]

    def with_these(self, chosen: Iterable[int]) -> list[float]:
        """The cost of each demand, once some candidates are stored."""
        costs = list(self.start)
        for candidate in chosen:
            self.store(candidate, costs)
        return costs

    def store(self, candidate: int, costs: list[float]) -> None:
        """Lowers the costs to what they are with one candidate more."""
        for demand, cost in self.columns[candidate]:
            costs[demand] = min(costs[demand], cost)

    def saving(self, candidate: int, costs: Sequence[float]) -> float:
        """What one candidate more would save."""
        return sum(costs[demand] - cost for demand, cost in self.columns[candidate] if cost < costs[demand])


def choose(costs: Costs, budget: int) -> list[tuple[int, float]]:
    """The candidates to store, within a budget of bytes: the most profitable byte first, each with what it saves
    beyond those before it."""
    best: list[int] = []
    for per_byte in (True, False):
        chosen = _exchanged(costs, _fill(costs, [], budget, per_byte), budget)
        if sum(costs.with_these(chosen)) < sum(costs.with_these(best)):
            best = chosen
    return _in_order(costs, best)


def _fill(costs: Costs, chosen: list[int], budget: int, per_byte: bool = True, without: int | None = None) -> list[int]:
    """What was chosen, and what is worth taking beside it as long as it fits."""
    now, free = costs.with_these(chosen), budget - sum(costs.sizes[one] for one in chosen)
    found, taken = list(chosen), {*chosen, without}

    def gain(candidate: int) -> float:
        saved = costs.saving(candidate, now)
        return saved / max(costs.sizes[candidate], 1) if per_byte else saved

    queue = [(-gain(one), one) for one, size in enumerate(costs.sizes) if size <= free and one not in taken]
    heapify(queue)
    while queue and queue[0][0] < 0:
        candidate = queue[0][1]
        if costs.sizes[candidate] > free:
            heappop(queue)
            continue
        true = gain(candidate)
        heapreplace(queue, (-true, candidate))
        if true > 0 and queue[0][1] == candidate:
            heappop(queue)
            costs.store(candidate, now)
            found.append(candidate)
            free -= costs.sizes[candidate]
    return found


def _exchanged(costs: Costs, chosen: list[int], budget: int) -> list[int]:
    """The same, while leaving one out and filling again makes it cheaper, or as cheap in fewer bytes."""
    total = sum(costs.with_these(chosen))
    for _ in range(_MOST_ROUNDS):
        before = chosen
        for candidate in before:
            kept = [one for one in chosen if one != candidate]
            if len(kept) == len(chosen):
                continue
            tried = _fill(costs, kept, budget, without=candidate)
            found = sum(costs.with_these(tried))
            # Sums of floats in another order may differ in their last digits: that is no improvement.
            if found < total * (1 - 1e-12) or (len(tried) == len(kept) and found <= total):
                chosen, total = tried, found
        if chosen == before:
            break
    return chosen


def _in_order(costs: Costs, chosen: Sequence[int]) -> list[tuple[int, float]]:
    now, left, found = list(costs.start), set(chosen), []
    queue: list[tuple[float, int]] = []
    for candidate in left:
        heappush(queue, (-costs.saving(candidate, now) / max(costs.sizes[candidate], 1), candidate))
    while queue:
        _, candidate = heappop(queue)
        saved = costs.saving(candidate, now)
        rate = -saved / max(costs.sizes[candidate], 1)
        if queue and rate > queue[0][0]:
            heappush(queue, (rate, candidate))
            continue
        costs.store(candidate, now)
        found.append((candidate, saved))
    return found
