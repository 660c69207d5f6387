"""Members that came in pieces, put in order once all are there.

Codes are given as members come, and later ones may belong between those before. While facts are ingested nothing hangs
on their codes yet but what will be written anew: so members get the codes of their places, as if all had come at once,
and no report has to be put in order for their sake.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from wolap.engine.columns import Column
from wolap.engine.layout import Dictionaries, Layout
from wolap.engine.members import Members
from wolap.model.aggregate import SETS, Partial
from wolap.model.schema import Schema

__all__ = ["resorted"]


def resorted(dictionaries: Dictionaries, schema: Schema) -> tuple[Dictionaries, Callable[[Layout], Layout]]:
    """Dictionaries of which nothing was forgotten, with members in order, and what brings layouts of facts to their
    codes."""
    ranks = {name: one.ranks for name, one in dictionaries.members.items()}
    moved = {name: own for name, own in ranks.items() if own is not None}
    if not moved:
        return dictionaries, lambda layout: layout
    members = {name: _sorted(one, moved.get(name)) for name, one in dictionaries.members.items()}
    counted = {dimension.column: dimension.name for dimension in schema.dimensions if not dimension.multivalued}
    found = replace(
        dictionaries,
        members=members,
        parents={
            (child, above): _placed(_named(table, moved.get(above)), moved.get(child))
            for (child, above), table in dictionaries.parents.items()
        },
        determined={
            (metric, name): _placed(
                _named(table, moved.get(name)), moved.get(counted.get(schema.metrics[metric].column or "", ""))
            )
            for (metric, name), table in dictionaries.determined.items()
        },
        counts={name: _placed(counts, moved.get(name)) for name, counts in dictionaries.counts.items()},
    )
    return found, lambda layout: _recoded(layout, members, moved, counted)


def _sorted(members: Members, ranks: np.ndarray | None) -> Members:
    if ranks is None:
        return members
    order = np.argsort(ranks)
    null = None if members.null_code is None else int(ranks[members.null_code])
    return replace(members, values=members.values.take(pa.array(order)), null_code=null)


def _named(table: np.ndarray, ranks: np.ndarray | None) -> np.ndarray:
    """The entries of a table, which are codes, as places; -1 stays."""
    if ranks is None:
        return table
    named = np.where(table < 0, -1, ranks[table]) if table.dtype.kind == "i" else ranks[table]
    return named.astype(np.int32 if table.dtype.kind == "i" else ranks.dtype)


def _placed(table: np.ndarray, ranks: np.ndarray | None) -> np.ndarray:
    """A table by codes as one by places. Members that came behind its end have no entries."""
    if ranks is None:
        return table
    found = np.zeros(len(ranks), table.dtype) if table.dtype.kind == "u" else np.full(len(ranks), -1, table.dtype)
    found[ranks[: len(table)]] = table
    return found


def _recoded(
    layout: Layout, members: Mapping[str, Members], moved: Mapping[str, np.ndarray], counted: Mapping[str, str]
) -> Layout:
    """A layout of facts with places for codes. What shares a column shares it still."""
    codes = {
        name: moved[name].astype(members[name].codes_type)[own] if name in moved else own
        for name, own in layout.codes.items()
    }
    lists = {name: _in_order(column, moved[name]) if name in moved else column for name, column in layout.lists.items()}
    known: dict[int, Column] = {}
    columns: dict[Partial, Column] = {}
    for partial, column in layout.columns.items():
        name = counted.get(partial.column or "", "") if partial.function in {*SETS, "set"} else ""
        if name in moved and id(column) not in known:
            known[id(column)] = _items(column, moved[name], members[name])
        columns[partial] = known.get(id(column), column)
    return replace(layout, codes=codes, columns=columns, lists=lists)


def _items(column: Column, ranks: np.ndarray, members: Members) -> Column:
    """What is counted of a dimension: null, which is last now, is none, as is what was none."""
    assert column.values is not None
    bound = members.cardinality if members.null_code is None else members.null_code
    table = np.append(ranks, ranks.dtype.type(0)).astype(np.min_scalar_type(bound))
    places = np.minimum(column.values, len(ranks))
    values = np.where(column.values < (column.members or 0), table[places], table.dtype.type(bound))
    return replace(column, values=np.minimum(values, table.dtype.type(bound)), members=bound)


def _in_order(column: Column, ranks: np.ndarray) -> Column:
    """The members of each fact by places, in rising order again."""
    assert column.values is not None
    assert column.offsets is not None
    places = ranks[column.values]
    rows = np.repeat(np.arange(len(column.offsets) - 1), np.diff(column.offsets))
    return replace(column, values=places[np.lexsort((places, rows))], members=len(ranks))
