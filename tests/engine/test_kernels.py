"""Every kernel gives the same whole numbers for the same rows, whatever the size of a block, and none wraps."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from wolap import Cancelled, Cube, Dimension, MetricOverflow, Query, Schema, Time, Tree, mean, ratio, total
from wolap.engine import distinct, kernels, words
from wolap.engine import groups as engine_groups
from wolap.engine import scan as scan_module
from wolap.engine.columns import COUNT, Column
from wolap.engine.distinct import count_distinct
from wolap.engine.groups import Groups, PartialOverflow, Series, merge
from wolap.engine.kernels import KERNELS, choose_kernel
from wolap.engine.keys import CodeDigit, TimeDigit, pack
from wolap.engine.scan import Predicate, Scan
from wolap.model.aggregate import Partial

KERNEL = {name: kernel for name, _, kernel in KERNELS}
needs_numba = pytest.mark.skipif(not kernels.has_compiled(), reason="numba, the extra fast, is not installed")
COMPILED = pytest.param("compiled", marks=needs_numba)
DENSE = ["scatter", COMPILED]
BLOCKS = [(1, 1), (2, 3), (1 << 16, 1 << 20)]
INT64 = np.iinfo(np.int64)


@pytest.fixture(params=BLOCKS, ids=str)
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of another size."""
    monkeypatch.setattr(kernels, "BLOCK", request.param[0])
    monkeypatch.setattr(kernels, "LARGE_BLOCK", request.param[1])
    monkeypatch.setattr(words, "_ROWS_BETWEEN", request.param[0])
    monkeypatch.setattr(words, "_ROWS_PER_KEY", 1)
    monkeypatch.setattr(scan_module, "_FILTERED", 4 * request.param[0])


def whole(values: list[int | None]) -> Column:
    """A column of whole numbers, kept as the engine keeps them: 0 where there is none."""
    kept = np.array([0 if value is None else value for value in values], np.int64)
    valid = None if None not in values else np.array([value is not None for value in values], bool)
    return Column(kept, valid, pa.int64(), int(kept.min(initial=0)), int(kept.max(initial=0)))


def real(values: list[float]) -> Column:
    """A column of floats."""
    return Column(np.array(values, np.float64), None, pa.float64())


def ones(values: list[int | None]) -> Column:
    """What a count of a column reads: whether there is a value."""
    return Column(None, whole(values).valid, COUNT)


def wanted(values: list[int | None]) -> list[tuple[Partial, Column]]:
    """Every mergeable partial over these values."""
    column = whole(values)
    named = [(Partial(function, "n"), column) for function in ("sum", "min", "max")]
    return [*named, (Partial("count", "n"), ones(values)), (Partial("count"), Column(None, None, COUNT))]


def by_code(codes: list[int], size: int) -> CodeDigit:
    """A digit of codes."""
    return CodeDigit(np.array(codes, np.uint8), size)


def by_time(groups: list[int], size: int, start: int = 0) -> TimeDigit:
    """A digit of the rows from `start` on, where each run of rows with one group is a bucket."""
    begins = [place for place, group in enumerate(groups) if place == 0 or group != groups[place - 1]]
    codes = np.array([groups[place] for place in begins], np.uint16)
    return TimeDigit(codes, np.array([*begins, len(groups)]) + start, size)


def expected(groups: list[int], values: list[int | None], kept: list[bool]) -> list[tuple[int | None, ...]]:
    """Group, sum, least, most, values and rows by plain Python."""
    found = []
    for group in sorted({group for group, keep in zip(groups, kept, strict=True) if keep}):
        of_group = [v for g, v, keep in zip(groups, values, kept, strict=True) if keep and g == group]
        known = [value for value in of_group if value is not None]
        extremes = (sum(known), min(known), max(known)) if known else (None, None, None)
        found.append((group, *extremes, len(known), len(of_group)))
    return found


