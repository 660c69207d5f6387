"""From an Arrow table of facts to a layout: each column is looked at once, and all that is wrong is said together.

Facts that come later are a layout by themselves, in the codes of those before: what these did not have gets the next
codes. Nothing of the dictionaries before is changed, so who holds them is not disturbed. They cost by their own number,
and by that of members, never by that of the facts before. If anything in them contradicts those, none are taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from wolap.engine.columns import NARROW_ROWS, Column, narrowed
from wolap.engine.encoding import encode, rows_text
from wolap.engine.finish import unfit_metrics
from wolap.engine.inputs import Inputs
from wolap.engine.layout import Dictionaries, Layout
from wolap.engine.lists import encode_lists
from wolap.engine.members import Codes, Members
from wolap.engine.moments import cluster, reorder
from wolap.engine.time_index import TimeIndex, local_to_instants
from wolap.errors import Problem, SchemaError, nearest, quote
from wolap.model.aggregate import Metric, Partial
from wolap.model.schema import Schema
from wolap.model.zone import DAY, FIRST_INSTANT, LAST_INSTANT, Zone

__all__ = ["load_facts", "needed_columns", "unfit_to_lead"]

# Units of a clock as multiples and fractions of a microsecond.
_UNITS = {"s": (1_000_000, 1), "ms": (1_000, 1), "us": (1, 1), "ns": (1, 1_000)}


def needed_columns(schema: Schema) -> tuple[str, ...]:
    """The columns of the facts that a schema reads."""
    named = [schema.time.column] if schema.time else []
    named += [dimension.column for dimension in schema.dimensions]
    named += [column for metric in schema.metrics.values() for column in (metric.column, metric.weight) if column]
    return tuple(dict.fromkeys(named))


def load_facts(
    schema: Schema, table: pa.Table, leading: tuple[str, ...] = (), known: Dictionaries | None = None
) -> tuple[Schema, Dictionaries, Layout]:
    """Facts as a layout, with the dictionaries that they make and the schema with the kinds of its dimensions. They lie
    in the order of time, or by partitions of it and the `leading` dimensions. With the dictionaries of facts before
    they have the codes of these, and those that are given are of all.

    Raises SchemaError for all that one look at the data finds: missing or unsuitable columns, a row without time, a
    label that stands for null and is a value too, a declared parent that is not determined; and a dimension of another
    kind, or numbers of another type, than before.
    """
    before = Dictionaries({}, {}) if known is None else known
    problems = [*_missing(schema, table), *unfit_to_lead(schema, leading)]
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
                members[name], lists[name] = encode_lists(column, dimension, before.members.get(name))
            else:
                members[name], codes[name] = encode(column, dimension, before.members.get(name))
        except SchemaError as error:
            problems += error.problems
    clocks = _clocks(schema, table, before, problems)
    bound = schema.with_kinds({name: one.kind for name, one in members.items()})
    inputs = Inputs(bound, table, members, codes, before, instants)
    columns = inputs.columns(problems)
    if problems:
        raise SchemaError(problems)
    parents = {
        (child.name, above): _parents(child.name, above, codes, members, before, problems)
        for child in schema.dimensions
        for above in schema.ancestors(child.name)
    }
    determined = {
        (name, dimension): _determined(name, metric, dimension, codes[dimension], columns, before, problems)
        for name, metric in schema.metrics.items()
        for dimension in metric.determines
    }
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
    dictionaries = Dictionaries(members, parents, inputs.items, determined, {**clocks, **inputs.types})
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


def unfit_to_lead(schema: Schema, leading: tuple[str, ...]) -> Iterator[Problem]:
    """What is wrong with the dimensions that facts are to be clustered by."""
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


def _clocks(schema: Schema, table: pa.Table, before: Dictionaries, problems: list[Problem]) -> dict[str, pa.DataType]:
    """The types of dimensions that are timestamps. With a zone they are members on the clock of UTC, without one on a
    clock of their own; both in one dimension could not be told apart."""
    found = {}
    for dimension in schema.dimensions:
        column = table[dimension.column]
        kept = column.type
        while hasattr(kept, "value_type"):
            kept = kept.value_type
        known = before.types.get(dimension.column, kept)
        if not pa.types.is_timestamp(known):
            continue
        if pa.types.is_timestamp(kept) and (known.tz is None) != (kept.tz is None) and column.null_count < len(column):
            said = f"column {quote(dimension.column)} has type {kept}, and in the facts before {known}"
            problems.append(Problem(f"dimensions.{dimension.name}", said, "a zone in all facts, or in none"))
        found[dimension.column] = known
    return found


def _parents(
    child: str,
    above: str,
    codes: Mapping[str, Codes],
    members: Mapping[str, Members],
    before: Dictionaries,
    problems: list[Problem],
) -> Codes:
    """The upper code of each lower code; a fault where one lower member has two (rule 3: validated, not trusted)."""
    lower, upper = codes[child], codes[above]
    table = np.zeros(members[child].cardinality, upper.dtype)
    is_open = None
    if (known := before.parents.get((child, above))) is not None:
        table[: len(known)] = known
        is_open = np.arange(len(table)) >= len(known)
    wrong = _entered(table, lower, upper, is_open)
    if len(wrong):
        culprits = np.unique(lower[wrong])
        example = quote(members[child].texts_at(culprits[:1])[0])
        found = f"{len(culprits):,} members lie under more than one {above}, such as {example}, {rows_text(wrong)}"
        possible = "a level that its members determine, or no parent"
        problems.append(Problem(f"dimensions.{child}.parent", found, possible))
    return table


def _determined(
    name: str,
    metric: Metric,
    dimension: str,
    codes: Codes,
    columns: Mapping[Partial, Column],
    before: Dictionaries,
    problems: list[Problem],
) -> np.ndarray:
    """The code of a dimension that each value determines that a distinct metric counts, -1 where no fact has it; a
    fault where it has two."""
    column = columns[metric.partials[0]]
    assert column.values is not None
    assert column.members is not None
    rows = np.flatnonzero(column.values < column.members)
    table = np.full(column.members, -1, np.int32)
    known = before.determined.get((name, dimension), table[:0])
    table[: len(known)] = known
    counted = column.values[rows]
    wrong = _entered(table, counted, codes[rows], table < 0)
    if len(wrong):
        found = f"{len(np.unique(counted[wrong])):,} values of {quote(metric.column or '')} lie under more than one"
        text = f"{found} {dimension}, {rows_text(rows[wrong])}"
        problems.append(Problem(f"metrics.{name}.determines", text, "a dimension that they determine"))
    return table


def _entered(table: np.ndarray, lower: np.ndarray, upper: np.ndarray, is_open: np.ndarray | None) -> np.ndarray:
    """Enters in a table the upper code of each lower one that is open (None: all are), where there are several the
    first. Gives the places with another upper code than the table has then."""
    if is_open is None:
        # Of several that are put in one place the last stays.
        table[lower[::-1]] = upper[::-1]
    else:
        rows = np.flatnonzero(is_open[lower])[::-1]
        table[lower[rows]] = upper[rows]
    return np.flatnonzero(table[lower] != upper)
