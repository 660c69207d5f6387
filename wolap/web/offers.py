"""Which links may be offered (W48): those that lead to an answer.

Whether a path answers by itself hangs on the version of a cube, on who asks, and on the interval that a report without
one gets. So it is planned once for these three, and the version keeps it, by caller: most requests only look. What ends
behind the last fact ends nowhere in particular, so that a clock that goes on changes nothing. Intervals end with whole
seconds, so that of the requests of one second only the first works out what its interval is.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime

from wolap.errors import QueryError
from wolap.language.reader import Location, Target, default_interval, locate, read_query, split_target
from wolap.model.interval import Moment, instant_of
from wolap.model.principal import Principal
from wolap.model.projection import Catalog
from wolap.model.query import settle_filter
from wolap.model.tree import Path
from wolap.model.zone import SECOND
from wolap.planner.choose import is_answerable
from wolap.planner.plan import Plan
from wolap.snapshot import Snapshot

__all__ = ["Offers", "Verdicts"]

# Callers of whom a version keeps verdicts, and verdicts of each. Each default interval has its own, so that they would
# pile up with the days.
_MOST_CALLERS, _MOST_VERDICTS = 256, 1024

_Bounds = tuple[Moment | None, Moment | None]


@dataclass(slots=True)
class Verdicts:
    """What a version has found out for one caller: whether anything declared `could` answer a path, whether it `does`
    for a default interval, and the same for the second that was asked about `last`, by path."""

    could: dict[Path, bool] = field(default_factory=dict)
    does: dict[Hashable, bool] = field(default_factory=dict)
    last: tuple[int, dict[Path, bool]] | None = None

    def at(self, second: int) -> dict[Path, bool]:
        """What was found out for a second, where no other was asked about since."""
        last = self.last
        if last is None or last[0] != second:
            self.last = last = second, {}
        return last[1]


@dataclass(frozen=True, slots=True)
class Offers:
    """What one version of a cube offers to one caller at one time; `answers_all` where no report can be refused."""

    snapshot: Snapshot
    principal: Principal
    now: datetime
    answers_all: bool = field(init=False)
    _verdicts: Verdicts = field(init=False)
    _at_this_second: dict[Path, bool] = field(init=False)

    def __post_init__(self) -> None:
        """Tells whether no report can be refused: the facts can answer anything, and nothing bounds them."""
        catalog = self.snapshot.catalog
        caps = catalog.caps.stricter(self.principal.caps)
        unbounded = caps.groups is None and caps.facts is None and caps.memory is None
        verdicts = _kept(catalog, self.principal)
        second = instant_of(self.now, catalog.schema.zone) // SECOND
        object.__setattr__(self, "answers_all", not catalog.strict and unbounded)
        object.__setattr__(self, "_verdicts", verdicts)
        object.__setattr__(self, "_at_this_second", verdicts.at(second))

    def metrics(self, path: Path) -> tuple[str, ...]:
        """The metrics that the caller's trees offer at a path (W3)."""
        schema = self.snapshot.catalog.schema
        return schema.forest(self.principal.audience).metrics(path, schema.metric_names)

    def is_answerable(self, path: Path) -> bool:
        """Whether by the declarations anything could ever answer a path of the caller's trees (W4)."""
        could = self._verdicts.could
        verdict = could.get(path)
        if verdict is None:
            verdict = could[path] = is_answerable(path, self.snapshot.catalog, self.metrics(path))
        return verdict

    def can_follow(self, path: Path) -> bool:
        """Whether a path answers by itself."""
        if self.answers_all:
            return bool(self.metrics(path))
        verdict = self._at_this_second.get(path)
        if verdict is None:
            verdict = self._at_this_second[path] = self._does_answer(path)
        return verdict

    def _does_answer(self, path: Path) -> bool:
        does, key = self._verdicts.does, (path, *self._default(path))
        verdict = does.get(key)
        if verdict is None:
            verdict = self.is_answerable(path) and self._plan(Target((), ()), Location(path, None)) is not None
            if len(does) >= _MOST_VERDICTS:
                does.clear()
            does[key] = verdict
        return verdict

    def answers(self, target: str) -> bool:
        """Whether a target answers, and for just the interval that it says."""
        split = split_target(target)
        location = locate(split, self.snapshot.catalog.schema)
        plan = None if location is None else self._plan(split, location)
        return plan is not None and not plan.widened

    def _default(self, path: Path) -> _Bounds:
        """The interval of a bare path, an end behind the facts as their own end."""
        catalog = self.snapshot.catalog
        start, end = default_interval(catalog.schema.levels.intersection(path), catalog.schema, self.now)
        return start, Moment.at(catalog.span.end) if end and end.microseconds > catalog.span.end else end

    def _plan(self, target: Target, location: Location) -> Plan | None:
        """The plan of a target; None where it would be refused."""
        try:
            query = read_query(target, location, self.snapshot.catalog.schema, self.principal, self.now)
            return self.snapshot.plan(query, self.principal, among=self.metrics(location.path))
        except QueryError:
            return None


def _kept(catalog: Catalog, principal: Principal) -> Verdicts:
    """What a version keeps for a caller. Filters are settled: True and 1 are equal, and not the same text."""
    implied = tuple(settle_filter(one, catalog.schema) for one in principal.filters) if principal.filters else ()
    caller = (principal.audience, implied, principal.caps)
    verdicts: Verdicts | None = catalog.offers.get(caller)
    if verdicts is None:
        if len(catalog.offers) >= _MOST_CALLERS:
            catalog.offers.clear()
        verdicts = catalog.offers.setdefault(caller, Verdicts())
    return verdicts
