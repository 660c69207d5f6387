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

from wolap.errors import may_hold_credential
from wolap.language.writer import write_filter, write_moment, write_path, write_query
from wolap.model.interval import Moment
from wolap.model.level import nests
from wolap.model.query import Filter, Query
from wolap.model.schema import Schema
from wolap.model.tree import Path
from wolap.model.zone import FIRST_INSTANT, LAST_INSTANT
from wolap.representations.buckets import bucket_ends, bucket_starts, identified_level, stretches
from wolap.representations.column_text import Texts, mapped_texts, texts_of
from wolap.representations.resource import Resource, Surroundings

__all__ = ["Addresses", "MemberLinks"]

Pieces = list[Texts | str]

# A longer target is refused (W47), also where it is the self link of what a shorter one has asked.
LONGEST_ADDRESS = 12 * 1024
_LONGEST_MEMBER = 500
# So many characters of a page may be addresses that all its records share: with thousands of filters there are no
# links.
MOST_LINKS = 8_000_000


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

    def is_offered(self, address: str) -> bool:
        """Whether an address may be offered: whether it answers, and for the interval that it says (W48)."""
        answers = self._around.answers
        return len(address) <= LONGEST_ADDRESS and (answers is None or answers(address[len(self._around.root) :]))

    def towards(self, path: Path) -> str | None:
        """The address of another path: with what was said here where that answers, else without its interval, else by
        itself; None where it does not answer even so (W48)."""
        if not self._around.can_follow(path):
            return None
        said = (self.to(path), self.to(path, interval=(None, None)))
        alone = self._around.root + write_path(path, self._schema)
        return next((address for address in said if self.is_offered(address)), alone)

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
        query = self.resource.query
        target = query.path if path is None else path
        groupable, filterable = self._groupable(target), self._filterable(target)
        kept = self.said_filters if filters is None else tuple(filters)
        start, end = self.said_interval if interval is None else interval
        offered = frozenset(self.offered(target))
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

    def offered(self, path: Path) -> tuple[str, ...]:
        """The metrics that may be asked for at a path (W3)."""
        return self._around.forest.metrics(path, self._schema.metrics)

    @property
    def said_filters(self) -> tuple[Filter, ...]:
        """The filters that were said, without what holds for the caller anyway."""
        implied = self._around.implied
        dropped = {one.dimension: one.values for one in implied if one.exclude}
        found = []
        for predicate in self._around.filters:
            values = predicate.values
            if predicate.exclude:
                values -= dropped.get(predicate.dimension, frozenset())
            if values and predicate not in implied:
                found.append(Filter(predicate.dimension, values, predicate.exclude))
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
        return forest.groupable(path) if path in forest else frozenset(self._schema.names)

    def _filterable(self, path: Path) -> frozenset[str]:
        return self._groupable(path).union(predicate.dimension for predicate in self._around.implied)

    def below(self, needed: frozenset[str]) -> Iterable[Path]:
        """The paths one step further at which all of these dimensions are known, and then this one."""
        query, around = self.resource.query, self._around
        needed |= {predicate.dimension for predicate in self.said_filters}
        for child in around.forest.children(query.path) if query.path in around.forest else ():
            is_known = needed <= self._filterable(child) and self._groupable(child).issuperset(query.include)
            if is_known and around.can_follow(child):
                yield child
        yield query.path

    def of_members(self) -> list[MemberLinks | None]:
        """For each dimension of the report the addresses of its members, None where they have none.

        A member leads one step further, to just what its record has counted up to it: filtered to it and to the
        members before it, within the bucket of time that they name and the interval of the report.
        """
        columns = self.resource.report.dimensions
        found: list[MemberLinks | None] = []
        room = MOST_LINKS
        for count in range(1, len(columns) + 1):
            parts = [column.name for column in columns[:count] if column.members is None]
            level = identified_level(parts)
            # Parts that name no one stretch of time cannot be asked for: an hour of any day, a week of a year (W14).
            is_stretch = level is not None and all(nests(level, part) for part in parts)
            links = self._links(count, level, room) if is_stretch or not parts else None
            room -= links.size if links is not None else 0
            found.append(links)
        return found

    def _links(self, count: int, level: str | None, room: int) -> MemberLinks | None:
        """The links of one column: to the first path below that answers."""
        columns = [column for column in self.resource.report.dimensions[:count] if column.members is not None]
        own = frozenset(column.name for column in columns)
        # What the record says takes the place of what was asked: of two `d=` a reader would make either (W10).
        kept = [one for one in self.said_filters if one.exclude or one.dimension not in own]
        bounds = self._bounds(level) if level is not None else None
        for target in self.below(own):
            base = self.to(target, filters=kept, interval=self._counted(target) if level is None else (None, None))
            pieces: Pieces = [base, "&" if "?" in base else "?"]
            linked = np.ones(self.resource.report.rows, bool)
            if len(base) * len(linked) > room:
                return None
            for column in columns:
                pieces += [mapped_texts(column, partial(write_filter, column.name)), "&"]
                linked &= mapped_texts(column, _is_sayable).astype(bool)
            if bounds is not None:
                pieces += [*bounds[0], "&"]
                linked &= bounds[1]
            links = MemberLinks(pieces[:-1], linked)
            rows = np.flatnonzero(linked)
            if not len(rows):
                return None
            # Records differ in their members and in whether they lie at an end of the interval.
            if all(self.is_offered(links.at(row)) for row in {int(rows[0]), int(rows[len(rows) // 2]), int(rows[-1])}):
                return links
        return None

    def _counted(self, target: Path) -> tuple[Moment | None, Moment | None]:
        """The interval that this report has counted, said so that another path counts it too: with time, a path that is
        told nothing would look back as far as is usual there."""
        query, span = self.resource.query, self._around.span
        if not self._schema.levels.intersection((*target, *query.include)):
            return query.start, query.end
        first, last = (FIRST_INSTANT, LAST_INSTANT) if span is None else (span.start, span.end)
        return query.start or Moment.at(first), query.end or Moment.at(last)

    def _bounds(self, level: str) -> tuple[Pieces, np.ndarray]:
        """`start` and `end` of the bucket of each record, cut to the report's interval; and where that is exact."""
        starts = bucket_starts(self.resource.report, level)
        ends = bucket_ends(starts, level)
        query, zone = self.resource.query, self._schema.zone
        if not len(starts):
            return ["start=", texts_of(()), "&end=", texts_of(())], np.zeros(0, bool)
        found = stretches(starts, ends, zone)
        first, last = (texts_of(np.datetime_as_string(times, unit="s").tolist()) for times in (starts, ends))
        low = FIRST_INSTANT if query.start is None else query.start.microseconds
        high = LAST_INSTANT if query.end is None else query.end.microseconds
        first[found.first <= low] = write_moment(low, zone)
        last[found.last >= high] = write_moment(high, zone)
        return ["start=", first, "&end=", last], found.exact & (found.first < high) & (found.last > low)


@dataclass(frozen=True, slots=True, eq=False)
class MemberLinks:
    """The address of each record's member, in pieces; `linked` where there is one."""

    pieces: Pieces
    linked: np.ndarray

    @property
    def size(self) -> int:
        """Characters that are the same in every record."""
        return len(self.linked) * sum(len(piece) for piece in self.pieces if isinstance(piece, str))

    def at(self, row: int) -> str:
        """The address of one record's member."""
        return "".join(piece if isinstance(piece, str) else piece[row] for piece in self.pieces)


def _is_sayable(text: str) -> str:
    """Not empty where a member can be filtered by: a target may not hold what looks like a credential, nor be
    over-long."""
    return "" if len(text) > _LONGEST_MEMBER or may_hold_credential(text) else "yes"
