"""The body of a report: bytes, or chunks that are made while they are sent.

Small bodies are bytes, so that their length stands before them. A large one begins as soon as its first chunk is there.
That is made at once: what goes wrong until then still has a status of its own. What goes wrong later can only break the
connection off, so chunks are for those alone who can (`Request.streams`).
"""

from __future__ import annotations

from collections.abc import Callable

from wolap.representations import csv_safe, csv_text, hal_json, hal_xml
from wolap.representations.document import Chunks
from wolap.representations.resource import Resource
from wolap.web.negotiation import FORMATS

__all__ = ["STREAMS", "Body", "Chunks", "body_of"]

Body = bytes | Chunks

# The formats that can come in chunks. A page for people is looked at as a whole.
STREAMS: dict[str, Callable[[Resource], Chunks]] = {
    "json": hal_json.stream,
    "csv": csv_text.stream,
    "xml": hal_xml.stream,
    "csv-safe": csv_safe.stream,
}

# From so many values on: what is less is written within some milliseconds.
LARGE = 1 << 17


def body_of(resource: Resource, form: str, *, streams: bool, is_read: bool = True) -> Body:
    """A report in a format: in chunks where it is large and they are wanted, of which none is made yet where nobody
    reads them."""
    report = resource.report
    if streams and form in STREAMS and report.rows * (len(report.dimensions) + len(report.metrics)) >= LARGE:
        chunks = STREAMS[form](resource)
        return _begun([next(chunks)], chunks) if is_read else chunks
    return FORMATS[form][1](resource)


def _begun(first: list[bytes], rest: Chunks) -> Chunks:
    # Taken out of what is given, so that it goes when it has been sent.
    yield first.pop()
    yield from rest
