"""A cube: facts, what is pre-aggregated of them, and answers from the cheapest that is right.

`Cube` is the only thing here that changes, and it changes by putting a new Snapshot in the place of the old one. A
snapshot is immutable and holds all that a plan and its run need, so any number of threads may ask while projections
are built, and no answer mixes two versions. Under this module there is no HTTP; above it there is no decision about
numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from threading import Event, Lock
from typing import Protocol

import pyarrow as pa

from wolap.engine.execute import execute, execute_sketches
from wolap.engine.growing import joined
from wolap.engine.layout import Dictionaries
from wolap.engine.load import load_facts, needed_columns
from wolap.engine.materialize import roll_up
from wolap.engine.members import shares_of
from wolap.engine.result import Result, decoded
from wolap.engine.scan import Means
from wolap.engine.sizes import estimate_sizes
from wolap.engine.sketch import image_bytes
from wolap.engine.source import MemorySource
from wolap.engine.statistics import statistics_of
from wolap.engine.verdict import Verdict, verdict_of
from wolap.errors import Problem, QueryError, SchemaError, TooExpensive, nearest, quote
from wolap.model.forest import Forest
from wolap.model.principal import EVERYONE, Caps, Principal
from wolap.model.projection import FACTS, Catalog, Projection, Statistics, declare_facts, declare_projection, stored_of
from wolap.model.query import Query, settle_filter, unreadable_members
from wolap.model.schema import Schema
from wolap.planner.advice import Advice
from wolap.planner.advise import advise
from wolap.planner.choose import every_plan, plan_query
from wolap.planner.plan import Plan
from wolap.planner.source import build_order, source_of
from wolap.planner.workload import demands_of, path_queries
from wolap.storage.layout_file import map_layout, release, write_layout

__all__ = ["ArrowStream", "Cube", "Progress", "Result", "Snapshot"]


class ArrowStream(Protocol):
    """Anything that exports Arrow data (the PyCapsule interface): polars, pandas, DuckDB and others."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """See the Arrow PyCapsule interface."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a build is: `done` of `total` projections, the last of which is `projection`, made from `source`."""

    projection: Projection
    done: int
    total: int
    source: Projection


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of a cube: what it knows of itself, and where its rows are."""

    catalog: Catalog
    sources: Mapping[str, MemorySource]
    dictionaries: Dictionaries = field(repr=False)

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
        plans = every_plan(query, self.catalog, principal)
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


class Cube:
    """Facts under a schema, with pre-aggregations of them.

    `facts` is a pyarrow Table or anything with `__arrow_c_stream__`; its memory may be shared and must not be
    changed. `strict` answers from projections only. `caps` bound what a query may cost; none are set here unless
    said. `refreshed` is when the facts were made, where that is known. `cluster` names the dimensions that reports
    filter most, the first of them first: facts then lie by them within each day (month or year, where days have few),
    so that such a filter reads what it keeps only; without any they lie in the order of time.

    `threads` is on how many an answer or a build may be worked out, that of the caller among them. More than one are
    of use with the extra `fast` and from some 600 thousand rows on. `compiled` False leaves its kernels aside; answers
    are the same, but for the last digits of floats. Raises SchemaError for data that does not fit the declaration.
    """

    def __init__(
        self,
        schema: Schema,
        facts: pa.Table | ArrowStream,
        *,
        strict: bool = False,
        caps: Caps | None = None,
        refreshed: datetime | None = None,
        cluster: Sequence[str] = (),
        threads: int = 1,
        compiled: bool = True,
    ) -> None:
        self._means = Means(_checked_threads(threads), compiled)
        bound, dictionaries, layout = load_facts(schema, _table(schema, facts), tuple(cluster))
        source = MemorySource(layout, dictionaries, means=self._means)
        catalog = Catalog(
            bound,
            (declare_facts(bound, statistics_of(layout, refreshed)),),
            layout.span,
            {name: members.cardinality for name, members in dictionaries.members.items()},
            strict,
            caps or Caps(),
            shares={
                name: shares_of(members, layout.codes_of(name), layout.rows)
                for name, members in dictionaries.members.items()
            },
        )
        self._lock = Lock()
        self._snapshot = Snapshot(catalog, {FACTS: source}, dictionaries)

    @property
    def snapshot(self) -> Snapshot:
        """The present version, which stays as it is whatever happens to the cube."""
        return self._snapshot

    @property
    def schema(self) -> Schema:
        """The declaration, with the kinds of dimensions as they are in the facts."""
        return self._snapshot.catalog.schema

    @property
    def projections(self) -> tuple[Projection, ...]:
        """What is declared, in that order, and the facts last."""
        return self._snapshot.catalog.projections

    def declare(self, *projections: str | Projection) -> tuple[Projection, ...]:
        """Declares projections without building them: they count for default metrics (W21) and are explained as not
        built.

        A text names the dimensions: `"year/month/repository"`. Raises SchemaError for names that do not exist, and
        for a projection that is declared already.
        """
        declared = tuple(self._declaration(one) for one in projections)
        with self._lock:
            present = [one.name for one in self.projections]
            problems = [
                Problem(f"projections.{one.name}", "is declared already")
                for index, one in enumerate(declared)
                if one.name in present or one.name in [other.name for other in declared[:index]]
            ]
            if problems:
                raise SchemaError(problems)
            self._publish((*self.projections[:-1], *declared, self.projections[-1]), {})
        return declared

    def _declaration(self, projection: str | Projection) -> Projection:
        """A declaration of this cube's schema; what was measured elsewhere is not believed."""
        if isinstance(projection, str):
            return declare_projection(self.schema, projection)
        place, found = f"projections.{projection.name}", None
        if projection.is_facts:
            found = "is the facts, which are not built"
        elif not set(projection.dimensions) <= {dimension.name for dimension in self.schema.dimensions}:
            found = "names dimensions that this cube has not"
        elif projection.level is not None and self.schema.time is None:
            found = "has time, which this cube has not"
        elif projection.closure != self.schema.closure(projection.dimensions):
            found = "was declared for other hierarchies"
        elif projection.multivalued != self.schema.multivalued.intersection(projection.dimensions):
            found = "was declared for other multi-valued dimensions"
        elif not self.schema.metrics.keys() >= set(projection.metrics):
            found = "stores metrics that this cube has not"
        elif stored_of(self.schema, projection.metrics) != (
            projection.partials,
            projection.mergeable,
            projection.merging,
        ):
            found = "was declared for other metrics, though of the same names"
        elif not {one.dimension for one in projection.filters} <= {
            dimension.name for dimension in self.schema.dimensions
        }:
            found = "filters dimensions that this cube has not"
        if found is not None:
            raise SchemaError([Problem(place, found, "declare_projection(cube.schema, …)")])
        if problems := tuple(self._unreadable(projection)):
            raise SchemaError(problems)
        filters = tuple(settle_filter(one, self.schema) for one in projection.filters)
        # The very zone of the cube, where it is that: the planner asks often, and sees it at a glance.
        zone = self.schema.zone if projection.zone == self.schema.zone else projection.zone
        return replace(projection, zone=zone, filters=filters, statistics=None)

    def _unreadable(self, projection: Projection) -> Iterator[Problem]:
        """Members that a declaration names and the facts' kind of a dimension cannot read."""
        for one in projection.filters:
            if unreadable := unreadable_members(one, self.schema):
                kind = self.schema.dimension(one.dimension).kind
                place = f"projections.{projection.name}.{'where_not' if one.exclude else 'where'}"
                found = f"{quote(unreadable[0])} is no member of {one.dimension}, whose kind is {kind}"
                yield Problem(place, found, f"a text that reads as {kind}")

    def _declare_missing(self, wanted: Iterable[Projection]) -> None:
        """Declares what is not yet. What has the name of another projection is refused."""
        with self._lock:
            present = {one.name: replace(one, statistics=None) for one in self.projections}
            missing: dict[str, Projection] = {}
            for one in wanted:
                if present.get(one.name, one) != one:
                    found = "is declared already, with other dimensions, metrics, filters or another zone"
                    raise SchemaError([Problem(f"projections.{one.name}", found, "another name")])
                if one.name not in present:
                    missing[one.name] = one
            if missing:
                self._publish((*self.projections[:-1], *missing.values(), self.projections[-1]), {})

    def materialize(
        self,
        *projections: str | Projection,
        now: datetime | None = None,
        progress: Callable[[Progress], None] | None = None,
        cancel: Event | None = None,
        folder: Path | None = None,
        threads: int | None = None,
    ) -> None:
        """Builds projections: those that are named, and without names all that are declared and not built.

        Each is made from the smallest that is built and fine enough, so finer ones are built first. `now` becomes
        their refresh time (that of what they are made from where it is not given). Each is there for queries as soon
        as it is built. With a `folder` each goes to a file there as it is made, and is asked where it lies; the file is
        to stay as it is while the cube is in use. Without, it is in memory. `threads` is how many share the work, as
        many as the cube has unless said. Raises SchemaError, MetricOverflow where a stored sum would not fit 64 bits,
        OSError where a file cannot be written, and Cancelled; what was built before then stays.
        """
        shared = self._means.threads if threads is None else _checked_threads(threads)
        wanted = [self._declaration(one) for one in projections]
        self._declare_missing(wanted)
        names = {one.name for one in wanted}
        waiting = build_order(
            [one for one in self.projections if one.name in names or (not names and one.statistics is None)]
        )
        for done, projection in enumerate(waiting, 1):
            built, source = self._build(projection, now, cancel, folder, shared)
            if progress is not None:
                progress(Progress(built, done, len(waiting), source))

    def answer(self, query: Query, principal: Principal = EVERYONE, *, cancel: Event | None = None) -> Result:
        """Answers a query from the cheapest projection that is right, or from the facts.

        Raises QueryError where the query does not fit the cube or costs more than the caps allow, and Cancelled once
        the event `cancel` is set.
        """
        snapshot = self._snapshot
        return snapshot.run(snapshot.plan(query, principal), cancel)

    def sketches(
        self, query: Query, metric: str, principal: Principal = EVERYONE, *, cancel: Event | None = None
    ) -> pa.Table:
        """An approximate distinct count as sketches instead of numbers: the dimensions of the report, and a column of
        the metric's name with an HLL_8 image of Apache DataSketches for each record, to be merged elsewhere.

        Raises as `answer` does, QueryError also for a metric that has no sketch.
        """
        return self._snapshot.sketches(query, metric, principal, cancel)

    def explain(self, query: Query, principal: Principal = EVERYONE) -> Plan:
        """The plan of a query with every candidate, its cost or all reasons against it. `print` it, or read its
        fields."""
        return self._snapshot.plan(query, principal, explain=True)

    def verify(self, query: Query, principal: Principal = EVERYONE, *, cancel: Event | None = None) -> Verdict:
        """Whether every plan that is right (each projection, a cover of several, the facts) gives the same answer.

        A Verdict is true where all agree; else its `differences`, which `print` shows, hold the plans and records that
        part. Caps are not looked at. Raises QueryError where the query does not fit the cube or nothing can answer it,
        and Cancelled once the event `cancel` is set.
        """
        return self._snapshot.verify(query, principal, cancel)

    def advise(
        self,
        budget: int,
        queries: Iterable[Query | tuple[Query, float]] | None = None,
        *,
        audience: str | None = None,
        afresh: bool = False,
        whole: bool = False,
        cancel: Event | None = None,
    ) -> Advice:
        """Which projections are worth storing within `budget` bytes, beside those that are built.

        `queries`, each alone or with how often it is asked, are the workload; without them it is the report of each
        path of all trees, or of those of an `audience`, with the default interval as of the end of the facts, or of the
        `whole` time. With `afresh` what is built does not count. Sizes are estimated from a sample of the facts.
        Raises QueryError for a budget below 1 and for queries that do not fit the cube, and Cancelled.
        """
        catalog, facts = self._snapshot.catalog, self._snapshot.sources[FACTS]
        if queries is None:
            forest = Forest(tuple(self.schema.trees)) if audience is None else self.schema.forest(audience)
            queries = path_queries(catalog, forest, whole=whole)

        def measure(declared: Sequence[Projection]) -> Sequence[Statistics]:
            return estimate_sizes(declared, facts.layout, facts.dictionaries, cancel=cancel)

        return advise(catalog, demands_of(queries, catalog), budget, measure, afresh=afresh)

    def _build(
        self, projection: Projection, now: datetime | None, cancel: Event | None, folder: Path | None, threads: int
    ) -> tuple[Projection, Projection]:
        """Builds a projection; gives it, and what it was made from."""
        snapshot = self._snapshot
        source = source_of(projection, snapshot.catalog.projections, snapshot.catalog.span)
        refreshed = now
        if refreshed is None and (statistics := source.statistics) is not None:
            refreshed = statistics.refreshed
        finer = snapshot.sources[source.name]
        with closing(roll_up(projection, self.schema, finer, cancel, threads)) as stretches:
            if folder is None:
                layout = joined(stretches)
            else:
                members, zone = snapshot.dictionaries.members, self.schema.zone
                path = write_layout(folder, projection, stretches, members, threads)
                layout = map_layout(path, projection, members, zone, check=False)
                release(finer.layout)
        built = replace(projection, statistics=self._alike(statistics_of(layout, refreshed)))
        own = MemorySource(layout, snapshot.dictionaries, built.filters, self._means)
        with self._lock:
            replaced = tuple(built if one.name == built.name else one for one in self.projections)
            self._publish(replaced, {built.name: own})
        return built, source

    def _alike(self, statistics: Statistics) -> Statistics:
        """The same, with the very partitions of a projection that has equal ones: the planner sees at a glance that
        both are alike."""
        others = [one.statistics.starts for one in self.projections if one.statistics is not None]
        return replace(statistics, starts=next((one for one in others if one == statistics.starts), statistics.starts))

    def _publish(self, projections: Iterable[Projection], sources: Mapping[str, MemorySource]) -> None:
        old = self._snapshot
        catalog = replace(old.catalog, projections=tuple(projections), version=old.catalog.version + 1)
        self._snapshot = Snapshot(catalog, {**old.sources, **sources}, old.dictionaries)


def _checked_threads(threads: int) -> int:
    if threads < 1:
        raise SchemaError([Problem("threads", f"are {threads}", "1 or more")])
    return threads


def _table(schema: Schema, facts: pa.Table | ArrowStream) -> pa.Table:
    """The columns of the facts that are needed; those that are missing are told by `load_facts`."""
    if not isinstance(facts, pa.Table):
        if not hasattr(facts, "__arrow_c_stream__"):
            possible = "a pyarrow Table, or anything with __arrow_c_stream__ (polars, pandas, DuckDB)"
            raise SchemaError([Problem("facts", f"is a {type(facts).__name__}", possible)])
        facts = pa.table(facts)
    if len(set(facts.column_names)) < len(facts.column_names):
        return facts
    return facts.select([name for name in needed_columns(schema) if name in facts.column_names])
