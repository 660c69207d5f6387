"""A cube declared in TOML, so that a command line needs no Python: its file is read, and its facts with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

from wolap.cube import Cube, Progress
from wolap.cube_file_reader import CubeFile, in_file, parse_cube_text
from wolap.engine.load import needed_columns
from wolap.errors import Problem, SchemaError
from wolap.sources.ingested import Ingested, files_of, read_unchanged, read_unchanged_pieces

__all__ = ["CubeFile", "create_cube", "load_cube", "read_cube_file"]


def read_cube_file(path: Path) -> CubeFile:
    """Reads a declaration. Raises SchemaError with every fault of it, each with the file and its place."""
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        detail = error.strerror if isinstance(error, OSError) else str(error)
        raise SchemaError([Problem(str(path), f"cannot be read: {detail}")]) from None
    return parse_cube_text(text, path)


def load_cube(
    declared: CubeFile,
    *,
    build: bool = True,
    progress: Callable[[Progress], None] | None = None,
    threads: int = 1,
) -> Cube:
    """The cube of a file: its facts are read, its projections declared, and built unless told not to.

    `threads` are those of `Cube`.

    Raises SchemaError where the facts are missing or do not fit.
    """
    try:
        ingested = _named(declared)
        table = read_unchanged(ingested.files, needed_columns(declared.schema), declared.facts)
        cube = Cube(
            declared.schema,
            table,
            strict=declared.strict,
            caps=declared.caps,
            refreshed=_made(declared),
            cluster=declared.cluster,
            threads=threads,
            ingested=ingested,
        )
        del table
        cube.declare(*declared.projections)
        if build:
            cube.materialize(progress=progress)
    except SchemaError as error:
        raise in_file(declared.path, error) from None
    return cube


def create_cube(declared: CubeFile, path: Path, *, cancel: Event | None = None) -> Cube:
    """The cube of a file in a folder, which is new or empty: its facts are taken in piece by piece, so that they may be
    more than memory holds, and its projections declared.

    Raises as `load_cube` does, StorageError, OSError and Cancelled; then nothing is published.
    """
    try:
        ingested = _named(declared)
        cube = Cube.create(
            path,
            declared.schema,
            read_unchanged_pieces(ingested.files, needed_columns(declared.schema), declared.facts),
            strict=declared.strict,
            caps=declared.caps,
            refreshed=_made(declared),
            cluster=declared.cluster,
            cancel=cancel,
            ingested=ingested,
        )
        cube.declare(*declared.projections)
    except SchemaError as error:
        raise in_file(declared.path, error) from None
    return cube


def _named(declared: CubeFile) -> Ingested:
    """The files that a declaration names. Raises SchemaError where it names none, or none that there are."""
    if declared.facts is None:
        raise SchemaError([Problem("cube.facts", "no facts are named", 'facts = "…", a Parquet, Arrow or CSV file')])
    folder = declared.path.parent.resolve()
    return Ingested(declared.facts, str(folder), tuple(files_of(declared.facts, folder)))


def _made(declared: CubeFile) -> datetime | None:
    """When the facts were last written, where they are one file."""
    path = declared.path.parent / (declared.facts or "")
    return datetime.fromtimestamp(path.stat().st_mtime, UTC) if path.is_file() else None
