"""A query as a value: what to group by, what to keep, over which time, which metrics, how many records.

A Query knows no schema; strings are understood when it is made and are typed values from then on. `settle` holds it
against a schema once: names that exist, members of the right kind, instants on the cube's clock. All later stages
take a settled query. Its filters are predicates joined by AND, at most one IN and one NOT IN for a dimension.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from wolap.errors import QueryError, nearest, quote
from wolap.model.filter import SCALARS, Filter, Values
from wolap.model.interval import EVERYTHING, Interval, Moment, moment_text
from wolap.model.member import Member, canonical_member, member_text
from wolap.model.schema import Dimension, Schema
from wolap.model.tree import path_text, read_path
from wolap.model.zone import FIRST_INSTANT, LAST_INSTANT

__all__ = [
    "Filter",
    "Order",
    "Query",
    "check_interval",
    "check_order",
    "conjunction",
    "interval_of",
    "no_bound",
    "not_filterable",
    "settle",
    "settle_filter",
    "unreadable_members",
]


@dataclass(frozen=True, slots=True)
class Order:
    """What records are put in order by, a dimension or a metric of the report: from the least on, or `descending`."""

    name: str
    descending: bool = False

    @classmethod
    def parse(cls, text: str) -> Order:
        """`clients`, or `-clients` for descending (W70)."""
        return cls(text.removeprefix("-"), text.startswith("-"))

    def __str__(self) -> str:
        return f"{'-' * self.descending}{self.name}"


@dataclass(frozen=True, slots=True, init=False)
class Query:
    """What is asked of a cube.

    `path` names the dimensions to group by (`"year/month"`, or a tuple), `include` more of them that follow it;
    `where` and `where_not` keep or drop members, one or several for a dimension; `start` and `end` bound the time,
    half-open, as ISO 8601 text or dates; `metrics` None takes what the default projection offers (W21); `limit` None is
    no limit. `order` names dimensions and metrics to order by, `-` before a name for descending, what has no value
    last; equals, and all records without it, are in the order of W24. `offset` skips that many records before `limit`
    is counted. `fresh_since` leaves out projections that were not refreshed at this instant or later, a datetime with a
    zone. Raises QueryError for a date that is none and for a filter without a value.
    """

    path: tuple[str, ...]
    include: tuple[str, ...]
    filters: tuple[Filter, ...]
    start: Moment | None
    end: Moment | None
    metrics: tuple[str, ...] | None
    limit: int | None
    order: tuple[Order, ...]
    offset: int
    fresh_since: datetime | None

    def __init__(
        self,
        path: str | Iterable[str] = (),
        *,
        where: Mapping[str, Values] | None = None,
        where_not: Mapping[str, Values] | None = None,
        include: str | Iterable[str] = (),
        start: str | date | Moment | None = None,
        end: str | date | Moment | None = None,
        metrics: str | Iterable[str] | None = None,
        limit: int | None = None,
        filters: Iterable[Filter] = (),
        order: str | Iterable[str | Order] = (),
        offset: int = 0,
        fresh_since: datetime | None = None,
    ) -> None:
        steps = read_path(path) if isinstance(path, str) else tuple(path)
        more = (include,) if isinstance(include, str) else include
        named = (metrics,) if isinstance(metrics, str) else metrics
        if where or where_not:
            filters = (*_said(where, False), *_said(where_not, True), *filters)
        assign = object.__setattr__
        assign(self, "path", steps)
        assign(self, "include", tuple([name for name in dict.fromkeys(more) if name not in steps]) if more else ())
        assign(self, "filters", tuple(filters))
        assign(self, "start", start if start is None or isinstance(start, Moment) else _bound("start", start))
        assign(self, "end", end if end is None or isinstance(end, Moment) else _bound("end", end))
        assign(self, "metrics", None if named is None else tuple(dict.fromkeys(named)))
        assign(self, "limit", limit)
        assign(self, "order", _orders(order) if order else ())
        assign(self, "offset", offset)
        if fresh_since is not None and fresh_since.utcoffset() is None:
            raise QueryError(f"fresh_since {fresh_since} is on no clock; give a datetime with a zone")
        # In UTC: two instants of an hour that a clock shows twice would be equal on it.
        assign(self, "fresh_since", None if fresh_since is None else fresh_since.astimezone(UTC))

    @property
    def group(self) -> tuple[str, ...]:
        """The dimensions of the report, in its order: the path's, then the included ones."""
        return self.path + self.include

    def restrict(self, filters: Iterable[Filter]) -> Query:
        """A settled query with more settled predicates ANDed to it."""
        more = tuple(filters)
        return _with(self, filters=conjunction((*self.filters, *more))) if more else self

    def asking(self, metrics: tuple[str, ...]) -> Query:
        """The same query with these metrics."""
        return self if metrics == self.metrics else _with(self, metrics=metrics)

    def between(self, start: Moment | None, end: Moment | None) -> Query:
        """The same query over another interval."""
        return _with(self, start=start, end=end)

    def skipping(self, offset: int) -> Query:
        """The same query from another record on."""
        return _with(self, offset=offset)

    def along(self, path: tuple[str, ...]) -> Query:
        """The same question of another path, in order by what that shows."""
        gone = frozenset(self.group) - frozenset(path)
        return _with(self, path=path, include=(), order=tuple(one for one in self.order if one.name not in gone))

    def __str__(self) -> str:
        parts = [path_text(self.group) or "totals"]
        parts += [", ".join(self.metrics)] if self.metrics else []
        parts += [str(predicate) for predicate in self.filters]
        parts += [f"by {', '.join(map(str, self.order))}"] if self.order else []
        return " · ".join(parts)


