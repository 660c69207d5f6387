"""One request in, one response out: the whole of HTTP as a function of its arguments.

    target -> location -> format -> query -> plan -> result -> resource -> bytes

in a straight line with one place where errors become statuses. A fault of ours is 500 without detail; all of it goes
to the log.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event

from wolap.cube import Cube, Snapshot
from wolap.errors import Cancelled, QueryError, UnknownResource, UnsupportedFormat, nearest, quote
from wolap.language.reader import Location, Target, locate, read_format, read_query, split_target
from wolap.model.principal import EVERYONE, Principal
from wolap.model.tree import Path, path_text
from wolap.planner.choose import is_answerable
from wolap.planner.plan import Plan
from wolap.representations.resource import describe, file_name
from wolap.web.negotiation import FORMATS, negotiate

__all__ = ["ALLOWED", "STATUSES", "Endpoint", "Request", "Response"]

ALLOWED = ("GET", "HEAD", "OPTIONS")
LONGEST_TARGET = 16 * 1024

# The first class that fits decides.
STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (UnknownResource, 404),
    (UnsupportedFormat, 406),
    (QueryError, 400),
    (Cancelled, 503),
)

# What goes with a status whatever its cause.
_HEADERS_OF = {406: (("Vary", "Accept"),), 503: (("Retry-After", "1"),)}

_log = logging.getLogger("wolap")


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sends. Header names are lower-case; `target` is the path with its query string, as it was sent.

    `root` is the prefix that a server has mounted the cubes under: it is not part of the target, and is put before
    links.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    principal: Principal = EVERYONE
    root: str = ""
    cancel: Event | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What a client gets."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first header of this name, in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Endpoint:
    """Serves cubes, each at its base path and aliases. Raises ValueError where two have the same."""

    def __init__(self, *cubes: Cube) -> None:
        bases = [base for cube in cubes for base in (cube.schema.base, *cube.schema.aliases)]
        twice = {base for base in bases if bases.count(base) > 1}
        if twice:
            raise ValueError(f"two cubes are served at {', '.join(sorted(twice))}; give each a base of its own")
        self.cubes = cubes

    def respond(self, request: Request, now: datetime) -> Response:
        """Answers a request as of `now`, which must have a time zone. Never raises."""
        try:
            if request.method == "OPTIONS":
                return Response(204, (("Allow", ", ".join(ALLOWED)),), b"")
            if request.method not in ALLOWED:
                text = f"{quote(request.method)} is not allowed; methods are {', '.join(ALLOWED)}"
                return _refusal(405, text, ("Allow", ", ".join(ALLOWED)))
            if _length(request.target) > LONGEST_TARGET:
                return _refusal(414, f"the target is longer than {LONGEST_TARGET:,} characters, written with escapes")
            response = self._report(request, now)
        except Exception as error:  # noqa: BLE001 - the one place where an error becomes a status
            response = _failure(error)
        return response if request.method != "HEAD" else Response(response.status, response.headers, b"")

    def explain(self, target: str, now: datetime, principal: Principal = EVERYONE) -> Plan:
        """The plan of a target with every candidate. Raises QueryError for a target that would be refused."""
        split = split_target(target)
        cube, location = self._locate(split)
        query = read_query(split, location, cube.schema, principal, now)
        negotiate(location.extension, read_format(split), None)
        snapshot = cube.snapshot
        return snapshot.plan(query, principal, among=_offered(snapshot, location.path, principal), explain=True)

    def _report(self, request: Request, now: datetime) -> Response:
        target = split_target(request.target)
        cube, location = self._locate(target)
        snapshot, principal = cube.snapshot, request.principal
        schema = snapshot.catalog.schema
        query = read_query(target, location, schema, principal, now)
        choice = negotiate(location.extension, read_format(target), request.headers.get("accept"))
        among = _offered(snapshot, location.path, principal)
        if not is_answerable(location.path, snapshot.catalog, among):
            raise UnknownResource(
                f"{quote(path_text(location.path)) if location.path else 'the root'} is a path of the tree, but no "
                "projection is declared that could answer it, and the facts are not asked"
            )
        plan = snapshot.plan(query, principal, among=among)
        result = snapshot.run(plan, request.cancel)
        parent, children = _links(snapshot, location.path, principal, now)
        resource = describe(result, schema, parent=parent, children=children, root=request.root)
        if len(resource.href) > LONGEST_TARGET:
            text = "the target, with all that it leaves unsaid, is longer than"
            return _refusal(414, f"{text} {LONGEST_TARGET:,} characters, and could not be asked again")
        body = FORMATS[choice.format][1](resource)
        headers = [("Content-Type", _content_type(choice.media_type)), ("Content-Length", str(len(body)))]
        if choice.by_header:
            headers.append(("Vary", "Accept"))
        if choice.format == "csv":
            headers.append(("Content-Disposition", f'attachment; filename="{file_name(resource, schema)}.csv"'))
        headers.append(("Wolap-Rows", f"{len(result)}/{result.total}"))
        headers.append(("Wolap-Projection", ", ".join(piece.projection for piece in plan.pieces)))
        return Response(200, tuple(headers), body)

    def _locate(self, target: Target) -> tuple[Cube, Location]:
        located = [(cube, location) for cube in self.cubes if (location := locate(target, cube.schema)) is not None]
        if located:
            # The longest base wins: what is left of the path is shortest.
            return min(located, key=lambda found: len(found[1].path))
        asked = "/" + path_text(target.segments)
        bases = [cube.schema.base for cube in self.cubes]
        served = f"cubes are at {nearest(asked, bases)}" if bases else "no cube is served at all"
        raise UnknownResource(f"nothing is served at {quote(asked)}; {served}")


def _offered(snapshot: Snapshot, path: Path, principal: Principal) -> tuple[str, ...]:
    """The metrics that the caller's trees offer at a path (W3)."""
    schema = snapshot.catalog.schema
    forest = schema.forest(principal.audience)
    return forest.metrics(path, schema.metrics) if path in forest else tuple(schema.metrics)


