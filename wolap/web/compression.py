"""gzip for those who accept it (W51): a response as it was, or the same with its body compressed.

`Accept-Encoding` is read by RFC 9110, section 12.5.3: a coding that is named has its weight, one that is not that of
`*`, a weight of 0 forbids it. gzip is sent where its weight is above 0 and not below that of `identity`, no coding at
all, which is acceptable, but wanted least, where nobody speaks of it. Who sends no such header gets the body as it is,
and so does who forbids both.

Bodies under a kibibyte stay as they are, whatever is accepted; all others say that they hang on the header. A body in
chunks is compressed chunk by chunk, each of which can be read as soon as it is there. Level 1 everywhere: a higher one
takes more time than most networks save. The same body gives the same bytes, since no time is written before them. isal
(the extra `gzip`) compresses several times as fast as zlib.
"""

from __future__ import annotations

import re
from contextlib import closing
from functools import lru_cache
from itertools import islice

from wolap.web.body import Chunks
from wolap.web.endpoint import Request, Response
from wolap.web.negotiation import WEIGHT
from wolap.web.validators import coded

try:
    from isal import isal_zlib as codec
except ImportError:
    import zlib as codec  # type: ignore[no-redef]

__all__ = ["GZIP", "LEAST", "LEVEL", "accepts_gzip", "compressed"]

# Bytes from which on a body is compressed; the level; the window of zlib's with which a stream is a gzip member.
LEAST, LEVEL, GZIP = 1 << 10, 1, 31

_CODING = re.compile(rf"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:{WEIGHT})?")
_MOST_CODINGS = 50


def compressed(request: Request, response: Response) -> Response:
    """A response as the client of its request wants it, to HEAD without the length that only compressing would tell."""
    if response.status == 304:
        return Response(304, _varying(response.headers), response.body)
    length = response.header("Content-Length")
    if response.header("Content-Type") is None or (length is not None and int(length) < LEAST):
        return response
    headers = _varying(response.headers)
    if not accepts_gzip(request.headers.get("accept-encoding")):
        return Response(response.status, headers, response.body)
    body = response.body
    headers = (
        *((name, coded(value) if name == "ETag" else value) for name, value in headers if name != "Content-Length"),
        ("Content-Encoding", "gzip"),
    )
    if not isinstance(body, bytes):
        return Response(response.status, headers, _streamed(body))
    if request.method == "HEAD":
        return Response(response.status, headers, body)
    compressor = codec.compressobj(LEVEL, wbits=GZIP)
    body = compressor.compress(body) + compressor.flush()
    return Response(response.status, (*headers, ("Content-Length", str(len(body)))), body)


def _varying(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The headers, which say that the response hangs on what codings are accepted too."""
    hangs_on = [value for name, value in headers if name == "Vary"]
    others = (header for header in headers if header[0] != "Vary")
    return (*others, ("Vary", ", ".join([*hangs_on, "Accept-Encoding"])))


def _streamed(chunks: Chunks) -> Chunks:
    compressor = codec.compressobj(LEVEL, wbits=GZIP)
    with closing(chunks):
        for chunk in chunks:
            yield compressor.compress(chunk) + compressor.flush(codec.Z_SYNC_FLUSH)
    yield compressor.flush()


@lru_cache(maxsize=256)
def accepts_gzip(accepted: str | None) -> bool:
    """Whether gzip is what an `Accept-Encoding` wants. What is no coding in it is passed over."""
    if accepted is None:
        return False
    weights: dict[str, float] = {}
    for part in islice(accepted.split(","), _MOST_CODINGS):
        if (match := _CODING.fullmatch(part)) is not None:
            coding = match[1].lower()
            # The old name of the same coding (section 8.4.1.3).
            weights.setdefault("gzip" if coding == "x-gzip" else coding, float(match[2] or 1))
    others = weights.get("*", 0.0)
    gzip = weights.get("gzip", others)
    return gzip > 0 and gzip >= weights.get("identity", others if "gzip" in weights else 0.0)
