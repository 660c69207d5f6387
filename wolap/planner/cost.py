"""What a plan costs, in the terms of `planner.md` rule 16, from measured row counts.

    cost = rows read x bytes touched + output groups + a constant for each piece

in nanoseconds, with one rate for each term. Facts stand in the same formula, so they win where they are cheaper. The
number of groups that p rows fall into, of n possible ones, is estimated as n (1 - (1 - 1/n)^p), never more than p
(Calcite's lattice statistics; Cardenas 1975), and never more than the rows of any projection that is fine enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import expm1, log1p

from wolap.model.aggregate import JOINT, SETS, Partial
from wolap.model.interval import Interval
from wolap.model.level import nests
from wolap.model.projection import Catalog, Projection
from wolap.model.zone import DAY, HOUR, MINUTE, SECOND
from wolap.planner.eligibility import Needs
from wolap.planner.plan import Cost

__all__ = ["Part", "cost_of", "expected_groups", "group_estimate", "memory_of", "nanoseconds_per_row", "width_of"]

NANOSECONDS_PER_PIECE = 30_000.0
NANOSECONDS_PER_BYTE = 0.15
NANOSECONDS_PER_GROUP = 60.0
BYTES_OF_NUMBER = 8
# What is counted by its items is merged by sorting them: each is as dear as reading this many bytes.
BYTES_OF_SET = 160
# What is joined to its group in a second pass builds the keys of its rows once more.
BYTES_OF_JOINT = 200
# A value that is only counted, and an item that is merged and kept, while pairs are put in order.
BYTES_OF_VALUE, BYTES_OF_ITEM = 16, 28
# Blocks of rows, keys and values that any run holds at one time.
BYTES_OF_BLOCKS = 8 << 20

# How many values a calendar part has.
_PARTS = {"quarter": 4, "month": 12, "week": 53, "day": 31, "hour": 24, "minute": 60, "second": 60}

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


def expected_groups(possible: float, rows: float) -> float:
    """How many of `possible` groups `rows` rows are expected to fall into."""
    if possible <= 1 or rows <= 0:
        return min(max(possible, 0.0), max(rows, 0.0))
    return min(-possible * expm1(rows * log1p(-1.0 / possible)), rows)


def possible_groups(needs: Needs, catalog: Catalog) -> float:
    """The product of the members of each dimension of the report that no other determines, and of its time."""
    kept = {predicate.dimension: len(predicate.values) for predicate in needs.query.filters if not predicate.exclude}
    determined = {above for name in needs.dimensions for above in needs.schema.ancestors(name)}
    product = 1.0
    for name in needs.dimensions - determined:
        members = catalog.members.get(name, 1)
        product *= max(min(members, kept.get(name, members)), 1)
    return product * time_groups(needs.levels, needs.level, needs.asked)


def time_groups(levels: frozenset[str], level: str | None, asked: Interval) -> float:
    """How many time buckets an interval has, or combinations of calendar parts where those are fewer."""
    if level is None:
        return 1.0
    length = max(asked.end - asked.start, 0)
    product = 1.0
    for name in levels:
        product *= length / _SIZES["year"] + 1.0 if name == "year" else _PARTS[name]
    return min(length / _SIZES[level] + 1.0, product)


def group_estimate(needs: Needs, catalog: Catalog) -> int:
    """The groups that a report is expected to have before its limit."""
    if not needs.query.group:
        return 1
    rows = [
        float(projection.statistics.rows_in(needs.asked))
        for projection in catalog.projections
        if projection.statistics is not None
        and projection.statistics.coverage.covers(needs.asked)
        and needs.dimensions <= projection.closure
        and (needs.level is None or (projection.level is not None and nests(projection.level, needs.level)))
    ]
    return int(expected_groups(possible_groups(needs, catalog), min(rows, default=0.0)) + 0.5)


def width_of(needs: Needs, catalog: Catalog) -> int:
    """Bytes of a row that are touched, the same in every projection but for sets: codes, and a number for each
    partial, those of a second pass for more."""
    codes = sum(_code_bytes(catalog.members.get(name, 1)) for name in needs.dimensions | needs.filtered)
    joint = sum(partial.function in JOINT for partial in needs.partials)
    return codes + BYTES_OF_NUMBER * len(needs.partials) + (BYTES_OF_JOINT - BYTES_OF_NUMBER) * joint


@dataclass(frozen=True, slots=True)
class Part:
    """A built projection, and the stretch of the interval that it serves."""

    projection: Projection
    interval: Interval


def cost_of(parts: Iterable[Part], needs: Needs, groups: int, width: int) -> Cost:
    """What it costs to answer from these parts; `width` is that of `width_of`."""
    rows, spent = 0, groups * NANOSECONDS_PER_GROUP
    for part in parts:
        assert part.projection.statistics is not None
        read = part.projection.statistics.rows_in(part.interval.intersect(needs.asked))
        rows += read
        spent += NANOSECONDS_PER_PIECE + read * nanoseconds_per_row(part.projection, needs, width)
    return Cost(rows, width, groups, spent)


def nanoseconds_per_row(projection: Projection, needs: Needs, width: int) -> float:
    """What keeps items is dearer to merge than a number: facts keep one for each distinct count, stored collections
    as many as were measured."""
    spent = float(width)
    if needs.counted:
        spent += sum(BYTES_OF_SET * items - BYTES_OF_NUMBER for _, items in _items(projection, needs))
    return spent * NANOSECONDS_PER_BYTE


def _items(projection: Projection, needs: Needs) -> Iterator[tuple[Partial, float]]:
    """What is counted by its items, and how many a row has, in an order that is the same each time."""
    statistics = projection.statistics
    for partial in needs.partials:
        if partial in needs.counted and partial in projection.mergeable:
            measured = None if statistics is None else statistics.items.get(partial)
            yield partial, 1.0 if statistics is None or measured is None else measured / max(statistics.rows, 1)


def memory_of(parts: Sequence[Part], needs: Needs, cost: Cost) -> int:
    """Bytes at the peak of a run: blocks, results twice (while they are put in order) and once more for every further
    piece, items that are counted or merged while they are put in order."""
    copies = len(parts) + 1
    result = cost.groups * BYTES_OF_NUMBER * (copies * len(needs.partials) + len(needs.query.group) * len(parts) + 2)
    merged = 0.0
    for part in parts:
        if part.projection.statistics is not None and needs.counted:
            read = part.projection.statistics.rows_in(part.interval.intersect(needs.asked))
            for partial, items in _items(part.projection, needs):
                merged += (BYTES_OF_VALUE if partial.function in SETS else BYTES_OF_ITEM) * read * items
    return BYTES_OF_BLOCKS + result + int(merged)


def _code_bytes(members: int) -> int:
    return 1 if members <= 1 << 8 else 2 if members <= 1 << 16 else 4