def _with(query: Query, **changes: object) -> Query:
    """A copy with some fields replaced; `dataclasses.replace` would call the reading constructor."""
    copy = object.__new__(Query)
    assign = object.__setattr__
    for name in _FIELDS:
        assign(copy, name, changes[name] if name in changes else getattr(query, name))
    return copy


_FIELDS = tuple(Query.__dataclass_fields__)


def _orders(order: str | Iterable[str | Order]) -> tuple[Order, ...]:
    """What to order by; of one name twice the first decides."""
    found: dict[str, Order] = {}
    for one in (order,) if isinstance(order, str) else order:
        read = Order.parse(one) if isinstance(one, str) else one
        found.setdefault(read.name, read)
    return tuple(found.values())


def _said(members: Mapping[str, Values] | None, exclude: bool) -> Iterable[Filter]:
    return (Filter(name, _values(name, values), exclude) for name, values in (members or {}).items())


def _values(dimension: str, values: Values) -> frozenset[Member]:
    if isinstance(values, SCALARS):
        return frozenset((values,))
    members = frozenset(values)
    if not members:
        raise QueryError(f"the filter on {quote(dimension)} has no value; give at least one member")
    return members


def _bound(name: str, value: str | date) -> Moment:
    """A `start` or `end` as somebody gave it. Raises QueryError for what is no date."""
    try:
        return Moment.of(value)
    except ValueError as error:
        raise no_bound(name, str(value), error) from None


def no_bound(name: str, text: str, error: ValueError) -> QueryError:
    """The refusal of a `start` or `end` that is no date, or not one of those that there are (W15)."""
    return QueryError(f"{name} {quote(text)} is {error}")


def conjunction(filters: Iterable[Filter]) -> tuple[Filter, ...]:
    """Predicates joined by AND, in canonical form: sorted by dimension, IN before NOT IN, one of each at most.

    INs that leave no member become `IN a AND NOT IN a` for all members that they name, which nothing satisfies and
    which can be written down.
    """
    filters = tuple(filters)
    if len(filters) < 2:
        return filters
    kept: dict[str, list[frozenset[Member]]] = {}
    dropped: dict[str, frozenset[Member]] = {}
    for predicate in filters:
        if predicate.exclude:
            dropped[predicate.dimension] = dropped.get(predicate.dimension, frozenset()) | predicate.values
        else:
            kept.setdefault(predicate.dimension, []).append(predicate.values)
    joined: list[Filter] = []
    for name, sets in kept.items():
        common = sets[0] if len(sets) == 1 else frozenset.intersection(*sets)
        if common <= dropped.get(name, frozenset()):
            common = frozenset.union(*sets)
            dropped[name] = dropped.get(name, frozenset()) | common
        joined.append(Filter(name, common))
    joined += [Filter(name, values, True) for name, values in dropped.items()]
    return tuple(sorted(joined, key=lambda predicate: (predicate.dimension, predicate.exclude)))


def settle(query: Query, schema: Schema) -> Query:
    """The query with members of the right kind and instants on the cube's clock.

    Raises QueryError for a name that does not exist (listing what does), a filter on a time dimension, an interval that
    is empty or on a cube without time, a limit below 1.
    """
    _check_names(query, schema)
    start, end = _settle_moment("start", query.start, schema), _settle_moment("end", query.end, schema)
    if start is not None and end is not None:
        check_interval(start.microseconds, end.microseconds, schema)
    if query.limit is not None and query.limit < 1:
        raise QueryError(f"limit {query.limit} is below 1; give a whole number from 1, or none")
    if query.offset < 0:
        raise QueryError(f"offset {query.offset} is below 0; give the number of records to skip")
    if not query.filters and start is query.start and end is query.end:
        return query
    filters = conjunction([settle_filter(predicate, schema) for predicate in query.filters])
    return _with(query, filters=filters, start=start, end=end)


