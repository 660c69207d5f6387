"""One metric as an expression of polars, by what it means: no partials, nothing merged."""

from __future__ import annotations

import polars as pl

from wolap.model.member import read_member
from wolap.model.schema import Schema

__all__ = ["counts", "expression"]


def counts(schema: Schema, frame: pl.DataFrame, name: str) -> pl.Series:
    """Which rows a metric's filters leave, by looking each member up."""
    kept = pl.Series([True] * len(frame), dtype=pl.Boolean)
    for one in schema.metrics[name].filters:
        kind = schema.dimension(one.dimension).kind
        members = {value if value is None else read_member(kind, value) for value in one.values}
        kept &= pl.Series([(value in members) != one.exclude for value in frame[one.dimension]], dtype=pl.Boolean)
    return kept


def expression(schema: Schema, types: pl.Schema, name: str) -> pl.Expr:
    """The aggregation over columns `input#` and `metric?`."""
    metric = schema.metrics[name]
    if metric.function == "ratio":
        above, below = (expression(schema, types, operand).cast(pl.Float64) for operand in metric.operands)
        return pl.when(below != 0).then(above / below)
    if metric.function == "derived":
        names = {operand: expression(schema, types, operand) for operand in metric.operands}
        # The texts of the strategies mean the same in Python.
        found = eval(metric.expression, {}, names)
        return pl.when(found.cast(pl.Float64).is_finite()).then(found)
    kept = pl.col(f"{name}?")
    if metric.weight is not None:
        # Floats are multiples of small powers of two; of decimals the digits are taken as a whole number.
        both = kept & pl.col(f"{metric.column}#").is_not_null() & pl.col(f"{metric.weight}#").is_not_null()
        x, weight = (
            _digits(pl.col(f"{side}#").filter(both), types[f"{side}#"]) for side in (metric.column, metric.weight)
        )
        found = (x * weight).sum().cast(pl.Float64) / weight.sum().cast(pl.Float64)
        return pl.when(weight.sum() != 0).then(found / 10 ** _scale(types[f"{metric.column}#"]))
    if metric.column is None:
        return kept.sum().cast(pl.Int128)
    dtype = types[f"{metric.column}#"]
    column = pl.col(f"{metric.column}#").filter(kept)
    column = column.cast(pl.Int128) if dtype == pl.Boolean or dtype.is_integer() else column
    if metric.function in {"first", "last"}:
        at = pl.col("@").filter(kept).filter(column.is_not_null())
        end = at.min() if metric.function == "first" else at.max()
        return pl.when(column.count() > 0).then(column.drop_nulls().filter(at == end).sum())
    if metric.function in {"variance", "standard_deviation"}:
        x, scale = _digits(column, dtype).cast(pl.Float64), _scale(dtype)
        least = 0 if metric.population else 1
        deviation = (x.var if metric.function == "variance" else x.std)(ddof=least)
        # Of some groups without a value polars says 0.0.
        found = pl.when(column.count() > least).then(deviation)
        if dtype != pl.Duration:
            return found / 10 ** (scale * (2 if metric.function == "variance" else 1))
        per_second = {"ms": 1e3, "us": 1e6, "ns": 1e9}[dtype.time_unit]
        return (
            found / per_second**2
            if metric.function == "variance"
            else found.round(9).round(mode="half_to_even").cast(pl.Int64).cast(dtype)
        )
    if metric.function in {"quantile", "median"}:
        probability = 0.5 if metric.probability is None else metric.probability
        if dtype == pl.Duration:
            return column.cast(pl.Int64).quantile(probability, "lower").cast(pl.Int64).cast(dtype)
        return column.cast(pl.Float64).quantile(probability, "lower")
    total = pl.when(column.count() > 0).then(column.sum())
    if metric.function == "mean" and dtype == pl.Duration:
        return (total.cast(pl.Int64) / column.count()).round(mode="half_to_even").cast(pl.Int64).cast(dtype)
    found = {"count": column.count().cast(pl.Int128), "sum": total, "min": column.min(), "max": column.max()}
    found |= {
        "mean": total.cast(pl.Float64) / column.count(),
        "distinct": column.drop_nulls().n_unique().cast(pl.Int64),
    }
    # A few values take a register each.
    found["approximate_distinct"] = found["distinct"]
    return found[metric.function]


def _scale(dtype: pl.DataType) -> int:
    return dtype.scale if dtype.is_decimal() else 0


def _digits(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Floats as they are, all else as whole numbers: of a decimal its digits, which add up without rounding."""
    if dtype.is_float():
        return column
    return (column * 10 ** _scale(dtype) if dtype.is_decimal() else column).cast(pl.Int64)
