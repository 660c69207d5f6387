"""A cube as a folder: versions that nobody changes, readers that never wait, one writer at a time.

    manifest-7.json           a version (`storage/manifest.py`); the highest number is the present one
    segments/, dictionaries/  the files that versions name, each with a name that no other ever has
    writer.lock               locked by the process that writes, whose number stands in it

A reader takes the highest manifest and holds a shared lock on it for as long as it needs that version. A writer puts
new files beside those that are there, syncs them, and writes a manifest that names them: under a temporary name, locked
for itself alone, renamed once it is synced, and unlocked once the folder is synced, so that readers take the version
before until the new one can no longer be lost. Then manifests that nobody holds go, and with them the files that none
names any more. Locks are those of `flock`: they go with the process, however it ends, so what a killed writer left
behind is known by nobody naming it, and goes when the next version is published.
"""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event
from typing import Self

from wolap.errors import StorageError, quote
from wolap.storage import disk
from wolap.storage.lock import Held
from wolap.storage.versions import Opened, present_version, versions_in
from wolap.storage.writer import LOCK, PARTS, Writer, is_leftover

__all__ = ["Folder", "Opened", "Writer"]

# How often the folder is looked at again because the version that was found went, and how long is waited in between.
_LOOKS = 1000
_PAUSE = 0.001
_PATIENCE = 0.02


class Folder:
    """A folder that holds a cube, or is to hold one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def at(cls, path: Path) -> Self:
        """The folder of a cube that was published. Raises StorageError where there is none."""
        if not versions_in(path):
            found = "holds no cube" if path.is_dir() else "is no folder" if path.exists() else "does not exist"
            raise StorageError(f"{path}: {found}; name the folder of a cube that was built")
        return cls(path)

    @classmethod
    def create(cls, path: Path) -> Self:
        """The folder for a cube, which is made where it is not there, with those above it. Raises StorageError where
        it holds something else, and OSError."""
        if path.exists() and not path.is_dir():
            raise StorageError(f"{path}: is a file, and a cube is stored as a folder; name another")
        if path.is_dir() and not versions_in(path):
            names = sorted(
                one.name for one in path.iterdir() if one.name not in (LOCK, *PARTS) and not is_leftover(one)
            )
            if names:
                found = f"holds no cube, but {quote(names[0])}"
                raise StorageError(f"{path}: {found}; name a folder that is empty, or not there yet")
        if not path.is_dir():
            disk.make_folder(path)
            disk.sync(path.parent)
        for part in PARTS:
            disk.make_folder(path / part)
        return cls(path)

    @property
    def versions(self) -> list[int]:
        """The numbers of the versions that are there, the highest first."""
        return versions_in(self.path)

    def open(self) -> Opened:
        """The present version, held for as long as the object is there. Never waits for a writer.

        Raises StorageError where there is none, or where its manifest is damaged or of another format.
        """
        for _ in range(_LOOKS):
            if (opened := present_version(self.path)) is not None:
                return opened
            if not self.versions:
                break
            Event().wait(_PAUSE)
        raise StorageError(f"{self.path}: holds no version of a cube that is published; is it being built?")

    def writing(self, patience: float = 0) -> Writer:
        """The writer, a context. Another one is waited for some seconds, as many as one has `patience`.

        Raises StorageError where another still writes then, naming its process.
        """
        for part in PARTS:
            disk.make_folder(self.path / part)
        path = self.path / LOCK
        held = Held.take(path, alone=True, create=True)
        for _ in range(int(patience / _PATIENCE)):
            if held is not None:
                break
            Event().wait(_PATIENCE)
            held = Held.take(path, alone=True, create=True)
        if held is None:
            who = path.read_text(errors="replace").strip()
            process = f"process {who}" if who.isdigit() else "another process"
            raise StorageError(f"{self.path}: is being written by {process}; wait until that is done")
        os.ftruncate(held.descriptor, 0)
        os.pwrite(held.descriptor, b"%d\n" % os.getpid(), 0)
        return Writer(self.path, held)
