"""wolap under a WSGI server (PEP 3333): `app = wsgi_app(cube)`. A thin adapter, and one of the few modules with a
clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from wolap.cube import Cube
from wolap.model.principal import EVERYONE, Principal
from wolap.web.compression import compressed
from wolap.web.endpoint import Endpoint, Request

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

__all__ = ["wsgi_app"]


def wsgi_app(
    *cubes: Cube,
    principal: Callable[[dict[str, Any]], Principal] = lambda environ: EVERYONE,
    gzip: bool = True,
    stream: bool = True,
) -> WSGIApplication:
    """A WSGI application that serves cubes. `principal` says who a request comes from, given its environ.

    Bodies are compressed for clients that accept it, unless `gzip` is False, and large reports are sent while they are
    written, unless `stream` is. Say `stream=False` under a server that sends a body of no given length without chunks:
    nobody would see one that was broken off.
    """
    endpoint = Endpoint(*cubes)

    def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        request = _request(environ, principal(environ), stream)
        response = endpoint.respond(request, datetime.now(UTC))
        if gzip:
            response = compressed(request, response)
        status = f"{response.status} {HTTPStatus(response.status).phrase}"
        start_response(status, list(response.headers))
        if not isinstance(response.body, bytes):
            return response.body
        # An iterator has no length that a server could take for that of a body which HEAD has left out.
        return [response.body] if response.header("Content-Length") else iter((response.body,))

    return application


def _request(environ: dict[str, Any], principal: Principal, stream: bool) -> Request:
    # PATH_INFO comes decoded, as bytes in the guise of Latin-1; the endpoint reads targets as they are sent.
    path = quote(environ.get("PATH_INFO", "").encode("latin-1"), safe="/")
    query = environ.get("QUERY_STRING", "").encode("latin-1", "replace").decode("utf-8", "surrogateescape")
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    root = quote(environ.get("SCRIPT_NAME", "").encode("latin-1"), safe="/").rstrip("/")
    target = f"{path}?{query}" if query else path
    streams = stream and not _ends_with_its_connection(environ)
    return Request(environ["REQUEST_METHOD"], target, headers, principal, root, streams=streams)


def _ends_with_its_connection(environ: dict[str, Any]) -> bool:
    """Whether a body of no given length has no other end, so that nobody sees one that is broken off: in HTTP/1.0, in
    which wsgiref answers whoever asks, and werkzeug's own server does without threads."""
    software = environ.get("SERVER_SOFTWARE", "")
    return environ.get("SERVER_PROTOCOL") == "HTTP/1.0" or software.startswith(("WSGIServer/", "Werkzeug/"))
