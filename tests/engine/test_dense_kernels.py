"""Both dense kernels, in numpy and compiled, on many rows: what they give is what polars gives, and the same bits."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from wolap import Cancelled, Cube, Dimension, Query, Schema, SchemaError, Time, Tree, maximum, mean, total
from wolap.engine import kernels, keys, rebuild, words
from wolap.engine import scan as scan_module
from wolap.engine.columns import COUNT, Column
from wolap.engine.groups import Groups, PartialOverflow
from wolap.engine.kernels import KERNELS, choose_kernel, has_compiled
from wolap.engine.keys import CodeDigit, Digit, MomentDigit, TimeDigit, pack
from wolap.engine.scan import Means, Predicate, Scan, places_in
from wolap.engine.terms import Terms
from wolap.model.aggregate import Partial

KERNEL = {name: kernel for name, _, kernel in KERNELS}
needs_numba = pytest.mark.skipif(not has_compiled(), reason="numba, the extra fast, is not installed")
KINDS = ["scatter", pytest.param("compiled", marks=needs_numba)]
FUNCTIONS = ("sum", "min", "max")


@pytest.fixture(autouse=True)
def _threads_pay_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two thousand rows are enough for a second thread."""
    if has_compiled():
        from wolap.engine import compiled

        monkeypatch.setattr(compiled, "_THREAD_ROWS", 1000)


@dataclass(frozen=True)
class Lookup:
    """The places of instants as a plain column."""

    column: np.ndarray

    def places_of(self, start: int, stop: int, chosen: np.ndarray | None) -> np.ndarray:
        """See `Places`."""
        found = self.column[start:stop].astype(np.int64)
        return found if chosen is None else found[chosen]


class Facts:
    """Rows of every kind of digit and column, as the engine keeps them and as a frame."""

    def __init__(self, random: np.random.Generator, rows: int, largest: int) -> None:
        self.rows, self.random = rows, random
        self.frame: dict[str, np.ndarray] = {}
        self.digits: dict[str, Digit] = {}
        for name, kept, size in (("a", np.uint8, 7), ("b", np.uint16, 300), ("c", np.uint32, 5)):
            self.frame[name] = random.integers(0, size, rows).astype(kept)
            self.digits[name] = CodeDigit(self.frame[name], size)
        table = random.integers(0, 4, 300).astype(np.uint8)
        self.frame["d"], self.digits["d"] = table[self.frame["b"]], CodeDigit(self.frame["b"], 4, table)
        self.frame["moment"] = table[self.frame["b"]]
        self.digits["moment"] = MomentDigit(Lookup(self.frame["b"]), table, 0, 4)
        buckets = int(random.integers(1, 90))
        offsets = np.concatenate(([0], np.sort(random.integers(0, rows, buckets - 1)), [rows])).astype(np.int64)
        codes = random.integers(0, 50, buckets).astype(np.uint16)
        self.frame["time"], self.digits["time"] = np.repeat(codes, np.diff(offsets)), TimeDigit(codes, offsets, 50)
        self.columns: dict[str, Column] = {}
        for name, low, high in (("x", -largest, largest), ("y", 1, 3), ("z", 0, 1)):
            self._add(name, random.integers(low, high, rows, endpoint=True), nulls=name == "z")
        self._add("u", random.normal(0, 1e6, rows), nulls=False)
        self._add("v", random.normal(0, 1e6, rows), nulls=True)

    def _add(self, name: str, values: np.ndarray, *, nulls: bool) -> None:
        valid = self.random.random(self.rows) < 0.7 if nulls else None
        values = values if valid is None else np.where(valid, values, values.dtype.type(0))
        bounds = (int(values.min(initial=0)), int(values.max(initial=0))) if values.dtype.kind == "i" else (0, 1)
        self.columns[name] = Column(values, valid, pa.int64(), *bounds)
        self.frame[name] = values
        if valid is not None:
            self.frame[f"{name} is"] = valid

    def wanted(self, names: list[str]) -> list[tuple[Partial, Column]]:
        """Such as `sum x`, `count z` and `count`."""
        found = []
        for name in names:
            function, _, column = name.partition(" ")
            kept = self.columns.get(column)
            counts = Column(None, None if kept is None else kept.valid, COUNT)
            partial = Partial(function, column) if column else Partial(function)
            found.append((partial, counts if function == "count" or kept is None else kept))
        return found

    def expected(self, digits: list[str], names: list[str], kept: np.ndarray, start: int, stop: int) -> pl.DataFrame:
        """By polars."""
        frame = pl.DataFrame({name: column[start:stop] for name, column in self.frame.items()}).filter(kept[start:stop])
        asked = []
        for place, name in enumerate(names):
            function, _, column = name.partition(" ")
            if not column:
                asked.append(pl.len().cast(pl.Int64).alias(str(place)))
                continue
            value = pl.col(column)
            if f"{column} is" in self.frame:
                value = pl.when(pl.col(f"{column} is")).then(value)
            made = {"sum": value.sum(), "min": value.min(), "max": value.max(), "count": value.count().cast(pl.Int64)}
            is_null = value.count() == 0
            one = made[function] if function == "count" else pl.when(~is_null).then(made[function])
            asked.append(one.alias(str(place)))
        wide = [pl.col(name).cast(pl.Int64) for name in digits]
        return frame.with_columns(wide).group_by(digits).agg(asked).sort(digits)