def records(groups: Groups) -> list[tuple[int | None, ...]]:
    """Groups as plain records."""
    columns = [
        [value if valid else None for value, valid in zip(one.values.tolist(), _marks(one), strict=True)]
        for one in groups.series
    ]
    return list(zip(groups.keys.tolist(), *columns, strict=True))


def _marks(series: Series) -> list[bool]:
    return [True] * len(series.values) if series.valid is None else series.valid.tolist()


numbers = st.none() | st.integers(-5, 5) | st.sampled_from([2**53 + 1, -(2**53) - 1, 2**40])


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("kernel", [*DENSE, "ordered", "runs"])
@pytest.mark.parametrize("filtered", [False, True])
def test_each_kernel_gives_what_python_gives(kernel: str, filtered: bool) -> None:
    @given(st.lists(st.tuples(st.integers(0, 3), numbers, st.booleans()), min_size=1, max_size=25))
    def check(rows: list[tuple[int, int | None, bool]]) -> None:
        groups, values = [row[0] for row in rows], [row[1] for row in rows]
        kept = [row[2] or not filtered for row in rows]
        digit = by_time(groups, 4) if kernel == "runs" else by_code(groups, 4)
        marks = Predicate(np.array(kept, np.uint8), np.array([False, True]))
        predicates = (marks,) if filtered and kernel != "runs" else ()
        scan = Scan(0, len(rows), pack([digit], 0, len(rows)), predicates)
        right = expected(groups, values, kept if predicates else [True] * len(rows))
        assert records(KERNEL[kernel](scan, wanted(values))) == right

    check()


@pytest.mark.usefixtures("blocks")
@given(data=st.data())
@pytest.mark.parametrize("kernel", [*DENSE, "ordered", "runs", "totals"])
def test_a_part_of_the_rows_is_read_alone(kernel: str, data: DataObject) -> None:
    rows = data.draw(st.lists(st.tuples(st.integers(0, 3), numbers), min_size=2, max_size=25))
    start = data.draw(st.integers(0, len(rows) - 1))
    stop = data.draw(st.integers(start + 1, len(rows)))
    groups, values = [0 if kernel == "totals" else row[0] for row in rows], [row[1] for row in rows]
    digits = [by_time(groups[start:stop], 4, start)] if kernel != "totals" else []
    scan = Scan(start, stop, pack(digits, start, stop))
    right = expected(groups[start:stop], values[start:stop], [True] * (stop - start))
    assert records(KERNEL[kernel](scan, wanted(values))) == right


@pytest.mark.parametrize("kernel", [*DENSE, "ordered"])
def test_no_rows_make_no_groups(kernel: str) -> None:
    scan = Scan(0, 0, pack([by_code([], 3)], 0, 0))
    found = KERNEL[kernel](scan, [*wanted([]), (Partial("sum", "x"), real([]))])
    assert len(found.keys) == 0
    assert [series.values.dtype.kind for series in found.series] == ["i"] * 5 + ["f"]


def test_no_rows_make_one_total() -> None:
    scan = Scan(0, 0, pack([], 0, 0))
    found = KERNEL["totals"](scan, [*wanted([]), (Partial("max", "x"), real([]))])
    assert records(found) == [(0, None, None, None, 0, 0, None)]


@pytest.mark.parametrize(
    ("digits", "predicates", "column", "name"),
    [
        ([], False, whole([1, 2]), "totals"),
        ([by_time([0, 1], 2)], False, whole([1, 2]), "runs"),
        ([by_time([0, 1], 2)], True, whole([1, 2]), "scatter"),
        ([by_time([0, 1], 2)], False, whole([2**62, 2**62]), "scatter"),
        ([by_code([0, 1], 2)], False, whole([1, 2]), "scatter"),
        ([by_code([0, 1], 1 << 20)], False, whole([1, 2]), "ordered"),
    ],
)
def test_the_kernel_that_suits_is_chosen(
    digits: list[CodeDigit | TimeDigit], predicates: bool, column: Column, name: str
) -> None:
    marks = (Predicate(np.zeros(2, np.uint8), np.array([True])),) if predicates else ()
    scan = Scan(0, 2, pack(digits, 0, 2), marks)
    assert choose_kernel(scan, [(Partial("sum", "n"), column)])[0] == name


