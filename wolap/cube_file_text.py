"""Declarations as sections of a cube file, which `cube_file.py` reads as the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from json import dumps

from wolap.model.filter import Filter
from wolap.model.member import Member, member_text
from wolap.model.projection import Projection
from wolap.model.schema import Schema
from wolap.model.tree import path_text
from wolap.planner.grains import steps_of

__all__ = ["projections_text"]

# Of the letters of a line that are written.
_LONGEST_LIST = 76


def projections_text(schema: Schema, projections: Iterable[Projection]) -> str:
    """Declarations of projections as sections of a cube file, which reads them as the same."""
    return "\n".join(_section(schema, projection) for projection in projections)


def _section(schema: Schema, projection: Projection) -> str:
    steps = steps_of(projection, schema)
    lines = ["[[projections]]", f"dimensions = {_list(steps)}"]
    if projection.name != (path_text(steps) or "totals"):
        lines.append(f"name = {_text(projection.name)}")
    if set(projection.metrics) != set(schema.metrics):
        lines.append(f"metrics = {_list(projection.metrics)}")
    if projection.zone != schema.zone:
        lines.append(f"zone = {_text(projection.zone.name)}")
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


def _text(text: str) -> str:
    """A text of TOML: what JSON escapes, TOML does in the same way, and one control character more."""
    return dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
