"""A small part of the proof in each run of the tests; and that it would find what it looks for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import numpy as np
import pytest
from oracle import oracle

from proof import run
from proof.questions import question
from proof.run import run_worlds, tolerance, unlike
from proof.strain import LIMITS, strained
from proof.worlds import Trial, of_layout, trial
from wolap import Metric, approximate_distinct, distinct, mean, median, quantile, total
from wolap.snapshot import Snapshot


def test_two_thousand_questions_without_a_difference() -> None:
    figures = run_worlds(seed=0, first=0, queries=2_000)
    assert figures.differences == []
    assert figures.queries == 2_000
    assert figures.oracle > 150
    assert figures.plans > 3_000
    assert set(figures.refusals) <= {"NoAnswer", "MetricOverflow", "a sum that does not fit, in one of the plans"}
    assert "cover with facts" not in figures.blind


def test_a_seed_makes_the_same_world_and_questions() -> None:
    def asked(seed: str) -> tuple[list[dict[str, object]], list[str]]:
        random = Random(seed)
        made = trial(random)
        return made.world.facts.to_pylist(), [str(question(random, made)) for _ in range(20)]

    assert asked("1/2") == asked("1/2")
    assert asked("1/2") != asked("1/3")


def test_limits_are_as_they_were() -> None:
    def limits() -> list[float]:
        return [getattr(module, name) for modules, name, _ in LIMITS for module in modules]

    before = limits()
    with strained(Random(3)):
        assert limits() != before
    assert limits() == before


def one_off(made: Trial) -> Trial:
    """The same world, with a stored number of each projection one off."""
    snapshot = made.snapshot
    sources = dict(snapshot.sources)
    for one in made.stored:
        layout = sources[one.name].whole.layout
        columns = dict(layout.columns)
        for partial, column in columns.items():
            if column.values is not None and len(column.values) and partial.function == "count":
                values = np.array(column.values)
                values[0] += 1
                columns[partial] = replace(column, values=values)
        sources[one.name] = of_layout(sources[one.name], replace(layout, columns=columns))
    made.cube._snapshot = Snapshot(snapshot.catalog, sources, snapshot.dictionaries)
    return replace(made)


def test_a_number_that_is_one_off_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "trial", lambda random: one_off(trial(random)))
    found = run_worlds(seed=0, first=0, queries=1_000).differences
    assert any("the oracle differs" in difference for difference in found)
    assert any("part\n" in difference for difference in found)
    assert all(difference.startswith("--seed 0 --world ") for difference in found)


def test_an_oracle_of_other_facts_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def half(schema, frame, query, metrics):
        return oracle(schema, frame[: len(frame) // 2], query, metrics)

    monkeypatch.setattr(run, "oracle", half)
    assert len(run_worlds(seed=0, first=0, queries=500).differences) > 5


@pytest.mark.parametrize(
    ("found", "right"),
    [([], [{"a": 1}]), ([{"a": 1}], [{"a": 2}]), ([{"a": None}], [{"a": 0}]), ([{"a": 1.0}], [{"a": 1.0 + 1e-8}])],
)
def test_records_that_differ(found: list[dict[str, object]], right: list[dict[str, object]]) -> None:
    assert unlike(found, right)
    assert not unlike(right, right)


def test_digits_that_rounding_takes_are_the_same() -> None:
    assert not unlike([{"a": 1.0}], [{"a": 1.0 + 1e-12}], {"a": tolerance(mean("x"))})
    # A member is the same or another one.
    assert unlike([{"a": 1.0}], [{"a": 1.0 + 1e-12}])


@pytest.mark.parametrize(
    ("metric", "found", "near", "far"),
    [
        (mean("x"), 1.0, 1.0 + 1e-12, 1.0 + 1e-8),
        (total("x"), 10**12, 10**12, 10**12 + 1),
        (quantile("x", 0.9), 1.002, 1.0, 1.1),
        (quantile("x", 0.9, accuracy=0.001), 1.0005, 1.0, 1.002),
        (median("x"), timedelta(milliseconds=1002), timedelta(seconds=1), timedelta(milliseconds=1100)),
        (total("x"), timedelta(milliseconds=2), timedelta(milliseconds=2), timedelta(milliseconds=3)),
        (approximate_distinct("x", precision=14), 1000, 1040, 1060),
        (distinct("x", keep="set"), 1000, 1000, 1001),
    ],
)
def test_a_metric_may_be_as_far_off_as_it_says(metric: Metric, found: Any, near: Any, far: Any) -> None:
    allowed = {"a": tolerance(metric)}
    assert not unlike([{"a": found}], [{"a": near}], allowed)
    assert unlike([{"a": found}], [{"a": far}], allowed)
