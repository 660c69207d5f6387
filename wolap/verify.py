"""The differential mode: the same answer from every plan that is right, compared with each other.

A wrong number that looks right is the worst bug, so a cube can check itself: `verify` runs a query by every plan that
the rules allow (each projection, the cover, the facts) and tells where two part. Whole numbers, members and order have
to be equal; floats that were added up in another order may differ by TOLERANCE of the larger one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from wolap.cube import Cube, Result, Snapshot
from wolap.engine.compare import unlike_records
from wolap.errors import MetricOverflow, QueryError
from wolap.model.interval import Moment
from wolap.model.principal import EVERYONE, Principal
from wolap.model.query import Filter, Query
from wolap.planner.choose import every_plan
from wolap.planner.plan import Plan

__all__ = ["TOLERANCE", "Difference", "Verdict", "random_queries", "verify"]

TOLERANCE = 1e-9
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """Two plans of one query that part: what each is made of, and the first records in which they differ."""

    query: Query
    one: tuple[str, ...]
    other: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.query}: {' + '.join(self.one)} and {' + '.join(self.other)} part\n{self.text}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many queries were asked, by how many plans in all, and where two plans parted."""

    queries: int
    plans: int
    refused: int
    differences: tuple[Difference, ...]


def verify(cube: Cube, queries: Iterable[Query], principal: Principal = EVERYONE) -> Verdict:
    """Runs each query by every plan that is right, and compares their answers."""
    snapshot = cube.snapshot
    asked = ran = refused = 0
    found: list[Difference] = []
    for query in queries:
        asked += 1
        try:
            plans = every_plan(query, snapshot.catalog, principal)
        except QueryError:
            refused += 1
            continue
        answers = [(plan, _answer(snapshot, plan)) for plan in plans]
        ran += len(answers)
        found += _parting(query, answers)
    return Verdict(asked, ran, refused, tuple(found))


def _answer(snapshot: Snapshot, plan: Plan) -> Result | str:
    """The answer, or the text of a refusal, which every plan has to give alike."""
    try:
        return snapshot.run(plan)
    except MetricOverflow as error:
        return str(error)


def _parting(query: Query, answers: list[tuple[Plan, Result | str]]) -> Iterator[Difference]:
    """Each answer against the last, which is that of the facts where they are asked."""
    *others, (last, expected) = sorted(answers, key=lambda answer: _is_of_facts(answer[0]))
    for plan, found in others:
        text = _difference(found, expected)
        if text:
            names = [tuple(piece.projection for piece in one.pieces) for one in (plan, last)]
            yield Difference(query, names[0], names[1], text)


def _is_of_facts(plan: Plan) -> bool:
    return [piece.projection for piece in plan.pieces] == ["facts"]


def _difference(one: Result | str, other: Result | str) -> str:
    """What is not the same in two answers, as text; empty where all is."""
    if isinstance(one, str) or isinstance(other, str):
        return "" if one == other else f"{_named(one)} against {_named(other)}"
    if one.total != other.total:
        return f"{one.total:,} records against {other.total:,}"
    rows = unlike_records(one.report, other.report, TOLERANCE)
    if not len(rows):
        return ""
    shown = [(one.record(row), other.record(row)) for row in rows[:_SHOWN].tolist()]
    lines = "\n".join(f"  {found}\n  {expected}" for found, expected in shown)
    return f"{len(rows):,} of {len(one):,} records:\n{lines}"


def _named(answer: Result | str) -> str:
    return f"refused ({answer})" if isinstance(answer, str) else f"{answer.total:,} records"


def random_queries(cube: Cube, count: int, seed: int, principal: Principal = EVERYONE) -> Iterator[Query]:
    """Queries over the paths of the caller's trees: filtered by members that exist, over intervals that end anywhere
    or at the beginning of a day, with some of the metrics."""
    random = Random(seed)
    snapshot = cube.snapshot
    schema = cube.schema
    forest = schema.forest(principal.audience)
    paths = sorted(forest.paths)
    for _ in range(count):
        path = random.choice(paths)
        offered = forest.metrics(path, schema.metrics)
        plain = sorted(forest.groupable(path) - schema.levels)
        metrics = random.sample(offered, random.randint(1, min(len(offered), 3)))
        yield Query(
            path,
            include=random.sample(sorted(forest.groupable(path)), 1) if random.random() < 0.2 else (),
            filters=[*_filters(random, snapshot, plain), *_filters_of_a_build(random, snapshot)],
            metrics=metrics,
            **_bounds(random, snapshot),
        )


def _filters(random: Random, snapshot: Snapshot, names: list[str]) -> list[Filter]:
    found = []
    for name in random.sample(names, min(len(names), random.choice((0, 0, 1, 1, 2)))):
        members = snapshot.dictionaries.members[name]
        if members.cardinality:
            codes = [random.randrange(members.cardinality) for _ in range(random.randint(1, 3))]
            values = [members.values[code].as_py() if code < len(members.values) else None for code in codes]
            found.append(Filter(name, frozenset(values), random.random() < 0.3))
    return found


def _filters_of_a_build(random: Random, snapshot: Snapshot) -> tuple[Filter, ...]:
    """Now and then those of a projection that holds only some facts, which no others would ask."""
    built = [one.filters for one in snapshot.catalog.projections if one.filters]
    return random.choice(built) if built and random.random() < 0.3 else ()


def _bounds(random: Random, snapshot: Snapshot) -> dict[str, Any]:
    """No bound, or one within the facts: anywhere, or cut to the hour, the day or the month."""
    span, schema = snapshot.catalog.span, snapshot.catalog.schema
    if schema.time is None or span.start >= span.end:
        return {}
    bounds = []
    for _ in range(2):
        instant = random.randrange(span.start, span.end)
        level = random.choice(("second", "hour", "day", "day", "month"))
        bounds.append(schema.zone.floor(level, instant))
    first, last = min(bounds), max(bounds)
    chosen: dict[str, Any] = {}
    if random.random() < 0.7:
        chosen["start"] = Moment.at(first)
    if random.random() < 0.7 and (last > first or "start" not in chosen):
        chosen["end"] = Moment.at(last)
    return chosen
