"""What was asked, from a record of it: request targets, one a line, or the log of a web server.

    /esm/v3/year/month?platform=web
    203.0.113.9 - - [01/Jul/2024:10:00:00 +0000] "GET /esm/v3/year/month HTTP/1.1" 200 512

A target that is recorded twice counts twice. What cannot be read, and what is no report of the cube, is counted and
told with its line. Reports without an interval look back from one moment for all, as they will when they are asked
again; not from when they were recorded.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TextIO

from wolap.command.loading import full_target
from wolap.errors import QueryError, UnknownResource, WolapError, quote
from wolap.language.reader import locate, read_query, split_target
from wolap.model.principal import EVERYONE, Principal
from wolap.model.projection import Catalog
from wolap.model.query import Query
from wolap.planner.choose import default_metrics
from wolap.web.endpoint import LONGEST_TARGET

__all__ = ["Record", "read_record"]

_REQUEST = re.compile(r'"([A-Za-z]+) (\S+)(?: HTTP/[0-9.]+)?"')
_BARE = re.compile(r"(?:([A-Z]+) +)?(\S+)(?: +HTTP/[0-9.]+)?")
_READ_METHODS = ("GET", "HEAD")
# A log line has more than its target; of what is longer, and of more targets than these, memory would not be bounded.
_LONGEST_LINE = 4 * LONGEST_TARGET
_MOST_TARGETS = 100_000
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Record:
    """The queries of a record with how often each was asked; the number of lines that were read and of those that were
    not, with what is wrong in the first few of these."""

    queries: tuple[tuple[Query, float], ...]
    read: int
    refused: int
    problems: tuple[str, ...]


def read_record(path: Path, catalog: Catalog, now: datetime, audience: str | None = None) -> Record:
    """Reads a record as of `now`: as one audience asks, or else as whoever has the report.

    Raises QueryError for a file that cannot be read, and for one without any report of the cube.
    """
    seen: Counter[str] = Counter()
    first: dict[str, int] = {}
    refused, wrong = 0, list[tuple[int, str]]()
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            for number, line in _lines(file):
                try:
                    target = _target(line)
                    if target not in seen and len(seen) >= _MOST_TARGETS:
                        raise QueryError(f"is a report beyond the first {_MOST_TARGETS:,} that differ")
                except QueryError as error:
                    refused += 1
                    # Of lines in their order none but the first few are shown.
                    if len(wrong) < _SHOWN:
                        wrong.append((number, str(error)))
                    continue
                seen[target] += 1
                first.setdefault(target, number)
    except OSError as error:
        raise QueryError(f"{path} cannot be read: {error.strerror}") from None
    principals = (
        [Principal(audience)] if audience is not None else [EVERYONE, *map(Principal, catalog.schema.audiences)]
    )
    queries: list[tuple[Query, float]] = []
    for target, times in seen.items():
        try:
            queries.append((_query(target, catalog, principals, now), float(times)))
        except WolapError as error:
            refused += times
            wrong.append((first[target], str(error)))
    problems = [f"line {number}: {text}" for number, text in sorted(wrong)[:_SHOWN]]
    if not queries:
        found = "; ".join(problems) if problems else "it has no line that is not empty"
        raise QueryError(f"{path} records no report of {quote(catalog.schema.name)}: {found}")
    read = int(sum(times for _, times in queries))
    return Record(tuple(queries), read, refused, tuple(problems))


def _lines(file: TextIO) -> Iterator[tuple[int, str]]:
    """The lines that say something, with their numbers; of one that is too long its beginning."""
    number, whole = 0, True
    while piece := file.readline(_LONGEST_LINE):
        begins, whole = whole, piece.endswith("\n")
        number += begins
        if begins and (text := piece.strip()) and not text.startswith("#"):
            yield number, text


def _target(line: str) -> str:
    """The request target in a line. Raises QueryError for a line that has none."""
    found = _REQUEST.search(line) or _BARE.fullmatch(line)
    if found is None:
        raise QueryError("holds no request target")
    method, target = found.groups()
    if method is not None and method.upper() not in _READ_METHODS:
        raise QueryError(f"{quote(method)} asks for no report; methods are {', '.join(_READ_METHODS)}")
    if len(target) > LONGEST_TARGET:
        raise QueryError(f"its target is longer than {LONGEST_TARGET:,} characters")
    return str(target)


def _query(text: str, catalog: Catalog, principals: list[Principal], now: datetime) -> Query:
    """The query of a target, with the metrics that it shows, as the first of some callers who may ask it."""
    schema = catalog.schema
    target = split_target(full_target(text, schema))
    location = locate(target, schema)
    if location is None:
        raise UnknownResource(f"{quote(text)} is not below {schema.base}")
    *others, last = principals
    for principal in others:
        try:
            query = read_query(target, location, schema, principal, now)
            break
        except QueryError:
            continue
    else:
        principal = last
        query = read_query(target, location, schema, principal, now)
    offered = schema.forest(principal.audience).metrics(location.path, schema.metrics)
    return query.asking(query.metrics or default_metrics(query, catalog, offered) or offered)
