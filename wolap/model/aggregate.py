"""Metrics as data: what each function keeps, how that merges, how it finishes.

A metric is stored as *partials*. Rolling up is merging partials; what comes out at the end is finished once
(Gray et al., "Data Cube", 1997: distributive functions are their own partial, algebraic ones need several of fixed
size, holistic ones have none of fixed size). A partial is known by its function, its columns and its filters and never
by the name of a metric: two metrics over one sum share it, a maximum is never mistaken for a sum, and what counts some
of the facts never for what counts all (`planner.md` rule 1).

    function            partials             merge                        finish
    count               count                add                          itself
    sum                 sum                  add                          itself
    min, max            itself               itself                       itself
    mean                sum, count           add                          sum / count
    weighted_mean       products, weights    add                          products / weights
    variance            squares, sum, count  add; squares in a 2nd pass   squares / (count - 1)
    standard_deviation  the same             the same                     its square root
    first               opening, earliest    earliest: the least; then    opening
                                             add what is of that instant
    last                closing, latest      the same with the greatest   closing
    distinct            distinct             none: only facts keep sets   itself
      keep="set"        set                  union                        its size
    approximate_distinct  registers          the greater, by register     an estimate
    quantile, median    buckets              add, by bucket               the bucket at a rank
    ratio, derived      its operands'        theirs                       first / second; an expression

All may collapse any dimension, but for a distinct count that keeps its number only, which may collapse none. `squares`
are squared deviations from the mean of the row itself, of one stored row or of one group (`engine/joint.py`); what is
a collection of items is merged in `engine/collection.py`.

Null policy, the same everywhere: a null is no value. `count` of a column counts values, `count` of nothing rows; the
others of no values are null; distinct counts do not count null. A fact that a metric's filters leave out is no value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TypedDict, Unpack

from wolap.errors import Problem, SchemaError, quote
from wolap.model.expression import ExpressionError, names_in, read_expression
from wolap.model.filter import Filter, Values, declared_filters
from wolap.model.span import Span

__all__ = [
    "AGGREGATES",
    "COLLECTIONS",
    "COUNTED",
    "JOINT",
    "SETS",
    "Aggregate",
    "Metric",
    "Partial",
    "approximate_distinct",
    "count",
    "derived",
    "distinct",
    "first",
    "last",
    "maximum",
    "mean",
    "median",
    "minimum",
    "quantile",
    "ratio",
    "standard_deviation",
    "total",
    "variance",
    "weighted_mean",
]

# Partials whose stored numbers cannot be merged.
SETS = frozenset({"distinct"})
# Partials that are a collection of items for each row, and merge item by item.
COLLECTIONS = frozenset({"set", "registers", "buckets"})
# Partials that are counted by their items: of those, facts keep one for each row.
COUNTED = SETS | COLLECTIONS
# Partials that are added up once others of the same input are merged, and which those are.
JOINT: dict[str, tuple[str, ...]] = {"squares": ("sum", "count"), "opening": ("earliest",), "closing": ("latest",)}


@dataclass(frozen=True, slots=True)
class Partial:
    """A column that a metric is stored as: a function over an input column, or over rows where there is none; with a
    weight, over two. `filters` say which facts are in it, `parameter` how coarse a sketch is: the precision of
    registers, the accuracy of buckets. Sketches of different parameters do not merge."""

    function: str
    column: str | None = None
    weight: str | None = None
    filters: tuple[Filter, ...] = ()
    parameter: float | None = None

    def __str__(self) -> str:
        text = f"{self.function} {self.column}" if self.column else self.function
        text += f" by {self.weight}" if self.weight else ""
        text += "" if self.parameter is None else f" at {self.parameter:g}"
        return f"{text} where {' and '.join(map(str, self.filters))}" if self.filters else text


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One function: the functions of its partials, whether it takes a column, how many operands, how it finishes.
    `parameter` is that of its partials where nobody says, None where they have none."""

    partials: tuple[str, ...]
    column: str  # "needed", "optional" or "none"
    operands: int
    finish: str
    has_expression: bool = False
    has_weight: bool = False
    needs_time: bool = False
    parameter: float | None = None


