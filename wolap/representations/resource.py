"""A result with its links: what every representation of a report is written from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from wolap.cube import Result
from wolap.engine.execute import Report
from wolap.language.writer import filter_texts, write_path, write_query
from wolap.model.query import Query
from wolap.model.schema import Schema
from wolap.model.tree import Path
from wolap.model.zone import to_datetime

__all__ = ["Link", "Resource", "describe", "file_name"]


@dataclass(frozen=True, slots=True)
class Link:
    """Where to go, and the dimension that is gained or given up there."""

    href: str
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """A report with its links. `query` is all that was used, which the self link says."""

    href: str
    roll_up: Link | None
    drill_down: tuple[Link, ...]
    report: Report
    query: Query
    native_numbers: bool = False


def describe(
    result: Result, schema: Schema, *, parent: Path | None, children: Iterable[Path], root: str = ""
) -> Resource:
    """The resource of a result.

    `parent` and `children` are the paths that the caller may follow (W48); `root` is what a server has mounted the
    cube under.
    """
    used = result.plan.query.asking(result.plan.metrics)
    return Resource(
        href=root + write_query(used, schema),
        roll_up=None if parent is None else Link(root + write_path(parent, schema), _name(parent, schema)),
        drill_down=tuple(Link(root + write_path(child, schema), child[-1]) for child in children),
        report=result.report,
        query=used,
        native_numbers=schema.native_numbers,
    )


def _name(path: Path, schema: Schema) -> str:
    return path[-1] if path else schema.name


def file_name(resource: Resource, schema: Schema) -> str:
    """What a report is saved as, without extension: the cube, the dates, the filter values and the limit (W44).

    `<prefix>__<start-date>_<end-date>[_<filter values joined by ,>]_<limit>`, safe for a file name.
    """
    query = resource.query
    parts = []
    if query.start is not None and query.end is not None:
        bounds = (query.start.microseconds, query.end.microseconds)
        parts += [to_datetime(schema.zone.local(bound)).date().isoformat() for bound in bounds]
    if values := filter_texts(query, schema):
        parts.append(_safe(",".join(values))[:100])
    if query.limit is not None:
        parts.append(str(query.limit))
    return f"{_safe(schema.file_prefix)}__{'_'.join(parts)}"


def _safe(text: str) -> str:
    """Letters, digits and a few signs of ASCII; a dash for all else, so that no path and no header can be made of
    it."""
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "._,-") else "-" for sign in text)
