"""Collections: one union, maximum or sum, whatever way the items take and however blocks are cut."""

from __future__ import annotations

from collections import Counter
from threading import Event

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wolap import Cancelled, Cube, Dimension, Schema, Tree, distinct
from wolap.engine import collection
from wolap.engine.collection import RANK_BITS, collect, regroup
from wolap.engine.columns import COUNT, Column
from wolap.engine.groups import Series
from wolap.engine.kernels import scan_groups
from wolap.engine.keys import CodeDigit, pack
from wolap.engine.scan import Predicate, Scan

MEMBERS = {"set": 7, "registers": 4 << RANK_BITS, "buckets": 7}
# A row: its group, its fine group, whether it is kept, its item (those not below the members are none).
Row = tuple[int, int, bool, int]


def rows(function: str) -> st.SearchStrategy[list[Row]]:
    items = st.integers(0, MEMBERS[function])
    if function == "registers":
        # No rank is 0: a register without a value is not there.
        items = items.filter(lambda item: item == MEMBERS[function] or item % (1 << RANK_BITS))
    row = st.tuples(st.integers(0, 3), st.integers(0, 5), st.booleans(), items)
    return st.lists(row, max_size=40)


def expected(function: str, given_rows: list[Row], kept: bool) -> dict[int, list[tuple[int, int]]]:
    """Items with their counts for each group, in plain Python."""
    found: dict[int, list[tuple[int, int]]] = {}
    for group in sorted({row[0] for row in given_rows if row[2] or not kept}):
        items = [
            row[3] for row in given_rows if row[0] == group and (row[2] or not kept) and row[3] < MEMBERS[function]
        ]
        if function == "registers":
            greatest = {item >> RANK_BITS: item for item in sorted(items)}
            found[group] = [(item, 1) for item in sorted(greatest.values())]
        else:
            found[group] = sorted(
                (item, count if function == "buckets" else 1) for item, count in Counter(items).items()
            )
    return found


def shown(keys: np.ndarray, series: Series) -> dict[int, list[tuple[int, int]]]:
    column = series.items
    assert column is not None
    assert column.values is not None
    assert column.offsets is not None
    assert series.values.tolist() == np.diff(column.offsets).tolist()
    counts = np.ones(len(column.values), int) if column.counts is None else column.counts
    bounds = zip(column.offsets[:-1].tolist(), column.offsets[1:].tolist(), strict=True)
    pairs = list(zip(column.values.tolist(), counts.tolist(), strict=True))
    return {key: pairs[start:stop] for key, (start, stop) in zip(keys.tolist(), bounds, strict=True)}


def scan_of(given_rows: list[Row], place: int, kept: bool) -> Scan:
    codes, marks = np.array([row[place] for row in given_rows], np.uint8), [row[2] for row in given_rows]
    predicates = (Predicate(np.array(marks, np.uint8), np.array([False, True])),) if kept else ()
    return Scan(0, len(given_rows), pack([CodeDigit(codes, 6)], 0, len(given_rows)), predicates)


def facts(function: str, given_rows: list[Row]) -> Column:
    kind = np.min_scalar_type(MEMBERS[function])
    return Column(np.array([row[3] for row in given_rows], kind), None, COUNT, members=MEMBERS[function])


@pytest.mark.parametrize("function", MEMBERS)
@pytest.mark.parametrize("block", [2, 1 << 16])
@pytest.mark.parametrize("table", [0, 1 << 25])
@pytest.mark.parametrize("kept", [False, True])
def test_merging_is_that_of_plain_python(
    function: str, block: int, table: int, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("BLOCK", block), ("LARGE_BLOCK", block), ("_TABLE_BYTES_MOST", table)):
        monkeypatch.setattr(collection, name, value)

    @given(rows(function))
    def check(given_rows: list[Row]) -> None:
        right = expected(function, given_rows, kept)
        column = facts(function, given_rows)
        scan = scan_of(given_rows, 0, kept)
        groups = scan_groups(scan, [])
        assert shown(groups.keys, collect(scan, function, column, groups)) == right

        # The same by stored rows, one for each group, fine group and mark.
        fine = sorted({row[:3] for row in given_rows})
        numbers = np.array([fine.index(row[:3]) for row in given_rows], np.uint8)
        finest = Scan(0, len(given_rows), pack([CodeDigit(numbers, 255)], 0, len(given_rows)))
        stored = collect(finest, function, column, scan_groups(finest, [])).items
        assert stored is not None
        assert stored.offsets is not None
        assert len(stored.offsets) == len(fine) + 1
        coarse = scan_of([(*row, 0) for row in fine], 0, kept)
        again = scan_groups(coarse, [])
        assert shown(again.keys, collect(coarse, function, stored, again)) == right

    check()


