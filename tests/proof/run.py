"""One world after the other: each question by every right plan, and every tenth by the oracle too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from math import sqrt
from random import Random
from typing import Any

import pyarrow as pa
from oracle import Records, in_order, oracle

from proof.questions import question
from proof.strain import strained
from proof.tally import EXPECTED, seen
from proof.worlds import Trial, trial
from wolap import Metric, MetricOverflow, NoAnswer, Plan, Principal, Query, QueryError
from wolap.model.aggregate import AGGREGATES

__all__ = ["Figures", "run_world", "run_worlds"]

QUESTIONS = 100
ORACLE_EACH = 10
EXPLAIN_EACH = 5
ROUNDING = 1e-9
MILLISECOND = timedelta(milliseconds=1)
# A share of the larger number, and what may be added to it.
Tolerance = tuple[float, float]
EXACTLY: Mapping[str, Tolerance] = {}
SHOWN = 10


@dataclass
class Figures:
    """What a run has come to."""

    worlds: int = 0
    facts: int = 0
    queries: int = 0
    plans: int = 0
    oracle: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    paths: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def add(self, other: Figures) -> None:
        """Adds those of another run."""
        for name in ("worlds", "facts", "queries", "plans", "oracle"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.refusals += other.refusals
        self.paths += other.paths
        self.differences += other.differences

    def __str__(self) -> str:
        lines = [
            f"{self.queries:,} queries of {self.worlds:,} worlds with {self.facts:,} facts",
            f"{self.plans:,} plans compared, {self.oracle:,} answers compared with the oracle",
            *(f"{count:,} refused: {kind}" for kind, count in self.refusals.most_common()),
            "",
            *(f"{count:>10,} {name}" for name, count in sorted(self.paths.items())),
            "",
            f"never exercised: {', '.join(self.blind) or 'nothing'}",
            *self.differences[:SHOWN],
            f"{len(self.differences):,} differences",
        ]
        return "\n".join(lines)

    @property
    def blind(self) -> list[str]:
        """What never occurred, though it should."""
        return [name for name in EXPECTED if not self.paths[name]]


def run_worlds(seed: int, first: int, queries: int, paths: Counter[str] | None = None) -> Figures:
    """The worlds of a seed from the first on, until so many queries were asked. What `watch` has counted in `paths`
    belongs to these figures."""
    figures = Figures()
    world = first
    while figures.queries < queries:
        figures.add(run_world(seed, world, min(QUESTIONS, queries - figures.queries)))
        world += 1
    if paths is not None:
        figures.paths += paths
        paths.clear()
    return figures


def run_world(seed: int, world: int, queries: int = QUESTIONS) -> Figures:
    """One world. Whatever parts is told with what replays it."""
    random = Random(f"{seed}/{world}")
    with strained(random):
        made = trial(random)
        figures = Figures(1, made.world.facts.num_rows)
        for number in range(queries):
            query, principal = question(random, made)
            place = f"--seed {seed} --world {world}, question {number}"
            figures.queries += 1
            try:
                verdict = made.snapshot.verify(query, principal)
            except QueryError as error:
                figures.refusals[_kind(error)] += 1
                continue
            figures.plans += verdict.plans
            for difference in verdict.differences:
                if made.huge and "a refusal (" in difference.text:
                    figures.refusals["a sum that does not fit, in one of the plans"] += 1
                else:
                    figures.differences.append(f"{place}: {difference}")
            if number % EXPLAIN_EACH == 0 or number % ORACLE_EACH == 0:
                _look(made, query, principal, place, number % ORACLE_EACH == 0, figures)
    return figures


def _kind(error: QueryError) -> str:
    return type(error).__name__ if isinstance(error, NoAnswer | MetricOverflow) else f"{type(error).__name__}: {error}"


def _look(trial: Trial, query: Query, principal: Principal, place: str, with_oracle: bool, figures: Figures) -> None:
    plan = trial.snapshot.plan(query, principal, explain=True)
    try:
        result = trial.snapshot.run(plan)
    except MetricOverflow:
        figures.refusals["MetricOverflow"] += 1
        return
    figures.paths.update(seen(trial, query, plan, result.total))
    if text := late(trial, query, plan):
        figures.differences.append(f"{place}: {query}: {text}")
    types = result.table.schema
    # Of floats the last digit decides an order, and the oracle's is rounded in its own way.
    by_floats = any(pa.types.is_floating(types.field(one.name).type) for one in query.order)
    by_estimates = any(one.name in types.names and is_estimate(trial, one.name) for one in query.order)
    if with_oracle and not trial.huge and not by_floats and not by_estimates:
        figures.oracle += 1
        near = {name: tolerance(trial.world.schema.metrics[name]) for name in plan.metrics}
        if text := unlike(result.to_pylist(), expected(trial, query, principal, plan), near):
            figures.differences.append(f"{place}: {query}: the oracle differs from {pieces(plan)}\n{text}")


def late(trial: Trial, query: Query, plan: Plan) -> str:
    """What a plan reads though it was not refreshed since when the query says."""
    stored = {one.name: one.statistics for one in trial.cube.projections if not one.is_facts}
    found = [statistics.refreshed for piece in plan.pieces if (statistics := stored.get(piece.projection))]
    if query.fresh_since is None or all(at is not None and at >= query.fresh_since for at in found):
        return ""
    return f"{pieces(plan)} is stale"


def pieces(plan: Plan) -> str:
    """What a plan is made of."""
    return " + ".join(piece.projection for piece in plan.pieces)


def expected(trial: Trial, query: Query, principal: Principal, plan: Plan) -> Records:
    """The records by the oracle, which looks at the settled query for a widened interval only."""
    bounds = plan.query if plan.widened else query
    asked = Query(query.group, filters=(*query.filters, *principal.filters), start=bounds.start, end=bounds.end)
    records = in_order(oracle(trial.world.schema, trial.world.frame, asked, plan.metrics), query.order)
    return records[query.offset : None if query.limit is None else query.offset + query.limit]


def is_estimate(trial: Trial, name: str) -> bool:
    """Whether a metric is a count from a sketch, which may put records in another order than the number itself."""
    metric = trial.world.schema.metrics.get(name)
    return metric is not None and metric.function == "approximate_distinct"


def tolerance(metric: Metric) -> Tolerance:
    """How far a metric may be from what it stands for: a share of it, and a number besides."""
    aggregate = AGGREGATES[metric.function]
    if metric.function in ("quantile", "median"):
        return metric.accuracy or aggregate.parameter or 0.0, 0.0
    if metric.function == "approximate_distinct":
        # Six times the standard error, and one register that two values share.
        return 6 * 1.04 / sqrt(2 ** (metric.precision or aggregate.parameter or 0)), 1.0
    return ROUNDING, 0.0


def unlike(found: Records, right: Records, near: Mapping[str, Tolerance] = EXACTLY) -> str:
    """The first record that differs by more than its metrics may."""
    if len(found) != len(right):
        return f"  {len(found):,} records against {len(right):,}"
    for number, (one, other) in enumerate(zip(found, right, strict=True)):
        if list(one) != list(other) or not all(_same(one[name], other[name], near.get(name)) for name in one):
            return f"  record {number}:\n  {one}\n  {other}"
    return ""


def _same(one: Any, other: Any, near: Tolerance | None) -> bool:
    if one is None or other is None:
        return one is other
    if one == other:
        return True
    if isinstance(one, timedelta):
        # Rounded to the unit of its column.
        share = ROUNDING if near is None else near[0]
        return share > ROUNDING and abs(one - other) / MILLISECOND <= share * abs(other / MILLISECOND) + 0.5
    if near is None or not (isinstance(one, float) or near[0] > ROUNDING):
        return False
    return bool(abs(one - other) <= near[0] * max(abs(one), abs(other)) * (1 + ROUNDING) + near[1])
