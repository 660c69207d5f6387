"""How many groups a report will have, and how many rows its filters leave: guessed from what was counted.

Members of every dimension are counted when facts are loaded, so what one predicate leaves of all facts is known, and
what several leave is guessed as if they had nothing to do with each other. The number of groups that p rows fall into,
of n possible ones, is expected to be n (1 - (1 - 1/n)^p), never more than p (Cardenas 1975; Calcite's lattice
statistics). That guess only chooses. Guards rest on a bound: there are never more groups than combinations, than rows
of any projection that is fine enough, and than facts that the sharpest predicate leaves.

By a multi-valued dimension facts are grouped once for each member that they have, so its members are counted in place
of the facts, and of several such dimensions the members of one by the longest list of each other.
"""

from __future__ import annotations

from functools import lru_cache
from math import expm1, fsum, inf, log1p, prod
from typing import NamedTuple

from wolap.model.filter import Filter
from wolap.model.interval import Interval
from wolap.model.level import INSTANT, SUB_DAY
from wolap.model.projection import Catalog, Shares
from wolap.model.query import Query
from wolap.model.zone import DAY, HOUR, MINUTE, SECOND, Zone
from wolap.planner.needs import Needs, remembered

__all__ = ["NOTHING", "Estimate", "buckets_between", "estimate", "expected_groups", "most_times", "time_groups"]

_ALL_ROWS = 1 << 62
# How many values a calendar part has.
_PARTS = {"quarter": 4, "month": 12, "week": 53, "day": 31, "hour": 24, "minute": 60, "second": 60}

# What sums of shares may be off by.
_ROUNDING = 1e-9

_SIZES = {
    "second": SECOND,
    "minute": MINUTE,
    "hour": HOUR,
    "day": DAY,
    "week": 7 * DAY,
    "month": 28 * DAY,
    "quarter": 90 * DAY,
    "year": 365 * DAY,
}


class Estimate(NamedTuple):
    """The size of a report, whatever it is answered from.

    `share` of the rows is what filters are expected to leave, and of all rows not more than `left`; `groups` are
    expected, and there are not more than `most`. `members` is the product
    of those of the dimensions of the report, `keys` that with its times: what the keys of groups run up to.
    """

    share: float
    left: int
    groups: int
    most: int
    members: float
    keys: float


# The size of what nothing can answer.
NOTHING = Estimate(1.0, 0, 0, 0, 0.0, 0.0)


def estimate(needs: Needs, catalog: Catalog, rows: int) -> Estimate:
    """The size of a report, of whose groups something stored has this many rows."""
    query = needs.query
    share, left, lists = 1.0, _ALL_ROWS, needs.lists
    if query.filters:
        shares = [_share(predicate, catalog, lists) for predicate in query.filters]
        share = prod([expected for expected, _ in shares])
        facts = catalog.projections[-1].statistics
        if facts is not None:
            left = min([int(min(bound * facts.rows, _ALL_ROWS)) + 1 for _, bound in shares])
    if not needs.dimensions and not needs.levels:
        return Estimate(share, left, 1, 1, 1.0, 1.0)
    space, level = remembered(_space, needs, catalog), needs.level
    times, possible = time_groups(needs.levels, level, needs.asked), space.possible(query)
    most = most_times(needs.levels, level, needs.asked, needs.schema.zone)
    return Estimate(
        share,
        left,
        int(expected_groups(possible * times, rows * share) + 0.5),
        int(min(possible * most, rows, left)),
        space.members,
        space.members * times,
    )


class _Space(NamedTuple):
    """The dimensions of a report, those of time aside: the product of their members, and the members of each that no
    other determines."""

    members: float
    free: dict[str, int]
    product: float

    def possible(self, query: Query) -> float:
        """How many combinations the filters leave."""
        kept = {one.dimension: len(one.values) for one in query.filters if not one.exclude} if query.filters else {}
        if self.free.keys().isdisjoint(kept):
            return self.product
        return prod((max(min(members, kept.get(name, members)), 1) for name, members in self.free.items()), start=1.0)


def _space(needs: Needs, catalog: Catalog) -> _Space:
    members = {name: max(catalog.members.get(name, 1), 1) for name in sorted(needs.dimensions)}
    determined = {above for name in needs.dimensions for above in needs.schema.ancestors(name)}
    free = {name: many for name, many in members.items() if name not in determined}
    return _Space(float(prod(members.values())), free, prod(free.values(), start=1.0))


