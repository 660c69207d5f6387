"""Partials that are added up in a second pass over the rows, once what the groups have in common is known.

Squared deviations. A row, of facts or of a projection, is n values with a sum and with M2, their squared deviations
from their own mean (of a single fact: 0). With the mean m of the group known, which follows from its sum and count,

    M2 = Σ M2_i + Σ n_i (m_i - m)² - (Σ n_i (m_i - m))² / n

(Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979). The last
term would be 0, were m not rounded. Values are never squared themselves, so nothing cancels, however far they are
from 0; means are kept in two parts, of whole numbers up to 64 bits a whole number and a fraction.

Balances at an end. A row has an instant, its earliest or latest with a value, and the sum of the values of that very
instant. The least or greatest of them is that of the group, and the sums of the rows that have it are added.

Both give the same whether rows are facts, stored rows, or groups of several pieces (`engine/stitch.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from wolap.engine.columns import Column
from wolap.engine.groups import Groups, Halves, Places, Series
from wolap.engine.kernels import BLOCK, block_of
from wolap.engine.scan import Scan
from wolap.model.aggregate import JOINT, Partial

__all__ = ["companions_of", "join_groups", "join_scan"]

_SPLITTER = float(2**27 + 1)

# For some rows: the place of each one's group, what it has of the partial itself, and of those that it goes with.
Rows = tuple[np.ndarray, Series, tuple[Series, ...]]


def join_scan(
    scan: Scan, partial: Partial, columns: Mapping[Partial, Column], groups: Groups, known: Mapping[Partial, Series]
) -> Series:
    """A joint partial of the rows of a scan; `known` are the others of its groups.

    Raises PartialOverflow, and Cancelled when told to stop.
    """
    names = _companions(partial)

    def rows() -> Iterator[Rows]:
        places = Places.of(groups.keys, scan.keys.size)
        for start, stop, chosen in scan.blocks(BLOCK):
            own, *others = (
                _series(columns[name], start, stop, chosen, 0 if name == partial else 1) for name in (partial, *names)
            )
            yield places.find(scan.keys.build(start, stop, chosen)), own, tuple(others)

    return _join(partial, rows(), tuple(known[name] for name in names), len(groups.keys))


def join_groups(partial: Partial, parts: Sequence[Rows], known: Mapping[Partial, Series], count: int) -> Series:
    """A joint partial of the groups of several parts. Raises PartialOverflow."""
    return _join(partial, iter(parts), tuple(known[name] for name in _companions(partial)), count)


def companions_of(partial: Partial, series: Mapping[Partial, Series]) -> tuple[Series, ...]:
    """The series that go with a joint partial."""
    return tuple(series[name] for name in _companions(partial))


def _companions(partial: Partial) -> tuple[Partial, ...]:
    return tuple(replace(partial, function=function) for function in JOINT[partial.function])


def _series(column: Column, start: int, stop: int, chosen: np.ndarray | None, missing: int) -> Series:
    """The rows of a block. A column without values has 1 in each row that is valid: it counts; of squares it has 0."""
    values, valid = block_of(column, start, stop, chosen)
    if values is not None:
        return Series(values, valid)
    rows = stop - start if chosen is None else len(chosen)
    return Series(np.full(rows, missing, np.int64) if valid is None else valid.astype(np.int64) * missing)


class _Running(Protocol):
    """A partial that is being added up."""

    def add(self, places: np.ndarray, own: Series, others: tuple[Series, ...]) -> None: ...

    def series(self) -> Series: ...


def _join(partial: Partial, rows: Iterator[Rows], known: tuple[Series, ...], count: int) -> Series:
    # What is no finite number is null in the end (`wire.md` W31), and no news.
    with np.errstate(over="ignore", invalid="ignore"):
        running = RUNNING[partial.function](partial, known, count)
        for places, own, others in rows:
            running.add(places, own, others)
        return running.series()


# A mean in two parts, whose sum is nearer to it than any one number: of whole numbers a whole one and a fraction, of
# floats the nearest float and what is left of it. (One float alone would be off by as much as 1e9 + 1/3 is.)
_Mean = tuple[np.ndarray, np.ndarray]


def _mean(sums: np.ndarray, counts: np.ndarray) -> _Mean:
    if counts.max(initial=1) == 1:
        return sums, np.zeros(len(sums))
    if sums.dtype.kind == "f":
        nearest = sums / counts
        rest = (sums - nearest * counts - _lost(nearest, counts.astype(np.float64))) / counts
        return nearest, np.where(np.isfinite(rest), rest, 0.0)
    whole, left = np.divmod(sums, counts)
    return whole, left / counts


def _lost(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """What the rounding of a product of floats has lost of it (Dekker 1971; Veltkamp's halves of 26 bits)."""
    (high, low), (other_high, other_low) = _halves(one), _halves(other)
    lost: np.ndarray = ((high * other_high - one * other) + high * other_low + low * other_high) + low * other_low
    return lost


def _halves(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scaled = values * _SPLITTER
    high = scaled - (scaled - values)
    return high, values - high


def _apart(one: _Mean, other: _Mean) -> np.ndarray:
    """How far two means are apart, as floats. The difference of whole numbers is taken before it is one: wherever it
    leaves 63 bits it wraps to the right number without sign."""
    (first, rest), (second, second_rest) = one, other
    if first.dtype.kind == "f":
        found: np.ndarray = first - second
    else:
        less = first < second
        size = np.where(less, second - first, first - second).view(np.uint64).astype(np.float64)
        found = np.where(less, -size, size)
    found += rest - second_rest
    return found


class _Squares:
    def __init__(self, partial: Partial, known: tuple[Series, ...], count: int) -> None:
        sums, self.counts = (series.values for series in known)
        self.mean = _mean(sums, np.maximum(self.counts, 1))
        self.squares, self.drift = np.zeros(count), np.zeros(count)

    def add(self, places: np.ndarray, own: Series, others: tuple[Series, ...]) -> None:
        sums, counts = (series.values for series in others)
        squares = own.values
        present = counts > 0
        if not present.all():
            places, squares, sums, counts = places[present], squares[present], sums[present], counts[present]
        first, rest = self.mean
        apart = _apart(_mean(sums, counts), (first[places], rest[places]))
        weighted = counts * apart
        np.add.at(self.drift, places, weighted)
        np.add.at(self.squares, places, weighted * apart + squares)

    def series(self) -> Series:
        found = self.squares - self.drift * self.drift / np.maximum(self.counts, 1)
        return Series(np.maximum(found, 0.0))


class _AtAnEnd:
    def __init__(self, partial: Partial, known: tuple[Series, ...], count: int) -> None:
        self.partial, self.count = partial, count
        [self.end] = known
        # Made when it is known of which kind values are: whole numbers in two halves, which cannot overflow.
        self.sums: tuple[np.ndarray, ...] = ()

    def add(self, places: np.ndarray, own: Series, others: tuple[Series, ...]) -> None:
        [at] = others
        chosen = at.values == self.end.values[places]
        chosen &= True if at.valid is None else at.valid
        places, values = places[chosen], own.values[chosen]
        if not len(values):
            # Of a piece without rows not even the kind of its values is known.
            return
        parts = (values,) if values.dtype.kind == "f" else Halves.split(values)
        self.sums = self.sums or tuple(np.zeros(self.count, part.dtype) for part in parts)
        for total, part in zip(self.sums, parts, strict=True):
            np.add.at(total, places, part)

    def series(self) -> Series:
        if not self.sums:
            return Series(np.zeros(self.count, np.int64), self.end.valid)
        high, *low = self.sums
        return Series(Halves.join(high, low[0], self.partial) if low else high, self.end.valid)


RUNNING: dict[str, Callable[[Partial, tuple[Series, ...], int], _Running]] = {
    "squares": _Squares,
    "opening": _AtAnEnd,
    "closing": _AtAnEnd,
}
