"""Are two reports the same? Codes and whole numbers have to be equal, floats nearly: they may have been added up in
another order."""

from __future__ import annotations

import numpy as np

from wolap.engine.execute import Report
from wolap.engine.finish import MetricColumn

__all__ = ["unlike_records"]


def unlike_records(one: Report, other: Report, tolerance: float) -> np.ndarray:
    """The positions of the records that differ, in two reports of one query and as many records.

    Floats may differ by `tolerance` of the larger one.
    """
    found = np.zeros(one.rows, bool)
    for left, right in zip(one.dimensions, other.dimensions, strict=True):
        found |= left.codes != right.codes
    for metric, same in zip(one.metrics, other.metrics, strict=True):
        found |= _unlike(metric, same, tolerance)
    return np.flatnonzero(found)


def _unlike(one: MetricColumn, other: MetricColumn, tolerance: float) -> np.ndarray:
    valid, same = (
        np.ones(len(column.values), bool) if column.valid is None else column.valid for column in (one, other)
    )
    if one.values.dtype.kind == "f":
        larger = np.maximum(np.abs(one.values), np.abs(other.values))
        differ = np.abs(one.values - other.values) > tolerance * larger
    else:
        differ = one.values != other.values
    unlike: np.ndarray = (valid != same) | (valid & same & differ)
    return unlike
