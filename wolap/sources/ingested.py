"""Which files the facts of a cube were read from, so that none is ever ingested twice and none changes unseen.

A file is known by its path, and is what it was if it has as many bytes and was modified last when it was then. The list
is published with the version that holds the facts, in the same manifest: whatever ends a process, a file whose facts
are in is on the list, and one that is on the list has its facts in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from wolap.errors import Problem, SchemaError, quote
from wolap.sources.files import fact_files, read_files, read_pieces

__all__ = ["NOTHING", "FactFile", "Ingested", "files_of", "pieces_of", "read_unchanged", "read_unchanged_pieces"]

_SHOWN = 8
# Bytes of files whose facts are read at a time, where they are several.
_PIECE = 256 << 20


@dataclass(frozen=True, slots=True)
class FactFile:
    """A file as it was: its absolute path, its bytes, and when it was modified, in nanoseconds since 1970 UTC."""

    path: str
    bytes: int
    modified: int

    @classmethod
    def of(cls, path: Path) -> FactFile:
        """A file as it is now. Raises OSError."""
        found = path.resolve()
        status = found.stat()
        return cls(str(found), status.st_size, status.st_mtime_ns)

    def __str__(self) -> str:
        modified = datetime.fromtimestamp(self.modified / 1e9, UTC).isoformat(" ", "milliseconds")
        return f"{self.bytes:,} bytes of {modified}"


@dataclass(frozen=True, slots=True)
class Ingested:
    """The files that were ingested, and where more of them come from: `where`, relative to `folder`, as `fact_files`
    takes them; None where nobody said."""

    where: str | None = None
    folder: str = ""
    files: tuple[FactFile, ...] = ()

    def new(self, files: Iterable[FactFile]) -> list[FactFile]:
        """Those of some files that were not ingested."""
        known = {one.path for one in self.files}
        return [one for one in files if one.path not in known]

    def plus(self, files: Collection[FactFile]) -> Ingested:
        """With more files. Raises SchemaError for one that was ingested."""
        known = {one.path for one in self.files}
        if len({one.path for one in files} - known) < len(files):
            again = [one.path for one in files if one.path in known]
            found = f"{quote(again[0])} was ingested already, perhaps by another process just now" if again else ""
            raise SchemaError([Problem("facts", found or "a file is named twice", "files that are new")])
        return replace(self, files=(*self.files, *files))

    def noting(self, files: Collection[FactFile], gone: Collection[str] = ()) -> Ingested:
        """With files as they are now, in place of those of the same paths; those that are gone are forgotten."""
        others = {one.path for one in files} | set(gone)
        return replace(self, files=(*(one for one in self.files if one.path not in others), *files))

    def altered(self) -> tuple[list[FactFile], list[str]]:
        """The files that have changed since, as they are now, and the paths of those that are gone."""
        changed, gone = [], []
        for one in self.files:
            try:
                now = FactFile.of(Path(one.path))
            except OSError:
                gone.append(one.path)
                continue
            if now != one:
                changed.append(now)
        return changed, gone

    def check(self, what_to_do: str) -> None:
        """Raises SchemaError with each file that has changed since, or is gone: what it was and what it is."""
        changed, gone = self.altered()
        was = {one.path: one for one in self.files}
        problems = [
            *(Problem(one.path, f"has {one}, and had {was[one.path]} when it was ingested") for one in changed),
            *(Problem(one, f"is gone, and had {was[one]} when it was ingested") for one in gone),
        ]
        if problems:
            more = [Problem("facts", f"and {len(problems) - _SHOWN:,} files more")] if len(problems) > _SHOWN else []
            raise SchemaError([*problems[:_SHOWN], *more, Problem("facts", "are not what was ingested", what_to_do)])

    def values(self) -> tuple[Any, ...]:
        """All of it as values of JSON."""
        if self == NOTHING:
            return ()
        return (
            {"facts": self.where, "folder": self.folder},
            *([one.path, one.bytes, one.modified] for one in self.files),
        )

    @classmethod
    def of_values(cls, values: Collection[Any]) -> Ingested:
        """What `values` has given."""
        if not values:
            return cls()
        place, *files = values
        return cls(place["facts"], place["folder"], tuple(FactFile(*one) for one in files))


NOTHING = Ingested()


def files_of(where: str, folder: Path) -> list[FactFile]:
    """The files that `where` names, each once, as they are now. Raises SchemaError."""
    # A glob may name a file several times, and a link is the file that it leads to.
    every = [FactFile.of(one) for one in fact_files(where, folder)]
    return list({one.path: one for one in every}.values())


def pieces_of(files: Iterable[FactFile], most: int = _PIECE) -> Iterator[list[FactFile]]:
    """Files in their order, as many at a time as have up to so many bytes together, or one that has more."""
    piece, size = list[FactFile](), 0
    for one in files:
        if piece and size + one.bytes > most:
            yield piece
            piece, size = [], 0
        piece.append(one)
        size += one.bytes
    if piece:
        yield piece


def read_unchanged(
    files: Collection[FactFile], columns: Collection[str] | None = None, where: str | None = None
) -> pa.Table:
    """The facts of files, which stay as they are while they are read. Raises SchemaError. See `read_files`."""
    table = read_files([Path(one.path) for one in files], columns, where)
    Ingested(files=tuple(files)).check("wait until they are written")
    return table


def read_unchanged_pieces(
    files: Collection[FactFile], columns: Collection[str] | None = None, where: str | None = None
) -> Iterator[pa.Table]:
    """The same in pieces; that files have stayed as they were is seen when the last has been taken. See
    `read_pieces`."""
    yield from read_pieces([Path(one.path) for one in files], columns, where)
    Ingested(files=tuple(files)).check("wait until they are written")
