"""CSV (W44): RFC 4180, UTF-8, CRLF, a header of all dimensions and then all metrics, no links."""

from __future__ import annotations

from wolap.representations.column_text import member_texts, metric_texts
from wolap.representations.resource import Resource

__all__ = ["MEDIA_TYPES", "serialize"]

MEDIA_TYPES = ("text/csv",)

_QUOTED = frozenset(',"\r\n')


def serialize(resource: Resource) -> bytes:
    """The body of a report."""
    report = resource.report
    names = [column.name for column in report.dimensions] + [column.name for column in report.metrics]
    columns = [_fields(member_texts(column)) for column in report.dimensions]
    # A line with nothing in it is no record to most readers, so a lone empty field is quoted.
    missing = "" if len(names) > 1 else '""'
    columns += [metric_texts(column, missing) for column in report.metrics]
    step = 2 * len(columns)
    woven = [","] * (step * report.rows)
    for index, texts in enumerate(columns):
        woven[2 * index :: step] = texts
    if columns:
        woven[step - 1 :: step] = ["\r\n"] * report.rows
    return (",".join(_fields(names)) + "\r\n" + "".join(woven)).encode()


def _fields(texts: list[str]) -> list[str]:
    """Texts with quotes where RFC 4180 (section 2, rules 5 to 7) asks for them."""
    needed = {text: _field(text) for text in set(texts) if not _QUOTED.isdisjoint(text)}
    return [needed.get(text, text) for text in texts] if needed else texts


def _field(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
