"""Columns of metrics, and what + - * / of them are: derived metrics, after everything is merged.

What is exact stays exact: + - * of whole numbers are whole numbers, of decimals decimals with all their digits, of
durations a duration in the finer unit. What would leave 64 bits is refused and never wraps. A quotient is a float, as
is whatever a float goes into; of a duration divided or multiplied by a number a duration. Null with anything is null,
and so is a division by zero and a float that is not finite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from wolap.engine.columns import COUNT, Column, is_clock
from wolap.errors import MetricOverflow
from wolap.model.expression import Binary, Expression, Name, Negative, Number

__all__ = ["FLOAT", "MetricColumn", "Unfit", "as_floats", "evaluate", "product", "quotient", "unit_of"]

FLOAT = pa.float64()
# The units of durations in a second, the finest last.
_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_MOST_DIGITS = 38
# Ten to this power is the greatest that fits 64 bits.
_MOST_POWER = 18


class Unfit(TypeError):
    """Operands that have no sum, product or quotient, by what they are; and what would have."""

    def __init__(self, found: str, possible: str = "metrics that are numbers") -> None:
        self.found, self.possible = found, possible
        super().__init__(found)


@dataclass(frozen=True, slots=True, eq=False)
class MetricColumn:
    """The numbers of one metric, a value for each group; `valid` False where there is none; `type` is what they are.

    Where `values` are rounded to whole units, `unrounded` is what they were before.
    """

    name: str
    values: np.ndarray
    valid: np.ndarray | None
    type: pa.DataType
    unrounded: np.ndarray | None = None

    def at(self, rows: np.ndarray | slice) -> MetricColumn:
        """The same of some groups."""
        valid = None if self.valid is None else self.valid[rows]
        unrounded = None if self.unrounded is None else self.unrounded[rows]
        return MetricColumn(self.name, self.values[rows], valid, self.type, unrounded)

    @property
    def is_duration(self) -> bool:
        """Whether the values are lengths of time, whole or with a fraction, in the unit of the type."""
        return bool(pa.types.is_duration(self.type))

    @property
    def is_exact(self) -> bool:
        """Whether the values are whole numbers, or the digits of decimals."""
        return self.values.dtype.kind != "f"

    @property
    def scale(self) -> int:
        """Digits behind the point."""
        return int(self.type.scale) if pa.types.is_decimal(self.type) else 0


def evaluate(name: str, expression: Expression, columns: Mapping[str, MetricColumn]) -> MetricColumn:
    """A derived metric. Raises MetricOverflow with its name, and Unfit where its operands do not go together."""
    if isinstance(expression, Name):
        return columns[expression.name]
    # A float that overflows is no finite number, which is null in the end and no news.
    with np.errstate(over="ignore", invalid="ignore"):
        return _applied(name, expression, columns)


def _applied(name: str, expression: Number | Negative | Binary, columns: Mapping[str, MetricColumn]) -> MetricColumn:
    if isinstance(expression, Number):
        kind = FLOAT if isinstance(expression.value, float) else COUNT
        return MetricColumn(name, np.array([expression.value]), None, kind)
    if isinstance(expression, Negative):
        zero = MetricColumn(name, np.zeros(1, np.int64), None, COUNT)
        operand = evaluate(name, expression.operand, columns)
        if operand.is_duration:
            zero = MetricColumn(name, zero.values, None, operand.type)
        return _subtract(name, zero, operand)
    left, right = (evaluate(name, operand, columns) for operand in (expression.left, expression.right))
    for operand, side in ((left, expression.left), (right, expression.right)):
        if is_clock(operand.type):
            raise Unfit(f"{_said(side)} is a {operand.type}")
    return OPERATIONS[expression.sign](name, left, right)


def _said(expression: Expression) -> str:
    return expression.name if isinstance(expression, Name) else "an operand"


def unit_of(kept: pa.DataType) -> float:
    """What stored numbers of a type are divided by: decimals are digits, durations are counted in seconds."""
    if pa.types.is_decimal(kept):
        return float(10.0**kept.scale)
    return float(_UNITS[kept.unit]) if pa.types.is_duration(kept) else 1.0


def as_floats(column: MetricColumn) -> np.ndarray:
    """Decimals as what their digits stand for, durations in seconds."""
    values: np.ndarray = column.values.astype(np.float64) / unit_of(column.type)
    return values


def quotient(name: str, above: MetricColumn, below: MetricColumn) -> MetricColumn:
    """One column divided by another. A duration by a number stays a duration, in its own unit.

    Digits are divided as they are stored and put in their unit once: of 1.02 by 0.004 in thousandths that is 1020 by 4,
    and exact, where two decimals as floats would both have been rounded before.
    """
    stays = above.is_duration and not below.is_duration
    unit, per = 1.0 if stays else unit_of(above.type), unit_of(below.type)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        values = above.values.astype(np.float64) / below.values.astype(np.float64)
        values = values * (per / unit) if per > unit else values / (unit / per)
    return _finite(name, values, above, below, above.type if stays else FLOAT)


def _finite(
    name: str, values: np.ndarray, left: MetricColumn, right: MetricColumn, output: pa.DataType
) -> MetricColumn:
    """Floats, null where an operand is and where they are no finite numbers."""
    known = _known(values, left, right)
    finite = np.isfinite(values)
    valid = finite if known is None else finite & known
    return MetricColumn(name, np.where(valid, values, 0.0), None if valid.all() else valid, output)


def _exact(
    name: str,
    values: np.ndarray,
    wrong: np.ndarray,
    left: MetricColumn,
    right: MetricColumn,
    output: pa.DataType,
) -> MetricColumn:
    """Whole numbers, `wrong` where they have left 64 bits, which matters where both operands are known."""
    known = _known(values, left, right)
    if bool((wrong if known is None else wrong & known).any()):
        raise MetricOverflow(f"{name} does not fit a 64-bit integer in some group; ask for finer groups")
    return MetricColumn(name, values if known is None else np.where(known, values, 0), known, output)


def _known(values: np.ndarray, left: MetricColumn, right: MetricColumn) -> np.ndarray | None:
    known = None
    for column in (left, right):
        if column.valid is not None:
            own = np.broadcast_to(column.valid, values.shape)
            known = own if known is None else known & own
    return known


def _add(name: str, left: MetricColumn, right: MetricColumn) -> MetricColumn:
    return _sum(name, left, right, np.add)


def _subtract(name: str, left: MetricColumn, right: MetricColumn) -> MetricColumn:
    return _sum(name, left, right, np.subtract)


def _sum(name: str, left: MetricColumn, right: MetricColumn, ufunc: np.ufunc) -> MetricColumn:
    if is_clock(right.type):
        raise Unfit(f"minus a {right.type} is nothing")
    if left.is_duration != right.is_duration:
        raise Unfit("a duration and a number have neither sum nor difference", "two durations or two numbers")
    output = FLOAT
    if left.is_duration:
        output = max((left.type, right.type), key=lambda kept: _UNITS[kept.unit])
        times = [_UNITS[output.unit] // _UNITS[one.type.unit] for one in (left, right)]
    else:
        scale = max(left.scale, right.scale)
        powers = [scale - one.scale for one in (left, right)]
        times = [10**power for power in powers]
        exact = left.is_exact and right.is_exact and max(powers) <= _MOST_POWER
        if not exact:
            return _finite(name, ufunc(as_floats(left), as_floats(right)), left, right, FLOAT)
        decimal = pa.types.is_decimal(left.type) or pa.types.is_decimal(right.type)
        output = pa.decimal128(_MOST_DIGITS, scale) if decimal else COUNT
    if not (left.is_exact and right.is_exact):
        one, other = (side.values * float(by) for side, by in zip((left, right), times, strict=True))
        return _finite(name, ufunc(one, other), left, right, output)
    one, other = (_times(name, side, by) for side, by in zip((left, right), times, strict=True))
    values = ufunc(one, other)
    # A sum that wraps is negative where both are not, or the other way round; so is one minus the negative of other.
    negative, second = one < 0, (other < 0) if ufunc is np.add else (other >= 0)
    wrong = (negative == second) & (negative != (values < 0))
    return _exact(name, values, wrong, left, right, output)


def _times(name: str, column: MetricColumn, by: int) -> np.ndarray:
    """Whole numbers in a finer unit."""
    if by == 1:
        return column.values
    factor = MetricColumn(name, np.array([by]), None, COUNT)
    return _exact(name, *_product(column.values, factor.values), column, factor, COUNT).values


def _product(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Products of whole numbers, and where they have left 64 bits: what is less than twice too large shows by its
    sign, what is larger by its size as a float."""
    values = one * other
    size = np.abs(one.astype(np.float64)) * np.abs(other.astype(np.float64))
    negative = (one < 0) != (other < 0)
    return values, (size > 1.5 * 2.0**63) | ((size > 2.0**62) & ((values < 0) != negative))


