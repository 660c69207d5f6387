"""Whether a client has a report already (W50): ETag, Last-Modified, and the requests that name them.

Both are known once a report is planned, so that nothing is computed for a client that has it. The strong `ETag` follows
from all that the bytes hang on: the segments that the pieces are read from, each of which never changes and has a name
that no other has; the declaration; the self link, which says everything that was used, with the caller's filters; the
links that are offered; the format. A page for people also shows how long its report took, so its ETag is weak.

`Last-Modified` is the newest refresh time of the pieces, and absent where a part comes from the facts, or where the
time of a piece is not known. HTTP has whole seconds: the time is that of the next one, and is not told before it has
come, so that nothing which changes later in the same second is taken for what it was.

Requests are read by RFC 9110, section 13: `If-None-Match` compares weakly, and where it is there `If-Modified-Since`
does not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import sha256
from itertools import islice
from typing import NamedTuple

from wolap.cube_file_text import cube_text
from wolap.model.filter import Filter
from wolap.model.interval import instant_of
from wolap.model.projection import FACTS
from wolap.model.zone import SECOND
from wolap.planner.plan import Plan
from wolap.representations.resource import Links
from wolap.snapshot import Snapshot
from wolap.web.negotiation import Choice

__all__ = ["Validators", "answered_by", "coded", "is_known", "validators_of"]

_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_TAGS = re.compile(rf"(?:[ \t,]|{_TAG.pattern})*")
_CODED = "-gzip"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Tags of one request that are looked at.
_MOST_TAGS = 100
# To be another where the bytes of a format become others, or where the page does.
_WRITTEN_BY = "1"


class Validators(NamedTuple):
    """What tells a report from what it was before: its tag, and since when it is what it is, where that is known."""

    tag: str
    modified: datetime | None

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """As they are sent."""
        dated = () if self.modified is None else (("Last-Modified", format_datetime(self.modified, usegmt=True)),)
        return (("ETag", self.tag), *dated)


def validators_of(
    snapshot: Snapshot, plan: Plan, links: Links, choice: Choice, implied: Iterable[Filter], now: datetime
) -> Validators:
    """Those of a report in a format, as it was planned by a version of a cube for a caller with implied filters."""
    parts = [_WRITTEN_BY, _declared(snapshot), choice.format, choice.media_type, *map(str, implied)]
    parts += [*_linked(links), *_read(snapshot, plan)]
    # Quotes of Python keep one apart from the next.
    digest = sha256(repr(parts).encode("utf-8", "surrogatepass"))
    tag = f'"{digest.hexdigest()[:32]}"'
    return Validators(f"W/{tag}" if choice.format == "html" else tag, _modified(snapshot, plan, now))


def _declared(snapshot: Snapshot) -> str:
    """The declaration of a cube, which names, labels and numbers are written by."""
    known = snapshot.catalog.known
    if "declared" not in known:
        schema = snapshot.catalog.schema
        kinds = [dimension.kind for dimension in schema.dimensions]
        known["declared"] = sha256(f"{cube_text(schema)}{kinds}".encode("utf-8", "surrogatepass")).hexdigest()
    declared: str = known["declared"]
    return declared


def _linked(links: Links) -> Iterator[str]:
    yield links.href
    yield "" if links.roll_up is None else links.roll_up.href
    yield from (link.href for link in links.drill_down)


def _read(snapshot: Snapshot, plan: Plan) -> Iterator[str]:
    """What the pieces of a plan are read from."""
    for piece in plan.pieces:
        interval = piece.interval
        yield f"{piece.projection} {interval.start} {interval.end}"
        for segment in snapshot.sources[piece.projection].segments:
            own = segment.stretch
            if own.start < interval.end and interval.start < own.end:
                yield f"{segment.held.name} {own.start} {own.end}"


def _modified(snapshot: Snapshot, plan: Plan, now: datetime) -> datetime | None:
    times = [piece.refreshed for piece in plan.pieces if piece.projection != FACTS]
    known = [one for one in times if one is not None]
    if len(known) < len(plan.pieces):
        return None
    zone = snapshot.catalog.schema.zone
    newest = max(instant_of(one, zone) for one in known)
    seconds = -(-newest // SECOND)
    return _EPOCH + timedelta(seconds=seconds) if seconds * SECOND <= instant_of(now, zone) else None


def is_known(headers: Mapping[str, str], found: Validators, *, by_date: bool) -> str | None:
    """The tag of a report that the client of a request has, and that is as it was; None where it has not. `by_date`
    allows that only its date is named."""
    named = headers.get("if-none-match")
    if named is not None:
        if named.strip() == "*":
            return found.tag
        own = _TAG.fullmatch(found.tag)
        assert own is not None
        same = {own[1]: found.tag, coded(own[1]): coded(found.tag)}
        tags = [match[1] for match in islice(_TAG.finditer(named), _MOST_TAGS)] if _TAGS.fullmatch(named) else []
        return next((same[tag] for tag in tags if tag in same), None)
    since = _date(headers.get("if-modified-since"))
    if by_date and since is not None and found.modified is not None and found.modified <= since:
        return found.tag
    return None


def coded(tag: str) -> str:
    """The tag of the same report when it is compressed (W51)."""
    return f'{tag[:-1]}{_CODED}"'


def _date(text: str | None) -> datetime | None:
    """A date of HTTP; None where it is none."""
    if text is None:
        return None
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def answered_by(plan: Plan) -> str:
    """The pieces of a plan in the order of time, each with when it was refreshed where that is known; of several that
    differ the oldest is marked."""
    times = [piece.refreshed for piece in plan.pieces]
    known = [one for one in times if one is not None]
    oldest = plan.refreshed if len(set(known)) > 1 else None
    shown = []
    for piece in plan.pieces:
        at = piece.refreshed
        mark = "; oldest" if oldest is not None and at == oldest else ""
        shown.append(piece.projection if at is None else f"{piece.projection}; refreshed={_text(at)}{mark}")
    return ", ".join(shown)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at.utcoffset() is not None else at.isoformat()
