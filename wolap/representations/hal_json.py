"""HAL as JSON (W42): links, and the report as an array of flat objects whose values are strings.

A body is put together column by column: the texts of a column are one array, and the arrays are woven into one text, so
that no record is ever an object in Python. What is the same in all records (names, quotes, commas) is said once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from json import dumps
from json.encoder import encode_basestring as _text

import numpy as np

from wolap.engine.execute import DimensionColumn
from wolap.engine.finish import MetricColumn
from wolap.engine.members import Members
from wolap.representations.column_text import Texts, is_number, metric_texts, texts_of, weave
from wolap.representations.resource import Link, Resource

__all__ = ["MEDIA_TYPES", "serialize"]

MEDIA_TYPES = ("application/json", "application/hal+json")

# Above this many members only those of the report are escaped, not all once and for all.
_KEPT_MEMBERS = 1 << 14
_YEARS, _PARTS = 10_000, 64
_NATIVE = frozenset({"integer", "float", "decimal", "boolean"})


def serialize(resource: Resource) -> bytes:
    """The body of a report."""
    links: dict[str, object] = {"self": {"href": resource.href}}
    if resource.roll_up is not None:
        links["roll-up"] = _link(resource.roll_up)
    if resource.drill_down:
        children = [_link(link) for link in resource.drill_down]
        links["drill-down"] = children[0] if len(children) == 1 else children
    shown = dumps(links, ensure_ascii=False, separators=(",", ":"))
    return f'{{"_links":{shown},"report":[{_records(resource)}]}}'.encode()


def _link(link: Link) -> dict[str, str]:
    return {"href": link.href, "name": link.name}


def _records(resource: Resource) -> str:
    """Each record is the fragments of its members, then each metric's text with what stands before it."""
    report, native = resource.report, resource.native_numbers
    if not report.rows:
        return ""
    pieces: list[Texts | str] = [_dimension(column, native) for column in report.dimensions]
    behind = ""
    for column in report.metrics:
        before, texts, after = _metric(column, native)
        pieces += (behind + before, texts)
        behind = f"{after},"
    # The end of a record and the beginning of the next; behind the last there is none.
    pieces.append(f"{behind[:-1]}}},{{")
    return "{" + weave(report.rows, pieces)[:-2]


def _dimension(column: DimensionColumn, native: bool) -> Texts:
    """For each row the name and the member, with the comma before whatever follows."""
    table: Texts
    if column.members is None:
        table = _numbered(column.name, native, _YEARS if column.name == "year" else _PARTS)
        return np.take(table, column.codes)
    if len(column.members.values) <= _KEPT_MEMBERS:
        table = _fragments(column.members, column.name, native)
        return np.take(table, column.codes)
    name, texts, write = _text(column.name), column.members.texts, _writer(column.members, native)
    return texts_of(f"{name}:{write(texts[code])}," for code in column.codes.tolist())


@lru_cache(maxsize=64)
def _numbered(name: str, native: bool, size: int) -> Texts:
    pattern = f"{_text(name)}:%d," if native else f'{_text(name)}:"%d",'
    return texts_of(map(pattern.__mod__, range(size)))


@lru_cache(maxsize=512)
def _fragments(members: Members, name: str, native: bool) -> Texts:
    write = _writer(members, native)
    return texts_of(f"{_text(name)}:{write(text)}," for text in members.texts)


def _writer(members: Members, native: bool) -> Callable[[str], str]:
    """How a member is written: where numbers are native, those that are numbers or switches as they are."""
    if not native or members.kind not in _NATIVE:
        return _text
    return lambda text: _text(text) if text == members.null_label else text


def _metric(column: MetricColumn, native: bool) -> tuple[str, Texts, str]:
    """What stands before each text, the texts, and what stands behind: quotes, where all texts need them."""
    name, texts = _text(column.name), metric_texts(column, "")
    bare = native and is_number(column)
    if column.valid is None:
        return (f"{name}:", texts, "") if bare else (f'{name}:"', texts, '"')
    shown = texts if bare else '"' + texts + '"'
    shown[~column.valid] = "null"
    return f"{name}:", shown, ""
