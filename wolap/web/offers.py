"""Which links may be offered (W48): those that lead to an answer.

Whether a path answers by itself hangs on the version of a cube, on who asks, and on the interval that a report without
one gets. So it is planned once for these three, and the version keeps it, by caller: most requests only look. What ends
behind the last fact ends nowhere in particular, so that a clock that goes on changes nothing.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from wolap.errors import QueryError
from wolap.language.reader import Location, Target, default_interval, locate, read_query, split_target
from wolap.model.interval import Moment
from wolap.model.principal import Principal
from wolap.model.query import settle_filter
from wolap.model.tree import Path
from wolap.planner.choose import is_answerable
from wolap.planner.plan import Plan
from wolap.snapshot import Snapshot

__all__ = ["Offers"]

# Callers of whom a version keeps verdicts, and verdicts of each. Each default interval has its own, so that they would
# pile up with the days.
_MOST_CALLERS, _MOST_VERDICTS = 256, 1024

_Bounds = tuple[Moment | None, Moment | None]


@dataclass(frozen=True)
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
        key = (path, *self._default(path))
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self.is_answerable(path) and self._plan(Target((), ()), Location(path, None)) is not None
            if len(self._verdicts) >= _MOST_VERDICTS:
                self._verdicts.clear()
            self._verdicts[key] = verdict
        return verdict

    def answers(self, target: str) -> bool:
        """Whether a target answers, and for just the interval that it says."""
        split = split_target(target)
        location = locate(split, self.snapshot.catalog.schema)
        plan = None if location is None else self._plan(split, location)
        return plan is not None and not plan.widened

    @cached_property
    def _verdicts(self) -> dict[Hashable, bool]:
        """What the version keeps for the caller. Filters are settled: True and 1 are equal, and not the same text."""
        principal, catalog = self.principal, self.snapshot.catalog
        implied = tuple(settle_filter(one, catalog.schema) for one in principal.filters) if principal.filters else ()
        caller = (principal.audience, implied, principal.caps)
        verdicts = catalog.offers.get(caller)
        if verdicts is None:
            if len(catalog.offers) >= _MOST_CALLERS:
                catalog.offers.clear()
            verdicts = catalog.offers.setdefault(caller, {})
        return verdicts

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
