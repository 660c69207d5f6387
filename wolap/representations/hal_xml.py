"""XML (W43): a resource with its links, and a record for each group whose attributes are its values.

    <resource href="…"><links><link rel="roll-up" href="…"/></links><report><record year="2024" clients="7"/></report>…

`markup.py` says what becomes of signs that XML cannot hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from wolap.engine.members import Members
from wolap.representations.document import Chunks, Document
from wolap.representations.markup import escape
from wolap.representations.records import Style, records
from wolap.representations.resource import Resource

__all__ = ["MEDIA_TYPES", "serialize", "stream"]

MEDIA_TYPES = ("application/xml", "text/xml", "application/hal+xml")


def serialize(resource: Resource) -> bytes:
    """The body of a report."""
    return _document(resource).whole()


def stream(resource: Resource) -> Chunks:
    """The same in chunks, each made when it is asked for."""
    return _document(resource).chunks()


def _document(resource: Resource) -> Document:
    names = resource.report.names
    around = [f'<record {names[0]}="', *(f'" {name}="' for name in names[1:]), '"/>']
    head = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<resource href="{escape(resource.href)}">'
        f"<links>{''.join(_links(resource))}</links><report>"
    )
    return Document(
        resource.report, head.encode(), lambda part: records(part, around, _STYLE), b"</report></resource>\n"
    )


def _links(resource: Resource) -> Iterable[str]:
    if resource.roll_up is not None:
        yield f'<link rel="roll-up" href="{escape(resource.roll_up.href)}"/>'
    for child in resource.drill_down:
        yield f'<link rel="drill-down" href="{escape(child.href)}"/>'


def _escape_of(members: Members) -> Callable[[str], str]:
    return escape


_STYLE = Style(_escape_of, "", '"')
