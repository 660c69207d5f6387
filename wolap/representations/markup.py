"""Texts within markup: XML 1.0 and HTML hold the same of them.

Line breaks and tabs are written as references, since a reader of XML makes blanks of them in an attribute (XML 1.0,
section 3.3.3). What cannot be held even as a reference (section 2.2) has a stand-in: a control character is shown as
its picture (U+2400 and on: NUL as ␀), a noncharacter as U+FFFD.
"""

from __future__ import annotations

__all__ = ["escape"]

_ESCAPES = {sign: chr(0x2400 + sign) for sign in range(0x20)}
_ESCAPES |= {0xFFFE: "\ufffd", 0xFFFF: "\ufffd"}
_ESCAPES |= {ord(sign): f"&#{ord(sign)};" for sign in "\t\n\r"}
_ESCAPES |= {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;"}


def escape(text: str) -> str:
    """A text as content, or as the value of an attribute in double quotes."""
    return text.translate(_ESCAPES)
