"""Filters: a dimension is, or is not, one of some members.

A query has filters, and so may a metric (`count(where={"event": "failed"})`): its own decide which facts count for
it. Those of a metric are part of what a stored number is, so they must be told apart by what they say and by nothing
else: their members are kept as texts, as a request would spell them. (In Python True, 1 and 1.0 are equal.) A
projection may have filters too, and then holds only the facts that pass them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from wolap.errors import Problem, nearest, quote
from wolap.model.member import KINDS, Member, number_text

__all__ = ["SCALARS", "Filter", "Values", "declared_filters", "filter_problems", "implies", "members_left"]

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

    def shown(self) -> list[str]:
        """Its members as texts for people, sorted; of many the first, and how many more there are."""
        named = sorted("null" if value is None else _shown(value) for value in self.values)
        return [*named[:_SHOWN], f"{len(named) - _SHOWN} more"] if len(named) > _SHOWN else named

    def __str__(self) -> str:
        return f"{self.dimension} {'not in' if self.exclude else 'in'} ({', '.join(self.shown())})"


def _shown(value: Member) -> str:
    """A member to read: a text in quotes where it could be taken for null, for nothing or for several."""
    text = str(value)
    plain = text not in ("", "null") and text == text.strip() and not set(text) & set(",()'\"")
    return text if plain or not isinstance(value, str) else quote(text)


def members_left(filters: Iterable[Filter], dimension: str) -> tuple[frozenset[Member], bool]:
    """What filters joined by AND say of a dimension: the members that they leave, or, with True, those that they leave
    out of all."""
    kept: frozenset[Member] | None = None
    dropped: frozenset[Member] = frozenset()
    for one in filters:
        if one.dimension == dimension:
            if one.exclude:
                dropped |= one.values
            else:
                kept = one.values if kept is None else kept & one.values
    return (dropped, True) if kept is None else (kept - dropped, False)


def implies(filters: Iterable[Filter], wanted: Filter) -> bool:
    """Whether all that passes these filters, joined by AND, passes that one, as far as what they say of its own
    dimension proves it. All of them are settled: their members are of one kind."""
    members, is_rest = members_left(filters, wanted.dimension)
    if is_rest:
        return wanted.exclude and wanted.values <= members
    return members.isdisjoint(wanted.values) if wanted.exclude else members <= wanted.values


def filter_problems(
    place: str, filters: Iterable[Filter], dimensions: Collection[str], levels: Collection[str], whose: str
) -> Iterable[Problem]:
    """What is wrong with the filters of a declaration; `whose` says of what, such as "a metric"."""
    for one in filters:
        own = f"{place}.{'where_not' if one.exclude else 'where'}"
        if one.dimension in levels:
            found = f"{quote(one.dimension)} is a level of time, and time is no filter of {whose}"
            yield Problem(own, found, "start and end of a query")
        elif one.dimension not in dimensions:
            possible = f"dimensions are {nearest(one.dimension, dimensions)}"
            yield Problem(own, f"{quote(one.dimension)} is no dimension", possible)
        if not one.values:
            yield Problem(own, f"{one.dimension} has no member", "one or several members, or leave it out")


def declared_filters(
    where: Mapping[str, Values] | None = None, where_not: Mapping[str, Values] | None = None
) -> tuple[Filter, ...]:
    """The filters of a metric or a projection, sorted, so that those that say the same are the same."""
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
