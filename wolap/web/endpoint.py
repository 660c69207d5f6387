"""One request in, one response out: the whole of HTTP as a function of its arguments.

    target -> location -> format -> query -> plan -> result -> resource -> bytes

in a straight line with one place where errors become statuses. A fault of ours is 500 without detail; all of it goes
to the log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from json import dumps
from threading import Event
from time import perf_counter

from wolap.cube import Cube
from wolap.errors import (
    Cancelled,
    NoAnswer,
    NotAllowed,
    QueryError,
    UnknownResource,
    UnsupportedFormat,
    nearest,
    quote,
)
from wolap.language.reader import Location, Target, locate, read_format, read_query, split_target
from wolap.model.principal import EVERYONE, Principal
from wolap.model.query import Filter, settle_filter
from wolap.model.schema import Schema
from wolap.model.tree import path_text
from wolap.planner.explanation import explanation
from wolap.planner.plan import Plan
from wolap.representations.index_page import INDEX_FORMATS, Entry
from wolap.representations.page_style import POLICY
from wolap.representations.resource import Answer, Surroundings, describe, file_name, links_of, next_page
from wolap.representations.titles import title_of_cube
from wolap.web.body import Body, body_of
from wolap.web.following import Following
from wolap.web.negotiation import Choice, negotiate
from wolap.web.offers import Offers
from wolap.web.validators import answered_by, is_known, validators_of

__all__ = ["ALLOWED", "EXPLANATIONS", "STATUSES", "Endpoint", "Request", "Response"]

ALLOWED = ("GET", "HEAD", "OPTIONS")
LONGEST_TARGET = 16 * 1024

# The first class that fits decides.
STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (NotAllowed, 403),
    (UnknownResource, 404),
    (UnsupportedFormat, 406),
    (QueryError, 400),
    (Cancelled, 503),
)

# Instead of a report its plan, to callers with that right: what it is asked for by, and how it is written.
EXPLANATIONS: dict[str, Callable[[Plan], str]] = {
    "application/vnd.wolap.plan+json": lambda plan: dumps(explanation(plan), ensure_ascii=False),
    "text/vnd.wolap.plan": lambda plan: f"{plan}\n",
}

# What goes with a status whatever its cause.
_HEADERS_OF = {503: (("Retry-After", "1"),)}

_log = logging.getLogger("wolap")


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sends. Header names are lower-case; `target` is the path with its query string, as it was sent.

    `root` is the prefix that a server has mounted the cubes under: it is not part of the target, and is put before
    links. `streams` says that a large body may come in chunks: that whoever sends it can break it off visibly.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    principal: Principal = EVERYONE
    root: str = ""
    cancel: Event | None = None
    streams: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """What a client gets."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: Body

    def read(self) -> bytes:
        """All of the body, whose chunks are made where it has some."""
        return self.body if isinstance(self.body, bytes) else b"".join(self.body)

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
        self._following = Following(cubes)

    def respond(self, request: Request, now: datetime) -> Response:
        """Answers a request as of `now`, which must have a time zone. Never raises."""
        try:
            self._following.look(now)
            if request.method == "OPTIONS":
                return Response(204, (("Allow", ", ".join(ALLOWED)),), b"")
            if request.method not in ALLOWED:
                text = f"{quote(request.method)} is not allowed; methods are {', '.join(ALLOWED)}"
                return _refusal(405, text, ("Allow", ", ".join(ALLOWED)))
            if _length(request.target) > LONGEST_TARGET:
                text = f"the target is longer than {LONGEST_TARGET:,} characters, written with escapes"
                response = _refusal(414, text)
            else:
                response = self._answer(request, now)
        except Exception as error:  # noqa: BLE001 - the one place where an error becomes a status
            response = _failure(error)
        return response if request.method != "HEAD" else Response(response.status, response.headers, b"")

    def explain(self, target: str, now: datetime, principal: Principal = EVERYONE) -> Plan:
        """The plan of a target with every candidate. Raises QueryError for a target that would be refused, as it would
        be, but for a path without an answer with every reason."""
        split = split_target(target)
        cube, location = self._locate(split, principal)
        query = read_query(split, location, cube.schema, principal, now)
        negotiate(location.extension, read_format(split), None)
        snapshot = cube.snapshot
        offers = Offers(snapshot, principal, now)
        try:
            return snapshot.plan(query, principal, among=offers.metrics(location.path), explain=True)
        except NoAnswer as error:
            if offers.is_answerable(location.path):
                raise
            raise UnknownResource(str(error)) from None

    def _answer(self, request: Request, now: datetime) -> Response:
        target = split_target(request.target)
        if target.segments:
            return self._report(request, target, now)
        choice = negotiate(None, read_format(target), request.headers.get("accept"), INDEX_FORMATS)
        body = INDEX_FORMATS[choice.format][1](self._entries(request), f"{request.root}/")
        return Response(200, tuple(_headers(choice, body)), body)

    def _served(self, principal: Principal) -> list[Schema]:
        """The cubes that have a tree for the caller."""
        schemas = [cube.schema for cube in self.cubes]
        return [schema for schema in schemas if schema.forest(principal.audience).trees]

    def _entries(self, request: Request) -> list[Entry]:
        audience = request.principal.audience
        return [
            Entry(
                request.root + schema.base,
                schema.name,
                title_of_cube(schema),
                schema.description,
                tuple(child[-1] for child in schema.forest(audience).children(())),
            )
            for schema in self._served(request.principal)
        ]

    def _report(self, request: Request, target: Target, now: datetime) -> Response:
        cube, location = self._locate(target, request.principal)
        snapshot, principal = cube.snapshot, request.principal
        schema = snapshot.catalog.schema
        accept = request.headers.get("accept")
        wanted = (accept or "").partition(";")[0].strip().lower()
        is_said = location.extension is not None or read_format(target) is not None
        if wanted in EXPLANATIONS and principal.may_explain and not is_said:
            return _explained(self.explain(request.target, now, principal), wanted)
        query = read_query(target, location, schema, principal, now)
        choice = negotiate(location.extension, read_format(target), accept)
        offers = Offers(snapshot, principal, now)
        if not offers.is_answerable(location.path):
            raise UnknownResource(
                f"{quote(path_text(location.path)) if location.path else 'the root'} is a path of the tree, but no "
                "projection is declared that could answer it, and the facts are not asked"
            )
        began = perf_counter()
        plan = snapshot.plan(query, principal, among=offers.metrics(location.path))
        surroundings = _surroundings(offers, request, frozenset(target.reserved), query.filters)
        links = links_of(plan, schema, surroundings)
        if len(links.href) > LONGEST_TARGET:
            text = "the target, with all that it leaves unsaid, is longer than"
            return _refusal(414, f"{text} {LONGEST_TARGET:,} characters, and could not be asked again")
        validators = validators_of(snapshot, plan, links, choice, surroundings.implied, now)
        # Of an interval that is not said in full the end is the clock's.
        in_full = {"start", "end"} <= target.reserved.keys() or not schema.levels.intersection(query.group)
        if (tag := is_known(request.headers, validators, by_date=in_full)) is not None:
            return Response(304, (*validators._replace(tag=tag).headers, *_varying(choice)), b"")
        planned = perf_counter()
        result = snapshot.run(plan, request.cancel)
        aggregated = perf_counter()
        pieces = tuple([piece.projection for piece in plan.pieces])
        answer = Answer(pieces, planned - began, aggregated - planned) if principal.may_explain else None
        resource = describe(result, schema, replace(surroundings, answer=answer), links)
        body = body_of(resource, choice.format, streams=request.streams, is_read=request.method != "HEAD")
        headers = [*_headers(choice, body), *validators.headers]
        if choice.media_type == "text/csv":
            headers.append(("Content-Disposition", f'attachment; filename="{file_name(resource)}.csv"'))
        if following := next_page(resource, None if choice.by_header else choice.format):
            headers.append(("Link", f'<{following}>; rel="next"'))
        headers.append(("Wolap-Rows", f"{len(result)}/{result.total}"))
        if answer is not None:
            headers.append(("Wolap-Projection", answered_by(plan)))
            headers.append(("Server-Timing", _timing(answer, perf_counter() - aggregated, body)))
        return Response(200, tuple(headers), body)

    def _locate(self, target: Target, principal: Principal) -> tuple[Cube, Location]:
        located = [(cube, location) for cube in self.cubes if (location := locate(target, cube.schema)) is not None]
        if located:
            # The longest base wins: what is left of the path is shortest.
            return min(located, key=lambda found: len(found[1].path))
        asked = "/" + path_text(target.segments)
        bases = [schema.base for schema in self._served(principal)]
        served = f"cubes are at {nearest(asked, bases)}" if bases else "no cube is served at all"
        raise UnknownResource(f"nothing is served at {quote(asked)}; {served}")


