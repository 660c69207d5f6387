"""Where the page of a report leads: the same question with one thing changed.

A page keeps what its reader has said (filters, interval, limit, metrics, included dimensions) and leaves unsaid what
was filled in, so that a month's default interval does not follow its reader up to the years. What another path does
not know, such as a filter on a dimension that is not below it, is not taken along.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from wolap.language.writer import write_filter, write_moment, write_path, write_query
from wolap.model.interval import Moment
from wolap.model.level import nests
from wolap.model.query import Filter, Query, conjunction
from wolap.model.schema import Schema
from wolap.model.tree import Path
from wolap.representations.buckets import bucket_ends, bucket_starts, identified_level
from wolap.representations.column_text import Texts, mapped_texts, texts_of
from wolap.representations.resource import Resource, Surroundings

__all__ = ["Addresses"]

Pieces = list[Texts | str]


@dataclass(frozen=True, slots=True, eq=False)
class Addresses:
    """The addresses around one report."""

    resource: Resource

    @property
    def _schema(self) -> Schema:
        return self.resource.schema

    @property
    def _around(self) -> Surroundings:
        return self.resource.surroundings

    def action(self) -> str:
        """The address of the report without a query string: what its forms add to."""
        return self._around.root + write_path(self.resource.query.path, self._schema)

    def to(
        self,
        path: Path | None = None,
        *,
        filters: Iterable[Filter] | None = None,
        interval: tuple[Moment | None, Moment | None] | None = None,
        metrics: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> str:
        """The report of a path, this one's unless said, with what was said here and may be said there."""
        query, forest = self.resource.query, self._around.forest
        target = query.path if path is None else path
        groupable, filterable = self._groupable(target), self._filterable(target)
        kept = self.said_filters if filters is None else tuple(filters)
        start, end = self.said_interval if interval is None else interval
        offered = frozenset(forest.metrics(target, self._schema.metrics) if target in forest else self._schema.metrics)
        chosen = self.said_metrics if metrics is None else metrics
        asked = Query(
            target,
            include=[name for name in query.include if name in groupable],
            filters=[predicate for predicate in kept if predicate.dimension in filterable],
            start=start,
            end=end,
            metrics=tuple(name for name in chosen or () if name in offered) or None,
            limit=limit or self.said_limit,
        )
        return self._around.root + write_query(asked, self._schema)

    @property
    def said_filters(self) -> tuple[Filter, ...]:
        """The filters without what is implied for the caller anyway: nobody has said that."""
        implied = conjunction(self._around.implied)
        fixed = frozenset(implied)
        dropped = {one.dimension: one.values for one in implied if one.exclude}
        found = []
        for predicate in self.resource.query.filters:
            values = predicate.values - dropped.get(predicate.dimension, frozenset()) if predicate.exclude else None
            if values is None and predicate not in fixed:
                found.append(predicate)
            elif values:
                found.append(Filter(predicate.dimension, values, exclude=True))
        return tuple(found)

    @property
    def said_interval(self) -> tuple[Moment | None, Moment | None]:
        """The bounds that were said."""
        query, said = self.resource.query, self._around.said
        return query.start if "start" in said else None, query.end if "end" in said else None

    @property
    def said_metrics(self) -> tuple[str, ...] | None:
        """The metrics, where they were said."""
        return self.resource.query.metrics if "metrics" in self._around.said else None

    @property
    def said_limit(self) -> int | None:
        """The limit, where it was said."""
        return self.resource.query.limit if "limit" in self._around.said else None

    def groupable(self) -> list[str]:
        """What the report may be grouped by, in the order of the schema (W13)."""
        known = self._groupable(self.resource.query.path)
        return [name for name in self._schema.names if name in known]

    def filterable(self) -> list[str]:
        """What the report may be filtered by (W13)."""
        known = self._filterable(self.resource.query.path)
        return [name for name in self._schema.names if name in known]

    def _groupable(self, path: Path) -> frozenset[str]:
        forest = self._around.forest
        return forest.below(path).union(path) if path in forest else frozenset(self._schema.names)

    def _filterable(self, path: Path) -> frozenset[str]:
        return self._groupable(path).union(predicate.dimension for predicate in self._around.implied)

    def below(self, needed: frozenset[str]) -> Path:
        """The first path one step further at which all of these dimensions are known; this one where there is none."""
        query, around = self.resource.query, self._around
        needed |= {predicate.dimension for predicate in self.said_filters}
        for child in around.forest.children(query.path) if query.path in around.forest else ():
            is_known = needed <= self._filterable(child) and self._groupable(child).issuperset(query.include)
            if is_known and around.can_follow(child):
                return child
        return query.path

    def of_members(self) -> list[Pieces | None]:
        """For each dimension of the report the pieces of its members' addresses, None where they have none.

        A member leads one step further, to just what its record has counted up to it: filtered to it and to the
        members before it, within the bucket of time that they name and the interval of the report.
        """
        columns = self.resource.report.dimensions
        found: list[Pieces | None] = []
        for count in range(1, len(columns) + 1):
            parts = [column.name for column in columns[:count] if column.members is None]
            level = identified_level(parts)
            # Parts that name no one stretch of time cannot be asked for: an hour of any day, a week of a year (W14).
            is_stretch = (
                level is not None and all(nests(level, part) for part in parts) and not self._comes_apart(level)
            )
            found.append(self._pieces(count, level) if is_stretch or not parts else None)
        return found

    def _comes_apart(self, level: str) -> bool:
        """Whether a bucket of a level is two stretches of time with another between: where a clock is put back, a
        minute comes twice an hour apart."""
        query, zone = self.resource.query, self._schema.zone
        if query.start is None or query.end is None:
            return False
        _, changes, _ = zone.changes(query.start.microseconds, query.end.microseconds - 1)
        return any(zone.period(level, change) < zone.period(level, change - 1) for change in changes)

    def _pieces(self, count: int, level: str | None) -> Pieces:
        columns = [column for column in self.resource.report.dimensions[:count] if column.members is not None]
        own = frozenset(column.name for column in columns)
        # What the record says takes the place of what was asked: of two `d=` a reader would make either (W10).
        kept = [one for one in self.said_filters if one.exclude or one.dimension not in own]
        target = self.below(own)
        interval = (self.resource.query.start, self.resource.query.end) if level is None else (None, None)
        base = self.to(target, filters=kept, interval=interval)
        pieces: Pieces = [base, "&" if "?" in base else "?"]
        for column in columns:
            pieces += [mapped_texts(column, partial(write_filter, column.name)), "&"]
        if level is not None:
            pieces += [*self._bounds(level), "&"]
        return pieces[:-1]

    def _bounds(self, level: str) -> Pieces:
        """`start` and `end` of the bucket of each record, cut to the interval of the report."""
        starts = bucket_starts(self.resource.report, level)
        ends = bucket_ends(starts, level)
        query = self.resource.query
        first, last = (texts_of(np.datetime_as_string(times, unit="s").tolist()) for times in (starts, ends))
        if query.start is not None:
            first[starts <= self._local(query.start)] = self._written(query.start)
        if query.end is not None:
            # At the very end of a bucket its own text holds, also where the clock says that time twice.
            last[ends > self._local(query.end)] = self._written(query.end)
        return ["start=", first, "&end=", last]

    def _local(self, moment: Moment) -> np.datetime64:
        return np.datetime64(self._schema.zone.local(moment.microseconds), "us")

    def _written(self, moment: Moment) -> str:
        return write_moment(moment.microseconds, self._schema.zone)
