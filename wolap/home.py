"""Where a cube lives: a folder of versions, and how a Snapshot becomes one of them and is read again.

What a version is on disk is storage's business (`storage/folder.py`), what it is in memory that of `snapshot.py`. A
folder serves by itself: the whole declaration is in it, as the text of a cube file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import TypeVar

import pyarrow as pa

from wolap.cube_file_reader import read_document
from wolap.cube_file_text import cube_text
from wolap.engine.layout import Dictionaries, Layout
from wolap.engine.scan import Means
from wolap.engine.segments import Held, Segment, SegmentedSource, Shelf
from wolap.errors import StorageError
from wolap.model.interval import Interval
from wolap.model.principal import Caps
from wolap.model.projection import FACTS, Catalog, Projection, declare_facts
from wolap.model.schema import Schema
from wolap.model.zone import Zone
from wolap.snapshot import Snapshot
from wolap.sources.ingested import Ingested
from wolap.storage.folder import Folder, Opened, Writer
from wolap.storage.manifest import Manifest, StoredProjection
from wolap.storage.segment import StoredSegment, map_segment
from wolap.versions import loaded_in_pieces

__all__ = ["Home"]

Made = TypeVar("Made")
# Rows of a file, where they can be cut.
_MOST = 1 << 23


@dataclass(frozen=True, slots=True)
class _Files:
    """The shelf of a writer: each segment goes to a file, which is mapped when it is asked."""

    writer: Writer
    zone: Zone
    most: int

    def hold(self, name: str, layout: Layout, stretch: Interval) -> Held:
        return _held(self.writer.folder, self.writer.segment(name, layout, stretch), name, self.zone)


class Home:
    """The folder of a cube."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def first(self, snapshot: Snapshot, move: Callable[[Snapshot, Shelf], Snapshot]) -> Snapshot:
        """The first version of a cube that was in memory, which `move` puts on a shelf. Raises StorageError where the
        folder holds something, OSError, and what moving it raises."""
        folder = Folder.create(self.path)
        with folder.writing() as writer:
            if folder.versions:
                raise StorageError(f"{self.path}: holds a cube already; open that, or name another folder")
            found = move(snapshot, _Files(writer, snapshot.catalog.schema.zone, _MOST))
            return self._published(writer, found, None)

    def first_in_pieces(
        self,
        catalog: Catalog,
        tables: Iterable[pa.Table],
        refreshed: datetime | None,
        leading: tuple[str, ...],
        means: Means,
        ingested: Ingested,
        cancel: Event | None,
    ) -> Snapshot:
        """The first version of a cube whose facts come in pieces. Raises as `first` does, and as loading them does."""
        folder = Folder.create(self.path)
        with folder.writing() as writer:
            if folder.versions:
                raise StorageError(f"{self.path}: holds a cube already; open that, or name another folder")
            shelf = _Files(writer, catalog.schema.zone, _MOST)
            found = loaded_in_pieces(catalog, tables, refreshed, leading, means, ingested, shelf, cancel)
            return self._published(writer, found, None)

    def open(self, caps: Caps | None, means: Means) -> Snapshot:
        """The present version. Raises StorageError."""
        return _read(Folder.at(self.path).open(), caps, means)

    def newer(self, snapshot: Snapshot) -> Snapshot | None:
        """The present version, if that is not this one. Raises StorageError."""
        folder = Folder.at(self.path)
        number = _opened(snapshot).manifest.number
        if folder.versions[:1] == [number]:
            return None
        opened = folder.open()
        if opened.manifest.number == number:
            opened.close()
            return None
        return _read(opened, snapshot.catalog.caps, snapshot.sources[FACTS].means)

    def next(
        self, snapshot: Snapshot, make: Callable[[Snapshot, Shelf], tuple[Snapshot, Made]]
    ) -> tuple[Snapshot, Made]:
        """Makes the version that follows the present one, whoever published that, and publishes it.

        Raises StorageError, where another process writes, OSError, and whatever making it raises; then nothing is
        published.
        """
        folder = Folder.at(self.path)
        with folder.writing() as writer:
            present = self.newer(snapshot) or snapshot
            found, made = make(present, _Files(writer, present.catalog.schema.zone, _MOST))
            if found is present:
                return present, made
            return self._published(writer, found, present), made

    def tidy(self, snapshot: Snapshot) -> None:
        """Removes the files of versions that nobody reads any more: a cube that has made the present one has let go of
        the one before only now. Where another process writes, that does so."""
        folder, manifest = Folder.at(self.path), _opened(snapshot).manifest
        if len(folder.versions) > 1:
            with suppress(StorageError, OSError), folder.writing() as writer:
                if folder.versions[0] == manifest.number:
                    writer.clean(manifest)

    def damage(self, snapshot: Snapshot) -> Mapping[str, tuple[StorageError, ...]]:
        """Reads all files of a version, and gives what is wrong with those that are not what they were, by the
        projection that they are of; dictionaries are of none, which is ""."""
        found: dict[str, tuple[StorageError, ...]] = {}
        for name, error in _opened(snapshot).damage(snapshot.catalog.schema.zone):
            found[name or ""] = (*found.get(name or "", ()), error)
        return found

    def _published(self, writer: Writer, snapshot: Snapshot, before: Snapshot | None) -> Snapshot:
        """A version once it is on disk, with what holds its files."""
        lease = None if before is None else _opened(before)
        known = None if before is None else before.dictionaries
        stored = writer.dictionaries(snapshot.dictionaries, lease, known)
        catalog = snapshot.catalog
        text = _declaration(snapshot)
        present = None if lease is None else lease.manifest
        manifest = Manifest(
            text,
            {one.name: one.kind for one in catalog.schema.dimensions},
            snapshot.dictionaries.types,
            stored,
            catalog.span,
            {one.name: _stored(one, snapshot) for one in catalog.projections if one.statistics is not None},
            catalog.shares,
            snapshot.partition,
            snapshot.ingested.values(),
            document=present.document if present is not None and present.declaration == text else None,
        )
        opened = writer.publish(manifest)
        return replace(snapshot, catalog=replace(catalog, version=opened.manifest.number), lease=opened)


