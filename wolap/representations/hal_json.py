"""HAL as JSON (W42): links, and the report as an array of flat objects whose values are strings."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from json.encoder import encode_basestring

from wolap.engine.execute import Report
from wolap.engine.members import Members
from wolap.representations.column_text import is_number
from wolap.representations.document import Chunks, Document
from wolap.representations.records import Style, records
from wolap.representations.resource import Link, Resource

__all__ = ["MEDIA_TYPES", "serialize", "stream"]

MEDIA_TYPES = ("application/json", "application/hal+json")

_BARE = frozenset({"integer", "float", "decimal", "boolean", "duration"})
# No text in JSON holds this sign but escaped, so that with its quotes it can stand for null until the end.
_NOTHING = "\x00"


def serialize(resource: Resource) -> bytes:
    """The body of a report."""
    return _document(resource).whole()


def stream(resource: Resource) -> Chunks:
    """The same in chunks, each made when it is asked for."""
    return _document(resource).chunks()


def _document(resource: Resource) -> Document:
    links = [f'"self":{{"href":{encode_basestring(resource.href)}}}']
    if resource.roll_up is not None:
        links.append(f'"roll-up":{_link(resource.roll_up)}')
    if resource.drill_down:
        children = ",".join([_link(link) for link in resource.drill_down])
        links.append(f'"drill-down":{children if len(resource.drill_down) == 1 else f"[{children}]"}')
    head = f'{{"_links":{{{",".join(links)}}},"report":['
    write = _native if resource.native_numbers else _quoted
    # Behind the last record there is no comma.
    return Document(resource.report, head.encode(), write, b"]}", between=1)


def _link(link: Link) -> str:
    return f'{{"href":{encode_basestring(link.href)},"name":{encode_basestring(link.name)}}}'


def _quoted(report: Report) -> bytes:
    """Records whose values are strings."""
    return _with_nulls(report, records(report, _around(tuple(report.names)), _QUOTED))


@lru_cache(maxsize=1024)
def _around(names: tuple[str, ...]) -> tuple[str, ...]:
    """What stands around the values of columns of these names."""
    first, *others = [f"{encode_basestring(name)}:" for name in names]
    return f'{{{first}"', *(f'",{name}"' for name in others), '"},'


def _native(report: Report) -> bytes:
    """Records in which numbers and switches are values of their own type."""
    before, quoted, style = "{", "", _NATIVE
    around = []
    for column in report.dimensions:
        around.append(f"{before}{encode_basestring(column.name)}:")
        before = ","
    for metric in report.metrics:
        around.append(f"{quoted}{before}{encode_basestring(metric.name)}:")
        before, quoted = ",", ""
        if not is_number(metric):
            quoted, style = '"', _WOVEN
            around[-1] += quoted
    return _with_nulls(report, records(report, [*around, f"{quoted}}},"], style))


def _with_nulls(report: Report, written: bytes) -> bytes:
    if all(column.valid is None for column in report.metrics):
        return written
    return written.replace(f'"{_NOTHING}"'.encode(), b"null").replace(_NOTHING.encode(), b"null")


def _inner(text: str) -> str:
    """A text as JSON, without its quotes."""
    return encode_basestring(text)[1:-1]


def _as_text(members: Members) -> Callable[[str], str]:
    return _inner


def _as_value(members: Members) -> Callable[[str], str]:
    if members.kind not in _BARE:
        return encode_basestring
    null = members.null_label if members.null_code is not None else None
    return lambda text: encode_basestring(text) if text == null else text


_QUOTED = Style(_as_text, _NOTHING, '"')
_NATIVE = Style(_as_value, _NOTHING, " ")
_WOVEN = Style(_as_value, _NOTHING, "")
