"""The differential mode over many queries: made up at random, each asked by every plan that is right.

One query is compared by `Cube.verify` (`engine/verdict.py` says how); here are the queries of a seed, and their sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

from wolap.cube import Cube
from wolap.engine.verdict import TOLERANCE, Difference, Verdict
from wolap.errors import QueryError
from wolap.model.interval import Moment
from wolap.model.principal import EVERYONE, Principal
from wolap.model.query import Filter, Query
from wolap.snapshot import Snapshot

__all__ = ["TOLERANCE", "Difference", "Verdict", "random_queries", "verify"]


def verify(cube: Cube, queries: Iterable[Query], principal: Principal = EVERYONE) -> Verdict:
    """The verdict on many queries of one version of a cube. What the cube refuses is counted and not compared."""
    snapshot, found = cube.snapshot, Verdict(0, 0, 0, ())
    for query in queries:
        try:
            found += snapshot.verify(query, principal)
        except QueryError:
            found += Verdict(1, 0, 1, ())
    return found


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
            values = [members.values[code].as_py() for code in codes]
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
