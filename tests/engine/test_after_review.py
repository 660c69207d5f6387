"""What a second pair of eyes found: a wrong number, a refusal without need, or memory that nobody had counted."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from wolap import (
    Caps,
    Cube,
    Dimension,
    Query,
    Schema,
    SchemaError,
    Time,
    TooExpensive,
    Tree,
    count,
    declare_projection,
    distinct,
    maximum,
    minimum,
    total,
)
from wolap.engine import kernels

FACTS = pa.table({"a": ["x", "x", "y"], "b": ["p", "q", "p"], "u": [1, 1, 2]})


def schema(**metrics) -> Schema:
    return Schema("w", [Dimension("a"), Dimension("b")], metrics, [Tree.parse("a\n  b")])


@pytest.mark.parametrize(
    ("theirs", "own"),
    [
        ({"m": total("u"), "k": distinct("u")}, {"k": total("u"), "m": distinct("u")}),
        ({"m": total("u")}, {"m": maximum("u"), "other": total("u")}),
    ],
)
def test_a_declaration_of_another_schema_is_not_believed(theirs, own):
    """A metric of the same name is not the same metric (rule 1)."""
    foreign = declare_projection(schema(**theirs), "a/b")
    with pytest.raises(SchemaError, match=r"projections\.a/b: was declared for other metrics"):
        Cube(schema(**own), FACTS).materialize(foreign)


def test_an_age_is_an_instant_also_where_a_clock_shows_it_twice():
    berlin = ZoneInfo("Europe/Berlin")
    made = Cube(schema(m=count()), FACTS)
    made.materialize("a", now=datetime(2024, 10, 27, 1, tzinfo=UTC))
    first, second = (datetime(2024, 10, 27, 2, 30, fold=fold, tzinfo=berlin) for fold in (0, 1))
    chosen = [
        made.explain(Query("a", metrics="m", fresh_since=since)).pieces[0].projection for since in (first, second)
    ]
    assert chosen == ["a", "facts"]
    assert Query(fresh_since=first) != Query(fresh_since=second)


def test_a_cap_on_groups_holds_where_every_combination_occurs():
    """A grid of days and shops: no two facts fall into one group by chance."""
    days, shops = 100, 200
    at = np.repeat(np.arange(days) * 86_400, shops)
    facts = pa.table({"at": pa.array(at, pa.timestamp("s")), "shop": [f"s{n}" for n in range(shops)] * days})
    grid = Schema("w", [Dimension("shop")], {"m": count()}, [Tree.parse("shop")], Time("at"))
    made = Cube(grid, facts, caps=Caps(groups=days * shops - 1))
    with pytest.raises(TooExpensive, match="20,000 records"):
        made.answer(Query("year/month/day/shop"))
    assert Cube(grid, facts, caps=Caps(groups=days * shops)).answer(Query("year/month/day/shop")).total == days * shops


def test_two_days_may_lie_in_two_years():
    facts = pa.table(
        {"at": pa.array([1_704_067_200 - 3600, 1_704_067_200 + 3600] * 50, pa.timestamp("s")), "n": np.arange(100) // 2}
    )
    made = Cube(Schema("w", [Dimension("n")], {"m": count()}, [Tree.parse("n")], Time("at")), facts)
    plan = made.explain(Query("year/n"))
    assert made.answer(Query("year/n")).total == 100 <= plan.groups


@pytest.mark.parametrize("large", [False, True])
def test_sums_that_might_overflow_are_added_up_in_blocks(large, monkeypatch):
    """Halves go from block to block: the memory is that of other sums, and the numbers are exact."""
    monkeypatch.setattr(kernels, "LARGE_BLOCK", 1 << 12)
    rows, shops = 1 << 16, 20_000
    random = np.random.default_rng(5)
    values = random.integers(-(1 << 46), 1 << 46, rows) if large else random.integers(-1000, 1000, rows)
    if large:
        values[0] = 1 << 61
    facts = pa.table({"a": random.integers(0, shops, rows), "b": random.integers(0, shops, rows), "u": values})
    made = Cube(schema(m=total("u")), facts)
    query = Query("a/b", metrics="m")
    made.answer(query)
    tracemalloc.start()
    found = made.answer(query)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    expected = facts.group_by(["a", "b"]).aggregate([("u", "sum")]).sort_by([("a", "ascending"), ("b", "ascending")])
    assert found.table["m"].to_pylist() == expected["u_sum"].to_pylist()
    assert peak < rows * 8 * 16


def test_a_least_value_of_one_long_run_is_found_in_blocks(monkeypatch):
    monkeypatch.setattr(kernels, "LARGE_BLOCK", 1 << 12)
    monkeypatch.setattr(kernels, "BLOCK", 1 << 12)
    rows = 1 << 18
    values = pa.array(np.arange(rows)[::-1], mask=np.arange(rows) % 3 == 0)
    facts = pa.table({"at": pa.array(np.zeros(rows, np.int64), pa.timestamp("s")), "u": values})
    made = Cube(Schema("w", [], {"m": minimum("u")}, [Tree.parse("year")], Time("at")), facts)
    query = Query("year", metrics="m")
    made.answer(query)
    tracemalloc.start()
    found = made.answer(query)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.record(0)["m"] == 1
    assert peak < rows


def test_projections_of_equal_partitions_share_them():
    at = pa.array(np.arange(100) * 86_400, pa.timestamp("s"))
    facts = pa.table({"at": at, "a": ["x", "y"] * 50, "b": ["p"] * 100})
    made = Cube(Schema("w", [Dimension("a"), Dimension("b")], {"m": count()}, [Tree.parse("a")], Time("at")), facts)
    made.materialize("year/month/day/a", "year/month/day/b")
    assert len({id(one.statistics.starts) for one in made.projections if not one.is_facts}) == 1
