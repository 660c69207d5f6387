"""Adding up terms by key in numpy: several whole numbers in one word.

`ufunc.at` takes as long for a row as all else together, so it is called as rarely as can be. Two sums of small numbers
are one sum of words that have one number in the low bits and the other in the high ones:

    Σ (a · 2^w + b) = Σ a · 2^w + Σ b,    which is taken apart again where |Σ b| < 2^(w-1)

(b as a number with a sign, the rest is Σ a). How wide a field has to be follows from the bounds of its column and from
how many rows are added before the words are emptied into 64 bits for each field. The more keys there are, the
longer emptying takes, and the more rows lie between: either so many, or all rows at once, whichever needs fewer words.
All of it is whole numbers modulo 2^64 and exact. Floats and extremes are added up one by one.

Where rows of one key lie together in long runs, each run is reduced first (`np.add.reduceat`), and there is one row
for each run left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from wolap.engine.columns import Values, widened
from wolap.engine.terms import SUMS, UFUNCS, Term

__all__ = ["Block", "Fields", "Running", "running", "share_words"]

_BITS = 64
_ROWS_BETWEEN = 1 << 17
_ROWS_PER_KEY = 32
_KEYS_AT_ONCE = 1 << 16

# What shares a word: places of terms, each with how many bits it has, the highest first.
Fields = list[tuple[int, int]]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Rows with their keys; `begins` are where runs of equal keys begin, where they are so long that it counts."""

    keys: np.ndarray
    begins: np.ndarray | None
    start: int
    stop: int
    chosen: np.ndarray | None

    def of(self, column: np.ndarray) -> np.ndarray:
        """The rows of a column."""
        part = column[self.start : self.stop]
        return part if self.chosen is None else part.take(self.chosen)

    def numbers(self, column: Values) -> Values:
        """The numbers of the rows, in 64 bits."""
        return widened(self.of(column))


class Running(Protocol):
    """Some terms that are being added up."""

    def add(self, block: Block) -> None:
        """Adds the rows of a block."""
        ...

    def totals(self) -> dict[int, Values]:
        """What was added up for each key, of each term by its place."""
        ...


def running(terms: Sequence[Term], size: int, rows: int, longest: int) -> list[Running]:
    """Where terms are added up, for keys below `size`, of so many rows in blocks of up to `longest`."""
    words, most = share_words(terms, size, rows, longest)
    scratch = np.empty(longest, np.int64)
    found: list[Running] = [_Words(terms, one, size, most, scratch) for one in words]
    return found + [_Single(place, term, size) for place, term in enumerate(terms) if term.kind not in SUMS]


def share_words(terms: Sequence[Term], size: int, rows: int, longest: int) -> tuple[list[Fields], int]:
    """The words that sums share, for keys below `size`, and after how many rows they have to be emptied, of so many in
    blocks of up to `longest`."""
    sums = [place for place, term in enumerate(terms) if term.kind in SUMS]
    between = max(_ROWS_BETWEEN, _ROWS_PER_KEY * size, longest)
    at_once, in_turns = (_fields(terms, sums, min(rows, most)) for most in (rows, between))
    return (at_once, rows) if len(at_once) <= len(in_turns) else (in_turns, between)


def _fields(terms: Sequence[Term], sums: Sequence[int], rows: int) -> list[Fields]:
    """Words whose fields have as many bits as they need for so many rows.

    The count of rows, which costs next to nothing beside another, is in the first word; then the widest come first,
    each in the first word that has room for it. Lowest are numbers that need not be shifted.
    """
    widths = {place: min((terms[place].bound * max(rows, 1)).bit_length() + 1, _BITS) for place in sums}
    words: list[Fields] = []
    for place in sorted(sums, key=lambda one: (terms[one].kind != "rows", -widths[one])):
        fits = (word for word in words if sum([width for _, width in word]) + widths[place] <= _BITS)
        word = next(fits, None)
        if word is None:
            words.append(word := [])
        word.append((place, widths[place]))
    return [sorted(word, key=lambda field: terms[field[0]].kind == "whole") for word in words]


