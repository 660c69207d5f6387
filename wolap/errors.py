"""Every error of wolap, by whose fault it is.

    WolapError
    ├── SchemaError          the declaration, or data that does not fit it: found while building
    ├── QueryError           the asker: the text may be shown to them
    │   ├── UnknownResource      nothing has this address
    │   ├── UnsupportedFormat    the report cannot be written that way
    │   ├── NoAnswer             nothing that is stored can give it, and the facts may not be asked
    │   ├── TooExpensive         it would cost more than the caps allow
    │   └── MetricOverflow       the exact number does not fit 64 bits
    └── Cancelled            nobody's: the caller asked to stop

Anything else that is raised is a fault of ours. Nothing here knows of HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher

__all__ = [
    "Cancelled",
    "MetricOverflow",
    "NoAnswer",
    "Problem",
    "QueryError",
    "SchemaError",
    "TooExpensive",
    "UnknownResource",
    "UnsupportedFormat",
    "WolapError",
    "nearest",
    "quote",
]

SHOWN_INPUT = 200
_SECRET = re.compile("access_token", re.IGNORECASE)
SHOWN_NAMES = 24


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


class UnknownResource(QueryError):
    """No report has this address."""


class UnsupportedFormat(QueryError):
    """The report exists, but not in the form that was asked for."""


class NoAnswer(QueryError):
    """Nothing that is stored can give this report, and the facts may not be asked."""


class TooExpensive(QueryError):
    """The report would cost more than the caps allow."""


class MetricOverflow(QueryError):
    """The exact value of a metric does not fit a 64-bit integer."""


class Cancelled(WolapError):
    """The caller's cancel signal was set while the work was under way."""


def quote(text: str) -> str:
    """A piece of somebody's input, in quotes, on one line, at most 200 characters of it.

    What follows `access_token` may be a credential, and is never shown (W54).
    """
    secret = _SECRET.search(text)
    end = min(SHOWN_INPUT, secret.end() if secret else SHOWN_INPUT)
    shown = text if len(text) <= end else text[:end] + "…"
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in f"'{shown}'")


def nearest(name: str, names: Iterable[str]) -> str:
    """The names that exist, the most similar first, as a phrase for an error text."""
    wanted = name[:SHOWN_INPUT].casefold()
    ranked = sorted(
        enumerate(names),
        key=lambda entry: (-round(SequenceMatcher(None, wanted, entry[1].casefold()).ratio() * 10), entry[0]),
    )
    if not ranked:
        return "there are none"
    shown = ", ".join(entry for _, entry in ranked[:SHOWN_NAMES])
    rest = len(ranked) - SHOWN_NAMES
    return shown + (f" and {rest} more" if rest > 0 else "")
