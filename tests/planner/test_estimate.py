"""What costs rest on: how facts fall on members, and which kernel will read them."""

from __future__ import annotations

from collections import Counter
from math import e

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wolap import Cube, Dimension, Query, Schema, Time, Tree, count
from wolap.engine import grouping, kernels
from wolap.engine.shares import shares_of
from wolap.planner import cost
from wolap.planner.choose import every_plan
from wolap.planner.estimate import estimate
from wolap.planner.needs import needs_of

MEMBERS = st.sampled_from(["a", "b", "c", "", None])


def cube_of(**columns) -> Cube:
    facts = pl.DataFrame(columns)
    names = [name for name in columns if name not in ("at", "lines")]
    time = Time("at", ("year", "month", "day")) if "at" in columns else None
    trees = [Tree.parse("\n".join(names))]
    return Cube(Schema("repo", [Dimension(name) for name in names], {"commits": count()}, trees, time), facts)


@given(st.lists(MEMBERS, min_size=1, max_size=40), st.integers(1, 5))
def test_shares_are_those_of_the_facts(values, told):
    cube = cube_of(city=pl.Series(values, dtype=pl.String))
    members = cube.snapshot.dictionaries.members["city"]
    counts = cube.snapshot.dictionaries.counts["city"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wolap.engine.shares._SHARES_TOLD", told)
        shares = shares_of(members, counts, len(values))
    counted = Counter(values)
    frequent = counted.most_common()
    assert sorted(shares.members.values(), reverse=True) == [many / len(values) for _, many in frequent[:told]]
    assert all(share == counted[member] / len(values) for member, share in shares.members.items())
    others = [many / len(values) for _, many in frequent[told:]]
    assert shares.most_of_others == max(others, default=0.0)
    assert shares.mean_of_others == pytest.approx(sum(others) / max(len(others), 1))


FACTS = st.lists(st.tuples(MEMBERS, MEMBERS), min_size=1, max_size=40)


@given(FACTS, st.frozensets(MEMBERS, min_size=1), st.booleans(), st.frozensets(MEMBERS, min_size=1), st.booleans())
def test_there_are_never_more_groups_than_guards_count_with(facts, one, without, other, but):
    """But by an accident of the distribution: p rows in n keys are never more than min(n, p) groups, and 1 - 1/e of
    that is expected at least."""
    city, kind = zip(*facts, strict=True)
    cube = cube_of(city=pl.Series(city, dtype=pl.String), kind=pl.Series(kind, dtype=pl.String))
    where = {"city": one} | ({} if but else {"kind": other})
    query = Query("city", where={} if without else where, where_not=where if without else {}, metrics="commits")
    plan = cube.explain(query)
    found = cube.answer(query)
    assert found.total <= plan.groups / (1 - 1 / e) + 1
    assert plan.cost.groups <= plan.groups
    assert plan.cost.rows_left <= plan.cost.rows == len(facts)


def test_the_table_of_kernels_is_that_of_the_engine() -> None:
    numbers = (kernels.DENSE_ALWAYS, kernels.DENSE_PER_ROW, kernels.DENSE_MOST)
    assert numbers == (cost.DENSE_ALWAYS, cost.DENSE_PER_ROW, cost.DENSE_MOST)


@pytest.mark.parametrize(
    ("path", "where", "name"),
    [
        ("", {}, "totals"),
        ("", {"city": "1"}, "totals"),
        ("year/month", {}, "runs"),
        ("year/month", {"city": "1"}, "scatter"),
        ("year/city", {}, "scatter"),
        ("year/month/day/city/kind", {}, "ordered"),
    ],
)
def test_the_kernel_that_is_foreseen_is_taken(path, where, name, monkeypatch) -> None:
    """A cost has nothing but the rates of its kernel."""
    rows = 3000
    cube = cube_of(
        at=pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2026, 12, 31), "8h", eager=True).head(rows),
        city=[str(row * 7 % 500) for row in range(rows)],
        kind=[str(row * 11 % 400) for row in range(rows)],
    )
    taken = []
    # What is small is not left to kernels.
    monkeypatch.setattr(grouping, "MOST_ROWS", 0)
    choose = kernels.choose_kernel
    monkeypatch.setattr(kernels, "choose_kernel", lambda *given: (taken.append(choose(*given)[0]), choose(*given))[1])
    query = Query(path, where=where, metrics="commits")
    (plan,) = every_plan(query, cube.snapshot.catalog)
    cube.answer(query)
    needs = needs_of(plan.query, cube.snapshot.catalog, plan.metrics)
    size = estimate(needs, cube.snapshot.catalog, rows)
    nothing = dict.fromkeys(cost.RATES, 0.0)
    parts = [cost.Part(cube.projections[-1], plan.interval)]
    works = {name: cost.work_of(needs, size, {**nothing, name: 1.0}) for name in cost.RATES}
    terms = {name for name, work in works.items() if cost.cost_of(parts, needs, size, work).nanoseconds}
    own = {
        "totals": {"total"},
        "runs": {"run"},
        "scatter": {"digit", "scatter", "dense"},
        "ordered": {"digit", "sort", "carry"},
    }
    assert taken == [name]
    assert terms - {"piece", "group", "predicate"} == own[name]
    assert ("predicate" in terms) == bool(where)
