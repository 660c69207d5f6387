"""A server over a folder takes up what others publish there, seldom, and never waits for it."""

from __future__ import annotations

import logging
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import pyarrow as pa
import pytest

from wolap import Cube, Dimension, Schema, Tree, total
from wolap.web.endpoint import Endpoint, Request
from wolap.web.following import Following

NOW = datetime(2024, 7, 20, tzinfo=UTC)


@pytest.fixture
def writer(tmp_path: Path) -> Cube:
    schema = Schema("sales", [Dimension("shop")], {"spent": total("spent")}, [Tree.parse("shop")])
    cube = Cube(schema, pa.table({"shop": ["a"], "spent": [1]}))
    cube.save(tmp_path / "cube")
    return cube


def body(endpoint: Endpoint, now: datetime) -> bytes:
    response = endpoint.respond(Request("GET", "/sales.csv"), now)
    assert response.status == 200
    return response.read()


def test_looked_at_once_a_second(writer: Cube) -> None:
    assert writer.folder is not None
    endpoint = Endpoint(Cube.open(writer.folder))
    assert body(endpoint, NOW) == b"spent\r\n1\r\n"
    writer.append(pa.table({"shop": ["b"], "spent": [10]}))
    assert body(endpoint, NOW + timedelta(seconds=0.9)) == b"spent\r\n1\r\n"
    assert body(endpoint, NOW + timedelta(seconds=1)) == b"spent\r\n11\r\n"
    writer.append(pa.table({"shop": ["b"], "spent": [100]}))
    # A clock that was put back is no reason to wait.
    assert body(endpoint, NOW - timedelta(hours=1)) == b"spent\r\n111\r\n"


def test_a_folder_that_went_is_served_as_it_was(writer: Cube, caplog: pytest.LogCaptureFixture) -> None:
    assert writer.folder is not None
    endpoint = Endpoint(Cube.open(writer.folder))
    assert body(endpoint, NOW) == b"spent\r\n1\r\n"
    shutil.rmtree(writer.folder)
    with caplog.at_level(logging.WARNING, "wolap"):
        assert body(endpoint, NOW + timedelta(seconds=2)) == b"spent\r\n1\r\n"
    assert "sales is served as it was: " in caplog.text


def test_nobody_waits_for_who_changes_the_cube(writer: Cube) -> None:
    """A process that serves may refresh as well, in another thread."""
    inside, done, told = Event(), Event(), []

    def slow(_: object) -> None:
        inside.set()
        assert done.wait(60)

    thread = Thread(target=lambda: writer.append(pa.table({"shop": ["b"], "spent": [10]}), progress=slow))
    thread.start()
    assert inside.wait(60)
    try:
        Following([writer]).look(NOW)
        told.append(writer.catch_up())
    finally:
        done.set()
        thread.join()
    assert told == [False]
    assert body(Endpoint(writer), NOW) == b"spent\r\n11\r\n"
