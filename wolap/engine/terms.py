"""What is added up for each key, so that the partials that are wanted follow: their terms.

A partial is one term, or some. A sum of whole numbers that its bounds do not promise to fit 64 bits is two, its
halves. Where a column has nulls, how many rows have a value is a term too: a group without any has null. (In a row
without a value a column holds 0, which changes no sum.) Which keys occur follows from a term that no row leaves as it
began: a count of rows, numbers above 0, floats. These begin as -0.0, which is added up to no other number and comes of
none: no float that is summed is one (`columns.py`). Where no such term is wanted, rows are counted for it.

Terms that several partials have in common are added up once. The same terms serve each kernel that adds up into dense
arrays, which so differ in how they add and in nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wolap.engine.columns import Column, Values
from wolap.engine.groups import MERGES, Groups, Halves, Series
from wolap.model.aggregate import Partial

__all__ = ["SUMS", "UFUNCS", "Term", "Terms", "Wanted", "may_overflow"]

Wanted = Sequence[tuple[Partial, Column]]

# Kinds of terms: sums of whole numbers.
SUMS = ("rows", "valid", "whole", "high", "low")
# All others, and how they are added up.
UFUNCS = {"float": np.add, "least": np.minimum, "most": np.maximum}

_HALF = 1 << 32


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """What each row adds to its key. `kind` is one of SUMS or of UFUNCS.

    Of "rows" each adds 1, of "valid" 1 where it has a value; "high" and "low" are the halves of a value. `bound` is
    the most that a row of a whole number can add or take away. `start` is what a key holds that no row has.
    """

    kind: str
    values: Values | None = None
    valid: np.ndarray | None = None
    bound: int = 1
    start: float = 0
    tells: bool = False

    @property
    def type(self) -> type[np.generic]:
        """In which numbers a term is added up."""
        return np.float64 if self.values is not None and self.values.dtype.kind == "f" else np.int64

    def begin(self, zeros: Values) -> None:
        """Makes of zeros what keys hold that no row has."""
        if self.start or np.signbit(self.start):
            zeros.fill(self.start)

    def occurs(self, totals: Values) -> np.ndarray:
        """Of a term that `tells`, whether a row has each key. (To the bit: -0.0 equals 0.0.)"""
        begun = np.array([self.start], self.type).view(np.int64)
        found: np.ndarray = totals.view(np.int64) != begun
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """The terms of some partials. `places` has for each partial where its own stand, and where that of its rows with a
    value, or None; `presence` is the place of one that tells which keys occur."""

    wanted: Wanted
    each: tuple[Term, ...]
    places: tuple[tuple[tuple[int, ...], int | None], ...]
    presence: int

    @classmethod
    def of(cls, wanted: Wanted, rows: int) -> Terms:
        """The terms of these partials over so many rows."""
        found: dict[tuple[object, ...], Term] = {}
        places = []
        for partial, column in wanted:
            own = tuple([_place(found, term) for term in _terms(partial, column, rows)])
            nullable = column.valid is not None and column.values is not None and partial.function != "count"
            places.append((own, _place(found, Term("valid", valid=column.valid)) if nullable else None))
        presence = next((place for place, term in enumerate(found.values()) if term.tells), None)
        if presence is None:
            presence = _place(found, _ROWS)
        return cls(wanted, tuple(found.values()), tuple(places), presence)

    def groups(self, totals: Sequence[Values]) -> Groups:
        """The keys that occur, and their partials, from what was added up of each term for every key.

        Raises PartialOverflow.
        """
        present = np.flatnonzero(self.each[self.presence].occurs(totals[self.presence]))
        chosen = slice(None) if len(present) == len(totals[0]) else present
        return Groups(present, self.series(totals, chosen))

    def series(self, totals: Sequence[Values], chosen: np.ndarray | slice) -> tuple[Series, ...]:
        """The partials of some keys. Raises PartialOverflow."""
        series = []
        for (partial, _), (own, hits) in zip(self.wanted, self.places, strict=True):
            # A column of a table is left, so that a series is its own and not all of that.
            values, *low = (np.ascontiguousarray(totals[place][chosen]) for place in own)
            if low:
                values = Halves.join(values, low[0], partial)
            if hits is None:
                series.append(Series(values))
            else:
                hit = totals[hits][chosen] > 0
                series.append(Series(np.where(hit, values, values.dtype.type(0)), hit))
        return tuple(series)


_ROWS = Term("rows", tells=True)


def _place(found: dict[tuple[object, ...], Term], term: Term) -> int:
    """Where a term stands among those that were found, put behind them where it is new."""
    # What is not valid adds 0 to a sum. Columns that share their numbers may be valid in different rows, though.
    shared = (term.valid,) if term.kind == "valid" else (term.values, term.valid if term.kind in UFUNCS else None)
    name = (term.kind, *map(id, shared))
    found.setdefault(name, term)
    return list(found).index(name)


def _terms(partial: Partial, column: Column, rows: int) -> tuple[Term, ...]:
    values, valid = column.values, column.valid
    if values is None:
        return (_ROWS if valid is None else Term("valid", valid=valid),)
    ufunc, start, float_start = MERGES[partial.function]
    if ufunc is not np.add:
        kind, begin = "least" if ufunc is np.minimum else "most", float_start if column.is_float else start
        reached = column.is_float or valid is not None or column.low <= start <= column.high
        return (Term(kind, values, valid, start=begin, tells=not reached),)
    if column.is_float:
        # Products may be -0.0.
        return (Term("float", values, start=-0.0, tells=True) if partial.function == "sum" else Term("float", values),)
    if may_overflow(partial, column, rows):
        return Term("high", values, bound=_HALF >> 1), Term("low", values, bound=_HALF)
    bound = max(abs(column.low), abs(column.high))
    return (Term("whole", values, bound=bound, tells=valid is None and not column.low <= 0 <= column.high),)


def may_overflow(partial: Partial, column: Column, rows: int) -> bool:
    """Whether the bounds of a column do not promise that a sum of so many of its rows fits 64 bits."""
    if column.values is None or column.is_float or MERGES[partial.function][0] is not np.add:
        return False
    return max(abs(column.low), abs(column.high)) * max(rows, 1) >= 1 << 63
