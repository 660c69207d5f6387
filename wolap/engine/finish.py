"""From merged partials to the numbers of metrics: once, at the very end (`aggregate.py` says which finish is whose)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from wolap.engine.arithmetic import FLOAT, MetricColumn, Unfit, as_floats, evaluate, quotient, unit_of
from wolap.engine.columns import is_clock
from wolap.engine.groups import Series
from wolap.engine.histogram import quantiles
from wolap.engine.sketch import estimates
from wolap.errors import MetricOverflow, quote
from wolap.model.aggregate import AGGREGATES, Metric, Partial
from wolap.model.expression import read_expression
from wolap.model.schema import Schema

__all__ = ["MetricColumn", "as_floats", "finish_metrics", "unfit_metrics"]

# The probability of a median.
_MIDDLE = 0.5

Merged = Mapping[Partial, tuple[Series, pa.DataType]]


def finish_metrics(schema: Schema, metrics: tuple[str, ...], merged: Merged) -> list[MetricColumn]:
    """The metrics in the order that was asked for; what is no finite number is null (W31)."""
    finished = _Finished(schema, merged)
    return [_whole_duration(finished.of(name)) for name in metrics]


def unfit_metrics(schema: Schema, types: Mapping[Partial, pa.DataType]) -> dict[str, Unfit]:
    """Metrics whose operands do not go together by what they are, and why: they are finished of no rows."""
    floats = pa.types.is_floating
    nothing = {
        partial: (Series(np.zeros(0, np.float64 if floats(kept) else np.int64)), kept)
        for partial, kept in types.items()
    }
    finished, found = _Finished(schema, nothing), dict[str, Unfit]()
    for name in schema.metrics:
        try:
            finished.of(name)
        except Unfit as error:
            found[name] = error
        except MetricOverflow:
            # Of no rows only the numbers in an expression are there to be too large.
            found[name] = Unfit("its own numbers do not fit 64 bits together", "smaller ones, or one with a point")
    return found


@dataclass(frozen=True, slots=True)
class _Finished:
    """Metrics of one set of partials, each finished once, however many are derived from it."""

    schema: Schema
    merged: Merged
    done: dict[str, MetricColumn] = field(default_factory=dict)

    def of(self, name: str) -> MetricColumn:
        found = self.done.get(name)
        if found is None:
            metric = self.schema.metrics[name]
            found = self.done[name] = FINISHES[AGGREGATES[metric.function].finish](self, name, metric)
        return found

    def same(self, name: str, metric: Metric) -> MetricColumn:
        return _plain(name, *self.merged[self.schema.partials(name)[0]])

    def estimate(self, name: str, metric: Metric) -> MetricColumn:
        """Rounded to a whole number, as what it estimates is one."""
        series, output = self.merged[self.schema.partials(name)[0]]
        found = series.values if series.items is None else np.rint(estimates(series.items)).astype(np.int64)
        return MetricColumn(name, found, None, output)

    def quantile(self, name: str, metric: Metric) -> MetricColumn:
        series, output = self.merged[self.schema.partials(name)[0]]
        if series.items is not None:
            series = quantiles(series.items, _MIDDLE if metric.probability is None else metric.probability)
        return _plain(name, series, output)

    def quotient(self, name: str, metric: Metric) -> MetricColumn:
        if not metric.operands:
            above, below = (_plain(name, *self.merged[partial]) for partial in self.schema.partials(name)[:2])
            return quotient(name, above, below)
        above, below = (self.of(operand) for operand in metric.operands)
        for operand in (above, below):
            if is_clock(operand.type):
                raise Unfit(f"{quote(operand.name)} is a {operand.type}")
        return quotient(name, above, below)

    def variance(self, name: str, metric: Metric) -> MetricColumn:
        """In the square of the unit; of no group with too few values."""
        squares, sums, counts = (self.merged[partial] for partial in self.schema.partials(name))
        unit = unit_of(sums[1])
        return self._per_degree(name, metric, squares[0].values / (unit * unit), counts[0].values, FLOAT)

    def standard_deviation(self, name: str, metric: Metric) -> MetricColumn:
        squares, sums, counts = (self.merged[partial] for partial in self.schema.partials(name))
        stays = pa.types.is_duration(sums[1])
        found = self._per_degree(name, metric, squares[0].values, counts[0].values, sums[1] if stays else FLOAT)
        return replace(found, values=np.sqrt(found.values) / (1.0 if stays else unit_of(sums[1])))

    @staticmethod
    def _per_degree(
        name: str, metric: Metric, squares: np.ndarray, counts: np.ndarray, output: pa.DataType
    ) -> MetricColumn:
        """Squared deviations per degree of freedom, of which a sample has one less than values."""
        degrees = counts if metric.population else counts - 1
        valid = (degrees > 0) & np.isfinite(squares)
        values = np.where(valid, squares, 0.0) / np.where(valid, degrees, 1)
        return MetricColumn(name, values, None if valid.all() else valid, output)

    def expression(self, name: str, metric: Metric) -> MetricColumn:
        operands = {operand: self.of(operand) for operand in metric.operands}
        return replace(evaluate(name, read_expression(metric.expression), operands), name=name)


# What a metric is, of its partials or of its operands.
FINISHES: dict[str, Callable[[_Finished, str, Metric], MetricColumn]] = {
    "same": _Finished.same,
    "estimate": _Finished.estimate,
    "quantile": _Finished.quantile,
    "quotient": _Finished.quotient,
    "expression": _Finished.expression,
    "variance": _Finished.variance,
    "standard_deviation": _Finished.standard_deviation,
}


def _plain(name: str, series: Series, output: pa.DataType) -> MetricColumn:
    valid = series.valid
    if series.values.dtype.kind == "f":
        finite = np.isfinite(series.values)
        if not finite.all():
            valid = finite if valid is None else valid & finite
    return MetricColumn(name, series.values, valid, output)


def _whole_duration(column: MetricColumn) -> MetricColumn:
    """A duration in whole units, as it is shown; until then it may be a fraction, which others are finished from."""
    if column.values.dtype.kind != "f" or not pa.types.is_duration(column.type):
        return column
    if (np.abs(column.values) >= 2.0**63).any():
        raise MetricOverflow(f"{column.name} does not fit a 64-bit duration in some group; ask for finer groups")
    return replace(column, values=np.rint(column.values).astype(np.int64), unrounded=column.values)
