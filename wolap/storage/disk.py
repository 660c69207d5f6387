"""What is done to a disk, a call of the operating system each, so that a test can let every one of them fail.

A file is written once and never changed. It counts once it is synced and a synced file names it; what a version names
is synced before that version has its name (Pillai and others, "All file systems are not created equal", 2014: neither
order nor content of what was not synced is certain after a crash).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

__all__ = ["NewFile", "make_folder", "remove", "rename", "sync", "sync_all"]

_SYNCED_AT_ONCE = 8


def make_folder(path: Path) -> None:
    """Makes a folder, where it is not there."""
    path.mkdir(parents=True, exist_ok=True)


def write(descriptor: int, data: memoryview) -> int:
    """Writes some of these bytes, and gives how many."""
    return os.write(descriptor, data)


def sync(path: Path) -> None:
    """Has a file, or the names in a folder, on the disk when it returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all(paths: Iterable[Path]) -> None:
    """The same of many, some at a time: a disk takes them faster so."""
    with ThreadPoolExecutor(_SYNCED_AT_ONCE) as pool:
        for _ in pool.map(sync, paths):
            pass


def rename(old: Path, new: Path) -> None:
    """Gives a file its name; readers see it whole or not at all."""
    old.rename(new)


def remove(path: Path) -> None:
    """Removes a file. Whoever has it open or mapped keeps it."""
    path.unlink(missing_ok=True)


class NewFile:
    """A file that is written from its beginning to its end, as Arrow's writer takes one. Raises FileExistsError where
    there is one of that name."""

    closed = False

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        self._length = 0

    def write(self, data: bytes | memoryview) -> int:
        """Writes all of these bytes."""
        rest = memoryview(data).cast("B")
        while len(rest):
            rest = rest[write(self.descriptor, rest) :]
        length = memoryview(data).nbytes
        self._length += length
        return length

    def tell(self) -> int:
        """How many bytes were written."""
        return self._length

    def flush(self) -> None:
        """There is nothing that waits."""

    def close(self) -> None:
        """Lets go of the file."""
        if not self.closed:
            self.closed = True
            os.close(self.descriptor)
