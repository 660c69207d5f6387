"""Large reports while they are written: by real servers, and message by message."""

from __future__ import annotations

import asyncio
import gzip
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from http.client import HTTPConnection, IncompleteRead
from typing import Any

import pyarrow as pa
import pytest
from servers import asker, uvicorn_server, wsgiref_server
from web_cubes import NOW

from wolap import Cube, Dimension, Schema, Tree, count, total
from wolap.asgi import asgi_app
from wolap.representations import csv_text, document, hal_json
from wolap.representations.resource import Resource
from wolap.web import body
from wolap.web.endpoint import Endpoint, Request, Response
from wolap.wsgi import wsgi_app

FORMATS = ("json", "xml", "csv", "csv-safe")
ROWS = 60_000


@cache
def wide() -> Cube:
    """Reports of 240,000 values, and of some."""
    schema = Schema(
        "wide",
        [Dimension("kind"), Dimension("each")],
        {"rows": count(), "sum": total("n")},
        [Tree.parse("kind\n  each")],
        base="/w",
        maximum_limit=ROWS,
    )
    rows = range(ROWS)
    table = pa.table({"kind": [f"kind & {row % 7}" for row in rows], "each": rows, "n": rows})
    return Cube(schema, table)


def target(form: str = "csv") -> str:
    return f"/w/kind/each?limit={ROWS}&format={form}"


@cache
def whole(form: str) -> bytes:
    found = Endpoint(wide()).respond(Request("GET", target(form)), NOW)
    assert isinstance(found.body, bytes)
    assert found.header("Content-Length") == str(len(found.body))
    return found.body


def respond(given: str, method: str = "GET") -> Response:
    return Endpoint(wide()).respond(Request(method, given, streams=True), NOW)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes CSV fail once so many chunks are made."""

    def fail(after: int) -> None:
        real, calls = csv_text.records, iter(range(99))

        def records(*given: Any) -> bytes:
            if next(calls) >= after:
                raise MemoryError("no room for another chunk")
            return real(*given)

        monkeypatch.setattr(csv_text, "records", records)

    return fail


# --- The endpoint -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_chunks_for_those_who_can_send_them(form: str) -> None:
    found = respond(target(form))
    assert found.status == 200
    assert not isinstance(found.body, bytes)
    assert found.header("Content-Length") is None
    assert found.header("Wolap-Rows") == f"{ROWS}/{ROWS}"
    assert (found.header("Server-Timing") or "").endswith(';desc="first chunk"')
    chunks = list(found.body)
    assert len(chunks) > 1
    assert b"".join(chunks) == whole(form)
    assert respond(target(form)).read() == whole(form)


def test_small_reports_and_pages_are_whole() -> None:
    assert isinstance(respond("/w/kind?format=json").body, bytes)
    assert isinstance(respond(f"/w/kind/each.html?limit={ROWS}").body, bytes)
    rows = body.LARGE // 4
    assert not isinstance(respond(f"/w/kind/each.csv?limit={rows}").body, bytes)
    assert isinstance(respond(f"/w/kind/each.csv?limit={rows - 1}").body, bytes)


def test_head_has_no_body_and_makes_no_chunk(slow: list[str]) -> None:
    found = respond(target(), "HEAD")
    assert (found.status, found.body, found.header("Content-Length")) == (200, b"", None)
    assert slow == []


def test_the_first_chunk_is_let_go_like_the_others(slow: list[str]) -> None:
    chunks = respond(target()).body
    assert not isinstance(chunks, bytes)
    first, second, last = next(chunks), next(chunks), next(chunks)
    assert sys.getrefcount(first) == sys.getrefcount(second) == sys.getrefcount(last)


def test_what_fails_before_the_first_chunk_has_a_status(failing: Callable[[int], None]) -> None:
    failing(0)
    found = respond(target())
    assert (found.status, found.read()) == (500, b"an error of this server; its log has the details\n")


def test_what_fails_after_it_is_not_taken_for_an_end(failing: Callable[[int], None]) -> None:
    failing(1)
    found = respond(target())
    assert found.status == 200
    with pytest.raises(MemoryError):
        found.read()


def test_the_first_chunk_alone_is_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    real = hal_json._quoted
    monkeypatch.setattr(hal_json, "_quoted", lambda part: made.append(part.rows) or real(part))
    found = respond(target("json"))
    assert made == [document.FIRST // 4]
    assert not isinstance(found.body, bytes)
    found.body.close()
    assert list(found.body) == []
    assert len(made) == 1


# --- Real servers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_uvicorn_sends_chunks(form: str) -> None:
    with uvicorn_server(served=wide()) as port:
        ask = asker(port)
        status, headers, found = ask(target(form))
        assert (status, headers.get("transfer-encoding")) == (200, "chunked")
        assert "content-length" not in headers
        assert found == whole(form)
        status, headers, found = ask(target(form), Accept_Encoding="gzip")
        assert (headers["transfer-encoding"], headers["content-encoding"]) == ("chunked", "gzip")
        assert gzip.decompress(found) == whole(form)
        status, headers, found = ask(target(form), "HEAD")
        assert (status, found) == (200, b"")
        assert "content-length" not in headers


@pytest.mark.parametrize("server", [uvicorn_server, wsgiref_server])
def test_where_a_connection_is_the_end_of_a_body_it_is_whole(server: Any) -> None:
    with server(served=wide()) as port, socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall(f"GET {target()} HTTP/1.0\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    head, _, found = answer.partition(b"\r\n\r\n")
    assert f"content-length: {len(found)}".encode() in head.lower()
    assert found == whole("csv")


def test_wsgiref_answers_in_http_1_0_whoever_asks() -> None:
    with wsgiref_server(served=wide()) as port:
        _, headers, found = asker(port)(target())
        assert headers["content-length"] == str(len(found))
        assert found == whole("csv")
        _, headers, found = asker(port)(target(), Accept_Encoding="gzip")
        assert headers["content-length"] == str(len(found))
        assert gzip.decompress(found) == whole("csv")


@pytest.mark.parametrize("server", [uvicorn_server, wsgiref_server])
def test_turned_off(server: Any) -> None:
    with server(served=wide(), stream=False) as port:
        _, headers, found = asker(port)(target("json"))
    assert headers["content-length"] == str(len(whole("json")))
    assert found == whole("json")


@pytest.mark.parametrize("accepted", ["identity", "gzip"])
def test_uvicorn_breaks_off_visibly(accepted: str, failing: Callable[[int], None]) -> None:
    failing(1)
    with uvicorn_server(served=wide()) as port:
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", target(), headers={"Accept-Encoding": accepted})
        response = connection.getresponse()
        assert response.status == 200
        with pytest.raises(IncompleteRead):
            response.read()
        connection.close()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A thousand chunks of a megabyte, which are written down when they are made and when they are closed."""
    seen: list[str] = []

    def stream(resource: Resource) -> Iterator[bytes]:
        try:
            for _ in range(1_000):
                seen.append("made")
                yield bytes(1 << 20)
        finally:
            seen.append("closed")

    monkeypatch.setitem(body.STREAMS, "csv", stream)
    return seen


