"""A cube's declaration, checked once and whole: what it can be cut by, what it counts, which grains have an address.

Everything that is wrong with a declaration is found in one go and reported together, each fault with its place, what
was found there and what is possible. Whatever holds a Schema afterwards need not check it again.

A dimension may have a parent, the level above it: a city determines its country. Several such levels are a hierarchy,
and what holds the finer level can answer for the coarser one. The facts are checked for it when a cube is made.

A multi-valued dimension has a list of members for each fact: tags. A fact stands once in the group of each of them,
and what is filtered are the pairs of fact and member. It is on no level of a hierarchy, since it determines nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

from wolap.errors import Problem, SchemaError, nearest, quote
from wolap.model.aggregate import Metric, Partial
from wolap.model.filter import Filter
from wolap.model.forest import Forest
from wolap.model.level import IDENTIFYING, LEVELS
from wolap.model.metric_check import list_problems, metric_problems
from wolap.model.span import Span
from wolap.model.tree import Path, Tree, path_text
from wolap.model.zone import Zone

__all__ = ["EXTENSIONS", "RESERVED", "Dimension", "Schema", "Time"]

RESERVED = frozenset({"access_token", "end", "format", "limit", "metrics", "start"})
# Parameters beyond the published contract (W70, W71), which a cube has to declare.
EXTENSIONS = ("sort", "offset")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
_BASE = re.compile(r"(?:/[A-Za-z0-9_.~-]+)+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Dimension:
    """Something to cut by. `column` is the column of the same name unless said; `parent` the level above, if any.

    A fact of a `multivalued` one has several members, a list of them in its column. `null` and `empty` are the labels
    that stand for the null member and for the empty string (W30). `kind` is read off the facts when a cube is made.
    """

    name: str
    column: str = ""
    parent: str | None = None
    null: str = "N/A"
    empty: str = "(empty)"
    title: str = ""
    description: str = ""
    unit: str = ""
    kind: str = "text"
    multivalued: bool = False

    def __post_init__(self) -> None:
        if not self.column:
            object.__setattr__(self, "column", self.name)


@dataclass(frozen=True, slots=True)
class Time:
    """The one time of a cube: its column, the levels that are dimensions, the zone whose calendar they follow.

    `column_zone` is the clock of a column that carries no zone. `everywhere` applies an interval to reports without a
    time dimension as well (W18). `default_spans` sets, by level, how far back a report looks when nobody says (W17).
    `refresh` sets, by level, how often projections with buckets of it are refreshed that do not say so themselves.
    """

    column: str
    levels: tuple[str, ...] = ("year", "month", "day")
    zone: str = "UTC"
    column_zone: str = "UTC"
    everywhere: bool = False
    default_spans: Mapping[str, Span] = field(default_factory=dict)
    refresh: Mapping[str, Span] = field(default_factory=dict)


@dataclass(frozen=True)
class Schema:
    """The declaration of a cube. Raises SchemaError with every fault that it has.

    `base` is the path that the cube is mounted at, `aliases` are others for it; `default_limit` and `maximum_limit`
    bound a report's records (W22); `native_numbers` writes numbers as numbers in JSON (W42); `file_prefix` begins the
    name of a CSV file (W44); `extensions` are those of EXTENSIONS that requests may use, whose names are then reserved.
    """

    name: str
    dimensions: Sequence[Dimension]
    metrics: Mapping[str, Metric]
    trees: Sequence[Tree]
    time: Time | None = None
    base: str = ""
    aliases: Sequence[str] = ()
    title: str = ""
    description: str = ""
    file_prefix: str = ""
    default_limit: int = 1000
    maximum_limit: int = 100_000
    native_numbers: bool = False
    extensions: Sequence[str] = ()

    def __post_init__(self) -> None:
        assign = object.__setattr__
        assign(self, "dimensions", tuple(self.dimensions))
        assign(self, "metrics", MappingProxyType(dict(self.metrics)))
        assign(self, "trees", tuple(self.trees))
        assign(self, "aliases", tuple(self.aliases))
        assign(self, "extensions", tuple(self.extensions))
        assign(self, "base", self.base or f"/{self.name}")
        assign(self, "file_prefix", self.file_prefix or self.name)
        if problems := tuple(_problems(self)):
            raise SchemaError(problems)

    @cached_property
    def zone(self) -> Zone:
        """The zone of the calendar; UTC for a cube without time."""
        return Zone(self.time.zone if self.time else "UTC")

    @cached_property
    def mounts(self) -> tuple[Path, ...]:
        """The base and its aliases as steps: the longest first, so that `/esm/v1.2` is not the extension 2 of
        `/esm/v1`, nor `/esm/v3` a step below `/esm`."""
        bases = [tuple(base.split("/")[1:]) for base in (self.base, *self.aliases)]
        return tuple(sorted(bases, key=lambda base: (-len(base), -len(base[-1]))))

    @cached_property
    def levels(self) -> frozenset[str]:
        """The names of the time dimensions."""
        return frozenset(self.time.levels if self.time else ())

    @cached_property
    def reserved(self) -> frozenset[str]:
        """The names of parameters that are no dimension's (W6)."""
        return RESERVED.union(self.extensions)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all dimensions, time first."""
        return (
            *(self.time.levels if self.time else ()),
            *(dimension.name for dimension in self.dimensions),
        )

    @cached_property
    def metric_names(self) -> tuple[str, ...]:
        """The names of all metrics."""
        return tuple(self.metrics)

    @cached_property
    def places(self) -> dict[str, int]:
        """Every dimension's place in that order."""
        return {name: place for place, name in enumerate(self.names)}

    @cached_property
    def multivalued(self) -> frozenset[str]:
        """The dimensions of which a fact has several members."""
        return frozenset(dimension.name for dimension in self.dimensions if dimension.multivalued)

    @cached_property
    def _by_name(self) -> dict[str, Dimension]:
        return {dimension.name: dimension for dimension in self.dimensions}

    @cached_property
    def _ancestors(self) -> dict[str, tuple[str, ...]]:
        found = {}
        for dimension in self.dimensions:
            above: list[str] = []
            parent = dimension.parent
            while parent is not None:
                above.append(parent)
                parent = self._by_name[parent].parent
            found[dimension.name] = tuple(above)
        return found

    def dimension(self, name: str) -> Dimension:
        """The declared dimension of this name, which must exist and not be one of time."""
        return self._by_name[name]

    def ancestors(self, name: str) -> tuple[str, ...]:
        """The dimensions that this one determines, from the next above to the top."""
        return self._ancestors.get(name, ())

    def closure(self, names: Iterable[str]) -> frozenset[str]:
        """These dimensions with all that they determine."""
        return frozenset(names).union(*(self.ancestors(name) for name in names))

    def determined_by(self, partial: Partial) -> frozenset[str]:
        """The dimensions of which each value of a distinct count has one member, by declaration.

        What is declared of all facts holds for those that a filter leaves, but not the other way round.
        """
        found = self._determined_by
        everywhere = found.get((partial.column, ()), frozenset())
        return everywhere | found.get((partial.column, partial.filters), frozenset())

    @cached_property
    def _determined_by(self) -> dict[tuple[str | None, tuple[Filter, ...]], frozenset[str]]:
        found: dict[tuple[str | None, tuple[Filter, ...]], frozenset[str]] = {}
        for metric in self.metrics.values():
            if metric.determines:
                key = (metric.column, metric.filters)
                found[key] = found.get(key, frozenset()) | self.closure(metric.determines)
        return found

    def partials(self, metric: str) -> tuple[Partial, ...]:
        """The partials that a metric is finished from, its operands' included."""
        return self._partials[metric]

    @cached_property
    def _partials(self) -> dict[str, tuple[Partial, ...]]:
        found: dict[str, tuple[Partial, ...]] = {}

        def of(name: str) -> tuple[Partial, ...]:
            if name not in found:
                metric = self.metrics[name]
                below = (partial for operand in metric.operands for partial in of(operand))
                found[name] = tuple(dict.fromkeys((*metric.partials, *below)))
            return found[name]

        for name in self.metrics:
            of(name)
        return found

    def forest(self, audience: str | None) -> Forest:
        """The trees that an audience sees: its own and everybody's."""
        if audience not in self._forests:
            trees = [tree for tree in self.trees if tree.audience is None or tree.audience == audience]
            self._forests[audience] = Forest(tuple(trees))
        return self._forests[audience]

    @cached_property
    def _forests(self) -> dict[str | None, Forest]:
        return {}

    @cached_property
    def instants(self) -> dict[str, int]:
        """The dates that requests have named, on the clock of this calendar: what reads them keeps them here."""
        return {}

    @property
    def audiences(self) -> tuple[str, ...]:
        """The audiences that some tree belongs to."""
        return tuple(dict.fromkeys(tree.audience for tree in self.trees if tree.audience is not None))

    def with_kinds(self, kinds: Mapping[str, str]) -> Schema:
        """The same declaration with the kinds of the dimensions as they were read off the facts."""
        return replace(
            self,
            dimensions=[
                replace(dimension, kind=kinds.get(dimension.name, dimension.kind)) for dimension in self.dimensions
            ],
        )


