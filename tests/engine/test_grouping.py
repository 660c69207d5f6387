"""What a small layout keeps from one request to the next, and what it must not share: numbers are those of a layout
that keeps nothing, whatever was asked before."""

from __future__ import annotations

import gc
import weakref
from itertools import permutations
from threading import Event, Thread

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wolap import (
    Caps,
    Cube,
    Dimension,
    Filter,
    Principal,
    Query,
    Schema,
    Time,
    Tree,
    count,
    maximum,
    minimum,
    total,
)
from wolap.engine import grouping
from wolap.engine.grouping import MOST_KEPT, Grouping, Selection
from wolap.errors import Cancelled, MetricOverflow, TooExpensive
from wolap.representations import csv_text
from wolap.representations.resource import describe

CITIES, KINDS = ("Aix", "Bonn", "Cork", None), ("a", "b", "c")
METRICS = {
    "facts": count(),
    "sum": total("n"),
    "least": minimum("n"),
    "most": maximum("n"),
    "weight": total("w"),
    "lightest": minimum("w"),
    "known": count("m"),
    "maybe": total("m"),
}
PATHS = ("", "year", "year/month", "year/month/day", "city", "kind/city", "year/month/kind", "kind/year/month/day/city")


def schema() -> Schema:
    return Schema(
        "sales",
        (Dimension("city"), Dimension("kind")),
        METRICS,
        (Tree.parse("year"),),
        Time("at", ("year", "month", "day")),
    )


def facts(seed: int, rows: int) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    days = np.datetime64("2024-01-20") + random.integers(0, 50, rows)
    return pl.DataFrame(
        {
            "at": pl.Series(days.astype("datetime64[us]")),
            "city": [CITIES[code] for code in random.integers(0, len(CITIES), rows)],
            "kind": [KINDS[code] for code in random.integers(0, len(KINDS), rows)],
            "n": random.integers(-5, 50, rows),
            "w": random.integers(-8, 80, rows) / 4,
            "m": [None if number < 0 else int(number) for number in random.integers(-3, 9, rows)],
        }
    )


def cube_of(seed: int = 1, rows: int = 400) -> Cube:
    return Cube(schema(), facts(seed, rows).to_arrow())


QUERIES = st.builds(
    Query,
    st.sampled_from(PATHS),
    metrics=st.lists(st.sampled_from(sorted(METRICS)), min_size=1, unique=True),
    start=st.sampled_from((None, "2024-01-20", "2024-02", "2024-02-10")),
    end=st.sampled_from((None, "2024-02-11", "2025")),
    where=st.sampled_from(({}, {"city": "Aix"}, {"city": ["Bonn", None], "kind": "c"}, {"kind": "nobody"})),
    where_not=st.sampled_from(({}, {"kind": "a"})),
    limit=st.sampled_from((None, 1, 7, 1000)),
    order=st.sampled_from(((), ("-year",), ("city",))),
).filter(lambda query: all(one.name in query.group for one in query.order))


@settings(deadline=None, max_examples=60)
@given(st.lists(QUERIES, min_size=1, max_size=12), st.integers(1, 400), st.booleans())
def test_what_is_kept_changes_no_number(queries: list[Query], rows: int, projected: bool) -> None:
    """Two cubes are asked one question after the other; the layouts of one keep nothing."""
    kept, other = cube_of(rows=rows), cube_of(rows=rows)
    if projected:
        kept.materialize("year/month/day/city/kind", "year/month/kind")
    for query in queries:
        found = kept.answer(query)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(grouping, "MOST_ROWS", 0)
            expected = other.answer(query)
        assert found.report.selection is None or isinstance(found.report.selection, Selection)
        assert expected.report.selection is None
        assert found.table.equals(expected.table), query
        assert found.total == expected.total


@pytest.mark.parametrize("path", PATHS)
def test_texts_that_are_kept_are_those_of_the_rows_that_are_shown(path: str) -> None:
    cube = cube_of()
    for limit, start, where in ((None, None, {}), (2, None, {}), (None, "2024-02-10", {}), (3, None, {"city": None})):
        query = Query(path, metrics=("sum", "weight"), limit=limit, start=start, where=where)
        bodies = [csv_text.serialize(describe(cube.answer(query), cube.schema)) for _ in range(2)]
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(grouping, "MOST_ROWS", 0)
            fresh = cube_of()
            expected = csv_text.serialize(describe(fresh.answer(query), fresh.schema))
        assert bodies == [expected, expected]


