"""In what form should segments lie on disk? `python -m benchmarks.storage --rows 2_000_000`

A projection and the facts of the ESM v3 cube are written as segments (`storage/segment.py`) and as Parquet, plain and
with zstd, where the time of each row is a column. What each takes is printed beside what the segment takes, the
median of several rounds of one run in which they take turns: `size`; `write`, without waiting for the disk; `open`,
until columns can be asked for; `first`, opening it and a query that reads three columns; `again`, that query once
more. `memory` is the same query on arrays that were never written. Files lie in the page cache, as those of a server
do.

Then a folder of 200 projections of 8 segments, each with 10,000 partitions, is opened, and, with `Cube.open`, one in
which all 214 paths of the ESM v3 programmers are built: these lines have absolute times.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.builds import projections_of
from benchmarks.data import END, declaration
from wolap import Cube, Query, declare_projection
from wolap.apis import make_events
from wolap.engine.layout import Layout
from wolap.model.interval import EVERYTHING, Interval
from wolap.model.projection import Projection, Statistics
from wolap.model.zone import DAY
from wolap.storage.arrays import StoredFile
from wolap.storage.folder import Folder
from wolap.storage.manifest import Manifest, StoredProjection
from wolap.storage.segment import StoredSegment, map_segment, write_segment

GRAIN = "year/month/day/hour/requestor-id/mvpd/platform"
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Form:
    """A form of storing a layout: `write` gives the files that it has written, `open` what gives a column by name."""

    write: Callable[[], list[Path]]
    open: Callable[[], Callable[[str], np.ndarray]]


def named(layout: Layout) -> Callable[[str], np.ndarray]:
    """What gives the columns of a layout by their names."""
    partials = {str(one): one for one in layout.columns}

    def column(name: str) -> np.ndarray:
        values = layout.codes[name] if name in layout.codes else layout.columns[partials[name]].values
        assert values is not None
        return values

    return column


def rows_of(layout: Layout) -> dict[str, np.ndarray]:
    """All that has one value for each row; the time of the row with it."""
    assert layout.time is not None
    offsets = layout.time.offsets
    instants = layout.time.instants
    found = {"instant": instants if offsets is None else np.repeat(instants, np.diff(offsets)), **layout.codes}
    for one, column in layout.columns.items():
        for part, array in (("", column.values), (" valid", column.valid)):
            if array is not None and column.offsets is None:
                found[f"{one}{part}"] = array
    return found


def forms_of(layout: Layout, projection: Projection, folder: Path) -> dict[str, Form]:
    """The forms that are compared. Each writes into a folder of its own."""
    (folder / "segments").mkdir()
    zone = projection.zone
    kept: list[StoredSegment] = []

    def write() -> list[Path]:
        for one in kept:
            (folder / one.file.name).unlink()
        kept[:] = [write_segment(folder, projection.name, layout, EVERYTHING)]
        return [folder / one.file.name for one in kept]

    forms = {"segment": Form(write, lambda: named(map_segment(folder, kept[0], projection.name, zone)))}
    table = pa.table(rows_of(layout))
    for compression in ("none", "zstd"):
        file = folder / f"{compression}.parquet"
        forms[f"parquet {compression}"] = Form(
            partial(_write_parquet, table, file, compression),
            partial(_open_parquet, file),
        )
    return forms


def _write_parquet(table: pa.Table, path: Path, compression: str) -> list[Path]:
    pq.write_table(table, path, compression=compression)
    return [path]


def _open_parquet(path: Path) -> Callable[[str], np.ndarray]:
    file = pq.ParquetFile(path, memory_map=True)
    kept: dict[str, np.ndarray] = {}

    def column(name: str) -> np.ndarray:
        if name not in kept:
            kept[name] = file.read([name], use_threads=False)[name].to_numpy()
        return kept[name]

    return column


def query(column: Callable[[str], np.ndarray], names: tuple[str, ...]) -> int:
    """Rows of each member of one dimension, and what two columns add up to."""
    code, *numbers = names
    return int(np.bincount(column(code)).max()) + sum(int(column(one).sum()) for one in numbers)


def timed(call: Callable[[], object]) -> float:
    """Seconds of a call."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def compared(layout: Layout, projection: Projection, rounds: int) -> list[str]:
    """A line for each form, beside the segment."""
    sums = [str(one) for one in layout.columns if one.function == "sum"][:2]
    names = (projection.dimensions[0], *sums)
    found: dict[str, dict[str, list[float]]] = {}
    with TemporaryDirectory() as folder:
        forms = forms_of(layout, projection, Path(folder))
        for _ in range(rounds):
            for name, form in forms.items():
                told = found.setdefault(name, {})
                files: list[Path] = []
                told.setdefault("write", []).append(timed(lambda form=form, files=files: files.extend(form.write())))
                told.setdefault("size", []).append(sum(path.stat().st_size for path in files))
                told.setdefault("open", []).append(timed(form.open))
                told.setdefault("first", []).append(timed(lambda form=form: query(form.open(), names)))
                column = form.open()
                query(column, names)
                told.setdefault("again", []).append(timed(lambda column=column: query(column, names)))
            memory = found.setdefault("memory", {})
            memory.setdefault("again", []).append(timed(lambda: query(named(layout), names)))
    own = {key: median(values) for key, values in found["segment"].items()}
    bytes_of_rows = own["size"] / layout.rows
    lines = [f"{projection.name}: {layout.rows:,} rows, {bytes_of_rows:.1f} bytes each as a segment"]
    keys = ("size", "write", "open", "first", "again")
    lines.append(" " * 16 + "".join(f"{key:>9}" for key in keys))
    for name, told in found.items():
        cells = (f"{median(told[key]) / own[key]:>9.2f}" if key in told else " " * 9 for key in keys)
        lines.append(f"{name:<16}" + "".join(cells))
    return lines


