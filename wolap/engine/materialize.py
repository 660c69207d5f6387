"""A projection's layout from that of a finer one: rolling up to the grain that will be kept.

It is the same roll-up that answers a query, but keyed by time bucket instead of by calendar parts, so that intervals
can later be cut at every bucket, and a local hour that occurs twice stays two rows. Buckets follow the clock of the
projection; of each the first instant with facts is kept, whose calendar parts the clock of the cube tells.
"""

from __future__ import annotations

from threading import Event

import numpy as np

from wolap.engine.execute import overflow_of
from wolap.engine.explode import ListDigit
from wolap.engine.groups import PartialOverflow
from wolap.engine.keys import Digit
from wolap.engine.layout import Layout, column_of
from wolap.engine.moments import digit_of_buckets
from wolap.engine.source import MemorySource
from wolap.engine.time_index import Buckets, TimeIndex
from wolap.model.projection import Projection
from wolap.model.schema import Schema

__all__ = ["materialize"]

# The digit of time, which no dimension is called.
_TIME = ""


def materialize(projection: Projection, schema: Schema, source: MemorySource, cancel: Event | None = None) -> Layout:
    """The layout of a projection, rolled up from a source whose grain is at least as fine.

    Raises MetricOverflow, naming the metric, where a stored sum would not fit 64 bits, and Cancelled.
    """
    layout = source.layout
    digits: dict[str, Digit | ListDigit] = {}
    buckets: Buckets | None = None
    if projection.level is not None and layout.time is not None:
        digits[_TIME], buckets = digit_of_buckets(layout, projection.level, projection.zone)
    digits.update((name, source.digit_of(name)) for name in projection.dimensions)
    partials = sorted(projection.partials, key=str)
    try:
        found = source.grouped(digits, (0, layout.rows), projection.filters, partials, cancel)
    except PartialOverflow as error:
        raise overflow_of(schema, projection.metrics, error.partial) from None
    time = None
    if buckets is not None and projection.level is not None:
        time = _index(projection.level, buckets, found.dimensions[_TIME], schema)
    members = source.dictionaries.members
    codes = {name: found.dimensions[name].astype(members[name].codes_type) for name in projection.dimensions}
    columns = {partial: column_of(one, output) for partial, (one, output) in found.series.items()}
    return Layout(found.rows, time, codes, columns, order=projection.dimensions)


def _index(level: str, buckets: Buckets, bucket_of_row: np.ndarray, schema: Schema) -> TimeIndex:
    rows = np.bincount(bucket_of_row, minlength=len(buckets.instants))
    # A filter may have left nothing of a bucket.
    filled = rows > 0
    offsets = np.concatenate(([0], np.cumsum(rows[filled]))).astype(np.int64)
    return TimeIndex(buckets.instants[filled], offsets, level, schema.zone)
