"""XML (W43): a resource with its links, and a record for each group whose attributes are its values.

    <resource href="…"><links><link rel="roll-up" href="…"/></links><report><record year="2024" clients="7"/></report>…

Line breaks and tabs in a member are written as references, since a reader makes blanks of them in an attribute (XML
1.0, section 3.3.3). What XML 1.0 cannot hold even as a reference (section 2.2) has a stand-in: a control character is
shown as its picture (U+2400 and on: NUL as ␀), a noncharacter as U+FFFD.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from wolap.engine.members import Members
from wolap.representations.records import Style, records
from wolap.representations.resource import Resource

__all__ = ["MEDIA_TYPES", "escape", "serialize"]

MEDIA_TYPES = ("application/xml", "text/xml", "application/hal+xml")

_ESCAPES = {sign: chr(0x2400 + sign) for sign in range(0x20)}
_ESCAPES |= {0xFFFE: "\ufffd", 0xFFFF: "\ufffd"}
_ESCAPES |= {ord(sign): f"&#{ord(sign)};" for sign in "\t\n\r"}
_ESCAPES |= {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;"}


def serialize(resource: Resource) -> bytes:
    """The body of a report."""
    report = resource.report
    names = report.names
    around = [f'<record {names[0]}="', *(f'" {name}="' for name in names[1:]), '"/>']
    head = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<resource href="{escape(resource.href)}">'
        f"<links>{''.join(_links(resource))}</links><report>"
    )
    return b"".join((head.encode(), records(report, around, _STYLE), b"</report></resource>\n"))


def _links(resource: Resource) -> Iterable[str]:
    if resource.roll_up is not None:
        yield f'<link rel="roll-up" href="{escape(resource.roll_up.href)}"/>'
    for child in resource.drill_down:
        yield f'<link rel="drill-down" href="{escape(child.href)}"/>'


def escape(text: str) -> str:
    """A text as the value of an attribute in double quotes, or as content."""
    return text.translate(_ESCAPES)


def _escape_of(members: Members) -> Callable[[str], str]:
    return escape


_STYLE = Style(_escape_of, "", '"')
