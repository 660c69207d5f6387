"""Named arrays as a file, which is mapped and never read as a whole: what segments and dictionaries lie in.

The file is an Arrow IPC file with one record batch of one row, whose columns are lists: an array is the one value of
its column. So arrays of different lengths are in one file, each lies as it does in memory, and whatever reads Arrow can
look into it. The metadata of its schema say under `wolap` what the arrays are of, and of each its CRC-32.

    head     the schema with those metadata, and where in the body each array is
    body     the arrays
    foot     the same schema again

A StoredFile says how long the file is and has the checksum of head and foot. It stands in the manifest, so all that
stands in the file is believed only as far as the manifest vouches for it: the length is compared before anything is
mapped (a page behind the end of a file that was cut short kills a process that looks at it), head and foot when a file
is opened, an array when it is first asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa

from wolap.errors import StorageError
from wolap.storage import disk
from wolap.storage.checksum import checksum_of
from wolap.storage.lazily import Lazy

__all__ = ["ArrayFile", "StoredFile", "checksum_in_memory", "file_name", "write_arrays"]

_KEY = b"wolap"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of arrays as the manifest names it: its path in the folder, its length, those of its head and its foot
    in bytes, and their checksum."""

    name: str
    bytes: int
    head: int
    foot: int
    checksum: int


def file_name(shown: str) -> str:
    """A name that no other file has, which begins with what it is of."""
    clean = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "._-") else "+" for sign in shown)
    return f"{clean[:80]}-{uuid4().hex}.arrow"


def checksum_in_memory(array: np.ndarray | pa.Array) -> tuple[str, int, int]:
    """The type of an array, how long it is, and its checksum, as a file of it would have them."""
    stored = _as_arrow(array)
    return str(stored.type), len(stored), _checksum(stored)


def write_arrays(
    folder: Path, name: str, arrays: Mapping[str, np.ndarray | pa.Array], about: Mapping[str, Any]
) -> StoredFile:
    """Writes arrays, and what is to be known `about` them, as a file that nobody has yet. It is not synced.

    Raises OSError; then there is no such file.
    """
    values = {one: _as_arrow(array) for one, array in arrays.items()}
    listed = [
        [len(one), _checksum(one), _is_switch(array)]
        for one, array in zip(values.values(), arrays.values(), strict=True)
    ]
    text = json.dumps({"about": about, "arrays": listed}, ensure_ascii=False)
    lists = [pa.LargeListArray.from_arrays(pa.array([0, len(one)], pa.int64()), one) for one in values.values()]
    schema = pa.schema(
        [pa.field(one, array.type) for one, array in zip(values, lists, strict=True)], {_KEY: text.encode()}
    )
    path = folder / name
    file = disk.NewFile(path)
    try:
        with pa.ipc.new_file(pa.PythonFile(file, "w"), schema) as writer:
            writer.write_batch(pa.RecordBatch.from_arrays(lists, schema=schema))
        return _sealed(path, name)
    except BaseException:
        disk.remove(path)
        raise
    finally:
        file.close()


def _sealed(path: Path, name: str) -> StoredFile:
    """A file that was just written, with the checksum of all that is around its arrays."""
    whole = _mapped(path)
    batch = _only_batch(whole)
    data = [part for column in batch.columns for part in _parts(column.values) if part.nbytes]
    begins = [part.__array_interface__["data"][0] - whole.address for part in data]
    head = min(begins, default=whole.size)
    end = max((begin + part.nbytes for begin, part in zip(begins, data, strict=True)), default=whole.size)
    foot = whole.size - end
    return StoredFile(name, whole.size, head, foot, _around(whole, head, foot))


def _mapped(path: Path) -> pa.Buffer:
    """A file as bytes in memory, which needs no descriptor for as long as they are there."""
    with pa.memory_map(str(path)) as file:
        return file.read_buffer()


def _only_batch(whole: pa.Buffer) -> pa.RecordBatch:
    return pa.ipc.open_file(whole).get_batch(0)


