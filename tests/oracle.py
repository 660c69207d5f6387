"""An answer in another library: polars alone, with its own time zones, and none of the engine's code."""

from __future__ import annotations

from typing import Any

import polars as pl

from wolap.model.query import Query
from wolap.model.schema import Schema

Records = list[dict[str, Any]]


def oracle(schema: Schema, facts: pl.DataFrame, query: Query, metrics: tuple[str, ...]) -> Records:
    """The records of a query whose dates carry an offset and whose filters hold members, by filter and group_by."""
    inputs = {metric.column for metric in schema.metrics.values() if metric.column}
    columns = {f"{column}#": _plain(facts[column]) for column in inputs}
    columns |= {dimension.name: _plain(facts[dimension.column]) for dimension in schema.dimensions}
    counted = pl.Series([True] * len(facts), dtype=pl.Boolean)
    if schema.time is not None:
        instant = _plain(facts[schema.time.column]).dt.replace_time_zone("UTC")
        local = instant.dt.convert_time_zone({"-08:00": "Etc/GMT+8"}.get(schema.time.zone, schema.time.zone)).dt
        columns |= {level: getattr(local, level)().cast(pl.Int64) for level in schema.time.levels}
        for bound, keep in ((query.start, "__ge__"), (query.end, "__lt__")):
            if bound is not None:
                counted &= getattr(instant.dt.epoch("us"), keep)(bound.microseconds - bound.offset)
    for one in query.filters:
        kept = [(value in one.values) != one.exclude for value in columns[one.dimension]]
        counted &= pl.Series(kept, dtype=pl.Boolean)
    frame = pl.DataFrame(columns).filter(counted)
    found = [_aggregate(schema, frame.schema, name).alias(name) for name in metrics]
    grouped = frame.group_by(query.group).agg(found).sort(query.group, nulls_last=True) if query.group else None
    return (frame.select(found) if grouped is None else grouped).to_dicts()[: query.limit]


def _plain(column: pl.Series) -> pl.Series:
    """Clocks on that of UTC; one zero; what is not a number is no value."""
    if column.dtype.is_float():
        return column.fill_nan(None) + 0.0
    if getattr(column.dtype, "time_zone", None):
        return column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return column


def _aggregate(schema: Schema, types: pl.Schema, name: str) -> pl.Expr:
    metric = schema.metrics[name]
    if metric.function == "ratio":
        above, below = (_aggregate(schema, types, operand).cast(pl.Float64) for operand in metric.operands)
        return pl.when(below != 0).then(above / below)
    if metric.column is None:
        return pl.len()
    column, dtype = pl.col(f"{metric.column}#"), types[f"{metric.column}#"]
    column = column.cast(pl.Int128) if dtype == pl.Boolean or dtype.is_integer() else column
    total = pl.when(column.count() > 0).then(column.sum())
    if metric.function == "mean" and dtype == pl.Duration:
        return (total.cast(pl.Int64) / column.count()).round(mode="half_to_even").cast(pl.Int64).cast(dtype)
    found = {"count": column.count(), "sum": total, "min": column.min(), "max": column.max()}
    found |= {"mean": total.cast(pl.Float64) / column.count(), "distinct": column.drop_nulls().n_unique()}
    return found[metric.function]
