"""What merging collections takes stays within twice what the plan says (rule 17), whatever is merged to what."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from wolap import Cube, Dimension, Query, Schema, Time, Tree, approximate_distinct, distinct, quantile
from wolap.planner.cost import Part
from wolap.planner.estimate import estimate
from wolap.planner.memory import memory_of
from wolap.planner.needs import needs_of

ROWS = 1_200_000
FINE = "year/month/day/key"


@cache
def cube() -> Cube:
    random = np.random.default_rng(5)
    facts = pa.table(
        {
            "at": pa.array(np.sort(random.integers(0, 60 * 86_400, ROWS)), pa.timestamp("s")),
            "key": random.integers(0, 200, ROWS),
            "user": random.integers(0, 700_000, ROWS),
            "spent": random.lognormal(2, 2, ROWS),
        }
    )
    metrics = {
        "number": distinct("user"),
        "set": distinct("user", keep="set"),
        "about": approximate_distinct("user"),
        "high": quantile("spent", 0.9, accuracy=0.001),
    }
    made = Cube(Schema("c", [Dimension("key")], metrics, [Tree.parse("key")], Time("at")), facts)
    made.materialize(FINE)
    return made


KEPT = ["set", "about", "high"]


@pytest.mark.parametrize(("metric", "source"), [("number", "facts"), *((m, s) for m in KEPT for s in ("facts", FINE))])
@pytest.mark.parametrize("path", ["", "key", FINE])
def test_memory_is_within_twice_its_estimate(metric: str, path: str, source: str) -> None:
    snapshot = cube().snapshot
    plan = snapshot.plan(Query(path, metrics=metric))
    [projection] = [one for one in snapshot.catalog.projections if one.name == source]
    needs = needs_of(plan.query, snapshot.catalog, plan.metrics)
    assert projection.mergeable.issuperset(needs.partials)
    part = Part(projection, plan.interval)
    size = estimate(needs, snapshot.catalog, projection.statistics.rows)
    bound = memory_of((part,), needs, size)
    one = replace(plan, pieces=(replace(plan.pieces[0], projection=source),))
    tracemalloc.start()
    try:
        snapshot.run(one)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 2 * bound
