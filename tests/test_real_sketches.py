"""Sets, sketches and quantiles over 415,271 real rows, from projections of days, against DuckDB on the same file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import duckdb
import pyarrow.parquet
import pytest

from wolap import Cube, Dimension, Query, Schema, Time, Tree, approximate_distinct, distinct, median, quantile

FACTS = Path(__file__).parents[1] / "examples" / "commits.parquet"
# DuckDB's own quantile_disc takes the value at another rank.
RANK = "list_sort(list(depth))[1 + floor({} * (count(depth) - 1))::INT]"
# Each metric in SQL, and how far it may be off: 5 standard errors of 2 ** 12 registers, or the accuracy.
METRICS = {
    "commits": (distinct("commit", keep="set"), 'count(DISTINCT "commit")', 0.0),
    "added": (distinct("author", keep="set", where={"change": "added"}), None, 0.0),
    "about": (approximate_distinct("commit"), 'count(DISTINCT "commit")', 5 * 1.04 / 64),
    "middle": (median("depth"), RANK.format(0.5), 0.0),
    "deep": (quantile("depth", 0.99, accuracy=0.05), RANK.format(0.99), 0.05),
}
ADDED = "count(DISTINCT author) FILTER (change = 'added')"
FINE = "year/month/day/repository/folder"


@cache
def cube() -> Cube:
    schema = Schema(
        "commits",
        [Dimension("repository"), Dimension("folder"), Dimension("change")],
        {name: metric for name, (metric, _, _) in METRICS.items()},
        [Tree.parse("year")],
        Time("committed_at"),
    )
    made = Cube(schema, pyarrow.parquet.read_table(FACTS))
    # The coarser one is built from the finer one.
    made.materialize(FINE, "year/month/repository")
    return made


@pytest.mark.parametrize("path", ["", "year", "repository", "year/repository", "folder", FINE])
@pytest.mark.parametrize("name", METRICS)
def test_a_real_answer_is_that_of_duckdb(path: str, name: str) -> None:
    _, sql, error = METRICS[name]
    levels = {"year": "year(committed_at)", "month": "month(committed_at)", "day": "day(committed_at)"}
    names = [step for step in path.split("/") if step]
    columns = "".join(f"{levels.get(step, step)} AS {step}_, " for step in names)
    order = ", ".join(f"{step}_ NULLS LAST" for step in names)
    ends = f" GROUP BY ALL ORDER BY {order}" if names else ""
    with duckdb.connect() as connection:
        right = connection.sql(f"SELECT {columns}{sql or ADDED} AS x FROM '{FACTS}'{ends}").fetchall()
    result = cube().answer(Query(path, metrics=name))
    assert result.plan.pieces[0].projection != "facts"
    found = [tuple(record.values()) for record in result.to_pylist()]
    assert [record[:-1] for record in found] == [record[:-1] for record in right]
    # Two of a few values may share a register, which is more than any share of a small number.
    spare = 2 if name == "about" else 0
    wrong = [
        (got, record)
        for got, record in zip(found, right, strict=True)
        if got[-1] != record[-1] and abs(got[-1] - record[-1]) > max(error * abs(record[-1]), spare)
    ]
    assert wrong == []
