"""Members: the values that a dimension takes, in Python and as text.

The kind of a dimension is that of its column. A member has one Python value and one text; a text may be spelled in
several ways that read as one member (`7`, `07` and `7.0` of an integer). A text that cannot be read stays the text
that it is: among values of another type it is equal to nothing, as W12 asks.

    kind       Python             text
    text       str                itself
    integer    int                7
    float      float              0.5, 2.0 (shortest that reads back the same)
    decimal    Decimal            12.50 reads as 12.5
    boolean    bool               true, false
    date       date               2024-07-20
    timestamp  datetime, no zone  2024-07-20T10:05:00 (of a column with a zone: the clock of UTC)
    duration   timedelta          seconds, 90 or 0.5
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from math import isfinite
from numbers import Number

from wolap.model.interval import read_moment
from wolap.model.zone import to_datetime

__all__ = ["KINDS", "Member", "canonical_member", "member_text", "number_text", "read_member"]

# None is the null member.
Member = str | int | float | Decimal | bool | date | timedelta | None

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_LONGEST_NUMBER = 400


def _read_decimal(text: str) -> Decimal:
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        raise ValueError
    number = Decimal(text)
    if len(format(number, "f")) > _LONGEST_NUMBER:
        raise ValueError
    return number


def _read_float(text: str) -> float:
    number = float(_read_decimal(text))
    if not isfinite(number):
        raise ValueError
    return number


def _read_integer(text: str) -> int:
    number = _read_decimal(text)
    if number != number.to_integral_value():
        raise ValueError
    return int(number)


def _read_boolean(text: str) -> bool:
    return {"true": True, "false": False}[text]


def _read_timestamp(text: str) -> datetime:
    moment = read_moment(text)
    return to_datetime(moment.microseconds - (moment.offset or 0))


def _read_date(text: str) -> date:
    return date.fromisoformat(text)


def _read_duration(text: str) -> timedelta:
    return timedelta(microseconds=_read_integer(str(_read_decimal(text).scaleb(6))))


def _whole_timestamp(value: datetime) -> datetime:
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)


def number_text(value: float | Decimal) -> str:
    """The one text of a number in all formats (W31): whole numbers and decimals plain, floats shortest."""
    return format(value, "f") if isinstance(value, Decimal) else repr(value)


def _decimal_text(value: Decimal) -> str:
    text = format(value if value else Decimal(0), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _duration_text(value: timedelta) -> str:
    return _decimal_text(Decimal(value // timedelta(microseconds=1)).scaleb(-6))


def _timestamp_text(value: datetime) -> str:
    text = value.isoformat()
    return text.rstrip("0") if "." in text else text


# For each kind: the Python type, text to value, another Python value to value, value to text.
KINDS: dict[str, tuple[type, Callable[[str], Member], Callable[..., Member], Callable[..., str]]] = {
    "text": (str, str, str, str),
    "integer": (int, _read_integer, int, str),
    "float": (float, _read_float, float, number_text),
    "decimal": (Decimal, _read_decimal, lambda value: Decimal(str(value)), _decimal_text),
    "boolean": (bool, _read_boolean, bool, lambda value: "true" if value else "false"),
    "date": (date, _read_date, lambda value: value, date.isoformat),
    "timestamp": (datetime, _read_timestamp, _whole_timestamp, _timestamp_text),
    "duration": (timedelta, _read_duration, lambda value: value, _duration_text),
}

_COUNTED = frozenset({"integer", "float", "decimal", "duration"})


def read_member(kind: str, text: str) -> Member:
    """The member that a text names; the text itself where a dimension of this kind has no such member."""
    try:
        return KINDS[kind][1](text)
    except (ValueError, KeyError, InvalidOperation, OverflowError, ArithmeticError):
        return text


def canonical_member(kind: str, value: Member) -> Member:
    """A Python value as the member that it names in a dimension of this kind. A text is read as in a request.

    A number is read by its text, so that 0.1 is the decimal 0.1; for a duration it counts seconds; a datetime at
    midnight is a date. What names no member is its own text, which is equal to none.
    """
    if value is None:
        return None
    wanted, _, convert, _ = KINDS[kind]
    if isinstance(value, str):
        return value if kind == "text" else read_member(kind, value)
    if wanted is datetime and isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001
    if wanted is date and isinstance(value, datetime):
        return value.date() if value.time() == time() else value.isoformat()
    if isinstance(value, wanted) and not (wanted is int and isinstance(value, bool)):
        try:
            return convert(value)
        except OverflowError:
            # A time beyond the years 1 to 9999 of UTC, which nobody has.
            return str(value)
    if kind == "boolean" and isinstance(value, Number) and str(value) in ("0", "1"):
        return str(value) == "1"
    if isinstance(value, Number) and kind in _COUNTED:
        return read_member(kind, str(int(value) if isinstance(value, bool) else value))
    return str(value)


def member_text(kind: str, value: Member) -> str:
    """The text of a member that is not null; an unreadable text is its own."""
    return value if isinstance(value, str) else KINDS[kind][3](value)
