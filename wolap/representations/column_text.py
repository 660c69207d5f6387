"""Columns as texts: one text of a member and of a number, the same in every format (W30, W31)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import cache
from typing import TypeVar

import numpy as np
import pyarrow as pa

from wolap.engine.columns import from_int64
from wolap.engine.encoding import kind_of
from wolap.engine.execute import DimensionColumn
from wolap.engine.finish import MetricColumn
from wolap.engine.members import Members
from wolap.model.member import KINDS

__all__ = [
    "Texts",
    "all_metric_texts",
    "grouped_texts",
    "interleaved",
    "is_number",
    "mapped_texts",
    "member_table",
    "member_texts",
    "metric_texts",
    "texts_of",
    "weave",
]

# An array of Python texts: gathered and put in place by columns, never by rows.
Texts = np.ndarray
Table = TypeVar("Table")

# Of more members only those that a report shows are made into texts, not all once and for all.
KEPT_MEMBERS = 1 << 14


def texts_of(texts: Iterable[str]) -> Texts:
    """Texts as an array of objects."""
    listed = list(texts)
    array = np.empty(len(listed), object)
    array[:] = listed
    return array


def weave(rows: int, pieces: Sequence[Texts | str]) -> str:
    """The text of all rows: in each row a piece of every column, or a text that is the same in all."""
    woven: list[str] = [piece if isinstance(piece, str) else "" for piece in pieces] * rows
    for place, piece in enumerate(pieces):
        if not isinstance(piece, str):
            woven[place :: len(pieces)] = piece.tolist()
    return "".join(woven)


def interleaved(heads: list[str], columns: Sequence[Texts], between: Sequence[str]) -> list[str]:
    """The pieces of all rows: in each its head, and the text of each column, with a fixed text between two of them."""
    row = [""] * (2 * len(columns))
    row[2::2] = between
    woven = row * len(heads)
    woven[:: len(row)] = heads
    for place, column in enumerate(columns):
        woven[2 * place + 1 :: len(row)] = column.tolist()
    return woven


def member_texts(column: DimensionColumn) -> Texts:
    """The text of each value of a dimension; of time, plain numbers."""
    if column.members is None:
        return _plain_texts(column.codes)
    table = member_table(column.members, "texts", texts_of)
    if table is None:
        used, places = np.unique(column.codes, return_inverse=True)
        return texts_of(column.members.texts_at(used))[places]
    texts: Texts = table[column.codes]
    return texts


def mapped_texts(column: DimensionColumn, function: Callable[[str], str]) -> Texts:
    """The member of each row as a function has it, which is asked once for each member that occurs."""
    used, places = np.unique(column.codes, return_inverse=True)
    texts = member_texts(DimensionColumn(column.name, used, column.members))
    return texts_of(map(function, texts.tolist()))[places]


def member_table(members: Members, key: object, make: Callable[[list[str]], Table]) -> Table | None:
    """What `make` makes of the texts of all members, once for each `key`; None where they are too many to keep."""
    if members.cardinality > KEPT_MEMBERS:
        return None
    found: Table | None = members.kept.get(key)
    if found is None:
        found = members.kept[key] = make(members.texts)
    return found


def metric_texts(column: MetricColumn, missing: str) -> Texts:
    """The text of each number; `missing` where there is none."""
    texts = _plain_texts(column.values) if _is_plain(column) else _typed_texts(column)
    return _with_missing(texts, column.valid, missing)


def _with_missing(texts: Texts, valid: np.ndarray | None, missing: str) -> Texts:
    if valid is not None:
        texts[~valid] = missing
    return texts


def all_metric_texts(columns: Sequence[MetricColumn], missing: str) -> list[Texts]:
    """The same of several columns, of which those of small whole numbers are made into texts in one go."""
    whole = [column for column in columns if column.values.dtype == np.int64 and _is_plain(column)]
    rows = len(columns[0].values) if columns else 0
    if len(whole) < 2 or not rows:
        return [metric_texts(column, missing) for column in columns]
    small, together = _small_texts(whole, rows)
    texts = []
    for column in columns:
        if column in small:
            own, together = together[:rows], together[rows:]
            texts.append(_with_missing(own, column.valid, missing))
        else:
            texts.append(metric_texts(column, missing))
    return texts


def _small_texts(whole: list[MetricColumn], rows: int) -> tuple[list[MetricColumn], Texts]:
    """Those of some columns of whole numbers that go by one table, and the texts of all of their numbers."""
    numbers = np.concatenate([column.values for column in whole])
    if len(numbers) <= _FEW:
        return whole, _plain_texts(numbers)
    # Without a sign negative numbers are greater than all others.
    most = np.maximum.reduceat(numbers.view(np.uint64), np.arange(0, len(numbers), rows)).tolist()
    small = [column for column, top in zip(whole, most, strict=True) if top < _FOUR_DIGITS]
    if len(small) < len(whole):
        numbers = np.concatenate([_NO_NUMBERS, *(column.values for column in small)])
    return small, _SMALL.take(numbers)


def _is_plain(column: MetricColumn) -> bool:
    return column.values.dtype.kind == "f" or bool(pa.types.is_integer(column.type))


def grouped_texts(column: MetricColumn, missing: str) -> Texts:
    """The same for people: digits in groups of three."""
    if column.values.dtype.kind == "f" or pa.types.is_integer(column.type):
        # One call formats all numbers.
        listed = column.values.tolist()
        texts = texts_of(("{:,}\n" * len(listed)).format(*listed).splitlines())
    elif is_number(column):
        texts = texts_of(f"{Decimal(text):,}" for text in _typed_texts(column).tolist())
    else:
        texts = _typed_texts(column)
    return _with_missing(texts, column.valid, missing)


def _plain_texts(values: np.ndarray) -> Texts:
    """Whole numbers and floats. Counts are most of what reports hold, and come from tables: of up to four digits from
    one, of up to eight from two."""
    if values.dtype.kind != "f" and len(values) > _FEW:
        # Without a sign negative numbers are greater than all others.
        most = int(values.view(f"u{values.itemsize}").max())
        if most < _FOUR_DIGITS:
            small: Texts = _SMALL.take(values)
            return small
        if most < _FOUR_DIGITS**2:
            thousands = values // _FOUR_DIGITS
            rest = values - thousands * _FOUR_DIGITS
            rest[thousands > 0] += _FOUR_DIGITS
            heads, tails = _halves()
            texts: Texts = heads.take(thousands) + tails.take(rest)
            return texts
    # One call for all texts takes half as long as one for each.
    return texts_of(repr(values.tolist())[1:-1].split(", ") if len(values) else ())


# So few are as quick one by one.
_FEW = 24
_FOUR_DIGITS = 10_000
_NO_NUMBERS = np.zeros(0, np.int64)
_SMALL = texts_of(map(str, range(_FOUR_DIGITS)))


@cache
def _halves() -> tuple[Texts, Texts]:
    """The first four digits of numbers, nothing for zero; and the last four, as they are and then with zeros before."""
    padded = (f"{number:04}" for number in range(_FOUR_DIGITS))
    return texts_of(("", *_SMALL[1:])), texts_of((*_SMALL, *padded))


def _typed_texts(column: MetricColumn) -> Texts:
    """Decimals plain, dates and times in ISO 8601, durations in seconds: the text that a member has too."""
    kind = kind_of(column.type)
    assert kind is not None
    values = from_int64(column.values, None, column.type)
    if kind in ("timestamp", "duration"):
        to_microseconds = pa.timestamp("us") if kind == "timestamp" else pa.duration("us")
        values = _floor_to_microseconds(values).cast(to_microseconds)
    return texts_of(map(KINDS[kind][3], values.to_pylist()))


def _floor_to_microseconds(values: pa.Array) -> pa.Array:
    """Counts of microseconds; what is finer than Python's own clock is not shown."""
    times, divide = {"s": (1_000_000, 1), "ms": (1_000, 1), "us": (1, 1), "ns": (1, 1_000)}[values.type.unit]
    counts = values.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return pa.array(counts // divide * times)


def is_number(column: MetricColumn) -> bool:
    """Whether the text of a metric is that of a number."""
    return not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type))
