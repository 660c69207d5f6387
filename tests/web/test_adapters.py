"""The adapters under real servers: uvicorn and wsgiref, each in a thread, asked over a socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from json import loads
from threading import Event
from typing import Any
from urllib.parse import quote

import pytest
from servers import Ask, asker, uvicorn_server, wsgiref_server
from web_cubes import cube

from wolap import Principal
from wolap.asgi import asgi_app
from wolap.web.endpoint import Endpoint, Request, Response


@pytest.fixture(scope="module", params=[uvicorn_server, wsgiref_server])
def ask(request: pytest.FixtureRequest) -> Iterator[Ask]:
    with request.param("") as port:
        yield asker(port)


def test_json(ask: Ask) -> None:
    status, headers, body = ask("/sales/v1/country?metrics=sales")
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert headers["vary"] == "Accept"
    assert headers["content-length"] == str(len(body))
    assert headers["wolap-rows"] == "4/4"
    assert [record["sales"] for record in loads(body)["report"]] == ["5", "3", "1", "1"]


def test_csv_by_extension_and_by_header(ask: Ask) -> None:
    status, headers, body = ask("/sales/v1/country.csv?metrics=sales")
    assert (status, headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert headers["content-disposition"] == 'attachment; filename="sales__1000.csv"'
    assert body == b"country,sales\r\nDE,5\r\nFR,3\r\nJP,1\r\nN/A,1\r\n"
    assert ask("/sales/v1/country?metrics=sales", Accept="text/csv")[2] == body


@pytest.mark.parametrize(
    ("city", "sales"),
    [
        ("K%C3%B6ln", "2"),
        ("K%c3%b6ln", "2"),
        (quote("東京"), "1"),
        ("L%22Aquila,%0D%0A", "1"),
        ("(empty)", "0"),
        ("N/A", "1"),
        ("N%2FA", "1"),
    ],
)
def test_targets_of_any_letters(ask: Ask, city: str, sales: str) -> None:
    status, _, body = ask(f"/sales/v1?metrics=sales&city={city}")
    assert status == 200, body
    assert loads(body)["report"] == [{"sales": sales}]


@pytest.mark.parametrize("path", ["/sales/v1/c%6funtry", "/sales/v1/%63ountry.csv", "/sales/v1/country/"])
def test_escaped_paths(ask: Ask, path: str) -> None:
    assert ask(path)[0] == 200


@pytest.mark.parametrize(
    ("method", "target", "status", "said"),
    [
        ("GET", "/sales/v1/nothing", 404, b"'nothing'"),
        ("GET", "/sales/v1/n%C3%B6", 404, "'nö'".encode()),
        ("GET", "/sales/v1/100%25", 404, b"'100%'"),
        ("GET", "/sales/v1/%FF", 404, b"UTF-8"),
        ("GET", "/nothing", 404, b"/sales/v1"),
        ("GET", "/sales/v1?city=%FF", 400, b"UTF-8"),
        ("GET", "/sales/v1.xlsx", 406, b"csv"),
        ("POST", "/sales/v1/country", 405, b"GET, HEAD, OPTIONS"),
        ("DELETE", "/sales/v1/country", 405, b"GET, HEAD, OPTIONS"),
        ("GET", "/sales/v1?" + "a" * 20_000, 414, b"16,384"),
    ],
)
def test_refusals(ask: Ask, method: str, target: str, status: int, said: bytes) -> None:
    found, headers, body = ask(target, method)
    assert found == status, body
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert said in body
    assert headers.get("allow") == ("GET, HEAD, OPTIONS" if status == 405 else None)


def test_head_and_options(ask: Ask) -> None:
    _, get_headers, get_body = ask("/sales/v1/country")
    status, headers, body = ask("/sales/v1/country", "HEAD")
    assert (status, body) == (200, b"")
    assert headers["content-length"] == get_headers["content-length"] == str(len(get_body))
    status, headers, body = ask("/sales/v1/country", "OPTIONS")
    assert (status, headers["allow"], body) == (204, "GET, HEAD, OPTIONS", b"")


def test_the_principal_is_who_the_request_says(ask: Ask) -> None:
    assert ask("/sales/v1/kind")[0] == 404
    assert ask("/sales/v1/kind", X_Who="staff")[0] == 200
    links = loads(ask("/sales/v1?metrics=sales", X_Who="german")[2])
    assert links["report"] == [{"sales": "5"}]
    assert "country=DE" in links["_links"]["self"]["href"]


def test_many_at_a_time(ask: Ask) -> None:
    targets = ["/sales/v1/country", "/sales/v1/country/city.csv", "/sales/v1", "/sales/v1/nothing"] * 8
    expected = {target: ask(target)[::2] for target in set(targets)}
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda target: ask(target)[::2], targets))
    assert found == [expected[target] for target in targets]


def test_raw_utf8_in_a_target() -> None:
    """uvicorn refuses such a request itself; other servers hand it on."""
    with wsgiref_server("") as port, socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall("GET /sales/v1?metrics=sales&city=東京 HTTP/1.0\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert loads(answer.partition(b"\r\n\r\n")[2])["report"] == [{"sales": "1"}]


@pytest.mark.parametrize(
    ("server", "before"),
    # What uvicorn calls root_path has been cut off by a proxy; under WSGI the prefix is in the request.
    [(uvicorn_server, ""), (wsgiref_server, "/reports")],
)
def test_mounted_under_a_prefix(server: Callable[[str], Any], before: str) -> None:
    with server("/reports") as port:
        ask = asker(port)
        status, _, body = ask(f"{before}/sales/v1/country?metrics=sales")
        assert status == 200, body
        links = loads(body)["_links"]
        assert links["self"]["href"] == "/reports/sales/v1/country?limit=1000&metrics=sales"
        assert links["roll-up"]["href"] == "/reports/sales/v1"
        assert links["drill-down"]["href"] == "/reports/sales/v1/country/city"
        for link in links.values():
            assert ask(before + link["href"].removeprefix("/reports"))[0] == 200


# --- ASGI without a server --------------------------------------------------------------------------------------------


def scope(path: str = "/sales/v1/country", **more: Any) -> dict[str, Any]:
    basic = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "headers": []}
    return {**basic, "query_string": b"", "root_path": "", **more}


async def never() -> dict[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError


def run(application: Any, given: dict[str, Any], receive: Any = never) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(application(given, receive, send))
    return sent


def test_lifespan() -> None:
    events = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> dict[str, Any]:
        return {"type": next(events)}

    sent = run(asgi_app(cube()), {"type": "lifespan"}, receive)
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_messages_of_a_response() -> None:
    start, body = run(asgi_app(cube()), scope(query_string=b"metrics=sales&country=K%C3%B6ln"))
    assert (start["type"], start["status"]) == ("http.response.start", 200)
    assert all(isinstance(part, bytes) for header in start["headers"] for part in header)
    assert (b"Content-Type", b"application/json") in start["headers"]
    assert body["type"] == "http.response.body"
    assert loads(body["body"])["report"] == []


@pytest.mark.parametrize("missing", ["raw_path", "root_path", "query_string"])
def test_keys_that_a_server_may_leave_out(missing: str) -> None:
    given = {name: value for name, value in scope("/sales/v1/country").items() if name != missing}
    assert run(asgi_app(cube()), given)[0]["status"] == 200


@pytest.mark.parametrize("step", ["100%", "ö?", "a#b", "a+b", "a%20b"])
def test_a_path_without_its_raw_form_is_taken_as_decoded(step: str) -> None:
    start, body = run(asgi_app(cube()), scope(f"/sales/v1/{step}", raw_path=None))
    assert start["status"] == 404
    assert f"there is no report '{step}'" in body["body"].decode()


@pytest.mark.parametrize(
    ("path", "query", "status", "said"),
    [
        ("/sales/v1/country", "city=東京&metrics=sales".encode(), 200, b'"JP"'),
        ("/sales/v1/nö", b"", 404, "'nö'".encode()),
        ("/sales/v1/country%2Fcity", b"", 404, b"'country/city'"),
        ("/sales/v1", b"city=\xff", 400, b"UTF-8"),
        ("/sales/v1", b"city=%FF", 400, b"UTF-8"),
        ("*", b"", 404, b"/sales/v1"),
    ],
)
def test_targets_as_they_were_sent(path: str, query: bytes, status: int, said: bytes) -> None:
    start, body = run(asgi_app(cube()), scope(path, query_string=query))
    assert (start["status"], said in body["body"]) == (status, True), body


@pytest.mark.parametrize(
    ("root", "raw", "prefix"),
    [
        ("/reports", "/reports/sales/v1", "/reports"),
        ("/reports/", "/reports/sales/v1", "/reports"),
        ("/a/b", "/a/b/sales/v1", "/a/b"),
        ("/ö b", "/%C3%B6%20b/sales/v1", "/%C3%B6%20b"),
        ("/ö b", "/ö b/sales/v1", "/%C3%B6%20b"),
        # Part of a step is no prefix; a server that has cut it off already is not asked to keep it.
        ("/sal", "/sales/v1", "/sal"),
        ("/reports", "/sales/v1", "/reports"),
    ],
)
def test_roots_in_any_spelling(root: str, raw: str, prefix: str) -> None:
    start, body = run(asgi_app(cube()), scope(raw, root_path=root, query_string=b"metrics=sales"))
    assert start["status"] == 200, body
    assert loads(body["body"])["_links"]["self"]["href"] == f"{prefix}/sales/v1?limit=1000&metrics=sales"


def test_several_lines_of_one_header_are_one_list() -> None:
    headers = [(b"Accept", b"image/png"), (b"accept", b"text/csv;q=0.5"), (b"ACCEPT", b"text/plain")]
    start, _ = run(asgi_app(cube()), scope(headers=headers))
    assert dict(start["headers"])[b"Content-Type"] == b"text/csv; charset=utf-8"


def test_a_client_that_goes_away_cancels_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def respond(self: Endpoint, request: Request, now: object) -> Response:
        assert request.cancel is not None
        seen.append(request.cancel.wait(30))
        return Response(503, (), b"")

    monkeypatch.setattr(Endpoint, "respond", respond)
    messages = iter([{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}])

    async def receive() -> dict[str, Any]:
        return next(messages)

    run(asgi_app(cube()), scope(), receive)
    assert seen == [True]


def test_an_application_that_is_cancelled_cancels_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended, seen = Event(), Event(), []

    def respond(self: Endpoint, request: Request, now: object) -> Response:
        assert request.cancel is not None
        begun.set()
        seen.append(request.cancel.wait(5))
        ended.set()
        return Response(503, (), b"")

    monkeypatch.setattr(Endpoint, "respond", respond)

    async def some() -> None:
        async def send(message: dict[str, Any]) -> None:
            raise AssertionError

        task = asyncio.create_task(asgi_app(cube())(scope(), never, send))
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(some())
    assert ended.wait(30)
    assert seen == [True]


def test_the_event_loop_goes_on_while_it_is_found_out_who_asks() -> None:
    answered, waited = Event(), []

    def principal(given: Any) -> Principal:
        if given["path"] == "/slow":
            waited.append(answered.wait(5))
        return Principal()

    application = asgi_app(cube("country"), principal=principal)

    async def send(message: dict[str, Any]) -> None:
        return None

    async def other() -> None:
        await application(scope(), never, send)
        answered.set()

    async def both() -> None:
        await asyncio.gather(application(scope("/slow"), never, send), other())

    asyncio.run(both())
    assert waited == [True]


def test_a_client_that_has_gone_already_ends_all_the_same() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    start, end = run(asgi_app(cube()), scope("/sales/v1/country/city/kind"), receive)
    assert start["status"] in (200, 503)
    assert end["type"] == "http.response.body"
