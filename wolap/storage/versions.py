"""The versions of a cube in a folder, and what holds one: see `storage/folder.py`, whose theory this is a part of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from wolap.engine.layout import Dictionaries, Layout
from wolap.errors import StorageError
from wolap.model.zone import Zone
from wolap.storage.dictionaries import map_dictionaries
from wolap.storage.lock import Held
from wolap.storage.manifest import Manifest, read_manifest
from wolap.storage.segment import StoredSegment, map_segment

__all__ = ["Opened", "manifest_path", "present_version", "read_version", "versions_in"]

_MANIFEST = re.compile(r"manifest-(\d{1,18})\.json", re.ASCII)


class Opened:
    """A version of a cube on disk, whose files stay for as long as this object is there or until it is closed. What was
    mapped by then stays."""

    def __init__(self, folder: Path, manifest: Manifest, held: Held) -> None:
        self.folder = folder
        self.manifest = manifest
        self._held = held

    def dictionaries(self) -> Dictionaries:
        """What codes mean, each mapped when it is first asked for. See `map_dictionaries`."""
        return map_dictionaries(self.folder, self.manifest.dictionaries, self.manifest.types)

    def segment(self, stored: StoredSegment, projection: str, zone: Zone) -> Layout:
        """The rows of a segment of this version, mapped. See `map_segment`."""
        return map_segment(self.folder, stored, projection, zone)

    def damage(self, zone: Zone) -> Iterator[tuple[str | None, StorageError]]:
        """Reads all files of this version, and gives what is wrong with those that are not what they were: the
        projection that a segment is of, None for a dictionary, and the error."""
        for name, projection in self.manifest.projections.items():
            for stored in projection.segments:
                try:
                    layout = self.segment(stored, name, zone)
                    _read((layout.codes, layout.columns, layout.lists))
                except StorageError as error:
                    yield name, error
        dictionaries = self.dictionaries()
        for kind in self.manifest.dictionaries:
            mapping = getattr(dictionaries, kind)
            for key in mapping:
                try:
                    mapping[key]
                except StorageError as error:
                    yield None, error

    def close(self) -> None:
        """Lets the version go."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _read(mappings: Iterable[Mapping[Any, object]]) -> None:
    """Has all values of mappings made, which checks what they are made from."""
    for mapping in mappings:
        for _ in mapping.values():
            pass


def manifest_path(folder: Path, number: int) -> Path:
    """Where the manifest of a version is."""
    return folder / f"manifest-{number}.json"


def versions_in(folder: Path) -> list[int]:
    """The numbers of the versions that are there, the highest first; none where there is no such folder."""
    try:
        names = [_MANIFEST.fullmatch(one.name) for one in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((int(name[1]) for name in names if name is not None), reverse=True)


def read_version(folder: Path, number: int) -> Manifest:
    """The manifest of a version. Raises StorageError where it cannot be read or is damaged."""
    path = manifest_path(folder, number)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from error
    manifest = read_manifest(data, path)
    if manifest.number != number:
        raise StorageError(f"{path}: is the manifest of version {manifest.number}; give it back its name")
    return manifest


def present_version(folder: Path) -> Opened | None:
    """The present version, held. None where there is none, or where it went while it was opened: look again.

    The highest number may be locked by the writer that is about to publish it; then the one below is the present one,
    unless a higher one is there by now.
    """
    highest = versions_in(folder)[:2]
    for number in highest:
        held = Held.take(manifest_path(folder, number), alone=False)
        if held is None:
            continue
        if number != highest[0] and versions_in(folder)[:1] != highest[:1]:
            held.close()
            return None
        try:
            return Opened(folder, read_version(folder, number), held)
        except BaseException:
            held.close()
            raise
    return None
