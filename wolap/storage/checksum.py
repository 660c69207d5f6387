"""The CRC-32 of zlib, by whichever library is there: the extra `gzip` brings one that is four times as fast."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

try:
    from isal.isal_zlib import crc32
except ImportError:
    from zlib import crc32

__all__ = ["checksum_of"]


def checksum_of(parts: Iterable[Any]) -> int:
    """The checksum of buffers, one behind the other."""
    found = 0
    for part in parts:
        data = memoryview(part).cast("B")
        if len(data):
            found = crc32(data, found)
    return found
