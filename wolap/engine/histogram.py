"""Quantiles: histograms of logarithmic buckets (Masson, Rim and Lee, "DDSketch", VLDB 2019) as collections.

With the accuracy a and g = (1 + a) / (1 - a), bucket i holds the values above g ** (i - 1) up to g ** i, and stands for
2 g ** i / (g + 1), which is within a of each of them, relative to it. Negative values have the mirrored buckets; 0,
infinity, minus infinity and NaN have one each. Counts of buckets add, so histograms merge without loss: a quantile is
the same to the last bit from the facts and from any projection, and its error does not depend on how many were
merged. There are as many buckets as the values are apart, 115 for each factor of ten at a = 0.01, and never more than
different values.

A whole number that is alone in its bucket stands there for itself: at a = 0.01 all below 50 are exact.

The quantile at q of n values is that at the position floor(q (n - 1)) in rising order (`method="lower"` of numpy).
What falls on an infinity is no finite number, and a NaN has no place in an order: a group that has one has no quantile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import log

import numpy as np

from wolap.engine.columns import Column
from wolap.engine.groups import Series
from wolap.engine.keys import different

__all__ = ["buckets_of", "of_one_coding", "quantiles"]

_BLOCK = 1 << 16
_CENTER = 1 << 30
_INFINITE, _NAN = (1 << 31) - 2, (1 << 31) - 1
# Two whole numbers share a bucket where they are larger than this by the accuracy.
_ALONE = 4.0


def buckets_of(values: np.ndarray, present: np.ndarray | None, accuracy: float) -> tuple[np.ndarray, np.ndarray]:
    """The number of the bucket of each value, that of the last and one where none is present; and what each bucket
    stands for, in rising order, NaN last.

    Values are int64 or float64. Buckets without a value are left out, so numbers are small.
    """
    keys = np.empty(len(values), np.int32)
    found = [np.zeros(0, np.int32)]
    for start in range(0, len(values), _BLOCK):
        own = slice(start, start + _BLOCK)
        keys[own] = _keys(values[own], accuracy)
        block = keys[own] if present is None else keys[own][present[own]]
        found.append(different(block.copy()))
    kept = different(np.concatenate(found))
    items = np.empty(len(values), np.min_scalar_type(len(kept)))
    for start in range(0, len(values), _BLOCK):
        own = slice(start, start + _BLOCK)
        places = np.searchsorted(kept, keys[own])
        items[own] = places if present is None else np.where(present[own], places, len(kept))
    return items, _shown(kept, accuracy, values.dtype.kind != "f")


def of_one_coding(columns: Sequence[Column]) -> list[Column]:
    """Columns of buckets of one partial, of facts or stored, that came at different times, as columns whose items mean
    the same, so that they can be joined or stitched; `shown` is then what stands in any of them.

    Buckets are numbered among those that have a value, of each load by itself, so that numbers are small. What a bucket
    stands for depends on nothing else, and so tells which is which. A column that has all buckets stays as it is.
    """
    given = [column.shown for column in columns if column.shown is not None]
    assert len(given) == len(columns)
    shown = np.unique(np.concatenate(given))
    return [
        column
        if np.array_equal(own, shown, equal_nan=True)
        else _renumbered(column, np.searchsorted(shown, own), shown)
        for column, own in zip(columns, given, strict=True)
    ]


def _renumbered(column: Column, places: np.ndarray, shown: np.ndarray) -> Column:
    """A column whose buckets are at these places of all; behind the last is what is none."""
    assert column.values is not None
    table = np.append(places, len(shown)).astype(np.min_scalar_type(len(shown)))
    return replace(column, values=table[column.values], members=len(shown), shown=shown)


def _growth(accuracy: float) -> float:
    return log((1 + accuracy) / (1 - accuracy))


def _keys(values: np.ndarray, accuracy: float) -> np.ndarray:
    """Numbers in the order of buckets: 0 for zero, that of a positive bucket, its negative for the mirrored one."""
    with np.errstate(divide="ignore"):
        logarithms = np.log(np.abs(values.astype(np.float64)))
    is_number = np.isfinite(logarithms)
    sizes = np.ceil(np.where(is_number, logarithms, 0.0) / _growth(accuracy)).astype(np.int64) + _CENTER
    sizes = np.where(is_number, sizes, np.where(logarithms > 0, _INFINITE, 0))
    keys = np.where(values < 0, -sizes, sizes)
    if values.dtype.kind == "f":
        keys = np.where(np.isnan(values), _NAN, keys)
    return keys.astype(np.int32)


def _shown(keys: np.ndarray, accuracy: float, is_whole: bool) -> np.ndarray:
    """What the bucket of each key stands for."""
    sizes = np.abs(keys.astype(np.int64))
    is_number = (sizes > 0) & (sizes < _INFINITE)
    growth = _growth(accuracy)
    # Near the end of the floats a bucket may reach beyond them, and what it stands for does not.
    middle = growth * np.where(is_number, sizes - _CENTER, 0) + np.log1p(-accuracy)
    with np.errstate(over="ignore"):
        shown = np.where(is_number, np.minimum(np.exp(middle), np.finfo(np.float64).max), 0.0)
    if is_whole:
        shown = np.where(is_number, _whole(shown, sizes, accuracy), shown)
    shown = np.where(sizes == _INFINITE, np.inf, np.copysign(shown, np.where(shown == 0, 1, keys)))
    shown = np.where(keys == -_INFINITE, -np.inf, shown)
    return np.where(keys == _NAN, np.nan, shown)


def _whole(shown: np.ndarray, sizes: np.ndarray, accuracy: float) -> np.ndarray:
    """The whole number that is alone in a bucket, by asking for its own bucket and those of its neighbours."""
    nearest = np.rint(shown)
    small = nearest < _ALONE / accuracy
    candidate = np.where(small, nearest, 1.0)
    own, below, above = (_keys(candidate + step, accuracy) == sizes for step in (0, -1, 1))
    return np.where(small & own & ~below & ~above, candidate, shown)


def quantiles(column: Column, probability: float) -> Series:
    """The quantile of each row of a column of buckets; none of a row without values, or with one that has no place."""
    assert column.offsets is not None
    assert column.values is not None
    assert column.counts is not None
    assert column.shown is not None
    offsets = column.offsets.astype(np.int64)
    before = np.concatenate(([0], np.cumsum(column.counts, dtype=np.int64)))
    values = before[offsets[1:]] - before[offsets[:-1]]
    valid = values > 0
    if not len(column.values):
        return Series(np.zeros(len(valid)), valid)
    ranks = np.floor((values - 1) * probability).astype(np.int64)
    # The first item with more values up to it than the rank.
    places = np.searchsorted(before, before[offsets[:-1]] + ranks, side="right") - 1
    found = column.shown[column.values[np.where(valid, places, 0)]]
    last = column.shown[column.values[np.where(valid, offsets[1:] - 1, 0)]]
    return Series(np.where(valid, np.where(np.isnan(last), np.nan, found), 0.0), valid)
