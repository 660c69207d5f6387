"""A dimension as codes: small integers in the order of its members.

Members are sorted once, numbers as numbers, text by code point, null last (W24), so that the order of codes is the
order of a report and sorting a result never looks at a member. Facts and every projection of a cube share one set of
members. How the data came (chunks, dictionaries that differ, entries nobody uses) leaves no trace here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wolap.errors import Problem, SchemaError, quote
from wolap.model.member import Member, member_text, read_member
from wolap.model.projection import Shares
from wolap.model.schema import Dimension

__all__ = ["Codes", "Members", "canonical_values", "encode", "kind_of", "shares_of"]

# Members whose share of the rows is told; the rest have one for all.
_SHARES_TOLD = 1024
_COUNTED_BLOCK = 1 << 20
# A dictionary of so many texts has all members, whichever occur.
_WHOLE_DICTIONARY = 1 << 16

Codes = np.ndarray[tuple[int], np.dtype[np.unsignedinteger]]


@dataclass(frozen=True, eq=False)
class Members:
    """The members of a dimension: `values` sorted and without null, which has the code behind the last of them."""

    kind: str
    values: pa.Array
    has_null: bool
    null_label: str = "N/A"
    empty_label: str = "(empty)"

    @property
    def cardinality(self) -> int:
        """The number of codes in use."""
        return len(self.values) + self.has_null

    @property
    def codes_type(self) -> type[np.unsignedinteger]:
        """The smallest type that holds all codes, and one more for null."""
        return _smallest(len(self.values) + 1)

    @cached_property
    def _code_of(self) -> dict[Member, int]:
        codes: dict[Member, int] = {value: code for code, value in enumerate(self.values.to_pylist())}
        # Where no null is in the data, its label may be an ordinary member, and then means that one (W30).
        codes[None] = len(codes) if self.has_null else codes.get(read_member(self.kind, self.null_label), -1)
        if self.kind == "text":
            codes.setdefault("", codes.get(self.empty_label, -1))
        return codes

    def code(self, member: Member) -> int:
        """The code of a member; -1 where the data has no such member."""
        return self._code_of.get(member, -1)

    @cached_property
    def texts(self) -> list[str]:
        """The text of each code, with the labels of null and of the empty string."""
        shown = self._shown(self.values)
        return [*shown, self.null_label] if self.has_null else shown

    def texts_at(self, codes: np.ndarray) -> list[str]:
        """The texts of some codes, without making those of all others."""
        is_null = codes == len(self.values)
        shown = np.array([self.null_label] * len(codes), object)
        shown[~is_null] = self._shown(self.values.take(pa.array(codes[~is_null])))
        texts: list[str] = shown.tolist()
        return texts

    def _shown(self, values: pa.Array) -> list[str]:
        if self.kind == "text":
            return [value or self.empty_label for value in values.to_pylist()]
        return [member_text(self.kind, value) for value in values.to_pylist()]

    @cached_property
    def kept(self) -> dict[object, Any]:
        """What others have worked out of all members, for as long as they are there."""
        return {}

    def decode(self, codes: np.ndarray) -> pa.Array:
        """Codes as their members, null for the null member: texts as a dictionary, so that none of them is written
        down again; all else, which takes no more room than a place in one, as it is."""
        is_null = codes >= len(self.values)
        # Without one the places are taken as they are, and not looked at one by one.
        mask = is_null if is_null.any() else None
        if self.kind != "text":
            return self.values.take(pa.array(codes.astype(np.int64), mask=mask))
        values = self.values
        if len(values) > max(_WHOLE_DICTIONARY, len(codes)):
            # Who asks for a few of very many is not given all of them.
            occurring, codes = np.unique(codes, return_inverse=True)
            values = values.take(pa.array(occurring[occurring < len(values)]))
        return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=mask), values, safe=False)


def shares_of(members: Members, codes: Codes, rows: int) -> Shares:
    """How `rows` rows fall on members, by all codes that they have: the members that most have are told one by one."""
    counts = np.zeros(max(members.cardinality, 1), np.int64)
    for start in range(0, len(codes), _COUNTED_BLOCK):
        counts += np.bincount(codes[start : start + _COUNTED_BLOCK], minlength=len(counts))
    rows = max(rows, 1)
    order = np.argsort(-counts, kind="stable")
    told, others = order[:_SHARES_TOLD], counts[order[_SHARES_TOLD:]]
    values = [members.values[code].as_py() if code < len(members.values) else None for code in told.tolist()]
    told_shares = dict(zip(values, (counts[told] / rows).tolist(), strict=True))
    mean, most = (float(others.mean() / rows), float(others[0] / rows)) if len(others) else (0.0, 0.0)
    return Shares(told_shares, mean, most, len(codes) / rows)


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


def encode(column: pa.ChunkedArray, dimension: Dimension, *, counted: bool = False) -> tuple[Members, Codes]:
    """The members of a column and the code of each row, in the smallest unsigned type that holds them.

    What is only `counted` is never shown, so its labels may be values as well.

    Raises SchemaError where the column's type makes no dimension, or where the data holds null beside its own label.
    """
    place = f"dimensions.{dimension.name}"
    kind = kind_of(column.type)
    if kind is None:
        possible = "text, numbers, decimals, booleans, dates, timestamps, durations, dictionaries of them"
        found = f"column {quote(dimension.column)} has type {column.type}"
        raise SchemaError([Problem(place, found, f"a dimension can be {possible}; multi-valued lists of them")])
    try:
        values, slots = _distinct(column, kind)
        # Sorted: where the ends are dates that Python has, all are.
        for end in (values[:1], values[-1:]):
            end.to_pylist()
    except (pa.ArrowInvalid, ValueError, OverflowError) as error:
        raise SchemaError([Problem(place, f"column {quote(dimension.column)}: {error}")]) from None
    count = len(values)
    has_null = bool(len(slots)) and int(slots.max()) == count
    members = Members(kind, values, has_null, dimension.null, dimension.empty)
    if not counted:
        _check_labels(members, dimension)
    return members, slots


def _distinct(column: pa.ChunkedArray, kind: str) -> tuple[pa.Array, Codes]:
    """The sorted distinct values that are in use and for each row its rank; null has the rank behind the last."""
    if pa.types.is_null(column.type):
        return pa.array([], pa.large_string()), np.zeros(len(column), np.uint8)
    if pa.types.is_dictionary(column.type):
        values, codes = _distinct_of_dictionaries(column, kind)
    else:
        values, codes = _sorted_distinct(canonical_values(column, kind))
    return values, codes.astype(_smallest(len(values) + 1))


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


def _smallest(cardinality: int) -> type[np.unsignedinteger]:
    return np.uint8 if cardinality <= 1 << 8 else np.uint16 if cardinality <= 1 << 16 else np.uint32


def _holds(members: Members, label: str) -> bool:
    """Whether a label is a member too."""
    if members.kind == "text":
        return bool(pc.index(members.values, pa.scalar(label, members.values.type)).as_py() >= 0)
    return read_member(members.kind, label) in set(members.values.to_pylist())


def _check_labels(members: Members, dimension: Dimension) -> None:
    """W30: null, or the empty string, and a real member of the same text cannot be told apart."""
    place = f"dimensions.{dimension.name}"
    problems = []
    read = read_member(members.kind, dimension.null)
    if not isinstance(read, str) and member_text(members.kind, read) != dimension.null:
        found = f"the label {quote(dimension.null)} of null is also a spelling of {member_text(members.kind, read)}"
        problems.append(Problem(place, found, "a label that is no member in another spelling"))
    if members.has_null and _holds(members, dimension.null):
        found = f"column {quote(dimension.column)} holds null and also the value {quote(dimension.null)}"
        problems.append(Problem(place, found, 'another label: null = "…"'))
    if members.kind == "text" and len(members.values):
        first_is_empty = members.values[0].as_py() == ""
        if first_is_empty and _holds(members, dimension.empty):
            found = f"column {quote(dimension.column)} holds the empty string and also {quote(dimension.empty)}"
            problems.append(Problem(place, found, 'another label: empty = "…"'))
    if problems:
        raise SchemaError(problems)
