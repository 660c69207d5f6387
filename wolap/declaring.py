"""Whether a declaration of a projection fits a cube: it may have been made elsewhere, or by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from wolap.errors import Problem, SchemaError, quote
from wolap.model.projection import Projection, declare_projection, stored_of
from wolap.model.query import settle_filter, unreadable_members
from wolap.model.schema import Schema

__all__ = ["check_undeclared", "declaration_of", "undeclared"]


def declaration_of(schema: Schema, projection: str | Projection) -> Projection:
    """A declaration of this schema's; what was measured elsewhere is not believed. A text names the dimensions.

    Raises SchemaError for one that does not fit.
    """
    if isinstance(projection, str):
        return declare_projection(schema, projection)
    if (found := _unfit(schema, projection)) is not None:
        raise SchemaError([Problem(f"projections.{projection.name}", found, "declare_projection(cube.schema, …)")])
    if problems := tuple(_unreadable(schema, projection)):
        raise SchemaError(problems)
    filters = tuple(settle_filter(one, schema) for one in projection.filters)
    # The very zone of the cube, where it is that: the planner asks often, and sees it at a glance.
    zone = schema.zone if projection.zone == schema.zone else projection.zone
    return replace(projection, zone=zone, filters=filters, statistics=None)


def check_undeclared(present: Iterable[Projection], wanted: Sequence[Projection]) -> None:
    """Raises SchemaError where one that is wanted has the name of another, or of one that is present."""
    taken = {one.name for one in present}
    problems: list[Problem] = []
    for one in wanted:
        if one.name in taken:
            problems.append(Problem(f"projections.{one.name}", "is declared already"))
        taken.add(one.name)
    if problems:
        raise SchemaError(problems)


def undeclared(present: Iterable[Projection], wanted: Iterable[Projection]) -> tuple[Projection, ...]:
    """Those that are wanted and not present. Raises SchemaError for what has the name of another."""
    known = {one.name: replace(one, statistics=None) for one in present}
    missing: list[Projection] = []
    for one in wanted:
        if one.name not in known:
            known[one.name] = one
            missing.append(one)
        elif known[one.name] != one:
            found = "is declared already, with other dimensions, metrics, filters, zone or schedule"
            raise SchemaError([Problem(f"projections.{one.name}", found, "another name")])
    return tuple(missing)


def _unfit(schema: Schema, projection: Projection) -> str | None:
    """What is wrong with a declaration, if anything is."""
    names = {dimension.name for dimension in schema.dimensions}
    if projection.is_facts:
        return "is the facts, which are not built"
    if not set(projection.dimensions) <= names:
        return "names dimensions that this cube has not"
    if projection.level is not None and schema.time is None:
        return "has time, which this cube has not"
    if projection.closure != schema.closure(projection.dimensions):
        return "was declared for other hierarchies"
    if projection.multivalued != schema.multivalued.intersection(projection.dimensions):
        return "was declared for other multi-valued dimensions"
    if not schema.metrics.keys() >= set(projection.metrics):
        return "stores metrics that this cube has not"
    stored = projection.partials, projection.mergeable, projection.merging
    if stored_of(schema, projection.metrics) != stored:
        return "was declared for other metrics, though of the same names"
    if not {one.dimension for one in projection.filters} <= names:
        return "filters dimensions that this cube has not"
    return None


def _unreadable(schema: Schema, projection: Projection) -> Iterator[Problem]:
    """Members that a declaration names and the facts' kind of a dimension cannot read."""
    for one in projection.filters:
        if unreadable := unreadable_members(one, schema):
            kind = schema.dimension(one.dimension).kind
            place = f"projections.{projection.name}.{'where_not' if one.exclude else 'where'}"
            found = f"{quote(unreadable[0])} is no member of {one.dimension}, whose kind is {kind}"
            yield Problem(place, found, f"a text that reads as {kind}")
