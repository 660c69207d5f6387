"""HAL as JSON (W42): links, and the report as an array of flat objects whose values are strings.

A body is put together column by column: the texts of a column are one list, and the lists are woven into one another by
slices with a step, so that no record is ever an object in Python.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from json import dumps
from json.encoder import encode_basestring as _text

from wolap.engine.execute import DimensionColumn
from wolap.engine.finish import MetricColumn
from wolap.engine.members import Members
from wolap.representations.column_text import is_number, metric_texts
from wolap.representations.resource import Link, Resource

__all__ = ["MEDIA_TYPES", "serialize"]

MEDIA_TYPES = ("application/json", "application/hal+json")

# Above this many members only those of the report are escaped, not all once and for all.
_KEPT_MEMBERS = 1 << 14
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
    members = [_dimension(column, native) for column in report.dimensions]
    metrics = [_metric(column, native) for column in report.metrics]
    step = len(members) + 2 * len(metrics) + 1
    woven = [""] * (step * report.rows)
    for index, fragments in enumerate(members):
        woven[index::step] = fragments
    behind = ""
    for index, (before, texts, after) in enumerate(metrics):
        place = len(members) + 2 * index
        woven[place::step] = [behind + before] * report.rows
        woven[place + 1 :: step] = texts
        behind = f"{after},"
    # The end of a record and the beginning of the next; behind the last there is none.
    woven[step - 1 :: step] = [f"{metrics[-1][2]}}},{{"] * report.rows
    return "{" + "".join(woven)[:-2]


def _dimension(column: DimensionColumn, native: bool) -> list[str]:
    """For each row the name and the member, with the comma before whatever follows."""
    codes = column.codes.tolist()
    if column.members is None:
        return list(map(_numbered(column.name, native).__getitem__, codes))
    if len(column.members.values) <= _KEPT_MEMBERS:
        return list(map(_fragments(column.members, column.name, native).__getitem__, codes))
    name, texts, write = _text(column.name), column.members.texts, _writer(column.members, native)
    return [f"{name}:{write(texts[code])}," for code in codes]


class _Numbered(dict[int, str]):
    """The fragments of calendar parts, made when they are first met: there are some thousands at the most."""

    def __init__(self, name: str, native: bool) -> None:
        super().__init__()
        self.pattern = f"{_text(name)}:%d," if native else f'{_text(name)}:"%d",'

    def __missing__(self, code: int) -> str:
        fragment = self[code] = self.pattern % code
        return fragment


_numbered = lru_cache(maxsize=64)(_Numbered)


@lru_cache(maxsize=512)
def _fragments(members: Members, name: str, native: bool) -> list[str]:
    write = _writer(members, native)
    return [f"{_text(name)}:{write(text)}," for text in members.texts]


def _writer(members: Members, native: bool) -> Callable[[str], str]:
    """How a member is written: where numbers are native, those that are numbers or switches as they are."""
    if not native or members.kind not in _NATIVE:
        return _text
    return lambda text: _text(text) if text == members.null_label else text


def _metric(column: MetricColumn, native: bool) -> tuple[str, list[str], str]:
    """What stands before each text, the texts, and what stands behind: quotes, where all texts need them."""
    name, texts = _text(column.name), metric_texts(column, "")
    bare = native and is_number(column)
    if column.valid is None:
        return (f"{name}:", texts, "") if bare else (f'{name}:"', texts, '"')
    return f"{name}:", ["null" if not text else text if bare else f'"{text}"' for text in texts], ""