def _share(predicate: Filter, catalog: Catalog, lists: frozenset[str]) -> tuple[float, float]:
    """What a predicate is expected to leave of the rows, and what it leaves at most of the facts, each of them taken
    for as many as it has members in the `lists` of the report."""
    name = predicate.dimension
    shares = catalog.shares.get(name)
    if shares is None:
        return 1.0, inf if lists or name in catalog.schema.multivalued else 1.0
    if lists or name in catalog.schema.multivalued:
        return _share_of_pairs(predicate, shares, catalog, lists)
    counted = [shares.members.get(member) for member in predicate.values]
    # Exactly, since members have no order that is the same each time.
    known = fsum([one for one in counted if one is not None])
    others = counted.count(None)
    if predicate.exclude:
        return max(1.0 - known - others * shares.mean_of_others, 0.0), max(1.0 - known, 0.0)
    return min(known + others * shares.mean_of_others, 1.0), min(known + others * shares.most_of_others, 1.0)


def _share_of_pairs(predicate: Filter, shares: Shares, catalog: Catalog, lists: frozenset[str]) -> tuple[float, float]:
    """The same for pairs of fact and member. A fact passes with any of its members, so where they do not make groups
    there may be as many facts as pairs, but no more than all."""
    counted = [shares.members.get(member) for member in predicate.values]
    known = fsum([one for one in counted if one is not None])
    others = counted.count(None)
    if predicate.exclude:
        expected, most = shares.mean_length - known - others * shares.mean_of_others, shares.mean_length - known
    else:
        expected, most = known + others * shares.mean_of_others, known + others * shares.most_of_others
    grouped = predicate.dimension in lists
    whole = shares.mean_length if grouped else 1.0
    further = prod([_longest(catalog, name) for name in lists - {predicate.dimension}], start=1.0)
    # Two sums of floats: what is left of them may be a little too small.
    most = min(max(most, 0.0) + _ROUNDING, whole)
    return min(max(expected, 0.0) / max(whole, 1.0), 1.0), most * further if most > 0 else 0.0


def _longest(catalog: Catalog, name: str) -> float:
    facts = catalog.projections[-1].statistics
    return inf if facts is None else facts.longest.get(name, inf)


def expected_groups(possible: float, rows: float) -> float:
    """How many of `possible` groups `rows` rows are expected to fall into."""
    if possible <= 1 or rows <= 0:
        return min(max(possible, 0.0), max(rows, 0.0))
    return min(-possible * expm1(rows * log1p(-1.0 / possible)), rows)


def time_groups(levels: frozenset[str], level: str | None, asked: Interval) -> float:
    """How many time buckets an interval is expected to have, or combinations of calendar parts where those are
    fewer."""
    if level is None:
        return 1.0
    length = max(asked.end - asked.start, 0)
    product = 1.0
    for name in levels:
        product *= length / _SIZES["year"] + 1.0 if name == "year" else _PARTS[name]
    return min(length / _SIZES[level] + 1.0, product)


def most_times(levels: frozenset[str], level: str | None, asked: Interval, zone: Zone) -> float:
    """How many it has at most: periods are counted on the clock."""
    return _most_times(levels, level, asked.start, asked.end, zone)


# Reports of one dashboard look as far back as each other, and all as far as there are facts.
@lru_cache(maxsize=4096)
def _most_times(levels: frozenset[str], level: str | None, start: int, end: int, zone: Zone) -> float:
    if level is None or start >= end:
        return 1.0
    asked, product = Interval(start, end), 1.0
    for name in levels:
        product *= _periods("year", asked, zone) if name == "year" else _PARTS[name]
    return min(_periods(level, asked, zone), product)


def _periods(level: str, asked: Interval, zone: Zone) -> float:
    """The periods of a level that an interval touches, of those below the day one more: a clock may be set back."""
    if level == INSTANT:
        return float(asked.end - asked.start)
    first, last = zone.period(level, asked.start), zone.period(level, asked.end - 1)
    return max(last - first + 1.0, 1.0) + (level in SUB_DAY)


def buckets_between(level: str, interval: Interval) -> float:
    """How many buckets of a level an interval has at most."""
    return max(interval.end - interval.start, 0) / _SIZES[level] + 3.0
