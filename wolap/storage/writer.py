"""The one writer of a folder: puts files there, and publishes versions that name them. See `storage/folder.py`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Self
from uuid import uuid4

from wolap.engine.layout import Dictionaries, Layout
from wolap.errors import StorageError
from wolap.model.interval import Interval
from wolap.storage import dictionaries, disk, segment
from wolap.storage.arrays import file_name
from wolap.storage.dictionaries import StoredDictionaries, write_dictionaries
from wolap.storage.lock import Held
from wolap.storage.manifest import Manifest, write_manifest
from wolap.storage.segment import StoredSegment, write_segment
from wolap.storage.versions import Opened, manifest_path, read_version, versions_in

__all__ = ["LOCK", "PARTS", "Writer", "is_leftover"]

LOCK = "writer.lock"
PARTS = (segment.FOLDER, dictionaries.FOLDER)
_OWN = re.compile(r".*-[0-9a-f]{32}\.arrow")
_GROWING = re.compile(r"\.manifest-[0-9a-f]{32}\.growing")


def is_leftover(path: Path) -> bool:
    """Whether this is a manifest that a writer did not come to publish."""
    return _GROWING.fullmatch(path.name) is not None


class Writer:
    """Writes into a folder whose lock it has. Any number of threads may write files, one at a time may publish.

    At its end (it is a context) the lock goes, and files that were written and never published.
    """

    def __init__(self, folder: Path, held: Held) -> None:
        self.folder = folder
        self._held = held
        self._lock = Lock()
        # Files that are written or to be, and that no version names yet; whether they are on the disk for sure.
        self._new: dict[str, bool] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._new:
            # What does not go now goes when the next version is published.
            with suppress(OSError):
                disk.remove(self.folder / name)
        self._held.release()

    def segment(self, projection: str, layout: Layout, stretch: Interval) -> StoredSegment:
        """Writes the rows of a stretch of time. Raises OSError; then there is no such file."""
        return write_segment(self.folder, projection, layout, stretch, self._new_name(segment.FOLDER, projection))

    def dictionaries(
        self, wanted: Dictionaries, before: Opened | None, mapped: Dictionaries | None = None
    ) -> StoredDictionaries:
        """Writes what codes mean, as far as it is not as it was `before`. `mapped` is what that has given of it, where
        `wanted` was made from that: what is the very same there is not looked at."""
        known = {} if before is None else before.manifest.dictionaries
        return write_dictionaries(self.folder, wanted, known, mapped, self._new_name)

    def _new_name(self, part: str, shown: str) -> str:
        """The name of a file that is to be written, which nobody removes from now on but this writer at its end."""
        name = f"{part}/{file_name(shown)}"
        with self._lock:
            self._new[name] = False
        return name

    def publish(self, manifest: Manifest) -> Opened:
        """Makes this the present version, with the next number, and gives it, held.

        Raises StorageError where a file that it names is not there, and OSError; then nothing is published.
        """
        assert self._held.is_there, "the writing has ended"
        present = versions_in(self.folder)
        manifest = replace(manifest, number=max(present, default=0) + 1)
        for name in manifest.files:
            if not (self.folder / name).is_file():
                raise StorageError(
                    f"{self.folder / name}: is missing, and the version that is to be published names it"
                )
        self._sync(manifest.files)
        held = self._put(manifest)
        with self._lock:
            for name in manifest.files:
                self._new.pop(name, None)
        self._clean(manifest)
        return Opened(self.folder, manifest, held)

    def _sync(self, names: Iterable[str]) -> None:
        """Has new files on the disk, and the names of them."""
        waiting = [name for name in names if not self._new.get(name, True)]
        disk.sync_all(self.folder / name for name in waiting)
        for part in sorted({Path(name).parent for name in waiting}):
            disk.sync(self.folder / part)
        for name in waiting:
            self._new[name] = True

    def _put(self, manifest: Manifest) -> Held:
        """The manifest under its name, on the disk, held by this process as by a reader."""
        growing, path = self.folder / f".manifest-{uuid4().hex}.growing", manifest_path(self.folder, manifest.number)
        try:
            file = disk.NewFile(growing)
            try:
                file.write(write_manifest(manifest))
            finally:
                file.close()
            disk.sync(growing)
            held = Held.take(growing, alone=True)
            if held is None:
                raise StorageError(f"{growing}: went while it was written; does another process clean the folder?")
        except BaseException:
            disk.remove(growing)
            raise
        try:
            disk.rename(growing, path)
            held.path = path
            disk.sync(self.folder)
            held.share()
        except BaseException as error:
            # Nobody has seen it: it was locked.
            try:
                disk.remove(held.path)
            except OSError:
                # From now on somebody may, so its files have to stay.
                self._new.clear()
                error.add_note(f"{held.path} could not be removed; if it is there, it is whole")
            held.close()
            raise
        return held

    def _clean(self, manifest: Manifest) -> None:
        """Removes versions that nobody holds, and files that none names. What cannot be removed now can be when the
        next version is published; the present one is published, whatever happens here."""
        try:
            # What is there now has its name among the new ones, if a thread of this writer is writing it.
            there = [f"{part}/{path.name}" for part in PARTS for path in (self.folder / part).iterdir()]
            growing = [path for path in self.folder.iterdir() if is_leftover(path)]
        except OSError:
            return
        with self._lock:
            named = {*manifest.files, *self._new}
        for number in versions_in(self.folder):
            if number != manifest.number and not self._let_go(number):
                try:
                    named |= read_version(self.folder, number).files
                except StorageError:
                    # Nobody knows what its reader needs.
                    return
        unnamed = [self.folder / name for name in there if name not in named and _OWN.fullmatch(name)]
        with suppress(OSError):
            for path in (*unnamed, *growing):
                disk.remove(path)

    def _let_go(self, number: int) -> bool:
        """Removes the manifest of an old version, and tells whether it went."""
        path = manifest_path(self.folder, number)
        try:
            held = Held.take(path, alone=True)
            if held is None:
                return not path.exists()
            with held:
                disk.remove(path)
        except OSError:
            return False
        return True
