"""What a reader of a page can change: filters as chips and forms, interval, limit, metrics, further dimensions.

Every form is a plain GET whose fields are the words of the query language: an empty field says nothing (W15), an empty
`d=` includes a dimension (W11). What a form does not show of what was said it carries along in hidden fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

from wolap.language.writer import write_member
from wolap.model.interval import Interval, Moment, moment_text
from wolap.model.member import Member
from wolap.model.query import Filter, conjunction
from wolap.representations.addresses import Addresses
from wolap.representations.buckets import moved
from wolap.representations.markup import escape
from wolap.representations.resource import Resource
from wolap.representations.titles import title_of

__all__ = [
    "chips",
    "filter_forms",
    "interval_form",
    "metrics_form",
    "shifts",
    "unsendable",
    "whole_span",
]

# So many members of a dimension are offered while typing; with more, typing has to do.
SUGGESTED = 200
_MOST_CHIPS = 60
_MOST_NAMED = 8
_MOST_CARRIED = 200


# What a browser sends other than it stands in a field: a line break that is not CR LF, and what HTML cannot hold.
_CHANGED = re.compile(r"\r(?!\n)|(?<!\r)\n|[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'


def _fields_of_filters(resource: Resource, addresses: Addresses) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for predicate in addresses.said_filters:
        dimension = resource.schema.dimension(predicate.dimension)
        key = predicate.dimension + "!" * predicate.exclude
        found += sorted((key, write_member(value, dimension)) for value in predicate.values)
    return found


def _carried(resource: Resource, addresses: Addresses, *, without: str = "") -> str:
    """What was said, as hidden fields."""
    query, schema, said = resource.query, resource.schema, resource.surroundings.said
    fields = [_hidden(key, text) for key, text in _fields_of_filters(resource, addresses)]
    if without != "interval":
        fields += [_hidden(name, "") for name in query.include]
        for name, moment in (("start", query.start), ("end", query.end)):
            if name in said and moment is not None:
                fields.append(_hidden(name, moment_text(moment.microseconds, schema.zone)))
        if "limit" in said:
            fields.append(_hidden("limit", str(query.limit)))
    if without != "metrics" and "metrics" in said:
        fields += [_hidden("metrics", name) for name in query.metrics or ()]
    return "".join(fields)


def unsendable(resource: Resource, addresses: Addresses) -> str:
    """Why this page has no forms: they would ask for another member than the one that is filtered, or carry too much.
    Mostly empty."""
    fields = _fields_of_filters(resource, addresses)
    if len(fields) > _MOST_CARRIED:
        return f'<p class="soft">{len(fields):,} members are filtered, which are too many for forms to carry along.</p>'
    if not any(_CHANGED.search(text) for _, text in fields):
        return ""
    return (
        '<p class="soft">A form cannot send a line break or a control character as it is: remove the filter that '
        "holds one, and the forms are back.</p>"
    )


def interval_form(resource: Resource, addresses: Addresses) -> str:
    """Interval, limit and what else to group by."""
    query, schema = resource.query, resource.schema
    fields = []
    if query.start is not None or query.end is not None or (schema.time is not None and schema.time.everywhere):
        hint = "2024, 2024-07, 2024-07-20 or 2024-07-20 10:05"
        for name, label, moment in (("start", "From", query.start), ("end", "Until, not included", query.end)):
            used = "" if moment is None else escape(moment_text(moment.microseconds, schema.zone))
            value = f'value="{used}"' if name in resource.surroundings.said else f'placeholder="{used}"'
            fields.append(
                f'<label>{label}<input name="{name}" {value} title="A date or the beginning of one: {hint}"></label>'
            )
    limit = f'value="{query.limit}"' if addresses.said_limit else f'placeholder="{query.limit or ""}"'
    fields.append(
        f'<label>At most records<input name="limit" type="number" min="1" max="{schema.maximum_limit}" {limit}></label>'
    )
    carried = _carried(resource, addresses, without="interval")
    return (
        f'<form class="ask" action="{escape(addresses.action())}">{carried}{"".join(fields)}<button>Show</button>'
        f"{_more_dimensions(resource, addresses)}</form>"
    )


def _more_dimensions(resource: Resource, addresses: Addresses) -> str:
    query = resource.query
    names = [name for name in addresses.groupable() if name not in query.path]
    if not names:
        return ""
    boxes = "".join(_check(name, "", title_of(resource.schema, name), name in query.include) for name in names)
    more = ", ".join(title_of(resource.schema, name) for name in query.include) or f"none of {len(names)}"
    return (
        f"<details{' open' * bool(query.include)}><summary>Also by: {escape(more)}</summary>"
        f"<fieldset><legend>Also by</legend>{boxes}</fieldset><button>Show also by these</button></details>"
    )


def shifts(resource: Resource, addresses: Addresses) -> str:
    """The same length of time just before and just after."""
    query = resource.query
    if query.start is None or query.end is None:
        return ""
    before, after = moved(query.start.microseconds, query.end.microseconds, resource.schema.zone)
    links = []
    for text, bounds in (("← earlier", before), ("later →", after)):
        if bounds is not None:
            address = addresses.to(interval=(Moment.at(bounds.start), Moment.at(bounds.end)))
            if addresses.is_offered(address):
                links.append(f'<li><a href="{escape(address)}">{text}</a></li>')
    usual = addresses.to(interval=(None, None))
    if resource.surroundings.said & {"start", "end"} and addresses.is_offered(usual):
        links.append(f'<li><a href="{escape(usual)}">usual interval</a></li>')
    return f'<nav class="steps" aria-label="Interval"><ul>{"".join(links)}</ul></nav>' if links else ""


def _check(name: str, value: str, label: str, checked: bool) -> str:
    mark = " checked" if checked else ""
    return (
        f'<label class="check"><input type="checkbox" name="{escape(name)}" value="{escape(value)}"{mark}>'
        f"{escape(label)}</label>"
    )


def metrics_form(resource: Resource, addresses: Addresses) -> str:
    """Which metrics to show."""
    offered, shown = addresses.offered(resource.query.path), resource.query.metrics or ()
    # Those that are shown come first and in their order, so that sending the form keeps it.
    names = dict.fromkeys((*shown, *offered))
    boxes = "".join(_check("metrics", name, title_of(resource.schema, name), name in shown) for name in names)
    address = addresses.to(metrics=())
    is_offered = addresses.said_metrics and addresses.is_offered(address)
    usual = f' <a href="{escape(address)}">usual metrics</a>' if is_offered else ""
    return (
        f"<details><summary>Metrics: {len(shown)} of {len(offered)}</summary>"
        f'<form action="{escape(addresses.action())}">{_carried(resource, addresses, without="metrics")}'
        f"<fieldset><legend>Show</legend>{boxes}</fieldset><button>Show metrics</button>{usual}</form></details>"
    )


def chips(resource: Resource, addresses: Addresses) -> str:
    """The filters as chips that can be taken off or turned around; those that always hold cannot."""
    count = sum(len(predicate.values) for predicate in addresses.said_filters)
    listed = [*_fixed_chips(resource), *islice(_chips(resource, addresses), _MOST_CHIPS)]
    more = f"<li>and {count - _MOST_CHIPS:,} more</li>" if count > _MOST_CHIPS else ""
    return f'<ul class="chips" aria-label="Filters">{"".join(listed)}{more}</ul>' if listed else ""


def filter_forms(resource: Resource, addresses: Addresses) -> str:
    """A field for each dimension to add a filter."""
    names = [name for name in addresses.filterable() if name not in resource.schema.levels]
    if not names:
        return ""
    carried = _carried(resource, addresses)
    forms = "".join(_filter_form(resource, addresses, name, carried) for name in names)
    return f'<details><summary>Add a filter</summary><div class="members">{forms}</div></details>'


def _chips(resource: Resource, addresses: Addresses) -> Iterable[str]:
    said, schema = addresses.said_filters, resource.schema
    for predicate in said:
        dimension = schema.dimension(predicate.dimension)
        others = [other for other in said if other is not predicate]
        word = "is not" if predicate.exclude else "is"
        for text, value in sorted((write_member(value, dimension), value) for value in predicate.values):
            shown = f"{escape(title_of(resource.schema, predicate.dimension))} {word} <b><bdi>{escape(text)}</bdi></b>"
            name = escape(f"{title_of(resource.schema, predicate.dimension)} {word} {text}")
            left = _without(predicate, value, others)
            around = addresses.to(filters=_with(left, predicate.dimension, value, not predicate.exclude))
            ways = (
                (around, f"turn around: {name}", "turn around", "≠"),
                (addresses.to(filters=left), f"remove the filter {name}", "remove", "×"),
            )
            links = "".join(
                f'<a href="{escape(address)}" aria-label="{label}" title="{title}">{sign}</a>'
                for address, label, title, sign in ways
                if addresses.is_offered(address)
            )
            yield f"<li>{shown}{links}</li>"


def _fixed_chips(resource: Resource) -> Iterable[str]:
    for predicate in resource.surroundings.implied:
        dimension = resource.schema.dimension(predicate.dimension)
        texts = sorted(write_member(value, dimension) for value in predicate.values)
        members = ", ".join(f"<b><bdi>{escape(text)}</bdi></b>" for text in texts[:_MOST_NAMED])
        members += f" and {len(texts) - _MOST_NAMED:,} more" if len(texts) > _MOST_NAMED else ""
        word = "is not" if predicate.exclude else "is"
        yield f"<li>{escape(title_of(resource.schema, predicate.dimension))} {word} {members} (always)</li>"


def _without(predicate: Filter, value: Member, others: list[Filter]) -> list[Filter]:
    left = predicate.values - {value}
    return [*others, Filter(predicate.dimension, left, predicate.exclude)] if left else others


def _with(filters: list[Filter], dimension: str, value: Member, exclude: bool) -> tuple[Filter, ...]:
    """Filters with one value more, which joins those of its dimension as in a target (W10)."""
    same = [one for one in filters if (one.dimension, one.exclude) == (dimension, exclude)]
    values = frozenset((value,)).union(*(one.values for one in same))
    return conjunction((*(one for one in filters if one not in same), Filter(dimension, values, exclude)))


def _filter_form(resource: Resource, addresses: Addresses, name: str, carried: str) -> str:
    title = title_of(resource.schema, name)
    members = resource.surroundings.members.get(name)
    listed = ""
    if members is not None and 0 < members.live <= SUGGESTED:
        texts = [text for text in members.listed if not _CHANGED.search(text)]
        options = "".join(f'<option value="{escape(text)}">' for text in texts)
        listed = f'<datalist id="of-{escape(name)}">{options}</datalist>'
    use = f' list="of-{escape(name)}"' if listed else ""
    return (
        f'<form action="{escape(addresses.action())}">{carried}<label>{escape(title)}'
        f'<input name="{escape(name)}" required{use}></label>{listed}'
        f'<button aria-label="filter by {escape(title)}">Add</button></form>'
    )


def whole_span(resource: Resource, addresses: Addresses) -> str:
    """For a report without records: where the facts lie, and the way there."""
    span: Interval | None = resource.surroundings.span
    if span is None or resource.query.start is None or span.start >= span.end:
        return ""
    first, last = (moment_text(bound, resource.schema.zone)[:19].replace("T", " ") for bound in (span.start, span.end))
    address = addresses.to(interval=(Moment.at(span.start), Moment.at(span.end)))
    link = f': <a href="{escape(address)}">show all of that time</a>' if addresses.is_offered(address) else ""
    return f"<p>The facts lie from {first} until {last}{link}.</p>"
