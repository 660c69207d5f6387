"""How the dimensions that a query names are read in one layout: as digits of a key, and as what rows are held against.

A dimension is stored as a column of codes, as lists of them, or not at all: then one that determines it is, and a table
leads from the codes of that to its own. What every row of the layout is known to pass is not asked of rows. A filter on
leading dimensions keeps whole runs of rows (`engine/zones.py`), and so is slices rather than a condition.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

import numpy as np

from wolap.engine.explode import ListDigit
from wolap.engine.keys import CodeDigit
from wolap.engine.layout import Dictionaries, Layout
from wolap.engine.lists import SomeMember
from wolap.engine.members import Codes
from wolap.engine.scan import Condition, Predicate, Ranges
from wolap.engine.zones import WORTH_ROWS, kept_rows, runs_at
from wolap.model.filter import Filter, implies

__all__ = ["Dimensions"]


@dataclass(frozen=True, slots=True, eq=False)
class Dimensions:
    """The dimensions of a layout whose rows all passed `filters` when it was built."""

    layout: Layout
    dictionaries: Dictionaries
    filters: tuple[Filter, ...] = ()

    def slices(self, filters: tuple[Filter, ...], rows: tuple[int, int]) -> tuple[Ranges | None, tuple[Filter, ...]]:
        """The rows that pass the filters on leading dimensions, which are slices, and the filters that are left."""
        if not filters or rows[1] - rows[0] < WORTH_ROWS or not self.layout.order:
            return None, filters
        for depth in range(len(self.layout.order), 0, -1):
            leading = self.layout.order[:depth]
            own = [one for one in self.told(filters) if self.stored(one.dimension) in leading]
            if not any(self.stored(one.dimension) == leading[-1] for one in own):
                continue
            if (runs := runs_at(self.layout, depth)) is None:
                continue
            layout = Layout(len(runs.offsets) - 1, None, runs.codes, {})
            # Only the runs that have any of these rows are looked at.
            first = int(runs.offsets.searchsorted(np.int64(rows[0]), side="right")) - 1
            last = int(runs.offsets.searchsorted(np.int64(rows[1])))
            conditions = Dimensions(layout, self.dictionaries).predicates(own)
            kept = np.logical_and.reduce([one.mask(first, last) for one in conditions])
            ranges = kept_rows(runs.offsets[first : last + 1], kept, *rows)
            return ranges, tuple(one for one in filters if one not in own)
        return None, filters

    def told(self, filters: Iterable[Filter]) -> list[Filter]:
        """The filters that not every row is known to pass."""
        return [one for one in filters if not (self.filters and implies(self.filters, one))]

    def stored(self, name: str) -> str | None:
        """The dimension whose codes tell this one; None for lists."""
        if name in self.layout.codes:
            return name
        parents = self.dictionaries.parents
        return next((child for child, above in parents if above == name and child in self.layout.codes), None)

    def depth(self, names: Set[str]) -> int | None:
        """How many of the leading dimensions tell all of these; None where all of them do not."""
        order = self.layout.order
        for depth in range(len(order) + 1):
            told = set(order[:depth])
            told.update(above for child, above in self.dictionaries.parents if child in told)
            if names <= told:
                return depth
        return None

    def digit_of(self, name: str) -> CodeDigit | ListDigit:
        """A dimension, which is none of time, as part of a key."""
        if name in self.layout.lists:
            return ListDigit(self.layout.lists[name])
        codes, table = self.codes_of(name)
        return CodeDigit(codes, self.dictionaries.members[name].cardinality, table)

    def codes_of(self, name: str) -> tuple[Codes, Codes | None]:
        """The codes of a dimension, or those of one that determines it with the table that leads up."""
        stored = self.stored(name)
        assert stored is not None
        return self.layout.codes[stored], None if stored == name else self.dictionaries.parents[stored, name]

    def predicates(self, filters: Iterable[Filter]) -> Iterable[Condition]:
        """The filters that rows have to be held against: all but those that every row is known to pass, whose dimension
        need not be stored. Those of one list are one, since one member has to pass them all."""
        of_lists: dict[str, list[Filter]] = {}
        for predicate in self.told(filters):
            if predicate.dimension in self.layout.lists:
                of_lists.setdefault(predicate.dimension, []).append(predicate)
                continue
            found, kept = self._marked(predicate)
            codes, table = self.codes_of(predicate.dimension)
            if table is not None:
                yield Predicate(codes, kept[table])
            else:
                few = tuple(found) if 0 < len(found) <= 4 else None
                yield Predicate(codes, kept, few, predicate.exclude)
        for name, said in of_lists.items():
            kept_members = self.kept(said)
            assert kept_members is not None
            yield SomeMember(self.layout.lists[name], kept_members)

    def _marked(self, predicate: Filter) -> tuple[list[int], np.ndarray]:
        """The codes that a predicate names, and for each code whether it passes."""
        members = self.dictionaries.members[predicate.dimension]
        found = sorted({members.code(value) for value in predicate.values} - {-1})
        kept = np.full(max(members.cardinality, 1), predicate.exclude)
        kept[found] = not predicate.exclude
        return found, kept

    def kept(self, filters: Iterable[Filter]) -> np.ndarray | None:
        """For each code of a dimension whether it passes all of some predicates on it; None where there are none."""
        masks = [self._marked(predicate)[1] for predicate in filters]
        return np.logical_and.reduce(masks) if masks else None
