"""Answers over examples/commits.parquet in SQL: DuckDB alone, and none of the engine's code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

FACTS = Path(__file__).parents[1] / "examples" / "commits.parquet"

SQL = {
    "changes": "count(*)",
    "commits": "count(distinct commit)",
    "authors": "count(distinct author)",
    "deepest": "max(depth)",
    "mean-depth": "sum(depth)::double / count(depth)",
    "changes-per-commit": "count(*)::double / nullif(count(distinct commit), 0)",
}
ALL, ADDITIVE = tuple(SQL), ("changes", "deepest", "mean-depth")
LABELS = {"folder": "(top)", "ending": "(none)", "repository": "N/A", "change": "N/A"}
FIRST, LAST, NOW = "0001-01-01", "9999-12-31", "2026-08-22"


@dataclass(frozen=True)
class Question:
    """What a target asks, in plain words of SQL. `where` holds (column, members), None for the null member."""

    group: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ADDITIVE
    where: tuple[tuple[str, tuple[str | None, ...]], ...] = ()
    where_not: tuple[tuple[str, tuple[str | None, ...]], ...] = ()
    start: str = FIRST
    end: str = LAST
    limit: int = 1000


def answer(question: Question) -> tuple[list[dict[str, Any]], int]:
    """The records that a report shows, and how many there are."""
    columns = [f'{_column(name)} as "{name}"' for name in question.group]
    columns += [f'{SQL[name]} as "{name}"' for name in question.metrics]
    kept = [f"committed_at >= '{question.start}' and committed_at < '{question.end}'"]
    kept += [_among(*one) for one in question.where] + [f"not ({_among(*one)})" for one in question.where_not]
    places = ", ".join(f"{place + 1} asc nulls last" for place in range(len(question.group)))
    grouped = f"group by {', '.join(map(_column, question.group))} order by {places}" if places else ""
    found = duckdb.sql(f"select {', '.join(columns)} from '{FACTS}' where {' and '.join(kept)} {grouped}")
    rows = [zip((*question.group, *question.metrics), row, strict=True) for row in found.fetchall()]
    shown = [{name: LABELS.get(name) if value is None else value for name, value in row} for row in rows]
    return shown[: question.limit], len(rows)


def _column(name: str) -> str:
    return name if name in LABELS else f"{name}(committed_at)"


def _among(name: str, members: tuple[str | None, ...]) -> str:
    tests = [f"{name} is null" if member is None else f"{name} is not distinct from '{member}'" for member in members]
    return f"({' or '.join(tests)})"
