"""Derived metrics: a small grammar over the names of other metrics, read by recursive descent into frozen values.

    sum      = product (("+" | "-") product)*
    product  = factor (("*" | "/") factor)*
    factor   = "-" factor | "(" sum ")" | number | name
    number   = digits ["." digits]
    name     = a letter or _, then letters, digits and . _ -      (the names of metrics, W6)

A name is read as far as it goes, so `a-b` is one name and a minus between two names needs a blank before it: `a - b`.
Nothing is evaluated here. Length, depth and the number of operations are bounded, so that whoever walks the tree may
recurse.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite

from wolap.errors import quote

__all__ = ["Binary", "Expression", "ExpressionError", "Name", "Negative", "Number", "names_in", "read_expression"]

LONGEST = 1000
DEEPEST = 50
MOST_OPERATIONS = 100
_TOKEN = re.compile(
    r"[ \t\r\n]*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)|(?P<sign>[-+*/()]))", re.A
)
_BLANKS = re.compile(r"[ \t\r\n]*")


class ExpressionError(ValueError):
    """A text that is no expression: where, what was found, what was expected."""


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number, or a float where it has a point."""

    value: int | float


@dataclass(frozen=True, slots=True)
class Name:
    """The value of another metric."""

    name: str


@dataclass(frozen=True, slots=True)
class Negative:
    """Minus an operand."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands and one of + - * / between them."""

    sign: str
    left: Expression
    right: Expression


Expression = Number | Name | Negative | Binary


@lru_cache(maxsize=1024)
def read_expression(text: str) -> Expression:
    """The expression that a text is. Raises ExpressionError."""
    if len(text) > LONGEST:
        raise ExpressionError(f"has {len(text):,} characters; {LONGEST:,} are allowed")
    reader = _Reader(text)
    found = reader.sum(0)
    reader.end()
    return found


def names_in(expression: Expression) -> tuple[str, ...]:
    """The metrics that an expression is made of, each once, in the order in which they stand."""
    return tuple(dict.fromkeys(_names(expression)))


def _names(expression: Expression) -> Iterator[str]:
    if isinstance(expression, Name):
        yield expression.name
    elif isinstance(expression, Negative):
        yield from _names(expression.operand)
    elif isinstance(expression, Binary):
        yield from _names(expression.left)
        yield from _names(expression.right)


@dataclass(slots=True)
class _Reader:
    """`at` is where the next token is looked for; `token` is its text, empty at the end, and `kind` what it is."""

    text: str
    at: int = 0
    begin: int = 0
    token: str = ""
    kind: str | None = None
    operations: int = 0

    def __post_init__(self) -> None:
        self.step()

    def step(self) -> None:
        if found := _TOKEN.match(self.text, self.at):
            self.kind, self.at = found.lastgroup, found.end()
            self.token = found[self.kind or 0]
            self.begin = self.at - len(self.token)
            return
        blanks = _BLANKS.match(self.text, self.at)
        self.begin = blanks.end() if blanks else self.at
        self.kind, self.token = None, self.text[self.begin : self.begin + 1]

    def wrong(self, expected: str) -> ExpressionError:
        found = quote(self.token) if self.token else "the end"
        return ExpressionError(f"has {found} at position {self.begin + 1} where {expected} is expected")

    def end(self) -> None:
        if self.token:
            raise self.wrong("one of + - * / or the end")

    def sum(self, depth: int) -> Expression:
        left = self.product(depth)
        while self.kind == "sign" and self.token in "+-":
            left = self.operation(left, depth, self.product)
        return left

    def product(self, depth: int) -> Expression:
        left = self.factor(depth)
        while self.kind == "sign" and self.token in "*/":
            left = self.operation(left, depth, self.factor)
        return left

    def operation(self, left: Expression, depth: int, operand: Callable[[int], Expression]) -> Binary:
        self.operations += 1
        if self.operations > MOST_OPERATIONS:
            raise ExpressionError(f"has more than {MOST_OPERATIONS} operations")
        sign = self.token
        self.step()
        return Binary(sign, left, operand(depth))

    def factor(self, depth: int) -> Expression:
        if depth > DEEPEST:
            raise ExpressionError(f"is nested more than {DEEPEST} deep at position {self.begin + 1}")
        kind, token = self.kind, self.token
        if kind == "number":
            number = self.number()
            self.step()
            return number
        if kind == "name":
            self.step()
            return Name(token)
        if kind == "sign" and token == "-":
            self.step()
            return Negative(self.factor(depth + 1))
        if kind == "sign" and token == "(":
            self.step()
            inner = self.sum(depth + 1)
            if self.kind != "sign" or self.token != ")":
                raise self.wrong("one of + - * / or )")
            self.step()
            return inner
        raise self.wrong("a metric, a number, - or (")

    def number(self) -> Number:
        """A whole number is exact, so it must fit 64 bits; what has a point is a float."""
        value = float(self.token) if "." in self.token else int(self.token)
        if not isfinite(value) if isinstance(value, float) else value >= 1 << 63:
            raise ExpressionError(f"has a number at position {self.begin + 1} that does not fit 64 bits")
        return Number(value)
