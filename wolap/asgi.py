"""wolap under an ASGI server: `uvicorn app:app` with `app = asgi_app(cube)`.

A thin adapter, and one of the few modules with a clock. Reports are worked out in a thread, so that the event loop
goes on; when the client goes away, the work is cancelled at the next block.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from threading import Event
from typing import Any
from urllib.parse import quote, unquote

from wolap.cube import Cube
from wolap.model.principal import EVERYONE, Principal
from wolap.web.endpoint import Endpoint, Request, Response

__all__ = ["asgi_app"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


def asgi_app(*cubes: Cube, principal: Callable[[Message], Principal] = lambda scope: EVERYONE) -> Application:
    """An ASGI 3 application that serves cubes. `principal` says who a request comes from, given its scope."""
    endpoint = Endpoint(*cubes)

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            request = _request(scope, principal(scope))
            await _send(send, await _respond(endpoint, request, receive))

    return application


async def _respond(endpoint: Endpoint, request: Request, receive: Receive) -> Response:
    work = asyncio.create_task(asyncio.to_thread(endpoint.respond, request, datetime.now(UTC)))
    gone = asyncio.create_task(_disconnected(receive))
    await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
    if gone.done() and request.cancel is not None:
        request.cancel.set()
    gone.cancel()
    return await work


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _request(scope: Message, principal: Principal) -> Request:
    root = str(scope.get("root_path", "")).rstrip("/")
    # Servers may leave out the path as it was sent; the other one is decoded.
    raw = scope.get("raw_path") or quote(scope["path"], safe="/").encode()
    path = _below(raw.decode("utf-8", "surrogateescape"), root)
    query = scope.get("query_string", b"").decode("utf-8", "surrogateescape")
    target = f"{path}?{query}" if query else path
    return Request(scope["method"], target, _headers(scope), principal, quote(root, safe="/"), Event())


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


async def _send(send: Send, response: Response) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        event = (await receive())["type"]
        await send({"type": f"{event}.complete"})
        if event == "lifespan.shutdown":
            return