def _links(snapshot: Snapshot, path: Path, principal: Principal, now: datetime) -> tuple[Path | None, tuple[Path, ...]]:
    """The paths above and below that answer 200 to this caller (W48)."""
    forest = snapshot.catalog.schema.forest(principal.audience)
    children = tuple(child for child in forest.children(path) if _can_follow(snapshot, child, principal, now))
    parent = path[:-1] if path and _can_follow(snapshot, path[:-1], principal, now) else None
    return parent, children


def _can_follow(snapshot: Snapshot, path: Path, principal: Principal, now: datetime) -> bool:
    catalog = snapshot.catalog
    caps = catalog.caps.stricter(principal.caps)
    among = _offered(snapshot, path, principal)
    if not catalog.strict and (caps.groups, caps.facts, caps.memory) == (None, None, None):
        return bool(among)  # The facts can answer anything, and nothing bounds them.
    if not is_answerable(path, catalog, among):
        return False
    query = read_query(Target((), ()), Location(path, None), catalog.schema, principal, now)
    try:
        snapshot.plan(query, principal, among=among)
    except QueryError:
        return False
    return True


def _length(target: str) -> int:
    """The characters of a target as a client sends it: three for each byte of what is not ASCII."""
    plain = len(target.encode("ascii", "ignore"))
    return plain + 3 * (len(target.encode("utf-8", "surrogatepass")) - plain)


def _content_type(media_type: str) -> str:
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


def _refusal(status: int, text: str, *headers: tuple[str, str]) -> Response:
    body = (text + "\n").encode("utf-8", "replace")
    plain = (("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body))))
    return Response(status, (*plain, *headers), body)


def _failure(error: Exception) -> Response:
    for kind, status in STATUSES:
        if isinstance(error, kind):
            return _refusal(status, str(error), *_HEADERS_OF.get(status, ()))
    _log.error("a request failed by a fault of ours", exc_info=error)
    return _refusal(500, "an error of this server; its log has the details")
