"""Facts that come in pieces are the facts that come at once: the same codes, the same rows, in segments."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from threading import Event

import numpy as np
import pyarrow as pa
import pytest

from wolap import (
    Cancelled,
    Cube,
    Dimension,
    Query,
    Schema,
    SchemaError,
    StorageError,
    Time,
    Tree,
    count,
    distinct,
    median,
    total,
)
from wolap.engine import moments
from wolap.model.interval import EVERYTHING

SCHEMA = Schema(
    "sales",
    dimensions=[
        Dimension("city", parent="country"),
        Dimension("country"),
        Dimension("tag", multivalued=True),
    ],
    metrics={
        "rows": count(),
        "sold": total("sold"),
        "cities": distinct("city"),
        "clients": distinct("client", determines=["country"]),
        "usual": median("sold"),
    },
    time=Time("at", ("year", "month", "day", "hour"), "Europe/Berlin"),
    trees=[Tree.parse("year\n  month\n    day\n      city")],
)


def facts(rows: int, seed: int, names: str) -> pa.Table:
    random = np.random.default_rng(seed)
    city = random.integers(0, len(names), rows)
    offsets = np.arange(rows + 1)
    return pa.table(
        {
            "at": pa.array(random.integers(0, 40 * 86_400, rows), pa.timestamp("s", "UTC")),
            "city": pa.array([names[one] for one in city], pa.string()),
            "country": pa.array([None if names[one] < "C" else names[one].upper() for one in city], pa.string()),
            "tag": pa.ListArray.from_arrays(
                pa.array(offsets, pa.int32()),
                pa.array([names[one] for one in random.integers(0, len(names), rows)], pa.string()),
            ),
            "sold": random.integers(-5, 1 << 20, rows),
            "client": pa.array(
                [f"{names[one]}{number}" for one, number in zip(city, random.integers(0, 9, rows), strict=True)],
                pa.string(),
            ),
        }
    )


# Members that belong before those that came first.
PIECES = [facts(300, 1, "xyz"), facts(0, 2, "a"), facts(500, 3, "azmA"), facts(200, 4, "Bk")]
QUERIES = [
    Query("year/month/day/city"),
    Query("country/city"),
    Query("tag/country"),
    Query("", where={"city": ["a", "x"]}),
    Query("month/tag", start="1970-01-10", end="1970-01-20T05"),
]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Days are partitions, and a file has a few of them."""
    monkeypatch.setattr(moments, "_PARTITION_ROWS", 8)
    monkeypatch.setattr("wolap.home._MOST", 200)


@pytest.mark.parametrize("cluster", [(), ("country", "city")])
def test_pieces_are_the_whole(cluster: tuple[str, ...], tmp_path: Path) -> None:
    cube = Cube.create(tmp_path / "cube", SCHEMA, PIECES, cluster=cluster)
    whole = Cube(SCHEMA, pa.concat_tables(PIECES), cluster=cluster)
    segments = cube.snapshot.sources["facts"].segments
    assert len(segments) > 4
    assert max(one.rows for one in segments) <= 200
    assert (segments[0].stretch.start, segments[-1].stretch.end) == (EVERYTHING.start, EVERYTHING.end)
    assert all(one.stretch.end == other.stretch.start for one, other in pairwise(segments))
    for own, other in ((cube, whole), (Cube.open(tmp_path / "cube"), whole)):
        for name, members in own.snapshot.dictionaries.members.items():
            assert members.ranks is None
            assert members.values.equals(other.snapshot.dictionaries.members[name].values)
            assert (own.snapshot.dictionaries.counts[name] == other.snapshot.dictionaries.counts[name]).all()
        assert own.snapshot.catalog.shares == other.snapshot.catalog.shares
        assert own.snapshot.catalog.span == other.snapshot.catalog.span
        for query in QUERIES:
            asked = query.asking(tuple(SCHEMA.metrics))
            assert own.answer(asked).to_pylist() == other.answer(asked).to_pylist()
            assert own.verify(asked)


def test_what_pieces_determine_holds_for_later_facts(tmp_path: Path) -> None:
    cube = Cube.create(tmp_path / "cube", SCHEMA, PIECES)
    row = PIECES[0].slice(0, 1)
    wrong = row.set_column(row.column_names.index("country"), "country", pa.array(["elsewhere"]))
    with pytest.raises(SchemaError, match=r"lie under more than one country"):
        cube.append(wrong)
    cube.append(row)
    whole = Cube(SCHEMA, pa.concat_tables([*PIECES, row]))
    for query in QUERIES:
        asked = query.asking(tuple(SCHEMA.metrics))
        assert cube.answer(asked).to_pylist() == whole.answer(asked).to_pylist()


def test_pieces_that_do_not_fit_leave_nothing(tmp_path: Path) -> None:
    strange = PIECES[2].set_column(4, "sold", pa.array(["x"] * 500))
    with pytest.raises(SchemaError, match="sold"):
        Cube.create(tmp_path / "cube", SCHEMA, [PIECES[0], strange])
    with pytest.raises(StorageError, match="holds no cube"):
        Cube.open(tmp_path / "cube")
    assert not list((tmp_path / "cube").rglob("*.arrow"))
    Cube.create(tmp_path / "cube", SCHEMA, PIECES)
    with pytest.raises(StorageError, match="holds a cube already"):
        Cube.create(tmp_path / "cube", SCHEMA, PIECES)


def test_ingesting_can_be_cancelled(tmp_path: Path) -> None:
    cancel = Event()

    def pieces():  # type: ignore[no-untyped-def]
        yield PIECES[0]
        cancel.set()
        yield PIECES[2]

    with pytest.raises(Cancelled):
        Cube.create(tmp_path / "cube", SCHEMA, pieces(), cancel=cancel)
    assert not list((tmp_path / "cube").rglob("*.arrow"))


def test_what_cannot_lead_is_refused_before_facts_are_read(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="'nope' is no dimension"):
        Cube.create(tmp_path / "cube", SCHEMA, PIECES, cluster=("nope",))
    with pytest.raises(SchemaError, match="no table at all"):
        Cube.create(tmp_path / "cube", SCHEMA, [])
