"""From a plan to the columns of its report: partials of each piece, merged, finished, in order, cut.

The limit cuts after the final merge and never before (`planner.md` rule 15), and how many records there were is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from threading import Event

import numpy as np
import pyarrow as pa

from wolap.engine.collection import take
from wolap.engine.columns import COUNT
from wolap.engine.finish import MetricColumn, finish_metrics
from wolap.engine.grouping import Selection
from wolap.engine.groups import PartialOverflow, Partials
from wolap.engine.layout import Dictionaries
from wolap.engine.order import DimensionColumn, record_order
from wolap.engine.sketch import to_images
from wolap.engine.source import Source
from wolap.engine.stitch import stitch
from wolap.errors import MetricOverflow
from wolap.model.aggregate import Partial
from wolap.model.schema import Schema
from wolap.planner.plan import Plan

__all__ = ["DimensionColumn", "Report", "execute", "execute_sketches", "overflow_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """The columns of a report. `rows` are shown; `total` would be without a limit. `selection` tells which groups of a
    kept grouping they are, where they are."""

    dimensions: tuple[DimensionColumn, ...]
    metrics: tuple[MetricColumn, ...]
    rows: int
    total: int
    selection: Selection | None = None

    @property
    def names(self) -> list[str]:
        """The names of all columns: dimensions, then metrics (W46)."""
        return [column.name for column in self.dimensions] + [column.name for column in self.metrics]


def execute(
    plan: Plan,
    schema: Schema,
    sources: Mapping[str, Source],
    dictionaries: Dictionaries,
    cancel: Event | None = None,
) -> Report:
    """Runs a plan on the sources that it names. Raises MetricOverflow, naming the metric, and Cancelled."""
    found = _partials(plan, schema, sources, cancel)
    return _report(plan, schema, found, dictionaries, finish_metrics(schema, plan.metrics, found.series))


def execute_sketches(
    plan: Plan,
    schema: Schema,
    sources: Mapping[str, Source],
    dictionaries: Dictionaries,
    cancel: Event | None = None,
) -> tuple[Report, pa.Array]:
    """Runs a plan for one approximate distinct count: the report, and the image of the sketch of each of its records.

    Raises Cancelled.
    """
    found = _partials(plan, schema, sources, cancel)
    [(series, _)] = found.series.values()
    assert series.items is not None
    place = MetricColumn("", np.arange(found.rows), None, COUNT)
    report = _report(plan, schema, found, dictionaries, [*finish_metrics(schema, plan.metrics, found.series), place])
    *metrics, place = report.metrics
    return replace(report, metrics=tuple(metrics)), to_images(take(series.items, place.values))


def _partials(plan: Plan, schema: Schema, sources: Mapping[str, Source], cancel: Event | None) -> Partials:
    try:
        return stitch([sources[piece.projection].partials(plan.query, piece, cancel) for piece in plan.pieces])
    except PartialOverflow as error:
        raise overflow_of(schema, plan.metrics, error.partial) from None


def _report(
    plan: Plan, schema: Schema, found: Partials, dictionaries: Dictionaries, metrics: list[MetricColumn]
) -> Report:
    """All columns in order, and cut."""
    query = plan.query
    dimensions = [
        DimensionColumn(name, codes, dictionaries.members.get(name)) for name, codes in found.dimensions.items()
    ]
    end = found.rows if query.limit is None else min(query.offset + query.limit, found.rows)
    order = record_order(query, schema.levels, dimensions, metrics, end)
    shown = slice(min(query.offset, end), end)
    selection = found.selection
    if order is not None or shown.stop - shown.start < found.rows:
        rows = shown if order is None else order[shown]
        dimensions = [replace(column, codes=column.codes[rows]) for column in dimensions]
        metrics = [column.at(rows) for column in metrics]
        selection = None if selection is None else selection.at(rows)
    return Report(tuple(dimensions), tuple(metrics), shown.stop - shown.start, found.rows, selection)


def overflow_of(schema: Schema, metrics: tuple[str, ...], partial: Partial) -> MetricOverflow:
    """The error for a sum that does not fit, with the name of the metric that wants it."""
    name = next(name for name in metrics if partial in schema.partials(name))
    return MetricOverflow(f"{name} ({partial}) does not fit a 64-bit integer in some group; ask for finer groups")
