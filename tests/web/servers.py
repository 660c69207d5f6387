"""Real servers for the tests of the adapters: uvicorn and wsgiref, each in a thread, asked over a socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.validate import validator

import uvicorn
from web_cubes import STAFF_MEMBER, cube

from wolap import Cube, Filter, Principal
from wolap.asgi import asgi_app
from wolap.wsgi import wsgi_app

Answer = tuple[int, dict[str, str], bytes]
Ask = Callable[..., Answer]
GERMANY = Filter("country", frozenset({"DE"}))


def who(headers: dict[str, str]) -> Principal:
    """The principal of a request, by a header of its own."""
    name = headers.get("x-who")
    return STAFF_MEMBER if name == "staff" else Principal(filters=(GERMANY,) if name == "german" else ())


@contextmanager
def uvicorn_server(root: str = "", served: Cube | None = None, **options: Any) -> Iterator[int]:
    """The port of an ASGI server."""

    def principal(scope: Any) -> Principal:
        return who({name.decode(): value.decode() for name, value in scope["headers"]})

    application = asgi_app(served or cube("country"), principal=principal, **options)
    server = uvicorn.Server(uvicorn.Config(application, root_path=root, log_level="critical", ws="none"))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


class QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name is that of the base class
        """Nothing, so that no test's output has it."""


class ThreadingServer(ThreadingMixIn, WSGIServer):
    pass


@contextmanager
def wsgiref_server(root: str = "", served: Cube | None = None, **options: Any) -> Iterator[int]:
    """The port of a WSGI server, which looks at whether the application keeps to PEP 3333."""
    application = wsgi_app(
        served or cube("country"), principal=lambda environ: who({"x-who": environ.get("HTTP_X_WHO", "")}), **options
    )
    checked = validator(application)

    def mounted(environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if root and path.startswith(f"{root}/"):
            environ |= {"SCRIPT_NAME": root, "PATH_INFO": path.removeprefix(root)}
        return checked(environ, start_response)

    with make_server("127.0.0.1", 0, mounted, ThreadingServer, QuietHandler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def asker(port: int) -> Ask:
    """What sends requests there: headers are named with `_` for `-`."""

    def ask(target: str, method: str = "GET", **headers: str) -> Answer:
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request(method, target, headers={name.replace("_", "-"): text for name, text in headers.items()})
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        finally:
            connection.close()

    return ask