def until(condition: Callable[[], bool]) -> None:
    """Waits for what another thread brings about."""
    for _ in range(3_000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to that within 30 s")


@pytest.mark.parametrize("accepted", ["identity", "gzip"])
def test_uvicorn_makes_no_more_chunks_than_a_client_reads_or_once_it_has_gone(slow: list[str], accepted: str) -> None:
    with uvicorn_server(served=wide()) as port:
        connection = socket.create_connection(("127.0.0.1", port), 30)
        asked = f"GET {target()} HTTP/1.1\r\nHost: w\r\nAccept-Encoding: {accepted}\r\n\r\n"
        connection.sendall(asked.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        connection.close()
        until(lambda: "closed" in slow)
    assert slow.count("made") < 1_000
    assert slow[-1] == "closed"


# --- ASGI, message by message -----------------------------------------------------------------------------------------


def scope(given: str, **more: Any) -> dict[str, Any]:
    path, _, query = given.partition("?")
    basic = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "headers": []}
    return {**basic, "query_string": query.encode(), "root_path": "", "http_version": "1.1", **more}


async def never() -> dict[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError


def test_messages() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(asgi_app(wide())(scope(target("json")), never, send))
    start, *chunks = sent
    assert b"Content-Length" not in dict(start["headers"])
    assert [message.get("more_body", False) for message in chunks] == [True] * (len(chunks) - 1) + [False]
    assert len(chunks) > 2
    assert b"".join(message["body"] for message in chunks) == whole("json")


def test_the_next_chunk_waits_until_the_last_is_on_its_way(slow: list[str]) -> None:
    """And an application that is stopped from outside, as by a server that shuts down, leaves nothing open."""

    async def some() -> None:
        stuck = asyncio.Event()
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)
            if len(sent) == 4:
                stuck.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(asgi_app(wide())(scope(target()), never, send))
        await stuck.wait()
        for _ in range(20):
            await asyncio.sleep(0.01)
            assert slow == ["made"] * 3
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(some())
    assert slow == ["made"] * 3 + ["closed"]


def test_stopping_while_a_chunk_is_made_leaves_it_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def stream(resource: Resource) -> Iterator[bytes]:
        try:
            yield b"first"
            begun.set()
            assert go_on.wait(30)
            yield b"second"
        finally:
            ended.set()

    monkeypatch.setitem(body.STREAMS, "csv", stream)

    async def some() -> None:
        async def send(message: dict[str, Any]) -> None:
            return None

        task = asyncio.create_task(asgi_app(wide())(scope(target()), never, send))
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()

    asyncio.run(some())
    assert ended.wait(30)


def test_a_client_that_goes_away_ends_the_chunks(slow: list[str]) -> None:
    sent: list[dict[str, Any]] = []

    async def some() -> None:
        gone = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)
            if len(sent) == 4:
                gone.set()

        await asgi_app(wide(), gzip=False)(scope(target()), receive, send)

    asyncio.run(some())
    # A chunk may have been under way.
    assert slow.count("made") <= 5
    assert slow[-1] == "closed"
    assert all(message.get("more_body", True) for message in sent)


