"""What each partial is computed from: a column of the facts, of which a filter leaves some rows a value.

A filtered partial is an ordinary one over a column that is null where the filter leaves a fact out, so nothing that
reads columns has to know of filters, and a stored number is filtered once and for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from wolap.engine.arithmetic import FLOAT, Unfit, product, unit_of
from wolap.engine.columns import COUNT, Column, is_clock, read_numbers
from wolap.engine.encoding import Distinct, distinct_of, fitted
from wolap.engine.histogram import buckets_of
from wolap.engine.layout import Dictionaries
from wolap.engine.members import Codes, Members, appended, smallest
from wolap.engine.sketch import coupons, members_of
from wolap.errors import Problem, SchemaError, quote
from wolap.model.aggregate import Partial
from wolap.model.filter import Filter
from wolap.model.query import settle_filter, unreadable_members
from wolap.model.schema import Schema

__all__ = ["Inputs"]

# Whole numbers up to here are floats as they are.
_EXACT = 1 << 53


@dataclass(frozen=True, slots=True)
class Inputs:
    """The facts that partials are computed from. `schema` knows the kinds of its dimensions, which are encoded;
    `instants` are None where a cube has no time or it could not be read. Reading `columns` makes `items` and `types`,
    which go on from those of the facts `before` (`Dictionaries`).

    Whatever is read is kept: sums, minima and maxima of one column and filter share it.
    """

    schema: Schema
    table: pa.Table
    members: Mapping[str, Members]
    codes: Mapping[str, Codes]
    before: Dictionaries
    instants: np.ndarray | None = None
    items: dict[str, pa.Array] = field(default_factory=dict, init=False)
    types: dict[str, pa.DataType] = field(default_factory=dict, init=False)
    _numbers: dict[str, Column] = field(default_factory=dict)
    _masks: dict[tuple[Filter, ...], np.ndarray] = field(default_factory=dict)
    _values: dict[str, Distinct] = field(default_factory=dict)
    _numbered: dict[str, tuple[Codes, int]] = field(default_factory=dict)
    _sets: dict[tuple[str, tuple[Filter, ...]], Column] = field(default_factory=dict)
    _masked: dict[tuple[str, tuple[Filter, ...]], Column] = field(default_factory=dict)

    def columns(self, problems: list[Problem]) -> dict[Partial, Column]:
        """A column for each partial of the schema; what cannot be read is told."""
        found: dict[Partial, Column] = {}
        for name, metric in self.schema.metrics.items():
            if faults := list(self._filter_problems(name, metric.filters)):
                problems += faults
                continue
            for partial in metric.partials:
                if partial in found:
                    continue
                try:
                    found[partial] = INPUTS.get(partial.function, Inputs._number)(self, partial, name)
                except SchemaError as error:
                    problems += error.problems
        return found

    def _filter_problems(self, metric: str, filters: Iterable[Filter]) -> Iterator[Problem]:
        """A text that the kind of a dimension cannot read is a slip of the pen: such a filter could never match."""
        for one in filters:
            if one.dimension not in self.codes:
                continue
            if unreadable := unreadable_members(one, self.schema):
                kind = self.schema.dimension(one.dimension).kind
                place = f"metrics.{metric}.{'where_not' if one.exclude else 'where'}"
                found = f"{quote(unreadable[0])} is no member of {one.dimension}, whose kind is {kind}"
                yield Problem(place, found, f"a text that reads as {kind}")

    def _mask(self, filters: tuple[Filter, ...]) -> np.ndarray:
        """Which facts a metric's filters leave."""
        if filters not in self._masks:
            mask = np.ones(self.table.num_rows, bool)
            for one in filters:
                if one.dimension in self.codes:
                    members = self.members[one.dimension]
                    codes = {members.code(value) for value in settle_filter(one, self.schema).values} - {-1}
                    kept = np.full(max(members.cardinality, 1), one.exclude)
                    kept[sorted(codes)] = not one.exclude
                    mask &= kept[self.codes[one.dimension]]
            self._masks[filters] = mask
        return self._masks[filters]

    def _number(self, partial: Partial, metric: str) -> Column:
        """The numbers of sum, min and max."""
        assert partial.column is not None
        return self._masked_number(partial.column, partial, metric)

    def _masked_number(self, column: str, partial: Partial, metric: str) -> Column:
        read = self._numbers.get(column)
        # A date has a least value, but no sum, which reading it for one will tell.
        if read is None or (is_clock(read.type) and partial.function not in ("min", "max")):
            read = read_numbers(self.table[column], partial, f"metrics.{metric}")
            read = self._numbers[column] = self._of_type(column, read, metric)
            self.types[column] = read.type
        key = column, partial.filters
        if key not in self._masked:
            self._masked[key] = _left(read, self._mask(partial.filters)) if partial.filters else read
        return self._masked[key]

    def _of_type(self, column: str, read: Column, metric: str) -> Column:
        """Numbers of the type that those before have. Where there is none, they are of any type."""
        wanted = self.before.types.get(column, read.type)
        if read.type == wanted:
            return read
        if (
            pa.types.is_floating(wanted)
            and pa.types.is_integer(read.type)
            and -_EXACT <= read.low <= read.high <= _EXACT
        ):
            # A file of text may have whole numbers alone where others have floats.
            assert read.values is not None
            return Column(read.values.astype(np.float64), read.valid, wanted)
        if (read.valid is None and self.table.num_rows) or (read.valid is not None and read.valid.any()):
            text = f"column {quote(column)} has numbers of type {read.type}, and those before of type {wanted}"
            raise SchemaError([Problem(f"metrics.{metric}", text, "one type in all facts")])
        return Column(
            np.zeros(self.table.num_rows, np.float64 if pa.types.is_floating(wanted) else np.int64),
            read.valid,
            wanted,
            0,
            0,
        )

    def _no_squares(self, partial: Partial, metric: str) -> Column:
        """One value does not deviate from its own mean. What has no sum has no squares either."""
        self._number(partial, metric)
        return Column(None, None, FLOAT)

    def _instants(self, partial: Partial, metric: str) -> Column:
        """The time of the facts that have a value."""
        number = self._number(replace(partial, function="sum"), metric)
        instants = np.zeros(self.table.num_rows, np.int64) if self.instants is None else self.instants
        values = instants if number.valid is None else np.where(number.valid, instants, 0)
        return Column(values, number.valid, COUNT, int(values.min(initial=0)), int(values.max(initial=0)))

    def _product(self, partial: Partial, metric: str) -> Column:
        assert partial.column is not None
        assert partial.weight is not None
        value = self._masked_number(partial.column, partial, metric)
        weight = self._masked_number(partial.weight, replace(partial, column=partial.weight), metric)
        try:
            return product(value, weight)
        except Unfit as error:
            raise SchemaError([Problem(f"metrics.{metric}", error.found, error.possible)]) from None

    def _weight(self, partial: Partial, metric: str) -> Column:
        """The weights of the facts that have a value too."""
        assert partial.weight is not None
        weight = self._masked_number(partial.weight, replace(partial, column=partial.weight), metric)
        value = self._number(partial, metric)
        return weight if value.valid is None else _left(weight, value.valid)

    def _counted(self, partial: Partial, metric: str) -> Column:
        mask = self._mask(partial.filters) if partial.filters else None
        if partial.column is None:
            return Column(None, mask, COUNT)
        column = self.table[partial.column]
        if pa.types.is_dictionary(column.type):
            # A null may be an entry of the dictionary, and not of the indices.
            column = column.cast(column.type.value_type)
        if column.null_count == 0:
            return Column(None, mask, COUNT)
        valid = column.is_valid().combine_chunks().to_numpy(zero_copy_only=False)
        return Column(None, valid if mask is None else valid & mask, COUNT)

    def _set(self, partial: Partial, metric: str) -> Column:
        """What is counted, as codes. A column that is a dimension too is kept once."""
        assert partial.column is not None
        key = partial.column, partial.filters
        if key not in self._sets:
            items, bound = self._items(partial.column, metric)
            self._sets[key] = Column(self._filtered(items, bound, partial), None, COUNT, members=bound)
        return self._sets[key]

    def _registers(self, partial: Partial, metric: str) -> Column:
        """The register and rank of each fact's value; each different value is hashed once."""
        assert partial.column is not None
        assert partial.parameter is not None
        values, places = self._encoded(partial.column, metric)
        members = members_of(int(partial.parameter))
        # A null may be among the values, and is what stands behind them.
        items = np.full(len(values) + 1, members, np.uint32)
        try:
            items[np.flatnonzero(values.is_valid())] = coupons(values.drop_null(), int(partial.parameter))
        except pa.ArrowInvalid as error:
            found = f"column {quote(partial.column)} of type {values.type} cannot be hashed: {error}"
            raise SchemaError([Problem(f"metrics.{metric}", found, "decimals of up to 38 digits")]) from None
        taken = items.astype(np.min_scalar_type(members))[places]
        return Column(self._filtered(taken, members, partial), None, COUNT, members=members)

    def _buckets(self, partial: Partial, metric: str) -> Column:
        """The bucket of each fact's value. What comes out is a duration or a float."""
        number = self._number(partial, metric)
        assert number.values is not None
        assert partial.parameter is not None
        items, shown = buckets_of(number.values, number.valid, partial.parameter)
        stays = pa.types.is_duration(number.type)
        shown = shown if stays else shown / unit_of(number.type)
        return Column(items, None, number.type if stays else FLOAT, members=len(shown), shown=shown)

    def _encoded(self, column: str, metric: str) -> tuple[pa.Array, Codes]:
        """The different values of a column and the place of each fact's among them. Null is among them or behind."""
        if (dimension := self._dimension_of(column)) is not None:
            return self.members[dimension].values, self.codes[dimension]
        if column not in self._values:
            self._values[column] = distinct_of(self.table[column], column, f"metrics.{metric}")
        found = self._values[column]
        return found.values, found.places

    def _dimension_of(self, column: str) -> str | None:
        """The dimension that a column is, which has codes already."""
        found = [one.name for one in self.schema.dimensions if one.column == column and one.name in self.codes]
        return found[-1] if found else None

    def _items(self, column: str, metric: str) -> tuple[Codes, int]:
        """The number of each fact's value, and below what such are; null has none below it."""
        if (dimension := self._dimension_of(column)) is not None:
            members, codes = self.members[dimension], self.codes[dimension]
            bound, null = members.cardinality, members.null_code
            if null is None or null == bound - 1:
                return codes, bound if null is None else null
            items = codes.astype(smallest(bound + 1))
            items[codes == null] = bound
            return items, bound
        if column not in self._numbered:
            values, places = self._encoded(column, metric)
            if (known := self.before.items.get(column)) is not None and len(known):
                fit = fitted(self._values[column], known, column, f"metrics.{metric}")
                values, numbers = appended(known, fit)
                places = np.append(numbers, len(values)).astype(smallest(len(values) + 1))[places]
            self.items[column] = values
            self._numbered[column] = places, len(values)
        return self._numbered[column]

    def _filtered(self, items: np.ndarray, members: int, partial: Partial) -> np.ndarray:
        """Items that are none where the partial's filters leave a fact out."""
        if not partial.filters:
            return items
        return np.where(self._mask(partial.filters), items, items.dtype.type(members))


def _left(column: Column, mask: np.ndarray) -> Column:
    """A column that has a value only where the mask has: elsewhere 0 without validity."""
    assert column.values is not None
    values = np.where(mask, column.values, column.values.dtype.type(0))
    valid = mask if column.valid is None else column.valid & mask
    return replace(column, values=values, valid=valid, low=min(column.low, 0), high=max(column.high, 0))


Input = Callable[[Inputs, Partial, str], Column]

# What a partial reads: a number, where it is not among these.
INPUTS: dict[str, Input] = {
    "count": Inputs._counted,
    "distinct": Inputs._set,
    "set": Inputs._set,
    "registers": Inputs._registers,
    "buckets": Inputs._buckets,
    "squares": Inputs._no_squares,
    "earliest": Inputs._instants,
    "latest": Inputs._instants,
    "products": Inputs._product,
    "weights": Inputs._weight,
}
