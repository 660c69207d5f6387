"""Which links may be offered (W48): those that lead to an answer.

Whether a path answers by itself hangs on the version of a cube, on who asks, and on the interval that a report without
one gets. So it is planned once for these three, and the version keeps it: most requests only look. What ends behind the
last fact ends nowhere in particular, so that a clock that goes on changes nothing.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime

from wolap.cube import Snapshot
from wolap.errors import QueryError
from wolap.language.reader import Location, Target, default_interval, locate, read_query, split_target
from wolap.model.interval import Moment
from wolap.model.principal import Principal
from wolap.model.query import settle_filter
from wolap.model.tree import Path
from wolap.planner.choose import is_answerable
from wolap.planner.plan import Plan

__all__ = ["Offers"]

# Verdicts that a version keeps. Each default interval has its own, so that they would pile up with the days.
_MOST_KEPT = 65_536

_Bounds = tuple[Moment | None, Moment | None]


@dataclass(frozen=True, slots=True)
class Offers:
    """What one version of a cube offers to one caller at one time; `answers_all` where no report can be refused."""

    snapshot: Snapshot
    principal: Principal
    now: datetime
    answers_all: bool = field(init=False)
    _bounds: dict[frozenset[str], _Bounds] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Tells whether no report can be refused: the facts can answer anything, and nothing bounds them."""
        catalog = self.snapshot.catalog
        caps = catalog.caps.stricter(self.principal.caps)
        unbounded = caps.groups is None and caps.facts is None and caps.memory is None
        object.__setattr__(self, "answers_all", not catalog.strict and unbounded)

    def metrics(self, path: Path) -> tuple[str, ...]:
        """The metrics that the caller's trees offer at a path (W3)."""
        schema = self.snapshot.catalog.schema
        return schema.forest(self.principal.audience).metrics(path, schema.metric_names)

    def is_answerable(self, path: Path) -> bool:
        """Whether by the declarations anything could ever answer a path (W4)."""
        return is_answerable(path, self.snapshot.catalog, self.metrics(path))

    def can_follow(self, path: Path) -> bool:
        """Whether a path answers by itself."""
        if self.answers_all:
            return bool(self.metrics(path))
        kept = self.snapshot.catalog.offers
        key = (self._caller, path, *self._default(path))
        if key not in kept:
            if len(kept) >= _MOST_KEPT:
                kept.clear()
            kept[key] = self.is_answerable(path) and self._plan(Target((), ()), Location(path, None)) is not None
        return kept[key]

    def answers(self, target: str) -> bool:
        """Whether a target answers, and for just the interval that it says."""
        split = split_target(target)
        location = locate(split, self.snapshot.catalog.schema)
        plan = None if location is None else self._plan(split, location)
        return plan is not None and not plan.widened

    @property
    def _caller(self) -> Hashable:
        """Whom a verdict is for. Filters are settled: True and 1 are equal, and not the same text."""
        principal, schema = self.principal, self.snapshot.catalog.schema
        implied = tuple(settle_filter(one, schema) for one in principal.filters) if principal.filters else ()
        return principal.audience, implied, principal.caps

    def _default(self, path: Path) -> _Bounds:
        """The interval of a bare path, an end behind the facts as their own end."""
        catalog = self.snapshot.catalog
        levels = catalog.schema.levels.intersection(path)
        if levels not in self._bounds:
            start, end = default_interval(levels, catalog.schema, self.now)
            if end is not None and end.microseconds > catalog.span.end:
                end = Moment.at(catalog.span.end)
            self._bounds[levels] = start, end
        return self._bounds[levels]

    def _plan(self, target: Target, location: Location) -> Plan | None:
        """The plan of a target; None where it would be refused."""
        try:
            query = read_query(target, location, self.snapshot.catalog.schema, self.principal, self.now)
            return self.snapshot.plan(query, self.principal, among=self.metrics(location.path))
        except QueryError:
            return None
