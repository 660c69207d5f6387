"""HAL as JSON (W42): links, and the report as an array of flat objects whose values are strings.

A body is put together column by column: the texts of a column are one list, and the lists are woven into one another by
slices with a step, so that no record is ever an object in Python.
"""

from __future__ import annotations

from functools import lru_cache
from json import dumps

from wolap.engine.execute import DimensionColumn
from wolap.engine.finish import MetricColumn
from wolap.engine.members import Members
from wolap.representations.column_text import is_number, metric_texts
from wolap.representations.resource import Link, Resource

__all__ = ["MEDIA_TYPES", "serialize"]

MEDIA_TYPES = ("application/json", "application/hal+json")

# Above this many members only those of the report are escaped, not all once and for all.
_KEPT_MEMBERS = 1 << 14


def serialize(resource: Resource) -> bytes:
    """The body of a report."""
    links: dict[str, object] = {"self": {"href": resource.href}}
    if resource.roll_up is not None:
        links["roll-up"] = _link(resource.roll_up)
    if resource.drill_down:
        children = [_link(link) for link in resource.drill_down]
        links["drill-down"] = children[0] if len(children) == 1 else children
    return f'{{"_links":{_text(links)},"report":[{_records(resource)}]}}'.encode()


def _link(link: Link) -> dict[str, str]:
    return {"href": link.href, "name": link.name}


def _text(value: object) -> str:
    return dumps(value, ensure_ascii=False, separators=(",", ":"))


def _records(resource: Resource) -> str:
    report = resource.report
    native = resource.native_numbers
    columns = [(column.name, _dimension(column, native)) for column in report.dimensions]
    columns += [(column.name, _metric(column, native)) for column in report.metrics]
    if not report.rows:
        return ""
    step = 2 * len(columns) + 1
    woven = ["}"] * (step * report.rows)
    for index, (name, texts) in enumerate(columns):
        woven[2 * index :: step] = [f"{',' if index else ',{'}{_text(name)}:"] * report.rows
        woven[2 * index + 1 :: step] = texts
    return "".join(woven)[1:]


def _dimension(column: DimensionColumn, native: bool) -> list[str]:
    codes = column.codes.tolist()
    if column.members is None:
        return list(map(str if native else '"%d"'.__mod__, codes))
    if len(column.members.values) <= _KEPT_MEMBERS:
        return list(map(_escaped(column.members).__getitem__, codes))
    return [_text(column.members.texts[code]) for code in codes]


@lru_cache(maxsize=512)
def _escaped(members: Members) -> list[str]:
    return list(map(_text, members.texts))


def _metric(column: MetricColumn, native: bool) -> list[str]:
    texts = metric_texts(column, "")
    quoted = texts if native and is_number(column) else list(map('"%s"'.__mod__, texts))
    if column.valid is None:
        return quoted
    return ["null" if not text else shown for text, shown in zip(texts, quoted, strict=True)]
