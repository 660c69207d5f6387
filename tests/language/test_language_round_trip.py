"""What is written reads back the same (W47), and whatever is read is a Query or a QueryError."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import event, example, given
from hypothesis import strategies as st
from language_schemas import ESM, EVERYWHERE, NOW, TIMELESS, ask

from wolap.errors import QueryError
from wolap.language.reader import locate, read_format, read_query, split_target
from wolap.language.writer import write_query
from wolap.model.interval import Moment
from wolap.model.principal import EVERYONE, Principal
from wolap.model.query import Filter, Query, settle
from wolap.model.zone import DAY, FIRST_INSTANT, HOUR, LAST_INSTANT, MINUTE, Zone, to_microseconds

NASTY = (
    "",
    "a",
    "A",
    ",",
    '"',
    "<",
    "&",
    "%",
    "/",
    "+",
    "!",
    "=",
    "#",
    "?",
    " ",
    ";",
    ":",
    "é",
    "日",
    "\n",
    "\0",
    "😀",
)
ZONES = ("UTC", "America/Los_Angeles", "Asia/Kolkata", "Australia/Lord_Howe", "-08:00")
LABELS = ("N/A", "-", "a&b", "+ %41", "日=!", "(none)")
PARTNER = Principal("partner", (Filter("region", frozenset({"EU"})), Filter("bucket", frozenset({None}))))

texts = st.lists(st.sampled_from(NASTY), max_size=3).map("".join)
MEMBERS = {
    "text": texts,
    "integer": st.integers(-(2**63), 2**64),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "decimal": st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**28), max_value=10**28)
    | st.just(Decimal("99999999999999999999999999999999999999.5")),
    "boolean": st.booleans(),
    "date": st.dates(),
    "timestamp": st.datetimes(),
    "duration": st.timedeltas(timedelta(-1000), timedelta(1000)),
}  # fmt: skip


def clock_changes(zone):
    start, end = (to_microseconds(datetime.fromisoformat(day)) for day in ("2023-01-01", "2026-01-01"))
    return Zone(zone).changes(start, end)[1]


def instants(zone):
    """Instants at microsecond precision: around the changes of a clock, anywhere else, and far back."""
    anywhere = st.integers(FIRST_INSTANT + 2 * DAY, LAST_INSTANT - 2 * DAY)
    if not clock_changes(zone):
        return anywhere
    steps = st.sampled_from((-HOUR, -HOUR // 2, -MINUTE, -1, 0, 1, 30 * MINUTE, HOUR)) | st.integers(
        -2 * HOUR, 2 * HOUR
    )
    return st.builds(int.__add__, st.sampled_from(clock_changes(zone)), steps) | anywhere  # fmt: skip


@st.composite
def schemas(draw):
    zone = draw(st.sampled_from(ZONES))
    base = draw(st.sampled_from((ESM, EVERYWHERE, TIMELESS)))
    labels = st.lists(st.sampled_from(LABELS), min_size=2, max_size=2, unique=True)
    dimensions = []
    for dimension in base.dimensions:
        null, empty = draw(labels)
        kind = draw(st.sampled_from(tuple(MEMBERS)))
        dimensions.append(replace(dimension, null=null, empty=empty, kind=kind))
    time = base.time and replace(base.time, zone=zone)
    return replace(base, dimensions=dimensions, time=time)


def members(dimension):
    """Members that a target can name: in a dimension of another kind than text, no empty text and no label."""
    unreadable = texts.filter(lambda text: text not in ("", dimension.null, dimension.empty))
    return st.none() | MEMBERS[dimension.kind] | (texts if dimension.kind == "text" else unreadable)


@st.composite
def queries(draw, schema, principal):
    """Settled queries that can be written down: possible on their path, with an interval where they have time."""
    forest = schema.forest(principal.audience)
    path = draw(st.sampled_from(tuple(forest.paths)))
    possible = sorted({*path, *forest.below(path)})
    include = draw(st.lists(st.sampled_from(possible), max_size=3)) if possible else []
    filtered = [name for name in possible if name not in schema.levels] + [one.dimension for one in principal.filters]
    filters = []
    for name in draw(st.lists(st.sampled_from(filtered), max_size=3)) if filtered else []:
        values = draw(st.frozensets(members(schema.dimension(name)), min_size=1, max_size=3))
        filters.append(Filter(name, values, draw(st.booleans())))
    start = end = None
    if schema.levels & {*path, *include} or (schema.time and schema.time.everywhere and draw(st.booleans())):
        start, end = sorted(draw(st.lists(instants(schema.zone.name), min_size=2, max_size=2, unique=True)))
    offered = forest.metrics(path, schema.metrics)
    return settle(
        Query(
            path,
            include=include,
            filters=filters,
            start=None if start is None else Moment.at(start),
            end=None if end is None else Moment.at(end),
            metrics=draw(st.none() | st.lists(st.sampled_from(offered), min_size=1)),
            limit=draw(st.integers(1, schema.maximum_limit)),
        ),
        schema,
    )  # fmt: skip


@given(st.data())
def test_what_is_written_reads_back_the_same(data):  # W10 W11 W12 W30 W47
    schema = data.draw(schemas())
    principal = data.draw(st.sampled_from((EVERYONE, PARTNER)))
    query = data.draw(queries(schema, principal))
    text = write_query(query, schema)
    event(f"{len(query.filters)} filters")
    assert text.isascii()
    assert text.isprintable()
    later = datetime(2031, 5, 6, tzinfo=UTC)
    assert ask(text, schema, principal, later) == query
    assert write_query(ask(text, schema, principal, later), schema) == text


pieces = st.sampled_from(
    ("/esm/v3", "/esm/report", "/cubes/v1.2", "/", "year", "month", "platform", "device", "app.csv", "rank", "price",
     "seen", "aired", "score", "live", ".csv", "?", "&", "=", "!", "!=", "%", "%2", "%21", "%ff", "%00", "+", "#",
     "\ud800", "\0", "start=", "end=", "limit=", "metrics=", "format=", "access_token=", "2024-07-20", "T10:05",
     "9999-12-31T23:59:59", "0001", "+02:00", "Z", "1e999", "9" * 30, "-1", "N/A", "(empty)", "clients", ",", "http://x")
)  # fmt: skip
targets = st.lists(pieces, max_size=12).map("".join) | st.text() | st.text().map("/esm/v3/rank?rank=".__add__)


@given(st.data(), targets)
@example(None, "/esm/v3/rank?rank=" + "9" * 5000)
@example(None, "/esm/v3/score?price=1e999&score=1e400")
@example(None, "/esm/v3/year?start=9999-12-31T23:59:59.999999Z")
def test_any_text_gives_a_query_or_a_query_error(data, text):  # W15 W16 W22
    schema = ESM if data is None else data.draw(schemas())
    try:
        target = split_target(text)
        read_format(target)
        location = locate(target, schema)
        if location is None:
            return
        query = read_query(target, location, schema, PARTNER, NOW)
    except QueryError as error:
        event(type(error).__name__)
        return
    event("Query")
    assert settle(query, schema) == query
    assert ask(write_query(query, schema), schema, PARTNER, NOW) == query


def test_members_of_every_kind_read_back():  # W12, the row of each kind in one glance
    said = {"rank": 7, "price": Decimal("12.50"), "score": 1e300, "live": False, "aired": date(1, 2, 3)}
    query = settle(Query("rank", where=said, limit=1), ESM)
    assert ask(write_query(query, ESM)) == query
