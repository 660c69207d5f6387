"""What a plan costs: the terms of `planner.md` rule 16, with one rate for each thing that a run does.

    cost = rows read x what is done to each + output groups + a constant for each piece

in nanoseconds. What is done to a row hangs on the kernel that the engine will choose, which follows from the rows and
from how far keys run: so the same table of kernels stands here in numbers. `RATES` were measured by
`python -m benchmarks.calibration`, which prints predicted against actual times and fits the rates anew. Facts stand in
the same formula, so they win where they are cheaper.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf

from wolap.model.aggregate import JOINT
from wolap.model.interval import Interval
from wolap.model.projection import Projection
from wolap.planner.eligibility import Needs
from wolap.planner.estimate import Estimate, time_groups
from wolap.planner.plan import Cost

__all__ = [
    "RATES",
    "Part",
    "cost_of",
    "dense_rows",
    "kernel_of",
    "keys_of",
    "memory_of",
    "row_rate",
    "rows_of",
    "terms_of",
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
    "item": 10.0,  # a value that is counted or merged by itself
    "joint": 30.0,  # a row that is left, joined to its group in a second pass, for one partial
    "group": 2.5,  # a group of the answer, for each column
}

BYTES_OF_NUMBER = 8
# Blocks of rows, keys and values that any run holds at one time.
BYTES_OF_BLOCKS = 8 << 20

# How far keys may run for sums to be scattered: what `engine/kernels.py` has, which a test compares.
DENSE_ALWAYS, DENSE_PER_ROW, DENSE_MOST = 1 << 16, 4, 1 << 24


@dataclass(frozen=True, slots=True)
class Part:
    """A built projection, and the stretch of the interval that it serves."""

    projection: Projection
    interval: Interval


def kernel_of(needs: Needs, rows: int, keys: float) -> str:
    """The kernel that reads so many rows, whose keys run up to `keys`."""
    if not needs.query.group:
        return "totals"
    if not needs.dimensions and not needs.filtered:
        return "runs"
    return "scatter" if rows >= dense_rows(keys) else "ordered"


def per_row(projection: Projection, needs: Needs, kernel: str, share: float) -> dict[str, float]:
    """How many of the things in RATES are done to a row of a projection that is read, on the average."""
    joint = sum([partial.function in JOINT for partial in needs.partials])
    items = needs.counted & projection.mergeable if needs.counted else needs.counted
    columns = len(needs.partials) - len(items) - joint
    digits = len(needs.dimensions) + bool(needs.levels)
    found = {"predicate": float(len(needs.query.filters)), "item": share * len(items), "joint": share * joint}
    if kernel == "totals":
        found["total"] = share * columns
    elif kernel == "runs":
        found["run"] = float(columns)
    elif kernel == "scatter":
        found |= {"digit": share * digits, "scatter": share * (columns + 1)}
    else:
        found |= {"digit": share * digits, "sort": share, "carry": share * columns}
    return found


def row_rate(projection: Projection, needs: Needs, kernel: str, share: float) -> float:
    """Nanoseconds that a row takes."""
    return sum([RATES[name] * many for name, many in per_row(projection, needs, kernel, share).items()])


def dense_rows(keys: float) -> float:
    """The fewest rows for which keys that run up to `keys` are few."""
    return 0 if keys <= DENSE_ALWAYS else keys / DENSE_PER_ROW if keys <= DENSE_MOST else inf


def keys_of(needs: Needs, size: Estimate, interval: Interval) -> float:
    """How far the keys of a report run over an interval."""
    return size.keys * time_groups(needs.levels, needs.level, interval.intersect(needs.asked))


def terms_of(part: Part, needs: Needs, size: Estimate) -> dict[str, float]:
    """How many of the things in RATES are done for a part, output groups aside."""
    rows = rows_of(part, needs)
    keys = keys_of(needs, size, part.interval)
    kernel = kernel_of(needs, rows, keys)
    of_row = per_row(part.projection, needs, kernel, size.share)
    found = {name: rows * many for name, many in of_row.items()}
    found["piece"] = 1.0
    if kernel == "scatter":
        found["dense"] = keys * (len(needs.partials) + 1)
    return found


def rows_of(part: Part, needs: Needs) -> int:
    """The rows that a part reads."""
    assert part.projection.statistics is not None
    return part.projection.statistics.rows_in(part.interval.intersect(needs.asked))


def cost_of(parts: Iterable[Part], needs: Needs, size: Estimate) -> Cost:
    """What it costs to answer from these parts."""
    rows = 0
    spent = RATES["group"] * size.groups * (len(needs.query.group) + len(needs.metrics))
    for part in parts:
        rows += rows_of(part, needs)
        spent += sum([RATES[name] * many for name, many in terms_of(part, needs, size).items()])
    return Cost(rows, int(rows * size.share + 0.5), size.groups, spent)


def memory_of(parts: Sequence[Part], needs: Needs, groups: int) -> int:
    """Bytes at the peak of a run with so many groups: blocks, results twice (while they are put in order) and once
    more for every further piece, sets of distinct values."""
    copies = len(parts) + 1
    result = groups * BYTES_OF_NUMBER * (copies * len(needs.partials) + len(needs.query.group) * len(parts) + 2)
    sets = any(needs.counted & part.projection.mergeable for part in parts)
    rows = sum(rows_of(part, needs) for part in parts)
    return BYTES_OF_BLOCKS + result + (2 * rows * BYTES_OF_NUMBER if sets else 0)
