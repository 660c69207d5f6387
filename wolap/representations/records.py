"""The records of a report as text, for every format in which a record is its values with fixed text around them.

    JSON   {"year":" 2024 ","clients":" 7 "},
    XML    <record year=" 2024 " clients=" 7 "/>
    CSV    2024 , 7 CRLF

A format says what stands around the values (`around`, one text more than there are columns), what a member's text
becomes, and what stands for a metric without a value. No record is ever an object in Python: a small report is woven
from arrays of texts; a large one is written by polars as if it were CSV, whose separator is the quote that stands on
both sides of each value anyway. Both give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from io import BytesIO

import numpy as np
import polars as pl
import pyarrow as pa

from wolap.engine.execute import DimensionColumn, Report
from wolap.engine.finish import MetricColumn
from wolap.engine.members import Members
from wolap.representations.column_text import (
    Texts,
    all_metric_texts,
    interleaved,
    mapped_texts,
    member_table,
    metric_texts,
    texts_of,
    weave,
)

__all__ = ["LARGE", "Escape", "Style", "records"]

# From so many values on polars is faster, of which each call costs most of a millisecond.
LARGE = 30_000
# The texts of the first dimensions are put together where they stay the same for so many records, on average.
_STRETCH = 16
_YEARS, _PARTS = 10_000, 64
# Between these magnitudes polars writes a float as Python does: without an exponent.
_PLAIN_FLOATS = (1e-4, 1e15)

# How the texts of these members are written.
Escape = Callable[[Members], Callable[[str], str]]


@dataclass(frozen=True, slots=True)
class Style:
    """What differs between formats.

    `separator` is the sign on both sides of every value. A blank is added where the texts around have none, since
    JSON may have it, in large reports alone; without any separator even those are woven.
    """

    escape: Escape
    missing: str
    separator: str


def records(report: Report, around: Sequence[str], style: Style) -> bytes:
    """All records. `around` holds what stands before each value, and last what ends a record."""
    is_large = report.rows * (len(around) - 1) >= LARGE
    return _write(report, around, style) if is_large and style.separator else _weave(report, around, style).encode()


def _weave(report: Report, around: Sequence[str], style: Style) -> str:
    if not report.rows:
        return ""
    width = len(report.dimensions)
    metrics = all_metric_texts(report.metrics, style.missing)
    heads = _kept_heads(report, around, style.escape) if metrics else None
    if heads is None:
        pieces: list[Texts | str] = _members(report.dimensions, around, style.escape)
        for texts, before in zip(metrics, around[width:], strict=False):
            pieces += (before, texts) if before else (texts,)
        return weave(report.rows, [*pieces, around[-1]])
    # What ends a record stands in the head of the next.
    woven = interleaved(heads, metrics, around[width + 1 : -1])
    woven[0] = woven[0].removeprefix(around[-1])
    woven.append(around[-1])
    return "".join(woven)


def _kept_heads(report: Report, around: Sequence[str], escape: Escape) -> list[str] | None:
    """What the records begin with, up to their first metric, and before it what ends the record before: joined once for
    all groups that are kept. None where they are not."""
    selection, width = report.selection, len(report.dimensions)
    if selection is None or not width:
        return None
    before = (*around[: width + 1], around[-1])

    def joined(groups: Mapping[str, np.ndarray]) -> list[str]:
        members = _members((replace(one, codes=groups[one.name]) for one in report.dimensions), before, escape)
        texts = [piece.tolist() for piece in members if not isinstance(piece, str)]
        return [f"{before[-1]}{''.join(parts)}{before[width]}" for parts in zip(*texts, strict=True)]

    return selection.texts((before, escape), joined)


def _members(columns: Iterable[DimensionColumn], around: Sequence[str], escape: Escape) -> list[Texts | str]:
    """The members of each record, each with what stands before it."""
    return [_fragments(column, before, escape) for column, before in zip(columns, around, strict=False)]


def _fragments(column: DimensionColumn, before: str, escape: Escape) -> Texts:
    """For each row the member with what stands before it, from a table that is made once."""
    members = column.members
    if members is None:
        return np.take(_numbered(before, _YEARS if column.name == "year" else _PARTS), column.codes)
    write = escape(members)
    table = member_table(members, (before, escape), lambda texts: texts_of(before + write(text) for text in texts))
    return mapped_texts(column, lambda text: before + write(text)) if table is None else np.take(table, column.codes)


@lru_cache(maxsize=256)
def _numbered(before: str, size: int) -> Texts:
    return texts_of(f"{before}{number}" for number in range(size))


def _write(report: Report, around: Sequence[str], style: Style) -> bytes:
    series: list[pl.Series] = []
    folded = _fold(report, around, style, series)
    values = [_member_series(column, style.escape) for column in report.dimensions[folded:]]
    values += [_metric_series(column, style.missing) for column in report.metrics]
    for before, column in zip(around[folded:], values, strict=False):
        fixed = _without(before, style.separator, at_start=bool(series))
        if before not in ("", style.separator):
            series.append(pl.Series([fixed]).new_from_index(0, report.rows))
        series.append(column)
    frame = pl.DataFrame([column.alias(str(number)) for number, column in enumerate(series)])
    file = BytesIO()
    frame.write_csv(
        file,
        include_header=False,
        separator=style.separator,
        line_terminator=around[-1],
        quote_style="never",
        # Nothing is quoted, but the sign must be another than the separator.
        quote_char="'",
        null_value=style.missing,
    )
    return file.getvalue()


def _fold(report: Report, around: Sequence[str], style: Style, series: list[pl.Series]) -> int:
    """Adds as many of the first dimensions as one series as pays, and says how many those are.

    Records are in the order of their dimensions, so the first ones change seldom: their texts are put together once for
    each stretch of records in which they stay the same, as long as there are few of those.
    """
    changes, folded = np.ones(report.rows, bool), 0
    changes[1:] = False
    starts = np.zeros(0, np.intp)
    for column in report.dimensions:
        changes[1:] |= column.codes[1:] != column.codes[:-1]
        found = np.flatnonzero(changes)
        if len(found) * _STRETCH > report.rows:
            break
        folded, starts = folded + 1, found
    if folded:
        texts = texts_of([""] * len(starts))
        for place, column in enumerate(report.dimensions[:folded]):
            shown = DimensionColumn(column.name, column.codes[starts], column.members)
            texts += _fragments(shown, _as_written(around[place], style.separator, at_start=place > 0), style.escape)
        places = np.repeat(np.arange(len(starts), dtype=np.uint32), np.diff(starts, append=report.rows))
        series.append(pl.Series(texts.tolist(), dtype=pl.String)[places])
    return folded


def _without(text: str, separator: str, *, at_start: bool) -> str:
    """What stands between two values, without the separators that are written on both sides of it."""
    return (text.removeprefix(separator) if at_start else text).removesuffix(separator)


def _as_written(text: str, separator: str, *, at_start: bool) -> str:
    """What stands between two values, with the separators that are written on both sides of it."""
    before = separator if at_start else ""
    return before if text in ("", separator) else before + _without(text, separator, at_start=at_start) + separator


def _member_series(column: DimensionColumn, escape: Escape) -> pl.Series:
    members = column.members
    if members is None:
        return pl.Series(column.codes)
    write = escape(members)
    table = member_table(members, escape, lambda texts: pl.Series(list(map(write, texts)), dtype=pl.String))
    if table is not None:
        return table[column.codes]
    used, places = np.unique(column.codes, return_inverse=True)
    return pl.Series(list(map(write, members.texts_at(used))), dtype=pl.String)[places]


def _metric_series(column: MetricColumn, missing: str) -> pl.Series:
    """Numbers as they are where polars writes them as Python does, all else as texts."""
    values, valid = column.values, column.valid
    if values.dtype.kind != "f" and not pa.types.is_integer(column.type):
        return pl.Series(metric_texts(column, missing).tolist(), dtype=pl.String)
    converted = pl.from_arrow(pa.array(values, mask=None if valid is None else ~valid))
    assert isinstance(converted, pl.Series)
    if values.dtype.kind != "f":
        return converted
    sizes = np.abs(values)
    least, most = _PLAIN_FLOATS
    unlike = ((sizes < least) & (values != 0)) | (sizes >= most)
    exponents = np.flatnonzero(unlike if valid is None else unlike & valid)
    if not len(exponents):
        return converted
    return converted.cast(pl.String).scatter(exponents, list(map(repr, values[exponents].tolist())))
