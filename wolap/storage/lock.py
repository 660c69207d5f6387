"""Locks on files that go with the process, however it ends.

A lock of `flock` belongs to what was opened, and processes that are forked from its holder share it: it goes when all
of them have closed it. Where a system has no such locks, folders of cubes cannot be used, and the error says so.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Self
from weakref import finalize

from wolap.errors import StorageError

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

__all__ = ["Held"]


def _locks() -> ModuleType:
    if fcntl is None:
        raise StorageError("a cube on disk needs locks of the kind flock, which this system has not")
    return fcntl


class Held:
    """A file that is open and locked, until it is closed or nobody knows this object any more."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self._close = finalize(self, os.close, descriptor)

    @classmethod
    def take(cls, path: Path, *, alone: bool, create: bool = False) -> Self | None:
        """The file of that name, locked: `alone`, or with all who read it. None where somebody's lock does not allow
        it, or where the file went. Raises OSError."""
        locks = _locks()
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT if create else os.O_RDONLY, 0o666)
        except FileNotFoundError:
            return None
        held = cls(path, descriptor)
        try:
            locks.flock(descriptor, (locks.LOCK_EX if alone else locks.LOCK_SH) | locks.LOCK_NB)
        except BlockingIOError:
            held.close()
            return None
        if not held.is_there:
            held.close()
            return None
        return held

    @property
    def is_there(self) -> bool:
        """Whether it is open and the file still has its name: it may have gone before it was locked."""
        if not self._close.alive:
            return False
        try:
            named, own = os.stat(self.path), os.fstat(self.descriptor)
        except FileNotFoundError:
            return False
        return (named.st_dev, named.st_ino) == (own.st_dev, own.st_ino)

    def share(self) -> None:
        """Lets others hold it as well."""
        _locks().flock(self.descriptor, _locks().LOCK_SH)

    def close(self) -> None:
        """Lets go of it. Another process that was forked from this one keeps the lock while it has it."""
        self._close()

    def release(self) -> None:
        """Unlocks it for everybody who has it, also for processes that were forked since."""
        if self._close.alive:
            _locks().flock(self.descriptor, _locks().LOCK_UN)
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