def _sum_by(kernel: str, values: list[int]) -> list[tuple[int | None, ...]]:
    digits = [] if kernel == "totals" else [by_code([0] * len(values), 1)]
    scan = Scan(0, len(values), pack(digits, 0, len(values)))
    return records(KERNEL[kernel](scan, [(Partial("sum", "n"), whole(values))]))


EDGES = [INT64.min, INT64.max, 2**62, -(2**62), 2**53 + 1, -(2**53) - 1, 2**32, -1, 0, 1]
SAFE = ["totals", *DENSE, "ordered"]


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("kernel", SAFE)
def test_a_sum_is_exact_or_refused(kernel: str) -> None:
    @given(st.lists(st.sampled_from(EDGES) | st.integers(INT64.min, INT64.max), min_size=1, max_size=12))
    def check(values: list[int]) -> None:
        if INT64.min <= sum(values) <= INT64.max:
            assert _sum_by(kernel, values) == [(0, sum(values))]
        else:
            with pytest.raises(PartialOverflow) as caught:
                _sum_by(kernel, values)
            assert caught.value.partial == Partial("sum", "n")

    check()


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("kernel", SAFE)
def test_a_sum_that_comes_back_into_range_is_exact(kernel: str) -> None:
    values = [2**62, 2**62, 2**62, -(2**62), -(2**62), -(2**62), 2**53 + 1]
    assert _sum_by(kernel, values) == [(0, 2**53 + 1)]


def test_merged_sums_are_exact_or_refused() -> None:
    part = Groups(np.zeros(1, np.intp), (Series(np.array([2**62])),))
    back = Groups(np.zeros(1, np.intp), (Series(np.array([-(2**62)])),))
    assert records(merge([part, part, back], [Partial("sum", "n")])) == [(0, 2**62)]
    with pytest.raises(PartialOverflow):
        merge([part, part], [Partial("sum", "n")])


@pytest.mark.usefixtures("blocks")
# What is read has one zero alone.
@given(values=st.lists(st.floats(-1e6, 1e6).map(lambda one: one + 0.0), min_size=1, max_size=30))
@pytest.mark.parametrize("kernel", ["totals", *DENSE, "ordered", "runs"])
def test_floats_agree_within_their_rounding(kernel: str, values: list[float]) -> None:
    digits = {"totals": [], "runs": [by_time([0] * len(values), 1)]}.get(kernel, [by_code([0] * len(values), 1)])
    scan = Scan(0, len(values), pack(digits, 0, len(values)))
    asked = [(Partial(function, "x"), real(values)) for function in ("sum", "min", "max")]
    ((_, found, least, most),) = records(KERNEL[kernel](scan, asked))
    assert found == pytest.approx(sum(values), rel=0, abs=1e-12 * sum(map(abs, values)))
    assert (least, most) == (min(values), max(values))


