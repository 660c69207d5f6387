"""Partials of several pieces as one (`planner.md` rule 10): equal groups are merged; each instant is in one piece."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from wolap.engine.groups import Groups, Series, merge
from wolap.engine.keys import CodeDigit, pack
from wolap.engine.source import Partials
from wolap.model.aggregate import Partial

__all__ = ["stitch"]


def stitch(parts: Sequence[Partials]) -> Partials:
    """The groups of all parts, which were grouped by the same query, sorted from left to right.

    Parts come in the order of time, so that floats are added up in that order. Raises PartialOverflow.
    """
    if len(parts) == 1:
        return parts[0]
    rows = sum(part.rows for part in parts)
    columns = {name: np.concatenate([part.dimensions[name] for part in parts]) for name in parts[0].dimensions}
    # The years of a calendar and the codes of members are small whole numbers alike.
    digits = [CodeDigit(column, int(column.max(initial=0)) + 1) for column in columns.values()]
    packed = pack(digits, 0, rows)
    keys = packed.build(0, rows, None)
    partials = list(parts[0].series)
    groups, begin = [], 0
    for part in parts:
        series = tuple(part.series[partial][0] for partial in partials)
        groups.append(Groups(keys[begin : begin + part.rows], series))
        begin += part.rows
    merged = merge(groups, partials)
    dimensions = dict(zip(columns, packed.split(merged.keys), strict=True))
    types = {partial: kind for partial, (_, kind) in parts[0].series.items()}
    return Partials(dimensions, _typed(partials, merged.series, types), len(merged.keys))


def _typed(
    partials: Sequence[Partial], series: Sequence[Series], types: dict[Partial, pa.DataType]
) -> dict[Partial, tuple[Series, pa.DataType]]:
    return {partial: (one, types[partial]) for partial, one in zip(partials, series, strict=True)}
