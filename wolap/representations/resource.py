"""A result with its links: what every representation of a report is written from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from wolap.cube import Result
from wolap.engine.execute import Report
from wolap.engine.members import Members
from wolap.language.writer import filter_texts, write_path, write_query
from wolap.model.forest import Forest
from wolap.model.interval import Interval, moment_text
from wolap.model.query import Filter, Query
from wolap.model.schema import Schema
from wolap.model.tree import Path
from wolap.planner.plan import Plan

__all__ = ["Answer", "Link", "Links", "Resource", "Surroundings", "describe", "file_name", "links_of", "next_page"]


@dataclass(frozen=True, slots=True)
class Link:
    """Where to go, and the dimension that is gained or given up there."""

    href: str
    name: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What answered a report, and the seconds that planning and aggregating took (W52)."""

    pieces: tuple[str, ...]
    plan: float
    aggregate: float


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a report stands in: where its caller may go, and what they have said themselves.

    `can_follow` tells of a path of the `forest` whether it answers (W48); `root` is what a server has mounted the cube
    under. A page for people also wants to know which reserved keys were `said` and not filled in, which `filters`, what
    the caller's `implied` filters are, which `members` it may suggest, between which instants facts lie (`span`), and
    what the `answer` came from, where that may be told. `answers` tells of an address with a query string, without its
    root, whether it answers for just the interval that it says; None where all of them do.
    """

    forest: Forest
    can_follow: Callable[[Path], bool]
    root: str = ""
    said: frozenset[str] = frozenset()
    filters: tuple[Filter, ...] = ()
    implied: tuple[Filter, ...] = ()
    members: Mapping[str, Members] = field(default_factory=dict)
    span: Interval | None = None
    answer: Answer | None = None
    answers: Callable[[str], bool] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """A report with its links. `query` is all that was used, which the self link says."""

    href: str
    roll_up: Link | None
    drill_down: tuple[Link, ...]
    report: Report
    query: Query
    schema: Schema
    surroundings: Surroundings

    @property
    def native_numbers(self) -> bool:
        """Whether numbers are written as numbers in JSON (W42)."""
        return self.schema.native_numbers


NOWHERE = Surroundings(Forest(()), lambda path: False)


class Links(NamedTuple):
    """Where a report is, and where its caller may go from it."""

    href: str
    roll_up: Link | None
    drill_down: tuple[Link, ...]


def links_of(plan: Plan, schema: Schema, surroundings: Surroundings = NOWHERE) -> Links:
    """The links of a report, which is only planned yet."""
    used = plan.query.asking(plan.metrics)
    forest, path, root = surroundings.forest, used.path, surroundings.root
    children = forest.children(path) if path in forest else ()
    has_parent = bool(path) and surroundings.can_follow(path[:-1])
    return Links(
        href=root + write_query(used, schema),
        roll_up=Link(root + write_path(path[:-1], schema), _name(path[:-1], schema)) if has_parent else None,
        drill_down=tuple(
            [Link(root + write_path(child, schema), child[-1]) for child in children if surroundings.can_follow(child)]
        ),
    )


def describe(
    result: Result, schema: Schema, surroundings: Surroundings = NOWHERE, links: Links | None = None
) -> Resource:
    """The resource of a result, with its links, which need not be known yet."""
    used = result.plan.query.asking(result.plan.metrics)
    found = links_of(result.plan, schema, surroundings) if links is None else links
    return Resource(*found, result.report, used, schema, surroundings)


def _name(path: Path, schema: Schema) -> str:
    return path[-1] if path else schema.name


def next_page(resource: Resource, form: str | None) -> str | None:
    """The address of the records that follow, where the cube has offsets and there are more (W71), in the format that
    was asked for by `form`, if by any."""
    query, report = resource.query, resource.report
    offset = query.offset + report.rows
    if "offset" not in resource.schema.extensions or not report.rows or offset >= report.total:
        return None
    address = resource.surroundings.root + write_query(query.skipping(offset), resource.schema)
    return f"{address}&format={form}" if form else address


def file_name(resource: Resource) -> str:
    """What a report is saved as, without extension: the cube, the dates, the filter values and the limit (W44).

    `<prefix>__<start-date>_<end-date>[_<filter values joined by ,>]_<limit>`, safe for a file name.
    """
    query, schema = resource.query, resource.schema
    parts = []
    if query.start is not None or query.end is not None:
        # Of an interval that is open on one side the other has no date.
        bounds = (query.start, query.end)
        parts += ["" if bound is None else moment_text(bound.microseconds, schema.zone)[:10] for bound in bounds]
    if values := filter_texts(query, schema):
        parts.append(_safe(",".join(values))[:100])
    if query.limit is not None:
        parts.append(str(query.limit))
    return f"{_safe(schema.file_prefix)}__{'_'.join(parts)}"


def _safe(text: str) -> str:
    """Letters, digits and a few signs of ASCII; a dash for all else, so that no path and no header can be made of
    it."""
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "._,-") else "-" for sign in text)
