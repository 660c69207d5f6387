"""The order of a report's records: left to right by its dimensions, ascending, null last (W24), or as was asked (W70).

Whatever the direction, what has no value comes last, and equals are in the order of W24.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wolap.engine.finish import MetricColumn
from wolap.engine.keys import CodeDigit, pack
from wolap.engine.members import Members
from wolap.model.query import Query

__all__ = ["DimensionColumn", "record_order"]

# Of so many times as many rows as are shown it pays to find those first.
_FEW = 8


@dataclass(frozen=True, slots=True, eq=False)
class DimensionColumn:
    """The codes of a dimension with its members; of time, where `members` is None, plain numbers."""

    name: str
    codes: np.ndarray
    members: Members | None

    @property
    def places(self) -> np.ndarray:
        """Numbers in the order of W24: places of members, which their codes are but where some came later."""
        ranks = None if self.members is None else self.members.ranks
        return self.codes if ranks is None else ranks[self.codes]


def record_order(
    query: Query,
    levels: frozenset[str],
    dimensions: Sequence[DimensionColumn],
    metrics: Sequence[MetricColumn],
    end: int,
) -> np.ndarray | None:
    """The rows in order, as far as to the `end` that is shown; None where they are in order already.

    Groups come in the order of their keys. That is the order of W24 but where time dimensions stand apart, since all
    of time is one digit of a key, and where members came later than others that are behind them.
    """
    places = [index for index, name in enumerate(query.group) if name in levels]
    is_sorted = not places or places[-1] - places[0] + 1 == len(places)
    for column in dimensions:
        is_sorted = is_sorted and (column.members is None or column.members.ranks is None)
    if is_sorted and not query.order:
        return None
    if not query.order:
        # Long runs of rows are in order already, which a stable sort makes use of.
        return np.argsort(_together(dimensions), kind="stable")
    # The last key of a lexical sort is the first to be compared.
    keys = [] if is_sorted else [_together(dimensions)]
    by_name: dict[str, DimensionColumn | MetricColumn] = {column.name: column for column in dimensions}
    by_name.update((column.name, column) for column in metrics)
    for order in reversed(query.order):
        keys += _keys(by_name[order.name], order.descending)
    rows = _leading(keys[-1], end)
    if rows is None:
        return np.lexsort(keys)
    found: np.ndarray = rows[np.lexsort([key[rows] for key in keys])]
    return found


def _leading(key: np.ndarray, end: int) -> np.ndarray | None:
    """The rows, as they come, whose key is none that comes behind the first `end`; None where that is as good as all.

    They are found in a fraction of the time that sorting takes, which then is of few.
    """
    if not 0 < end * _FEW < len(key):
        return None
    last = np.partition(key, end - 1)[end - 1]
    # What is no number is last, and not below itself.
    rows = np.flatnonzero(~(key > last))
    return rows if len(rows) * 2 < len(key) else None


def _together(dimensions: Sequence[DimensionColumn]) -> np.ndarray:
    """One number for each row, in the order of W24, which is sorted several times as fast as columns are."""
    columns = [column.places for column in dimensions]
    digits = [CodeDigit(column, int(column.max(initial=0)) + 1) for column in columns]
    rows = len(columns[0])
    return pack(digits, 0, rows).build(0, rows, None)


def _keys(column: DimensionColumn | MetricColumn, descending: bool) -> list[np.ndarray]:
    """What to compare, less important first: the values, then whether there is one."""
    if isinstance(column, MetricColumn):
        values, missing = column.values, None if column.valid is None else ~column.valid
    else:
        values = column.places.astype(np.int64)
        null = None if column.members is None else column.members.null_code
        missing = None if null is None else column.codes == null
    if descending:
        # The complement turns whole numbers around without leaving 64 bits, as a minus would.
        values = -values if values.dtype.kind == "f" else ~values
    if missing is None or not missing.any():
        return [values]
    return [np.where(missing, values.dtype.type(0), values), missing]