def _opened(snapshot: Snapshot) -> Opened:
    assert isinstance(snapshot.lease, Opened)
    return snapshot.lease


def _held(folder: Path, stored: StoredSegment, name: str, zone: Zone) -> Held:
    return Held(lambda: map_segment(folder, stored, name, zone), stored, stored.file.bytes, stored.file.name)


def _declaration(snapshot: Snapshot) -> str:
    catalog = snapshot.catalog
    others = [one for one in catalog.projections if not one.is_facts]
    return cube_text(catalog.schema, others, strict=catalog.strict, caps=catalog.caps, cluster=snapshot.leading)


def _stored(projection: Projection, snapshot: Snapshot) -> StoredProjection:
    assert projection.statistics is not None
    segments = []
    for one in snapshot.sources[projection.name].segments:
        stored = one.held.stored
        assert isinstance(stored, StoredSegment)
        segments.append(replace(stored, stretch=one.stretch, rows=one.rows))
    return StoredProjection(projection.statistics, tuple(segments))


def _read(opened: Opened, caps: Caps | None, means: Means) -> Snapshot:
    """A version as a Snapshot, of which nothing is read yet but the manifest."""
    manifest = opened.manifest
    assert manifest.document is not None
    declared = read_document(manifest.document, opened.folder, manifest.kinds)
    schema = declared.schema.with_kinds(manifest.kinds)
    dictionaries = opened.dictionaries()
    facts = declare_facts(schema)
    projections = [
        replace(one, statistics=manifest.projections[one.name].statistics) if one.name in manifest.projections else one
        for one in (*declared.projections, facts)
    ]
    catalog = Catalog(
        schema,
        tuple(projections),
        manifest.span,
        {str(name): one.entries for name, one in manifest.dictionaries["members"].items()},
        declared.strict,
        declared.caps if caps is None else caps,
        manifest.number,
        manifest.shares,
    )
    sources = _sources(opened, projections, schema, dictionaries, means)
    ingested = Ingested.of_values(manifest.sources)
    return Snapshot(catalog, sources, dictionaries, manifest.partition, declared.cluster, ingested, opened)


def _sources(
    opened: Opened, projections: list[Projection], schema: Schema, dictionaries: Dictionaries, means: Means
) -> Mapping[str, SegmentedSource]:
    found = {}
    for projection in projections:
        if projection.statistics is None:
            continue
        held: dict[str, Held] = {}
        segments = []
        for one in opened.manifest.projections[projection.name].segments:
            if one.file.name not in held:
                held[one.file.name] = _held(opened.folder, one, projection.name, schema.zone)
            segments.append(Segment(one.stretch, held[one.file.name], one.rows))
        found[projection.name] = SegmentedSource(segments, dictionaries, schema.zone, projection.filters, means)
    return found