AGGREGATES: dict[str, Aggregate] = {
    "count": Aggregate(("count",), "optional", 0, "same"),
    "sum": Aggregate(("sum",), "needed", 0, "same"),
    "min": Aggregate(("min",), "needed", 0, "same"),
    "max": Aggregate(("max",), "needed", 0, "same"),
    "mean": Aggregate(("sum", "count"), "needed", 0, "quotient"),
    "distinct": Aggregate(("distinct",), "needed", 0, "same"),
    "weighted_mean": Aggregate(("products", "weights"), "needed", 0, "quotient", has_weight=True),
    "variance": Aggregate(("squares", "sum", "count"), "needed", 0, "variance"),
    "standard_deviation": Aggregate(("squares", "sum", "count"), "needed", 0, "standard_deviation"),
    "first": Aggregate(("opening", "earliest"), "needed", 0, "same", needs_time=True),
    "last": Aggregate(("closing", "latest"), "needed", 0, "same", needs_time=True),
    "approximate_distinct": Aggregate(("registers",), "needed", 0, "estimate", parameter=12),
    "quantile": Aggregate(("buckets",), "needed", 0, "quantile", parameter=0.01),
    "median": Aggregate(("buckets",), "needed", 0, "quantile", parameter=0.01),
    "ratio": Aggregate((), "none", 2, "quotient"),
    "derived": Aggregate((), "none", 0, "expression", has_expression=True),
}


@dataclass(frozen=True, slots=True)
class Metric:
    """A named output number, without its name.

    `column` is the input, `operands` are names of other metrics (ratio), `determines` the dimensions of which each
    value of a distinct column has just one member: along those a distinct count adds up (rule 12). `weight` is a
    second input, `population` tells that a variance is of all there is and not of a sample. `keep` says what
    projections store of a distinct count, its number ("count") or the values ("set"); `precision` is that of an
    approximate one; `probability` says which quantile, `accuracy` how near. None is what the function takes for
    itself. `filters` say which facts count, by the texts of members. `expression` is the text of a derived metric,
    whose operands are read off it. `every` is how often projections that store it are refreshed at most. The rest is
    for people.
    """

    function: str
    column: str | None = None
    operands: tuple[str, ...] = ()
    determines: tuple[str, ...] = ()
    weight: str | None = None
    population: bool = False
    keep: str = "count"
    precision: int | None = None
    probability: float | None = None
    accuracy: float | None = None
    filters: tuple[Filter, ...] = ()
    expression: str = ""
    every: Span | None = None
    title: str = ""
    description: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        if self.expression and not self.operands:
            # What cannot be read is told with all else that is wrong with a declaration.
            with suppress(ExpressionError):
                object.__setattr__(self, "operands", names_in(read_expression(self.expression)))

    @property
    def partials(self) -> tuple[Partial, ...]:
        """The partials over the metric's own column; those of operands are found through the schema."""
        aggregate = AGGREGATES[self.function]
        functions = ("set",) if self.keep == "set" else aggregate.partials
        said = next((one for one in (self.precision, self.accuracy) if one is not None), aggregate.parameter)
        return tuple([_partial(function, self.column, self.weight, self.filters, said) for function in functions])


@lru_cache(maxsize=4096)
def _partial(
    function: str, column: str | None, weight: str | None, filters: tuple[Filter, ...], parameter: float | None
) -> Partial:
    """Equal partials as one, which is quicker seen than compared."""
    return Partial(function, column, weight, filters, parameter)


class Labels(TypedDict, total=False):
    """What a metric is called for people."""

    title: str
    description: str
    unit: str


class Options(Labels, total=False):
    """What every metric over facts can be told: `where` and `where_not` keep or drop the facts of some members, one or
    several for a dimension; None is the null member. They read members as a request does, labels of null included.
    Projections that store it are refreshed `every` so often at most, such as "1 day"."""

    where: Mapping[str, Values]
    where_not: Mapping[str, Values]
    every: str | Span


def _metric(
    function: str,
    column: str | None,
    options: Options,
    *,
    determines: Sequence[str] = (),
    weight: str | None = None,
    population: bool = False,
    keep: str = "count",
    precision: int | None = None,
    probability: float | None = None,
    accuracy: float | None = None,
) -> Metric:
    return Metric(
        function,
        column,
        determines=tuple(determines),
        weight=weight,
        population=population,
        keep=keep,
        precision=precision,
        probability=probability,
        accuracy=accuracy,
        filters=declared_filters(options.get("where"), options.get("where_not")),
        every=_span(options.get("every")),
        title=options.get("title", ""),
        description=options.get("description", ""),
        unit=options.get("unit", ""),
    )


def _span(said: str | Span | None) -> Span | None:
    if not isinstance(said, str):
        return said
    try:
        return Span.parse(said)
    except ValueError as error:
        raise SchemaError([Problem("metrics", f"every {quote(said)} is {error}")]) from None


def count(column: str | None = None, **options: Unpack[Options]) -> Metric:
    """The number of rows, or of values of a column that are not null."""
    return _metric("count", column, options)


