"""Filters: a dimension is, or is not, one of some members.

A query has filters, and so may a metric (`count(where={"event": "failed"})`): its own decide which facts count for
it. Those of a metric are part of what a stored number is, so they must be told apart by what they say and by nothing
else: their members are kept as texts, as a request would spell them. (In Python True, 1 and 1.0 are equal.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from wolap.errors import quote
from wolap.model.member import KINDS, Member, number_text

__all__ = ["SCALARS", "Filter", "Values", "metric_filters"]

Values = Member | Iterable[Member]
_SHOWN = 8
SCALARS = (str, int, float, Decimal, date, timedelta, type(None))

# The kind by whose texts a Python value is spelled: the first that it is an instance of.
_SPELLED: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (timedelta, "duration"),
    (datetime, "timestamp"),
    (date, "date"),
    (Decimal, "decimal"),
)


@dataclass(frozen=True, slots=True)
class Filter:
    """`dimension IN values`, or NOT IN where `exclude` is set. None among the values is the null member."""

    dimension: str
    values: frozenset[Member]
    exclude: bool = False

    def __str__(self) -> str:
        named = sorted("null" if value is None else _shown(value) for value in self.values)
        more = f", {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
        return f"{self.dimension} {'not in' if self.exclude else 'in'} ({', '.join(named[:_SHOWN])}{more})"


def _shown(value: Member) -> str:
    """A member to read: a text in quotes where it could be taken for null, for nothing or for several."""
    text = str(value)
    plain = text not in ("", "null") and text == text.strip() and not set(text) & set(",()'\"")
    return text if plain or not isinstance(value, str) else quote(text)


def metric_filters(
    where: Mapping[str, Values] | None = None, where_not: Mapping[str, Values] | None = None
) -> tuple[Filter, ...]:
    """The filters of a metric, sorted, so that those that say the same are the same."""
    found = [
        Filter(name, frozenset(_text(value) for value in _several(values)), exclude)
        for said, exclude in ((where, False), (where_not, True))
        for name, values in (said or {}).items()
    ]
    return tuple(sorted(found, key=lambda one: (one.dimension, one.exclude)))


def _several(values: Values) -> Iterable[Member]:
    return (values,) if isinstance(values, SCALARS) else values


def _text(value: Member) -> Member:
    if value is None or isinstance(value, str):
        return value
    for kept, kind in _SPELLED:
        if isinstance(value, kept):
            _, _, convert, text = KINDS[kind]
            with suppress(OverflowError):
                return text(convert(value))
    return number_text(value) if isinstance(value, float) else str(value)