def _multiply(name: str, left: MetricColumn, right: MetricColumn) -> MetricColumn:
    if left.is_duration and right.is_duration:
        raise Unfit("two durations have no product", "a duration and a number")
    scale = left.scale + right.scale
    if left.is_duration or right.is_duration:
        length, number = (left, right) if left.is_duration else (right, left)
        if length.is_exact and number.is_exact and not scale:
            return _exact(name, *_product(left.values, right.values), left, right, length.type)
        values = length.values.astype(np.float64) * as_floats(number)
        return _finite(name, values, left, right, length.type)
    if left.is_exact and right.is_exact and scale <= _MOST_DIGITS:
        decimal = pa.types.is_decimal(left.type) or pa.types.is_decimal(right.type)
        output = pa.decimal128(_MOST_DIGITS, scale) if decimal else COUNT
        return _exact(name, *_product(left.values, right.values), left, right, output)
    return _finite(name, as_floats(left) * as_floats(right), left, right, FLOAT)


def product(left: Column, right: Column) -> Column:
    """Two columns of facts multiplied row by row, where both have a value; exact if the bounds promise 64 bits."""
    assert left.values is not None
    assert right.values is not None
    one, other = (MetricColumn("", side.values, None, side.type) for side in (left, right) if side.values is not None)
    if one.is_duration and other.is_duration:
        raise Unfit("two durations have no product", "a duration and a number")
    scale = one.scale + other.scale
    size = max(abs(left.low), abs(left.high)) * max(abs(right.low), abs(right.high))
    exact = one.is_exact and other.is_exact and scale <= _MOST_DIGITS
    output = FLOAT
    with np.errstate(over="ignore", invalid="ignore"):
        if one.is_duration or other.is_duration:
            length, number = (one, other) if one.is_duration else (other, one)
            output, exact = length.type, exact and not scale
            values = length.values.astype(np.float64) * as_floats(number) if not exact or size >= 1 << 63 else None
        elif exact:
            decimal = pa.types.is_decimal(one.type) or pa.types.is_decimal(other.type)
            output = pa.decimal128(_MOST_DIGITS, scale) if decimal else COUNT
            values = one.values.astype(np.float64) * other.values.astype(np.float64) if size >= 1 << 63 else None
        else:
            values = as_floats(one) * as_floats(other)
        if values is None:
            values = one.values * other.values
    valid = left.valid if right.valid is None else right.valid if left.valid is None else left.valid & right.valid
    values = values if valid is None else np.where(valid, values, values.dtype.type(0))
    if values.dtype.kind == "f":
        return Column(values, valid, output)
    return Column(values, valid, output, int(values.min(initial=0)), int(values.max(initial=0)))


OPERATIONS: dict[str, Callable[[str, MetricColumn, MetricColumn], MetricColumn]] = {
    "+": _add,
    "-": _subtract,
    "*": _multiply,
    "/": quotient,
}
