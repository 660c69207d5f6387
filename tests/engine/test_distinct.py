"""Distinct counts and sets beside plain Python's, whatever the rows are keyed by and whichever way is gone."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from threading import Event

import numpy as np
import pytest

from wolap import Cancelled
from wolap.engine import collection, distinct, groups, keys, parts
from wolap.engine.collection import collect
from wolap.engine.columns import COUNT, Column
from wolap.engine.distinct import count_distinct
from wolap.engine.kernels import scan_groups
from wolap.engine.keys import CodeDigit, Digit, TimeDigit, pack
from wolap.engine.parts import parts_of
from wolap.engine.scan import Predicate, Scan

# How buckets of time may be named: in rising order, with gaps, over and over again (an hour of any day), in any order.
NAMES = ("rising", "gaps", "over again", "any order")
# Limits that large facts reach, so small that few rows do. None is what they are.
STRAINS: dict[str, dict[tuple[object, str], int]] = {
    "as it is": {},
    "nothing is marked": {(distinct, "_MARKS_ALWAYS"): 0, (distinct, "_MARKS_PER_ROW"): 0},
    "few are marked": {(distinct, "_MARKS_ALWAYS"): 40, (distinct, "_MARKED"): 3},
    "all are marked, row by row": {(distinct, "_LONG"): 1, (distinct, "_MARKED"): 5},
    "wide": {(distinct, "NARROW"): 0, (collection, "NARROW"): 0, (distinct, "_MARKS_ALWAYS"): 0},
    "reduced": {(distinct, "_READ"): 3, (distinct, "_SORTED"): 7, (distinct, "_MARKS_ALWAYS"): 0},
    "searched for": {(distinct, "_SPARSE"): 0, (distinct, "_MARKS_ALWAYS"): 0},
    "placed to be narrow": {(parts, "NARROW"): 60, (distinct, "_MARKS_ALWAYS"): 0},
    "placed to fit": {(parts, "NARROW"): 1, (parts, "_WIDE"): 60, (parts, "_LOOKED_UP"): 0, (groups, "_RANKS_MOST"): 0},
    "ranked": {(keys, "_MOST"): 30},
}


@dataclass(frozen=True)
class Facts:
    """Rows: the codes of each digit, whether they are kept, their item; and how they are scanned."""

    digits: list[tuple[int, ...]]
    kept: list[bool]
    items: list[int]
    members: int
    scan: Scan
    column: Column

    def sets(self) -> dict[tuple[int, ...], set[int]]:
        """The items of each group, in the order of groups."""
        found: dict[tuple[int, ...], set[int]] = {} if self.digits else {(): set()}
        for row, (kept, item) in enumerate(zip(self.kept, self.items, strict=True)):
            if kept:
                own = found.setdefault(tuple(codes[row] for codes in self.digits), set())
                own.update({item} if item < self.members else ())
        return dict(sorted(found.items()))


def buckets(random: Random, names: str, rows: int) -> tuple[TimeDigit, list[int]]:
    """A digit of time over buckets of random lengths, and its code in each row."""
    count = random.randint(1, max(min(rows, 12), 1))
    cuts = sorted(random.sample(range(1, rows), count - 1)) if rows else []
    many = {"rising": count, "gaps": 4 * count, "over again": max(count // 3, 1), "any order": count}[names]
    if names == "any order":
        codes = [random.randrange(many) for _ in range(count)]
    elif names == "over again":
        codes = [place % many for place in range(count)]
    else:
        codes = sorted(random.sample(range(many), count))
    offsets = np.array([0, *cuts, rows] if rows else [0], np.int64)
    digit = TimeDigit(np.array(codes if rows else [], np.uint16), offsets, many)
    return digit, np.repeat(digit.groups, np.diff(offsets)).tolist()


def make(random: Random, names: str | None, filtered: bool) -> Facts:
    """Random rows, which time leads by some names, or does not."""
    rows = random.choice((0, 1, 5, 60, 200))
    digits: list[Digit] = []
    codes: list[tuple[int, ...]] = []
    if names is not None:
        digit, own = buckets(random, names, rows)
        digits.append(digit)
        codes.append(tuple(own))
    for _ in range(random.randint(0, 2)):
        size = random.choice((1, 3, 40))
        drawn = [random.randrange(size) for _ in range(rows)]
        digits.append(CodeDigit(np.array(drawn, np.uint8), size))
        codes.append(tuple(drawn))
    if names is None and random.random() < 0.3:
        # Time that does not lead.
        digit, own = buckets(random, random.choice(NAMES), rows)
        digits.append(digit)
        codes.append(tuple(own))
    kept = [random.random() < 0.6 or not filtered for _ in range(rows)]
    predicates = (Predicate(np.array(kept, np.uint8), np.array([False, True])),) if filtered else ()
    ranges = None
    if rows and random.random() < 0.3:
        edges = sorted({random.randint(0, rows) for _ in range(2 * random.randint(1, 6))})
        ranges = np.array(edges[: len(edges) // 2 * 2], np.int64).reshape(-1, 2)
        kept = [one and any(low <= row < high for low, high in ranges.tolist()) for row, one in enumerate(kept)]
    members = random.choice((0, 1, 5, 100, 255, 256, 70_000))
    # What is behind the last member is none, and so would be what is further behind.
    items = [random.randrange(members + random.choice((1, 1, 2))) for _ in range(rows)]
    # A type may have no room for what is none, or be wider than it has to be.
    kind = np.min_scalar_type(max([random.choice((0, members + 1)), *items]))
    column = Column(np.array(items, random.choice((kind, kind, np.int64))), None, COUNT, members=members)
    return Facts(codes, kept, items, members, Scan(0, rows, pack(digits, 0, rows), predicates, ranges=ranges), column)


def named(scan: Scan, found: np.ndarray) -> list[tuple[int, ...]]:
    columns = [codes.tolist() for codes in scan.keys.split(found)]
    return list(zip(*columns, strict=True)) if columns else [()] * len(found)


@pytest.mark.parametrize("strain", STRAINS)
@pytest.mark.parametrize("names", [*NAMES, None])
@pytest.mark.parametrize("pooled", [1, 20, 1 << 17])
@pytest.mark.parametrize("worth", [0, 8, 1 << 12])
def test_counts_and_sets_are_those_of_plain_python(
    strain: str, names: str | None, pooled: int, worth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "_POOLED", pooled)
    monkeypatch.setattr(parts, "_WORTH", worth)
    for (module, name), limit in STRAINS[strain].items():
        monkeypatch.setattr(module, name, limit)
    random = Random(f"{strain} {names} {pooled} {worth}")
    for turn in range(12):
        facts = make(random, names, filtered=turn % 3 == 0)
        right = facts.sets()
        known = scan_groups(facts.scan, ())
        for given in (None, known):
            found = count_distinct(facts.scan, facts.column, given, threads=1 + turn % 3)
            counts = found.series[0].values
            assert dict(zip(named(facts.scan, found.keys), counts.tolist(), strict=True)) == {
                group: len(items) for group, items in right.items()
            }
            assert np.array_equal(found.keys, known.keys)
            assert counts.dtype == np.int64
        merged = collect(facts.scan, "set", facts.column, known).items
        assert merged is not None
        assert merged.values is not None
        assert merged.offsets is not None
        bounds = zip(merged.offsets[:-1].tolist(), merged.offsets[1:].tolist(), strict=True)
        own = [merged.values[start:stop].tolist() for start, stop in bounds]
        assert dict(zip(named(facts.scan, known.keys), own, strict=True)) == {
            group: sorted(items) for group, items in right.items()
        }


def days(rows: int, count: int, codes: list[int] | None = None) -> TimeDigit:
    """Buckets of one length."""
    own = list(range(count)) if codes is None else codes
    return TimeDigit(np.array(own, np.uint16), np.arange(count + 1, dtype=np.int64) * (rows // count), max(own) + 1)


def test_parts_are_what_time_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_POOLED", 10)
    monkeypatch.setattr(parts, "_WORTH", 1)
    codes = CodeDigit(np.zeros(60, np.uint8), 5)

    def ranges(*digits: Digit, stride: int = 7) -> list[list[tuple[int, int]]]:
        return [list(part.ranges) for part in parts_of(Scan(0, 60, pack(digits, 0, 60)), stride)]

    assert ranges(days(60, 3), codes) == [[(0, 20)], [(20, 40)], [(40, 60)]]
    assert ranges(days(60, 12), codes) == [[(start, start + 10)] for start in range(0, 60, 10)]
    assert ranges(days(60, 6, [0, 1, 0, 1, 0, 1]), codes) == [
        [(0, 10), (20, 30), (40, 50)],
        [(10, 20), (30, 40), (50, 60)],
    ]
    assert ranges(codes, days(60, 3)) == ranges(codes) == ranges() == [[(0, 60)]]
    # Two days of five groups are too many pairs for a narrow part, but not for a wide one.
    monkeypatch.setattr(parts, "NARROW", 35)
    assert ranges(days(60, 12), codes) == [[(start, start + 5)] for start in range(0, 60, 5)]
    monkeypatch.setattr(parts, "_WORTH", 6)
    assert ranges(days(60, 12), codes) == [[(start, start + 10)] for start in range(0, 60, 10)]


def test_pairs_beyond_62_bits_are_counted_by_places() -> None:
    """Two groups at the ends of 2^61 keys, with a million members."""
    codes, items = np.array([0, (1 << 20) - 1] * 3, np.uint32), np.array([5, 5, 6, 5, 1_000_000, 999_999], np.uint32)
    digits = [CodeDigit(codes, 1 << 20), CodeDigit(codes, 1 << 20), CodeDigit(codes, 1 << 20)]
    scan = Scan(0, 6, pack(digits, 0, 6))
    assert scan.keys.size == 1 << 60
    found = count_distinct(scan, Column(items, None, COUNT, members=1_000_000))
    assert (found.keys.tolist(), found.series[0].values.tolist()) == ([0, (1 << 60) - 1], [2, 2])


@pytest.mark.parametrize("threads", [1, 2])
def test_parts_stop_when_told_to(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_POOLED", 1)
    monkeypatch.setattr(parts, "_WORTH", 1)
    cancel = Event()
    cancel.set()
    scan = Scan(0, 20, pack([days(20, 10)], 0, 20), cancel=cancel)
    with pytest.raises(Cancelled):
        count_distinct(scan, Column(np.zeros(20, np.uint8), None, COUNT, members=1), threads=threads)
