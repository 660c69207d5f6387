"""From an Arrow table of facts to a layout: each column is looked at once, and all that is wrong is said together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from wolap.engine.columns import NARROW_ROWS, Column, narrowed
from wolap.engine.finish import unfit_metrics
from wolap.engine.inputs import Inputs
from wolap.engine.layout import Dictionaries, Layout
from wolap.engine.lists import encode_lists
from wolap.engine.members import Codes, Members, encode
from wolap.engine.moments import cluster, reorder
from wolap.engine.time_index import TimeIndex, local_to_instants
from wolap.errors import Problem, SchemaError, nearest, quote
from wolap.model.aggregate import Partial
from wolap.model.schema import Schema
from wolap.model.zone import DAY, FIRST_INSTANT, LAST_INSTANT, Zone

__all__ = ["load_facts", "needed_columns"]

# Units of a clock as multiples and fractions of a microsecond.
_UNITS = {"s": (1_000_000, 1), "ms": (1_000, 1), "us": (1, 1), "ns": (1, 1_000)}


def needed_columns(schema: Schema) -> tuple[str, ...]:
    """The columns of the facts that a schema reads."""
    named = [schema.time.column] if schema.time else []
    named += [dimension.column for dimension in schema.dimensions]
    named += [column for metric in schema.metrics.values() for column in (metric.column, metric.weight) if column]
    return tuple(dict.fromkeys(named))


def load_facts(schema: Schema, table: pa.Table, leading: tuple[str, ...] = ()) -> tuple[Schema, Dictionaries, Layout]:
    """Facts as a layout, with the dictionaries that they make and the schema with the kinds of its dimensions. They lie
    in the order of time, or by partitions of it and the `leading` dimensions.

    Raises SchemaError for all that one look at the data finds: missing or unsuitable columns, a row without time, a
    label that stands for null and is a value too, a declared parent that is not determined.
    """
    problems = [*_missing(schema, table), *_unfit_to_lead(schema, leading)]
    if problems:
        raise SchemaError(problems)
    instants = None
    if schema.time is not None:
        try:
            instants = _instants(schema, table[schema.time.column])
        except SchemaError as error:
            problems += error.problems
    members: dict[str, Members] = {}
    codes: dict[str, Codes] = {}
    lists: dict[str, Column] = {}
    for dimension in schema.dimensions:
        name, column = dimension.name, table[dimension.column]
        try:
            if dimension.multivalued:
                members[name], lists[name] = encode_lists(column, dimension)
            else:
                members[name], codes[name] = encode(column, dimension)
        except SchemaError as error:
            problems += error.problems
    bound = schema.with_kinds({name: one.kind for name, one in members.items()})
    columns = Inputs(bound, table, members, codes, instants).columns(problems)
    if problems:
        raise SchemaError(problems)
    parents = {
        (child.name, above): _determined(
            codes[child.name],
            members[child.name],
            codes[above],
            f"dimensions.{child.name}.parent",
            above,
            problems,
        )
        for child in schema.dimensions
        for above in schema.ancestors(child.name)
    }
    _check_counted(schema, codes, columns, problems)
    unfit = unfit_metrics(schema, {partial: column.type for partial, column in columns.items()})
    problems += [Problem(f"metrics.{name}", why.found, why.possible) for name, why in unfit.items()]
    if problems:
        raise SchemaError(problems)
    order = time = None
    if instants is not None:
        if not bool((instants[1:] >= instants[:-1]).all()):
            order = np.argsort(instants, kind="stable")
            instants = instants[order]
        time = TimeIndex.over(instants, schema.zone)
    dictionaries = Dictionaries(members, parents)
    layout = Layout(table.num_rows, time, codes, _narrow(columns, table.num_rows), lists)
    if leading:
        return bound, dictionaries, cluster(layout, dictionaries, leading, order)
    return bound, dictionaries, layout if order is None else reorder(layout, order)


def _narrow(columns: Mapping[Partial, Column], rows: int) -> dict[Partial, Column]:
    """Whole numbers as narrow as their bounds allow, where there are many; what partials share they share still."""
    if rows < NARROW_ROWS:
        return dict(columns)
    done = {
        id(column): column
        if column.values is None or column.is_float or column.members is not None
        else replace(column, values=narrowed(column))
        for column in columns.values()
    }
    return {partial: done[id(column)] for partial, column in columns.items()}


def _missing(schema: Schema, table: pa.Table) -> Iterator[Problem]:
    places = [("time.column", schema.time.column)] if schema.time else []
    places += [(f"dimensions.{dimension.name}", dimension.column) for dimension in schema.dimensions]
    places += [
        (f"metrics.{name}", column)
        for name, metric in schema.metrics.items()
        for column in (metric.column, metric.weight)
        if column
    ]
    for place, column in places:
        found = table.schema.get_all_field_indices(column)
        if not found:
            yield Problem(
                place,
                f"the facts have no column {quote(column)}",
                f"columns are {nearest(column, table.column_names)}",
            )
        elif len(found) > 1:
            yield Problem(place, f"the facts have {len(found)} columns {quote(column)}", "one of that name")


def _unfit_to_lead(schema: Schema, leading: tuple[str, ...]) -> Iterator[Problem]:
    known = [dimension.name for dimension in schema.dimensions]
    for index, name in enumerate(leading):
        if name not in known:
            yield Problem("cluster", f"{quote(name)} is no dimension", f"dimensions are {nearest(name, known)}")
        elif name in schema.multivalued:
            yield Problem("cluster", f"{quote(name)} is multi-valued, so facts have no order by it")
        elif name in leading[:index]:
            yield Problem("cluster", f"{quote(name)} is named twice")


def _instants(schema: Schema, column: pa.ChunkedArray) -> np.ndarray:
    """The time of each fact in microseconds since 1970 UTC.

    Nanoseconds are floored, which no interval in microseconds can tell; a balance is that of a microsecond. A date is a
    day of the cube's own calendar.
    """
    assert schema.time is not None
    kept, place, name = column.type, "time.column", quote(schema.time.column)
    if column.null_count:
        raise SchemaError(
            [Problem(place, f"column {name} is null in {column.null_count:,} rows", "a time in every row")]
        )
    zone: Zone | None
    if pa.types.is_date(kept):
        times, divide, zone = DAY, 1, schema.zone
        counts = column.cast(pa.date32()).cast(pa.int32()).to_numpy().astype(np.int64)
    elif pa.types.is_timestamp(kept):
        times, divide = _UNITS[kept.unit]
        zone = Zone(schema.time.column_zone) if kept.tz is None else None
        counts = column.cast(pa.int64()).to_numpy()
    else:
        found = f"column {name} has type {kept}"
        raise SchemaError([Problem(place, found, "a timestamp, with or without zone, or a date")])
    if not len(counts):
        return np.zeros(0, np.int64)
    outside = Problem(place, f"column {name} leaves the years 1 to 9999")
    if not FIRST_INSTANT <= int(counts.min()) * times // divide <= int(counts.max()) * times // divide <= LAST_INSTANT:
        raise SchemaError([outside])
    clock = np.ascontiguousarray(counts // divide * times if (times, divide) != (1, 1) else counts)
    if zone is not None:
        clock = local_to_instants(clock, zone)
    low, high = int(clock.min()), int(clock.max())
    # Neither in UTC nor on the cube's own clock, whose calendar parts are shown.
    if min(low, schema.zone.local(low)) < FIRST_INSTANT or max(high, schema.zone.local(high)) > LAST_INSTANT:
        raise SchemaError([outside])
    return clock


def _determined(
    child: np.ndarray, members: Members, above: np.ndarray, place: str, name: str, problems: list[Problem]
) -> Codes:
    """The upper code of each lower code; a fault where one lower member has two (rule 3: validated, not trusted)."""
    table = np.zeros(members.cardinality, above.dtype)
    table[child] = above
    wrong = np.flatnonzero(table[child] != above)
    if len(wrong):
        culprits = np.unique(child[wrong])
        example = quote(members.texts[int(culprits[0])])
        found = f"{len(culprits):,} members lie under more than one {name}, such as {example}"
        problems.append(Problem(place, found, "a level that its members determine, or no parent"))
    return table


def _check_counted(
    schema: Schema, codes: Mapping[str, Codes], columns: Mapping[Partial, Column], problems: list[Problem]
) -> None:
    """Whether what a distinct metric counts has one member of each dimension that it is said to determine."""
    for name, metric in schema.metrics.items():
        for dimension in metric.determines:
            column = columns[metric.partials[0]]
            assert column.values is not None
            assert column.members is not None
            present = column.values < column.members
            counted, member = column.values[present], codes[dimension][present]
            table = np.zeros(column.members, member.dtype)
            table[counted] = member
            wrong = len(np.unique(counted[table[counted] != member]))
            if wrong:
                found = f"{wrong:,} values of {quote(metric.column or '')} lie under more than one {dimension}"
                problems.append(Problem(f"metrics.{name}.determines", found, "a dimension that they determine"))
