"""wolap under an ASGI server: `uvicorn app:app` with `app = asgi_app(cube)`.

A thin adapter, and one of the few modules with a clock. Who asks is found out and reports are worked out in a thread,
so that the event loop goes on; when the client goes away, or the application is cancelled, as by a server that stops,
the work is cancelled at the next block. Of a large report each chunk is made, in a thread as well, once the one before
it is on its way; none is made for a client that has gone. An error between two chunks leaves the response without an
end, which the server makes visible by closing the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from threading import Event
from typing import Any
from urllib.parse import quote, unquote

from wolap.cube import Cube
from wolap.model.principal import EVERYONE, Principal
from wolap.web.body import Chunks
from wolap.web.compression import compressed
from wolap.web.endpoint import Endpoint, Request, Response

__all__ = ["asgi_app"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


def asgi_app(
    *cubes: Cube,
    principal: Callable[[Message], Principal] = lambda scope: EVERYONE,
    gzip: bool = True,
    stream: bool = True,
) -> Application:
    """An ASGI 3 application that serves cubes. `principal` says who a request comes from, given its scope; it is called
    in the thread that answers, for several requests at a time, and may wait.

    Bodies are compressed for clients that accept it, unless `gzip` is False, and large reports are sent while they are
    written, unless `stream` is.
    """
    endpoint = Endpoint(*cubes)

    def respond(scope: Message, cancel: Event) -> Response:
        request = _request(scope, principal(scope), cancel, stream)
        response = endpoint.respond(request, datetime.now(UTC))
        return compressed(request, response) if gzip else response

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            cancel = Event()
            work = asyncio.create_task(asyncio.to_thread(respond, scope, cancel))
            gone = asyncio.create_task(_disconnected(receive))
            try:
                await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    cancel.set()
                await _send(send, await work, gone)
            finally:
                cancel.set()
                gone.cancel()

    return application


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _request(scope: Message, principal: Principal, cancel: Event, stream: bool) -> Request:
    root = str(scope.get("root_path", "")).rstrip("/")
    # Servers may leave out the path as it was sent; the other one is decoded.
    raw = scope.get("raw_path") or quote(scope["path"], safe="/").encode()
    path = _below(raw.decode("utf-8", "surrogateescape"), root)
    query = scope.get("query_string", b"").decode("utf-8", "surrogateescape")
    target = f"{path}?{query}" if query else path
    # In HTTP/1.0 a body of no given length ends where the connection does, so that nobody sees one that is broken off.
    streams = stream and scope.get("http_version") != "1.0"
    root = quote(root, safe="/")
    return Request(scope["method"], target, _headers(scope), principal, root, cancel, streams=streams)


def _below(path: str, root: str) -> str:
    """A path, still encoded, without the steps of the decoded `root` that it begins with."""
    steps = path.split("/")
    depth = root.count("/") + 1
    return "/" + "/".join(steps[depth:]) if unquote("/".join(steps[:depth])) == root else path


def _headers(scope: Message) -> dict[str, str]:
    """Headers by name; several lines of one name are one list (RFC 9110, section 5.3)."""
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


async def _send(send: Send, response: Response, gone: asyncio.Task[None]) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if isinstance(response.body, bytes):
        await send({"type": "http.response.body", "body": response.body})
    else:
        await _send_chunks(send, response.body, gone)


async def _send_chunks(send: Send, chunks: Chunks, gone: asyncio.Task[None]) -> None:
    """One by one; a server's `send` waits while the client reads more slowly than chunks are made."""
    try:
        while not gone.done() and (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if not gone.done():
            await send({"type": "http.response.body", "body": b""})
    finally:
        # A server that is stopped may leave a thread at work on a chunk, which cannot be closed and ends by itself.
        with suppress(ValueError):
            chunks.close()


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        event = (await receive())["type"]
        await send({"type": f"{event}.complete"})
        if event == "lifespan.shutdown":
            return
