"""The seam between the executor and places where rows are: a source gives merged partials for a piece of a plan.

Sources of one cube share its dictionaries, so that the groups of two sources merge by their codes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Event
from typing import Protocol

import numpy as np
import pyarrow as pa

from wolap.engine.collection import collect, count_distinct
from wolap.engine.explode import Block, ListDigit, explode
from wolap.engine.groups import Groups, Partials, Series
from wolap.engine.joint import join_scan
from wolap.engine.kernels import scan_groups
from wolap.engine.keys import CodeDigit, Digit, Keys, TimeDigit, pack
from wolap.engine.layout import Dictionaries, Layout
from wolap.engine.lists import SomeMember
from wolap.engine.members import Codes
from wolap.engine.scan import ALONE, Condition, Means, Predicate, Scan
from wolap.model.aggregate import COLLECTIONS, JOINT, Partial
from wolap.model.filter import Filter, implies
from wolap.model.query import Query
from wolap.planner.plan import Piece

__all__ = ["MemorySource", "Source"]


class Source(Protocol):
    """What the executor needs of any place where rows are."""

    def partials(self, query: Query, piece: Piece, cancel: Event | None) -> Partials:
        """The partials of a piece, grouped as the query asks, sorted from left to right. Raises PartialOverflow,
        Cancelled."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class MemorySource:
    """A layout in memory, of facts or of a projection. `filters` are those that all of its rows passed when it was
    built; `means` are those of its scans."""

    layout: Layout
    dictionaries: Dictionaries
    filters: tuple[Filter, ...] = ()
    means: Means = ALONE

    def partials(self, query: Query, piece: Piece, cancel: Event | None) -> Partials:
        """See Source."""
        layout = self.layout
        start, stop = (0, layout.rows) if layout.time is None else layout.time.rows_in(piece.interval)
        levels = tuple(name for name in query.group if name not in self.dictionaries.members)
        digits = self._digits(query.group, levels, start, stop)
        found = self.grouped(digits, (start, stop), query.filters, piece.partials, cancel)
        dimensions: dict[str, np.ndarray] = {}
        for name, codes in found.dimensions.items():
            digit = digits[name]
            if isinstance(digit, TimeDigit):
                assert layout.time is not None
                parts, numbers = layout.time.groups(levels).parts, codes + digit.base
                dimensions.update((level, parts[level][numbers]) for level in levels)
            else:
                dimensions[name] = codes
        return replace(found, dimensions={name: dimensions[name] for name in query.group})

    def grouped(
        self,
        digits: Mapping[str, Digit | ListDigit],
        rows: tuple[int, int],
        filters: Iterable[Filter],
        partials: Sequence[Partial],
        cancel: Event | None,
    ) -> Partials:
        """The partials of a range of rows by some digits, whose codes come by their names; sorted from left to right.

        Raises PartialOverflow and Cancelled.
        """
        ordinary = {name: digit for name, digit in digits.items() if not isinstance(digit, ListDigit)}
        if len(ordinary) < len(digits):
            return self._exploded(digits, rows, tuple(filters), partials, cancel)
        scan = Scan(*rows, pack(list(ordinary.values()), *rows), tuple(self.predicates(filters)), cancel, self.means)
        groups, series = self.groups(scan, partials)
        codes = dict(zip(digits, scan.keys.split(groups.keys), strict=True))
        return Partials(codes, dict(zip(partials, series, strict=True)), len(groups.keys))

    def _exploded(
        self,
        digits: Mapping[str, Digit | ListDigit],
        rows: tuple[int, int],
        filters: tuple[Filter, ...],
        partials: Sequence[Partial],
        cancel: Event | None,
    ) -> Partials:
        """What is said of a list that makes groups is held against its members, all else against facts."""
        keyed = {
            name: replace(digit, kept=self._kept(one for one in filters if one.dimension == name))
            if isinstance(digit, ListDigit)
            else digit
            for name, digit in digits.items()
        }
        of_members = {name for name, digit in digits.items() if isinstance(digit, ListDigit)}
        others = tuple(self.predicates(one for one in filters if one.dimension not in of_members))

        def group(block: Block) -> Partials:
            source = MemorySource(Layout(block.rows, None, {}, block.columns), self.dictionaries, means=self.means)
            return source.grouped(block.digits, (0, block.rows), (), tuple(block.columns), cancel)

        columns = {partial: self.layout.columns[partial] for partial in partials}
        return explode(Scan(*rows, Keys((), 1), others, cancel), keyed, columns, group)

    def groups(self, scan: Scan, partials: Iterable[Partial]) -> tuple[Groups, list[tuple[Series, pa.DataType]]]:
        """The groups of a scan, with a series for each partial.

        Collections are merged, and joint partials added up, once the groups are known. What a joint partial goes with
        must be among the partials too.
        """
        columns = {partial: self.layout.columns[partial] for partial in partials}
        plain = [
            (partial, column)
            for partial, column in columns.items()
            if column.members is None and partial.function not in JOINT
        ]
        groups = scan_groups(scan, plain)
        known = {partial: series for (partial, _), series in zip(plain, groups.series, strict=True)}
        for partial, column in columns.items():
            if partial.function in JOINT:
                known[partial] = join_scan(scan, partial, columns, groups, known)
            elif column.members is not None:
                is_plain = partial.function not in COLLECTIONS
                known[partial] = (
                    count_distinct(scan, column, groups)
                    if is_plain
                    else collect(scan, partial.function, column, groups)
                )
        return groups, [(known[partial], column.type) for partial, column in columns.items()]

    def _digits(
        self, group: tuple[str, ...], levels: tuple[str, ...], start: int, stop: int
    ) -> dict[str, Digit | ListDigit]:
        """The digits of a report by name: all of time is one digit, where the first of it stands."""
        digits: dict[str, Digit | ListDigit] = {}
        for name in group:
            if name not in levels:
                digits[name] = self.digit_of(name)
            elif name == levels[0]:
                digits[name] = self._time_digit(levels, start, stop)
        return digits

    def _time_digit(self, levels: tuple[str, ...], start: int, stop: int) -> TimeDigit:
        """Only the groups of the rows that are read count, so that a short interval has small keys."""
        assert self.layout.time is not None
        found = self.layout.time.groups(levels)
        if stop <= start:
            return TimeDigit(found.codes[:0], found.buckets.offsets[:1], 0)
        first = int(found.buckets.offsets.searchsorted(np.int64(start), side="right")) - 1
        last = int(found.buckets.offsets.searchsorted(np.int64(stop)))
        groups = found.codes[first:last]
        offsets = found.buckets.offsets[first : last + 1].copy()
        offsets[0], offsets[-1] = start, stop
        least, most = (groups[0], groups[-1]) if found.rising else (groups.min(), groups.max())
        return TimeDigit(groups - least, offsets, int(most - least) + 1, int(least))

    def digit_of(self, name: str) -> CodeDigit | ListDigit:
        """A dimension, which is none of time, as part of a key."""
        if name in self.layout.lists:
            return ListDigit(self.layout.lists[name])
        codes, table = self.codes_of(name)
        return CodeDigit(codes, self.dictionaries.members[name].cardinality, table)

    def codes_of(self, name: str) -> tuple[Codes, Codes | None]:
        """The codes of a dimension, or those of one that determines it with the table that leads up."""
        if name in self.layout.codes:
            return self.layout.codes[name], None
        below = next(
            child for child, above in self.dictionaries.parents if above == name and child in self.layout.codes
        )
        return self.layout.codes[below], self.dictionaries.parents[below, name]

    def predicates(self, filters: Iterable[Filter]) -> Iterable[Condition]:
        """The filters that rows have to be held against: all but those that every row is known to pass, whose dimension
        need not be stored. Those of one list are one, since one member has to pass them all."""
        of_lists: dict[str, list[Filter]] = {}
        for predicate in filters:
            if self.filters and implies(self.filters, predicate):
                continue
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
            kept_members = self._kept(said)
            assert kept_members is not None
            yield SomeMember(self.layout.lists[name], kept_members)

    def _marked(self, predicate: Filter) -> tuple[list[int], np.ndarray]:
        """The codes that a predicate names, and for each code whether it passes."""
        members = self.dictionaries.members[predicate.dimension]
        found = sorted({members.code(value) for value in predicate.values} - {-1})
        kept = np.full(max(members.cardinality, 1), predicate.exclude)
        kept[found] = not predicate.exclude
        return found, kept

    def _kept(self, filters: Iterable[Filter]) -> np.ndarray | None:
        """For each code of a dimension whether it passes all of some predicates on it; None where there are none."""
        masks = [self._marked(predicate)[1] for predicate in filters]
        return np.logical_and.reduce(masks) if masks else None
