"""Metrics as data: what each function keeps, how that merges, how it finishes.

A metric is stored as *partials*. Rolling up is merging partials; what comes out at the end is finished once
(Gray et al., "Data Cube", 1997: distributive functions are their own partial, algebraic ones need several of fixed
size, holistic ones have none of fixed size). A partial is known by its function and its column and never by the name
of a metric: two metrics over one sum share it, and a maximum is never mistaken for a sum (`planner.md` rule 1).

    function  partials       merge       finish            may collapse
    count     count          add         itself            any dimension
    sum       sum            add         itself            any dimension
    min, max  itself         itself      itself            any dimension
    mean      sum, count     add         sum / count       any dimension
    distinct  distinct       -           itself            none: only facts, which keep the set, can merge it
    ratio     its operands'  theirs      first / second    as its operands; division by zero gives null

Null policy, the same everywhere: a null is no value. `count` of a column counts values, `count` of nothing rows; the
sum, minimum, maximum and mean of no values are null; `distinct` does not count null.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "AGGREGATES",
    "Aggregate",
    "Metric",
    "Partial",
    "count",
    "distinct",
    "maximum",
    "mean",
    "minimum",
    "ratio",
    "total",
]


@dataclass(frozen=True, slots=True)
class Partial:
    """A column that a metric is stored as: a function over an input column, or over rows where there is none."""

    function: str
    column: str | None = None

    def __str__(self) -> str:
        return f"{self.function} {self.column}" if self.column else self.function


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One function: the functions of its partials, whether it takes a column, how many operands, how it finishes."""

    partials: tuple[str, ...]
    column: str  # "needed", "optional" or "none"
    operands: int
    finish: str
    merges: bool


AGGREGATES: dict[str, Aggregate] = {
    "count": Aggregate(("count",), "optional", 0, "same", merges=True),
    "sum": Aggregate(("sum",), "needed", 0, "same", merges=True),
    "min": Aggregate(("min",), "needed", 0, "same", merges=True),
    "max": Aggregate(("max",), "needed", 0, "same", merges=True),
    "mean": Aggregate(("sum", "count"), "needed", 0, "quotient", merges=True),
    "distinct": Aggregate(("distinct",), "needed", 0, "same", merges=False),
    "ratio": Aggregate((), "none", 2, "quotient", merges=True),
}


@dataclass(frozen=True, slots=True)
class Metric:
    """A named output number, without its name.

    `column` is the input, `operands` are names of other metrics (ratio), `determines` the dimensions of which each
    value of a distinct column has just one member: along those a distinct count adds up (rule 12). The rest is for
    people.
    """

    function: str
    column: str | None = None
    operands: tuple[str, ...] = ()
    determines: tuple[str, ...] = ()
    title: str = ""
    description: str = ""
    unit: str = ""

    @property
    def partials(self) -> tuple[Partial, ...]:
        """The partials over the metric's own column; those of operands are found through the schema."""
        return tuple(Partial(function, self.column) for function in AGGREGATES[self.function].partials)


def count(column: str | None = None, *, title: str = "", description: str = "", unit: str = "") -> Metric:
    """The number of rows, or of values of a column that are not null."""
    return Metric("count", column, title=title, description=description, unit=unit)


def total(column: str, *, title: str = "", description: str = "", unit: str = "") -> Metric:
    """The sum of a column; exact for integers, decimals and durations."""
    return Metric("sum", column, title=title, description=description, unit=unit)


def minimum(column: str, *, title: str = "", description: str = "", unit: str = "") -> Metric:
    """The least value of a column."""
    return Metric("min", column, title=title, description=description, unit=unit)


def maximum(column: str, *, title: str = "", description: str = "", unit: str = "") -> Metric:
    """The greatest value of a column."""
    return Metric("max", column, title=title, description=description, unit=unit)


def mean(column: str, *, title: str = "", description: str = "", unit: str = "") -> Metric:
    """The sum of a column's values divided by their number."""
    return Metric("mean", column, title=title, description=description, unit=unit)


def distinct(
    column: str, *, determines: Sequence[str] = (), title: str = "", description: str = "", unit: str = ""
) -> Metric:
    """The exact number of different values of a column.

    `determines` names dimensions of which a value has just one member (the country of a customer). It is checked
    against the facts.
    """
    return Metric("distinct", column, determines=tuple(determines), title=title, description=description, unit=unit)


def ratio(dividend: str, divisor: str, *, title: str = "", description: str = "", unit: str = "") -> Metric:
    """One metric divided by another after both are merged; null where the divisor is 0 or null."""
    return Metric("ratio", operands=(dividend, divisor), title=title, description=description, unit=unit)
