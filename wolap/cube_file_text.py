"""Declarations as the text of a cube file, which `cube_file_reader.py` reads as the same.

A cube that was built in Python has no file; what is stored of it on disk keeps this text. What is as it is when nobody
says is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from json import dumps
from typing import Any

from wolap.model.aggregate import AGGREGATES, Metric
from wolap.model.filter import Filter
from wolap.model.member import Member, member_text
from wolap.model.principal import Caps
from wolap.model.projection import Projection
from wolap.model.schema import Dimension, Schema, Time
from wolap.model.tree import Tree, path_text
from wolap.planner.grains import steps_of

__all__ = ["cube_text", "projections_text"]

# Of the letters of a line that are written.
_LONGEST_LIST = 76
_NULL = "{null = true}"
_OF_SCHEMA = ("title", "description", "default_limit", "maximum_limit", "native_numbers", "aliases", "extensions")
_OF_METRIC = (
    "title",
    "description",
    "unit",
    "determines",
    "population",
    "keep",
    "precision",
    "probability",
    "accuracy",
)


def cube_text(
    schema: Schema,
    projections: Iterable[Projection] = (),
    *,
    strict: bool = False,
    caps: Caps | None = None,
    cluster: Sequence[str] = (),
    facts: str | None = None,
) -> str:
    """The whole declaration of a cube as the text of a cube file.

    The kinds of dimensions are not in it, since they are read off the facts. A projection that names the metrics of the
    cube in another order than this says so.
    """
    sections = [
        ["[cube]", *_cube_lines(schema, strict, cluster, facts)],
        [] if schema.time is None else ["[time]", *_time_lines(schema.time)],
        ["[dimensions]", *(f"{_text(one.name)} = {_table(_dimension(one))}" for one in schema.dimensions)],
        ["[metrics]", *(f"{_text(name)} = {_table(_metric(metric))}" for name, metric in schema.metrics.items())],
        *(_tree_lines(tree) for tree in schema.trees),
        *([_section(schema, one, tuple(schema.metrics) != one.metrics)] for one in projections),
        _caps_lines(caps or Caps()),
    ]
    return "\n".join("\n".join(lines).rstrip() + "\n" for lines in sections if lines)


def _cube_lines(schema: Schema, strict: bool, cluster: Sequence[str], facts: str | None) -> Iterable[str]:
    said: dict[str, Any] = {"name": schema.name}
    if schema.base != f"/{schema.name}":
        said["base"] = schema.base
    if schema.time is not None:
        said["zone"] = schema.time.zone
    if schema.file_prefix != schema.name:
        said["file_prefix"] = schema.file_prefix
    if facts is not None:
        said["facts"] = facts
    if strict:
        said["strict"] = strict
    if cluster:
        said["cluster"] = cluster
    return (f"{key} = {_value(value)}" for key, value in {**said, **_said(schema, _OF_SCHEMA)}.items())


def _time_lines(time: Time) -> Iterable[str]:
    said: dict[str, Any] = {"column": time.column, "levels": time.levels, **_said(time, ("column_zone", "everywhere"))}
    for key, spans in (("default_spans", time.default_spans), ("refresh", time.refresh)):
        if spans:
            said[key] = {level: str(span) for level, span in spans.items()}
    return (f"{key} = {_value(value)}" for key, value in said.items())


def _dimension(dimension: Dimension) -> Mapping[str, Any]:
    said = _said(dimension, ("parent", "null", "empty", "title", "description", "unit", "multivalued"))
    return said if dimension.column == dimension.name else {"column": dimension.column, **said}


def _metric(metric: Metric) -> Mapping[str, Any]:
    function, aggregate = metric.function, AGGREGATES[metric.function]
    said: dict[str, Any] = {function: metric.column or True}
    if aggregate.has_expression:
        said[function] = metric.expression
    elif aggregate.has_weight:
        said[function] = [metric.column, metric.weight]
    elif aggregate.operands:
        said[function] = metric.operands
    said |= _said(metric, _OF_METRIC)
    if metric.precision is not None:
        said["precision"] = int(metric.precision)
    if metric.every is not None:
        said["every"] = str(metric.every)
    for one in metric.filters:
        members = sorted(one.values, key=lambda member: (member is None, str(member)))
        said.setdefault("where_not" if one.exclude else "where", {})[one.dimension] = members
    return said


def _tree_lines(tree: Tree) -> list[str]:
    paths = _list([path_text(path) for path in tree.paths])
    lines = [f"[trees.{_text(tree.name)}]", f"paths = {paths}"]
    if tree.metrics is not None:
        lines.append(f"metrics = {_list(tree.metrics)}")
    if tree.audience is not None:
        lines.append(f"audience = {_text(tree.audience)}")
    return lines


def _caps_lines(caps: Caps) -> list[str]:
    said = _said(caps, ("groups", "facts", "memory"))
    return ["[caps]", *(f"{key} = {value}" for key, value in said.items())] if said else []


def _said(declared: Any, names: Sequence[str]) -> dict[str, Any]:
    """Those of these fields that are not as they are when nobody says."""
    usual = {one.name: one.default for one in fields(declared)}
    found = {name: getattr(declared, name) for name in names}
    return {name: value for name, value in found.items() if value != usual[name]}


def projections_text(schema: Schema, projections: Iterable[Projection]) -> str:
    """Declarations of projections as sections of a cube file, which reads them as the same."""
    return "\n".join(
        _section(schema, projection, set(projection.metrics) != set(schema.metrics)) for projection in projections
    )


def _section(schema: Schema, projection: Projection, names_metrics: bool) -> str:
    steps = steps_of(projection, schema)
    lines = ["[[projections]]", f"dimensions = {_list(steps)}"]
    if projection.name != (path_text(steps) or "totals"):
        lines.append(f"name = {_text(projection.name)}")
    if names_metrics:
        lines.append(f"metrics = {_list(projection.metrics)}")
    if projection.zone != schema.zone:
        lines.append(f"zone = {_text(projection.zone.name)}")
    if projection.every is not None:
        lines.append(f"every = {_text(str(projection.every))}")
    for filtered in projection.filters:
        key = "where_not" if filtered.exclude else "where"
        lines.append(f"{key}.{_text(filtered.dimension)} = {_list(_members(schema, filtered))}")
    return "\n".join(lines) + "\n"


def _members(schema: Schema, filtered: Filter) -> list[str]:
    """Members as a request names them, with the labels of null and of the empty string."""
    declared = schema.dimension(filtered.dimension)
    labels: dict[Member, str] = {None: declared.null, "": declared.empty}
    return sorted(labels.get(one) or member_text(declared.kind, one) for one in filtered.values)


def _list(texts: Sequence[str]) -> str:
    """A list of texts, in as many lines as it needs."""
    short = f"[{', '.join(map(_text, texts))}]"
    if len(short) <= _LONGEST_LIST:
        return short
    lines = [""]
    for text in map(_text, texts):
        if lines[-1] and len(lines[-1]) + len(text) + 2 > _LONGEST_LIST:
            lines.append("")
        lines[-1] += f"{text}, "
    return "\n".join(["[", *(f"    {line.rstrip()}" for line in lines), "]"])


def _table(said: Mapping[str, Any]) -> str:
    """An inline table, which is one line."""
    return "{" + ", ".join(f"{_text(key)} = {_value(value)}" for key, value in said.items()) + "}"


def _value(value: Any) -> str:
    """A value in one line; None is the null member."""
    if value is None:
        return _NULL
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return _table(value)
    if isinstance(value, Sequence):
        return f"[{', '.join(map(_value, value))}]"
    return repr(value)


def _text(text: str) -> str:
    """A text of TOML: what JSON escapes, TOML does in the same way, and one control character more."""
    return dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