def _surroundings(offers: Offers, request: Request, said: frozenset[str], filters: tuple[Filter, ...]) -> Surroundings:
    """Where a report stands for its caller. Members are only suggested to those who may see all of them."""
    principal, catalog = request.principal, offers.snapshot.catalog
    schema = catalog.schema
    sees_all = not principal.filters
    return Surroundings(
        forest=schema.forest(principal.audience),
        can_follow=offers.can_follow,
        root=request.root,
        said=said,
        filters=filters,
        implied=() if sees_all else tuple(settle_filter(implied, schema) for implied in principal.filters),
        members=offers.snapshot.dictionaries.members if sees_all else {},
        span=catalog.span if sees_all else None,
        answers=None if offers.answers_all else offers.answers,
    )


def _length(target: str) -> int:
    """The characters of a target as a client sends it: three for each byte of what is not ASCII."""
    if target.isascii():
        return len(target)
    plain = len(target.encode("ascii", "ignore"))
    return plain + 3 * (len(target.encode("utf-8", "surrogatepass")) - plain)


def _headers(choice: Choice, body: Body) -> list[tuple[str, str]]:
    headers = [("Content-Type", _content_type(choice.media_type))]
    if isinstance(body, bytes):
        headers.append(("Content-Length", str(len(body))))
    headers.append(("X-Content-Type-Options", "nosniff"))
    headers += _varying(choice)
    if choice.format == "html":
        headers += [("Content-Security-Policy", POLICY), ("Referrer-Policy", "no-referrer")]
    return headers


