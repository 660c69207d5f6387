"""Facts that are more than memory holds, as segments: read in pieces, and put in order stretch by stretch.

Each piece is loaded as a layout of its own, in the codes of those before, and put on a shelf as a run: its rows are in
the order of time, but those of one day may be in any run. Once all are read it is known how many facts each partition
has, so the stretches of the segments are known too, and each segment is made of what the runs have of its stretch (an
external merge sort, with the runs on disk). Memory is that of a piece, or of a segment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Event

import numpy as np
import pyarrow as pa

from wolap.engine.gather import Chosen, chosen_rows, gathered
from wolap.engine.layout import Dictionaries
from wolap.engine.load import load_facts, unfit_to_lead
from wolap.engine.moments import cluster, level_of_partitions, starts_of_buckets
from wolap.engine.resort import resorted
from wolap.engine.segments import Held, Segment, Shelf
from wolap.engine.shares import Counts, counts_of
from wolap.engine.time_index import TimeIndex
from wolap.errors import Cancelled, Problem, SchemaError
from wolap.model.interval import EVERYTHING, Interval
from wolap.model.projection import FACTS
from wolap.model.schema import Schema

__all__ = ["Ingested", "ingest"]


@dataclass(frozen=True, slots=True, eq=False)
class Ingested:
    """Facts in segments of whole partitions of a level; the schema with the kinds of its dimensions."""

    schema: Schema
    dictionaries: Dictionaries
    segments: tuple[Segment, ...]
    partition: str


def ingest(
    schema: Schema,
    tables: Iterable[pa.Table],
    leading: tuple[str, ...],
    shelf: Shelf,
    progress: Callable[[int], None] | None = None,
    cancel: Event | None = None,
) -> Ingested:
    """Takes in tables, of which there has to be one, though it be empty. `progress` is told how many facts have been
    read, and then how many have been put in order.

    Raises SchemaError for facts that do not fit, or do not fit those before, OSError and Cancelled.
    """
    if problems := tuple(unfit_to_lead(schema, leading)):
        raise SchemaError(problems)
    runs: list[Held] = []
    dictionaries: Dictionaries | None = None
    counts: Counts = {}
    read = 0
    for table in tables:
        _heed(cancel)
        bound, dictionaries, layout = load_facts(schema, table, (), dictionaries)
        counts = _more(counts, counts_of([Chosen(layout, 0, layout.rows)], dictionaries.members))
        runs.append(shelf.hold(FACTS, layout, EVERYTHING))
        read += layout.rows
        if progress is not None:
            progress(read)
    if dictionaries is None:
        raise SchemaError([Problem("facts", "are no table at all", "one or more, though they be empty")])
    dictionaries, recoded = resorted(replace(dictionaries, counts=counts), schema)
    times = [run.layout.time for run in runs if run.layout.time is not None]
    level = level_of_partitions(times, clustered=bool(leading)) if times else "day"
    cuts = list(_stretches(times, level, shelf.most)) or [EVERYTHING]
    segments: list[Segment] = []
    for stretch in cuts:
        _heed(cancel)
        parts = [part for run in runs for part in chosen_rows(run.layout, [stretch])]
        whole = recoded(gathered(parts or [Chosen(runs[0].layout, 0, 0)], schema.zone))
        if leading:
            whole = cluster(whole, dictionaries, leading, level=level)
        segments.append(Segment(stretch, shelf.hold(FACTS, whole, stretch), whole.rows))
        if progress is not None:
            progress(sum(one.rows for one in segments))
    return Ingested(bound, dictionaries, tuple(segments), level)


def _more(before: Counts, counts: Counts) -> Counts:
    """Counts of facts with those of others, which know of no fewer members."""
    found = {}
    for name, own in counts.items():
        found[name] = own.copy()
        if name in before:
            found[name][: len(before[name])] += before[name]
    return found


def _stretches(times: Sequence[TimeIndex], level: str, most: int) -> Iterator[Interval]:
    """All of time, in stretches of whole partitions that have up to so many rows, or are one partition."""
    starts = starts_of_buckets(times, level)
    rows = np.zeros(len(starts), np.int64)
    for time in times:
        buckets = time.buckets(level)
        np.add.at(rows, starts.searchsorted(buckets.instants, side="right") - 1, np.diff(buckets.offsets))
    start, waiting = EVERYTHING.start, 0
    for cut, own in zip(starts.tolist(), rows.tolist(), strict=True):
        if waiting and waiting + own > most:
            yield Interval(start, cut)
            start, waiting = cut, 0
        waiting += own
    yield Interval(start, EVERYTHING.end)


def _heed(cancel: Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise Cancelled("stopped between two pieces of facts, as the caller asked; nothing was ingested")
