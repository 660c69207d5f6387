"""Facts in several groups are laid out by blocks: what a run takes follows its groups, and its plan says how much.

What Python and numpy allocate is traced, as in `test_memory.py`; peaks of pairs laid out all at once would be far
beyond twice the estimate.
"""

from __future__ import annotations

import tracemalloc
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from wolap import Caps, Cube, Dimension, Query, Schema, Time, TooExpensive, Tree, count, distinct, mean, median, total
from wolap.planner.choose import every_plan

ROWS, LONGEST = 1_200_000, 7
METRICS = {
    "facts": count(),
    "spent": total("spent"),
    "length": mean("length"),
    "users": distinct("user"),
    "usual": median("length"),
}


@cache
def cube() -> Cube:
    random = np.random.default_rng(5)
    columns: dict[str, Any] = {"at": pa.array(np.arange(ROWS) * 7 + 1_709_000_000, pa.timestamp("s"))}
    for name, members in (("tag", 400), ("label", 30_000)):
        offsets = np.concatenate(([0], np.cumsum(random.integers(0, LONGEST + 1, ROWS))))
        codes = random.zipf(1.2, offsets[-1]) % members
        columns[name] = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(codes))
    columns |= {"shop": random.integers(0, 300, ROWS), "user": random.integers(0, 20_000, ROWS)}
    columns |= {"spent": random.integers(-1000, 1000, ROWS), "length": random.random(ROWS)}
    dimensions = [Dimension("tag", multivalued=True), Dimension("label", multivalued=True), Dimension("shop")]
    schema = Schema("posts", dimensions, METRICS, [Tree.parse("tag")], Time("at"))
    return Cube(schema, pa.table(columns))


QUERIES = {
    "few groups": Query("tag", metrics=["facts", "spent", "length"]),
    "with time": Query("year/month/day/tag", metrics=["facts", "spent"]),
    "many groups": Query("label/shop", metrics=["facts", "spent"]),
    "two lists": Query("tag/label", metrics="facts", end="2024-03-20"),
    "one of two": Query("tag", metrics="spent", where={"label": [1, 2, 3]}),
    "values apart": Query("tag", metrics=["users", "usual"]),
    "many values apart": Query("label", metrics="users"),
    "no groups": Query("shop", metrics="spent", where_not={"tag": [1, 2]}),
    "some members": Query("label", metrics="spent", where={"label": [1, 2, 3], "shop": 7}),
}


@pytest.mark.parametrize("case", QUERIES)
def test_what_is_traced_is_within_twice_the_estimate(case: str) -> None:
    snapshot = cube().snapshot
    [plan] = every_plan(QUERIES[case], snapshot.catalog)
    # What an index of time keeps for the next one is no memory of this run.
    result = snapshot.run(plan)
    tracemalloc.start()
    try:
        snapshot.run(plan)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 2 * plan.memory, f"{peak:,} bytes, {plan.memory:,} estimated"
    assert result.total <= plan.groups


def test_groups_are_bounded_by_pairs_and_not_by_facts() -> None:
    own = pa.array([[5 * number + more for more in range(5)] for number in range(1000)])
    schema = Schema("posts", [Dimension("tag", multivalued=True)], {"facts": count()}, [Tree.parse("tag")])
    posts = Cube(schema, pa.table({"tag": own}), caps=Caps(groups=2000, facts=1000))
    with pytest.raises(TooExpensive, match="records before its limit, and 2,000 are allowed"):
        posts.answer(Query("tag"))
    # Each fact is scanned once, however many groups it is in.
    assert len(posts.answer(Query("tag", where={"tag": list(range(50))})).to_pylist()) == 50