def total(column: str, **options: Unpack[Options]) -> Metric:
    """The sum of a column; exact for integers, decimals and durations."""
    return _metric("sum", column, options)


def minimum(column: str, **options: Unpack[Options]) -> Metric:
    """The least value of a column."""
    return _metric("min", column, options)


def maximum(column: str, **options: Unpack[Options]) -> Metric:
    """The greatest value of a column."""
    return _metric("max", column, options)


def mean(column: str, **options: Unpack[Options]) -> Metric:
    """The sum of a column's values divided by their number."""
    return _metric("mean", column, options)


def distinct(column: str, *, determines: Sequence[str] = (), keep: str = "count", **options: Unpack[Options]) -> Metric:
    """The exact number of different values of a column.

    `keep="set"` makes projections store the values themselves, so that counts roll up to any grain; with "count" they
    store the number, which is right at their own grain only. `determines` names dimensions of which a value has just
    one member (the country of a customer), along which numbers add up. It is checked against the facts that count.
    """
    return _metric("distinct", column, options, determines=determines, keep=keep)


def approximate_distinct(column: str, *, precision: int = 12, **options: Unpack[Options]) -> Metric:
    """An estimate of the number of different values of a column, which rolls up to any grain.

    A HyperLogLog sketch of 2 ** precision registers (4 to 18): the standard error is 1.04 / sqrt(2 ** precision), 1.6
    percent for 12.
    """
    return _metric("approximate_distinct", column, options, precision=precision)


def quantile(column: str, probability: float, *, accuracy: float = 0.01, **options: Unpack[Options]) -> Metric:
    """The value that a share of a column's values does not exceed: 0.95 for the 95th percentile.

    Of n values in rising order it is that at the position floor(probability * (n - 1)), counted from 0, but for a
    relative error of at most `accuracy` (from 0.000001 to 0.5). That of durations is a duration, rounded to whole
    units of the column; of all else it is a float.
    """
    return _metric("quantile", column, options, probability=probability, accuracy=accuracy)


def median(column: str, *, accuracy: float = 0.01, **options: Unpack[Options]) -> Metric:
    """The quantile at 0.5: of an even number of values the lower of the two in the middle. See `quantile`."""
    return _metric("median", column, options, accuracy=accuracy)


def weighted_mean(column: str, weight: str, **options: Unpack[Options]) -> Metric:
    """The sum of weight times value divided by the sum of weights, over the facts that have both.

    Null where the weights add up to 0. Whole numbers and decimals are multiplied and added up exactly.
    """
    return _metric("weighted_mean", column, options, weight=weight)


def variance(column: str, *, population: bool = False, **options: Unpack[Options]) -> Metric:
    """The mean squared deviation of a column's values from their mean.

    Of a sample unless it is said to be the `population`: n values are divided by n - 1, and fewer than two have none.
    That of durations is in seconds squared.
    """
    return _metric("variance", column, options, population=population)


def standard_deviation(column: str, *, population: bool = False, **options: Unpack[Options]) -> Metric:
    """The square root of the variance; that of durations is a duration."""
    return _metric("standard_deviation", column, options, population=population)


def first(column: str, **options: Unpack[Options]) -> Metric:
    """The value at the earliest instant of a group; see `last`."""
    return _metric("first", column, options)


def last(column: str, **options: Unpack[Options]) -> Metric:
    """The value at the latest instant of a group: a balance, a stock, a level.

    Balances add up over everything but time (Lenz and Shoshani, "Summarizability in OLAP and statistical data bases",
    1997: a stock). So this is the sum of the values of all facts of a group that stand at the latest instant, by the
    microsecond, at which any fact of the group has a value. For facts that are snapshots of all accounts at common
    instants it is the closing balance of any set of accounts over any time. An account that has no value at that
    instant adds nothing: it is not carried forward.
    """
    return _metric("last", column, options)


def ratio(dividend: str, divisor: str, **labels: Unpack[Labels]) -> Metric:
    """One metric divided by another after both are merged; null where the divisor is 0 or null."""
    return Metric("ratio", operands=(dividend, divisor), **labels)


def derived(expression: str, **labels: Unpack[Labels]) -> Metric:
    """A metric computed from others once they are merged: `derived("(tried - failed) / tried")`.

    Names, numbers, + - * /, minus and parentheses. A minus between names needs blanks, since names may hold one. Null
    with anything is null, and so is a division by zero. Whole numbers, decimals and durations stay exact under + - *,
    and what does not fit 64 bits raises MetricOverflow; a quotient is a float.
    """
    return Metric("derived", expression=expression, **labels)
