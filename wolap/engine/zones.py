"""Runs of rows that lie together, and zones: what the rows of each run add up to.

A layout lies in the order of time and, within each bucket of its time, in that of its leading dimensions (`order`). So
the rows of an hour lie together, and those of a day and a company, and so on: the runs of each depth of that order.

    depth 0    a run for each partition of time, or for each bucket
    depth 1    a run for each bucket and member of the first dimension
    depth 2    …

What is known of runs answers two kinds of questions without reading the rows. A filter on leading dimensions keeps
whole runs, so its rows are slices (`kept_rows`). A report of leading dimensions and of time merges the partials of
whole runs (`zone_of`), and reads rows only where its interval cuts a run: a zone is a layout like any other, of a row
for each run (small materialized aggregates; Moerkotte 1998). Both are worked out when they are first asked for and
kept with the layout; two threads that ask at once work out the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from wolap.engine.groups import Groups, PartialOverflow, Series
from wolap.engine.keys import TimeDigit, pack
from wolap.engine.layout import Layout, Runs, column_of, partition_level
from wolap.engine.members import Codes
from wolap.engine.scan import Ranges, Scan, ranges_within
from wolap.engine.time_index import TimeIndex
from wolap.model.aggregate import Partial
from wolap.model.level import nests

__all__ = ["WORTH_ROWS", "kept_rows", "runs_at", "zone_of"]

# Fewer rows are read faster than zones are looked up.
WORTH_ROWS = 1 << 14
# Shorter runs are read as fast as what is known of them.
_MEAN_RUN = 16
_BLOCK = 1 << 18

# The groups of a scan with a series for each partial.
AddUp = Callable[[Scan, Sequence[Partial]], tuple[Groups, list[tuple[Series, pa.DataType]]]]


def runs_at(layout: Layout, depth: int, level: str | None = None) -> Runs | None:
    """The runs of a depth, for reports by this level of time; None where they would be too short to help."""
    partition = None
    if not layout.rows or (level is not None and layout.time is not None and not nests(layout.time.level, level)):
        return None
    if depth == 0 and layout.time is not None:
        finest = partition_level(layout.time, layout.time.level)
        partition = finest if finest is not None and (level is None or nests(finest, level)) else None
    known = layout.known_runs
    if (depth, partition) not in known:
        known[depth, partition] = _find_runs(layout, depth, partition)
    return known[depth, partition]


def _find_runs(layout: Layout, depth: int, partition: str | None) -> Runs | None:
    time, names = layout.time, layout.order[:depth]
    if time is None:
        buckets, offsets = None, np.array([0, layout.rows])
    elif partition is not None:
        found = time.buckets(partition)
        buckets, offsets = TimeIndex(found.instants, None, partition, time.zone), found.offsets
    elif time.offsets is not None:
        buckets, offsets = TimeIndex(time.instants, None, time.level, time.zone), time.offsets
    else:
        return None
    if not depth:
        return Runs(offsets, buckets, {}) if _are_long(len(offsets) - 1, layout.rows) else None
    columns = [layout.codes[name] for name in names]
    begins = _begins(columns, offsets, layout.rows)
    if begins is None:
        return None
    if time is not None:
        buckets = TimeIndex(time.instants, np.searchsorted(begins, offsets), time.level, time.zone)
    codes = {name: column[begins] for name, column in zip(names, columns, strict=True)}
    return Runs(np.append(begins, layout.rows), buckets, codes)


def _are_long(runs: int, rows: int) -> bool:
    return runs * _MEAN_RUN <= rows


def _begins(columns: Sequence[Codes], offsets: np.ndarray, rows: int) -> np.ndarray | None:
    """Where a bucket or any of the columns changes; None as soon as that is too often."""
    changed, found = 0, []
    for start in range(0, rows, _BLOCK):
        stop = min(start + _BLOCK, rows)
        begins = np.zeros(stop - start, bool)
        first, last = np.searchsorted(offsets, (start, stop))
        begins[offsets[first:last] - start] = True
        before = max(start, 1) - 1
        for column in columns:
            begins[before + 1 - start :] |= column[before + 1 : stop] != column[before : stop - 1]
        found.append(np.flatnonzero(begins) + start)
        changed += len(found[-1])
        if not _are_long(changed, rows):
            return None
    return np.concatenate(found) if found else np.zeros(0, np.intp)


def zone_of(layout: Layout, runs: Runs, partials: Sequence[Partial], add_up: AddUp) -> Layout | None:
    """The layout that has a row for each run; None where a partial does not fit 64 bits in some run, though it may in
    all of them together. Raises Cancelled."""
    # What is unfit was found out once, by adding up all rows.
    if runs.unfit.isdisjoint(partials) and not all(partial in runs.columns for partial in partials):
        lengths = len(runs.offsets) - 1
        digit = TimeDigit(np.arange(lengths), runs.offsets, lengths)
        try:
            _, series = add_up(Scan(0, layout.rows, pack([digit], 0, layout.rows)), partials)
        except PartialOverflow as error:
            runs.unfit.add(error.partial)
        else:
            runs.columns.update((partial, column_of(*one)) for partial, one in zip(partials, series, strict=True))
    return runs.zone if runs.unfit.isdisjoint(partials) else None


def kept_rows(offsets: np.ndarray, kept: np.ndarray, start: int, stop: int) -> Ranges:
    """The rows from `start` to `stop` of the runs that are marked, as ranges of which no two touch; each run has the
    rows from one of the offsets to the next."""
    edges = np.flatnonzero(np.diff(kept.astype(np.int8), prepend=0, append=0))
    return ranges_within(offsets[edges].reshape(-1, 2), start, stop)
