"""Metric columns: numbers in 64 bits with what is known of them.

Whole numbers of any width, decimals (as their unscaled digits), booleans, dates, times and durations are kept as
int64, so that sums are exact; floats as float64. The bounds of a column say before a sum is begun whether it could
leave 64 bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wolap.errors import Problem, SchemaError, quote
from wolap.model.aggregate import Partial

__all__ = [
    "COUNT",
    "NARROW_ROWS",
    "Column",
    "Values",
    "from_int64",
    "is_clock",
    "narrowed",
    "read_numbers",
    "stored_rows",
    "widened",
]

Values = np.ndarray
COUNT = pa.int64()
# Rows from which on whole numbers are stored narrow. Of fewer the space is little, and widening them costs each query.
NARROW_ROWS = 1 << 20
_NARROW = (np.int8, np.int16, np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One partial of a layout, a value for each row.

    Whole numbers of many rows may be narrower than 64 bits; who reads them widens a block at a time.
    `values` None stands for a 1 in every row. `valid` None means no nulls; where it is False the value is 0 and
    counts as none. `type` is the Arrow type of what comes out. `low` and `high` bound whole numbers.

    `members` is set for a column of collections (`engine/collection.py`): `values` are then items below that number,
    one for each row (those not below are none), or with `offsets` those of row i from offsets[i] to offsets[i + 1];
    `counts` tells how often each occurs where it is not once, `shown` what each of the members stands for.
    """

    values: Values | None
    valid: np.ndarray | None
    type: pa.DataType
    low: int = 0
    high: int = 1
    members: int | None = None
    offsets: np.ndarray | None = None
    counts: np.ndarray | None = None
    shown: np.ndarray | None = None

    @property
    def is_float(self) -> bool:
        """Whether the values are floats; all else is exact."""
        return self.values is not None and self.values.dtype.kind == "f"

    @property
    def bytes(self) -> int:
        """Bytes in memory."""
        parts = (self.values, self.valid, self.offsets, self.counts)
        return sum(part.nbytes for part in parts if part is not None)


def stored_rows(column: np.ndarray | None, start: int, stop: int, chosen: np.ndarray | None) -> np.ndarray | None:
    """The chosen rows of a block of values or of validity, as they are stored; None of what is not there."""
    if column is None:
        return None
    block = column[start:stop]
    return block if chosen is None else block.take(chosen)


def widened(values: Values) -> Values:
    """Numbers in 64 bits, in which all is computed."""
    return values if values.dtype.itemsize == 8 else values.astype(np.int64)


def narrowed(column: Column) -> Values:
    """Whole numbers in the narrowest type with a sign that holds them: sums of such have 64 bits in numpy."""
    assert column.values is not None
    for kind in _NARROW:
        bounds = np.iinfo(kind)
        if bounds.min <= column.low and column.high <= bounds.max:
            return column.values.astype(kind)
    return column.values


def is_clock(kept: pa.DataType) -> bool:
    """Whether values of a type are times or dates, which have an order, but no sum."""
    return bool(pa.types.is_timestamp(kept) or pa.types.is_date(kept))


def read_numbers(column: pa.ChunkedArray, partial: Partial, place: str) -> Column:
    """A column of facts as the input of sum, min or max.

    Raises SchemaError where the type has no such thing, or a value does not fit 64 bits.
    """
    kept, types = column.type, pa.types
    if types.is_dictionary(kept):
        column, kept = column.cast(kept.value_type), kept.value_type
    name = quote(partial.column or "")
    asked = {"min": "min", "max": "max", "buckets": "quantile"}.get(partial.function, "sum")
    if is_clock(kept) and asked not in ("min", "max"):
        raise SchemaError([Problem(place, f"column {name} has type {kept}, which has no {asked}", "min or max")])
    is_number = types.is_integer(kept) or types.is_decimal(kept) or types.is_boolean(kept) or types.is_duration(kept)
    if not (is_number or is_clock(kept) or types.is_floating(kept) or types.is_null(kept)):
        found = f"column {name} has type {kept}, which has no {asked}"
        possible = "a column of numbers, booleans or durations; for min and max also of dates or timestamps"
        raise SchemaError([Problem(place, found, possible)])
    valid = None if column.null_count == 0 else pc.is_valid(column).combine_chunks().to_numpy(zero_copy_only=False)
    try:
        values, output = _numbers(column)
    except (pa.ArrowInvalid, OverflowError) as error:
        found = f"column {name} of type {kept} does not fit 64 bits: {error}"
        raise SchemaError([Problem(place, found)]) from None
    if values.dtype.kind == "f" or not len(values):
        return Column(values, valid, output)
    return Column(values, valid, output, int(values.min()), int(values.max()))


def _numbers(column: pa.ChunkedArray) -> tuple[Values, pa.DataType]:
    """Values without nulls, which are 0, and the type of what comes out."""
    kept, types = column.type, pa.types
    if types.is_floating(kept):
        # Adding 0 makes one number of both zeros, whose order would else decide which is the least.
        return _plain(column.cast(pa.float64()), 0.0) + 0.0, pa.float64()
    if types.is_decimal(kept):
        return _unscaled(column.cast(pa.decimal128(38, kept.scale))), pa.decimal128(38, kept.scale)
    if types.is_date32(kept):
        return _plain(column.cast(pa.int32()).cast(pa.int64()), 0), pa.date32()
    if types.is_date64(kept):
        return _plain(column.cast(pa.date32()).cast(pa.int32()).cast(pa.int64()), 0), pa.date32()
    output = kept if types.is_timestamp(kept) or types.is_duration(kept) else pa.int64()
    return _plain(column.cast(pa.int64()), 0), output


def _plain(column: pa.ChunkedArray, missing: float) -> Values:
    filled = column.fill_null(missing) if column.null_count else column
    return np.ascontiguousarray(filled.to_numpy())


def _unscaled(column: pa.ChunkedArray) -> Values:
    """The digits of decimals as int64: the low halves of 128 bits, if the high ones hold no more than the sign."""
    whole = column.combine_chunks()
    chunks = whole.chunks if isinstance(whole, pa.ChunkedArray) else [whole]
    parts = [np.zeros(0, np.int64)]
    for chunk in chunks:
        pairs = np.frombuffer(chunk.buffers()[1], np.int64).reshape(-1, 2)[chunk.offset : chunk.offset + len(chunk)]
        low, high = pairs[:, 0].copy(), pairs[:, 1]
        if chunk.null_count:
            present = pc.is_valid(chunk).to_numpy(zero_copy_only=False)
            low[~present] = 0
            high = np.where(present, high, 0)
        if not np.array_equal(high, low >> 63):
            raise OverflowError("a decimal has more digits")
        parts.append(low)
    return np.concatenate(parts)


def from_int64(values: Values, valid: np.ndarray | None, output: pa.DataType) -> pa.Array:
    """Exact values as an Arrow array of the type that they stand for; null where not valid."""
    mask = None if valid is None else ~valid
    if pa.types.is_decimal(output):
        pairs = np.empty((len(values), 2), np.int64)
        pairs[:, 0] = values
        pairs[:, 1] = values >> 63
        bitmap = None if valid is None else pa.array(valid).buffers()[1]
        return pa.Array.from_buffers(output, len(values), [bitmap, pa.py_buffer(pairs.tobytes())])
    numbers = pa.array(values, mask=mask)
    if pa.types.is_date32(output):
        return numbers.cast(pa.int32()).cast(output)
    return numbers if numbers.type == output else numbers.cast(output)
