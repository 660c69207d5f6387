"""What a version of a stored cube is, but for its numbers: one JSON document, with a checksum, that names all files.

    {"format": 1, "checksum": 3735928559, "cube": {…}}

The checksum is the CRC-32 of the number of the format and of what stands behind `"cube": `, byte by byte, so that a
damaged manifest is told from one of another format, whatever that will look like. Long rows of numbers, of which there
may be a million (rows before each of 10,000 partitions, of 200 projections), are written as their differences in as few
bytes as those need, equal ones once: opening such a cube must not take longer than a blink. What a manifest says of
shares of members is read when the planner first asks.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import tomllib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa

from wolap.errors import StorageError
from wolap.model.interval import Interval
from wolap.model.member import member_text, read_member
from wolap.model.projection import Backlog, Shares, Statistics
from wolap.storage.arrays import StoredFile
from wolap.storage.checksum import checksum_of
from wolap.storage.dictionaries import Key, StoredDictionaries, StoredDictionary
from wolap.storage.lazily import Deferred
from wolap.storage.segment import StoredSegment, partial_in, partial_out, type_in, type_out

__all__ = ["FORMAT", "Manifest", "StoredProjection", "read_manifest", "write_manifest"]

FORMAT = 1
_HEAD = re.compile(rb'\{"format": (\d{1,9}), "checksum": (\d{1,10}), "cube": ')
_TAIL = b"}\n"
_AGAIN = "restore it from a copy, or build the cube again"


@dataclass(frozen=True, slots=True)
class StoredProjection:
    """A projection that is built, or the facts: what was measured (its refresh time with it, and what changed since),
    and its segments in the order of time."""

    statistics: Statistics
    segments: tuple[StoredSegment, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """One version of a cube. `declaration` is all that was declared, as the text of a cube file; what is named in it
    and stands not in `projections` is not built. `kinds` are those of the dimensions as the facts have them, `types`
    the Arrow types of the columns that numbers are read from (see Dictionaries), `partition` the level that facts are
    partitioned by, `sources` what the caller keeps of what was ingested, as values of JSON.

    `number` is given when the version is published. `document` is the declaration as tables of Python: beside the text,
    since a program reads JSON much faster than TOML, and read from that where it is not given.
    """

    declaration: str
    kinds: Mapping[str, str]
    types: Mapping[str, pa.DataType]
    dictionaries: StoredDictionaries
    span: Interval
    projections: Mapping[str, StoredProjection]
    shares: Mapping[str, Shares] = field(default_factory=dict)
    partition: str = "day"
    sources: tuple[Any, ...] = ()
    number: int = 0
    document: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    @property
    def fingerprint(self) -> str:
        """Tells declarations apart: the SHA-256 of the text."""
        return sha256(self.declaration.encode()).hexdigest()

    @property
    def files(self) -> frozenset[str]:
        """The paths of all files that this version needs."""
        segments = (one.file.name for projection in self.projections.values() for one in projection.segments)
        entries = (one.file.name for kind in self.dictionaries.values() for one in kind.values())
        return frozenset((*segments, *entries))


def write_manifest(manifest: Manifest) -> bytes:
    """A manifest as the content of its file."""
    long = _LongOut()
    document = {
        "number": manifest.number,
        "fingerprint": manifest.fingerprint,
        "declaration": manifest.declaration,
        "document": tomllib.loads(manifest.declaration) if manifest.document is None else manifest.document,
        "kinds": dict(manifest.kinds),
        "types": {name: type_out(kept) for name, kept in manifest.types.items()},
        "dictionaries": {
            kind: [[key, _file_out(one.file), one.entries] for key, one in entries.items()]
            for kind, entries in manifest.dictionaries.items()
        },
        "span": _interval_out(manifest.span),
        "shares": {name: _shares_out(manifest.kinds[name], one) for name, one in manifest.shares.items()},
        "partition": manifest.partition,
        "sources": manifest.sources,
        "projections": {name: _projection_out(one, long) for name, one in manifest.projections.items()},
        "long": list(long.texts),
    }
    body = json.dumps(document).encode("ascii")
    return b'{"format": %d, "checksum": %d, "cube": %b%b' % (FORMAT, _checksum(FORMAT, body), body, _TAIL)


def read_manifest(data: bytes, path: object) -> Manifest:
    """The manifest in the content of a file; `path` is shown in errors.

    Raises StorageError where it is damaged, or of a format that this wolap does not read.
    """
    found = _HEAD.match(data)
    if found is None or not data.endswith(_TAIL):
        raise StorageError(f"{path}: is no manifest of a cube, or damaged; {_AGAIN}")
    body, version = memoryview(data)[found.end() : len(data) - len(_TAIL)], int(found[1])
    if _checksum(version, body) != int(found[2]):
        raise StorageError(f"{path}: is damaged: it has not the checksum that it had; {_AGAIN}")
    if version != FORMAT:
        how = (
            "a newer wolap wrote it: use that" if version > FORMAT else "an older wolap wrote it: build the cube again"
        )
        raise StorageError(f"{path}: has version {version} of the format, and this wolap reads {FORMAT}; {how}")
    written = json.loads(str(body, "ascii"))
    long = [_long_in(text) for text in written["long"]]
    return Manifest(
        written["declaration"],
        written["kinds"],
        {name: type_in(text) for name, text in written["types"].items()},
        {
            kind: {_key_in(key): StoredDictionary(StoredFile(*file), rows) for key, file, rows in entries}
            for kind, entries in written["dictionaries"].items()
        },
        Interval(*written["span"]),
        {name: _projection_in(one, long) for name, one in written["projections"].items()},
        {name: _shares_in(written["kinds"][name], one) for name, one in written["shares"].items()},
        written["partition"],
        tuple(written["sources"]),
        written["number"],
        written["document"],
    )


def _checksum(version: int, body: bytes | memoryview) -> int:
    return checksum_of((b"%d" % version, body))


def _file_out(file: StoredFile) -> list[Any]:
    return [file.name, file.bytes, file.head, file.foot, file.checksum]


def _key_in(key: str | list[str]) -> Key:
    return key if isinstance(key, str) else tuple(key)


def _interval_out(interval: Interval) -> list[int]:
    return [interval.start, interval.end]


class _LongOut:
    """Rows of numbers as texts, each once."""

    def __init__(self) -> None:
        self.texts: dict[str, int] = {}

    def place(self, numbers: Sequence[int]) -> int:
        """The place of a row of numbers among all."""
        whole = np.asarray(numbers, np.int64)
        steps = np.diff(whole)
        narrow = np.min_scalar_type(int(steps.max(initial=0))) if (steps >= 0).all() else np.dtype(np.int64)
        first = "" if not len(whole) else str(int(whole[0]))
        text = base64.b64encode(steps.astype(narrow.newbyteorder("<")).tobytes()).decode()
        return self.texts.setdefault(f"{first} {narrow.kind}{narrow.itemsize} {text}", len(self.texts))


def _long_in(text: str) -> Sequence[int]:
    first, kind, steps = text.split(" ")
    found = array("q")
    if first:
        differences = np.frombuffer(binascii.a2b_base64(steps), f"<{kind}")
        whole = np.empty(len(differences) + 1, np.int64)
        whole[0], whole[1:] = int(first), differences
        # The bytes of numpy are those of an array of 64 bits.
        found.frombytes(np.cumsum(whole, out=whole).data.cast("B"))
    return found


def _projection_out(stored: StoredProjection, long: _LongOut) -> dict[str, Any]:
    return {
        "statistics": _statistics_out(stored.statistics, long),
        "segments": [[*_file_out(one.file), *_interval_out(one.stretch), one.rows] for one in stored.segments],
    }


def _projection_in(written: Mapping[str, Any], long: Sequence[Sequence[int]]) -> StoredProjection:
    segments = tuple(
        StoredSegment(StoredFile(name, size, head, foot, checksum), Interval(start, end), rows)
        for name, size, head, foot, checksum, start, end, rows in written["segments"]
    )
    return StoredProjection(_statistics_in(written["statistics"], long), segments)


def _statistics_out(statistics: Statistics, long: _LongOut) -> dict[str, Any]:
    refreshed = statistics.refreshed
    return {
        "rows_before": long.place(statistics.rows_before),
        "starts": long.place(statistics.starts),
        "bytes": statistics.bytes,
        "coverage": _interval_out(statistics.coverage),
        "refreshed": None if refreshed is None else refreshed.isoformat(),
        "items": [[partial_out(partial), items] for partial, items in statistics.items.items()],
        "members_before": {name: long.place(before) for name, before in statistics.members_before.items()},
        "longest": dict(statistics.longest),
        "partition": statistics.partition,
        "order": statistics.order,
        "runs": statistics.runs,
        "backlog": _backlog_out(statistics.backlog),
    }


def _backlog_out(backlog: Backlog | None) -> list[Any] | None:
    if backlog is None:
        return None
    return [[_interval_out(one) for one in backlog.stretches], _interval_out(backlog.span)]


def _backlog_in(written: Sequence[Any] | None) -> Backlog | None:
    if written is None:
        return None
    stretches, span = written
    return Backlog(tuple(Interval(*one) for one in stretches), Interval(*span))


def _statistics_in(written: Mapping[str, Any], long: Sequence[Sequence[int]]) -> Statistics:
    refreshed = written["refreshed"]
    return Statistics(
        long[written["rows_before"]],
        long[written["starts"]],
        written["bytes"],
        Interval(*written["coverage"]),
        None if refreshed is None else datetime.fromisoformat(refreshed),
        {partial_in(partial): items for partial, items in written["items"]},
        {name: long[place] for name, place in written["members_before"].items()},
        written["longest"],
        written["partition"],
        tuple(written["order"]),
        tuple(written["runs"]),
        _backlog_in(written["backlog"]),
    )


def _shares_out(kind: str, shares: Shares) -> dict[str, Any]:
    texts = [None if one is None else member_text(kind, one) for one in shares.members]
    others = [shares.mean_of_others, shares.most_of_others, shares.mean_length]
    return {"members": texts, "shares": list(shares.members.values()), "others": others}


def _shares_in(kind: str, written: Mapping[str, Any]) -> Shares:
    def members() -> Mapping[Any, float]:
        told = (None if text is None else read_member(kind, text) for text in written["members"])
        return dict(zip(told, written["shares"], strict=True))

    return Shares(Deferred(members), *written["others"])