def _problems(schema: Schema) -> Iterable[Problem]:
    if not _BASE.fullmatch(f"/{schema.name}") or "/" in schema.name:
        yield Problem("name", f"{quote(schema.name)} is no name", "letters, digits and . _ ~ -")
    for place, base in (("base", schema.base), *(("aliases", alias) for alias in schema.aliases)):
        if not _BASE.fullmatch(base):
            yield Problem(place, f"{quote(base)} is no path", "a path such as /sales/v1, without a slash at its end")
    for place, limit in (("default_limit", schema.default_limit), ("maximum_limit", schema.maximum_limit)):
        if limit < 1:
            yield Problem(place, f"{limit} is below 1")
    for name in schema.extensions:
        if name not in EXTENSIONS:
            yield Problem("extensions", f"{quote(name)} is none", f"extensions are {nearest(name, EXTENSIONS)}")
    for name in (*(dimension.name for dimension in schema.dimensions), *schema.metrics):
        if name in schema.extensions:
            yield Problem("extensions", f"{quote(name)} is the name of a dimension or metric", "another name for that")
    yield from _time_problems(schema)
    yield from _dimension_problems(schema)
    yield from _metric_problems(schema)
    yield from _tree_problems(schema)


def _name_problems(place: str, name: str) -> Iterable[Problem]:
    if not _NAME.fullmatch(name):
        rule = "a name begins with a letter or _ and goes on with letters, digits and . _ -"
        yield Problem(place, f"{quote(name)} is no name", rule)
    if name in RESERVED:
        yield Problem(place, f"{quote(name)} is reserved", f"not one of {', '.join(sorted(RESERVED))}")
    if name == "xmlns":
        yield Problem(place, f"{quote(name)} declares a namespace where it is an attribute in XML", "another name")


