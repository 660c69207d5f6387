"""A projection's layout from that of a finer one: rolling up to the grain that will be kept.

It is the same roll-up that answers a query, but keyed by time bucket instead of by calendar parts, so that intervals
can later be cut at every bucket, and a local hour that occurs twice stays two rows. Buckets follow the clock of the
projection; of each the first instant with facts is kept, whose calendar parts the clock of the cube tells.

Rows are sorted by time, so those of some buckets lie together, and no other stretch of rows has a part in them. Hence
a projection is rolled up a stretch at a time: what a stretch reads fits a processor's cache, what comes out is never
merged again, stretches may be rolled up side by side, and each goes to memory or to disk as it comes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import numpy as np

from wolap.engine.chains import chains_of, digit_of, tables_of
from wolap.engine.execute import overflow_of
from wolap.engine.explode import ListDigit
from wolap.engine.groups import PartialOverflow
from wolap.engine.keys import Digit
from wolap.engine.layout import Layout, Moments, column_of
from wolap.engine.moments import buckets_of, digit_of_buckets
from wolap.engine.source import MemorySource
from wolap.engine.time_index import Buckets, TimeIndex
from wolap.model.interval import EVERYTHING, Interval
from wolap.model.projection import Projection
from wolap.model.schema import Schema

__all__ = ["roll_up"]

# The digit of time, which no dimension is called.
_TIME = ""
# Rows of a stretch, where a bucket has no more.
_STRETCH = 1 << 16


def roll_up(
    projection: Projection,
    schema: Schema,
    source: MemorySource,
    cancel: Event | None = None,
    threads: int = 1,
    within: Interval = EVERYTHING,
) -> Generator[Layout, None, None]:
    """The stretches of a projection in the order of time, rolled up from a source whose grain is at least as fine.

    There is at least one, though it be empty. Only the buckets that begin `within` an interval are made. With more than
    one of the `threads` that many stretches are rolled up at the same time. Raises MetricOverflow, naming the metric,
    where a stored sum would not fit 64 bits, and Cancelled.
    """
    build = _Build(projection, schema, source, cancel, within)
    stretches = build.stretches()
    if threads < 2 or len(stretches) < 2:
        yield from map(build.stretch, stretches)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Layout]] = deque()
        try:
            for one in stretches:
                waiting.append(pool.submit(build.stretch, one))
                # One more than there are threads, so that none waits for who reads.
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class _Build:
    """What all stretches of a projection have in common."""

    def __init__(
        self, projection: Projection, schema: Schema, source: MemorySource, cancel: Event | None, within: Interval
    ) -> None:
        self.projection, self.schema, self.source, self.cancel = projection, schema, source, cancel
        self.bounds = np.array([within.start, within.end])
        self.buckets: Buckets | None = None
        self.moments: Moments | None = None
        if projection.level is not None and source.layout.time is not None:
            self.buckets, self.moments = buckets_of(source.layout, projection.level, projection.zone)
        chains = chains_of(projection.dimensions, source)
        self.tables = {chain.finest: tables_of(chain, source) for chain in chains}
        self.digits = {
            chain.finest: digit_of(chain, source, self.tables[chain.finest][chain.finest]) for chain in chains
        }
        self.partials = sorted(projection.partials, key=str)

    def stretches(self) -> Sequence[tuple[int, int, int, int]]:
        """Ranges of buckets with the ranges of rows that have them and no others; of no bucket where there is no
        time."""
        if self.buckets is None or len(self.buckets.instants) == 0:
            return [(0, 0, 0, self.source.layout.rows)]
        # Where a bucket and its rows begin: of facts that are clustered where a partition does so too.
        numbers, rows = np.arange(len(self.buckets.offsets)), self.buckets.offsets
        if self.moments is not None:
            begins = np.isin(self.moments.firsts, self.buckets.offsets)
            numbers = np.searchsorted(self.buckets.offsets, self.moments.firsts[begins])
            rows = self.moments.offsets[begins]
        first, end = np.searchsorted(numbers, self.buckets.instants.searchsorted(self.bounds)).tolist()
        if first == end:
            return [(0, 0, 0, 0)]
        found = []
        while first < end:
            last = max(int(np.searchsorted(rows, rows[first] + _STRETCH, side="right")) - 1, first + 1)
            last = min(last, end)
            found.append((int(numbers[first]), int(numbers[last]), int(rows[first]), int(rows[last])))
            first = last
        return found

    def stretch(self, some: tuple[int, int, int, int]) -> Layout:
        """The projection of some buckets, which these rows have."""
        begin, end, *rows = some
        digits = dict[str, Digit | ListDigit]()
        if self.buckets is not None:
            digits[_TIME] = digit_of_buckets(self.buckets, self.moments, begin, end)
        digits.update(self.digits)
        try:
            found = self.source.grouped(digits, (rows[0], rows[1]), self.projection.filters, self.partials, self.cancel)
        except PartialOverflow as error:
            raise overflow_of(self.schema, self.projection.metrics, error.partial) from None
        codes = {
            name: table[found.dimensions[finest]]
            for finest, tables in self.tables.items()
            for name, table in tables.items()
        }
        time = None
        if self.buckets is not None and self.projection.level is not None:
            bucket_of_row = found.dimensions[_TIME]
            time = _index(self.projection.level, self.buckets.instants[begin:end], bucket_of_row, self.schema)
        columns = {partial: column_of(one, output) for partial, (one, output) in found.series.items()}
        names = self.projection.dimensions
        return Layout(found.rows, time, {name: codes[name] for name in names}, columns, order=names)


def _index(level: str, instants: np.ndarray, bucket_of_row: np.ndarray, schema: Schema) -> TimeIndex:
    rows = np.bincount(bucket_of_row, minlength=len(instants))
    # A filter may have left nothing of a bucket.
    filled = rows > 0
    offsets = np.concatenate(([0], np.cumsum(rows[filled]))).astype(np.int64)
    return TimeIndex(instants[filled], offsets, level, schema.zone)
