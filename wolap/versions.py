"""From one version of a cube to the next: functions from a Snapshot to a Snapshot.

A version has a number, and whatever differs between two of them is new in the later: a projection that is declared, one
that is built, or facts that came or went, with all that was built of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Event

import numpy as np
import pyarrow as pa

from wolap.changes import Wanted
from wolap.engine.gather import Chosen
from wolap.engine.ingest import ingest
from wolap.engine.layout import Dictionaries, Layout
from wolap.engine.load import load_facts
from wolap.engine.moments import level_of_partitions
from wolap.engine.rebuild import merged, rolled_up
from wolap.engine.revise import Change, Revision, facts_on, span_of
from wolap.engine.scan import Means
from wolap.engine.segments import Held, SegmentedSource, Shelf, shelved
from wolap.engine.shares import counted, counts_of, shares_of
from wolap.errors import Cancelled, StorageError
from wolap.model.interval import EVERYTHING, Interval
from wolap.model.projection import FACTS, Catalog, Projection, Statistics, declare_facts
from wolap.model.schema import Schema
from wolap.planner.source import build_order, source_of
from wolap.progress import Progress, Tally
from wolap.schedules import all_spans, is_due, left_behind
from wolap.snapshot import Snapshot
from wolap.sources.ingested import NOTHING, Ingested

__all__ = [
    "Progress",
    "Revised",
    "built",
    "declaring",
    "loaded",
    "loaded_in_pieces",
    "moved",
    "noting",
    "repaired",
    "revised",
]


@dataclass(frozen=True, slots=True)
class Revised:
    """What a change has done: the facts that came and those that went, the stretches of time whose facts and
    projections are new, and the version of the cube that has them. Projections that are `behind` wait for their time to
    be refreshed."""

    added: int
    removed: int
    stretches: tuple[Interval, ...]
    version: int
    behind: tuple[str, ...] = ()


def loaded(
    catalog: Catalog,
    table: pa.Table,
    refreshed: datetime | None,
    leading: tuple[str, ...],
    means: Means,
    ingested: Ingested = NOTHING,
) -> Snapshot:
    """The first version: of facts alone, under the schema of a catalog that has no projections yet.

    Raises SchemaError for data that does not fit the schema.
    """
    schema, dictionaries, layout = load_facts(catalog.schema, table, leading)
    source = SegmentedSource.of(layout, dictionaries, schema.zone, means=means)
    facts = declare_facts(schema, source.statistics(refreshed))
    partition = "day"
    if layout.time is not None:
        partition = (
            layout.time.level if layout.moments is not None else level_of_partitions([layout.time], clustered=False)
        )
    counts = counts_of([Chosen(layout, 0, layout.rows)], dictionaries.members)
    known = replace(catalog, schema=schema, projections=(facts,))
    dictionaries = replace(dictionaries, counts=counts)
    return _known(Snapshot(known, {FACTS: source}, dictionaries, partition, leading, ingested))


def loaded_in_pieces(
    catalog: Catalog,
    tables: Iterable[pa.Table],
    refreshed: datetime | None,
    leading: tuple[str, ...],
    means: Means,
    ingested: Ingested,
    shelf: Shelf,
    cancel: Event | None = None,
) -> Snapshot:
    """The first version of facts that come in pieces, on a shelf. Raises as `loaded` does, OSError and Cancelled."""
    found = ingest(catalog.schema, tables, leading, shelf, cancel=cancel)
    source = SegmentedSource(found.segments, found.dictionaries, found.schema.zone, means=means)
    facts = declare_facts(found.schema, source.statistics(refreshed))
    known = replace(catalog, schema=found.schema, projections=(facts,))
    return _known(Snapshot(known, {FACTS: source}, found.dictionaries, found.partition, leading, ingested))


def declaring(snapshot: Snapshot, projections: Sequence[Projection]) -> Snapshot:
    """With more projections, which are not built; the very same where there are none."""
    if not projections:
        return snapshot
    *others, facts = snapshot.catalog.projections
    return _with(snapshot, (*others, *projections, facts), snapshot.sources)


def built(
    projection: Projection,
    now: datetime | None,
    cancel: Event | None,
    threads: int | None,
    tally: Tally,
    snapshot: Snapshot,
    shelf: Shelf,
) -> tuple[Snapshot, Projection]:
    """With a projection that is declared built; and what it was made from. A step of the tally.

    Raises MetricOverflow, OSError and Cancelled.
    """
    schema, dictionaries = snapshot.catalog.schema, snapshot.dictionaries
    source = source_of(projection, snapshot.catalog.current.projections, snapshot.catalog.span)
    read = source.statistics
    assert read is not None
    refreshed = now or read.refreshed
    tally.begin(projection, source, read.rows)
    finer = snapshot.sources[source.name]
    shared = finer.means.threads if threads is None else threads
    with closing(rolled_up(projection, schema, finer, cancel, shared)) as stretches:
        told = _told(stretches, read, tally)
        segments = list(shelved(projection.name, projection.level, projection.zone, told, shelf))
    own = SegmentedSource(segments, dictionaries, schema.zone, projection.filters, finer.means)
    made = replace(projection, statistics=_Alike(snapshot.catalog).of(own.statistics(refreshed)))
    projections = tuple(made if one.name == made.name else one for one in snapshot.catalog.projections)
    return _spanning(_with(snapshot, projections, {**snapshot.sources, made.name: own})), source


def repaired(
    snapshot: Snapshot,
    damage: Mapping[str, Collection[StorageError]],
    progress: Callable[[Progress], None] | None,
    cancel: Event | None,
    shelf: Shelf,
) -> tuple[Snapshot, tuple[Projection, ...]]:
    """With the projections that are damaged built anew of what is not, and those. Raises StorageError where facts are
    damaged, or what codes mean; else as `built` does."""
    if lost := [str(error) for name in (FACTS, "") for error in damage.get(name, ())]:
        raise StorageError("\n".join(lost))
    catalog = snapshot.catalog
    waiting = build_order([one for one in catalog.projections if one.name in damage])
    # What was behind is as new as its source once it is made anew.
    whole = [(one.name, one.statistics) for one in waiting]
    refreshed = {name: known.refreshed for name, known in whole if known is not None and known.backlog is None}
    left = [replace(one, statistics=None) if one.name in damage else one for one in catalog.projections]
    found = _with(snapshot, left, {name: one for name, one in snapshot.sources.items() if name not in damage})
    made, tally = list[Projection](), Tally(progress, len(waiting))
    for projection in waiting:
        found, source = built(projection, refreshed.get(projection.name), cancel, None, tally, found, shelf)
        made += [one for one in found.catalog.projections if one.name == projection.name]
        tally.end(made[-1], source)
    return found, tuple(made)


def _told(layouts: Iterable[Layout], read: Statistics, tally: Tally) -> Iterator[Layout]:
    """Layouts that come one behind the other in time, each told: of what they are made from, what lies before is
    read."""
    for one in layouts:
        share = 0.0
        if one.rows and one.time is not None and read.rows:
            share = read.rows_begun(int(one.time.instants[-1]) + 1) / read.rows
        tally.add(one.rows, one.bytes, share)
        yield one


def moved(
    snapshot: Snapshot, shelf: Shelf, progress: Callable[[Progress], None] | None = None, cancel: Event | None = None
) -> Snapshot:
    """With all rows on a shelf. Raises OSError and Cancelled."""
    sources = {}
    built = [one for one in snapshot.catalog.projections if one.statistics is not None]
    tally = Tally(progress, len(built), sum(one.statistics.rows for one in built if one.statistics is not None))
    shelf = _Telling(shelf, tally, cancel)
    for one in built:
        source = snapshot.sources[one.name]
        rows = sum(segment.rows for segment in source.segments)
        tally.begin(one, one, rows)
        if one.is_facts:
            segments = list(facts_on(source, snapshot.partition, snapshot.leading, shelf))
        else:
            layouts = _whole_layouts(one, snapshot.catalog.schema, source)
            segments = list(shelved(one.name, one.level, one.zone, layouts, shelf))
        sources[one.name] = SegmentedSource(segments, snapshot.dictionaries, source.zone, source.filters, source.means)
        tally.end(one, one)
    return _with(snapshot, snapshot.catalog.projections, sources)


def _whole_layouts(projection: Projection, schema: Schema, source: SegmentedSource) -> Iterator[Layout]:
    """What the segments of a projection have, without what is dead."""
    for segment in source.segments:
        if segment.stretch.covers(segment.held.layout.span):
            yield segment.held.layout
        else:
            yield from merged(projection, schema, source, segment.chosen())


def revised(
    snapshot: Snapshot,
    wanted: Wanted,
    now: datetime | None,
    progress: Callable[[Progress], None] | None,
    cancel: Event | None,
    shelf: Shelf,
) -> tuple[Snapshot, Revised]:
    """With other facts, and what is built of them as it is then: all of it, but for what is not due before `now`.

    Raises MetricOverflow and Cancelled.
    """
    catalog, change = snapshot.catalog, wanted.change
    nothing = snapshot, Revised(0, 0, (), catalog.version, _behind(catalog))
    due = _due(snapshot, change, now)
    if not change.touched and not due:
        return nothing
    every = [one for one in catalog.projections if one.is_facts or one.name in due]
    # Without new facts what was up to date still is.
    current = [] if change.touched else [one for one in catalog.current.projections if not one.is_facts]
    tally, facts = Tally(progress, len(due) + bool(change.touched)), catalog.projections[-1]
    tally.begin(facts, facts, 1)
    shelf = _Telling(shelf, tally, cancel)
    revision = Revision(
        catalog.schema, every, snapshot.sources, wanted.dictionaries, change,
        current=current, level=snapshot.partition, leading=snapshot.leading, cancel=cancel, shelf=shelf,
    )  # fmt: skip
    if change.touched:
        tally.end(facts, facts)
    for projection in revision.waiting:
        tally.begin(projection, facts, 1)
        tally.end(projection, revision.revise(projection))
    dictionaries, sources = _counted(snapshot, wanted, revision.sources)
    if dictionaries is snapshot.dictionaries:
        return nothing
    measured = _measured(snapshot, change, due, sources, now)
    found = _known(replace(_with(snapshot, measured, sources), dictionaries=dictionaries))
    before, after = (sum(one.rows for one in every[FACTS].segments) for every in (snapshot.sources, sources))
    added = 0 if change.added is None else change.added.rows
    removed = before + added - after
    return found, Revised(added, removed, change.touched, found.catalog.version, _behind(found.catalog))


def _due(snapshot: Snapshot, change: Change, now: datetime | None) -> frozenset[str]:
    """The projections that follow a change at once: those whose time has come. Where nothing is to remain of what goes,
    that is all of them; where no facts change, those alone that were left behind before."""
    catalog = snapshot.catalog
    behind = _behind(catalog)
    return frozenset(
        one.name
        for one in catalog.projections
        if one.statistics is not None
        and not one.is_facts
        and (change.touched or change.forgets or one.name in behind)
        and (change.forgets or is_due(one, catalog.schema, now))
    )


def _behind(catalog: Catalog) -> tuple[str, ...]:
    known = [(one.name, one.statistics) for one in catalog.projections]
    return tuple(name for name, statistics in known if statistics is not None and statistics.backlog is not None)


def _counted(
    snapshot: Snapshot, wanted: Wanted, sources: Mapping[str, SegmentedSource]
) -> tuple[Dictionaries, Mapping[str, SegmentedSource]]:
    """The dictionaries after a change, and what is read by them: the very same where nothing has changed at all."""
    change, dictionaries = wanted.change, wanted.dictionaries
    gone, come = (
        counts_of(_within(every, change.touched), dictionaries.members)
        for every in (snapshot.sources[FACTS], sources[FACTS])
    )
    counts = counted(snapshot.dictionaries.counts, gone, come)
    dictionaries = replace(dictionaries, counts=counts)
    if change.forgets:
        empty = {name: np.flatnonzero((counts[name] == 0) & one.is_live) for name, one in dictionaries.members.items()}
        # Of facts that went earlier there may be left what they were.
        has_left = any(source.segments != snapshot.sources[name].segments for name, source in sources.items())
        if not change.touched and not has_left and not any(map(len, (*empty.values(), *wanted.items.values()))):
            return snapshot.dictionaries, snapshot.sources
        dictionaries = dictionaries.without(empty, wanted.items)
        sources = {name: source.known_by(dictionaries) for name, source in sources.items()}
    return dictionaries, sources


def _measured(
    snapshot: Snapshot,
    change: Change,
    due: Collection[str],
    sources: Mapping[str, SegmentedSource],
    now: datetime | None,
) -> Iterator[Projection]:
    """The projections as a change leaves them."""
    catalog, alike = snapshot.catalog, _Alike(snapshot.catalog)
    span = span_of(snapshot.sources[FACTS])
    *_, facts = catalog.projections
    # What has caught up is as new as the facts are, where nobody says what time it is; facts that came have none.
    made = now if change.touched or now is not None or facts.statistics is None else facts.statistics.refreshed
    for one in catalog.projections:
        if one.statistics is None:
            yield one
        elif one.name in due or (one.is_facts and change.touched):
            # What it lacked bounds it no more.
            known = replace(one.statistics, backlog=None, coverage=EVERYTHING)
            found = sources[one.name].statistics(made, (snapshot.sources[one.name], known))
            yield replace(one, statistics=alike.of(found))
        elif change.touched:
            yield replace(one, statistics=left_behind(one, one.statistics, change.touched, span))
        else:
            yield one


def noting(snapshot: Snapshot, ingested: Ingested) -> Snapshot:
    """With other files that count as ingested."""
    return replace(_with(snapshot, snapshot.catalog.projections, snapshot.sources), ingested=ingested)


@dataclass(frozen=True, slots=True)
class _Telling:
    """A shelf that tells what is put on it, and takes nothing more once the work is cancelled."""

    shelf: Shelf
    tally: Tally
    cancel: Event | None

    @property
    def most(self) -> int:
        return self.shelf.most

    def hold(self, name: str, layout: Layout, stretch: Interval) -> Held:
        if self.cancel is not None and self.cancel.is_set():
            raise Cancelled("stopped between two segments, as the caller asked")
        held = self.shelf.hold(name, layout, stretch)
        self.tally.add(layout.rows, layout.bytes)
        return held


def _with(snapshot: Snapshot, projections: Iterable[Projection], sources: Mapping[str, SegmentedSource]) -> Snapshot:
    """The next version, with these projections."""
    catalog = replace(snapshot.catalog, projections=tuple(projections), version=snapshot.catalog.version + 1)
    return replace(snapshot, catalog=catalog, sources=sources)


def _known(snapshot: Snapshot) -> Snapshot:
    """A version whose catalog knows how its facts lie in time and fall on members."""
    facts, members = snapshot.sources[FACTS], snapshot.dictionaries.members
    rows = sum(one.rows for one in facts.segments)
    spanning = _spanning(snapshot)
    catalog = replace(
        spanning.catalog,
        members={name: one.cardinality for name, one in members.items()},
        shares={name: shares_of(one, snapshot.dictionaries.counts[name], rows) for name, one in members.items()},
    )
    return replace(snapshot, catalog=catalog)


def _spanning(snapshot: Snapshot) -> Snapshot:
    """A version whose catalog knows which time its facts and projections speak of."""
    span = all_spans(span_of(snapshot.sources[FACTS]), snapshot.catalog.projections)
    return replace(snapshot, catalog=replace(snapshot.catalog, span=span))


class _Alike:
    """The partitions of the projections of a catalog, each once: the planner sees at a glance that two are alike."""

    def __init__(self, catalog: Catalog) -> None:
        every = [one.statistics.starts for one in catalog.projections if one.statistics is not None]
        self._known: dict[tuple[int, ...], Sequence[int]] = {tuple(one): one for one in every}

    def of(self, statistics: Statistics) -> Statistics:
        """The same statistics, with the very partitions of those that have equal ones."""
        starts = statistics.starts
        return replace(statistics, starts=self._known.setdefault(tuple(starts), starts))


def _within(facts: SegmentedSource, stretches: Sequence[Interval]) -> list[Chosen]:
    """The facts in some stretches of time."""
    return [part for segment in facts.segments for part in segment.chosen(stretches)]
