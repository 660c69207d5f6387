"""What is written does not tell in which order members came: bodies are the same to the last byte."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import partial

import pyarrow as pa
import pytest
from report_cubes import NASTY

from wolap import Cube, Dimension, Schema, Time, Tree, count, total, versions
from wolap.engine.load import load_facts
from wolap.representations import records
from wolap.web.endpoint import Endpoint, Request

NOW = datetime(2026, 8, 22, 12, tzinfo=UTC)
SCHEMA = Schema(
    "c",
    [Dimension("name"), Dimension("size")],
    {"rows": count(), "sum": total("n")},
    [Tree.from_paths([("name", "size"), ("year", "month", "day", "name")])],
    Time("at", ("year", "month", "day")),
    extensions=["sort"],
)
FORMATS = ["json", "xml", "csv", "csv-safe", "html"]


def facts() -> pa.Table:
    """Every member with every size, on some days."""
    names = [name for name in NASTY for _ in range(4)]
    sizes = [8, None, -1, 300] * len(NASTY)
    at = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=place % 5) for place in range(len(names))]
    return pa.table({"name": names, "size": sizes, "at": at, "n": pa.array([7, 7, 1] * len(names))[: len(names)]})


@pytest.fixture(scope="module")
def endpoints() -> tuple[Endpoint, Endpoint]:
    """The same facts, loaded at once; and after some of them, in the codes of those."""
    whole = facts()
    _, known, _ = load_facts(SCHEMA, whole.take(pa.array([60, 63, 41, 3])))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(versions, "load_facts", partial(load_facts, known=known))
        later = Cube(SCHEMA, whole)
    assert all(one.ranks is not None for one in later.snapshot.dictionaries.members.values())
    return Endpoint(Cube(SCHEMA, whole)), Endpoint(later)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "target",
    ["name", "name/size", "year/month/day/name", "name?sort=-sum&limit=5", "name?sort=-name", "name/size?sort=size"],
)
@pytest.mark.parametrize("large", [False, True])
def test_bodies_are_the_same(
    endpoints: tuple[Endpoint, Endpoint], target: str, form: str, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if large:
        monkeypatch.setattr(records, "LARGE", 0)
    join = "&" if "?" in target else "?"
    asked = Request("GET", f"/c/{target}{join}format={form}&start=2026&end=2027")
    fresh, later = (endpoint.respond(asked, NOW) for endpoint in endpoints)
    assert fresh.status == later.status == 200
    assert _timeless(later.read()) == _timeless(fresh.read())


def _timeless(body: bytes) -> bytes:
    """A body without how long it took."""
    return re.sub(rb"[\d.,]+ ms\b", b"", body)
