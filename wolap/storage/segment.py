"""The rows of a stretch of time as a file, and as a layout that lies in it.

Facts and projections are stored in the same way, since they lie in memory in the same way (`engine/layout.py`). Each
array of a layout is an array of the file (`storage/arrays.py`), those that are equal once: what a distinct count counts
may be the codes of a dimension, and sums and minima of one column share its values. What a layout is beside its arrays
stands in the metadata of the file, where columns name their arrays by number.

A layout that is mapped has its time, of which all reports ask. A column of codes or numbers is read, and its checksum
compared, when somebody first asks for it; opening a segment reads no rows.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from wolap.engine.columns import NARROW_ROWS, Column, narrowed
from wolap.engine.layout import Layout, Moments
from wolap.engine.time_index import TimeIndex
from wolap.model.aggregate import Partial
from wolap.model.filter import Filter
from wolap.model.interval import EVERYTHING, Interval, moment_text
from wolap.model.projection import FACTS
from wolap.model.zone import Zone
from wolap.storage.arrays import ArrayFile, StoredFile, file_name, write_arrays
from wolap.storage.lazily import Lazy

__all__ = [
    "StoredSegment",
    "file_name",
    "map_segment",
    "partial_in",
    "partial_out",
    "type_in",
    "type_out",
    "write_segment",
]

_PARTS = ("values", "valid", "offsets", "counts", "shown")
FOLDER = "segments"
# Of arrays that differ so many bytes mostly tell it.
_BEGIN = slice(1 << 12)


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """A segment as the manifest names it: its file, the stretch of time whose rows it has, and how many they are."""

    file: StoredFile
    stretch: Interval
    rows: int


class _Arrays:
    """The arrays of a layout as they are put into a file, equal ones once."""

    def __init__(self) -> None:
        self.named: dict[str, np.ndarray] = {}
        self._places: dict[int, int] = {}
        self._alike: dict[tuple[str, int], list[int]] = {}

    def place(self, name: str, array: np.ndarray | None) -> int | None:
        """The number that an array has in the file; None of what is not there."""
        if array is None:
            return None
        if id(array) not in self._places:
            self._places[id(array)] = self._find(name, array)
        return self._places[id(array)]

    def _find(self, name: str, array: np.ndarray) -> int:
        alike = self._alike.setdefault((array.dtype.str, len(array)), [])
        every = list(self.named.values())
        for place in alike:
            # Bytes are compared: of floats equal ones may be zeros of two signs, or not numbers.
            one, other = _bytes(every[place]), _bytes(array)
            if all(np.array_equal(one[part], other[part]) for part in (_BEGIN, slice(None))):
                return place
        alike.append(len(self.named))
        self.named[f"{len(self.named)} {name}"] = array
        return alike[-1]


def _bytes(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).view(np.uint8)


def write_segment(
    folder: Path, projection: str, layout: Layout, stretch: Interval, name: str | None = None
) -> StoredSegment:
    """Writes a layout as a file with that name, or one of its own. It is not synced. Raises OSError; then there is no
    such file.

    Whole numbers of a million rows or more are stored as narrow as their bounds allow.
    """
    arrays = _Arrays()
    about = {
        "projection": projection,
        "stretch": [stretch.start, stretch.end],
        "rows": layout.rows,
        "order": list(layout.order),
        "are_groups": layout.are_groups,
        "time": None if layout.time is None else _time_out(arrays, "time", layout.time),
        "codes": {name: arrays.place(f"codes of {name}", codes) for name, codes in layout.codes.items()},
        "lists": {name: _column_out(arrays, name, column) for name, column in layout.lists.items()},
        **_columns_out(arrays, layout),
        "moments": None if layout.moments is None else _moments_out(arrays, layout.moments),
    }
    return StoredSegment(
        write_arrays(folder, name or f"{FOLDER}/{file_name(projection)}", arrays.named, about), stretch, layout.rows
    )


def _time_out(arrays: _Arrays, name: str, time: TimeIndex) -> dict[str, Any]:
    instants = arrays.place(f"instants of {name}", time.instants)
    return {"level": time.level, "instants": instants, "offsets": arrays.place(f"offsets of {name}", time.offsets)}


def _moments_out(arrays: _Arrays, moments: Moments) -> dict[str, Any]:
    parts = {
        name: arrays.place(f"{name} of moments", getattr(moments, name)) for name in ("firsts", "offsets", "places")
    }
    return {"index": _time_out(arrays, "moments", moments.index), **parts}


def _columns_out(arrays: _Arrays, layout: Layout) -> dict[str, Any]:
    """Each column once, and of each partial which it has."""
    names = {id(column): str(partial) for partial, column in reversed(list(layout.columns.items()))}
    every = {id(column): column for column in layout.columns.values()}
    places = {one: place for place, one in enumerate(every)}
    partials = [[partial_out(partial), places[id(column)]] for partial, column in layout.columns.items()]
    if layout.rows >= NARROW_ROWS:
        every = {one: _narrow(column) for one, column in every.items()}
    return {"partials": partials, "columns": [_column_out(arrays, names[one], every[one]) for one in places]}


def _narrow(column: Column) -> Column:
    if column.values is None or column.members is not None or column.is_float:
        return column
    return replace(column, values=narrowed(column))


def _column_out(arrays: _Arrays, name: str, column: Column) -> dict[str, Any]:
    parts = {part: arrays.place(f"{part} of {name}", getattr(column, part)) for part in _PARTS}
    bounds = {"low": column.low, "high": column.high, "members": column.members}
    return {"type": type_out(column.type), **bounds, **parts}


def map_segment(folder: Path, stored: StoredSegment, projection: str, zone: Zone) -> Layout:
    """The layout in a file, as views of it; `zone` is the clock of the cube.

    Raises StorageError where the file is not what it was, at once or when a column is first asked for.
    """
    what, remedy = f"projection {projection}", "build it again from the facts with Cube.repair()"
    if projection == FACTS:
        what, remedy = FACTS, "restore the file from a copy, or build the cube again from where the facts came from"
    file = ArrayFile(folder, stored.file, f"{what}, {_stretch_text(stored.stretch, zone)}", remedy)
    about, arrays = file.about, _Numbered(file)
    columns = Lazy(range(len(about["columns"])), lambda place: arrays.column(about["columns"][place]))
    places = {partial_in(partial): place for partial, place in about["partials"]}
    return Layout(
        about["rows"],
        None if about["time"] is None else arrays.time(about["time"], zone),
        Lazy(about["codes"], lambda name: arrays[about["codes"][name]]),
        Lazy(places, lambda partial: columns[places[partial]]),
        Lazy(about["lists"], lambda name: arrays.column(about["lists"][name])),
        tuple(about["order"]),
        None if about["moments"] is None else arrays.moments(about["moments"], zone),
        file.whole,
        about["are_groups"],
    )


def _stretch_text(stretch: Interval, zone: Zone) -> str:
    if stretch.covers(EVERYTHING):
        return "all time"
    return " ".join(
        f"{word} {moment_text(bound, zone)}"
        for word, bound in (("from", stretch.start), ("until", stretch.end))
        if EVERYTHING.start < bound < EVERYTHING.end
    )


@dataclass(frozen=True, slots=True)
class _Numbered:
    """The arrays of a file by their numbers."""

    file: ArrayFile

    def __getitem__(self, place: int) -> np.ndarray:
        return self.file.numbers[self.file.names[place]]

    def time(self, written: Mapping[str, Any], zone: Zone) -> TimeIndex:
        offsets = None if written["offsets"] is None else self[written["offsets"]]
        return TimeIndex(self[written["instants"]], offsets, written["level"], zone)

    def moments(self, written: Mapping[str, Any], zone: Zone) -> Moments:
        index = self.time(written["index"], zone)
        return Moments(index, *(self[written[name]] for name in ("firsts", "offsets", "places")))

    def column(self, written: Mapping[str, Any]) -> Column:
        parts = {part: None if written[part] is None else self[written[part]] for part in _PARTS}
        bounds = written["low"], written["high"], written["members"]
        return Column(
            parts["values"],
            parts["valid"],
            type_in(written["type"]),
            *bounds,
            parts["offsets"],
            parts["counts"],
            parts["shown"],
        )


@lru_cache(maxsize=1024)
def type_out(kept: pa.DataType) -> str:
    """An Arrow type as text: that of a schema with one such field, as Arrow writes it."""
    return base64.b64encode(pa.schema([("", kept)]).serialize().to_pybytes()).decode()


@lru_cache(maxsize=1024)
def type_in(text: str) -> pa.DataType:
    """The Arrow type that was written as this text."""
    [field] = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))
    return field.type


def partial_out(partial: Partial) -> list[Any]:
    """A partial as values of JSON."""
    filters = [[one.dimension, sorted(one.values, key=_null_first), one.exclude] for one in partial.filters]
    return [partial.function, partial.column, partial.weight, filters, partial.parameter]


def _null_first(member: object) -> tuple[bool, str]:
    return member is not None, str(member)


def partial_in(written: list[Any]) -> Partial:
    """The partial that was written so."""
    function, column, weight, filters, parameter = written
    kept = tuple(Filter(dimension, frozenset(values), exclude) for dimension, values, exclude in filters)
    return Partial(function, column, weight, kept, parameter)
