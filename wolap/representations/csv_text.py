"""CSV (W44): RFC 4180, UTF-8, CRLF, a header of all dimensions and then all metrics, no links."""

from __future__ import annotations

from collections.abc import Callable

from wolap.engine.members import Members
from wolap.representations.records import Style, records
from wolap.representations.resource import Resource

__all__ = ["MEDIA_TYPES", "field", "serialize", "table"]

MEDIA_TYPES = ("text/csv",)

_QUOTED = frozenset(',"\r\n')


def serialize(resource: Resource) -> bytes:
    """The body of a report."""
    return table(resource, _field_of)


def table(resource: Resource, escape: Callable[[Members], Callable[[str], str]]) -> bytes:
    """Header and records, the members written as `escape` has it."""
    report = resource.report
    names = report.names
    # A line with nothing in it is no record to most readers, so a lone empty field is quoted.
    missing = "" if len(names) > 1 else '""'
    around = ["", *[","] * (len(names) - 1), "\r\n"]
    header = ",".join(map(field, names)) + "\r\n"
    return header.encode() + records(report, around, Style(escape, missing, ","))


def _field_of(members: Members) -> Callable[[str], str]:
    return field


def field(text: str) -> str:
    """A text with quotes where RFC 4180 (section 2, rules 5 to 7) asks for them."""
    return text if _QUOTED.isdisjoint(text) else '"' + text.replace('"', '""') + '"'