def frame_of(groups: Groups, scan: Scan, digits: list[str]) -> pl.DataFrame:
    """Groups as a frame; null where a series has no value."""
    columns = dict(zip(digits, (codes.astype(np.int64) for codes in scan.keys.split(groups.keys)), strict=True))
    series = {}
    for place, one in enumerate(groups.series):
        missing = np.zeros(len(one.values), bool) if one.valid is None else ~one.valid
        series[str(place)] = pl.Series(one.values).set(pl.Series(missing), None)
    return pl.DataFrame({**columns, **series})


NAMES = [f"{function} {column}" for function in FUNCTIONS for column in "xyzuv"]
NAMES += ["count", "count x", "count z", "count v"]


@given(data=st.data())
@pytest.mark.parametrize("kernel", KINDS)
def test_it_gives_what_polars_gives(kernel: str, data: DataObject) -> None:
    rows = data.draw(st.integers(1, 9000))
    largest = data.draw(st.sampled_from([1, 1000, 1 << 40, 1 << 61]))
    facts = Facts(np.random.default_rng(data.draw(st.integers(0, 1 << 32))), rows, largest)
    digits = data.draw(st.lists(st.sampled_from(list(facts.digits)), min_size=1, max_size=3, unique=True))
    names = data.draw(st.lists(st.sampled_from(NAMES), max_size=7, unique=True))
    if largest == 1 << 61:
        # What polars adds up wraps.
        names = [name for name in names if name != "sum x"]
    start = data.draw(st.integers(0, rows - 1))
    stop = data.draw(st.integers(start + 1, rows))
    kept, predicates = np.ones(rows, bool), ()
    if data.draw(st.booleans()):
        kept = facts.random.random(rows) < data.draw(st.sampled_from([0.0, 0.05, 0.9, 1.0]))
        predicates = (Predicate(kept.astype(np.uint8), np.array([False, True])),)
    ranges = None
    if data.draw(st.booleans()):
        edges = np.unique(facts.random.integers(start, stop, 2 * data.draw(st.integers(1, 9)), endpoint=True))
        ranges = edges[: len(edges) // 2 * 2].reshape(-1, 2)
        kept = kept & np.logical_or.reduce(
            [(low <= np.arange(rows)) & (np.arange(rows) < high) for low, high in ranges]
        )
    packed = pack([_part(facts.digits[name], start, stop) for name in digits], start, stop)
    means = Means(data.draw(st.sampled_from([1, 2, 3])))
    scan = Scan(start, stop, packed, predicates, ranges=ranges, means=means)
    with pytest.MonkeyPatch.context() as patch:
        if data.draw(st.booleans()):
            patch.setattr(kernels, "BLOCK", 700)
            patch.setattr(kernels, "COMPILED_BLOCK", 3000)
            patch.setattr(words, "_ROWS_BETWEEN", 1000)
            patch.setattr(words, "_ROWS_PER_KEY", 0)
            patch.setattr(keys, "_FEW_RUNS", data.draw(st.sampled_from([0, 5])))
            patch.setattr(scan_module, "_FILTERED", 2000)
            patch.setattr(scan_module, "_LONG_MASK", 1)
        found = frame_of(KERNEL[kernel](scan, facts.wanted(names)), scan, digits)
    right = facts.expected(digits, names, kept, start, stop)
    floats = [str(place) for place, name in enumerate(names) if name in ("sum u", "sum v")]
    assert found.drop(floats).equals(right.drop(floats).cast(found.drop(floats).schema))
    for name in floats:
        assert found[name].is_null().equals(right[name].is_null())
        assert np.allclose(found[name].fill_null(0), right[name].fill_null(0), rtol=1e-12, atol=1e-3)


def _part(digit: Digit, start: int, stop: int) -> Digit:
    """A digit of a stretch of the rows, as a source makes it: the buckets of time are those of its rows alone."""
    if not isinstance(digit, TimeDigit):
        return digit
    first = int(digit.offsets.searchsorted(start, side="right")) - 1
    last = int(digit.offsets.searchsorted(stop))
    offsets = digit.offsets[first : last + 1].copy()
    offsets[0], offsets[-1] = start, stop
    return replace(digit, groups=digit.groups[first:last], offsets=offsets)


def test_several_sums_share_a_word_and_come_apart() -> None:
    """Numbers with and without a sign, at the ends of their bounds, and rows that are counted beside them."""
    rows = 4096
    one = np.where(np.arange(rows) % 2, -1000, 999)
    other = np.where(np.arange(rows) % 3, -7, 7)
    columns = [Column(values, None, pa.int64(), int(values.min()), int(values.max())) for values in (one, other)]
    wanted = [(Partial("sum", name), column) for name, column in zip("ab", columns, strict=True)]
    terms = Terms.of(wanted, rows)
    assert [term.kind for term in terms.each] == ["whole", "whole", "rows"]
    assert len(words.running(terms.each, 5, rows, rows)) == 1
    scan = Scan(0, rows, pack([CodeDigit((np.arange(rows) % 5).astype(np.uint8), 5)], 0, rows))
    found = KERNEL["scatter"](scan, wanted)
    for place, values in enumerate((one, other)):
        assert found.series[place].values.tolist() == [int(values[key::5].sum()) for key in range(5)]


def test_numbers_above_zero_tell_which_keys_occur() -> None:
    column = Column(np.array([1, 2]), None, pa.int64(), 1, 2)
    assert [term.kind for term in Terms.of([(Partial("sum", "a"), column)], 2).each] == ["whole"]
    assert [term.kind for term in Terms.of([(Partial("min", "a"), column)], 2).each] == ["least"]
    zero = replace(column, low=0)
    assert [term.kind for term in Terms.of([(Partial("sum", "a"), zero)], 2).each] == ["whole", "rows"]


@pytest.mark.parametrize("kernel", KINDS)
def test_words_are_emptied_before_they_are_full(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sums that share a word for a thousand rows, and would not for all."""
    rows, bound = 1 << 14, 1 << 19
    monkeypatch.setattr(words, "_ROWS_BETWEEN", 0)
    monkeypatch.setattr(words, "_ROWS_PER_KEY", 0)
    monkeypatch.setattr(kernels, "BLOCK", 1024)
    monkeypatch.setattr(kernels, "COMPILED_BLOCK", 1024)
    random = np.random.default_rng(5)
    columns = [random.integers(low, bound, rows, endpoint=True).astype(np.int32) for low in (-bound, bound - 1)]
    wanted = [
        (Partial("sum", name), Column(values, None, pa.int64(), int(values.min()), int(values.max())))
        for name, values in zip("ab", columns, strict=True)
    ]
    shared, most = words.share_words(Terms.of(wanted, rows).each, 7, rows, 1024)
    assert (len(shared), most) == (1, 1024)
    codes = random.integers(0, 7, rows).astype(np.uint8)
    codes[codes == 3] = 4
    found = KERNEL[kernel](Scan(0, rows, pack([CodeDigit(codes, 7)], 0, rows)), wanted)
    assert found.keys.tolist() == [0, 1, 2, 4, 5, 6]
    for one, values in zip(found.series, columns, strict=True):
        assert one.values.tolist() == [int(values[codes == key].sum()) for key in found.keys.tolist()]


@pytest.mark.parametrize("kernel", KINDS)
def test_floats_tell_which_keys_occur(kernel: str) -> None:
    """Zeros, numbers that are nothing together, and numbers that are lost in others."""
    values = np.array([0.0, 0.0, 5.0, -5.0, 1e300, -1e300, 1e-300, -0.5, 0.5, np.nan])
    codes = np.array([0, 0, 2, 2, 3, 3, 3, 5, 5, 6], np.uint8)
    column = Column(values, None, pa.float64())
    wanted = [(Partial("sum", "u"), column)]
    assert [term.kind for term in Terms.of(wanted, 10).each] == ["float"]
    found = KERNEL[kernel](Scan(0, 10, pack([CodeDigit(codes, 8)], 0, 10)), wanted)
    assert found.keys.tolist() == [0, 2, 3, 5, 6]
    sums = found.series[0].values
    assert sums[:4].tolist() == [0.0, 0.0, 1e-300, 0.0]
    assert np.isnan(sums[4])
    assert not np.signbit(sums).any()


def test_no_float_that_is_read_is_a_zero_with_a_sign() -> None:
    """What tells the keys that occur rests on it: no float that is read is -0.0."""
    cube = Cube(Schema("c", [Dimension("k")], {"u": total("u")}, [Tree.parse("k")]),
                pa.table({"k": ["a", "b", "b"], "u": [-0.0, -0.0, -0.0]}))  # fmt: skip
    assert cube.answer(Query("k")).to_pylist() == [{"k": "a", "u": 0.0}, {"k": "b", "u": 0.0}]
    (column,) = [one for one in cube.snapshot.sources["facts"].segments[0].held.layout.columns.values() if one.is_float]
    assert column.values is not None
    assert not np.signbit(column.values).any()


def test_products_do_not_tell_which_keys_occur() -> None:
    """They may be -0.0."""
    column = Column(np.array([-0.0]), None, pa.float64())
    assert [term.kind for term in Terms.of([(Partial("products", "u"), column)], 1).each] == ["float", "rows"]


@pytest.mark.parametrize("length", [0, 1, 100, 1 << 14, (1 << 18) + 3])
def test_places_in_a_mask(length: int) -> None:
    mask = np.random.default_rng(length).random(length) < 0.1
    assert places_in(mask).tolist() == np.flatnonzero(mask).tolist()


@needs_numba
def test_what_is_no_number_stays_as_it_does_in_numpy() -> None:
    values = np.array([1.0, np.nan, 3.0, np.inf, -np.inf, 2.0])
    column = Column(values, None, pa.float64())
    scan = Scan(0, 6, pack([CodeDigit(np.array([0, 0, 1, 1, 2, 3], np.uint8), 4)], 0, 6))
    wanted = [(Partial(function, "u"), column) for function in FUNCTIONS]
    with np.errstate(invalid="ignore"):
        both = [KERNEL[name](scan, wanted) for name in ("scatter", "compiled")]
    for one, other in zip(both[0].series, both[1].series, strict=True):
        assert np.array_equal(one.values, other.values, equal_nan=True)


@needs_numba
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_no_whole_number(threads: int) -> None:
    facts = Facts(np.random.default_rng(4), 30_000, 1 << 40)
    names = ["sum x", "min x", "max x", "count z", "sum z", "max v"]
    scan = Scan(0, 30_000, pack([facts.digits["a"], facts.digits["time"]], 0, 30_000), means=Means(threads))
    one, other = (KERNEL[name](scan, facts.wanted(names)) for name in ("scatter", "compiled"))
    assert one.keys.tolist() == other.keys.tolist()
    for left, right in zip(one.series, other.series, strict=True):
        assert left.values.tobytes() == right.values.tobytes()


@needs_numba
def test_all_threads_stop_when_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "COMPILED_BLOCK", 100)
    facts = Facts(np.random.default_rng(4), 30_000, 9)
    cancel = Event()
    cancel.set()
    scan = Scan(0, 30_000, pack([facts.digits["a"]], 0, 30_000), cancel=cancel, means=Means(3))
    with pytest.raises(Cancelled):
        KERNEL["compiled"](scan, facts.wanted(["sum x"]))


@needs_numba
def test_a_sum_that_might_overflow_is_left_to_numpy() -> None:
    values = np.array([1 << 62, 1 << 62, 3])
    wanted = [(Partial("sum", "x"), Column(values, None, pa.int64(), 3, 1 << 62))]
    apart = Scan(0, 3, pack([CodeDigit(np.array([0, 1, 1], np.uint8), 2)], 0, 3))
    assert KERNEL["compiled"](apart, wanted).series[0].values.tolist() == [1 << 62, (1 << 62) + 3]
    together = Scan(0, 3, pack([CodeDigit(np.zeros(3, np.uint8), 1)], 0, 3))
    with pytest.raises(PartialOverflow):
        KERNEL["compiled"](together, wanted)


def test_which_of_both_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = Facts(np.random.default_rng(4), 5000, 9)
    scan = Scan(0, 5000, pack([facts.digits["a"]], 0, 5000))
    wanted = facts.wanted(["sum x"])
    assert choose_kernel(scan, wanted)[0] == "scatter"
    monkeypatch.setattr(kernels, "COMPILED_ROWS", 5000)
    assert choose_kernel(scan, wanted)[0] == ("compiled" if has_compiled() else "scatter")
    assert choose_kernel(replace(scan, means=Means(compiled=False)), wanted)[0] == "scatter"


@pytest.fixture
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every scan is large enough for a compiled kernel."""
    monkeypatch.setattr(kernels, "COMPILED_ROWS", 0)


SCHEMA = Schema(
    "plays",
    dimensions=[Dimension("a"), Dimension("b")],
    metrics={"plays": total("plays"), "mean": mean("plays"), "most": maximum("plays")},
    time=Time("at"),
    trees=[Tree.from_paths(["year/month/day/a/b"])],
)


def _plays(rows: int) -> pa.Table:
    random = np.random.default_rng(1)
    return pa.table(
        {
            "at": pa.array(np.sort(random.integers(0, 90 * 86_400, rows)), pa.timestamp("s")),
            "a": [f"a{code}" for code in random.integers(0, 9, rows)],
            "b": [f"b{code}" for code in random.integers(0, 30, rows)],
            "plays": pa.array(random.integers(-5, 50, rows), mask=random.random(rows) < 0.2),
        }
    )


@pytest.mark.usefixtures("small_is_large")
@pytest.mark.parametrize("path", ["a", "a/b", "year/month/day/a", "year/month/b", "year"])
@pytest.mark.parametrize("where", [{}, {"b": ["b1", "b7"]}])
def test_a_cube_answers_the_same_with_and_without(path: str, where: dict[str, list[str]]) -> None:
    facts = _plays(6000)
    with_it, without = (Cube(SCHEMA, facts, threads=3, compiled=compiled) for compiled in (True, False))
    for cube in (with_it, without):
        cube.materialize("year/month/day/a/b")
    query = Query(path, where=where)
    assert with_it.answer(query).table.equals(without.answer(query).table)
    assert with_it.verify(query)


def test_a_cube_wants_a_thread() -> None:
    with pytest.raises(SchemaError, match="are 0"):
        Cube(SCHEMA, _plays(3), threads=0)
    with pytest.raises(SchemaError, match="are 0"):
        Cube(SCHEMA, _plays(3)).materialize("a", threads=0)


@pytest.mark.parametrize(("said", "shared"), [(None, 3), (1, 1), (2, 2)])
def test_builds_have_the_threads_of_the_cube(said: int | None, shared: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found, roll_up = [], rebuild.roll_up

    def noted(*given):  # type: ignore[no-untyped-def]
        found.append(given[4])
        return roll_up(*given)

    monkeypatch.setattr(rebuild, "roll_up", noted)
    Cube(SCHEMA, _plays(300), threads=3).materialize("year/month/day/a", threads=said)
    assert found == [shared]


@needs_numba
def test_what_cannot_be_kept_on_disk_is_compiled_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    from wolap.engine import loops

    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "file" / "cache"))

    def add_one(values: np.ndarray) -> None:
        values += 1

    values = np.zeros(2, np.int64)
    loops._compiled(add_one, numba.types.void(numba.types.int64[::1]))(values)
    assert values.tolist() == [1, 1]


@needs_numba
def test_what_was_kept_and_is_damaged_is_compiled_again(tmp_path: Path) -> None:
    program = "import numba, sys; numba.config.CACHE_DIR = sys.argv[1]; from wolap.engine import loops; print('well')"

    def run() -> str:
        return subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
        ).stdout

    assert run() == "well\n"
    kept = [one for one in tmp_path.rglob("*.nb?") if "_add_rows_of" in one.name]
    assert kept
    for one in kept:
        one.write_bytes(one.read_bytes()[:100])
    assert run() == "well\n"


def test_what_cannot_be_imported_is_left_out_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "wolap.engine.compiled", None)
    with pytest.warns(RuntimeWarning, match="not worked out by compiled kernels"):
        assert not kernels.has_compiled.__wrapped__()


def test_numba_is_not_imported_before_a_scan_is_large() -> None:
    program = """
import sys
import pyarrow as pa
from wolap import Cube, Dimension, Query, Schema, Tree, total
schema = Schema("w", [Dimension("a")], {"plays": total("plays")}, [Tree.parse("a")])
cube = Cube(schema, pa.table({"a": ["x", "y"] * 999, "plays": range(1998)}), threads=2)
assert len(cube.answer(Query("a"))) == 2
assert "numba" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
