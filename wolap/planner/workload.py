"""What is asked of a cube: queries, and how often each.

Queries come from a record of what was asked, or are the paths of the trees, each as often as every other and each with
the interval that it has when nobody says one (W17), as of the end of the facts. What a query costs hangs on what it
groups by and filters, on its interval and its metrics, and not on which members it keeps: queries that are alike in
that are one demand, with the sum of their weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from wolap.errors import QueryError
from wolap.model.forest import Forest
from wolap.model.interval import Interval, Moment
from wolap.model.projection import Catalog
from wolap.model.query import Query, interval_of, settle
from wolap.model.span import default_start
from wolap.model.tree import Path
from wolap.model.zone import SECOND
from wolap.planner.choose import default_metrics

__all__ = ["Demand", "Workload", "demands_of", "end_of_facts", "path_queries"]

# Of more than these the rarest are left out: a record of a busy month has its weight in the first few hundred.
MOST_DEMANDS = 1_000

_Shape = tuple[frozenset[str], frozenset[tuple[str, bool, int]], tuple[str, ...], Interval]


@dataclass(frozen=True, slots=True)
class Demand:
    """A settled query that names its metrics, and how often it is asked."""

    query: Query
    weight: float


@dataclass(frozen=True, slots=True)
class Workload:
    """What is asked, the most frequent first. `left_out` is the share of all weight that MOST_DEMANDS left out."""

    demands: tuple[Demand, ...]
    left_out: float = 0.0


def end_of_facts(catalog: Catalog) -> int:
    """The first whole second behind the facts: the latest now as of which reports still show something new."""
    return -(-catalog.span.end // SECOND) * SECOND


def path_queries(catalog: Catalog, forest: Forest, *, whole: bool = False) -> Iterator[tuple[Query, float]]:
    """A report of each path of some trees, with its default metrics (W21) and, unless it is to be of the `whole` time,
    its default interval."""
    for path in forest.paths:
        offered = forest.metrics(path, catalog.schema.metrics)
        query = Query(path).between(*_default_bounds(path, catalog)) if not whole else Query(path)
        # A strict cube may not be able to answer a path yet. Then all that its trees offer are wanted.
        yield query.asking(default_metrics(query, catalog, offered) or offered), 1.0


def _default_bounds(path: Path, catalog: Catalog) -> tuple[Moment | None, Moment | None]:
    schema = catalog.schema
    levels = schema.levels.intersection(path)
    if schema.time is None or not levels or catalog.span.start >= catalog.span.end:
        return None, None
    end = end_of_facts(catalog)
    return Moment.at(default_start(levels, end, schema.zone, schema.time.default_spans)), Moment.at(end)


def demands_of(queries: Iterable[Query | tuple[Query, float]], catalog: Catalog) -> Workload:
    """Queries as demands, those that are alike joined.

    A query without metrics has those of its default projection. Raises QueryError for a query that does not fit the
    schema, or whose weight is not above 0.
    """
    found: dict[_Shape, tuple[Query, float]] = {}
    for one in queries:
        query, weight = (one, 1.0) if isinstance(one, Query) else one
        if not 0 < weight < float("inf"):
            raise QueryError(f"the weight {weight} of {query} is none; give a number above 0")
        settled = settle(query, catalog.schema)
        metrics = settled.metrics or default_metrics(settled, catalog) or tuple(catalog.schema.metrics)
        asked = settled.asking(metrics)
        shape = _shape(asked)
        first, before = found.get(shape, (asked, 0.0))
        found[shape] = (first, before + weight)
    joined = sorted((Demand(query, weight) for query, weight in found.values()), key=lambda one: -one.weight)
    total = sum(one.weight for one in joined)
    kept = tuple(joined[:MOST_DEMANDS])
    return Workload(kept, 1 - sum(one.weight for one in kept) / total if len(kept) < len(joined) else 0.0)


def _shape(query: Query) -> _Shape:
    filters = frozenset((one.dimension, one.exclude, len(one.values)) for one in query.filters)
    return frozenset(query.group), filters, tuple(sorted(query.metrics or ())), interval_of(query)
