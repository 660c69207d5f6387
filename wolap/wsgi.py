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
from wolap.web.endpoint import Endpoint, Request

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

__all__ = ["wsgi_app"]


def wsgi_app(
    *cubes: Cube, principal: Callable[[dict[str, Any]], Principal] = lambda environ: EVERYONE
) -> WSGIApplication:
    """A WSGI application that serves cubes. `principal` says who a request comes from, given its environ."""
    endpoint = Endpoint(*cubes)

    def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        response = endpoint.respond(_request(environ, principal(environ)), datetime.now(UTC))
        status = f"{response.status} {HTTPStatus(response.status).phrase}"
        start_response(status, list(response.headers))
        return [response.body]

    return application


def _request(environ: dict[str, Any], principal: Principal) -> Request:
    # PATH_INFO comes decoded, as bytes in the guise of Latin-1; the endpoint reads targets as they are sent.
    path = quote(environ.get("PATH_INFO", "").encode("latin-1"), safe="/")
    query = environ.get("QUERY_STRING", "").encode("latin-1", "replace").decode("utf-8", "surrogateescape")
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    root = quote(environ.get("SCRIPT_NAME", "").encode("latin-1"), safe="/").rstrip("/")
    target = f"{path}?{query}" if query else path
    return Request(environ["REQUEST_METHOD"], target, headers, principal, root)