def test_the_event_loop_goes_on_while_a_chunk_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    application = asgi_app(wide())

    def stream(resource: Resource) -> Iterator[bytes]:
        yield b"first"
        assert answered.wait(30)
        yield b"second"

    monkeypatch.setitem(body.STREAMS, "csv", stream)
    sent: list[bytes] = []

    async def some() -> None:
        async def send(message: dict[str, Any]) -> None:
            sent.append(message.get("body", b""))
            if message.get("body") == b"first":
                tasks.append(asyncio.create_task(other()))

        async def other() -> None:
            async def note(message: dict[str, Any]) -> None:
                if message["type"] == "http.response.body":
                    answered.set()

            await application(scope("/w/kind.json"), never, note)

        tasks: list[asyncio.Task[None]] = []
        await application(scope(target()), never, send)
        await asyncio.gather(*tasks)

    asyncio.run(some())
    assert sent == [b"", b"first", b"second", b""]


def test_an_error_of_the_server_closes_the_chunks(slow: list[str]) -> None:
    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        asyncio.run(asgi_app(wide())(scope(target()), never, send))
    assert slow == ["made", "closed"]


# --- WSGI without a server --------------------------------------------------------------------------------------------


def environ(**more: str) -> dict[str, Any]:
    path, _, query = target().partition("?")
    basic = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query, "SERVER_PROTOCOL": "HTTP/1.1"}
    return {**basic, **more}


@pytest.mark.parametrize("accepted", ["", "gzip"])
def test_wsgi_hands_on_what_can_be_closed(slow: list[str], accepted: str) -> None:
    started: list[str] = []
    found = wsgi_app(wide())(
        environ(HTTP_ACCEPT_ENCODING=accepted),
        lambda status, headers, *rest: started.append(status),  # type: ignore[arg-type, return-value]
    )
    assert started == ["200 OK"]
    assert slow == ["made"]
    assert next(iter(found))
    found.close()  # type: ignore[attr-defined]
    assert slow == ["made", "closed"]


@pytest.mark.parametrize("form", FORMATS)
def test_wsgi_chunks(form: str) -> None:
    found = wsgi_app(wide())(environ(QUERY_STRING=f"limit={ROWS}&format={form}"), lambda *given: None)  # type: ignore[arg-type, return-value]
    chunks = list(found)
    assert len(chunks) > 1
    assert b"".join(chunks) == whole(form)


@pytest.mark.parametrize(
    ("protocol", "software", "streams"),
    [
        ("HTTP/1.1", "gunicorn/23.0.0", True),
        ("HTTP/1.0", "gunicorn/23.0.0", False),
        # What is said to the application is how the client asked, not how it is answered.
        ("HTTP/1.1", "WSGIServer/0.2", False),
        ("HTTP/1.1", "Werkzeug/3.1.3", False),
    ],
)
def test_wsgi_servers_that_end_a_body_with_the_connection_get_it_whole(
    protocol: str, software: str, streams: bool
) -> None:
    given = environ(SERVER_PROTOCOL=protocol, SERVER_SOFTWARE=software)
    found = wsgi_app(wide())(given, lambda *given: None)  # type: ignore[arg-type, return-value]
    assert (len(list(found)) > 1) is streams
