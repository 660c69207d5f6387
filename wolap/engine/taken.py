"""Reports at the very grain of what is stored: each row that is kept is a group, and is taken as it is.

So it is where a report names all dimensions of a projection, or filters those that it does not name to one member, and
goes by its own level of time. Rows lie in the order of time and then of dimensions, so where the report names them in
that order its groups are in order too. Nothing is added up: no keys, no tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wolap.engine.columns import Column, stored_rows, widened
from wolap.engine.explode import ListDigit
from wolap.engine.groups import Partials, Series
from wolap.engine.keys import CodeDigit, Digit
from wolap.engine.layout import Layout
from wolap.engine.scan import Scan
from wolap.model.aggregate import JOINT, Partial
from wolap.model.query import Query

__all__ = ["take_rows", "tell_groups"]

_BLOCK = 1 << 18


def tell_groups(layout: Layout, query: Query, levels: tuple[str, ...], partials: Sequence[Partial]) -> bool:
    """Whether each row of a layout is a group of a report by these levels of time, and in its order."""
    if not query.group or not layout.are_groups or (layout.time is None) != (not levels):
        return False
    columns = (layout.columns[partial] for partial in partials)
    if any(column.members is not None or column.values is None for column in columns):
        return False
    if any(partial.function in JOINT for partial in partials):
        return False
    pinned = {one.dimension for one in query.filters if not one.exclude and len(one.values) == 1}
    left = tuple(name for name in layout.order if name not in pinned)
    if left != tuple(name for name in query.group if name not in levels and name not in pinned):
        return False
    if any(name not in layout.codes for name in query.group if name not in levels):
        return False
    return layout.time is None or _rises(layout, query.group, levels, pinned)


def _rises(layout: Layout, group: tuple[str, ...], levels: tuple[str, ...], pinned: set[str]) -> bool:
    """Whether time leads the report, and tells each bucket from those before it."""
    assert layout.time is not None
    leading = next(name for name in group if name not in pinned)
    codes = layout.time.groups(levels).codes
    return leading in levels and len(codes) == len(layout.time.instants) and bool((codes[1:] > codes[:-1]).all())


def take_rows(scan: Scan, digits: Mapping[str, Digit | ListDigit], columns: Mapping[Partial, Column]) -> Partials:
    """The rows of a scan as groups, by digits, whose codes come by their names. Raises Cancelled when told to stop."""
    codes: dict[str, list[np.ndarray]] = {name: [] for name in digits}
    values: dict[Partial, list[np.ndarray]] = {partial: [] for partial in columns}
    valids: dict[Partial, list[np.ndarray]] = {partial: [] for partial, one in columns.items() if one.valid is not None}
    count = 0
    for start, stop, chosen in scan.blocks(_BLOCK):
        count += stop - start if chosen is None else len(chosen)
        for name, digit in digits.items():
            assert not isinstance(digit, ListDigit)
            codes[name].append(digit.codes(start, stop, chosen))
        for partial, column in columns.items():
            for kept, whole in ((values, column.values), (valids, column.valid)):
                if (part := stored_rows(whole, start, stop, chosen)) is not None:
                    kept[partial].append(part)
    dimensions = {}
    for name, digit in digits.items():
        kind = digit.column.dtype if isinstance(digit, CodeDigit) else np.dtype(np.intp)
        dimensions[name] = np.concatenate([np.zeros(0, kind), *codes[name]]).astype(kind, copy=False)
    series = {}
    for partial, column in columns.items():
        assert column.values is not None
        numbers = widened(np.concatenate([column.values[:0], *values[partial]]))
        valid = np.concatenate(valids[partial]) if valids.get(partial) else None
        series[partial] = Series(numbers, valid), column.type
    return Partials(dimensions, series, count)
