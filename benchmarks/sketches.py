"""What do sets, sketches and histograms cost to build by day x key and to roll up, and what in Apache DataSketches?

Theirs are updated one value, and merged one group, at a time. WOLAP_BENCHMARK_ROWS facts.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import datasketches
import numpy as np
import pyarrow as pa

from benchmarks.data import rows
from wolap import (
    Cube,
    Dimension,
    Query,
    Schema,
    Time,
    Tree,
    approximate_distinct,
    count,
    declare_projection,
    distinct,
    quantile,
)

KEYS, DAYS = 250, 90
METRICS = {
    "numbers": distinct("user"),
    "sets": distinct("user", keep="set"),
    "registers": approximate_distinct("user"),
    "buckets": quantile("spent", 0.95),
    "rows": count(),
}


@cache
def facts(number: int) -> dict[str, np.ndarray]:
    """Rows in the order of time, as arrays."""
    random = np.random.default_rng(1)
    return {
        "at": np.sort(random.integers(0, DAYS * 86_400, number)),
        "key": random.integers(0, KEYS, number),
        "user": random.integers(0, max(number // 3, 1), number),
        "spent": random.lognormal(3, 1, number),
    }


@cache
def cube(number: int) -> Cube:
    columns = facts(number)
    time = {"at": pa.array(columns["at"], pa.timestamp("s"))}
    table = pa.table({name: time.get(name, column) for name, column in columns.items()})
    schema = Schema("sketches", [Dimension("key")], METRICS, [Tree.parse("year")], Time("at"))
    return Cube(schema, table)


@cache
def grouped(number: int) -> tuple[list[int], list[np.ndarray], list[np.ndarray]]:
    """For each day and key the key, its users and what they spent; what putting them together takes is not counted."""
    columns = facts(number)
    group = columns["at"] // 86_400 * KEYS + columns["key"]
    order = np.argsort(group, kind="stable")
    group = group[order]
    cuts = np.flatnonzero(np.diff(group)) + 1
    keys = group[np.concatenate(([0], cuts))] % KEYS
    return keys.tolist(), *(np.split(columns[name][order], cuts) for name in ("user", "spent"))


class Build:
    params = tuple(METRICS)
    param_names = ("kind",)

    def setup(self, kind: str) -> None:
        self.cube = cube(rows())
        self.projection = declare_projection(self.cube.schema, "year/month/day/key", metrics=[kind], name=f"p-{kind}")

    def time_build(self, kind: str) -> None:
        self.cube.materialize(self.projection)

    def track_bytes_per_row(self, kind: str) -> float:
        self.cube.materialize(self.projection)
        layout = self.cube.snapshot.sources[self.projection.name].whole.layout
        return sum(column.bytes for column in layout.columns.values()) / max(layout.rows, 1)


class RollUp:
    params = ("sets", "registers", "buckets")
    param_names = ("kind",)

    def setup(self, kind: str) -> None:
        made = cube(rows())
        made.materialize(declare_projection(made.schema, "year/month/day/key", metrics=[kind], name=f"p-{kind}"))
        plan = made.explain(Query("key", metrics=kind))
        self.plan = replace(plan, pieces=(replace(plan.pieces[0], projection=f"p-{kind}"),))
        self.snapshot = made.snapshot

    def time_by_key(self, kind: str) -> None:
        self.snapshot.run(self.plan)


def hll_sketches(number: int) -> list[datasketches.hll_sketch]:
    found = []
    for users in grouped(number)[1]:
        sketch = datasketches.hll_sketch(12)
        for user in users.tolist():
            sketch.update(user)
        found.append(sketch)
    return found


def kll_sketches(number: int) -> list[datasketches.kll_doubles_sketch]:
    found = []
    for spent in grouped(number)[2]:
        sketch = datasketches.kll_doubles_sketch(200)
        sketch.update(spent)
        found.append(sketch)
    return found


class DataSketches:
    def setup(self) -> None:
        self.number = rows()
        self.keys = grouped(self.number)[0]
        self.hll, self.kll = hll_sketches(self.number), kll_sketches(self.number)

    def time_build_hll(self) -> None:
        hll_sketches(self.number)

    def time_build_kll(self) -> None:
        kll_sketches(self.number)

    def track_bytes_per_hll(self) -> float:
        return sum(len(sketch.serialize_compact()) for sketch in self.hll) / len(self.hll)

    def track_bytes_per_kll(self) -> float:
        return sum(len(sketch.serialize()) for sketch in self.kll) / len(self.kll)

    def time_merge_hll(self) -> None:
        unions = {key: datasketches.hll_union(12) for key in set(self.keys)}
        for key, sketch in zip(self.keys, self.hll, strict=True):
            unions[key].update(sketch)
        for union in unions.values():
            union.get_estimate()

    def time_merge_kll(self) -> None:
        merged = {key: datasketches.kll_doubles_sketch(200) for key in set(self.keys)}
        for key, sketch in zip(self.keys, self.kll, strict=True):
            merged[key].merge(sketch)
        for sketch in merged.values():
            sketch.get_quantile(0.95)
