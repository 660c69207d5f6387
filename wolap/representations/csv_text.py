"""CSV (W44): RFC 4180, UTF-8, CRLF, a header of all dimensions and then all metrics, no links."""

from __future__ import annotations

from wolap.representations.column_text import Texts, member_texts, metric_texts, texts_of, weave
from wolap.representations.resource import Resource

__all__ = ["MEDIA_TYPES", "serialize"]

MEDIA_TYPES = ("text/csv",)

_QUOTED = frozenset(',"\r\n')


def serialize(resource: Resource) -> bytes:
    """The body of a report."""
    report = resource.report
    names = [column.name for column in report.dimensions] + [column.name for column in report.metrics]
    # A line with nothing in it is no record to most readers, so a lone empty field is quoted.
    missing = "" if len(names) > 1 else '""'
    columns = [_fields(member_texts(column)) for column in report.dimensions]
    columns += [metric_texts(column, missing) for column in report.metrics]
    pieces: list[Texts | str] = []
    for column in columns:
        pieces += (column, ",")
    pieces[-1] = "\r\n"
    return (",".join(map(_field, names)) + "\r\n" + weave(report.rows, pieces)).encode()


def _fields(texts: Texts) -> Texts:
    """Texts with quotes where RFC 4180 (section 2, rules 5 to 7) asks for them."""
    listed = texts.tolist()
    needed = {text: _field(text) for text in set(listed) if not _QUOTED.isdisjoint(text)}
    return texts_of(needed.get(text, text) for text in listed) if needed else texts


def _field(text: str) -> str:
    return text if _QUOTED.isdisjoint(text) else '"' + text.replace('"', '""') + '"'