class _Words:
    """The sums of the fields of one word."""

    def __init__(self, terms: Sequence[Term], fields: Fields, size: int, most: int, scratch: Values) -> None:
        self.fields, self.most, self.scratch = fields, most, scratch
        self.words = np.zeros(size, np.int64)
        self.waiting = 0
        self.sums: list[Values] | None = None
        # What all rows have in common, the numbers that are put in as they are, and the others with their shifts.
        self.constant = 0
        self.plain: Values | None = None
        self.others: list[tuple[Term, int]] = []
        shift = sum([width for _, width in fields])
        for place, width in fields:
            shift -= width
            term = terms[place]
            if term.kind == "rows":
                self.constant = 1 << shift
            elif term.kind == "whole" and not shift:
                self.plain = term.values
            else:
                self.others.append((term, shift))
        self.made = np.empty(len(scratch), np.int64)

    def add(self, block: Block) -> None:
        if self.waiting + len(block.keys) > self.most:
            self._empty()
        self.waiting += len(block.keys)
        words = self._of(block)
        if block.begins is None:
            np.add.at(self.words, block.keys, words)
        else:
            np.add.at(self.words, block.keys[block.begins], np.add.reduceat(words, block.begins))

    def _of(self, block: Block) -> Values:
        """The word of each row."""
        made, scratch = self.made[: len(block.keys)], self.scratch[: len(block.keys)]
        if self.plain is None:
            made.fill(self.constant)
        elif self.constant or self.others:
            np.copyto(made, block.of(self.plain))
            made += self.constant
        else:
            return block.numbers(self.plain)
        for term, shift in self.others:
            made += _shifted(term, shift, block, scratch)
        return made

    def _empty(self) -> None:
        """Takes the sums apart and adds them to those of each field."""
        if self.sums is None:
            self.sums = [np.zeros(len(self.words), np.int64) for _ in self.fields]
        for start in range(0, len(self.words), _KEYS_AT_ONCE):
            keys = slice(start, start + _KEYS_AT_ONCE)
            for total, part in zip(self.sums, self._apart(self.words[keys]), strict=True):
                total[keys] += part
        self.words.fill(0)
        self.waiting = 0

    def _apart(self, words: Values) -> list[Values]:
        """The fields of words, of which the last has the lowest bits."""
        found = []
        for _, width in self.fields[:0:-1]:
            low = (words << (_BITS - width)) >> (_BITS - width)
            words = (words - low) >> width
            found.append(low)
        return [words, *reversed(found)]

    def totals(self) -> dict[int, Values]:
        if self.sums is None:
            self.sums = self._apart(self.words)
        else:
            self._empty()
        return {place: total for (place, _), total in zip(self.fields, self.sums, strict=True)}


def _shifted(term: Term, shift: int, block: Block, out: Values) -> Values:
    """What a term adds, that many bits higher, in `out`."""
    if term.kind == "valid":
        assert term.valid is not None
        np.multiply(block.of(term.valid), np.int64(1 << shift), out=out)
        return out
    assert term.values is not None
    # In two steps, which takes less time than in one: that would widen numbers in pieces.
    np.copyto(out, block.of(term.values))
    if term.kind == "high":
        out >>= 32
    elif term.kind == "low":
        out &= 0xFFFF_FFFF
    if shift:
        out <<= shift
    return out


class _Single:
    """A float that is added up, or an extreme."""

    def __init__(self, place: int, term: Term, size: int) -> None:
        self.place, self.term, self.ufunc = place, term, UFUNCS[term.kind]
        self.values: Values = np.zeros(size, term.type)
        term.begin(self.values)

    def add(self, block: Block) -> None:
        keys = block.keys
        assert self.term.values is not None
        values = block.numbers(self.term.values)
        if self.term.valid is not None and not (valid := block.of(self.term.valid)).all():
            keys, values = keys[valid], values[valid]
        elif block.begins is not None:
            keys, values = keys[block.begins], self.ufunc.reduceat(values, block.begins)
        self.ufunc.at(self.values, keys, values)

    def totals(self) -> dict[int, Values]:
        return {self.place: self.values}
