"""A column of facts as codes: its members, and for each row the code of its own.

How the data came (chunks, dictionaries that differ, entries nobody uses) leaves no trace in either. Facts that come
later are held against the members that are known: these keep their codes, others get the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wolap.engine.members import Codes, Members, smallest
from wolap.errors import Problem, SchemaError, quote
from wolap.model.member import member_text, read_member
from wolap.model.schema import Dimension

__all__ = ["Distinct", "canonical_values", "distinct_of", "encode", "fitted", "kind_of", "rows_text"]

_SHOWN_ROWS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Distinct:
    """The different values of a column, sorted and without null, and for each row the place of its own; null has the
    place behind the last."""

    kind: str
    values: pa.Array
    places: Codes

    @property
    def has_null(self) -> bool:
        """Whether some row has no value."""
        return bool(len(self.places)) and int(self.places.max()) == len(self.values)


def kind_of(column_type: pa.DataType) -> str | None:
    """The kind of dimension that a column of this type makes; None where it makes none."""
    types = pa.types
    if types.is_dictionary(column_type):
        return kind_of(column_type.value_type)
    for test, kind in (
        (types.is_string, "text"),
        (types.is_large_string, "text"),
        (types.is_string_view, "text"),
        (types.is_null, "text"),
        (types.is_integer, "integer"),
        (types.is_floating, "float"),
        (types.is_decimal, "decimal"),
        (types.is_boolean, "boolean"),
        (types.is_date, "date"),
        (types.is_timestamp, "timestamp"),
        (types.is_duration, "duration"),
    ):
        if test(column_type):
            return kind
    return None


def canonical_values(values: pa.ChunkedArray, kind: str) -> pa.ChunkedArray:
    """The same values in the one Arrow type that their kind is kept in. Raises pa.ArrowInvalid where one does not
    fit."""
    kept = values.type
    if kind == "text":
        return values.cast(pa.large_string())
    if kind == "integer":
        return values.cast(pa.uint64() if pa.types.is_uint64(kept) else pa.int64())
    if kind == "float":
        # Adding 0 makes one number of both zeros; what is no finite number is no member.
        floats = pc.add(values.cast(pa.float64()), pa.scalar(0.0))
        return pc.if_else(pc.is_finite(floats), floats, pa.scalar(None, pa.float64()))
    if kind == "date":
        return values.cast(pa.date32())
    if kind == "timestamp":
        return values.cast(pa.timestamp("us", kept.tz)).cast(pa.int64()).cast(pa.timestamp("us"))
    if kind == "duration":
        return values.cast(pa.duration("us"))
    if kind == "decimal" and kept.bit_width < 128:
        return values.cast(pa.decimal128(kept.precision, kept.scale))
    return values


def distinct_of(column: pa.ChunkedArray, name: str, place: str) -> Distinct:
    """The different values of the column `name`. Raises SchemaError where its type makes no dimension."""
    kind = kind_of(column.type)
    if kind is None:
        possible = "text, numbers, decimals, booleans, dates, timestamps, durations, dictionaries of them"
        found = f"column {quote(name)} has type {column.type}"
        raise SchemaError([Problem(place, found, f"a dimension can be {possible}; multi-valued lists of them")])
    try:
        values, places = _sorted_values(column, kind)
        # Sorted: where the ends are dates that Python has, all are.
        for end in (values[:1], values[-1:]):
            end.to_pylist()
    except (pa.ArrowInvalid, ValueError, OverflowError) as error:
        raise SchemaError([Problem(place, f"column {quote(name)}: {error}")]) from None
    return Distinct(kind, values, places)


def fitted(found: Distinct, known: pa.Array, name: str, place: str) -> pa.Array:
    """The values that were found in the column `name` in the type of those that are known. No value has any type.

    Raises SchemaError where they are of another kind, or one does not fit.
    """
    kind = kind_of(known.type)
    if not len(found.values):
        return pa.array([], known.type)
    if found.kind == kind:
        try:
            return found.values.cast(known.type)
        except pa.ArrowInvalid as error:
            text = f"column {quote(name)} has values that do not fit {known.type}, which those before have: {error}"
            raise SchemaError([Problem(place, text, "values of the type of those before")]) from None
    text = f"column {quote(name)} has the kind {found.kind}, and those before have {kind}"
    raise SchemaError([Problem(place, text, "one kind in all facts")])


def encode(
    column: pa.ChunkedArray,
    dimension: Dimension,
    known: Members | None = None,
    row_of: Callable[[np.ndarray], np.ndarray] = lambda places: places,
) -> tuple[Members, Codes]:
    """The members of a column, behind those that are `known`, and the code of each row, in the smallest unsigned type
    that holds them. `row_of` tells the rows of values at some places of the column, where that is not the same.

    Raises SchemaError where the column's type makes no dimension, or another kind of it than is known, or where null
    and its own label are both there.
    """
    place = f"dimensions.{dimension.name}"
    found = distinct_of(column, dimension.column, place)
    if known is None:
        values, null_code = found.values, None
        if found.has_null:
            values, null_code = pa.concat_arrays([values, pa.nulls(1, values.type)]), len(values)
        members = Members(found.kind, values, null_code, dimension.null, dimension.empty)
        codes = found.places
    else:
        values = fitted(found, known.values, dimension.column, place)
        members, table = known.extended(values, with_null=found.has_null)
        codes = table.astype(members.codes_type)[found.places]
    if members is not known:
        before = 0 if known is None else known.cardinality
        _check_labels(members, dimension, lambda code: row_of(np.flatnonzero(codes == code)), before)
    return members, codes


def _sorted_values(column: pa.ChunkedArray, kind: str) -> tuple[pa.Array, Codes]:
    """The sorted distinct values that are in use and for each row its rank; null has the rank behind the last."""
    if pa.types.is_null(column.type):
        return pa.array([], pa.large_string()), np.zeros(len(column), np.uint8)
    if pa.types.is_dictionary(column.type):
        values, codes = _distinct_of_dictionaries(column, kind)
    else:
        values, codes = _sorted_distinct(canonical_values(column, kind))
    return values, codes.astype(smallest(len(values) + 1))


def _sorted_distinct(values: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray]:
    if not len(values):
        return pa.array([], values.type), np.zeros(0, np.int64)
    encoded = values.dictionary_encode().unify_dictionaries().combine_chunks()
    order = pc.sort_indices(encoded.dictionary)
    rank = np.empty(len(order) + 1, np.int64)
    rank[order.to_numpy(zero_copy_only=False)] = np.arange(len(order))
    rank[-1] = len(order)
    slots = encoded.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    return encoded.dictionary.take(order), rank[slots]


def _distinct_of_dictionaries(column: pa.ChunkedArray, kind: str) -> tuple[pa.Array, np.ndarray]:
    """Only dictionary entries are compared; rows are renumbered. Entries that no row uses are no members."""
    chunks = column.chunks
    entries = pa.chunked_array([chunk.dictionary for chunk in chunks], type=column.type.value_type)
    values, rank = _sorted_distinct(canonical_values(entries, kind))
    null, first = len(values), 0
    rows = []
    for chunk in chunks:
        # Index -1, a null, reads the entry behind this dictionary's own.
        own = np.append(rank[first : first + len(chunk.dictionary)], null)
        first += len(chunk.dictionary)
        indices = chunk.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
        rows.append(own[indices])
    codes = np.concatenate(rows) if rows else np.zeros(0, np.int64)
    used = np.zeros(null + 1, bool)
    used[codes] = True
    if used[:null].all():
        return values, codes
    kept = np.flatnonzero(used[:null])
    renumbered = np.full(null + 1, len(kept), np.int64)
    renumbered[kept] = np.arange(len(kept))
    return values.take(pa.array(kept)), renumbered[codes]


def _check_labels(members: Members, dimension: Dimension, rows_of: Callable[[int], np.ndarray], before: int) -> None:
    """W30: null, or the empty string, and a real member of the same text cannot be told apart. `rows_of` has the rows
    with a code; those below `before` were there."""
    place, column = f"dimensions.{dimension.name}", f"column {quote(dimension.column)}"
    problems = []
    read = read_member(members.kind, dimension.null)
    if not isinstance(read, str) and member_text(members.kind, read) != dimension.null:
        found = f"the label {quote(dimension.null)} of null is also a spelling of {member_text(members.kind, read)}"
        problems.append(Problem(place, found, "a label that is no member in another spelling"))
    found = f"{column} holds null and also the value {quote(dimension.null)}"
    pairs = [(members.find(None), members.find(read), found, 'another label: null = "…"')]
    if members.kind == "text":
        found = f"{column} holds the empty string and also {quote(dimension.empty)}"
        pairs.append((members.find(""), members.find(dimension.empty), found, 'another label: empty = "…"'))
    for meant, labelled, found, possible in pairs:
        if meant >= 0 and labelled >= 0:
            # Of the two the label is the fault, unless it was there before.
            rows = rows_of(labelled if labelled >= before else meant)
            problems.append(Problem(place, f"{found} {rows_text(rows)}", possible))
    if problems:
        raise SchemaError(problems)


def rows_text(rows: np.ndarray) -> str:
    """Rows of the facts that were given, for an error text: the first of them, and how many more there are."""
    shown = ", ".join(f"{row:,}" for row in rows[:_SHOWN_ROWS].tolist())
    rest = f" and {len(rows) - _SHOWN_ROWS:,} more" if len(rows) > _SHOWN_ROWS else ""
    return f"in row{'s' if len(rows) > 1 else ''} {shown}{rest} (the first is 0)"
