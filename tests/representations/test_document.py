"""A report in chunks: joined they are the bytes of the whole, and each is made when it is asked for (W31)."""

from __future__ import annotations

import gc
import tracemalloc
from types import ModuleType

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_cubes import NASTY, numbers, resource

from wolap import Cube, Dimension, Query, Schema, Tree, count, maximum, mean, total
from wolap.representations import csv_safe, csv_text, document, hal_json, hal_xml, records
from wolap.representations.resource import Resource

FORMATS = (hal_json, hal_xml, csv_text, csv_safe)
HARD = (1e-5, 1e16, -0.0, 5e-324, 0.1, 1 / 3, None, 123456.0, float("nan"))


def report(rows: int, native: bool = False, seed: int = 0) -> Resource:
    """Records of two dimensions and five metrics with gaps, hard floats and members that have to be escaped."""
    metrics = {"rows": count(), "sum": total("n"), "mean": mean("n"), "most": maximum("x"), "last": maximum("at")}
    schema = Schema(
        "r", [Dimension("kind"), Dimension("each")], metrics, [Tree.parse("kind\n  each")], native_numbers=native
    )
    random = np.random.default_rng(seed)
    table = pa.table(
        {
            "kind": pa.array([NASTY[row * 5 // max(rows, 1)] for row in range(rows)], pa.string()),
            "each": pa.array(range(rows), pa.int64()),
            "n": pa.array([None if row % 7 == 0 else row * 31 for row in range(rows)], pa.int64()),
            "x": pa.array([HARD[place] for place in random.integers(0, len(HARD), rows)], pa.float64()),
            "at": pa.array([None if row % 5 == 0 else row for row in range(rows)], pa.timestamp("s")),
        }
    )
    asked = ("rows", "sum", "mean", "most") if seed % 2 else tuple(metrics)
    return resource(Cube(schema, table), Query("kind/each", metrics=asked))


@pytest.mark.parametrize("module", FORMATS, ids=lambda module: module.__name__.rpartition(".")[2])
@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("large", [0, 1 << 60])
@pytest.mark.parametrize("rows", [0, 1, 2, 100])
@pytest.mark.parametrize(
    ("first", "most"), [(1, 1), (6, 6), (7, 14), (13, 100), (50, 60), (300, 1000), (699, 700), (1 << 16, 1 << 18)]
)
def test_chunks_are_the_whole(
    module: ModuleType, native: bool, large: int, rows: int, first: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "FIRST", first)
    monkeypatch.setattr(document, "MOST", most)
    monkeypatch.setattr(records, "LARGE", large)
    for seed in (0, 1):
        found = report(rows, native, seed)
        chunks = list(module.stream(found))
        assert all(type(chunk) is bytes and chunk for chunk in chunks)
        assert b"".join(chunks) == module.serialize(found)
        columns = 7 - seed
        if rows:
            assert len(chunks) <= max(rows * columns // max(first - columns, 1), 1)
        if first == 1:
            assert len(chunks) == max(rows, 1)


@given(st.integers(0, 300), st.integers(1, 3000), st.integers(1, 4), st.sampled_from([0, 1 << 60]), st.integers(0, 99))
def test_any_sizes(rows: int, first: int, growth: int, large: int, seed: int) -> None:
    found, usual = report(rows, seed=seed), (document.FIRST, document.MOST, records.LARGE)
    try:
        document.FIRST, document.MOST, records.LARGE = first, first * growth, large
        for module in FORMATS:
            assert b"".join(module.stream(found)) == module.serialize(found)
    finally:
        document.FIRST, document.MOST, records.LARGE = usual


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("module", FORMATS, ids=lambda module: module.__name__.rpartition(".")[2])
def test_a_large_report_at_the_sizes_that_are_used(module: ModuleType, native: bool) -> None:
    found = report(60_000, native, seed=1)
    sizes = [
        chunk.count(b"\n" if module in (csv_text, csv_safe) else b"each=" if module is hal_xml else b'"each"')
        for chunk in module.stream(found)
    ]
    assert b"".join(module.stream(found)) == module.serialize(found)
    # Each is twice as large as the one before, but the last; what stands around the records may count as one.
    assert len(sizes) == 4
    assert sizes[:3] == pytest.approx([document.FIRST * times / 6 for times in (1, 2, 4)], abs=2)


def test_a_chunk_is_written_as_the_whole_is() -> None:
    """In JSON with bare numbers large reports have blanks that small ones have not."""
    assert document.FIRST >= records.LARGE


@pytest.mark.parametrize("module", FORMATS, ids=lambda module: module.__name__.rpartition(".")[2])
def test_nor_has_one_of_many_columns_fewer_values_than_a_large_report(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 6 columns a chunk of at least 50 values has 9 records."""
    for name in ("FIRST", "MOST"):
        monkeypatch.setattr(document, name, 50)
    monkeypatch.setattr(records, "LARGE", 50)
    found = report(100, native=True, seed=1)
    chunks = list(module.stream(found))
    assert len(chunks) == 11
    assert b"".join(chunks) == module.serialize(found)


def test_every_kind_of_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "FIRST", 1)
    monkeypatch.setattr(document, "MOST", 1)
    for native in (False, True):
        found = resource(numbers(native), Query("g"))
        for module in FORMATS:
            assert b"".join(module.stream(found)) == module.serialize(found)
            assert len(list(module.stream(found))) == 4


def test_nothing_is_written_that_nobody_has_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    real = hal_json._quoted
    monkeypatch.setattr(document, "FIRST", 70)
    monkeypatch.setattr(document, "MOST", 70)
    monkeypatch.setattr(hal_json, "_quoted", lambda part: written.append(part.rows) or real(part))
    stream = hal_json.stream(report(100))
    assert written == []
    next(stream)
    assert written == [10]
    next(stream)
    assert written == [10, 10]
    stream.close()
    assert list(stream) == []
    assert written == [10, 10]


def test_an_error_in_the_midst_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = csv_text.records, iter(range(9))
    monkeypatch.setattr(document, "FIRST", 70)
    monkeypatch.setattr(document, "MOST", 70)

    def failing(*given: object) -> bytes:
        if next(calls) == 2:
            raise MemoryError
        return real(*given)

    monkeypatch.setattr(csv_text, "records", failing)
    stream = csv_text.stream(report(100))
    next(stream)
    next(stream)
    with pytest.raises(MemoryError):
        next(stream)


def test_memory_is_bounded_by_a_chunk() -> None:
    """Python's own memory, numpy's included: the whole is many times as much as a stream ever holds."""
    found = report(200_000, seed=1)
    whole = sum(len(chunk) for chunk in hal_json.stream(found))
    gc.collect()
    tracemalloc.start()
    try:
        largest = max(len(chunk) for chunk in hal_json.stream(found))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 3 * largest < whole
    assert peak < 4 * largest