def test_versions_share_no_number() -> None:
    """A snapshot goes on to answer from what it has; a rebuilt projection is a layout of its own."""
    cube, query = cube_of(), Query("year/month", metrics=("sum",))
    first = cube.snapshot
    before = first.run(first.plan(query))
    cube.materialize("year/month/day/city")
    second = cube.snapshot
    after = second.run(second.plan(query))
    assert [piece.projection for piece in after.plan.pieces] == ["year/month/day/city"]
    assert after.table.equals(before.table)
    old = second.sources["year/month/day/city"].whole
    cube.materialize("year/month/day/city")
    new = cube.snapshot.sources["year/month/day/city"].whole
    assert new is not old
    assert new.groupings is not old.groupings
    assert cube.answer(query).table.equals(before.table)
    with pytest.raises(ValueError, match="another version"):
        second.run(first.plan(query))
    other = cube_of(seed=2)
    assert not other.answer(query).table.equals(before.table)


def test_callers_share_neither_filters_nor_caps() -> None:
    cube, query = cube_of(), Query("year/month/day", metrics=("facts",))
    only_aix = Principal(filters=(Filter("city", frozenset({"Aix"})),))
    poor = Principal(caps=Caps(groups=1))
    whole = cube.answer(query)
    for _ in range(2):
        part = cube.answer(query, only_aix)
        assert part.table.equals(
            cube_of().answer(Query("year/month/day", where={"city": "Aix"}, metrics="facts")).table
        )
        assert cube.answer(query).table.equals(whole.table)
        with pytest.raises(TooExpensive):
            cube.answer(query, poor)


def test_intervals_that_cut_groups_leave_what_is_in_them() -> None:
    cube = cube_of()
    frame = facts(1, 400).sort("at")
    for path, by in (("year/month", ["month"]), ("city", ["city"]), ("kind/year/month", ["kind", "month"])):
        for first, last in ((20, 60), (25, 40), (32, 33), (10, 75)):
            start, end = np.datetime64("2024-01-01") + first, np.datetime64("2024-01-01") + last
            found = cube.answer(Query(path, metrics=("sum",), start=str(start), end=str(end))).to_polars()
            left = frame.filter((pl.col("at") >= start.astype(object)) & (pl.col("at") < end.astype(object)))
            expected = left.group_by(*by[:-1], pl.col("at").dt.month().alias("month") if "month" in by else by[-1])
            assert sorted(found["sum"].to_list()) == sorted(expected.agg(pl.col("n").sum())["n"].to_list())


def test_what_is_kept_is_bounded_and_goes_with_its_layout() -> None:
    cube = cube_of()
    source = cube.snapshot.sources["facts"].whole
    for path in (
        "",
        "year",
        "month",
        "day",
        "city",
        "kind",
        "city/kind",
        "kind/city",
        "year/city",
        "year/kind",
        "month/city",
    ):
        for metrics in (("sum", "facts"), ("weight", "most"), ("least", "lightest")):
            cube.answer(Query(path, metrics=metrics))
    kept = source.groupings._kept
    assert len(kept) == MOST_KEPT
    numbers = sum(len(values) for one in kept.values() for values in one.sums.values())
    assert 0 < numbers <= source.layout.rows * len(source.layout.columns)
    cube.answer(Query("city", metrics=("sum",)))
    places = weakref.ref(kept["city",].places)
    assert places() is not None
    del cube, source, kept
    gc.collect()
    assert places() is None


