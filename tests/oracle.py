"""An answer in another library: polars alone, with its own time zones, and none of the engine's code."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import polars as pl
from list_oracle import one_by_one
from metric_oracle import counts, expression

from wolap.model.query import Order, Query
from wolap.model.schema import Schema

Records = list[dict[str, Any]]


def oracle(schema: Schema, facts: pl.DataFrame, query: Query, metrics: tuple[str, ...]) -> Records:
    """The records of a query whose dates carry an offset and whose filters hold members, by filter and group_by."""
    if schema.multivalued:
        facts = one_by_one(schema, facts, query)
    inputs = {column for metric in schema.metrics.values() for column in (metric.column, metric.weight) if column}
    columns = {f"{column}#": _plain(facts[column]) for column in inputs}
    columns |= {dimension.name: _plain(facts[dimension.column]) for dimension in schema.dimensions}
    counted = pl.Series([True] * len(facts), dtype=pl.Boolean)
    if schema.time is not None:
        instant = _plain(facts[schema.time.column]).dt.replace_time_zone("UTC")
        local = _on_the_clock(instant, schema.time.zone).dt
        columns |= {"@": instant.dt.epoch("us")}
        columns |= {level: getattr(local, level)().cast(pl.Int64) for level in schema.time.levels}
        for bound, keep in ((query.start, "__ge__"), (query.end, "__lt__")):
            if bound is not None:
                counted &= getattr(instant.dt.epoch("us"), keep)(bound.microseconds - bound.offset)
    for one in query.filters:
        kept = [(value in one.values) != one.exclude for value in columns[one.dimension]]
        counted &= pl.Series(kept, dtype=pl.Boolean)
    frame = pl.DataFrame(columns)
    frame = frame.with_columns(counts(schema, frame, name).alias(f"{name}?") for name in schema.metrics).filter(counted)
    found = [expression(schema, frame.schema, name).alias(name) for name in metrics]
    grouped = frame.group_by(query.group).agg(found).sort(query.group, nulls_last=True) if query.group else None
    return (frame.select(found) if grouped is None else grouped).to_dicts()[: query.limit]


def _on_the_clock(instant: pl.Series, zone: str) -> pl.Series:
    if zone[0] not in "+-":
        return instant.dt.convert_time_zone(zone)
    hours, minutes = (int(zone[0] + part) for part in zone[1:].split(":"))
    return instant + timedelta(hours=hours, minutes=minutes)


def in_order(records: Records, order: Iterable[Order]) -> Records:
    """Stable sorts from the least important name on; what has no value goes last either way."""
    found = list(records)
    for one in reversed(tuple(order)):
        present = [record for record in found if record[one.name] is not None]
        present.sort(key=lambda record: record[one.name], reverse=one.descending)
        # A reversed sort of Python keeps equals in their order.
        found = present + [record for record in found if record[one.name] is None]
    return found


def _plain(column: pl.Series) -> pl.Series:
    """Clocks on that of UTC; one zero; what is not a number is no value."""
    if column.dtype.is_float():
        return column.fill_nan(None) + 0.0
    if getattr(column.dtype, "time_zone", None):
        return column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return column
