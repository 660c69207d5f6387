"""A projection's layout as a file, which is mapped into memory to be asked.

    head     64 bytes: the magic word, and the version of the format
    arrays   one behind the other, each as it lies in memory, at multiples of 64 bytes
    foot     JSON: what the layout is beside its arrays (`engine/growing.py`); of each array where it lies, how long it
             is, its type, and its CRC-32
    tail     the length of the foot, its CRC-32, and the magic word

The arrays have different lengths (rows, buckets, items), so they are not the columns of one Arrow table; and they are
used where they lie, so opening a file costs reading its foot, whatever its size. It is written under a temporary name
in the same folder, and gets its own when it is whole; whoever has mapped an older file of that name keeps that. A file
that was cut short has no tail. Whole numbers of large projections are stored as narrow as their bounds allow.
"""

from __future__ import annotations

import base64
import json
import mmap
import struct
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4
from zlib import crc32

import numpy as np
import pyarrow as pa

from wolap.engine.columns import NARROW_ROWS
from wolap.engine.growing import Frame, Growing, Kind, layout_of
from wolap.engine.layout import Layout
from wolap.engine.members import Members
from wolap.errors import StorageError, quote
from wolap.model.projection import Projection
from wolap.model.zone import Zone
from wolap.storage.spool import Spool

__all__ = ["VERSION", "file_name", "map_layout", "release", "write_layout"]

VERSION = 1
_MAGIC = b"wolap\r\n\x1a"
_HEAD = struct.Struct("<8sI52x")
_TAIL = struct.Struct("<QI8s")
_ALIGNED = 64
_CHECKED = 1 << 24


def file_name(projection: Projection) -> str:
    """The name of a projection's file. For a slash stands a `+`, which no name of a projection has."""
    return projection.name.replace("/", "+") + ".projection"


