"""A report as a page for people (W45): where it is in the tree, what it shows, and everything that may be asked next.

The page is complete in itself: no script, no outside resource, one style. Whatever comes from data or from a target is
escaped where it is put in. `Addresses` says where links lead, `page_forms` what can be changed.
"""

from __future__ import annotations

from collections.abc import Iterable

from wolap.language.writer import write_path
from wolap.representations.addresses import Addresses
from wolap.representations.chart import draw
from wolap.representations.html_table import table
from wolap.representations.markup import escape
from wolap.representations.page_forms import (
    chips,
    filter_forms,
    interval_form,
    metrics_form,
    shifts,
    unsendable,
    whole_span,
)
from wolap.representations.page_style import STYLE
from wolap.representations.resource import Resource
from wolap.representations.titles import title_of, title_of_cube

__all__ = ["MEDIA_TYPES", "page", "serialize"]

MEDIA_TYPES = ("text/html",)

# What a page links to besides itself: formats, and what they are called.
OTHERS = (("json", "JSON"), ("xml", "XML"), ("csv-safe", "CSV"))


def serialize(resource: Resource) -> bytes:
    """The page of a report."""
    addresses = Addresses(resource)
    schema, path = resource.schema, resource.query.path
    name = title_of_cube(resource.schema)
    by = ", ".join(title_of(resource.schema, step) for step in resource.query.group)
    heading = f"{name} by {by}" if by else name
    about = f"<p>{escape(schema.description)}</p>" if schema.description and not path else ""
    body = (
        f"{_path(resource, addresses)}<h1>{escape(heading)}</h1>{about}{_steps(resource, addresses)}"
        f'<section aria-label="Question">{chips(resource, addresses)}{_forms(resource, addresses)}</section>'
        f"{_figure(resource)}{'' if resource.report.rows else whole_span(resource, addresses)}"
        f"{table(resource, addresses)}{_formats(resource)}{_words(resource, addresses)}"
    )
    return page(heading, body, _answered(resource)).encode()


def _forms(resource: Resource, addresses: Addresses) -> str:
    forms = unsendable(resource, addresses)
    if forms:
        return forms + shifts(resource, addresses)
    return (
        f"{interval_form(resource, addresses)}{shifts(resource, addresses)}{filter_forms(resource, addresses)}"
        f"{metrics_form(resource, addresses)}"
    )


def page(title: str, body: str, foot: str) -> str:
    """A whole document. `body` and `foot` are markup, the title is not."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="icon" href="data:,"><style>{STYLE}</style></head>'
        '<body><a class="skip" href="#records">to the records</a>'
        f"<main>{body}</main><footer>{foot}</footer></body></html>\n"
    )


def _path(resource: Resource, addresses: Addresses) -> str:
    """The way from the list of cubes to here."""
    around, path = resource.surroundings, resource.query.path
    steps = [f'<li><a href="{escape(around.root)}/">cubes</a></li>']
    for length in range(len(path) + 1):
        above = path[:length]
        text = escape(title_of(resource.schema, above[-1]) if above else title_of_cube(resource.schema))
        if length == len(path):
            steps.append(f'<li><span aria-current="page">{text}</span></li>')
        elif address := addresses.towards(above):
            steps.append(f'<li><a href="{escape(address)}">{text}</a></li>')
        else:
            steps.append(f"<li>{text}</li>")
    return f'<nav class="path" aria-label="Path"><ol>{"".join(steps)}</ol></nav>'


def _steps(resource: Resource, addresses: Addresses) -> str:
    """One step further, aside and back, with what was said where that answers."""
    forest, path = resource.surroundings.forest, resource.query.path
    if path not in forest:
        return ""
    beside = forest.children(path[:-1]) if path else ()
    rows = (
        ("drill down by", forest.children(path)),
        ("instead of the last step", [one for one in beside if one != path]),
        ("roll up", [path[:-1]] if path else []),
    )
    return f'<div class="ways">{"".join(_step_list(resource, addresses, *row) for row in rows)}</div>'


def _step_list(resource: Resource, addresses: Addresses, label: str, paths: Iterable[tuple[str, ...]]) -> str:
    """Links to those of some paths that answer; nothing where none does."""
    links = "".join(
        f'<li><a href="{escape(address)}">'
        f"{escape(title_of(resource.schema, path[-1]) if path else title_of_cube(resource.schema))}</a></li>"
        for path in paths
        if (address := addresses.towards(path))
    )
    if not links:
        return ""
    name = label.capitalize()
    return f'<nav class="steps" aria-label="{name}"><ul><li class="label-of">{name}</li>{links}</ul></nav>'


def _figure(resource: Resource) -> str:
    title = title_of(resource.schema, resource.report.metrics[0].name)
    drawing = draw(resource.report, title)
    if not drawing:
        return ""
    unit = resource.schema.metrics[resource.report.metrics[0].name].unit
    shown = f"{title} ({unit})" if unit else title
    return f"<figure><figcaption>{escape(shown)}</figcaption>{drawing}</figure>"


def _formats(resource: Resource) -> str:
    """The same report for programs; CSV with members that no spreadsheet runs."""
    sign = "&" if "?" in resource.href else "?"
    links = "".join(
        f'<li><a href="{escape(f"{resource.href}{sign}format={name}")}">{title}</a></li>' for name, title in OTHERS
    )
    own = f'<li><a href="{escape(resource.href)}">link to just this report</a></li>'
    return (
        '<nav class="formats" aria-label="Other formats"><ul><li class="label-of">The same as</li>'
        f"{links}{own}</ul></nav>"
    )


def _words(resource: Resource, addresses: Addresses) -> str:
    """What the dimensions and the metrics of this page mean."""
    schema = resource.schema
    entries = []
    for name in (*resource.query.group, *addresses.offered(resource.query.path)):
        if name in schema.levels:
            continue
        declared = schema.metrics[name] if name in schema.metrics else schema.dimension(name)
        unit = f" Unit: {declared.unit}." if declared.unit else ""
        if declared.description or unit:
            told = escape(f"{declared.description}{unit}")
            entries.append(
                f"<dt>{escape(title_of(resource.schema, name))} <code>{escape(name)}</code></dt><dd>{told}</dd>"
            )
    if not entries:
        return ""
    return f'<details><summary>What the words mean</summary><dl class="words">{"".join(entries)}</dl></details>'


def _answered(resource: Resource) -> str:
    """What answered, and how fast."""
    schema, answer = resource.schema, resource.surroundings.answer
    address = f"<code>{escape(write_path(resource.query.path, schema))}</code>"
    zone = f" Times are those of {escape(schema.time.zone)}." if schema.time else ""
    if answer is None:
        return f"<p>{address}.{zone}</p>"
    sources = ", ".join(answer.pieces)
    return (
        f"<p>{address} was answered by <b>{escape(sources)}</b>: planned in {answer.plan * 1e3:.2f} ms, aggregated in "
        f"{answer.aggregate * 1e3:.2f} ms.{zone}</p>"
    )