def _varying(choice: Choice) -> tuple[tuple[str, str], ...]:
    return (("Vary", "Accept"),) if choice.by_header else ()


def _explained(plan: Plan, media_type: str) -> Response:
    body = EXPLANATIONS[media_type](plan).encode()
    return Response(200, tuple(_headers(Choice("plan", media_type, by_header=True), body)), body)


def _timing(answer: Answer, serialize: float, body: Body) -> str:
    """Server-Timing (W3C): milliseconds of each stage, of a body in chunks those of the first."""
    plan, aggregate, last = answer.plan * 1e3, answer.aggregate * 1e3, serialize * 1e3
    timing = f"plan;dur={plan:.3f}, aggregate;dur={aggregate:.3f}, serialize;dur={last:.3f}"
    return timing if isinstance(body, bytes) else f'{timing};desc="first chunk"'


def _content_type(media_type: str) -> str:
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


def _refusal(status: int, text: str, *headers: tuple[str, str]) -> Response:
    body = (text + "\n").encode("utf-8", "replace")
    plain = (
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("X-Content-Type-Options", "nosniff"),
    )
    return Response(status, (*plain, *headers), body)


def _failure(error: Exception) -> Response:
    for kind, status in STATUSES:
        if isinstance(error, kind):
            hung_on = (("Vary", "Accept"),) if isinstance(error, UnsupportedFormat) and error.by_header else ()
            return _refusal(status, str(error), *hung_on, *_HEADERS_OF.get(status, ()))
    _log.error("a request failed by a fault of ours", exc_info=error)
    return _refusal(500, "an error of this server; its log has the details")