def write_layout(
    folder: Path,
    projection: Projection,
    stretches: Iterable[Layout],
    members: Mapping[str, Members],
    threads: int = 1,
) -> Path:
    """Writes the stretches of a projection as they come, and gives the path of the file. `threads` share the writing.

    Raises OSError, and whatever making the stretches raises; then the folder is as it was.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file_name(projection)
    growing_file = folder / f".{uuid4().hex}.growing"
    with Spool(folder) as spool:
        growing = Growing(spool.keep)
        for stretch in stretches:
            growing.add(stretch)
        try:
            _write(growing_file, projection, growing, members, threads)
            growing_file.replace(path)
        finally:
            growing_file.unlink(missing_ok=True)
    return path


def _write(path: Path, projection: Projection, growing: Growing, members: Mapping[str, Members], threads: int) -> None:
    frame = growing.frame
    wanted = {name: growing.dtype(name, narrow=frame.rows >= NARROW_ROWS) for name in growing.names}
    arrays = {name: (growing.length(name), growing.parts(name, dtype)) for name, dtype in wanted.items()}
    for place, kind in enumerate(frame.kinds):
        if kind.shown is not None:
            name = f"shown {place}"
            wanted[name], arrays[name] = kind.shown.dtype, (len(kind.shown), iter([kind.shown]))
    begins, end = {}, _HEAD.size
    for name, (length, _) in arrays.items():
        begins[name] = end + -end % _ALIGNED
        end = begins[name] + length * wanted[name].itemsize
    with path.open("xb") as file, ThreadPoolExecutor(threads) as pool:
        checksums = (pool.map if threads > 1 else map)(
            lambda name: _write_array(path, begins[name], arrays[name][1]), arrays
        )
        foot = {
            "projection": projection.name,
            "members": {name: members[name].cardinality for name in projection.dimensions},
            "rows": frame.rows,
            "level": frame.level,
            "partials": [str(partial) for partial in frame.partials],
            "kinds": [_kind_out(kind) for kind in frame.kinds],
            "arrays": {
                name: {"begin": begins[name], "length": arrays[name][0], "type": wanted[name].str, "checksum": checksum}
                for name, checksum in zip(arrays, checksums, strict=True)
            },
        }
        text = json.dumps(foot).encode()
        file.write(_HEAD.pack(_MAGIC, VERSION))
        file.seek(end)
        file.write(text + _TAIL.pack(len(text), crc32(text), _MAGIC))


def _write_array(path: Path, begin: int, parts: Iterable[np.ndarray]) -> int:
    """Writes an array to its place, and gives its checksum."""
    checksum = 0
    with path.open("r+b", buffering=0) as file:
        file.seek(begin)
        for part in parts:
            data = np.ascontiguousarray(part).view(np.uint8).data
            checksum = crc32(data, checksum)
            while len(data):
                data = data[file.write(data) :]
    return checksum


def _kind_out(kind: Kind) -> dict[str, Any]:
    written = base64.b64encode(pa.schema([("", kind.type)]).serialize().to_pybytes()).decode()
    return {"type": written, "low": kind.low, "high": kind.high, "members": kind.members}


def _kind_in(written: Mapping[str, Any], shown: np.ndarray | None) -> Kind:
    [field] = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(written["type"])))
    return Kind(field.type, written["low"], written["high"], written["members"], shown)


def map_layout(
    path: Path, projection: Projection, members: Mapping[str, Members], zone: Zone, *, check: bool = True
) -> Layout:
    """The layout of a projection in a file, as views of it; `zone` is the clock of the cube.

    Raises StorageError for a file that is cut short, damaged, of another version, or of another projection or cube, and
    OSError where there is none. Without `check`, which reads all of it, the numbers themselves are trusted.
    """
    with path.open("rb") as file:
        # What is empty cannot be mapped.
        whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""
    foot = _foot(path, whole)
    found = (foot["projection"], foot["level"], tuple(foot["members"]), tuple(foot["partials"]))
    wanted = (
        projection.name,
        projection.level,
        projection.dimensions,
        tuple(str(partial) for partial in sorted(projection.partials, key=str)),
    )
    if found != wanted:
        name = quote(foot["projection"])
        raise StorageError(f"{path}: holds a projection {name} that is declared otherwise; build it again")
    for name, cardinality in foot["members"].items():
        if (present := members[name].cardinality) != cardinality:
            text = f"was made of other facts: {name} had {cardinality:,} members, not {present:,}"
            raise StorageError(f"{path}: {text}; build it again")
    if check:
        _check(path, whole, foot["arrays"])
    arrays = {name: _array(whole, one) for name, one in foot["arrays"].items()}
    partials = tuple(sorted(projection.partials, key=str))
    kinds = tuple(_kind_in(one, arrays.get(f"shown {place}")) for place, one in enumerate(foot["kinds"]))
    frame = Frame(foot["rows"], projection.level, zone, projection.dimensions, partials, kinds)
    return layout_of(frame, arrays, whole)


def _foot(path: Path, whole: mmap.mmap | bytes) -> dict[str, Any]:
    """What a file says of itself."""
    if len(whole) < _HEAD.size or whole[: len(_MAGIC)] != _MAGIC:
        raise StorageError(f"{path}: is no file of a projection; build it again")
    _, version = _HEAD.unpack(whole[: _HEAD.size])
    if version != VERSION:
        raise StorageError(f"{path}: has version {version} of the format, this wolap reads {VERSION}; build it again")
    length, checksum, magic = 0, 0, b""
    if len(whole) >= _HEAD.size + _TAIL.size:
        length, checksum, magic = _TAIL.unpack(whole[-_TAIL.size :])
    if magic != _MAGIC or length > len(whole) - _HEAD.size - _TAIL.size:
        raise StorageError(f"{path}: is cut short, at {len(whole):,} bytes; build it again")
    text = whole[len(whole) - _TAIL.size - length : len(whole) - _TAIL.size]
    if crc32(text) != checksum:
        raise StorageError(f"{path}: is damaged: its foot has not the checksum that it had; build it again")
    foot: dict[str, Any] = json.loads(text)
    return foot


def _check(path: Path, whole: mmap.mmap | bytes, arrays: Mapping[str, Mapping[str, Any]]) -> None:
    for name, one in arrays.items():
        data, checksum = _array(whole, one).view(np.uint8).data, 0
        for begin in range(0, len(data), _CHECKED):
            checksum = crc32(data[begin : begin + _CHECKED], checksum)
        if checksum != one["checksum"]:
            raise StorageError(f"{path}: is damaged: {name!r} has not the checksum that it had; build it again")


def _array(whole: mmap.mmap | bytes, one: Mapping[str, Any]) -> np.ndarray:
    dtype = np.dtype(one["type"])
    return np.frombuffer(whole, dtype, one["length"], one["begin"]) if one["length"] else np.zeros(0, dtype)


def release(layout: Layout) -> None:
    """Lets go of the pages of a mapped file that are in memory: they are read again when they are wanted."""
    if isinstance(layout.mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        layout.mapped.madvise(mmap.MADV_DONTNEED)
