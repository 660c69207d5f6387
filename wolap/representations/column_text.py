"""Columns as texts: one text of a member and of a number, the same in every format (W30, W31)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from wolap.engine.columns import from_int64
from wolap.engine.execute import DimensionColumn
from wolap.engine.finish import MetricColumn
from wolap.engine.members import kind_of
from wolap.model.member import KINDS

__all__ = ["is_number", "member_texts", "metric_texts"]


def member_texts(column: DimensionColumn) -> list[str]:
    """The text of each value of a dimension; of time, plain numbers."""
    codes = column.codes.tolist()
    if column.members is None:
        return list(map(str, codes))
    return list(map(column.members.texts.__getitem__, codes))


def metric_texts(column: MetricColumn, missing: str) -> list[str]:
    """The text of each number; `missing` where there is none."""
    if column.values.dtype.kind == "f" or pa.types.is_integer(column.type):
        texts = _plain_texts(column.values)
    else:
        texts = _typed_texts(column)
    if column.valid is not None:
        for row in np.flatnonzero(~column.valid).tolist():
            texts[row] = missing
    return texts


def _plain_texts(values: np.ndarray) -> list[str]:
    """Whole numbers and floats. Small counts are most of what reports hold, and come from a table."""
    if not len(values):
        return []
    if values.dtype.kind == "i" and values.min() >= 0 and values.max() < len(_SMALL):
        return list(map(_SMALL.__getitem__, values.tolist()))
    # One call for all texts takes half as long as one for each.
    return repr(values.tolist())[1:-1].split(", ")


_SMALL = tuple(map(str, range(10_000)))


def _typed_texts(column: MetricColumn) -> list[str]:
    """Decimals with all their digits, dates and times in ISO 8601, durations in seconds."""
    kind = kind_of(column.type)
    assert kind is not None
    values = from_int64(column.values, None, column.type)
    if kind == "decimal":
        return [format(value, "f") for value in values.to_pylist()]
    if kind in ("timestamp", "duration"):
        to_microseconds = pa.timestamp("us") if kind == "timestamp" else pa.duration("us")
        values = _floor_to_microseconds(values).cast(to_microseconds)
    return list(map(KINDS[kind][3], values.to_pylist()))


def _floor_to_microseconds(values: pa.Array) -> pa.Array:
    """Counts of microseconds; what is finer than Python's own clock is not shown."""
    times, divide = {"s": (1_000_000, 1), "ms": (1_000, 1), "us": (1, 1), "ns": (1, 1_000)}[values.type.unit]
    counts = values.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return pa.array(counts // divide * times)


def is_number(column: MetricColumn) -> bool:
    """Whether the text of a metric is that of a number."""
    return not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type))
