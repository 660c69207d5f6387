"""Multi-valued dimensions without lists: a row for each pair that a query counts, in polars alone."""

from __future__ import annotations

import polars as pl

from wolap.model.query import Query
from wolap.model.schema import Schema

__all__ = ["one_by_one"]


def one_by_one(schema: Schema, facts: pl.DataFrame, query: Query) -> pl.DataFrame:
    """Each fact with each member that passes the filters, once in each group of the query. What stands in the columns
    that make no groups is one of those members."""
    frame, keys = facts.with_row_index("@fact"), ["@fact"]
    for dimension in schema.dimensions:
        if not dimension.multivalued:
            continue
        # No list, and one without a member, become a row with null.
        column = pl.col(dimension.column)
        frame = frame.with_columns(pl.when(column.list.len() > 0).then(column)).explode(dimension.column)
        if frame[dimension.column].dtype.is_float():
            frame = frame.with_columns(pl.col(dimension.column).fill_nan(None) + 0.0)
        for one in query.filters:
            if one.dimension == dimension.name:
                kept = [(value in one.values) != one.exclude for value in frame[dimension.column]]
                frame = frame.filter(pl.Series(kept, dtype=pl.Boolean))
        keys += [dimension.column] if dimension.name in query.group else []
    return frame.unique(keys, keep="any", maintain_order=True).drop("@fact")
