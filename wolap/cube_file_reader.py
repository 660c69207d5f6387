"""The text of a cube file, as what it declares; `cube_file_text.py` writes what is read here.

It says what a Schema says, with the facts and the projections beside it. Every key has one place in the tables
below, with the type that it takes; a key that is unknown, a value of the wrong type and whatever Schema itself
objects to are reported together, each with the file and its place in it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from wolap.errors import Problem, SchemaError, nearest, quote
from wolap.model.aggregate import AGGREGATES, Metric
from wolap.model.filter import declared_filters
from wolap.model.member import Member
from wolap.model.principal import Caps
from wolap.model.projection import Projection, declare_projection
from wolap.model.schema import Dimension, Schema, Time
from wolap.model.span import Span
from wolap.model.tree import Tree

__all__ = ["CubeFile", "in_file", "parse_cube_text", "read_document"]

Table = dict[str, Any]
Types = tuple[type, ...]

TEXT: Types = (str,)
TEXTS: Types = (list,)
WHOLE: Types = (int,)
NUMBER: Types = (float, int)
SWITCH: Types = (bool,)
TABLE: Types = (dict,)

SECTIONS: dict[str, Types] = {
    "cube": TABLE,
    "time": TABLE,
    "dimensions": TABLE,
    "metrics": TABLE,
    "trees": TABLE,
    "projections": (list,),
    "caps": TABLE,
}
CUBE: dict[str, Types] = {
    "name": TEXT,
    "base": TEXT,
    "aliases": TEXTS,
    "zone": TEXT,
    "facts": TEXT,
    "strict": SWITCH,
    "cluster": TEXTS,
    "title": TEXT,
    "description": TEXT,
    "file_prefix": TEXT,
    "default_limit": WHOLE,
    "maximum_limit": WHOLE,
    "native_numbers": SWITCH,
    "extensions": TEXTS,
}
TIME: dict[str, Types] = {
    "column": TEXT,
    "levels": TEXTS,
    "column_zone": TEXT,
    "everywhere": SWITCH,
    "default_spans": TABLE,
    "refresh": TABLE,
}
DIMENSION: dict[str, Types] = dict.fromkeys(("column", "parent", "null", "empty", "title", "description", "unit"), TEXT)
DIMENSION["multivalued"] = SWITCH
METRIC_OPTIONS: dict[str, Types] = {"title": TEXT, "description": TEXT, "unit": TEXT, "determines": TEXTS}
METRIC_OPTIONS |= {"every": TEXT, "population": SWITCH, "where": TABLE, "where_not": TABLE, "keep": TEXT}
METRIC_OPTIONS |= {"precision": WHOLE, "probability": NUMBER, "accuracy": NUMBER}
METRIC: dict[str, Types] = {
    **{name: TEXT if one.has_expression else (str, list, bool) for name, one in AGGREGATES.items()},
    **METRIC_OPTIONS,
}
TREE: dict[str, Types] = {"paths": (str, list), "metrics": TEXTS, "audience": TEXT}
PROJECTION: dict[str, Types] = {"name": TEXT, "dimensions": (str, list), "metrics": TEXTS, "zone": TEXT}
PROJECTION |= {"every": TEXT}
PROJECTION |= {"where": TABLE, "where_not": TABLE}
CAPS: dict[str, Types] = {"groups": WHOLE, "facts": WHOLE, "memory": WHOLE}

# How the null member is written where it is to be told from a member that its label names.
_NULL = {"null": True}
_TYPE_NAMES: dict[type, str] = {str: "text", list: "a list", int: "a whole number", float: "a number"}
_TYPE_NAMES |= {bool: "true or false", dict: "a table"}


@dataclass(frozen=True, slots=True)
class CubeFile:
    """What a cube file declares. `facts` is relative to the folder of `path`; None where the file names none."""

    path: Path
    schema: Schema
    facts: str | None
    projections: tuple[Projection, ...]
    strict: bool
    caps: Caps
    cluster: tuple[str, ...] = ()


def parse_cube_text(text: str, path: Path, kinds: Mapping[str, str] | None = None) -> CubeFile:
    """Reads a declaration that is the text of a file. Where the `kinds` of its dimensions are known, projections are
    declared with them, so that members in their filters are what they are in the facts.

    Raises SchemaError with every fault of it, each with the name of the file and its place.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SchemaError([Problem(str(path), f"cannot be read: {error}")]) from None
    return read_document(document, path, kinds)


def read_document(document: Mapping[str, Any], path: Path, kinds: Mapping[str, str] | None = None) -> CubeFile:
    """The same for what the text says, as tables of Python. Raises SchemaError."""
    try:
        return _Reader(kinds or {}).cube_file(path, dict(document))
    except SchemaError as error:
        raise in_file(path, error) from None


def in_file(path: Path, error: SchemaError) -> SchemaError:
    """The same problems, each with the name of the file."""
    return SchemaError(replace(problem, place=f"{path.name}: {problem.place}") for problem in error.problems)


