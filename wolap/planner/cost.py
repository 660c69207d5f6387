"""What a plan costs: the terms of `planner.md` rule 16, with one rate for each thing that a run does.

    cost = rows read x what is done to each + output groups + a constant for each piece

in nanoseconds. What is done to a row hangs on the kernel that the engine will choose, which follows from the rows and
from how far keys run: so the same table of kernels stands here in numbers. `RATES` were measured by
`python -m benchmarks.calibration`, which prints predicted against actual times and fits the rates anew. Facts stand in
the same formula, so they win where they are cheaper.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from wolap.model.aggregate import JOINT, Partial
from wolap.model.interval import Interval
from wolap.model.level import nests
from wolap.model.projection import Projection, Statistics
from wolap.planner.estimate import Estimate, time_groups
from wolap.planner.needs import Needs
from wolap.planner.plan import Cost

__all__ = [
    "RATES",
    "Part",
    "Work",
    "cost_of",
    "cost_of_rows",
    "dense_rows",
    "items_by_partial",
    "items_of",
    "keys_of",
    "measured",
    "reading",
    "rows_of",
    "work_of",
]

# Nanoseconds that each thing takes.
RATES = {
    "piece": 90_000.0,  # a piece: its predicates, its digits, the arrays of its groups
    "predicate": 0.65,  # a row looked at by a predicate
    "total": 0.2,  # a row that is left, in the sum of one partial
    "run": 0.3,  # a row in the sum of its run, for one partial
    "digit": 1.5,  # a row that is left, for each column of its key
    "scatter": 1.5,  # a row that is left, put to the sum of its group, for one partial
    "dense": 0.6,  # a key that could occur, for each partial
    "sort": 23.0,  # a row that is left, put in the order of its key
    "carry": 1.0,  # a row that is left, carried along by one partial
    "item": 5.0,  # a value that is counted or merged by itself
    "joint": 30.0,  # a row that is left, joined to its group in a second pass, for one partial
    "group": 2.5,  # a group of the answer, for each column
    "stitch": 8.0,  # the same where the groups of several pieces are put together
}

# The values that could be counted while a pair of fact and member is laid out.
ITEMS_OF_PAIR = 1.5

# How far keys may run for sums to be scattered: what `engine/kernels.py` has, which a test compares.
DENSE_ALWAYS, DENSE_PER_ROW, DENSE_MOST = 1 << 16, 4, 1 << 24


@dataclass(frozen=True, slots=True)
class Part:
    """A built projection, and the stretch of the interval that it serves."""

    projection: Projection
    interval: Interval


class Work(NamedTuple):
    """What one query takes, but for what it is answered from; times are in nanoseconds.

    `read` is for a row that is read; `few` and `many` are for one that filters leave, which is `share` of them, where
    keys are few and where they are many beside the rows, and `item` for each value of it that is counted by itself;
    `key` is for each key that could occur where they are few, `answer` for all groups that come out, `piece` for each
    piece, `stitch` for all groups where there are several. Keys run up to `keys`.
    """

    share: float
    read: float
    few: float
    many: float
    item: float
    key: float
    answer: float
    stitch: float
    piece: float
    keys: float

    def nanoseconds(self, rows: float, items: float, keys: float) -> float:
        """What it takes to read so many rows with so many items each, whose keys run up to `keys`."""
        if rows >= dense_rows(keys):
            return self.piece + rows * (self.read + self.share * (self.few + self.item * items)) + self.key * keys
        return self.piece + rows * (self.read + self.share * (self.many + self.item * items))


def work_of(needs: Needs, size: Estimate, rates: Mapping[str, float] = RATES) -> Work:
    """What a query of this size takes."""
    query = needs.query
    joint = sum([partial.function in JOINT for partial in needs.partials]) if needs.has_joint else 0
    columns = len(needs.partials) - len(needs.counted) - joint
    digits = len(needs.dimensions) + bool(needs.levels)
    key = 0.0
    if not digits:
        few = many = rates["total"] * columns
    elif not needs.dimensions and not query.filters:
        few = many = rates["run"] * columns
    else:
        few = rates["digit"] * digits + rates["scatter"] * (columns + 1)
        many = rates["digit"] * digits + rates["sort"] + rates["carry"] * columns
        key = rates["dense"] * (columns + 1)
    second = rates["joint"] * joint
    numbers = size.groups * (len(needs.dimensions) + len(needs.levels) + len(needs.metrics))
    return Work(
        size.share,
        rates["predicate"] * len(query.filters),
        few + second,
        many + second,
        rates["item"],
        key,
        rates["group"] * numbers,
        rates["stitch"] * numbers,
        rates["piece"],
        size.keys,
    )


def reading(projection: Projection, needs: Needs) -> float:
    """How many rows are read for each that there is: fewer, where the report merges what runs of rows add up to."""
    key = (reading, projection.name)
    found: float | None = needs.known.get(key)
    if found is None:
        found = needs.known[key] = _reading(projection, needs)
    return found


def _reading(projection: Projection, needs: Needs) -> float:
    statistics = projection.statistics
    if statistics is None or not statistics.runs or needs.counted or needs.lists:
        return 1.0
    if needs.level is not None and (statistics.partition is None or not nests(statistics.partition, needs.level)):
        return 1.0
    told = needs.dimensions | needs.filtered
    for depth, runs in enumerate(statistics.runs):
        if told <= needs.schema.closure(statistics.order[:depth]):
            return runs / max(statistics.rows, 1)
    return 1.0


def dense_rows(keys: float) -> float:
    """The fewest rows beside which keys that run up to `keys` are few (`engine/kernels.py`)."""
    return 0.0 if keys <= DENSE_ALWAYS else keys / DENSE_PER_ROW if keys <= DENSE_MOST else inf


def keys_of(needs: Needs, size: Estimate, interval: Interval) -> float:
    """How far the keys of a report run over a part of its interval."""
    return size.members * time_groups(needs.levels, needs.level, interval.intersect(needs.asked))


def items_of(projection: Projection, needs: Needs) -> float:
    """Values of a row that are counted or merged by themselves: of facts one for every distinct count and sketch, of
    stored collections as many as were measured. To lay out a pair of fact and member takes as long as some values."""
    counted = sum([items for _, items in items_by_partial(projection, needs)]) if needs.counted else 0.0
    return counted + ITEMS_OF_PAIR if needs.lists and projection.is_facts else counted


def items_by_partial(projection: Projection, needs: Needs) -> Iterator[tuple[Partial, float]]:
    """What is counted by its items, and how many a row has, in an order that is the same each time."""
    statistics = projection.statistics
    for partial in needs.partials:
        if partial in needs.counted and partial in projection.mergeable:
            stored = None if statistics is None else statistics.items.get(partial)
            yield partial, 1.0 if statistics is None or stored is None else stored / max(statistics.rows, 1)


def measured(projection: Projection, needs: Needs) -> Statistics:
    """What was measured of a built projection; facts count once for each member that the report groups them by."""
    statistics = projection.statistics
    assert statistics is not None
    if not needs.lists or not projection.is_facts:
        return statistics
    if measured not in needs.known:
        needs.known[measured] = statistics.exploded(needs.lists)
    found: Statistics = needs.known[measured]
    return found


def rows_of(part: Part, needs: Needs) -> int:
    """The rows that a part takes to the groups of a report: those that it reads, and of facts in several groups as many
    as there are pairs."""
    return measured(part.projection, needs).rows_in(part.interval.intersect(needs.asked))


def cost_of(parts: Sequence[Part], needs: Needs, size: Estimate, work: Work) -> Cost:
    """What it costs to answer from these parts."""
    total, spent = 0, work.answer + (work.stitch if len(parts) > 1 else 0.0)
    for part in parts:
        rows = rows_of(part, needs)
        total += rows
        keys = work.keys if len(parts) == 1 else keys_of(needs, size, part.interval)
        spent += work.nanoseconds(rows * reading(part.projection, needs), items_of(part.projection, needs), keys)
    return cost_of_rows(total, spent, size)


def cost_of_rows(rows: int, spent: float, size: Estimate) -> Cost:
    """What it costs to read so many rows, where that takes so many nanoseconds."""
    return Cost(rows, int(rows * size.share + 0.5), size.groups, spent)
