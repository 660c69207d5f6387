"""The levels of time, and which of them nests in which.

A level is a way to cut time into buckets. A bucket of one level may lie wholly inside a bucket of another:
that is a partial order and not a list, because weeks cross the ends of months (`planner.md` rule 6).

    instant < second < minute < hour < day < month < quarter < year
                                       day < week

`instant` is the level of facts: every moment is a bucket of its own, so facts are one more projection,
the finest, and need no case of their own anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["IDENTIFYING", "INSTANT", "LEVELS", "SUB_DAY", "common_level", "nests"]

INSTANT = "instant"

# Fine to coarse. The order is that of a good listing; who nests in whom stands in _COARSER.
LEVELS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")

SUB_DAY = frozenset({"second", "minute", "hour"})

_COARSER = {
    INSTANT: ("second",),
    "second": ("minute",),
    "minute": ("hour",),
    "hour": ("day",),
    "day": ("week", "month"),
    "week": (),
    "month": ("quarter",),
    "quarter": ("year",),
    "year": (),
}


def _reach(level: str) -> frozenset[str]:
    return frozenset({level}).union(*(_reach(coarser) for coarser in _COARSER[level]))


_NESTS_IN = {level: _reach(level) for level in _COARSER}

# The calendar parts that together name one bucket of a level. Weeks have none: the week of a year and the
# calendar year do not name a week (the first days of January may be in week 52).
IDENTIFYING: dict[str, frozenset[str]] = {
    "year": frozenset({"year"}),
    "quarter": frozenset({"year", "quarter"}),
    "month": frozenset({"year", "month"}),
    "day": frozenset({"year", "month", "day"}),
    "hour": frozenset({"year", "month", "day", "hour"}),
    "minute": frozenset({"year", "month", "day", "hour", "minute"}),
    "second": frozenset({"year", "month", "day", "hour", "minute", "second"}),
}


def nests(fine: str, coarse: str) -> bool:
    """Whether each bucket of `fine` lies inside one bucket of `coarse`."""
    return coarse in _NESTS_IN[fine]


def common_level(levels: Iterable[str]) -> str | None:
    """The coarsest level that nests in all of `levels`; None for no levels at all."""
    wanted = set(levels)
    if not wanted:
        return None
    return next(level for level in reversed((INSTANT, *LEVELS)) if wanted <= _NESTS_IN[level])
