"""The comparison with peers, once at a tiny size; what it refuses; the script that holds ratios against old ones."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

# `benchmarks` is a folder of the repository and not installed.
from benchmarks import peer_plot, peer_tables, peers, ratios, yardsticks  # noqa: E402
from benchmarks.engines import events, measure, questions, turns  # noqa: E402

ROWS = 4_000
BY_KEY = turns.BY_KEY


@pytest.fixture(scope="module")
def facts() -> pa.Table:
    return events.make_facts(ROWS)


def expected(question: questions.Question, facts: pa.Table) -> dict[tuple[int, ...], list[float]]:
    """The answer by a loop over the facts, groups as codes."""
    codes = events.bucket_codes(facts) | {name: events.codes_of(facts, name) for name in events.DIMENSIONS}
    company = events.members("company").index(events.company())
    numbers = {name: facts[name].to_pylist() for name in (*events.SUMS, events.AMOUNT, "account")}
    sums: dict[tuple[int, ...], list[float]] = {}
    accounts: dict[tuple[int, ...], set[int]] = {}
    for row in range(facts.num_rows):
        if question.of_company and codes["company"][row] != company:
            continue
        if question.days and not question.days[0] <= codes["day"][row] < question.days[1]:
            continue
        group = tuple(int(codes[name][row]) for name in question.sizes)
        if question.counts_accounts:
            accounts.setdefault(group, set()).add(numbers["account"][row])
            sums[group] = [len(accounts[group])]
        else:
            added = [numbers[name][row] for name in question.metrics]
            sums[group] = [old + new for old, new in zip(sums.get(group, [0] * len(added)), added, strict=True)]
    if question.top:
        sums = dict(sorted(sums.items(), key=lambda one: -one[1][0])[: question.top])
    return sums


def canonical(question: questions.Question, facts: pa.Table) -> questions.Canonical:
    """The same in the form in which answers are compared."""
    groups = expected(question, facts)
    keys = {}
    for group, found in groups.items():
        key = 0
        for code, size in zip(group, question.sizes.values(), strict=True):
            key = key * size + code
        keys[key] = found
    order = sorted(keys)
    columns = [np.array([keys[key][place] for key in order]) for place in range(len(question.metrics))]
    return np.array(order, np.int64), columns


@pytest.mark.parametrize("name", [name for name in turns.KINDS if name != turns.FAST])
def test_engines_answer_as_a_loop_does(name: str, facts: pa.Table):
    """Every formulation of every question, of facts and of the pre-aggregation."""
    kind = turns.KINDS[name]
    pytest.importorskip(kind.library)
    resident = turns.Resident(replace(kind, plain=False), ROWS)
    load = resident.load()
    assert load.seconds > 0
    resident.prepare()
    ours = turns.Resident(replace(turns.KINDS[turns.OURS], plain=False), ROWS)
    ours.load()
    ours.call("build")
    for question in questions.QUESTIONS:
        if question.key == "pa":
            resident.call("take", ours.call("stored"))
        for formulation, (seconds, answer) in resident.first(question.key).items():
            wrong = questions.difference(canonical(question, facts), answer, question)
            assert wrong is None, f"{question.key} by {name} ({formulation}): {wrong}"
            assert seconds > 0
            assert resident.turn(formulation) > 0


def test_facts_are_the_same_each_time_and_sorted(facts: pa.Table):
    assert facts.equals(events.make_facts(ROWS))
    seconds = np.asarray(facts["time"].cast(pa.int64()))
    assert (np.diff(seconds) >= 0).all()
    for name, count in events.DIMENSIONS.items():
        assert events.shares(name).sum() == 1 << 16
        assert events.shares(name).min() >= 1
        assert len(events.members(name)) == count


SUMS = BY_KEY["c"]
ANSWER = (np.array([3, 5, 9]), [np.array([10, 20, 30]), np.array([1, 2, 3])])


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ((np.array([3, 5]), [np.array([10, 20]), np.array([1, 2])]), "3 groups and 2"),
        ((np.array([3, 5, 8]), ANSWER[1]), "1 groups that the other has not"),
        ((ANSWER[0], [np.array([10, 20, 30]), np.array([1, 2, 4])]), "successes is 3 and 4 in group 9"),
    ],
)
def test_an_answer_that_differs_is_told(other: questions.Canonical, said: str):
    assert questions.difference(ANSWER, ANSWER, SUMS) is None
    assert questions.difference(ANSWER, other, SUMS) == said


def test_floats_may_differ_in_the_last_digits():
    question = BY_KEY["c2"]
    one = (np.array([1]), [np.array([1.0])])
    assert questions.difference(one, (np.array([1]), [np.array([1.0 + 1e-10])]), question) is None
    assert questions.difference(one, (np.array([1]), [np.array([1.0 + 1e-8])]), question) is not None


def test_of_equals_at_the_end_of_the_top_any_may_be_shown():
    question = BY_KEY["h"]
    other = (np.array([4, 5, 9]), [np.array([10, 20, 30]), np.array([7, 2, 3])])
    assert questions.difference(ANSWER, other, question) is None
    wrong = (np.array([3, 6, 9]), ANSWER[1])
    assert questions.difference(ANSWER, wrong, question) == "1 groups that the other has not"
    more = (ANSWER[0], [np.array([11, 20, 30]), ANSWER[1][1]])
    assert questions.difference(ANSWER, more, question) == "other attempts at the top"


class Liar:
    """An engine that answers as it is told."""

    def __init__(self, answer: questions.Canonical) -> None:
        self.answer = answer

    def ask(self, method: str, *arguments: object) -> object:
        return {"only": (0.1, self.answer)} if method == "first" else 0.1


def test_nothing_is_timed_where_an_answer_differs():
    wrong = (ANSWER[0], [ANSWER[1][0] + 1, ANSWER[1][1]])
    seats = {"wolap": Liar(ANSWER), "duckdb": Liar(wrong)}
    with pytest.raises(ValueError, match=r"c day x mvpd: duckdb \(only\) has another answer: attempts is 10 and 11"):
        measure._ask(seats, SUMS, 1)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run() -> measure.Run:
    """Processes of wolap and polars, which every installation has."""
    return measure.measure([turns.OURS, "polars"], ROWS, 2, ["a", "d2", "f", "g", "pi"])


def test_a_run_has_each_question(run: measure.Run):
    asked = {one.question.key for one in run.answered}
    left_out = {line.split()[0] for line in run.left_out}
    assert asked | left_out == {"a", "d2", "f", "g", "pi"}
    assert {"a", "f", "g", "pi"} <= asked
    assert run.stored > 0
    for one in run.answered:
        assert one.best_peer == "polars"
        assert len(one.ratios()) == 2
        assert one.ratio() > 0


def test_the_last_line_is_the_worst(run: measure.Run):
    lines = peer_tables.as_text(run, "versions").splitlines()
    least = min(run.answered, key=lambda one: one.ratio())
    name = f"{least.question.key} {least.question.name}"
    assert lines[-1] == f"worst ratio against the best peer: {least.ratio():.2f} ({name})"


def test_the_section_of_a_page_is_replaced(run: measure.Run):
    section = peer_tables.as_markdown(run, "versions")
    page = f"# Title\n{peer_tables.BEGIN}\nold\n{peer_tables.END}\nafter\n"
    placed = peer_tables.placed(page, section)
    assert "old" not in placed
    assert placed.startswith("# Title\n")
    assert placed.endswith("\nafter\n")
    assert peer_tables.placed(placed, section) == placed
    tables = re.findall(r"(?m)^\|.*\|$", section)
    assert len(tables) > len(run.answered)
    with pytest.raises(ValueError, match="has no section"):
        peer_tables.placed("# Title\n", section)


def test_a_plot_is_the_same_each_time(run: measure.Run, tmp_path: Path):
    pytest.importorskip("matplotlib")
    for name in ("one.svg", "other.svg"):
        peer_plot.draw(run, tmp_path / name)
    first = (tmp_path / "one.svg").read_bytes()
    assert first == (tmp_path / "other.svg").read_bytes()
    assert b"polars" in first
    assert b"<dc:date>" not in first


def test_the_program_prints_and_writes(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """With what is not installed left out, and said so."""
    page = tmp_path / "page.md"
    page.write_text(f"{peer_tables.BEGIN}\n{peer_tables.END}\n")
    peers.main(
        ["--rows", str(ROWS), "--rounds", "1", "--questions", "b,pc", "--engines", "polars", "--markdown", str(page)]
    )
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"worst ratio against the best peer: \d+\.\d\d \((b by day|pc day x mvpd)\)", lines[-1])
    assert "by day" in page.read_text()
    with pytest.raises(SystemExit):
        peers.main(["--engines", "oracle"])
    assert "there is no peer 'oracle'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        peers.main(["--questions", "z"])
    assert "there is no question 'z'" in capsys.readouterr().err


def test_an_engine_that_is_not_installed_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(turns.KINDS, "datafusion", turns.Kind("a_library_that_is_nowhere", "in_datafusion"))
    with pytest.raises(SystemExit):
        peers.main(["--engines", "datafusion"])
    printed = capsys.readouterr()
    assert "datafusion is left out: a_library_that_is_nowhere is not installed" in printed.out
    assert "no peer is installed" in printed.err


def test_a_process_that_ends_is_told(capfd: pytest.CaptureFixture[str]):
    with turns.seated(["polars"], 10) as seats, pytest.raises(RuntimeError, match="the process of polars ended with 1"):
        seats["polars"].ask("call", "no_such_method")
    assert "no_such_method" in capfd.readouterr().err


@pytest.mark.parametrize("name", list(yardsticks.PAIRS))
def test_each_ratio_can_be_measured(name: str):
    assert yardsticks.ratio(name, 1) > 0


def kept(ratio: float) -> dict[str, ratios.Kept]:
    return {"work": ratios.Kept(ratio, ratio, ratio)}


def test_what_is_slower_in_each_attempt_is_told(capsys: pytest.CaptureFixture[str]):
    assert ratios.compare(kept(1.0), lambda _, __: 1.31) == ["work"]
    assert f"the least of {ratios.ATTEMPTS}" in capsys.readouterr().out


def test_what_one_attempt_finds_as_fast_is_not(capsys: pytest.CaptureFixture[str]):
    found: Iterator[float] = iter([2.0, 1.7, 1.2])
    assert ratios.compare(kept(1.0), lambda _, __: next(found)) == []
    assert "+20%   the least of 3" in capsys.readouterr().out


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yardsticks, "PAIRS", {"read a target": yardsticks.PAIRS["read a target"]})
    monkeypatch.setattr(ratios, "WRITTEN", 2)


@pytest.mark.usefixtures("few")
def test_ratios_are_written_and_held_against(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "ratios.json"
    assert ratios.main(["--write"], file) == 0
    written, which = json.loads(file.read_text()), ratios.kernels(False)
    assert list(written["ratios"][which]) == ["read a target"]

    def judged(ratio: float, **other: str) -> tuple[int, str]:
        capsys.readouterr()
        one = {"read a target": {"ratio": ratio, "low": ratio, "high": ratio}}
        file.write_text(json.dumps(written | {"ratios": {which: one}} | other))
        return ratios.main([], file), capsys.readouterr().out

    assert judged(1e6)[0] == 0
    status, said = judged(1e-6)
    assert status == 1
    assert "more than 30% slower in each of 6 attempts: read a target" in said
    status, said = judged(1e-6, processor="an abacus")
    assert status == 0
    assert "shown and not judged: before was on an abacus" in said


@pytest.mark.usefixtures("few")
def test_ratios_of_other_work_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "ratios.json"
    file.write_text(json.dumps({"processor": ratios.processor(), "ratios": {}}))
    assert ratios.main([], file) == 1
    assert "lacks or no longer needs: read a target" in capsys.readouterr().out


def test_ratios_with_other_kernels_stay(tmp_path: Path):
    file = tmp_path / "ratios.json"
    for which in ("numpy", "numba"):
        ratios.keep(file, which, kept(1.0))
    assert json.loads(file.read_text())["ratios"].keys() == {"numpy", "numba"}
    file.write_text(json.dumps({**json.loads(file.read_text()), "processor": "an abacus"}))
    ratios.keep(file, "numpy", kept(1.0))
    assert json.loads(file.read_text())["ratios"].keys() == {"numpy"}


def test_the_file_that_is_kept_is_of_the_work_that_there_is():
    for found in json.loads(ratios.FILE.read_text())["ratios"].values():
        assert found.keys() == yardsticks.PAIRS.keys()
        for one in found.values():
            assert 0 < one["low"] <= one["ratio"] <= one["high"]
