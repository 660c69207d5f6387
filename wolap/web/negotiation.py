"""Which representation of a report: extension, then `format`, then `Accept`, then JSON (W40, W41).

`Accept` is read by RFC 9110, section 12.5.1: the most specific range that fits a media type gives its weight, a
weight of 0 forbids it, the greatest weight wins, and of equals the first in the order of `FORMATS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from wolap.errors import UnsupportedFormat, nearest, quote
from wolap.representations import csv_text, hal_json
from wolap.representations.resource import Resource

__all__ = ["FORMATS", "Choice", "negotiate"]

# The formats that are served, in order of preference: media types and serializer.
FORMATS: dict[str, tuple[tuple[str, ...], Callable[[Resource], bytes]]] = {
    "json": (hal_json.MEDIA_TYPES, hal_json.serialize),
    "csv": (csv_text.MEDIA_TYPES, csv_text.serialize),
}

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_RANGE = re.compile(rf"\s*({_TOKEN})/({_TOKEN})\s*(;.*)?")
# Java's own client leaves out the 0 before the point.
_WEIGHT = re.compile(r";\s*[qQ]\s*=\s*(0?\.\d{1,3}|0\.?|1(?:\.0{0,3})?)\s*(?:;|$)")
_HAS_WEIGHT = re.compile(r";\s*[qQ]\s*=")
_MOST_RANGES = 200


@dataclass(frozen=True, slots=True)
class Choice:
    """A format and the media type that it is served as; `by_header` where the choice hung on `Accept`."""

    format: str
    media_type: str
    by_header: bool = False


def negotiate(extension: str | None, parameter: str | None, accept: str | None) -> Choice:
    """The representation that was asked for. Raises UnsupportedFormat, listing what is served."""
    for said, where in ((extension, "extension"), (parameter, "format")):
        if said is not None:
            if said not in FORMATS:
                raise UnsupportedFormat(f"{where} {quote(said)} is not served; formats are {nearest(said, FORMATS)}")
            return Choice(said, FORMATS[said][0][0])
    if accept is None or not accept.strip():
        return Choice("json", FORMATS["json"][0][0], by_header=True)
    weights = {
        (name, media_type): _weight(media_type, accept)
        for name, (media_types, _) in FORMATS.items()
        for media_type in media_types
    }
    best = max(weights, key=weights.__getitem__)
    if weights[best] <= 0:
        served = ", ".join(media_type for _, media_type in weights)
        raise UnsupportedFormat(f"Accept {quote(accept)} fits nothing that is served; media types are {served}")
    return Choice(*best, by_header=True)


def _weight(media_type: str, accept: str) -> float:
    """The weight that a header gives a media type: that of the most specific range, 0 where none fits."""
    kind, _, subtype = media_type.partition("/")
    best = (-1, 0.0)
    for part in accept.split(",", _MOST_RANGES)[:_MOST_RANGES]:
        match = _RANGE.fullmatch(part)
        if match is None:
            continue
        wanted, wanted_subtype, parameters = match[1].lower(), match[2].lower(), match[3] or ""
        if (wanted, wanted_subtype) == (kind, subtype):
            specificity = 2
        elif (wanted, wanted_subtype) == (kind, "*"):
            specificity = 1
        elif (wanted, wanted_subtype) == ("*", "*"):
            specificity = 0
        else:
            continue
        weight = _WEIGHT.search(parameters)
        if weight is None and _HAS_WEIGHT.search(parameters):
            continue
        best = max(best, (specificity, float(weight[1]) if weight else 1.0))
    return best[1]
