"""A cube: facts, what is pre-aggregated of them, and answers from the cheapest that is right.

`Cube` is the only thing here that changes, and it changes by putting a new Snapshot in the place of the old one. A
snapshot is immutable, so any number of threads may ask while projections are built or facts come and go, and no answer
mixes two versions; who changes a cube waits for who does so already. Under this module there is no HTTP; above it there
is no decision about numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Event, RLock
from typing import TypeVar

import pyarrow as pa

from wolap.changes import Wanted, appended, caught_up, deleted, replaced, retained
from wolap.declaring import check_undeclared, declaration_of, undeclared
from wolap.engine.result import Result
from wolap.engine.scan import Means
from wolap.engine.segments import MEMORY, Shelf
from wolap.engine.verdict import Verdict
from wolap.errors import StorageError
from wolap.given import ArrowStream, Instant, given_facts, given_instant, given_threads
from wolap.home import Home
from wolap.model.filter import Values
from wolap.model.interval import Interval
from wolap.model.principal import EVERYONE, Caps, Principal
from wolap.model.projection import Catalog, Projection
from wolap.model.query import Query, check_interval
from wolap.model.schema import Schema
from wolap.planner.advice import Advice
from wolap.planner.plan import Plan
from wolap.planner.source import build_order
from wolap.progress import Progress, Tally, Told
from wolap.snapshot import Snapshot
from wolap.sources.ingested import NOTHING, FactFile, Ingested
from wolap.versions import Revised, built, declaring, loaded, moved, noting, repaired, revised

__all__ = ["ArrowStream", "Cube", "Progress", "Result", "Revised"]

Made = TypeVar("Made")


class Cube:
    """Facts under a schema, with pre-aggregations of them.

    `facts` is a pyarrow Table or anything with `__arrow_c_stream__`; its memory may be shared and must not be
    changed. `strict` answers from projections only. `caps` bound what a query may cost; none are set here unless
    said. `refreshed` is when the facts were made, where that is known. `cluster` names the dimensions that reports
    filter most, the first of them first: facts then lie by them within each day (month or year, where days have few),
    so that such a filter reads what it keeps only; without any they lie in the order of time.

    `threads` is on how many an answer or a build may be worked out, that of the caller among them. More than one are
    of use with the extra `fast` and from some 600 thousand rows on. `compiled` False leaves its kernels aside; answers
    are the same, but for the last digits of floats. `ingested` are the files that the facts were read from. Raises
    SchemaError for data that does not fit the declaration.
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
        ingested: Ingested = NOTHING,
    ) -> None:
        means = Means(given_threads(threads), compiled)
        table = given_facts(schema, facts)
        catalog = Catalog(schema, (), strict=strict, caps=caps or Caps())
        self._snapshot = loaded(catalog, table, refreshed, tuple(cluster), means, ingested)
        self._lock = RLock()
        self._home: Home | None = None

    @classmethod
    def open(cls, path: str | Path, *, caps: Caps | None = None, threads: int = 1, compiled: bool = True) -> Cube:
        """The cube that is stored in a folder, as it was published last; nothing else is needed. Rows are read when
        they are first asked for. `caps` take the place of those that it was declared with.

        Any number of processes may have it open, and see each a version that is whole; see `catch_up`. Raises
        StorageError where there is no cube, or one that is damaged or of another format.
        """
        cube = cls.__new__(cls)
        cube._home = Home(Path(path))
        cube._snapshot = cube._home.open(caps, Means(given_threads(threads), compiled))
        cube._lock = RLock()
        return cube

    @classmethod
    def create(
        cls,
        path: str | Path,
        schema: Schema,
        facts: Iterable[pa.Table],
        *,
        strict: bool = False,
        caps: Caps | None = None,
        refreshed: datetime | None = None,
        cluster: Sequence[str] = (),
        threads: int = 1,
        compiled: bool = True,
        cancel: Event | None = None,
        ingested: Ingested = NOTHING,
    ) -> Cube:
        """A cube that lives in a folder from the start, which is new or empty, of facts that come in pieces and may be
        more than memory holds: one piece is, of some million facts. Else as `Cube` and `save`.

        Raises SchemaError for facts that do not fit the declaration, StorageError, OSError and Cancelled; then nothing
        is published.
        """
        means = Means(given_threads(threads), compiled)
        catalog = Catalog(schema, (), strict=strict, caps=caps or Caps())
        cube = cls.__new__(cls)
        cube._home, cube._lock = Home(Path(path)), RLock()
        tables = (given_facts(schema, one) for one in facts)
        cube._snapshot = cube._home.first_in_pieces(catalog, tables, refreshed, tuple(cluster), means, ingested, cancel)
        return cube

    def save(self, path: str | Path, *, progress: Told | None = None, cancel: Event | None = None) -> None:
        """Stores the cube in a folder, which is new or empty, and lives there from then on: whatever changes is
        published there before it is asked, and rows are read from there.

        Raises StorageError where the folder holds something else, OSError, and Cancelled; then the cube is as it was.
        """
        with self._lock:
            home = Home(Path(path))
            self._snapshot = home.first(self._snapshot, lambda old, shelf: moved(old, shelf, progress, cancel))
            self._home = home

    def catch_up(self) -> bool:
        """Takes the version that was published last in the folder of the cube, by whichever process, if that is a newer
        one. Answers that are being worked out are not disturbed. While a thread changes the cube, which ends with a
        version that is newer, this does nothing and does not wait. Raises StorageError."""
        if self._home is None or not self._lock.acquire(blocking=False):
            return False
        try:
            newer = self._home.newer(self._snapshot)
            self._snapshot = newer or self._snapshot
            return newer is not None
        finally:
            self._lock.release()

    @property
    def snapshot(self) -> Snapshot:
        """The present version, which stays as it is whatever happens to the cube."""
        return self._snapshot

    @property
    def folder(self) -> Path | None:
        """Where the cube is stored; None where it is in memory alone."""
        return None if self._home is None else self._home.path

    @property
    def schema(self) -> Schema:
        """The declaration, with the kinds of dimensions as they are in the facts."""
        return self._snapshot.catalog.schema

    @property
    def projections(self) -> tuple[Projection, ...]:
        """What is declared, in that order, and the facts last."""
        return self._snapshot.catalog.projections

    def declare(self, *projections: str | Projection, again: bool = False) -> tuple[Projection, ...]:
        """Declares projections without building them: they count for default metrics (W21) and are explained as not
        built.

        A text names the dimensions: `"year/month/repository"`. Raises SchemaError for names that do not exist, and
        for a projection that is declared already: otherwise, where it is declared `again`.
        """
        declared = tuple(declaration_of(self.schema, one) for one in projections)

        def make(old: Snapshot, _: Shelf) -> tuple[Snapshot, None]:
            known = old.catalog.projections
            if not again:
                check_undeclared(known, declared)
            return declaring(old, undeclared(known, declared) if again else declared), None

        self._next(make)
        return declared

    def materialize(
        self,
        *projections: str | Projection,
        now: datetime | None = None,
        progress: Told | None = None,
        cancel: Event | None = None,
        threads: int | None = None,
    ) -> None:
        """Builds projections: those that are named, and without names all that are declared and not built.

        Each is made from the smallest that is built and fine enough, so finer ones are built first. `now` becomes
        their refresh time (that of what they are made from where it is not given). Each is there for queries as soon
        as it is built, and published where the cube is stored. `progress` is told of pieces of each. `threads` is how
        many share the work, as many as the cube has unless said. Raises SchemaError, MetricOverflow where a stored sum
        would not fit 64 bits, OSError where a file cannot be written, and Cancelled; what was built before then stays.
        """
        given_threads(1 if threads is None else threads)
        wanted = [declaration_of(self.schema, one) for one in projections]
        if wanted:
            self._next(lambda old, _: (declaring(old, undeclared(old.catalog.projections, wanted)), None))
        names = {one.name for one in wanted}
        waiting = build_order(
            [one for one in self.projections if one.name in names or (not names and one.statistics is None)]
        )
        tally = Tally(progress, len(waiting))
        for projection in waiting:
            with self._lock:
                source = self._next(partial(built, projection, now, cancel, threads, tally))
                made = next(one for one in self.projections if one.name == projection.name)
            tally.end(made, source)

    def damage(self) -> Mapping[str, tuple[StorageError, ...]]:
        """Reads all files of this version, and gives an error for each that is not what it was, by the projection that
        it is of (`facts` among them); files that say what codes mean are of none, which is ""."""
        return {} if self._home is None else self._home.damage(self._snapshot)

    def repair(self, *, progress: Told | None = None, cancel: Event | None = None) -> tuple[Projection, ...]:
        """Builds the projections anew of which a file is damaged or missing, from the facts or others that are whole,
        and publishes them as one version, with the refresh times that they had. Gives them; none where all is whole.

        Reads all files of the version that was published last. Raises StorageError, naming the files, where facts are
        damaged or what codes mean, from which all is made; else as `materialize` does. Then nothing has changed.
        """
        if (home := self._home) is None:
            return ()

        def make(old: Snapshot, shelf: Shelf) -> tuple[Snapshot, tuple[Projection, ...]]:
            damage = home.damage(old)
            return repaired(old, damage, progress, cancel, shelf) if damage else (old, ())

        return self._next(make)

    def append(
        self,
        facts: pa.Table | ArrowStream,
        *,
        files: Collection[FactFile] = (),
        now: datetime | None = None,
        progress: Told | None = None,
        cancel: Event | None = None,
    ) -> Revised:
        """Takes more facts in. Whatever their time, only the partitions (days; of few facts months or years) that they
        fall into are made anew, of the facts and of each projection.

        All of it is there for queries at once, as of `now`, but for projections that have a schedule and are not due
        then: they stay as they are, until a later change or `refresh`. Who gives no time refreshes all. From then on
        the `files` that the facts were read from count as ingested. Raises SchemaError, naming rows, for facts that do
        not fit those that there are, and for a file that was ingested already, MetricOverflow, OSError, and Cancelled;
        then nothing has changed.
        """
        table = given_facts(self.schema, facts)
        return self._change(lambda old: appended(old, table), now, progress, cancel, lambda one: one.plus(files))

    def replace(
        self,
        facts: pa.Table | ArrowStream,
        start: Instant,
        end: Instant,
        *,
        files: Collection[FactFile] = (),
        now: datetime | None = None,
        progress: Told | None = None,
        cancel: Event | None = None,
    ) -> Revised:
        """Puts facts in the place of all that there are from `start` to before `end`, where they must lie. The `files`
        count as ingested, as they are now. See `append`."""
        table, zone = given_facts(self.schema, facts), self.schema.zone
        interval = Interval(*(given_instant(name, one, zone) for name, one in (("start", start), ("end", end))))
        check_interval(interval.start, interval.end, self.schema)
        make = partial(replaced, table=table, interval=interval)
        return self._change(make, now, progress, cancel, lambda one: one.noting(files))

    def delete(
        self,
        where: Mapping[str, Values] | None = None,
        where_not: Mapping[str, Values] | None = None,
        *,
        now: datetime | None = None,
        progress: Told | None = None,
        cancel: Event | None = None,
    ) -> Revised:
        """Deletes the facts that pass all of these conditions: on dimensions as those of a query, and on columns whose
        different values are counted (`where={"account": "x"}`). Members that no fact has any more are forgotten, and
        such values where nothing else is said. No schedule holds that up.

        Raises QueryError for conditions that cannot be held against facts; else see `append`.
        """
        said, said_not = where or {}, where_not or {}
        return self._change(lambda snapshot: deleted(snapshot, said, said_not), now, progress, cancel)

    def retain(
        self, since: Instant, *, now: datetime | None = None, progress: Told | None = None, cancel: Event | None = None
    ) -> Revised:
        """Deletes the facts before `since`. No schedule holds that up. See `append`."""
        instant = given_instant("since", since, self.schema.zone)
        return self._change(lambda snapshot: retained(snapshot, instant), now, progress, cancel)

    def refresh(
        self, *, now: datetime | None = None, progress: Told | None = None, cancel: Event | None = None
    ) -> Revised:
        """Brings projections that changes have left behind up to date, those whose schedule says that it is time; all
        of them where `now` is not given. Raises MetricOverflow, OSError and Cancelled; then nothing has changed."""
        return self._change(caught_up, now, progress, cancel)

    def note_files(self, files: Collection[FactFile], gone: Collection[str] = ()) -> None:
        """Notes that files whose facts were ingested are now as they are here, and that those of some paths are gone.
        Facts stay as they are."""
        self._next(lambda old, _: (noting(old, old.ingested.noting(files, gone)), None))

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
        Projections that are behind the facts by their schedule are left out.

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
        return self._snapshot.advise(budget, queries, audience, afresh=afresh, whole=whole, cancel=cancel)

    def _change(
        self,
        read: Callable[[Snapshot], Wanted],
        now: datetime | None,
        progress: Told | None,
        cancel: Event | None,
        note: Callable[[Ingested], Ingested] | None = None,
    ) -> Revised:
        """Makes a change of the facts, and of all that is built of them, and publishes it as one, with the files that
        count as ingested then."""

        def make(old: Snapshot, shelf: Shelf) -> tuple[Snapshot, Revised]:
            ingested = old.ingested if note is None else note(old.ingested)
            found, done = revised(old, read(old), now, progress, cancel, shelf)
            if ingested == old.ingested:
                return found, done
            return (noting(found, ingested) if found is old else replace(found, ingested=ingested)), done

        return self._next(make)

    def _next(self, make: Callable[[Snapshot, Shelf], tuple[Snapshot, Made]]) -> Made:
        """Puts the next version in the place of the present one, once it is published where the cube is stored."""
        with self._lock:
            if self._home is None:
                self._snapshot, done = make(self._snapshot, MEMORY)
            else:
                self._snapshot, done = self._home.next(self._snapshot, make)
                self._home.tidy(self._snapshot)
            return done