@pytest.mark.parametrize("function", MEMBERS)
@pytest.mark.parametrize("table", [0, 1 << 25])
def test_groups_of_several_sources_become_one(function: str, table: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection, "_TABLE_BYTES_MOST", table)
    monkeypatch.setattr(collection, "LARGE_BLOCK", 3)

    @given(st.lists(rows(function), min_size=1, max_size=3))
    def check(parts: list[list[Row]]) -> None:
        everything = [row for part in parts for row in part]
        keys = np.array(sorted({row[0] for row in everything}), np.intp)
        series = []
        for part in parts:
            scan = scan_of(part, 0, False)
            groups = scan_groups(scan, [])
            places = np.searchsorted(keys, groups.keys)
            series.append((places, collect(scan, function, facts(function, part), groups)))
        assert shown(keys, regroup(function, series, len(keys))) == expected(function, everything, False)

    check()


def test_counts_beyond_their_narrow_type_are_added_up() -> None:
    column = Column(
        np.zeros(4, np.uint8), None, COUNT, members=1, offsets=np.arange(5), counts=np.full(4, 200, np.uint8)
    )
    scan = scan_of([(0, 0, True, 0)] * 4, 0, False)
    found = collect(scan, "buckets", column, scan_groups(scan, [])).items
    assert found is not None
    assert found.counts is not None
    assert (found.counts.tolist(), found.counts.dtype) == ([800], np.dtype(np.uint16))


def test_items_are_kept_narrow() -> None:
    scan = scan_of([(0, 0, True, 3)], 0, False)
    for members, kind in ((256, np.uint8), (257, np.uint16), (1 << 16, np.uint16), ((1 << 16) + 1, np.uint32)):
        column = Column(np.array([3], np.uint32), None, COUNT, members=members)
        found = collect(scan, "set", column, scan_groups(scan, [])).items
        assert found is not None
        assert found.values is not None
        assert found.values.dtype == kind


def test_one_block_of_rows_with_many_items_is_cut_and_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection, "LARGE_BLOCK", 4)
    cancel = Event()
    seen = []

    def mark(table: np.ndarray, pairs: np.ndarray, counts: np.ndarray | None) -> None:
        seen.append(len(pairs))
        cancel.set()

    monkeypatch.setitem(collection.KINDS, "set", collection.Kind(0, False, np.bool_, mark))
    items = np.tile(np.arange(6, dtype=np.uint8), 3)
    column = Column(items, None, COUNT, members=6, offsets=np.array([0, 6, 12, 18]))
    scan = Scan(0, 3, pack([CodeDigit(np.zeros(3, np.uint8), 1)], 0, 3), cancel=cancel)
    groups = scan_groups(Scan(0, 3, scan.keys), [])
    with pytest.raises(Cancelled):
        collect(scan, "set", column, groups)
    assert seen == [6]


@pytest.mark.parametrize("limit", [0, 1 << 25])
def test_a_count_has_64_bits_whichever_way_it_was_made(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stored counts are added up where they add up, and must not wrap."""
    monkeypatch.setattr("wolap.engine.collection._TABLE_BYTES_MOST", limit)
    monkeypatch.setattr("wolap.engine.collection._TABLE_ALWAYS", limit)
    facts = pa.table({"day": ["a", "a", "b"], "user": ["x", "y", "x"]})
    made = Cube(Schema("c", [Dimension("day")], {"users": distinct("user")}, [Tree.parse("day")]), facts)
    made.materialize("day")
    stored = made.snapshot.sources["day"].whole.layout.columns
    assert [(column.values.tolist(), column.values.dtype) for column in stored.values()] == [([2, 1], np.int64)]
