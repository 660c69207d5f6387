"""Every error of wolap, by whose fault it is.

    WolapError
    ├── SchemaError          the declaration, or data that does not fit it: found while building
    ├── QueryError           the asker: the text may be shown to them
    │   ├── NotAllowed           nothing at all of this cube is for the caller
    │   ├── UnknownResource      nothing has this address
    │   ├── UnsupportedFormat    the report cannot be written that way
    │   ├── NoAnswer             nothing that is stored can give it, and the facts may not be asked
    │   ├── TooExpensive         it would cost more than the caps allow
    │   └── MetricOverflow       the exact number does not fit 64 bits
    ├── StorageError         the disk: a file of a stored cube is damaged, or not what was looked for
    └── Cancelled            nobody's: the caller asked to stop

Anything else that is raised is a fault of ours. Nothing here knows of HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher

__all__ = [
    "SHOWN_INPUT",
    "Cancelled",
    "MetricOverflow",
    "NoAnswer",
    "NotAllowed",
    "Problem",
    "QueryError",
    "SchemaError",
    "StorageError",
    "TooExpensive",
    "UnknownResource",
    "UnsupportedFormat",
    "WolapError",
    "listing",
    "may_hold_credential",
    "nearest",
    "quote",
]

SHOWN_INPUT = 200
SHOWN_NAMES = 24
SHOWN_LISTING = 360
# Similarity takes the product of two lengths; what is longer than any name need not be read to its end.
_COMPARED = 60


def _however_escaped(text: str) -> str:
    """A pattern for a text of which each sign may be percent-encoded, once or more often (%61, %2561, …)."""
    return "".join(f"(?:{re.escape(sign)}|%(?:25)*(?:{ord(sign):02x}|{ord(sign.upper()):02x}))" for sign in text)


_SECRET = re.compile(_however_escaped("access_token"), re.IGNORECASE)
_GIVEN_SECRET = re.compile(
    f"{_however_escaped('access_token')}(?:{_however_escaped('!')})?{_however_escaped('=')}", re.I
)


class WolapError(Exception):
    """The root of all errors that wolap raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a declaration: where it stands, what was found there, what would be right."""

    place: str
    found: str
    possible: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.found}" + (f"; {self.possible}" if self.possible else "")


class SchemaError(WolapError):
    """A declaration that cannot be, or data that does not fit it. Holds all faults that were found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class QueryError(WolapError):
    """The question is wrong. The text is meant for the asker."""


class NotAllowed(QueryError):
    """Nothing of this cube is for the caller."""


class UnknownResource(QueryError):
    """No report has this address."""


class UnsupportedFormat(QueryError):
    """The report exists, but not in the form that was asked for; `by_header` where that was said in `Accept`."""

    def __init__(self, text: str, *, by_header: bool = False) -> None:
        self.by_header = by_header
        super().__init__(text)


class NoAnswer(QueryError):
    """Nothing that is stored can give this report, and the facts may not be asked."""


class TooExpensive(QueryError):
    """The report would cost more than the caps allow."""


class MetricOverflow(QueryError):
    """The exact value of a metric does not fit a 64-bit integer."""


class StorageError(WolapError):
    """A file of a stored cube cannot be used: it is damaged, of another version, or of another cube."""


class Cancelled(WolapError):
    """The caller's cancel signal was set while the work was under way."""


def quote(text: str, most: int = SHOWN_INPUT) -> str:
    """A piece of somebody's input, in quotes, on one line, at most so many characters of it and of their escapes.

    What follows `access_token`, in any case and however often it is escaped, may be a credential, and is never shown
    (W54).
    """
    end = most
    if secret := _SECRET.search(text, 0, most):
        end = secret.end()
    shown = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text[:end])
    return f"'{shown[:most]}…'" if len(text) > end or len(shown) > most else f"'{shown}'"


def may_hold_credential(text: str) -> bool:
    """Whether a text holds `access_token=` or `access_token!=`, in any case and however often it is escaped (W54)."""
    return ("_" in text or "%" in text) and _GIVEN_SECRET.search(text) is not None


def nearest(name: str, names: Iterable[str]) -> str:
    """The names that exist, as a phrase for an error text: the most similar first, others roughly by similarity."""
    wanted, every = name[:_COMPARED].casefold(), tuple(names)
    alike = [SequenceMatcher(None, wanted, candidate[:_COMPARED].casefold()).ratio() for candidate in every]
    closest = max(alike, default=0.0)
    # Of names that are about as similar, the order in which they were declared tells more than another tenth.
    ranked = sorted(zip(every, alike, strict=True), key=lambda entry: (-(entry[1] == closest), -round(entry[1] * 10)))
    return listing(candidate for candidate, _ in ranked)


def listing(names: Iterable[str], room: int = SHOWN_LISTING, between: str = ", ") -> str:
    """The first names, as many as a reader of an error text will look at, and how many more there are.

    They are 24 at most, with no more than `room` characters where they are more than one.
    """
    every = tuple(names)
    if not every:
        return "there are none"
    shown = 0
    for name in every[:SHOWN_NAMES]:
        room -= len(name)
        if shown and room < 0:
            break
        shown += 1
    rest = len(every) - shown
    return between.join(every[:shown]) + (f" and {rest} more" if rest else "")
