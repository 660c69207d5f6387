"""The grammar of derived metrics: what it reads, and what it says of what it cannot read."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wolap.model.expression import (
    Binary,
    Expression,
    ExpressionError,
    Name,
    Negative,
    Number,
    names_in,
    read_expression,
)

A, B, C = Name("a"), Name("b"), Name("c")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", A),
        (" a\t", A),
        ("a.b-c_1", Name("a.b-c_1")),
        ("a - b", Binary("-", A, B)),
        ("a -b", Binary("-", A, B)),
        ("a-b", Name("a-b")),
        ("a- b", None),
        ("7", Number(7)),
        ("7.50", Number(7.5)),
        ("9223372036854775807", Number(2**63 - 1)),
        ("a-1", Name("a-1")),
        ("1-a", Binary("-", Number(1), A)),
        ("a - b - c", Binary("-", Binary("-", A, B), C)),
        ("a / b * c", Binary("*", Binary("/", A, B), C)),
        ("a + b * c", Binary("+", A, Binary("*", B, C))),
        ("(a + b) * c", Binary("*", Binary("+", A, B), C)),
        ("-a * b", Binary("*", Negative(A), B)),
        ("a * -b", Binary("*", A, Negative(B))),
        ("--a", Negative(Negative(A))),
        ("((a))", A),
    ],
)
def test_an_expression_is_read(text: str, expected: Expression | None) -> None:
    if expected is None:
        with pytest.raises(ExpressionError):
            read_expression(text)
    else:
        assert read_expression(text) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has the end at position 1 where a metric, a number, - or ( is expected"),
        ("a +", "has the end at position 4 where a metric, a number, - or ( is expected"),
        ("a b", "has 'b' at position 3 where one of + - * / or the end is expected"),
        ("2x", "has 'x' at position 2 where one of + - * / or the end is expected"),
        ("(a", "has the end at position 3 where one of + - * / or ) is expected"),
        ("a)", "has ')' at position 2 where one of + - * / or the end is expected"),
        ("a ** b", "has '*' at position 4 where a metric, a number, - or ( is expected"),
        ("a; b", "has ';' at position 2 where one of + - * / or the end is expected"),
        ("f(a)", "has '(' at position 2 where one of + - * / or the end is expected"),
        ("a + ä", "has 'ä' at position 5 where a metric, a number, - or ( is expected"),
        ("1.", "has '.' at position 2 where one of + - * / or the end is expected"),
        ("٣", "has '٣' at position 1 where a metric, a number, - or ( is expected"),
        ("a + 9223372036854775808", "has a number at position 5 that does not fit 64 bits"),
        ("a * " + "9" * 400 + ".0", "has a number at position 5 that does not fit 64 bits"),
        ("(" * 51 + "a" + ")" * 51, "is nested more than 50 deep at position 52"),
        ("-" * 900 + "a", "is nested more than 50 deep at position 52"),
        ("a" + "+a" * 101, "has more than 100 operations"),
        ("a" * 1001, "has 1,001 characters; 1,000 are allowed"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(ExpressionError, match=f"^{re.escape(told)}$"):
        read_expression(text)


def test_names_are_told_once_in_their_order() -> None:
    assert names_in(read_expression("b / (a + b) - -c * 2")) == ("b", "a", "c")


@given(st.text("ab1.+-*/() \n", max_size=40))
def test_any_text_is_an_expression_or_an_error(text: str) -> None:
    try:
        found = read_expression(text)
    except ExpressionError:
        return
    assert read_expression(_written(found)) == found


def _written(expression: Expression) -> str:
    if isinstance(expression, Number):
        return format(expression.value, "f") if isinstance(expression.value, float) else str(expression.value)
    if isinstance(expression, Name):
        return f" {expression.name} "
    if isinstance(expression, Negative):
        return f"-({_written(expression.operand)})"
    return f"({_written(expression.left)}) {expression.sign} ({_written(expression.right)})"
