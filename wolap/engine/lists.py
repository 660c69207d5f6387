"""A multi-valued dimension in memory: for each fact the codes of its members, in rising order and each once.

It is a Column of collections, `offsets` telling where the members of each fact begin. A fact without any (an empty
list, or null in its place) has the one member null, so that there is no fact without a group, and the facts of all
groups together are all facts.

What is filtered are pairs of fact and member. A report that does not group by the dimension counts a fact once if one
of its members passes all that is said of the dimension: IN and NOT IN are asked of the same member.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wolap.engine.collection import blocks_of, take
from wolap.engine.columns import COUNT, Column
from wolap.engine.encoding import encode, kind_of
from wolap.engine.keys import different
from wolap.engine.members import Codes, Members
from wolap.errors import Problem, SchemaError, quote
from wolap.model.schema import Dimension

__all__ = ["SomeMember", "codes_in", "encode_lists", "is_list", "longest_of", "starts_of"]

# The lists of so many facts that lie together are read as fast as that of one that is fetched.
_SPARSE = 8


@dataclass(frozen=True, slots=True, eq=False)
class SomeMember:
    """Keeps the facts of which some member is marked in `kept`."""

    members: Column
    kept: np.ndarray

    def mask(self, start: int, stop: int, chosen: np.ndarray | None = None) -> np.ndarray:
        """Which facts of a block, or of the chosen ones in it, are kept."""
        if chosen is not None and len(chosen) * _SPARSE <= stop - start:
            return self._marked(take(self.members, chosen + start), 0, len(chosen))
        found = self._marked(self.members, start, stop)
        return found if chosen is None else found[chosen]

    def _marked(self, members: Column, start: int, stop: int) -> np.ndarray:
        codes, starts = codes_in(members), starts_of(members)[start : stop + 1]
        found = np.empty(stop - start, bool)
        for begin, end in blocks_of(starts):
            marked = self.kept[codes[starts[begin] : starts[end]]]
            np.logical_or.reduceat(marked, starts[begin:end] - starts[begin], out=found[begin:end])
        return found


def codes_in(members: Column) -> Codes:
    """The codes of all facts, one fact after the other."""
    assert members.values is not None
    return members.values


def starts_of(members: Column) -> np.ndarray:
    """Where the codes of each fact begin, and the last end."""
    assert members.offsets is not None
    return members.offsets


def longest_of(members: Column) -> int:
    """The most members that a fact has."""
    return int(np.diff(starts_of(members)).max(initial=0))


def is_list(kept: pa.DataType) -> bool:
    """Whether values of a type are lists."""
    return any(
        test(kept)
        for test in (
            pa.types.is_list,
            pa.types.is_large_list,
            pa.types.is_fixed_size_list,
            pa.types.is_list_view,
            pa.types.is_large_list_view,
        )
    )


def encode_lists(column: pa.ChunkedArray, dimension: Dimension, known: Members | None = None) -> tuple[Members, Column]:
    """The members of a column of lists, behind those that are known, and the codes of those of each row.

    Raises SchemaError where the column holds no lists, their values make no dimension, or another kind of it than is
    known, or where null and its own label are both there.
    """
    if not is_list(column.type):
        found = f"column {quote(dimension.column)} has type {column.type}, and {dimension.name} is multi-valued"
        possible = "a column of lists, or multivalued left out"
        raise SchemaError([Problem(f"dimensions.{dimension.name}", found, possible)])
    kept = column.type.value_type
    if kind_of(kept) is None:
        found = f"column {quote(dimension.column)} has type {column.type}"
        possible = "lists of text, numbers, decimals, booleans, dates, timestamps or durations"
        raise SchemaError([Problem(f"dimensions.{dimension.name}", found, possible)])
    length = np.concatenate([np.zeros(0, np.int64), *map(_lengths, column.chunks)])
    parts = [chunk.flatten() for chunk in column.chunks]
    has_empty = not length.all()
    # The null that stands for nothing is encoded with the others, behind the last of them.
    values = pa.chunked_array([*parts, pa.nulls(1, kept)] if has_empty else parts, kept)

    def row_of(places: np.ndarray) -> np.ndarray:
        rows = np.append(np.repeat(np.arange(len(length)), length), np.flatnonzero(length == 0)[:1])
        return np.unique(rows[places])

    members, codes = encode(values, dimension, known, row_of)
    null = codes[-1:] if has_empty else codes[:0]
    return members, _in_order(codes[: len(codes) - has_empty], length, null, members.cardinality)


def _lengths(lists: pa.Array) -> np.ndarray:
    """How long each list is; what is null has none."""
    found = np.asarray(pc.list_value_length(lists).fill_null(0), np.int64)
    return found if lists.null_count == 0 else np.where(np.asarray(lists.is_valid()), found, 0)


def _in_order(codes: Codes, lengths: np.ndarray, null: Codes, cardinality: int) -> Column:
    """The members of each row in rising order, each once; `null` in the rows that have none. Looked at in blocks, so
    that pairs of row and code are few at a time."""
    before = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
    found, counts = [codes[:0]], [np.zeros(0, np.int64)]
    for start, stop in blocks_of(before):
        rows = np.repeat(np.arange(stop - start), lengths[start:stop])
        pairs = rows * cardinality + codes[before[start] : before[stop]]
        empty = np.flatnonzero(lengths[start:stop] == 0)
        if len(empty):
            pairs = np.concatenate((pairs, empty * cardinality + int(null[0])))
        rows, kept = np.divmod(different(pairs), max(cardinality, 1))
        found.append(kept.astype(codes.dtype))
        counts.append(np.bincount(rows, minlength=stop - start))
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(np.concatenate(counts))))
    return Column(np.concatenate(found), None, COUNT, members=cardinality, offsets=offsets)