class Countdown(Event):
    """An event that is set once it has been asked so many times, and counts how often it was asked."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.left, self.asked = calls, 0

    def is_set(self) -> bool:
        """Whether the calls are used up."""
        self.asked += 1
        self.left -= 1
        return self.left < 0


def _run_distinct(scan: Scan, asked: list[tuple[Partial, Column]]) -> None:
    column = Column(np.zeros(20, np.uint8), None, COUNT, members=1)
    count_distinct(scan, column, Groups(np.zeros(1, np.intp), ()))


@pytest.mark.parametrize("name", [*(COMPILED if name == "compiled" else name for name in KERNEL), "distinct"])
@pytest.mark.parametrize("calls", [0, 1, 3])
def test_a_kernel_stops_within_a_block(name: str, calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, names in ((kernels, ("BLOCK", "LARGE_BLOCK")), (distinct, ("_MARKED", "_READ"))):
        for limit in names:
            monkeypatch.setattr(module, limit, 2)
    monkeypatch.setattr(kernels, "_TOTAL_BLOCKS", 1)
    monkeypatch.setattr(kernels, "COMPILED_BLOCK", 2)
    digits = {"totals": [], "runs": [by_time(list(range(20)), 20)]}.get(name, [by_code([0] * 20, 1)])
    cancel = Countdown(calls)
    scan = Scan(0, 20, pack(digits, 0, 20), cancel=cancel)
    run: Callable[..., object] = KERNEL.get(name, _run_distinct)
    with pytest.raises(Cancelled):
        run(scan, wanted(list(range(20))))
    assert cancel.asked == calls + 1


OVERFLOWS = Schema(
    "overflows",
    dimensions=[Dimension("a")],
    metrics={"plays": total("plays"), "mean": mean("plays"), "share": ratio("mean", "plays")},
    time=Time("at"),
    trees=[Tree.from_paths(["a", "year/month/day"])],
)


@pytest.mark.parametrize(("path", "metric"), [("", "plays"), ("a", "mean"), ("year", "share"), ("a/day", "plays")])
def test_the_error_names_the_metric_that_overflows(path: str, metric: str) -> None:
    at = pa.array([0, 0], pa.timestamp("us"))
    cube = Cube(OVERFLOWS, pa.table({"at": at, "a": ["x", "x"], "plays": [2**62, 2**62]}))
    with pytest.raises(MetricOverflow, match=rf"^{metric} \(sum plays\) does not fit"):
        cube.answer(Query(path, metrics=metric))
    with pytest.raises(MetricOverflow, match=r"^plays \(sum plays\)"):
        cube.materialize(path)


@given(st.data())
def test_merging_is_what_adding_up_one_by_one_gives(data: DataObject) -> None:
    """Runs long and short, keys in order or not and wide or not, numbers narrow or not, of one part or several."""
    keys = st.sampled_from([0, 1, 2, 3, 4, 5, 6, 1 << 30, (1 << 61) + 1, (1 << 62) - 1])
    rows = data.draw(st.lists(st.tuples(keys, st.none() | st.integers(-128, 127)), max_size=60))
    if data.draw(st.booleans()):
        rows.sort(key=lambda row: row[0])
    narrow = data.draw(st.sampled_from([np.int8, np.int16, np.int32, np.int64]))
    cut = data.draw(st.integers(0, len(rows)))
    parts = [_rows_as_groups(some, narrow) for some in ((rows[:cut], rows[cut:]) if cut else (rows,))]
    functions = [Partial("sum", "n"), Partial("min", "n"), Partial("max", "n"), Partial("count", "n")]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(engine_groups, "_LONG_RUN", data.draw(st.sampled_from([1, 16])))
        found = merge(parts, functions, fits=data.draw(st.booleans()))
    expected: dict[int, list[int | None]] = {}
    for key, value in rows:
        expected.setdefault(key, []).append(value)
    assert found.keys.tolist() == sorted(expected)
    assert {one.values.dtype for one in found.series} == {np.dtype(np.int64)}
    for place, key in enumerate(found.keys.tolist()):
        known = [value for value in expected[key] if value is not None]
        values = [one.values[place] if one.valid is None or one.valid[place] else None for one in found.series]
        assert values[3] == len(known)
        assert values[:3] == ([sum(known), min(known), max(known)] if known else [None] * 3)


def _rows_as_groups(rows: list[tuple[int, int | None]], narrow: type[np.signedinteger]) -> Groups:
    values = np.array([value or 0 for _, value in rows], narrow)
    valid = np.array([value is not None for _, value in rows], bool)
    one = Series(values, None if valid.all() else valid)
    return Groups(np.array([key for key, _ in rows], np.intp), (one, one, one, Series(valid.astype(np.int8))))
