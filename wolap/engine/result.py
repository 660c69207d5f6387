"""The answer to a query: the columns of a report with their plan, as an Arrow table only where somebody wants one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from wolap.engine.columns import from_int64
from wolap.engine.execute import DimensionColumn, Report
from wolap.engine.finish import MetricColumn
from wolap.model.interval import Interval
from wolap.planner.plan import Plan

__all__ = ["Result", "decoded"]


@dataclass(frozen=True, eq=False)
class Result:
    """The answer to a query: an Arrow table with its plan. `total` is the number of records without a limit."""

    plan: Plan
    report: Report

    @property
    def interval(self) -> Interval:
        """The instants that were counted."""
        return self.plan.interval

    @property
    def refreshed(self) -> datetime | None:
        """When the oldest data that it came from was made; None where that is not known."""
        return self.plan.refreshed

    @property
    def total(self) -> int:
        """The records that there are, of which the limit has shown some."""
        return self.report.total

    def __len__(self) -> int:
        return self.report.rows

    @cached_property
    def table(self) -> pa.Table:
        """Dimensions, then metrics; null for the null member and for a metric without value.

        Members that are texts come as dictionaries of 32-bit indices and large strings, whose order is that of the
        members. Of up to 65,536 members a dictionary has all, of more those that occur where they are fewer.
        """
        columns = {column.name: decoded(column) for column in self.report.dimensions}
        columns.update((column.name, _numbers(column)) for column in self.report.metrics)
        return pa.table(columns)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)

    def record(self, number: int) -> dict[str, Any]:
        """One record, counted from 0."""
        (found,) = self.table.slice(number, 1).to_pylist()
        return dict(found)

    def to_polars(self) -> pl.DataFrame:
        """The table as a polars frame, with members that are texts as strings."""
        frame = pl.from_arrow(self.table)
        assert isinstance(frame, pl.DataFrame)
        return frame.with_columns(pl.col(pl.Categorical).cast(pl.String))

    def to_pylist(self) -> list[dict[str, Any]]:
        """The table as a list of records, for small results."""
        records: list[dict[str, Any]] = self.table.to_pylist()
        return records


def decoded(column: DimensionColumn) -> pa.Array:
    """The members of a column of codes; the numbers of one of time."""
    if column.members is None:
        return pa.array(column.codes.astype(np.int32, copy=False))
    return column.members.decode(column.codes)


def _numbers(column: MetricColumn) -> pa.Array:
    if column.values.dtype.kind == "f":
        return pa.array(column.values, mask=None if column.valid is None else ~column.valid)
    return from_int64(column.values, column.valid, column.type)