@dataclass(slots=True)
class _Reader:
    """Collects every fault on its way through a document; what cannot be understood is left out and told."""

    kinds: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)

    def cube_file(self, path: Path, document: Table) -> CubeFile:
        sections = self.table("", document, SECTIONS)
        cube = self.table("cube", sections.get("cube", {}), CUBE)
        if "name" not in cube:
            self.problems.append(Problem("cube.name", "is missing", 'name = "…"'))
        for key in ("aliases", "extensions", "cluster"):
            if key in cube:
                cube[key] = self.texts(f"cube.{key}", cube[key])
        schema = self.schema(cube, sections)
        caps = self.caps(sections.get("caps", {}))
        projections = () if schema is None else tuple(self.projections(schema, sections.get("projections", [])))
        if self.problems or schema is None:
            raise SchemaError(self.problems)
        strict, cluster = cube.get("strict", False), tuple(cube.get("cluster", ()))
        return CubeFile(path, schema, cube.get("facts"), projections, strict, caps, cluster)

    def schema(self, cube: Table, sections: Table) -> Schema | None:
        own = {key: value for key, value in cube.items() if key not in ("zone", "facts", "strict", "cluster")}
        own.setdefault("name", "cube")
        dimensions = [
            Dimension(name, **self.table(f"dimensions.{name}", value, DIMENSION))
            for name, value in sections.get("dimensions", {}).items()
        ]
        metrics = dict(self.metrics(sections.get("metrics", {})))
        trees = list(self.trees(sections.get("trees", {})))
        time = self.time(cube.get("zone", "UTC"), sections.get("time"))
        try:
            schema = Schema(dimensions=dimensions, metrics=metrics, trees=trees, time=time, **own)
            return schema.with_kinds(self.kinds) if self.kinds else schema
        except SchemaError as error:
            # A table that was not understood has been told already, and is not missed a second time.
            told = {problem.place.split(".")[0] for problem in self.problems}
            self.problems += [
                problem
                for problem in error.problems
                if not (problem.found == "there are none" and problem.place in told)
            ]
            return None

    def table(self, place: str, value: object, allowed: Mapping[str, Types]) -> Table:
        """The entries of a table that are allowed and of their type; the others are told."""
        if not isinstance(value, dict):
            self.problems.append(Problem(place, f"is {_describe(value)}", "a table"))
            return {}
        kept: Table = {}
        for key, entry in value.items():
            own = f"{place}.{key[:200]}" if place else key[:200]
            if key not in allowed:
                what = "key" if place else "section"
                self.problems.append(
                    Problem(own, f"{quote(key)} is no {what} here", f"{what}s are {nearest(key, allowed)}")
                )
            elif not _fits(entry, allowed[key]):
                possible = " or ".join(_TYPE_NAMES[kind] for kind in _named(allowed[key]))
                self.problems.append(Problem(own, f"is {_describe(entry)}", possible))
            else:
                kept[key] = entry
        return kept

    def texts(self, place: str, value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            self.problems.append(Problem(place, f"is {_describe(value)}", "a list of texts"))
            return ()
        strange = [entry for entry in value if not isinstance(entry, str)]
        if strange:
            self.problems.append(Problem(place, f"holds {_describe(strange[0])}", "a list of texts"))
        return tuple(entry for entry in value if isinstance(entry, str))

    def caps(self, value: object) -> Caps:
        table = self.table("caps", value, CAPS)
        for name in [name for name, cap in table.items() if cap < 1]:
            self.problems.append(Problem(f"caps.{name}", f"{table.pop(name)} is below 1", "leave it out for no cap"))
        return Caps(**table)

    def time(self, zone: str, value: object) -> Time | None:
        if value is None:
            return None
        table = self.table("time", value, TIME)
        if "column" not in table:
            self.problems.append(Problem("time.column", "is missing", 'column = "…"'))
        for key in ("default_spans", "refresh"):
            if key in table:
                spans = [(level, self.span(f"time.{key}.{level}", text)) for level, text in table[key].items()]
                table[key] = {level: span for level, span in spans if span is not None}
        if "levels" in table:
            table["levels"] = self.texts("time.levels", table["levels"])
        table.setdefault("column", "?")
        return Time(zone=zone, **table)

    def span(self, place: str, text: object) -> Span | None:
        try:
            return Span.parse(str(text))
        except ValueError as error:
            self.problems.append(Problem(place, f"{quote(str(text))} is {error}"))
            return None

    def metrics(self, section: Table) -> Iterable[tuple[str, Metric]]:
        for name, value in section.items():
            place = f"metrics.{name}"
            if isinstance(value, str):
                if value != "count":
                    possible = '"count", or a table such as { sum = "column" }'
                    self.problems.append(Problem(place, f"is the text {quote(value)}", possible))
                    continue
                yield name, Metric("count")
                continue
            table = self.table(place, value, METRIC)
            functions = [key for key in table if key in AGGREGATES]
            if len(functions) == 1:
                function = functions[0]
                yield name, self.metric(place, function, table.pop(function), table)
            elif isinstance(value, dict) and len(table) == len(value):
                found = f"has {len(functions) or 'no'} functions"
                self.problems.append(Problem(place, found, f"just one of {', '.join(AGGREGATES)}"))

    def metric(self, place: str, function: str, value: object, options: Table) -> Metric:
        if "determines" in options:
            options["determines"] = self.texts(f"{place}.determines", options["determines"])
        where, where_not = (self.members(f"{place}.{key}", options.pop(key, {})) for key in ("where", "where_not"))
        options["filters"] = declared_filters(where, where_not)
        if "every" in options:
            options["every"] = self.span(f"{place}.every", options["every"])
        if AGGREGATES[function].has_expression:
            return Metric(function, expression=str(value), **options)
        if AGGREGATES[function].has_weight:
            named = self.texts(f"{place}.{function}", value)
            if len(named) == 2:
                return Metric(function, named[0], weight=named[1], **options)
            if isinstance(value, list):
                self.problems.append(Problem(f"{place}.{function}", f"holds {len(named)} columns", "[value, weight]"))
            return Metric(function, "?", weight="?", **options)
        if AGGREGATES[function].operands:
            return Metric(function, operands=self.texts(f"{place}.{function}", value), **options)
        if isinstance(value, str):
            return Metric(function, value, **options)
        if value is True and AGGREGATES[function].column == "optional":
            return Metric(function, **options)
        self.problems.append(Problem(f"{place}.{function}", f"is {_describe(value)}", "the name of a column"))
        return Metric(function, "?", **options)

    def members(self, place: str, value: Table) -> dict[str, list[Member]]:
        """For each dimension the members that it is filtered by: one, or a list of them."""
        found: dict[str, list[Member]] = {}
        for dimension, said in value.items():
            every = said if isinstance(said, list) else [said]
            every = [None if entry == _NULL else entry for entry in every]
            strange = [entry for entry in every if not isinstance(entry, (str, int, float, date, type(None)))]
            if strange:
                possible = "a member, or a list of members; null by its label, or as { null = true }"
                self.problems.append(Problem(f"{place}.{dimension[:200]}", f"holds {_describe(strange[0])}", possible))
            found[dimension] = [entry for entry in every if entry not in strange]
        return {dimension: kept for dimension, kept in found.items() if kept or value[dimension] == []}

    def trees(self, section: Table) -> Iterable[Tree]:
        for name, value in section.items():
            place = f"trees.{name}"
            table = {"paths": value} if isinstance(value, str) else self.table(place, value, TREE)
            paths = table.get("paths")
            if paths is None:
                if isinstance(value, dict) and "paths" not in value:
                    self.problems.append(Problem(place, "has no paths", "paths = …"))
                continue
            metrics = self.texts(f"{place}.metrics", table["metrics"]) if "metrics" in table else None
            options: Table = {"name": name, "metrics": metrics, "audience": table.get("audience")}
            try:
                if isinstance(paths, str):
                    yield Tree.parse(paths, **options)
                else:
                    yield Tree.from_paths(self.texts(f"{place}.paths", paths), **options)
            except ValueError as error:
                self.problems.append(Problem(place, str(error), "steps below the line that they follow"))

    def projections(self, schema: Schema, section: list[object]) -> Iterable[Projection]:
        names: set[str] = set()
        for number, value in enumerate(section, 1):
            place = f"projections[{number}]"
            table = self.table(place, value, PROJECTION)
            if "dimensions" not in table:
                if isinstance(value, dict) and "dimensions" not in value:
                    self.problems.append(Problem(place, "has no dimensions", 'dimensions = ["…"]'))
                continue
            dimensions = table["dimensions"]
            if not isinstance(dimensions, str):
                dimensions = self.texts(f"{place}.dimensions", dimensions)
            metrics = self.texts(f"{place}.metrics", table["metrics"]) if "metrics" in table else None
            where, where_not = (self.members(f"{place}.{key}", table.get(key, {})) for key in ("where", "where_not"))
            try:
                projection = declare_projection(
                    schema,
                    dimensions,
                    name=table.get("name"),
                    metrics=metrics,
                    zone=table.get("zone"),
                    where=where,
                    where_not=where_not,
                    every=table.get("every"),
                )
            except SchemaError as error:
                for problem in error.problems:
                    key = next((f".{key}" for key in PROJECTION if problem.place.endswith(f".{key}")), "")
                    self.problems.append(replace(problem, place=place + key))
                continue
            if projection.name in names:
                self.problems.append(Problem(place, f"{quote(projection.name)} is declared twice", "another name"))
            names.add(projection.name)
            yield projection


def _fits(value: object, kinds: Types) -> bool:
    # In Python a switch is a number as well; in a declaration it is not.
    return isinstance(value, kinds) and not (isinstance(value, bool) and bool not in kinds)


def _named(kinds: Types) -> Types:
    """A whole number is a number."""
    return tuple(kind for kind in kinds if kind is not int or float not in kinds)


def _describe(value: object) -> str:
    if isinstance(value, str):
        return f"the text {quote(value)}"
    kind = next((name for kind, name in _TYPE_NAMES.items() if type(value) is kind), f"a {type(value).__name__}")
    return kind if isinstance(value, list | dict) else f"{kind} ({quote(str(value))})"
