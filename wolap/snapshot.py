"""One version of a cube, which never changes: what it knows of itself, and where its rows are.

It holds all that a plan and its run need, so any number of threads may ask while the cube moves on, and no answer mixes
two versions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event

import pyarrow as pa

from wolap.engine.execute import execute, execute_sketches
from wolap.engine.layout import Dictionaries
from wolap.engine.result import Result, decoded
from wolap.engine.segments import SegmentedSource
from wolap.engine.sizes import estimate_sizes
from wolap.engine.sketch import image_bytes
from wolap.engine.verdict import Verdict, verdict_of
from wolap.errors import QueryError, TooExpensive, nearest, quote
from wolap.model.forest import Forest
from wolap.model.principal import EVERYONE, Principal
from wolap.model.projection import FACTS, Catalog, Projection, Statistics
from wolap.model.query import Query
from wolap.planner.advice import Advice
from wolap.planner.advise import advise
from wolap.planner.choose import every_plan, plan_query
from wolap.planner.plan import Plan
from wolap.planner.workload import demands_of, path_queries
from wolap.sources.ingested import NOTHING, Ingested

__all__ = ["Snapshot"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of a cube: what it knows of itself, where its rows are, and what their codes mean.

    `partition` is the level of the partitions of facts, which are clustered by the `leading` dimensions, and were
    read from the files that are `ingested`. The files that rows are in stay for as long as the `lease` is there.
    """

    catalog: Catalog
    sources: Mapping[str, SegmentedSource]
    dictionaries: Dictionaries = field(repr=False)
    partition: str = "day"
    leading: tuple[str, ...] = ()
    ingested: Ingested = field(default=NOTHING, repr=False)
    lease: object | None = field(default=None, repr=False)

    def plan(
        self,
        query: Query,
        principal: Principal = EVERYONE,
        *,
        among: tuple[str, ...] | None = None,
        explain: bool = False,
    ) -> Plan:
        """How this version would answer a query. See `plan_query`."""
        return plan_query(query, self.catalog, principal, among=among, explain=explain)

    def run(self, plan: Plan, cancel: Event | None = None) -> Result:
        """Runs a plan that this version has made."""
        if plan.version != self.catalog.version:
            raise ValueError("the plan was made by another version of the cube; plan and run by one snapshot")
        report = execute(plan, self.catalog.schema, self.sources, self.dictionaries, cancel)
        return Result(plan, report)

    def verify(self, query: Query, principal: Principal = EVERYONE, cancel: Event | None = None) -> Verdict:
        """Runs a query by every plan that is right, and compares. See `Cube.verify`."""
        plans = every_plan(query, self.catalog.current, principal)
        return verdict_of(query, plans, lambda plan: self.run(plan, cancel))

    def sketches(
        self, query: Query, metric: str, principal: Principal = EVERYONE, cancel: Event | None = None
    ) -> pa.Table:
        """The sketches of an approximate distinct count. See `Cube.sketches`."""
        schema = self.catalog.schema
        plan = self.plan(query.asking((metric,)), principal)
        [partial, *_] = schema.partials(metric)
        if schema.metrics[metric].function != "approximate_distinct":
            known = [name for name, one in schema.metrics.items() if one.function == "approximate_distinct"]
            raise QueryError(f"{quote(metric)} has no sketch; metrics that have are {nearest(metric, known)}")
        rows = plan.groups if query.limit is None else min(query.limit, plan.groups)
        needed, cap = plan.memory + rows * image_bytes(partial), self.catalog.caps.stricter(principal.caps).memory
        if cap is not None and needed > cap:
            text = f"about {rows:,} sketches would need {needed:,} bytes of memory, the cap is {cap:,}"
            raise TooExpensive(f"{text}; a lower limit or a shorter path needs less")
        report, images = execute_sketches(plan, schema, self.sources, self.dictionaries, cancel)
        columns = {column.name: decoded(column) for column in report.dimensions}
        return pa.table({**columns, metric: images})

    def advise(
        self,
        budget: int,
        queries: Iterable[Query | tuple[Query, float]] | None = None,
        audience: str | None = None,
        *,
        afresh: bool = False,
        whole: bool = False,
        cancel: Event | None = None,
    ) -> Advice:
        """Which projections are worth storing. See `Cube.advise`."""
        catalog, facts = self.catalog, self.sources[FACTS]
        if queries is None:
            schema = catalog.schema
            forest = Forest(tuple(schema.trees)) if audience is None else schema.forest(audience)
            queries = path_queries(catalog, forest, whole=whole)

        def measure(declared: Sequence[Projection]) -> Sequence[Statistics]:
            return estimate_sizes(declared, facts.whole.layout, facts.dictionaries, cancel=cancel)

        return advise(catalog, demands_of(queries, catalog), budget, measure, afresh=afresh)
