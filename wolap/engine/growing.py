"""A layout that is put together from stretches, one behind the other in time, as named arrays.

A projection is rolled up a stretch of time at a time (`engine/materialize.py`), and each stretch is a layout: it has
all rows of its buckets. Put together they are one: every array of the whole is the arrays of the stretches one behind
the other, and what counts rows or items counts on.

    instants, offsets      the buckets of time and the row where each begins; no such arrays without time
    codes I                of the dimension I
    values I, valid I      of the partial I, in the order of their names
    offsets I, counts I    where the items of each row begin, and how often each occurs, of collections

A whole number waits in as few bits as it needs, and gets its width at the end, when the largest is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from wolap.engine.columns import Column, narrowed
from wolap.engine.layout import Layout
from wolap.engine.time_index import TimeIndex
from wolap.model.aggregate import Partial
from wolap.model.zone import Zone

__all__ = ["Frame", "Growing", "Kept", "Kind", "joined", "layout_of"]

# An array that is kept somewhere, and fetched when it is called.
Kept = Callable[[], np.ndarray]

_OFFSETS, _VALUES, _VALID = "offsets", "values", "valid"


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """What a column is beside its arrays, see Column."""

    type: pa.DataType
    low: int = 0
    high: int = 1
    members: int | None = None
    shown: np.ndarray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What a layout is beside its arrays. `level` None is without time; `zone` is that of its time index."""

    rows: int
    level: str | None
    zone: Zone
    dimensions: tuple[str, ...]
    partials: tuple[Partial, ...]
    kinds: tuple[Kind, ...]


def joined(stretches: Iterable[Layout]) -> Layout:
    """Stretches as one layout in memory. There is at least one."""
    growing = Growing()
    for stretch in stretches:
        growing.add(stretch)
    return layout_of(growing.frame, {name: growing.whole(name) for name in growing.names})


def layout_of(frame: Frame, arrays: Mapping[str, np.ndarray], mapped: object | None = None) -> Layout:
    """The layout that arrays with these names make, which are views of `mapped` where that is something."""
    time = None if frame.level is None else TimeIndex(arrays["instants"], arrays[_OFFSETS], frame.level, frame.zone)
    columns = {}
    for place, (partial, kind) in enumerate(zip(frame.partials, frame.kinds, strict=True)):
        found = [arrays.get(f"{part} {place}") for part in (_VALUES, _VALID, _OFFSETS, "counts")]
        columns[partial] = Column(
            found[0], found[1], kind.type, kind.low, kind.high, kind.members, found[2], found[3], kind.shown
        )
    codes = {name: arrays[f"codes {place}"] for place, name in enumerate(frame.dimensions)}
    return Layout(frame.rows, time, codes, columns, order=frame.dimensions, mapped=mapped, are_groups=True)


@dataclass(slots=True)
class _Parts:
    """One array as far as it has come."""

    kept: list[Kept] = field(default_factory=list)
    length: int = 0
    last: int = 0
    dtype: np.dtype[np.generic] | None = None


class Growing:
    """The arrays of the stretches that were added. `keep` puts an array somewhere until it is wanted, which is memory
    unless said."""

    def __init__(self, keep: Callable[[np.ndarray], Kept] = lambda array: lambda: array) -> None:
        self._keep = keep
        self._parts: dict[str, _Parts] = {}
        self._first: Layout | None = None
        self._rows = 0
        self._bounds: dict[Partial, tuple[int, int]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The arrays that there are."""
        return tuple(self._parts)

    @property
    def frame(self) -> Frame:
        """What was added, beside the arrays."""
        first = self._first
        assert first is not None, "nothing was added"
        time = first.time
        kinds = tuple(
            Kind(column.type, *self._bounds_of(place, partial), column.members, column.shown)
            for place, (partial, column) in enumerate(first.columns.items())
        )
        level, zone = (None, Zone("UTC")) if time is None else (time.level, time.zone)
        return Frame(self._rows, level, zone, tuple(first.codes), tuple(first.columns), kinds)

    def _bounds_of(self, place: int, partial: Partial) -> tuple[int, int]:
        """Those of whole numbers. A stretch without any value has whole zeros, even where others have floats."""
        is_float = self.dtype(f"{_VALUES} {place}").kind == "f"
        return (0, 1) if is_float else self._bounds.get(partial, (0, 1))

    def add(self, stretch: Layout) -> None:
        """Adds what comes behind in time."""
        if self._first is None:
            self._first = stretch
        if stretch.time is not None:
            assert stretch.time.offsets is not None
            self._append("instants", stretch.time.instants)
            self._append_offsets(_OFFSETS, stretch.time.offsets)
        for place, codes in enumerate(stretch.codes.values()):
            self._append(f"codes {place}", codes)
        for place, (partial, column) in enumerate(stretch.columns.items()):
            self._add_column(place, partial, column, stretch.rows)
        self._rows += stretch.rows

    def _add_column(self, place: int, partial: Partial, column: Column, rows: int) -> None:
        assert column.values is not None
        is_number = column.members is None and not column.is_float
        self._append(f"{_VALUES} {place}", narrowed(column) if is_number else column.values)
        valid = f"{_VALID} {place}"
        if column.valid is not None or valid in self._parts:
            if valid not in self._parts and self._rows:
                self._append(valid, np.ones(self._rows, bool))
            self._append(valid, np.ones(rows, bool) if column.valid is None else column.valid)
        if column.offsets is not None:
            self._append_offsets(f"{_OFFSETS} {place}", column.offsets)
        if column.counts is not None:
            self._append(f"counts {place}", column.counts)
        if rows and is_number:
            low, high = self._bounds.get(partial, (column.low, column.high))
            self._bounds[partial] = min(low, column.low), max(high, column.high)

    def _append(self, name: str, array: np.ndarray) -> None:
        parts = self._parts.setdefault(name, _Parts())
        parts.kept.append(self._keep(array))
        parts.length += len(array)
        parts.dtype = array.dtype if parts.dtype is None else np.result_type(parts.dtype, array.dtype)

    def _append_offsets(self, name: str, offsets: np.ndarray) -> None:
        if name not in self._parts:
            self._append(name, np.zeros(1, np.int64))
        parts = self._parts[name]
        counted = offsets[1:].astype(np.int64) + parts.last
        parts.last += int(offsets[-1])
        self._append(name, counted)

    def length(self, name: str) -> int:
        """How many numbers an array has."""
        return self._parts[name].length

    def dtype(self, name: str, *, narrow: bool = False) -> np.dtype[np.generic]:
        """The type of a whole array; whole numbers have 64 bits in it, unless they may be narrow."""
        parts = self._parts[name]
        assert parts.dtype is not None
        if name.startswith(_VALUES) and parts.dtype.kind == "i" and not narrow:
            return np.dtype(np.int64)
        if name.startswith(f"{_OFFSETS} ") and parts.last < 1 << 31:
            return np.dtype(np.int32)
        return parts.dtype

    def parts(self, name: str, dtype: np.dtype[np.generic]) -> Iterator[np.ndarray]:
        """An array, a stretch after the other, in the type that it is to have."""
        for fetch in self._parts[name].kept:
            yield fetch().astype(dtype, copy=False)

    def whole(self, name: str) -> np.ndarray:
        """An array in memory. What it was put together from is let go."""
        dtype = self.dtype(name)
        parts = list(self.parts(name, dtype))
        self._parts[name].kept.clear()
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
