"""What may happen to the facts of a cube: some come, some are replaced, deleted or grow too old.

Each is read here from what a caller says into a Change (`engine/revise.py`): which partitions it touches, which of
their facts stay, and which are added. Nothing is done yet, and what cannot be done is refused as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wolap.engine.gather import Keep, instants_of
from wolap.engine.layout import Dictionaries, Layout
from wolap.engine.load import load_facts
from wolap.engine.revise import Change, apart, partitions_of
from wolap.engine.scan import Condition
from wolap.engine.segments import SegmentedSource
from wolap.engine.source import MemorySource
from wolap.errors import Problem, QueryError, SchemaError, nearest, quote
from wolap.model.aggregate import COUNTED
from wolap.model.filter import SCALARS, Values
from wolap.model.interval import EVERYTHING, Interval
from wolap.model.projection import FACTS
from wolap.model.query import Query, settle
from wolap.model.schema import Schema
from wolap.model.zone import FIRST_INSTANT
from wolap.snapshot import Snapshot

__all__ = ["Wanted", "appended", "caught_up", "deleted", "replaced", "retained"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A change that can be made of a version, and the dictionaries that know its facts. Of `items` (columns that are
    counted, and the numbers of values in them) no fact is left after it."""

    change: Change
    dictionaries: Dictionaries
    items: Mapping[str, np.ndarray]


def appended(snapshot: Snapshot, table: pa.Table) -> Wanted:
    """Facts that come. Raises SchemaError for facts that do not fit those that there are."""
    dictionaries, layout = _loaded(snapshot, table)
    return Wanted(Change(partitions_of(layout, snapshot.partition), added=layout), dictionaries, {})


def replaced(snapshot: Snapshot, table: pa.Table, interval: Interval) -> Wanted:
    """Facts of an interval that come in the place of those of it that there are. Raises SchemaError for facts that do
    not fit, or lie outside of it."""
    schema = _with_time(snapshot.catalog.schema)
    dictionaries, layout = _loaded(snapshot, table)
    if layout.rows and not interval.covers(layout.span):
        instants = instants_of(layout, 0, layout.rows)
        outside = int(np.count_nonzero((instants < interval.start) | (instants >= interval.end)))
        found = f"{outside:,} of {layout.rows:,} facts lie outside of the interval that they are to fill"
        raise SchemaError([Problem("facts", found, "facts of that interval")])
    inside = snapshot.catalog.span.intersect(interval)
    spans = [one for one in (inside, layout.span) if one.start < one.end]
    if not spans:
        return Wanted(Change(()), snapshot.dictionaries, {})
    whole = Interval(min(one.start for one in spans), max(one.end for one in spans))
    touched = (
        Interval(
            schema.zone.floor(snapshot.partition, whole.start), schema.zone.ceiling(snapshot.partition, whole.end)
        ),
    )
    return Wanted(Change(touched, lambda source: _outside(source.layout, interval), layout), dictionaries, {})


def caught_up(snapshot: Snapshot) -> Wanted:
    """No facts come or go, and what changes before have left behind follows."""
    return Wanted(Change(()), snapshot.dictionaries, {})


def retained(snapshot: Snapshot, since: int) -> Wanted:
    """The facts before an instant go."""
    schema = _with_time(snapshot.catalog.schema)
    touched: tuple[Interval, ...] = ()
    if snapshot.catalog.span.start < min(since, snapshot.catalog.span.end):
        touched = (Interval(EVERYTHING.start, schema.zone.ceiling(snapshot.partition, since)),)
    gone = Interval(FIRST_INSTANT, since)
    change = Change(touched, lambda source: _outside(source.layout, gone), forgets=True)
    return Wanted(change, snapshot.dictionaries, {})


def deleted(snapshot: Snapshot, where: Mapping[str, Values], where_not: Mapping[str, Values]) -> Wanted:
    """The facts that pass all of some conditions go: on dimensions, and on columns whose different values are counted.

    Raises QueryError for names that are neither, and where there is no condition at all.
    """
    if not where and not where_not:
        raise QueryError("nothing is said of which facts to delete; name a dimension and its members")
    schema, dictionaries = snapshot.catalog.schema, snapshot.dictionaries
    counted = {name: _several(values) for name, values in where.items() if name in dictionaries.items}
    of_dimensions = {name: values for name, values in where.items() if name not in counted}
    query = settle(_query(schema, dictionaries, of_dimensions, where_not), schema)
    items = {name: _numbers(name, values, dictionaries.items[name]) for name, values in counted.items()}

    def marked(source: MemorySource) -> Keep:
        conditions = [*source.dimensions.predicates(query.filters), *_of_items(source.layout, items)]
        return lambda start, stop: np.logical_and.reduce([one.mask(start, stop) for one in conditions])

    def kept(source: MemorySource) -> Keep:
        mark = marked(source)
        return lambda start, stop: ~mark(start, stop)

    facts = snapshot.sources[FACTS]
    touched = _partitions_with(facts, marked, snapshot.partition)
    # What is deleted by its value alone is gone; of others some facts may be left.
    gone = items if len(items) == 1 and not query.filters else {}
    return Wanted(Change(touched, kept, forgets=True), dictionaries, gone)


