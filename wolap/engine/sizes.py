"""How large a projection would be, from a sample of the facts.

A row of a projection is a combination that occurs within a bucket of its level, so its rows are the sum over the
buckets of what differs in each. Of many buckets some are looked at whole, one drawn from each of equally long runs of
them: what differs in those is counted and not estimated. The others are put at c n^b rows for n facts, with b the slope
between the logarithms of both in the buckets that were counted and c their ratio (a ratio estimator with n^b as its
auxiliary; Cochran, "Sampling Techniques", 1977, chapter 6).

Where only few buckets would fit a sample (months, no time at all), rows are drawn instead, one from each of equally
long runs. Of the combinations in such a sample those that were seen twice or more are common; each that was seen once
stands for the square root of n/r of them, in a sample of r of n facts (Charikar, Chaudhuri, Motwani and Narasayya,
"Towards estimation error guarantees for distinct values", 2000: the GEE, never off by more than that factor).

Combinations are told apart by 63 bits: the number of the bucket, then the exclusive or of a random number for each
member (Zobrist 1970). That two fall together is less likely than one in a million for a whole sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import prod, sqrt
from threading import Event

import numpy as np

from wolap.engine.collection import KINDS
from wolap.engine.columns import Column
from wolap.engine.explode import ListDigit
from wolap.engine.groups import COUNTS
from wolap.engine.keys import Digit, TimeDigit
from wolap.engine.layout import Dictionaries, Layout, partition_level
from wolap.engine.lists import longest_of
from wolap.engine.moments import buckets_of, digit_of_buckets
from wolap.engine.statistics import starts_of_partitions
from wolap.errors import Cancelled
from wolap.model.aggregate import COLLECTIONS, Partial
from wolap.model.level import nests
from wolap.model.projection import Projection, Statistics
from wolap.planner.estimate import expected_groups

__all__ = ["SAMPLE", "bytes_of_partial", "estimate_sizes"]

SAMPLE = 1_000_000
# A choice of fewer buckets says too little of the others. For that many the sample may be so many times as large.
_FEWEST_BUCKETS, _STRETCH = 4, 4
_BLOCK = 1 << 20
_SEED = 19_960_604
_BYTES_OF_NUMBER, _BYTES_OF_COUNT = 8, 4
# A bucket has an instant and an offset; each partition that rows are counted by one more of both, and its local time.
_BYTES_OF_BUCKET, _BYTES_OF_PARTITION = 16, 24
# Both have one offset more than they are, for the end.
_BYTES_OF_OFFSET = 8

# The dimensions and the level: all that the number of rows hangs on.
_Grain = tuple[frozenset[str], str | None]


def estimate_sizes(
    projections: Sequence[Projection],
    layout: Layout,
    dictionaries: Dictionaries,
    *,
    sample: int = SAMPLE,
    cancel: Event | None = None,
) -> tuple[Statistics, ...]:
    """The statistics that each projection would have, were it built from these facts.

    Rows are exact where there are no more than `sample` facts, in which case all are looked at. Raises Cancelled when
    told to stop, which is looked at between two projections.
    """
    rows: dict[_Grain, np.ndarray] = {}
    levels = dict.fromkeys(projection.level for projection in projections)
    for level in levels:
        drawn = _Sample.of(layout, level, sample)
        for grain in dict.fromkeys(_grain(one) for one in projections if one.level == level):
            if cancel is not None and cancel.is_set():
                raise Cancelled("stopped between two grains, as the caller asked")
            rows[grain] = drawn.rows_by_bucket(grain[0], layout, dictionaries)
    _keep_order(rows, dictionaries)
    starts = {level: _Partitions.of(layout, level) for level in levels}
    return tuple(_statistics(one, rows[_grain(one)], starts[one.level], layout) for one in projections)


def items_of_partial(partial: Partial, column: Column, rows: int, facts: int) -> int:
    """Items that so many stored rows keep of a collection, where the values of their facts have nothing to do with
    each other; 0 for a number."""
    if partial.function not in COLLECTIONS or not rows:
        return 0
    slots = (column.members or 1) >> KINDS[partial.function].rank_bits
    return int(rows * expected_groups(float(slots), facts / rows))


def bytes_of_partial(partial: Partial, column: Column, rows: int, items: int) -> int:
    """Bytes that so many stored rows take for a partial of which the facts have this column, with so many items: the
    one place that says so."""
    if partial.function in COLLECTIONS:
        counted = _BYTES_OF_COUNT if KINDS[partial.function].has_counts else 0
        width = 0 if column.values is None else column.values.itemsize
        return rows * _BYTES_OF_OFFSET + items * (width + counted)
    nullable = column.valid is not None and partial.function not in COUNTS
    return rows * (_BYTES_OF_NUMBER + nullable)


def _grain(projection: Projection) -> _Grain:
    return frozenset(projection.dimensions), projection.level


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """Some facts. `facts` counts those of each bucket of a level, `rows` are the positions of the drawn ones (None:
    all), `bucket` the bucket of each of them. `counted` are the buckets that are in it whole; None where rows were
    drawn."""

    facts: np.ndarray
    rows: np.ndarray | None
    bucket: np.ndarray
    counted: np.ndarray | None
    _codes: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, layout: Layout, level: str | None, most: int) -> _Sample:
        """The sample for grains of one level."""
        digit, offsets = _lie(layout, level)
        facts = _facts_of(digit, layout.rows)
        if layout.rows <= most:
            return cls(facts, None, digit.codes(0, layout.rows, None), np.arange(len(facts)))
        random = np.random.Generator(np.random.SFC64(_SEED))
        lengths = np.diff(offsets)
        chosen = min(int(most * len(lengths) / layout.rows), len(lengths))
        if _FEWEST_BUCKETS * layout.rows <= _STRETCH * most * len(lengths):
            chosen = max(chosen, min(_FEWEST_BUCKETS, len(lengths)))
        if chosen >= _FEWEST_BUCKETS:
            drawn = _drawn(random, len(lengths), chosen)
            sizes = lengths[drawn]
            ends = np.cumsum(sizes)
            rows = np.arange(int(ends[-1])) + np.repeat(offsets[drawn] - (ends - sizes), sizes)
            bucket = digit.codes(0, layout.rows, rows)
            counted = drawn if len(lengths) == len(facts) else np.flatnonzero(np.bincount(bucket, minlength=len(facts)))
            return cls(facts, rows, bucket, counted)
        rows = _drawn(random, layout.rows, most)
        return cls(facts, rows, digit.codes(0, layout.rows, rows), None)

    def rows_by_bucket(self, dimensions: Iterable[str], layout: Layout, dictionaries: Dictionaries) -> np.ndarray:
        """How many rows a projection over some dimensions is put at in each bucket."""
        shift = np.uint64(63 - len(self.facts).bit_length())
        keys, buckets, most = np.zeros(len(self.bucket), np.uint64), self.bucket, self.facts
        share = len(keys) / max(int(self.facts.sum()), 1)
        for name in sorted(set(dimensions) - layout.lists.keys()):
            keys ^= _numbers(name, dictionaries)[self._codes_of(name, layout)]
        rows = np.arange(layout.rows) if self.rows is None else self.rows
        for name in sorted(layout.lists.keys() & set(dimensions)):
            # A fact is in the rows of each of its members.
            codes, places = ListDigit(layout.lists[name]).pairs(rows)
            keys, buckets, rows = keys[places] ^ _numbers(name, dictionaries)[codes], buckets[places], rows[places]
            most = most * longest_of(layout.lists[name])
        keys >>= np.uint64(64) - shift
        keys |= buckets.astype(np.uint64) << shift
        keys.sort()
        begins = np.ones(len(keys), bool)
        np.not_equal(keys[1:], keys[:-1], out=begins[1:])
        first = np.flatnonzero(begins)
        bucket = (keys[first] >> shift).astype(np.intp)
        different = np.bincount(bucket, minlength=len(self.facts)).astype(np.float64)
        if self.counted is not None:
            return _filled_up(different, self.facts, self.counted, most)
        once = bucket[np.diff(np.append(first, len(keys))) == 1]
        found: np.ndarray = different + (sqrt(1 / share) - 1) * np.bincount(once, minlength=len(self.facts))
        bounded: np.ndarray = np.minimum(found, most)
        return bounded

    def _codes_of(self, name: str, layout: Layout) -> np.ndarray:
        if name not in self._codes:
            codes = layout.codes[name]
            self._codes[name] = codes if self.rows is None else codes[self.rows]
        return self._codes[name]


def _lie(layout: Layout, level: str | None) -> tuple[Digit, np.ndarray]:
    """The bucket of each fact, and where what is drawn whole begins: its buckets, or partitions where those are
    coarser."""
    if level is None:
        offsets = np.asarray((0, layout.rows))
        return TimeDigit(np.zeros(1, np.intp), offsets, 1), offsets
    assert layout.time is not None
    buckets, moments = buckets_of(layout, level, layout.time.zone)
    digit = digit_of_buckets(buckets, moments, 0, len(buckets.instants))
    return digit, buckets.offsets if layout.moments is None or isinstance(digit, TimeDigit) else layout.moments.offsets


def _facts_of(digit: Digit, rows: int) -> np.ndarray:
    """How many facts each bucket has."""
    if isinstance(digit, TimeDigit):
        return np.diff(digit.offsets)
    found = np.zeros(digit.size, np.int64)
    for start in range(0, rows, _BLOCK):
        found += np.bincount(digit.codes(start, min(start + _BLOCK, rows), None), minlength=digit.size)
    return found


def _drawn(random: np.random.Generator, count: int, chosen: int) -> np.ndarray:
    """One of each of so many equally long runs, in rising order: no rhythm of the data meets that of the choice."""
    bounds = np.linspace(0, count, chosen + 1).astype(np.int64)
    return bounds[:-1] + (random.random(chosen) * np.diff(bounds)).astype(np.int64)


def _numbers(name: str, dictionaries: Dictionaries) -> np.ndarray:
    """A random number for each member of a dimension, the same ones every time."""
    random = np.random.Generator(np.random.SFC64([_SEED, *name.encode()]))
    return random.integers(0, 1 << 64, max(dictionaries.members[name].cardinality, 1), np.uint64)


def _filled_up(different: np.ndarray, facts: np.ndarray, counted: np.ndarray, most: np.ndarray) -> np.ndarray:
    """The rows of every bucket, which has no more than `most`, from those that were counted."""
    if len(counted) == len(facts):
        return different
    sizes, found = facts[counted].astype(np.float64), different[counted]
    spread = np.log(sizes) - np.log(sizes).mean()
    slope = float((spread * np.log(found)).sum() / (spread**2).sum()) if spread.any() else 1.0
    power = facts.astype(np.float64) ** min(max(slope, 0.0), 1.0)
    filled: np.ndarray = np.clip(power * found.sum() / power[counted].sum(), 1.0, most)
    filled[counted] = found
    return filled


def _keep_order(rows: dict[_Grain, np.ndarray], dictionaries: Dictionaries) -> None:
    """What is coarser has no more rows than what is finer, and no grain more than there are combinations.

    Where rows were drawn, that bounds what was put too high.
    """
    totals = {grain: float(found.sum()) for grain, found in rows.items()}
    for (dimensions, level), found in rows.items():
        possible = len(found) * prod(float(dictionaries.members[name].cardinality) for name in dimensions)
        finer = (
            total
            for (others, other), total in totals.items()
            if dimensions <= others and (level is None or (other is not None and nests(other, level)))
        )
        bound = min(possible, *finer, totals[dimensions, level])
        if bound < totals[dimensions, level]:
            rows[dimensions, level] = found * (bound / totals[dimensions, level])


@dataclass(frozen=True, slots=True, eq=False)
class _Partitions:
    """What the rows of a level are counted by: an instant of each partition, and the first bucket in it."""

    starts: tuple[int, ...] | None
    first: np.ndarray

    @classmethod
    def of(cls, layout: Layout, level: str | None) -> _Partitions:
        # Partitions are too coarse to tell how many hours there are.
        time = layout.time if layout.moments is None else layout.moments.index
        wanted = None if level is None or time is None or not layout.rows else partition_level(time, level)
        if time is None or level is None or wanted is None:
            return cls(None, np.zeros(1, np.intp))
        parts, finer = (time.buckets(one).instants for one in (wanted, level))
        return cls(starts_of_partitions(parts, time.zone, wanted), np.searchsorted(finer, parts))


def _statistics(projection: Projection, rows: np.ndarray, partitions: _Partitions, layout: Layout) -> Statistics:
    if not projection.dimensions and projection.level is None:
        # The totals of nothing are a row as well.
        rows = np.ones(1)
    within = np.add.reduceat(rows, partitions.first) if len(rows) else np.zeros(1)
    before = (0, *np.rint(np.cumsum(within)).astype(np.int64).tolist())
    codes = sum(layout.codes_of(name).itemsize for name in projection.dimensions)
    columns = {partial: layout.columns[partial] for partial in projection.partials}
    items = {one: items_of_partial(one, column, before[-1], layout.rows) for one, column in columns.items()}
    size = before[-1] * codes
    size += sum(bytes_of_partial(one, column, before[-1], items[one]) for one, column in columns.items())
    kept = {one: many for one, many in items.items() if one.function in COLLECTIONS}
    if projection.level is not None:
        size += _BYTES_OF_BUCKET * len(rows) + _BYTES_OF_OFFSET
    if partitions.starts is None:
        return Statistics(before, bytes=size, items=kept)
    size += _BYTES_OF_PARTITION * len(partitions.starts) + _BYTES_OF_OFFSET
    return Statistics(before, partitions.starts, size, items=kept)
