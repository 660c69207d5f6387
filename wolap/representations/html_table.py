"""The records of a page as a table, woven by columns: members that lead on, numbers in groups of three."""

from __future__ import annotations

import numpy as np

from wolap.representations.addresses import Addresses, MemberLinks
from wolap.representations.column_text import Texts, grouped_texts, mapped_texts, texts_of, weave
from wolap.representations.markup import escape
from wolap.representations.resource import Resource
from wolap.representations.titles import title_of

__all__ = ["table"]


def table(resource: Resource, addresses: Addresses) -> str:
    """The table with its caption and headings. A metric's heading leads to the same report with it first, which is
    the one that is drawn."""
    report, query = resource.report, resource.query
    headings = []
    for dimension in report.dimensions:
        described = "" if dimension.members is None else resource.schema.dimension(dimension.name).description
        kind = ' class="t"' if dimension.members is None else ""
        headings.append(
            f'<th scope="col"{kind}{_hint(described)}>{escape(title_of(resource.schema, dimension.name))}</th>'
        )
    for place, metric in enumerate(report.metrics):
        declared = resource.schema.metrics[metric.name]
        title = escape(title_of(resource.schema, metric.name))
        unit = f' <span class="soft">({escape(declared.unit)})</span>' if declared.unit else ""
        if place and report.dimensions:
            first = (metric.name, *(name for name in query.metrics or () if name != metric.name))
            title = f'<a href="{escape(addresses.to(metrics=first))}">{title}</a>'
        headings.append(f'<th scope="col" class="n"{_hint(declared.description)}>{title}{unit}</th>')
    return (
        f'<div class="table" role="region" aria-labelledby="records" tabindex="0"><table><caption id="records">'
        f"{_caption(resource)}</caption><thead><tr>{''.join(headings)}</tr></thead>"
        f"<tbody>{_rows(resource, addresses)}</tbody></table></div>"
    )


def _hint(text: str) -> str:
    return f' title="{escape(text)}"' if text else ""


def _caption(resource: Resource) -> str:
    report, offset = resource.report, resource.query.offset
    if offset and report.rows:
        return f"Records {offset + 1:,} to {offset + report.rows:,} of {report.total:,}"
    if report.rows < report.total:
        return f"The first {report.rows:,} of {report.total:,} records"
    return "No records" if not report.total else "1 record" if report.total == 1 else f"{report.total:,} records"


def _rows(resource: Resource, addresses: Addresses) -> str:
    """Each row: every member with its address where it has one, then every number."""
    report = resource.report
    if not report.rows:
        return ""
    pieces: list[Texts | str] = []
    behind = "<tr>"
    for column, links in zip(report.dimensions, addresses.of_members(), strict=True):
        text = mapped_texts(column, _shown)
        cell = '<td class="t">' if column.members is None else "<td>"
        if links is None:
            pieces += [f"{behind}{cell}", text]
            behind = "</td>"
        elif links.linked.all():
            pieces += [f'{behind}{cell}<a href="', *_in_markup(links), '">', text]
            behind = "</a></td>"
        else:
            pieces += [f"{behind}{cell}", _anchored(text, links)]
            behind = "</td>"
    for metric in report.metrics:
        pieces += [f'{behind}<td class="n">', grouped_texts(metric, "–")]
        behind = "</td>"
    return weave(report.rows, [*pieces, f"{behind}</tr>\n"])


def _in_markup(links: MemberLinks) -> list[Texts | str]:
    """Pieces of addresses as they stand in an attribute: those of members are escaped for an address already."""
    return [escape(piece) if isinstance(piece, str) else piece for piece in links.pieces]


def _anchored(text: Texts, links: MemberLinks) -> Texts:
    """Members, some of which lead on."""
    addresses = texts_of([""] * len(text))
    for piece in _in_markup(links):
        addresses = addresses + piece
    return np.where(links.linked, '<a href="' + addresses + '">' + text + "</a>", text)


def _shown(text: str) -> str:
    """A member for people: one that may run from right to left does so on its own, one of blanks alone says so."""
    shown = escape(text) if text.isascii() else f"<bdi>{escape(text)}</bdi>"
    is_blank = text.isspace() or not any(sign.isprintable() and sign != " " for sign in escape(text))
    return f'{shown}<span class="soft">(blank)</span>' if is_blank else shown
