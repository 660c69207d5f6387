"""From merged partials to the numbers of metrics: once, at the very end (`aggregate.py` says which finish is whose)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from wolap.engine.groups import Series
from wolap.errors import MetricOverflow
from wolap.model.aggregate import AGGREGATES, Partial
from wolap.model.schema import Schema

__all__ = ["MetricColumn", "as_floats", "finish_metrics"]


@dataclass(frozen=True, slots=True, eq=False)
class MetricColumn:
    """The numbers of one metric, a value for each group; `valid` False where there is none; `type` is what they are."""

    name: str
    values: np.ndarray
    valid: np.ndarray | None
    type: pa.DataType


def finish_metrics(
    schema: Schema, metrics: tuple[str, ...], merged: Mapping[Partial, tuple[Series, pa.DataType]]
) -> list[MetricColumn]:
    """The metrics in the order that was asked for; a quotient that is no finite number is null (W31)."""
    done: dict[str, MetricColumn] = {}

    def finish(name: str) -> MetricColumn:
        if name not in done:
            metric = schema.metrics[name]
            if AGGREGATES[metric.function].finish == "quotient":
                if metric.operands:
                    above, below = (finish(operand) for operand in metric.operands)
                else:
                    above, below = (_plain(name, *merged[partial]) for partial in metric.partials)
                done[name] = _quotient(name, above, below)
            else:
                done[name] = _plain(name, *merged[metric.partials[0]])
        return done[name]

    return [_whole_duration(finish(name)) for name in metrics]


def _plain(name: str, series: Series, output: pa.DataType) -> MetricColumn:
    valid = series.valid
    if series.values.dtype.kind == "f":
        finite = np.isfinite(series.values)
        if not finite.all():
            valid = finite if valid is None else valid & finite
    return MetricColumn(name, series.values, valid, output)


def _quotient(name: str, above: MetricColumn, below: MetricColumn) -> MetricColumn:
    """One column divided by another. A duration by a number stays a duration, in its own unit."""
    stays = pa.types.is_duration(above.type) and not pa.types.is_duration(below.type)
    dividend, divisor = above.values.astype(np.float64) if stays else as_floats(above), as_floats(below)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        values = dividend / divisor
    valid = np.isfinite(values)
    for column in (above, below):
        if column.valid is not None:
            valid &= column.valid
    values[~valid] = 0.0
    return MetricColumn(name, values, None if valid.all() else valid, above.type if stays else pa.float64())


def _whole_duration(column: MetricColumn) -> MetricColumn:
    """A duration in whole units, as it is shown; until then it may be a fraction, which others are finished from."""
    if not pa.types.is_duration(column.type) or column.values.dtype.kind != "f":
        return column
    if (np.abs(column.values) >= 2.0**63).any():
        raise MetricOverflow(f"{column.name} does not fit a 64-bit duration in some group; ask for finer groups")
    return replace(column, values=np.rint(column.values).astype(np.int64))


def as_floats(column: MetricColumn) -> np.ndarray:
    """Decimals as what their digits stand for, durations in seconds."""
    floats = column.values.astype(np.float64)
    if pa.types.is_decimal(column.type) and column.type.scale:
        floats /= 10.0**column.type.scale
    elif pa.types.is_duration(column.type):
        floats /= {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[column.type.unit]
    return floats
