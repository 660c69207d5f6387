"""Cubes that are put on disk: by the calls that a cube makes, without the cube."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from wolap import Cube, Dimension, Schema, Time, Tree, count, distinct, maximum, median, total
from wolap.cube_file_text import cube_text
from wolap.engine.layout import Dictionaries
from wolap.model.interval import EVERYTHING, Interval
from wolap.storage.folder import Folder, Opened, Writer
from wolap.storage.manifest import Manifest, StoredProjection

NOW = datetime(2024, 7, 20, 10, 5, tzinfo=UTC)


def sales(rows: int = 400, shops: int = 20, seed: int = 3, projections: tuple[str, ...] = ("day/shop",)) -> Cube:
    """A cube over facts of some days, with something of everything that is stored."""
    random = np.random.default_rng(seed)
    shop = random.integers(0, shops, rows)
    facts = pa.table(
        {
            "at": pa.array(np.sort(random.integers(0, 9 * 86_400, rows)), pa.timestamp("s")),
            "shop": [f"s{number}" for number in shop],
            "city": [f"c{number % 4}" for number in shop],
            "tag": [[f"t{number}", None] if number % 3 else [] for number in random.integers(0, 5, rows)],
            "spent": pa.array(random.integers(-1000, 1000, rows), mask=random.random(rows) < 0.1),
            "customer": random.integers(0, 50, rows),
        }
    )
    metrics = {
        "sales": count(),
        "spent": total("spent"),
        "most": maximum("spent"),
        "usual": median("spent"),
        "customers": distinct("customer", keep="set"),
    }
    dimensions = [Dimension("shop", parent="city"), Dimension("city"), Dimension("tag", multivalued=True)]
    cube = Cube(Schema("sales", dimensions, metrics, [Tree.parse("shop")], Time("at", ("month", "day"))), facts)
    if projections:
        cube.materialize(*projections, now=NOW)
    return cube


def publish(writer: Writer, cube: Cube, before: Opened | None = None) -> Opened:
    """A cube as the next version; what was published `before` has the same facts, and its segments are named again."""
    snapshot = cube.snapshot
    stored = {}
    for one in cube.projections:
        assert one.statistics is not None
        known = {} if before is None else before.manifest.projections
        if one.name in known:
            stored[one.name] = known[one.name]
            continue
        segment = writer.segment(one.name, snapshot.sources[one.name].segments[0].held.layout, EVERYTHING)
        stored[one.name] = StoredProjection(one.statistics, (segment,), (Interval(0, 5),))
    return writer.publish(
        Manifest(
            cube_text(cube.schema, cube.projections[:-1]),
            {one.name: one.kind for one in cube.schema.dimensions},
            snapshot.dictionaries.types,
            writer.dictionaries(snapshot.dictionaries, before),
            snapshot.catalog.span,
            stored,
            snapshot.catalog.shares,
            "month",
            ({"path": "sales.parquet", "bytes": 17},),
        )
    )


def stored(path: Path, cube: Cube) -> Opened:
    """A cube in a folder that is made for it."""
    with Folder.create(path).writing() as writer:
        return publish(writer, cube)


def everything(opened: Opened, cube: Cube) -> tuple[Dictionaries, dict[str, list[object]]]:
    """All that a version holds, read to the last byte."""
    dictionaries = opened.dictionaries()
    layouts = {
        name: [opened.segment(one, name, cube.schema.zone) for one in projection.segments]
        for name, projection in opened.manifest.projections.items()
    }
    return dictionaries, layouts