def _loaded(snapshot: Snapshot, table: pa.Table) -> tuple[Dictionaries, Layout]:
    _, dictionaries, layout = load_facts(snapshot.catalog.schema, table, (), snapshot.dictionaries)
    return dictionaries, layout


def _with_time(schema: Schema) -> Schema:
    if schema.time is None:
        raise QueryError(f"the cube {quote(schema.name)} has no time that facts could be told by")
    return schema


def _outside(layout: Layout, interval: Interval) -> Keep:
    """Marks the facts that an interval does not hold."""

    def mark(start: int, stop: int) -> np.ndarray:
        instants = instants_of(layout, start, stop)
        found: np.ndarray = (instants < interval.start) | (instants >= interval.end)
        return found

    return mark


def _query(
    schema: Schema, dictionaries: Dictionaries, where: Mapping[str, Values], where_not: Mapping[str, Values]
) -> Query:
    """The conditions on dimensions as those of a query."""
    known = {dimension.name for dimension in schema.dimensions}
    if unknown := [name for name in (*where, *where_not) if name not in known and name not in schema.levels]:
        names = [*known, *dictionaries.items]
        possible = f"dimensions, and columns that are counted, are {nearest(unknown[0], names)}"
        raise QueryError(f"{quote(unknown[0])} is nothing that facts can be deleted by; {possible}")
    return Query((), where=where, where_not=where_not)


def _several(values: Values) -> list[object]:
    return [values] if isinstance(values, SCALARS) else list(values)


def _numbers(column: str, wanted: list[object], values: pa.Array) -> np.ndarray:
    """The numbers of values in a column that is counted, as far as it has them."""
    try:
        # Texts are read as values, as members are.
        are_texts = all(isinstance(one, str) for one in wanted)
        asked = pa.array(wanted, pa.string()).cast(values.type) if are_texts else pa.array(wanted, values.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
        raise QueryError(f"the values of {quote(column)} are of type {values.type}: {error}") from None
    if asked.null_count:
        raise QueryError(f"facts without {quote(column)} cannot be told by it; name a value")
    found = pc.index_in(asked, value_set=values).drop_null()
    return np.asarray(found, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class _Items:
    """Keeps the facts whose value in a counted column has one of some numbers."""

    values: np.ndarray
    numbers: np.ndarray

    def mask(self, start: int, stop: int, chosen: np.ndarray | None = None) -> np.ndarray:
        block = self.values[start:stop]
        found: np.ndarray = np.isin(block if chosen is None else block[chosen], self.numbers)
        return found


def _of_items(layout: Layout, items: Mapping[str, np.ndarray]) -> list[Condition]:
    """The conditions on columns that are counted. Raises QueryError where only some of a column's facts are known."""
    found: list[Condition] = []
    for name, numbers in items.items():
        columns = [
            column.values
            for partial, column in layout.columns.items()
            if partial.column == name and partial.function in COUNTED - {"registers", "buckets"} and not partial.filters
        ]
        if not columns or columns[0] is None:
            text = f"{quote(name)} is counted for some facts only, by a metric with filters"
            raise QueryError(f"{text}; facts cannot be deleted by it")
        found.append(_Items(columns[0], numbers))
    return found


def _partitions_with(
    facts: SegmentedSource, marked: Callable[[MemorySource], Keep], level: str
) -> tuple[Interval, ...]:
    """The partitions that have any marked fact."""
    touched: list[Interval] = []
    for segment in facts.segments:
        source = facts.of_segment(segment)
        mark, layout = marked(source), source.layout
        found = np.zeros(layout.rows, bool)
        for part in segment.chosen((EVERYTHING,), mark):
            found[part.start : part.stop] = True if part.marked is None else part.marked
        if not found.any():
            continue
        if layout.time is None:
            return (EVERYTHING,)
        buckets, zone = layout.time.buckets(level), layout.time.zone
        has_any = np.logical_or.reduceat(found, buckets.offsets[:-1])
        touched += [
            Interval(zone.floor(level, one), zone.ceiling(level, one + 1)) for one in buckets.instants[has_any].tolist()
        ]
    return apart(touched)