def opening(projections: int, partitions: int, rounds: int) -> str:
    """How long a folder of many partitions takes to open; its segments are made up, since none is read."""
    random = np.random.default_rng(5)
    starts = tuple((np.arange(partitions) * DAY).tolist())
    segments = tuple(
        StoredSegment(StoredFile(f"segments/made-up-{number}", 1 << 20, 4096, 4096, 1 << 31), Interval(0, DAY), 1 << 20)
        for number in range(8)
    )
    stored = {}
    for number in range(projections):
        before = (0, *np.cumsum(random.integers(0, 60_000, partitions)).tolist())
        refreshed = datetime(2024, 7, 20, tzinfo=UTC)
        stored[f"p{number}"] = StoredProjection(Statistics(before, starts, refreshed=refreshed), segments)
    manifest = Manifest("", {}, {}, {}, EVERYTHING, stored)
    with TemporaryDirectory() as path:
        folder = Folder.create(Path(path))
        for number in range(8):
            (Path(path) / f"segments/made-up-{number}").touch()
        with folder.writing() as writer:
            written = timed(lambda: writer.publish(replace(manifest)))
        seconds = median(timed(lambda: folder.open().close()) for _ in range(rounds))
        size = next(Path(path).glob("manifest*")).stat().st_size
    many = f"{projections} projections of 8 segments and {partitions:,} partitions"
    return f"{many}: opened in {seconds * 1000:.0f} ms, published in {written * 1000:.0f} ms, {size / 1e6:.1f} MB"


def opening_built(rows: int, rounds: int, most: int | None = None) -> str:
    """How long `Cube.open` takes for a cube of which every path is built, or so many, and its first report then."""
    schema = declaration().schema
    cube = Cube(schema, make_events("esm-v3", rows, end=END))
    paths = projections_of(cube.schema, True)[:most]
    with TemporaryDirectory() as path:
        cube.declare(*paths)
        cube.save(path)
        cube.materialize()
        query = Query("year/month/day", metrics=(next(iter(schema.metrics)),))
        opened = [timed(lambda: Cube.open(path)) for _ in range(rounds)]
        asked = [timed(lambda: Cube.open(path).answer(query)) for _ in range(rounds)]
        size = sum(one.stat().st_size for one in Path(path).rglob("*") if one.is_file())
    told = f"{median(opened) * 1000:.0f} ms (least {min(opened) * 1000:.0f}, most {max(opened) * 1000:.0f})"
    many = f"{len(paths)} built paths of {rows:,} events, {size / 1e6:,.0f} MB"
    return f"{many}: Cube.open in {told}, with its first report in {median(asked) * 1000:.0f} ms"


def main(arguments: list[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--projections", type=int, default=200)
    parser.add_argument("--partitions", type=int, default=10_000)
    parser.add_argument("--opened", type=int, default=200_000, help="events of the cube that is opened")
    parser.add_argument("--paths", type=int, help="paths of it that are built; all unless said")
    options = parser.parse_args(arguments)
    schema = declaration().schema
    cube = Cube(schema, make_events("esm-v3", options.rows, end=END))
    sums = [name for name, one in schema.metrics.items() if one.function in ("sum", "count")]
    cube.materialize(declare_projection(cube.schema, GRAIN, metrics=sums, name="hours"))
    for one in cube.projections:
        layout = cube.snapshot.sources[one.name].segments[0].held.layout
        print("\n".join(compared(layout, one, options.rounds)), end="\n\n", flush=True)
    print(opening(options.projections, options.partitions, options.rounds), flush=True)
    print(opening_built(options.opened, 3 * options.rounds, options.paths))


if __name__ == "__main__":
    main()
