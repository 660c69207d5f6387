"""What a long operation tells of itself, and what there is of it when it was cancelled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from wolap import Cancelled, Cube, Dimension, Schema, Time, Tree, count, distinct
from wolap.command.working import step_text
from wolap.cube import Progress
from wolap.engine import materialize

DAY = 86_400_000_000


def facts(rows: int, seed: int = 0, first: int = 0) -> pa.Table:
    random = np.random.default_rng(seed)
    return pa.table(
        {
            "at": pa.array(np.sort(random.integers(first * DAY, (first + 40) * DAY, rows)), pa.timestamp("us")),
            "shop": pa.array(random.integers(0, 30, rows)),
            "buyer": pa.array(random.integers(0, 50, rows)),
        }
    )


@pytest.fixture
def cube(monkeypatch: pytest.MonkeyPatch) -> Cube:
    # So that there are several stretches of few rows.
    monkeypatch.setattr(materialize, "_STRETCH", 500)
    schema = Schema(
        "sales",
        [Dimension("shop")],
        {"sales": count(), "buyers": distinct("buyer")},
        [Tree.parse("shop")],
        time=Time("at", levels=("year", "month", "day", "hour")),
    )
    made = Cube(schema, facts(10_000))
    made.declare("year/month/day/hour/shop", "year/month/day/shop", "shop")
    return made


def work_of(cube: Cube, folder: Path) -> dict[str, Callable[..., Any]]:
    """Everything that takes long."""
    return {
        "materialize": cube.materialize,
        "save": lambda **options: cube.save(folder / "another", **options),
        "append": lambda **options: cube.append(facts(500, 1, 20), **options),
        "replace": lambda **options: cube.replace(facts(0), "1970-01-05", "1970-01-07", **options),
        "delete": lambda **options: cube.delete({"shop": 3}, **options),
        "retain": lambda **options: cube.retain("1970-01-09", **options),
    }


OPERATIONS = ("materialize", "save", "append", "replace", "delete", "retain")


@pytest.mark.parametrize("is_stored", [False, True])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_tells_how_far_it_is(cube: Cube, tmp_path: Path, operation: str, is_stored: bool) -> None:
    if is_stored:
        cube.save(tmp_path / "cube")
    if operation != "materialize":
        cube.materialize()
    told: list[Progress] = []
    work_of(cube, tmp_path)[operation](progress=told.append)
    assert told[-1].done == told[-1].total == (3 if operation == "materialize" else 4)
    assert told[-1].share == 1
    assert [one.done for one in told] == sorted(one.done for one in told)
    assert [one.rows for one in told] == sorted(one.rows for one in told)
    assert [one.bytes for one in told] == sorted(one.bytes for one in told)
    assert all(0 <= one.share <= 1 for one in told)
    # While nothing is done yet something is told, and not that all is.
    first = [one for one in told if one.done == 0]
    assert first
    assert first[0].share < 1
    if operation in ("materialize", "save"):
        every = cube.projections[:-1] if operation == "materialize" else cube.projections
        assert told[-1].rows == sum(one.statistics.rows for one in every if one.statistics is not None)
    assert told[-1].bytes > 0
    assert step_text(told[-1], 5.0).endswith("about 0:00:00 left")


def test_a_share_is_told_within_a_projection(cube: Cube) -> None:
    told: list[Progress] = []
    cube.materialize("year/month/day/hour/shop", progress=told.append)
    shares = [one.share for one in told]
    assert len(shares) > 10
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.2
    half = next(one for one in told if one.share >= 0.5)
    assert half.done == 0
    assert half.rows < told[-1].rows


def test_the_rest_is_estimated_from_the_share() -> None:
    cube = Cube(Schema("one", [Dimension("a")], {"n": count()}, [Tree.parse("a")]), pa.table({"a": ["x"]}))
    facts_of = cube.projections[-1]
    quarter = Progress(facts_of, 1, 4, facts_of, 1_234, 3 << 20, 0.25)
    assert step_text(quarter, 60.0) == "1/4 · 1,234 rows, 3.00 MiB · facts · about 0:03:00 left"
    begun = Progress(facts_of, 0, 4, facts_of, 0, 0, 0.0)
    assert step_text(begun, 60.0).endswith("rest unknown")


@pytest.mark.parametrize("is_stored", [False, True])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_is_cancelled_leaves_what_was_published(
    cube: Cube, tmp_path: Path, operation: str, is_stored: bool
) -> None:
    if is_stored:
        cube.save(tmp_path / "cube")
    if operation != "materialize":
        cube.materialize()
    before, cancel = cube.snapshot, Event()
    with pytest.raises(Cancelled):
        work_of(cube, tmp_path)[operation](progress=lambda _: cancel.set(), cancel=cancel)
    assert cube.folder == (tmp_path / "cube" if is_stored else None)
    assert cube.snapshot is before
    if is_stored:
        assert Cube.open(tmp_path / "cube").snapshot.catalog.version == before.catalog.version
    # And can be done then.
    work_of(cube, tmp_path)[operation]()