def test_no_more_numbers_are_kept_than_the_layout_has() -> None:
    """Groups of the finest grains are nearly as many as rows, so that the sums of several of them are not all kept."""
    cube = cube_of()
    source = cube.snapshot.sources["facts"].whole
    most, was_full = source.layout.rows * len(source.layout.columns), False
    for names in permutations(("year", "month", "day", "city", "kind")):
        cube.answer(Query(names, metrics=("sum", "least", "most", "weight", "lightest", "facts")))
        numbers = [sum(map(len, one.sums.values())) for one in source.groupings._kept.values()]
        assert 0 < sum(numbers) <= most
        was_full = was_full or numbers.count(0) > 0
    assert was_full


def test_intervals_of_whole_groups_are_those_of_their_rows() -> None:
    """From what is kept of all rows, whichever of two groupings was asked before."""
    cube = cube_of()
    for path, order in (("year/month/day", False), ("year/month/day/kind", True), ("kind/year/month/day", True)):
        cube.answer(Query(path, metrics=("sum", "facts")))
        for start, end in (
            ("2024-01-25", "2024-02-03"),
            ("2024-02", None),
            (None, "2024-01-21"),
            ("2024-02", "2024-03"),
        ):
            query = Query(path, metrics=("sum", "facts", "weight"), start=start, end=end)
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(grouping, "MOST_ROWS", 0)
                expected = cube_of().answer(query)
            assert cube.answer(query).table.equals(expected.table)
        (kept,) = [
            one for key, one in cube.snapshot.sources["facts"].whole.groupings._kept.items() if "/".join(key) == path
        ]
        assert (kept.order is not None) is order


def test_arrays_that_are_shared_cannot_be_written() -> None:
    cube = cube_of()
    result = cube.answer(Query("kind/city", metrics=("sum",)))
    for column in result.report.dimensions:
        with pytest.raises(ValueError, match="read-only"):
            column.codes[0] = 1
    result.report.metrics[0].values[0] = -1
    assert cube.answer(Query("kind/city", metrics=("sum",))).report.metrics[0].values[0] != -1


def test_small_layouts_heed_a_caller_who_has_gone() -> None:
    gone = Event()
    gone.set()
    with pytest.raises(Cancelled):
        cube_of().answer(Query("city", metrics=("sum",)), cancel=gone)


def test_sums_that_do_not_fit_are_refused_as_ever() -> None:
    rows = pl.DataFrame({"at": pl.Series([0, 1]).cast(pl.Datetime("us")), "city": ["a", "a"], "kind": ["b", "c"]})
    rows = rows.with_columns(n=pl.lit(2**62), w=pl.lit(0.5), m=pl.lit(1))
    cube = Cube(schema(), rows.to_arrow())
    assert cube.answer(Query("kind", metrics=("sum",))).to_polars()["sum"].to_list() == [2**62, 2**62]
    with pytest.raises(MetricOverflow):
        cube.answer(Query("city", metrics=("sum",)))


def test_threads_that_ask_at_once_get_their_own_numbers() -> None:
    cube = cube_of(rows=2000)
    queries = [Query(path, metrics=("sum", "facts"), where=where) for path in PATHS for where in ({}, {"city": "Cork"})]
    expected = [cube_of(rows=2000).answer(query).table for query in queries]
    wrong: list[Query] = []

    def ask(turn: int) -> None:
        for place in range(4 * len(queries)):
            number = (place * 7 + turn) % len(queries)
            if not cube.answer(queries[number]).table.equals(expected[number]):
                wrong.append(queries[number])

    threads = [Thread(target=ask, args=(turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_keys_that_run_far_are_grouped_like_those_that_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = np.array([5, 1, 5, 9, 1, 1])

    def codes_of(occurring: np.ndarray) -> dict[str, np.ndarray]:
        return {"d": occurring}

    near = Grouping.of(keys, 10, codes_of)
    monkeypatch.setattr(grouping, "_DENSE", 0)
    far = Grouping.of(keys, 1 << 40, codes_of)
    for one in (near, far):
        assert one.dimensions["d"].tolist() == [1, 5, 9]
        assert one.places.tolist() == [1, 0, 1, 2, 0, 0]
        assert (one.first.tolist(), one.last.tolist()) == ([1, 0, 3], [5, 2, 3])
        assert one.order is not None
        assert one.order.tolist() == [1, 4, 5, 0, 2, 3]
        assert one.begins.tolist() == [0, 3, 5, 6]