def _time_problems(schema: Schema) -> Iterable[Problem]:
    time = schema.time
    if time is None:
        return
    for place, zone in (("time.zone", time.zone), ("time.column_zone", time.column_zone)):
        try:
            Zone(zone)
        except ValueError as error:
            yield Problem(place, f"{quote(zone)} is {error}")
    if not time.column:
        yield Problem("time.column", "no column is named")
    if not time.levels:
        yield Problem("time.levels", "there are none", f"some of {', '.join(LEVELS)}")
    for level in time.levels:
        if level not in LEVELS:
            yield Problem("time.levels", f"{quote(level)} is no level", f"levels are {nearest(level, LEVELS)}")
    if len(set(time.levels)) < len(time.levels):
        yield Problem("time.levels", "a level is named twice")
    for level in time.default_spans:
        if level not in time.levels:
            yield Problem(
                "time.default_spans",
                f"{quote(level)} is no level of this time",
                f"its levels are {nearest(level, time.levels)}",
            )
    for level in time.refresh:
        if level not in LEVELS:
            yield Problem("time.refresh", f"{quote(level)} is no level", f"levels are {nearest(level, LEVELS)}")


def _dimension_problems(schema: Schema) -> Iterable[Problem]:
    names = [dimension.name for dimension in schema.dimensions]
    for index, dimension in enumerate(schema.dimensions):
        place = f"dimensions.{dimension.name[:200]}"
        yield from _name_problems(place, dimension.name)
        if dimension.name in names[:index]:
            yield Problem(place, "is declared twice")
        if dimension.name in schema.levels or (dimension.name in IDENTIFYING and schema.time is not None):
            yield Problem(place, "has the name of a level of time", "another name, with column = … for the old")
        if dimension.name in schema.metrics:
            yield Problem(place, "is also the name of a metric", "another name for one of the two")
        if dimension.null == dimension.empty:
            yield Problem(place, f"null and empty have one label, {quote(dimension.null)}", "two labels")
        if not dimension.null or not dimension.empty:
            yield Problem(place, "a label for null or for the empty string is empty", "a label with a letter")
        if dimension.parent is not None and dimension.parent not in names:
            possible = f"dimensions are {nearest(dimension.parent, names)}"
            yield Problem(f"{place}.parent", f"{quote(dimension.parent)} is no dimension", possible)
        for name in schema.multivalued & {dimension.name, dimension.parent} if dimension.parent is not None else ():
            found = f"a fact has several members of {name}, so it is on no level of a hierarchy"
            yield Problem(f"{place}.parent", found, "no parent, or a dimension of one member")
    by_name = {dimension.name: dimension for dimension in schema.dimensions}
    for name, declared in by_name.items():
        seen, at = {name}, declared.parent
        while at in by_name and at not in seen:
            seen.add(at)
            at = by_name[at].parent
        if at == name:
            yield Problem(f"dimensions.{name}.parent", "the levels above it lead back to it", "levels that end")