def check_order(query: Query, metrics: tuple[str, ...]) -> None:
    """Raises QueryError where a report of these metrics would be put in order by what it does not show (W70)."""
    shown = (*query.group, *metrics)
    for one in query.order:
        if one.name not in shown:
            raise QueryError(
                f"the report does not show {quote(one.name)}, so it is not put in order by it; it shows "
                f"{nearest(one.name, shown)}"
            )


def check_interval(start: int, end: int, schema: Schema) -> None:
    """Raises QueryError for an interval of instants that holds none (W16)."""
    if start >= end:
        shown = f"start {moment_text(start, schema.zone)} is not before end {moment_text(end, schema.zone)}"
        raise QueryError(f"{shown}; an interval is half-open, from start up to but without end")


def not_filterable(level: str) -> QueryError:
    """The refusal of a filter on a time dimension (W14)."""
    return QueryError(f"the time dimension {quote(level)} cannot be filtered by value; give start and end instead")


def settle_filter(predicate: Filter, schema: Schema) -> Filter:
    """A predicate with members of the right kind: only such can be compared with one another.

    Raises LookupError for a dimension that does not exist: `settle` has told of those that an asker names.
    """
    name, values = predicate.dimension, predicate.values
    if name not in schema.places or name in schema.levels:
        raise LookupError(f"an implied filter names {quote(name)}, which is no dimension to filter")
    declared = schema.dimension(name)
    if declared.kind == "text" and _are_their_own_members(values, declared):
        return predicate
    return Filter(name, frozenset([_settle_member(declared, value) for value in values]), predicate.exclude)


def unreadable_members(predicate: Filter, schema: Schema) -> list[str]:
    """The members of a predicate that its dimension's kind cannot read, in order. Nothing could ever match them: in a
    declaration they are a slip of the pen."""
    if schema.dimension(predicate.dimension).kind == "text":
        return []
    return sorted(value for value in settle_filter(predicate, schema).values if isinstance(value, str))


def _settle_moment(name: str, moment: Moment | None, schema: Schema) -> Moment | None:
    if moment is None:
        return None
    if moment.offset == 0 and schema.time is not None and FIRST_INSTANT <= moment.microseconds <= LAST_INSTANT:
        return moment
    if schema.time is None:
        raise QueryError(f"{name} is given, but {quote(schema.name)} has no time")
    try:
        instant = moment.instant(schema.zone)
    except ValueError as error:
        raise QueryError(f"{name} is {error}") from None
    return moment if moment.offset == 0 else Moment.at(instant)


def _are_their_own_members(values: frozenset[Member], declared: Dimension) -> bool:
    labels = declared.null in values or declared.empty in values
    return not labels and set(map(type, values)) == {str}


def _settle_member(declared: Dimension, value: Member) -> Member:
    member = canonical_member(declared.kind, value)
    if member is None or member_text(declared.kind, member) == declared.null:
        return None
    return "" if declared.kind == "text" and member == declared.empty else member


def _check_names(query: Query, schema: Schema) -> None:
    if _all_known(query, schema):
        return
    seen: set[str] = set()
    for name in query.group:
        if name not in schema.places:
            raise QueryError(f"there is no dimension {quote(name)}; the dimensions are {nearest(name, schema.names)}")
        if name in seen:
            raise QueryError(f"the dimension {quote(name)} is named twice in {quote(path_text(query.path))}")
        seen.add(name)
    for predicate in query.filters:
        name = predicate.dimension
        if name in schema.levels:
            raise not_filterable(name)
        if name not in schema.places:
            possible = nearest(name, (dimension.name for dimension in schema.dimensions))
            raise QueryError(f"there is no dimension {quote(name)} to filter; the dimensions are {possible}")
    if query.metrics is not None:
        for name in query.metrics:
            if name not in schema.metrics:
                raise QueryError(f"there is no metric {quote(name)}; the metrics are {nearest(name, schema.metrics)}")
        if not query.metrics:
            raise QueryError(
                f"no metric is asked for; the metrics are {nearest('', schema.metrics)}, or leave them out"
            )


def _all_known(query: Query, schema: Schema) -> bool:
    """Whether all names are right, without telling which is not."""
    names, dimensions = frozenset(query.group), schema.places.keys()
    if len(names) < len(query.path) + len(query.include) or not names <= dimensions:
        return False
    for predicate in query.filters:
        if predicate.dimension in schema.levels or predicate.dimension not in dimensions:
            return False
    return query.metrics is None or (bool(query.metrics) and schema.metrics.keys() >= frozenset(query.metrics))


def interval_of(query: Query) -> Interval:
    """The instants that a settled query counts; everything where neither bound was given."""
    start = EVERYTHING.start if query.start is None else query.start.microseconds
    end = EVERYTHING.end if query.end is None else query.end.microseconds
    return Interval(start, end)
