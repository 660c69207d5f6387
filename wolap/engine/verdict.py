"""Do all right plans of a query give the same answer? A Verdict says so, or shows the records in which two part.

A wrong number that looks right is the worst bug, so whatever may answer a query (each projection, a cover of several,
the facts) is run, and each answer is held against that of the facts, or of the dearest plan where facts are not asked.
Codes and whole numbers have to be equal, and so does the order; floats that were added up in another order may
differ by TOLERANCE of the larger one. Two answers are in memory at a time, however many plans there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from wolap.engine.execute import Report
from wolap.engine.finish import MetricColumn
from wolap.errors import MetricOverflow
from wolap.model.projection import FACTS
from wolap.model.query import Query
from wolap.planner.plan import Plan

__all__ = ["TOLERANCE", "Difference", "Verdict", "verdict_of"]

TOLERANCE = 1e-9
# What is printed: the first that part, and the first records of each.
_DIFFERENCES = 20
_RECORDS = 5


class Answer(Protocol):
    """What is compared: a report whose records can be shown."""

    @property
    def report(self) -> Report:
        """The columns."""
        ...

    def record(self, number: int) -> dict[str, Any]:
        """One record, counted from 0."""
        ...


@dataclass(frozen=True, slots=True)
class Difference:
    """Two plans of one query that part: what each is made of, and the first records in which they differ."""

    query: Query
    one: tuple[str, ...]
    other: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.query}: {' + '.join(self.one)} and {' + '.join(self.other)} part\n{self.text}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many queries were asked, by how many plans in all, how many had none, and where two plans parted.

    True where no two part. `str` tells the figures, below the first that part.
    """

    queries: int
    plans: int
    refused: int
    differences: tuple[Difference, ...]

    def __bool__(self) -> bool:
        return not self.differences

    def __add__(self, other: Verdict) -> Verdict:
        return Verdict(
            self.queries + other.queries,
            self.plans + other.plans,
            self.refused + other.refused,
            self.differences + other.differences,
        )

    def __str__(self) -> str:
        asked = _counted(self.queries, "query", "queries")
        head = f"{asked} by {_counted(self.plans, 'plan')}: {_counted(len(self.differences), 'difference')}"
        head += f", {self.refused:,} refused" if self.refused else ""
        return "\n".join((*map(str, self.differences[:_DIFFERENCES]), head))


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def verdict_of(query: Query, plans: Iterable[Plan], run: Callable[[Plan], Answer]) -> Verdict:
    """The verdict on the plans of one query, each of which `run` answers."""
    *others, reference = sorted(plans, key=_is_of_facts)
    expected = _answer(reference, run)
    found = []
    for plan in others:
        if text := _difference(_answer(plan, run), expected):
            names = [tuple(piece.projection for piece in one.pieces) for one in (plan, reference)]
            found.append(Difference(query, names[0], names[1], text))
    return Verdict(1, 1 + len(others), 0, tuple(found))


def _is_of_facts(plan: Plan) -> bool:
    return [piece.projection for piece in plan.pieces] == [FACTS]


def _answer(plan: Plan, run: Callable[[Plan], Answer]) -> Answer | str:
    """The answer, or the text of a refusal, which every plan has to give alike."""
    try:
        return run(plan)
    except MetricOverflow as error:
        return str(error)


def _difference(one: Answer | str, other: Answer | str) -> str:
    """What is not the same in two answers, as text; empty where all is."""
    if isinstance(one, str) or isinstance(other, str):
        return "" if one == other else f"  {_named(one)} against {_named(other)}"
    if (one.report.total, one.report.rows) != (other.report.total, other.report.rows):
        return f"  {_named(one)} against {_named(other)}"
    rows = _unlike_records(one.report, other.report)
    if not len(rows):
        return ""
    shown = [(one.record(row), other.record(row)) for row in rows[:_RECORDS].tolist()]
    lines = "\n".join(f"  {found}\n  {expected}" for found, expected in shown)
    return f"  {len(rows):,} of {_named(one)}:\n{lines}"


def _named(answer: Answer | str) -> str:
    return f"a refusal ({answer})" if isinstance(answer, str) else _counted(answer.report.total, "record")


def _unlike_records(one: Report, other: Report) -> np.ndarray:
    """The positions of the records that differ, in two reports of one query and as many records."""
    found = np.zeros(one.rows, bool)
    for left, right in zip(one.dimensions, other.dimensions, strict=True):
        found |= left.codes != right.codes
    for metric, same in zip(one.metrics, other.metrics, strict=True):
        found |= _unlike(metric, same)
    return np.flatnonzero(found)


def _unlike(one: MetricColumn, other: MetricColumn) -> np.ndarray:
    valid, same = (
        np.ones(len(column.values), bool) if column.valid is None else column.valid for column in (one, other)
    )
    # Floats on both sides of a half are rounded away from each other, and differ no more than before.
    left, right = (column.values if column.unrounded is None else column.unrounded for column in (one, other))
    if left.dtype.kind == "f" or right.dtype.kind == "f":
        larger = np.maximum(np.abs(left), np.abs(right))
        # Two infinities are equal, though nothing is left of their difference.
        with np.errstate(invalid="ignore"):
            differ = (left != right) & ~(np.abs(left - right) <= TOLERANCE * larger)
    else:
        differ = left != right
    unlike: np.ndarray = (valid != same) | (valid & same & differ)
    return unlike
