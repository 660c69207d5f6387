"""Which representation of a report: extension, then `format`, then `Accept`, then JSON (W40, W41).

`Accept` is read by RFC 9110, section 12.5.1: the most specific range that fits a media type gives its weight, a
weight of 0 forbids it, and the greatest weight wins. Of equals the one that is named more closely does, so that
`text/html, */*` means a page, and then the first in the order of the formats.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from wolap.errors import UnsupportedFormat, nearest, quote
from wolap.representations import csv_safe, csv_text, hal_json, hal_xml, html_page
from wolap.representations.resource import Resource

__all__ = ["FORMATS", "WEIGHT", "Choice", "negotiate"]

# The formats that are served, in order of preference: media types and serializer.
FORMATS: dict[str, tuple[tuple[str, ...], Callable[[Resource], bytes]]] = {
    "json": (hal_json.MEDIA_TYPES, hal_json.serialize),
    "csv": (csv_text.MEDIA_TYPES, csv_text.serialize),
    "xml": (hal_xml.MEDIA_TYPES, hal_xml.serialize),
    "html": (html_page.MEDIA_TYPES, html_page.serialize),
    "csv-safe": (csv_safe.MEDIA_TYPES, csv_safe.serialize),
}

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_RANGE = re.compile(rf"\s*({_TOKEN})/({_TOKEN})\s*(;.*)?")
# A weight behind what it is of. Java's own client leaves out the 0 before the point.
WEIGHT = r";\s*[qQ]\s*=\s*(0?\.\d{1,3}|0\.?|1(?:\.0{0,3})?)\s*"
_WEIGHT = re.compile(rf"{WEIGHT}(?:;|$)")
_HAS_WEIGHT = re.compile(r";\s*[qQ]\s*=")
# What stands between commas; a comma in a quoted text (RFC 9110, section 5.6.4) is none.
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_PARTS = re.compile(rf'(?:[^",]|{_QUOTED.pattern}|")+')
_MOST_RANGES = 200


@dataclass(frozen=True, slots=True)
class Choice:
    """A format and the media type that it is served as; `by_header` where the choice hung on `Accept`."""

    format: str
    media_type: str
    by_header: bool = False


def negotiate(
    extension: str | None,
    parameter: str | None,
    accept: str | None,
    formats: Mapping[str, tuple[tuple[str, ...], object]] = FORMATS,
) -> Choice:
    """The representation that was asked for. Raises UnsupportedFormat, listing what is served."""
    for said, where in ((extension, "extension"), (parameter, "format")):
        if said is not None:
            if said not in formats:
                raise UnsupportedFormat(f"{where} {quote(said)} is not served; formats are {nearest(said, formats)}")
            return Choice(said, formats[said][0][0])
    if accept is None or not accept.strip():
        return Choice("json", formats["json"][0][0], by_header=True)
    ranges = _read_ranges(accept)
    weights = {
        (name, media_type): _weight(media_type, ranges)
        for name, (media_types, _) in formats.items()
        for media_type in media_types
    }
    best = max(weights, key=weights.__getitem__)
    if weights[best][0] <= 0:
        served = ", ".join(media_type for _, media_type in weights)
        text = f"Accept {quote(accept)} fits nothing that is served; media types are {served}"
        raise UnsupportedFormat(text, by_header=True)
    return Choice(*best, by_header=True)


@lru_cache(maxsize=512)
def _read_ranges(accept: str) -> tuple[tuple[str, str, float], ...]:
    """Type, subtype and weight of each range; what is none is left out."""
    found = []
    for part in islice(_PARTS.findall(accept), _MOST_RANGES):
        match = _RANGE.fullmatch(part)
        if match is None:
            continue
        parameters = _QUOTED.sub('""', match[3] or "")
        weight = _WEIGHT.search(parameters)
        if weight is not None or not _HAS_WEIGHT.search(parameters):
            found.append((match[1].lower(), match[2].lower(), float(weight[1]) if weight else 1.0))
    return tuple(found)


def _weight(media_type: str, ranges: Iterable[tuple[str, str, float]]) -> tuple[float, int]:
    """The weight of a media type, that of the most specific range, and how specific that is; (0, -1) for none."""
    kind, _, subtype = media_type.partition("/")
    best = (-1, 0.0)
    for wanted, wanted_subtype, weight in ranges:
        if (wanted, wanted_subtype) == (kind, subtype):
            best = max(best, (2, weight))
        elif (wanted, wanted_subtype) == (kind, "*"):
            best = max(best, (1, weight))
        elif (wanted, wanted_subtype) == ("*", "*"):
            best = max(best, (0, weight))
    return best[1], best[0]
