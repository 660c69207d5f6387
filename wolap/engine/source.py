"""The seam between the executor and places where rows are: a source gives merged partials for a piece of a plan.

Sources of one cube share its dictionaries, so that the groups of two sources merge by their codes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Protocol

import numpy as np
import pyarrow as pa

from wolap.engine.collection import collect
from wolap.engine.dimensions import Dimensions
from wolap.engine.distinct import count_distinct
from wolap.engine.explode import Block, ListDigit, explode
from wolap.engine.grouping import Grouping, Groupings, Selection
from wolap.engine.groups import Groups, Partials, Series
from wolap.engine.joint import join_scan
from wolap.engine.kernels import scan_groups
from wolap.engine.keys import Digit, Keys, MomentDigit, TimeDigit, pack
from wolap.engine.layout import Dictionaries, Layout
from wolap.engine.moments import cuts_of, spread
from wolap.engine.scan import ALONE, Condition, Means, Scan
from wolap.engine.stitch import stitch
from wolap.engine.taken import take_rows, tell_groups
from wolap.engine.time_index import TimeIndex
from wolap.engine.zones import WORTH_ROWS, runs_at, zone_of
from wolap.model.aggregate import COLLECTIONS, JOINT, Partial
from wolap.model.filter import Filter
from wolap.model.interval import Interval
from wolap.model.level import common_level, nests
from wolap.model.query import Query
from wolap.planner.plan import Piece

__all__ = ["MemorySource", "Source"]

_NO_KEYS = Keys((), 1)
# Zones are worked out by who reads so large a share of the rows.
_SHARE = 8


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
    groupings: Groupings = field(init=False, repr=False)
    dimensions: Dimensions = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dimensions", Dimensions(self.layout, self.dictionaries, self.filters))
        object.__setattr__(self, "groupings", Groupings(self.layout.rows, self.layout.columns, self.layout.span))

    def partials(self, query: Query, piece: Piece, cancel: Event | None) -> Partials:
        """See Source."""
        if self.groupings.is_small and self.layout.moments is None:
            found = self._regrouped(query, piece.partials, self._range(piece.interval), cancel)
            if found is not None:
                return found
        levels = self._levels(query.group)
        return stitch(
            [
                source._of_rows(query, levels, own, piece.partials, cancel, within)
                for rows, within in self._cuts(piece.interval, piece.partials)
                for source, own in self._parts(query, levels, rows, piece.partials, cancel, within)
            ]
        )

    def _levels(self, group: tuple[str, ...]) -> tuple[str, ...]:
        """The time dimensions of a report."""
        return tuple([name for name in group if name not in self.dictionaries.members])

    def _range(self, interval: Interval) -> tuple[int, int]:
        """The rows of an interval, where they lie together."""
        time = self.layout.time
        return (0, self.layout.rows) if time is None or interval.covers(self.groupings.span) else time.rows_in(interval)

    def _cuts(self, interval: Interval, partials: Iterable[Partial]) -> list[tuple[tuple[int, int], Condition | None]]:
        """The ranges of rows that an interval touches, with what keeps those of its own where not all are."""
        layout = self.layout
        if layout.moments is not None:
            # Different values of two ranges are not those of both, unless they are kept.
            columns = {partial: layout.columns[partial] for partial in partials}
            merges = all(one.members is None or partial.function in COLLECTIONS for partial, one in columns.items())
            return [*cuts_of(layout.moments, interval, whole=not merges)]
        return [(self._range(interval), None)]

    def _regrouped(
        self, query: Query, partials: Sequence[Partial], rows: tuple[int, int], cancel: Event | None
    ) -> Partials | None:
        """The partials of a small layout, whose rows are grouped by what is kept; None where that does not do."""
        summands = self.groupings.summands(partials)
        if summands is None or (self.layout.lists and not self.layout.lists.keys().isdisjoint(query.group)):
            return None
        scan = Scan(*rows, _NO_KEYS, tuple(self.dimensions.predicates(query.filters)) if query.filters else (), cancel)
        if (block := scan.whole()) is None:
            return None
        grouping = self.groupings.of(query.group, lambda: self._grouping(query.group))
        present, values = self.groupings.roll_up(grouping, summands, *block)
        dimensions, selection = dict(grouping.dimensions), Selection(grouping, present)
        if present is not None:
            dimensions = {name: codes[present] for name, codes in dimensions.items()}
        series = {
            partial: (Series(found), one.type) for partial, one, found in zip(partials, summands, values, strict=True)
        }
        return Partials(dimensions, series, selection.size, selection)

    def _grouping(self, group: tuple[str, ...]) -> Grouping:
        """All rows by some dimensions."""
        levels, rows = self._levels(group), self.layout.rows
        digits = self._digits(group, levels, 0, rows)
        keys = pack([digit for digit in digits.values() if not isinstance(digit, ListDigit)], 0, rows)

        def codes_of(occurring: np.ndarray) -> dict[str, np.ndarray]:
            return self._columns(group, levels, digits, dict(zip(digits, keys.split(occurring), strict=True)))

        return Grouping.of(keys.build(0, rows, None), keys.size, codes_of)

    def _columns(
        self,
        group: tuple[str, ...],
        levels: tuple[str, ...],
        digits: Mapping[str, Digit | ListDigit],
        codes: Mapping[str, np.ndarray],
    ) -> dict[str, np.ndarray]:
        """The dimensions of groups, of the codes that their digits have: all of time is one."""
        found: dict[str, np.ndarray] = {}
        for name, digit in digits.items():
            if isinstance(digit, TimeDigit | MomentDigit):
                parts, numbers = self._times(levels).groups(levels).parts, codes[name] + digit.base
                found.update((level, parts[level].take(numbers)) for level in levels)
            else:
                found[name] = codes[name]
        return {name: found[name] for name in group}

    def _of_rows(
        self,
        query: Query,
        levels: tuple[str, ...],
        rows: tuple[int, int],
        partials: Sequence[Partial],
        cancel: Event | None,
        within: Condition | None,
    ) -> Partials:
        """The partials of a range of rows, or of those within it that are meant."""
        digits = self._digits(query.group, levels, *rows)
        if within is None and rows[0] < rows[1] and tell_groups(self.layout, query, levels, partials):
            scan = self._scan(rows, _NO_KEYS, query.filters, cancel, None)
            found = take_rows(scan, digits, {partial: self.layout.columns[partial] for partial in partials})
        else:
            found = self.grouped(digits, rows, query.filters, partials, cancel, within)
        return replace(found, dimensions=self._columns(query.group, levels, digits, found.dimensions))

    def _parts(
        self,
        query: Query,
        levels: tuple[str, ...],
        rows: tuple[int, int],
        partials: Sequence[Partial],
        cancel: Event | None,
        within: Condition | None,
    ) -> list[tuple[MemorySource, tuple[int, int]]]:
        """Where the rows of a report are read: in zones as far as whole runs go, else in the layout itself."""
        start, stop = rows
        if (
            within is not None
            or stop - start < WORTH_ROWS
            or any(self.layout.columns[partial].members is not None for partial in partials)
        ):
            return [(self, rows)]
        names = {one.dimension for one in self.dimensions.told(query.filters)}.union(query.group).difference(levels)
        depth = self.dimensions.depth(names)
        runs = None if depth is None else runs_at(self.layout, depth, common_level(levels))
        if runs is None:
            return [(self, rows)]
        first = int(runs.offsets.searchsorted(np.int64(start)))
        last = int(runs.offsets.searchsorted(np.int64(stop), side="right")) - 1
        if last - first < 1:
            return [(self, rows)]
        if (stop - start) * _SHARE < self.layout.rows and not all(partial in runs.columns for partial in partials):
            # Who reads little need not add up all rows for it.
            return [(self, rows)]
        zone = zone_of(
            self.layout,
            runs,
            partials,
            lambda scan, wanted: self.groups(replace(scan, cancel=cancel, means=self.means), wanted),
        )
        if zone is None:
            return [(self, rows)]
        begin, end = int(runs.offsets[first]), int(runs.offsets[last])
        zones = MemorySource(zone, self.dictionaries, self.filters, self.means)
        found = [(self, (start, begin)), (zones, (first, last)), (self, (end, stop))]
        return [(source, own) for source, own in found if own[0] < own[1]]

    def grouped(
        self,
        digits: Mapping[str, Digit | ListDigit],
        rows: tuple[int, int],
        filters: Iterable[Filter],
        partials: Sequence[Partial],
        cancel: Event | None,
        within: Condition | None = None,
    ) -> Partials:
        """The partials of a range of rows, or of those within it that are meant, by some digits, whose codes come by
        their names; sorted from left to right.

        Raises PartialOverflow and Cancelled.
        """
        ordinary = {name: digit for name, digit in digits.items() if not isinstance(digit, ListDigit)}
        if len(ordinary) < len(digits):
            return self._exploded(digits, rows, tuple(filters), partials, cancel, within)
        scan = self._scan(rows, pack(list(ordinary.values()), *rows), tuple(filters), cancel, within)
        groups, series = self.groups(scan, partials)
        codes = dict(zip(digits, scan.keys.split(groups.keys), strict=True))
        return Partials(codes, dict(zip(partials, series, strict=True)), len(groups.keys))

    def _scan(
        self,
        rows: tuple[int, int],
        keys: Keys,
        filters: tuple[Filter, ...],
        cancel: Event | None,
        within: Condition | None,
    ) -> Scan:
        """The rows of a range that pass filters: as slices where those are on leading dimensions."""
        ranges, others = self.dimensions.slices(filters, rows)
        conditions = (*self.dimensions.predicates(others), *([] if within is None else [within]))
        return Scan(*rows, keys, conditions, cancel, ranges, self.means)

    def _exploded(
        self,
        digits: Mapping[str, Digit | ListDigit],
        rows: tuple[int, int],
        filters: tuple[Filter, ...],
        partials: Sequence[Partial],
        cancel: Event | None,
        within: Condition | None,
    ) -> Partials:
        """What is said of a list that makes groups is held against its members, all else against facts."""
        keyed = {
            name: replace(digit, kept=self.dimensions.kept(one for one in filters if one.dimension == name))
            if isinstance(digit, ListDigit)
            else digit
            for name, digit in digits.items()
        }
        of_members = {name for name, digit in digits.items() if isinstance(digit, ListDigit)}
        others = tuple(self.dimensions.predicates(one for one in filters if one.dimension not in of_members))
        others += () if within is None else (within,)

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
        counted = [
            partial
            for partial, column in columns.items()
            if column.members is not None and partial.function not in COLLECTIONS
        ]
        # A distinct count finds the groups too, where nothing else has to.
        groups = scan_groups(scan, plain) if plain or not counted else None
        known = {} if groups is None else {one: s for (one, _), s in zip(plain, groups.series, strict=True)}
        for partial in counted:
            found = count_distinct(scan, columns[partial], groups, scan.means.threads)
            known[partial] = found.series[0]
            groups = found if groups is None else groups
        assert groups is not None
        for partial, column in columns.items():
            if partial.function in JOINT:
                known[partial] = join_scan(scan, partial, columns, groups, known)
            elif partial not in known:
                known[partial] = collect(scan, partial.function, column, groups)
        return groups, [(known[partial], column.type) for partial, column in columns.items()]

    def _digits(
        self, group: tuple[str, ...], levels: tuple[str, ...], start: int, stop: int
    ) -> dict[str, Digit | ListDigit]:
        """The digits of a report by name: all of time is one digit, where the first of it stands."""
        digits: dict[str, Digit | ListDigit] = {}
        for name in group:
            if name not in levels:
                digits[name] = self.dimensions.digit_of(name)
            elif name == levels[0]:
                digits[name] = self._time_digit(levels, start, stop)
        return digits

    def _times(self, levels: Iterable[str]) -> TimeIndex:
        """The index that tells these levels: that of the instants, where partitions are too coarse."""
        time, moments, level = self.layout.time, self.layout.moments, common_level(levels)
        assert time is not None
        return time if moments is None or level is None or nests(time.level, level) else moments.index

    def _time_digit(self, levels: tuple[str, ...], start: int, stop: int) -> TimeDigit | MomentDigit:
        times, moments = self._times(levels), self.layout.moments
        if moments is None or times is not moments.index:
            return self._digit_of_time(times, levels, start, stop)
        low, high = moments.firsts[np.searchsorted(moments.offsets, (start, stop))].tolist()
        return spread(self._digit_of_time(times, levels, low, high), moments, low, high)

    @staticmethod
    def _digit_of_time(time: TimeIndex, levels: tuple[str, ...], start: int, stop: int) -> TimeDigit:
        """Only the groups of the rows that are read count, so that a short interval has small keys."""
        found = time.groups(levels)
        if stop <= start:
            return TimeDigit(found.codes[:0], found.buckets.offsets[:1], 0)
        first = int(found.buckets.offsets.searchsorted(np.int64(start), side="right")) - 1
        last = int(found.buckets.offsets.searchsorted(np.int64(stop)))
        groups = found.codes[first:last]
        offsets = found.buckets.offsets[first : last + 1].copy()
        offsets[0], offsets[-1] = start, stop
        least, most = (groups[0], groups[-1]) if found.rising else (groups.min(), groups.max())
        return TimeDigit(groups - least, offsets, int(most - least) + 1, int(least))
