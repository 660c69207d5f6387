"""CSV (W44): RFC 4180, UTF-8, CRLF, a header of all dimensions and then all metrics, no links."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from wolap.engine.members import Members
from wolap.representations.document import Chunks, Document
from wolap.representations.records import Escape, Style, records
from wolap.representations.resource import Resource

__all__ = ["MEDIA_TYPES", "document", "field", "serialize", "stream"]

MEDIA_TYPES = ("text/csv",)

_QUOTED = frozenset(',"\r\n')


def serialize(resource: Resource) -> bytes:
    """The body of a report."""
    return document(resource, _field_of).whole()


def stream(resource: Resource) -> Chunks:
    """The same in chunks, each made when it is asked for."""
    return document(resource, _field_of).chunks()


def document(resource: Resource, escape: Escape) -> Document:
    """Header and records, the members written as `escape` has it."""
    names = resource.report.names
    style = _style(escape, is_alone=len(names) == 1)
    around = ["", *[","] * (len(names) - 1), "\r\n"]
    header = ",".join(map(field, names)) + "\r\n"
    return Document(resource.report, header.encode(), lambda part: records(part, around, style), b"")


@cache
def _style(escape: Escape, *, is_alone: bool) -> Style:
    """A line with nothing in it is no record to most readers, so a lone empty field is quoted."""
    return Style(escape, '""' if is_alone else "", ",")


def _field_of(members: Members) -> Callable[[str], str]:
    return field


def field(text: str) -> str:
    """A text with quotes where RFC 4180 (section 2, rules 5 to 7) asks for them."""
    return text if _QUOTED.isdisjoint(text) else '"' + text.replace('"', '""') + '"'
