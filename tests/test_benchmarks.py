"""Each benchmark runs once, at a tiny size, so that none rots. Nothing is timed here."""

from __future__ import annotations

import inspect
import math
import re
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import product
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # `benchmarks` is a folder of the repository and not installed

ROWS = "3000"
BENCHMARK = re.compile("time_|track_|peakmem_")
QUESTIONS = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem not in ("__init__", "report"))
# Modules that others are built from.
NO_QUESTION = {"data", "peer_plot", "peer_tables"}
# What prints figures of its own, or is read by what does.
PROGRAMS = {"builds", "calibration", "peers", "ratios", "refresh", "storage", "yardsticks"}


def found_in(question: str) -> list[tuple[str, type | None, str]]:
    """As asv finds them: functions and methods by the beginning of their names."""
    module = import_module(f"benchmarks.{question}")
    own = [thing for thing in vars(module).values() if getattr(thing, "__module__", None) == module.__name__]
    found: list[tuple[str, type | None, str]] = []
    for thing in own:
        if inspect.isclass(thing):
            found += [(question, thing, name) for name in dir(thing) if BENCHMARK.match(name)]
        elif inspect.isfunction(thing) and BENCHMARK.match(thing.__name__):
            found.append((question, None, thing.__name__))
    return found


BENCHMARKS = [benchmark for question in QUESTIONS for benchmark in found_in(question)]


def combinations(params: object) -> Iterator[tuple[object, ...]]:
    """Every combination of parameters; one list of them may stand without a list around it, as asv has it."""
    columns = list(params) if isinstance(params, list | tuple) else []
    nested = bool(columns) and all(isinstance(column, list | tuple) for column in columns)
    return product(*(columns if nested or not columns else [columns]))


def run_once(holder: object, function: Callable[..., object], arguments: tuple[object, ...]) -> object:
    getattr(holder, "setup", lambda *_: None)(*arguments)
    try:
        return function(*arguments)
    finally:
        getattr(holder, "teardown", lambda *_: None)(*arguments)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WOLAP_BENCHMARK_ROWS", ROWS)


@pytest.mark.parametrize(
    ("question", "kind", "name"),
    [pytest.param(*one, id=".".join((one[0], *([one[1].__name__] if one[1] else []), one[2]))) for one in BENCHMARKS],
)
def test_runs(question: str, kind: type | None, name: str):
    """With each combination of its parameters, but those that `setup` says do not exist."""
    module = import_module(f"benchmarks.{question}")
    ran = 0
    for arguments in combinations(getattr(kind or getattr(module, name), "params", ())):
        holder = kind() if kind else module
        try:
            value = run_once(holder, getattr(holder, name), arguments)
        except NotImplementedError:
            continue
        ran += 1
        if name.startswith("track_"):
            assert isinstance(value, int | float)
            assert math.isfinite(value)
            assert value > 0
    assert ran > 0


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_module_opens_with_its_question(question: str):
    text = import_module(f"benchmarks.{question}").__doc__ or ""
    assert ("?" in text) is (question not in NO_QUESTION)


def test_each_question_has_benchmarks():
    assert len(BENCHMARKS) > 0
    assert {question for question, _, _ in BENCHMARKS} == set(QUESTIONS) - NO_QUESTION - PROGRAMS


def test_engines_have_no_benchmarks():
    """asv takes every function for one whose name begins so, wherever it stands."""
    for path in (ROOT / "benchmarks" / "engines").glob("*.py"):
        assert found_in(f"engines.{path.stem}") == [], path.stem


def test_calibration(capsys: pytest.CaptureFixture[str]):
    """Predicted and measured times of random plans, and rates that fit them."""
    calibration = import_module("benchmarks.calibration")
    calibration.main(["--rows", ROWS, "--queries", "30", "--fit"])
    printed = capsys.readouterr().out
    assert "30 chosen plans: rank correlation 0." in printed
    assert "queries whose best plan takes a millisecond or more" in printed
    assert '"piece": ' in printed


def test_report(capsys: pytest.CaptureFixture[str]):
    """The table is printed, after what all write has been found equal."""
    report = import_module("benchmarks.report")
    report.main(["--calls", "2", "--turns", "1"])
    printed = capsys.readouterr().out
    for name in (*report.SHAPES, "polars streaming", "duckdb", "orjson"):
        assert name in printed


def test_builds(capsys: pytest.CaptureFixture[str]):
    """Every path of the tree of days, and what it was made from."""
    import_module("benchmarks.builds").main(["--rows", ROWS])
    *paths, total, peak = capsys.readouterr().out.splitlines()[1:]
    assert len(paths) == 79
    assert "79 paths of 3,000 events" in total
    assert sum(int(line.split()[0].replace(",", "")) for line in paths) == int(total.split()[0].replace(",", ""))
    assert sum("<- facts" in line for line in paths) < 20
    assert "GiB" in peak


def test_storage(capsys: pytest.CaptureFixture[str]):
    """Facts and a projection in every form, and a folder of many partitions."""
    storage = import_module("benchmarks.storage")
    few = ["--projections", "2", "--partitions", "9", "--opened", ROWS, "--paths", "3"]
    storage.main(["--rows", ROWS, "--rounds", "1", *few])
    printed = capsys.readouterr().out
    for name in ("hours: ", "facts: ", "segment", "parquet none", "parquet zstd", "memory", "9 partitions", "3 built"):
        assert name in printed


def test_refresh(capsys: pytest.CaptureFixture[str]):
    """A line for each size."""
    refresh = import_module("benchmarks.refresh")
    refresh.main(["--rows", "2_000,4_000", "--projections", "3", "--new", "50", "--rounds", "1"])
    _, _, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["2,000", "4,000"]
    assert all(len(line.split()) == 7 for line in lines)