def _metric_problems(schema: Schema) -> Iterable[Problem]:
    if not schema.metrics:
        yield Problem("metrics", "there are none", "at least one, such as count()")
    names = tuple(dimension.name for dimension in schema.dimensions)
    for name in schema.metrics:
        place = f"metrics.{name[:200]}"
        yield from _name_problems(place, name)
        if name in schema.levels:
            yield Problem(place, "has the name of a level of time", "another name")
    yield from metric_problems(schema.metrics, names, schema.levels)
    lists = {dimension.name: dimension.column for dimension in schema.dimensions if dimension.multivalued}
    yield from list_problems(schema.metrics, lists)


def _tree_problems(schema: Schema) -> Iterable[Problem]:
    if not schema.trees:
        yield Problem("trees", "there are none", "at least one, or no report has an address")
    names = schema.names
    for index, tree in enumerate(schema.trees):
        place = f"trees.{tree.name[:200]}"
        if tree.name in [other.name for other in schema.trees[:index]]:
            yield Problem(place, "is declared twice")
        if not tree.paths:
            yield Problem(place, "has no path")
        unknown = dict.fromkeys(step for path in tree.paths for step in path if step not in names)
        for step in unknown:
            yield Problem(place, f"{quote(step)} is no dimension", f"dimensions are {nearest(step, names)}")
        for path in tree.paths:
            if path[-1] in path[:-1]:
                yield Problem(place, f"{quote(path_text(path))} names a dimension twice")
        if tree.metrics is not None and not tree.metrics:
            yield Problem(f"{place}.metrics", "offers none", "some metrics, or none said for all of them")
        for name in tree.metrics or ():
            if name not in schema.metrics:
                found = f"{quote(name)} is no metric"
                yield Problem(f"{place}.metrics", found, f"metrics are {nearest(name, schema.metrics)}")
