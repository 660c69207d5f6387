"""The list of the cubes that are served: HAL for programs, a page for people.

{"_links": {"self": {"href": "/"}, "cube": [{"href": "/esm/v3", "name": "esm-v3", "title": "…"}]}}
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from json import dumps

from wolap.representations.html_page import page
from wolap.representations.markup import escape

__all__ = ["INDEX_FORMATS", "Entry"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One cube that is served; `steps` are the first dimensions of its trees."""

    href: str
    name: str
    title: str
    description: str
    steps: tuple[str, ...]


def _json(entries: Sequence[Entry], href: str) -> bytes:
    cubes = [{"href": entry.href, "name": entry.name, "title": entry.title} for entry in entries]
    return dumps({"_links": {"self": {"href": href}, "cube": cubes}}, ensure_ascii=False).encode()


def _listed(entry: Entry) -> str:
    title, steps = entry.title.strip() or entry.name, ", ".join(entry.steps)
    return (
        f'<dt><a href="{escape(entry.href)}">{escape(title)}</a> <code>{escape(entry.href)}</code></dt>'
        f'<dd>{escape(entry.description)} <span class="soft">By {escape(steps)} …</span></dd>'
    )


def _html(entries: Sequence[Entry], href: str) -> bytes:
    listed = "".join(map(_listed, entries))
    shown = f'<dl class="words" id="records">{listed}</dl>' if entries else '<p id="records">None for you.</p>'
    return page("Cubes", f"<h1>Cubes</h1>{shown}", f"<p>{len(entries)} served here.</p>").encode()


INDEX_FORMATS: dict[str, tuple[tuple[str, ...], Callable[[Sequence[Entry], str], bytes]]] = {
    "json": (("application/json", "application/hal+json"), _json),
    "html": (("text/html",), _html),
}