def _around(whole: pa.Buffer, head: int, foot: int) -> int:
    data = memoryview(whole)
    return checksum_of((data[:head], data[len(data) - foot :]))


def _as_arrow(array: np.ndarray | pa.Array) -> pa.Array:
    """An array as it is stored: by itself where it is a part of another, and a byte for each bool of numpy."""
    if isinstance(array, pa.Array):
        return pa.concat_arrays([array, array[:0]])
    plain = np.ascontiguousarray(array)
    return pa.array(plain.view(np.uint8) if plain.dtype == bool else plain)


def _is_switch(array: np.ndarray | pa.Array) -> bool:
    return isinstance(array, np.ndarray) and array.dtype == bool


def _parts(array: pa.Array) -> list[np.ndarray]:
    """The bytes of an array that lies by itself, with those that tell nulls only where there are some."""
    if not len(array):
        return []
    valid, *buffers = (
        np.zeros(0, np.uint8) if one is None else np.frombuffer(one, np.uint8) for one in array.buffers()
    )
    found = [valid[: (len(array) + 7) // 8]] if array.null_count else []
    if pa.types.is_large_string(array.type):
        offsets, text = buffers
        last = int(offsets[: 8 * (len(array) + 1)][-8:].view(np.int64)[0])
        return [*found, offsets[: 8 * (len(array) + 1)], text[: max(last, 0)]]
    return [*found, buffers[0][: (len(array) * array.type.bit_width + 7) // 8]]


def _checksum(array: pa.Array) -> int:
    return checksum_of(_parts(array))


class ArrayFile:
    """A file of arrays that is mapped. `whose` says in the text of an error what the file is of, and `remedy` what to
    do about it.

    Raises StorageError where the file is missing, cannot be read, is not as long as it was, or its head or foot is
    damaged.
    """

    def __init__(self, folder: Path, stored: StoredFile, whose: str, remedy: str) -> None:
        self._path = folder / stored.name
        self._whose = whose
        self._remedy = remedy
        try:
            length = self._path.stat().st_size
            if length != stored.bytes:
                raise self.error(f"has {length:,} bytes, and had {stored.bytes:,}")
            self.whole = _mapped(self._path)
        except FileNotFoundError:
            raise self.error("is missing") from None
        except OSError as error:
            raise self.error(f"cannot be read: {error.strerror or error}") from error
        if self.whole.size != stored.bytes or _around(self.whole, stored.head, stored.foot) != stored.checksum:
            raise self.error("is damaged: its head and foot have not the checksum that they had")
        batch = _only_batch(self.whole)
        written = json.loads(batch.schema.metadata[_KEY])
        self.about: dict[str, Any] = written["about"]
        self._columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        self._listed = dict(zip(batch.schema.names, written["arrays"], strict=True))
        self.names: tuple[str, ...] = tuple(batch.schema.names)
        self.values: Mapping[str, pa.Array] = Lazy(self.names, self._checked)
        self.numbers: Mapping[str, np.ndarray] = Lazy(self.names, self._plain)

    def error(self, found: str, what: str = "") -> StorageError:
        """What is wrong with the file, or with some array in it."""
        return StorageError(f"{self._path}: {found} ({self._whose}{what}); {self._remedy}")

    def checksum(self, name: str) -> tuple[str, int, int]:
        """The type of an array, how long it is, and what its checksum is to be."""
        length, checksum, _ = self._listed[name]
        return str(self._columns[name].type.value_type), length, checksum

    def _checked(self, name: str) -> pa.Array:
        """An array as Arrow has it, if it has the checksum that it had."""
        array = self._columns[name].values
        length, checksum, _ = self._listed[name]
        if len(array) != length or _checksum(array) != checksum:
            raise self.error(f"is damaged: {name!r} has not the checksum that it had", f", {name}")
        return array

    def _plain(self, name: str) -> np.ndarray:
        """An array as numpy has it."""
        array = self.values[name]
        plain: np.ndarray = array.to_numpy() if len(array) else np.zeros(0, array.type.to_pandas_dtype())
        return plain.view(bool) if self._listed[name][2] else plain
