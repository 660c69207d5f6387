"""Choosing under a budget, against every set there is."""

from __future__ import annotations

from itertools import combinations
from math import e

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wolap.planner.greedy import Costs, choose


@st.composite
def tables(draw: st.DrawFn, most: int = 8) -> Costs:
    start = draw(st.lists(st.integers(1, 100).map(float), min_size=1, max_size=6))
    columns, sizes = [], []
    for _ in range(draw(st.integers(0, most))):
        demands = draw(st.sets(st.integers(0, len(start) - 1)))
        columns.append([(one, start[one] * draw(st.integers(0, 9)) / 10) for one in sorted(demands)])
        sizes.append(draw(st.integers(1, 20)))
    return Costs(start, columns, sizes)


def total(costs: Costs, chosen: list[int]) -> float:
    return sum(costs.with_these(chosen))


def best_of_all(costs: Costs, budget: int) -> float:
    """The least cost that any set within the budget leaves."""
    every = range(len(costs.sizes))
    sets = (list(chosen) for size in range(len(every) + 1) for chosen in combinations(every, size))
    return min(total(costs, chosen) for chosen in sets if sum(costs.sizes[one] for one in chosen) <= budget)


@given(tables(), st.integers(0, 60))
def test_the_budget_is_kept_and_nothing_is_worthless(costs, budget):
    chosen = choose(costs, budget)
    names = [one for one, _ in chosen]
    assert len(set(names)) == len(names)
    assert sum(costs.sizes[one] for one in names) <= budget
    assert all(saved > 0 for _, saved in chosen)
    assert sum(costs.start) - sum(saved for _, saved in chosen) == pytest.approx(total(costs, names))


@given(tables(), st.integers(0, 60))
def test_within_the_bound_of_the_best_set(costs, budget):
    start = sum(costs.start)
    saved = start - total(costs, [one for one, _ in choose(costs, budget)])
    possible = start - best_of_all(costs, budget)
    assert saved >= possible * (1 - 1 / e) / 2 - 1e-9


@given(tables(), st.integers(0, 60))
def test_no_single_one_that_fits_is_better_to_have_beside(costs, budget):
    """Whatever is left out either does not fit any more or saves nothing."""
    names = [one for one, _ in choose(costs, budget)]
    free = budget - sum(costs.sizes[one] for one in names)
    now = costs.with_these(names)
    for one, size in enumerate(costs.sizes):
        assert one in names or size > free or costs.saving(one, now) <= 1e-9


@given(tables(), st.integers(0, 60))
def test_no_worse_than_the_most_profitable_bytes_up_to_the_first_that_does_not_fit(costs, budget):
    """That is what a larger budget can only make longer."""
    now, left, free = list(costs.start), set(range(len(costs.sizes))), budget
    while left:
        best = max(left, key=lambda one: (costs.saving(one, now) / costs.sizes[one], -one))
        if costs.sizes[best] > free or not costs.saving(best, now):
            break
        costs.store(best, now)
        free -= costs.sizes[best]
        left.discard(best)
    assert total(costs, [one for one, _ in choose(costs, budget)]) <= sum(now) + 1e-9


@given(tables())
def test_with_room_for_all_it_is_the_best(costs):
    chosen = choose(costs, sum(costs.sizes))
    assert total(costs, [one for one, _ in chosen]) == pytest.approx(best_of_all(costs, sum(costs.sizes)))


@given(tables(), st.integers(0, 60))
def test_the_first_saves_most_for_a_byte(costs, budget):
    rates = [saved / costs.sizes[one] for one, saved in choose(costs, budget)]
    assert rates == sorted(rates, reverse=True)


def test_something_small_does_not_keep_out_something_large():
    """A byte that saves 2 is more profitable than 100 that save 100, and leaves no room for them."""
    costs = Costs([102.0, 102.0], [[(0, 100.0)], [(1, 2.0)]], [1, 100])
    assert choose(costs, 100) == [(1, 100.0)]


def test_what_later_ones_make_superfluous_is_left_out():
    """The first is taken for its rate; the two others then serve all of its demands better."""
    costs = Costs([10.0, 10.0], [[(0, 1.0), (1, 1.0)], [(0, 0.0)], [(1, 0.0)]], [10, 6, 6])
    assert [one for one, _ in choose(costs, 22)] == [1, 2]
