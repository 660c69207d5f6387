"""CSV for spreadsheets: a member that one would run as a formula begins with an apostrophe, which makes it text.

A spreadsheet that opens a file runs what begins with `=`, `+`, `-` or `@`, also behind blanks and control characters
(OWASP, CSV Injection). Since the apostrophe changes data this is a format of its own, asked for as `csv-safe`; the
pages for people link to it. Numbers stay numbers: of kinds other than text no member can be a formula.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from wolap.engine.members import Members
from wolap.representations.csv_text import MEDIA_TYPES, document, field
from wolap.representations.document import Chunks
from wolap.representations.resource import Resource

__all__ = ["MEDIA_TYPES", "serialize", "stream"]

# The wide forms are folded to the plain ones by some programs. A number with its sign is none.
_FORMULA = re.compile(r"[\s\x00-\x1f\ufeff]*[=+\-@＝＋－＠]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)


def serialize(resource: Resource) -> bytes:
    """The body of a report."""
    return document(resource, _guarded).whole()


def stream(resource: Resource) -> Chunks:
    """The same in chunks, each made when it is asked for."""
    return document(resource, _guarded).chunks()


def _guarded(members: Members) -> Callable[[str], str]:
    if members.kind == "text":
        return _guard
    # Of other kinds only the label of null is a text of somebody's choice.
    return lambda text: _guard(text) if text == members.null_label else text


def _guard(text: str) -> str:
    return field(f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text)
