"""A Plan is a value that says what will be done, and is its own explanation.

It names the pieces to read and the query as it will be run (implied filters in, metrics chosen, interval as used), with
every number that the choice rested on. When it was made to explain, it lists every candidate: chosen, dearer, or
rejected with all reasons, each with the smallest change that would remove it. `str(plan)` is that, for people.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from wolap.model.aggregate import Partial
from wolap.model.interval import EVERYTHING, Interval, instant_of, moment_text
from wolap.model.query import Query, interval_of
from wolap.model.zone import Zone

__all__ = ["REASONS", "Candidate", "Cost", "Piece", "Plan", "Reason"]

_WIDEST_NAME = 40
_WIDEST_REASON = 76

# Every reason that a candidate can be rejected for, and what it means (`planner.md`).
REASONS = {
    "metric_missing": "a partial that the metric is finished from is not stored",
    "sketch_differs": "a sketch of the same values is stored, with another precision or accuracy",
    "metric_not_mergeable": "several stored rows would make one group, and the metric cannot be merged",
    "needs_exact_grain": "the metric cannot be merged, so only a projection of just this grain has it",
    "dimension_missing": "a dimension of the report is neither stored nor determined by one that is",
    "filter_dimension_missing": "a filtered dimension is neither stored nor determined by one that is",
    "multi_valued_dimension": "a fact has several of the stored rows that would make one group, and counts once",
    "build_filter_not_implied": "it holds only the facts that pass a filter, and the report asks for others",
    "level_too_coarse": "the stored time buckets are larger than the report's",
    "level_not_nested": "the stored time buckets cross the ends of the report's",
    "zone_boundary": "it follows another clock, on which a bucket of the report begins inside a stored one",
    "interval_unaligned": "the interval begins or ends inside a stored time bucket",
    "coverage_gap": "part of the interval is not stored",
    "not_built": "it is declared, but not built",
    "stale": "it was not refreshed since the instant that the query names, or nobody knows when",
    "over_scan_cap": "more facts would be read than the cap allows",
    "over_row_cap": "more groups would come out than the cap allows",
    "over_memory": "more memory would be needed than the cap allows",
    "cheaper_exists": "it would be right, but another is cheaper",
    "disabled": "the cube is strict: facts are not asked",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a candidate is not the one: a code of REASONS, what is in the way, what would remove it."""

    code: str
    subject: str
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a cost hangs on (`planner.md` rule 16) and what it is in nanoseconds, by the model: the rows that are read,
    how many of them the filters are expected to leave, the groups that are expected to come out."""

    rows: int
    rows_left: int
    groups: int
    nanoseconds: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """One projection that was looked at. `cost` is None where it cannot answer alone; `served` are the stretches of
    the interval that a chosen one answers."""

    projection: str
    rows: int | None
    reasons: tuple[Reason, ...]
    cost: Cost | None = None
    chosen: bool = False
    served: tuple[Interval, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of one projection over one interval; each instant of the plan's interval is in just one piece."""

    projection: str
    interval: Interval
    partials: tuple[Partial, ...]
    refreshed: datetime | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done for a query.

    `query` is the one that is run: settled, with the caller's implied filters. `metrics` come out, in this order. There
    are not more than `groups`, and `memory` is the bytes that those take: what guards rest on. `widened` tells that the
    interval grew to what is stored (W19).
    """

    query: Query
    metrics: tuple[str, ...]
    interval: Interval
    pieces: tuple[Piece, ...]
    cost: Cost
    groups: int
    memory: int
    zone: Zone
    widened: bool = False
    version: int = 0
    candidates: tuple[Candidate, ...] = ()

    def of(self, query: Query) -> Plan:
        """The same for a query that differs in the records that it shows, or in the time without facts that it
        bounds."""
        interval, pieces = interval_of(query), self.pieces
        if interval != self.interval:
            bounds = [interval.start, *(piece.interval.end for piece in pieces[:-1]), interval.end]
            pieces = tuple(
                [replace(piece, interval=Interval(*ends)) for piece, ends in zip(pieces, pairwise(bounds), strict=True)]
            )
        fixed = self.cost, self.groups, self.memory, self.zone, self.widened, self.version, self.candidates
        return Plan(query, self.metrics, interval, pieces, *fixed)

    @property
    def refreshed(self) -> datetime | None:
        """When the oldest piece was made; None where that is not known."""
        known = [piece.refreshed for piece in self.pieces if piece.refreshed is not None]
        return min(known) if len(known) == len(self.pieces) and known else None

    def __str__(self) -> str:
        pieces = f"{len(self.pieces)} pieces   {self.cost.nanoseconds / 1e6:.3g} ms estimated\n"
        head = f"{self._head()}\n{pieces if len(self.pieces) > 1 else ''}" + "\n".join(_candidate_lines(self))
        return head.rstrip("\n")

    def _head(self) -> str:
        group = "/".join(self.query.group) or "totals"
        filters = [str(predicate) for predicate in self.query.filters]
        since = self.query.fresh_since
        fresh = [] if since is None else [f"refreshed since {moment_text(instant_of(since, self.zone), self.zone)}"]
        return " · ".join((group, ", ".join(self.metrics), *filters, self._interval(), *fresh))

    def _interval(self) -> str:
        return f"{_stretch(self.interval, self.zone)}{' (widened to what is stored)' if self.widened else ''}"


def _stretch(interval: Interval, zone: Zone) -> str:
    """An interval as `from … until …`."""
    if interval == EVERYTHING:
        return "all time"
    start, end = interval.start, interval.end
    first = "" if start == EVERYTHING.start else f"from {moment_text(start, zone)}"
    last = "" if end == EVERYTHING.end else f"until {moment_text(end, zone)}"
    return " ".join(filter(None, (first, last)))


def _candidate_lines(plan: Plan) -> list[str]:
    """A line for each candidate, below it the stretch that it serves where that is not all, and one for each reason
    with what would remove it."""
    candidates = plan.candidates
    width = min(max((len(candidate.projection) for candidate in candidates), default=0), _WIDEST_NAME)
    lines = []
    for candidate in candidates:
        mark = "✓" if candidate.chosen else "·" if candidate.cost else "✗"
        rows = "not built" if candidate.rows is None else f"{candidate.rows:,} rows"
        spent = "" if candidate.cost is None else f"   {candidate.cost.nanoseconds / 1e6:.3g} ms estimated"
        lines.append(f"{mark} {candidate.projection:<{width}} {rows:>15}{spent}")
        if candidate.served != (plan.interval,):
            lines += [f"    serves {_stretch(stretch, plan.zone)}" for stretch in candidate.served]
        for reason in candidate.reasons:
            remedy = f" → {reason.remedy}" if reason.remedy else ""
            fits = len(reason.text) + len(remedy) <= _WIDEST_REASON
            lines += [f"    {reason.text}{remedy}"] if fits else [f"    {reason.text}", f"     {remedy}"]
    return lines
