"""A plan as data: the one documented JSON shape of an explanation (`planner.md` rule 19, docs/planner.md).

Times are texts on the clock of the cube, null where a side is open; what the cost model has guessed stands under
`estimated`.
"""

from __future__ import annotations

from typing import Any

from wolap.model.interval import EVERYTHING, Interval, moment_text
from wolap.model.member import KINDS, Member, member_text
from wolap.model.zone import Zone
from wolap.planner.plan import Candidate, Cost, Plan

__all__ = ["explanation"]


def explanation(plan: Plan) -> dict[str, Any]:
    """The plan with every candidate, as values that JSON has."""
    zone, query = plan.zone, plan.query
    return {
        "group": list(query.group),
        "filters": [
            {
                "dimension": predicate.dimension,
                "exclude": predicate.exclude,
                "members": sorted(map(_member, predicate.values), key=_last),
            }
            for predicate in query.filters
        ],
        "metrics": list(plan.metrics),
        "interval": _stretch(plan.interval, zone),
        "widened": plan.widened,
        "estimated": {**_cost(plan.cost), "memory_bytes": plan.memory},
        "pieces": [
            {
                "projection": piece.projection,
                **_stretch(piece.interval, zone),
                "partials": [str(partial) for partial in piece.partials],
                "refreshed": None if piece.refreshed is None else piece.refreshed.isoformat(),
            }
            for piece in plan.pieces
        ],
        "candidates": [_candidate(candidate, zone) for candidate in plan.candidates],
        "version": plan.version,
    }


def _member(value: Member) -> str | None:
    """A settled member is of its dimension's own type, which says the kind that it is written in."""
    if value is None or isinstance(value, str):
        return value
    return member_text(next(kind for kind, (own, *_) in KINDS.items() if type(value) is own), value)


def _last(member: str | None) -> tuple[bool, str]:
    return member is None, member or ""


def _candidate(candidate: Candidate, zone: Zone) -> dict[str, Any]:
    return {
        "projection": candidate.projection,
        "rows": candidate.rows,
        "chosen": candidate.chosen,
        "serves": [_stretch(stretch, zone) for stretch in candidate.served],
        "estimated": None if candidate.cost is None else _cost(candidate.cost),
        "reasons": [
            {"code": one.code, "subject": one.subject, "text": one.text, "remedy": one.remedy or None}
            for one in candidate.reasons
        ],
    }


def _cost(cost: Cost) -> dict[str, Any]:
    return {
        "rows": cost.rows,
        "rows_left": cost.rows_left,
        "groups": cost.groups,
        "nanoseconds": round(cost.nanoseconds),
    }


def _stretch(interval: Interval, zone: Zone) -> dict[str, str | None]:
    return {
        "start": None if interval.start == EVERYTHING.start else moment_text(interval.start, zone),
        "end": None if interval.end == EVERYTHING.end else moment_text(interval.end, zone),
    }
