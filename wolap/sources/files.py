"""Facts in files: Parquet, Arrow IPC or CSV; one file, a folder of them, or a glob.

Only the columns that are asked for are read. Files of one source may differ in the order of their columns and in the
width of their numbers; a column that some of them lack is null there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from glob import glob, has_magic
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as pads

from wolap.errors import Problem, SchemaError, nearest, quote

__all__ = ["FORMATS", "fact_files", "read_facts", "read_files", "read_pieces"]

# File endings and the format of each, by the name that pyarrow has for it.
FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "ipc",
    ".ipc": "ipc",
    ".feather": "ipc",
    ".csv": "csv",
    ".tsv": "tsv",
}
# Rows of a piece, and of what it is put together from.
PIECE, _BATCH = 1 << 22, 1 << 17
_UNREADABLE = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OSError)
DELIMITERS = {"csv": ",", "tsv": "\t"}


def read_facts(where: str, folder: Path, columns: Collection[str] | None = None) -> pa.Table:
    """The facts that `where` names (a file, a folder or a glob, relative to `folder`), only these columns of them.

    Raises SchemaError where there is no such file, its format is unknown or unreadable. Columns that no file has are
    left out: who reads the table says which are missing.
    """
    return read_files(fact_files(where, folder), columns, where)


def fact_files(where: str, folder: Path) -> list[Path]:
    """The files that `where` names. Raises SchemaError where there is none, or one that cannot be read as facts."""
    try:
        return _files(where, folder)
    except OSError as error:
        raise SchemaError([Problem("facts", f"{quote(where)} cannot be read: {error.strerror}")]) from None


def read_files(files: Sequence[Path], columns: Collection[str] | None = None, where: str | None = None) -> pa.Table:
    """The facts of some files, as `read_facts` gives them; `where` is how an error names them."""
    [table] = _read(files, columns, where, None)
    return table


def read_pieces(
    files: Sequence[Path], columns: Collection[str] | None = None, where: str | None = None, rows: int = PIECE
) -> Iterator[pa.Table]:
    """The same facts in tables of about so many rows, of which there is at least one, so that all of them need not be
    in memory. Raises as `read_files` does, when a piece is asked for."""
    return _read(files, columns, where, rows)


def _read(
    files: Sequence[Path], columns: Collection[str] | None, where: str | None, rows: int | None
) -> Iterator[pa.Table]:
    """The facts of some files, in one table or in pieces of so many rows."""
    shown = quote(where or (files[0].name if len(files) == 1 else f"{files[0].name} and {len(files) - 1} more"))
    endings = {path.suffix.lower() for path in files}
    kinds = {FORMATS[ending] for ending in endings}
    if len(kinds) > 1:
        found = f"{shown} holds files of several formats ({', '.join(sorted(endings))})"
        raise SchemaError([Problem("facts", found, "a glob that names one of them, such as *.parquet")])
    try:
        whole, kept = _dataset(files, kinds.pop(), columns)
        if rows is None:
            yield whole.to_table(columns=kept)
        else:
            yield from _pieces(whole, kept, rows)
    except _UNREADABLE as error:
        raise SchemaError([Problem("facts", f"{shown} cannot be read: {str(error)[:200]}")]) from None


def _pieces(whole: pads.Dataset, kept: list[str] | None, rows: int) -> Iterator[pa.Table]:
    schema = whole.schema if kept is None else pa.schema([whole.schema.field(name) for name in kept])
    waiting: list[pa.RecordBatch] = []
    # Few batches ahead, or the file would be in memory before it is asked for.
    for batch in whole.to_batches(columns=kept, batch_size=min(rows, _BATCH), batch_readahead=2, fragment_readahead=1):
        waiting.append(batch)
        if sum(one.num_rows for one in waiting) >= rows:
            yield pa.Table.from_batches(waiting, schema)
            waiting = []
    yield pa.Table.from_batches(waiting, schema)


def _dataset(
    files: Sequence[Path], kind: str, columns: Collection[str] | None
) -> tuple[pads.Dataset, list[str] | None]:
    """Files as one source, and which columns of it to read; None for all."""
    own: object = kind
    if kind in DELIMITERS:
        from pyarrow import csv  # noqa: PLC0415 - only who reads CSV pays for it

        options = csv.ParseOptions(delimiter=DELIMITERS[kind], newlines_in_values=True)
        own = pads.CsvFileFormat(parse_options=options)
    parts = [pads.dataset(str(path), format=own) for path in files]
    schema = pa.unify_schemas([part.schema for part in parts], promote_options="permissive")
    whole = pads.dataset([str(path) for path in files], format=own, schema=schema)
    kept = None if columns is None else [name for name in dict.fromkeys(columns) if name in schema.names]
    # Without a single column the number of rows would be lost.
    return whole, kept or None


def _is_fact_file(file: Path, folder: Path) -> bool:
    """What begins with _ or . is not yet, or no longer, part of the data: that is how Spark and others write."""
    hidden = any(part.startswith(("_", ".")) for part in file.relative_to(folder).parts)
    return not hidden and file.suffix.lower() in FORMATS and file.is_file()


def _files(where: str, folder: Path) -> list[Path]:
    path = folder / where
    if path.is_dir():
        found = sorted(one for one in path.rglob("*") if _is_fact_file(one, path))
        if not found:
            expected = f"files ending in {', '.join(FORMATS)}"
            raise SchemaError([Problem("facts", f"the folder {quote(where)} holds no facts", expected)])
        return found
    if path.is_file():
        found = [path]
    elif has_magic(where):
        found = sorted(Path(one) for one in glob(str(path), recursive=True) if Path(one).is_file())
    else:
        found = []
    if not found:
        # Only what lies beside the cube file is told: a path elsewhere is nobody's to list.
        near = [one.name for one in folder.iterdir()] if path.parent == folder else []
        beside = f"beside it are {nearest(path.name, near)}" if near else "a file, a folder or a glob"
        raise SchemaError([Problem("facts", f"there is no {quote(where)}", beside)])
    if strange := sorted({one.suffix for one in found if one.suffix.lower() not in FORMATS}):
        known = f"endings are {', '.join(FORMATS)}"
        raise SchemaError([Problem("facts", f"{quote(where)} has the unknown ending {quote(strange[0])}", known)])
    return found
