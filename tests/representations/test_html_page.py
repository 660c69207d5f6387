"""The page for people (W45), without a browser: its markup, where its links lead, what its forms send."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import pyarrow as pa
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from oracle import oracle
from page_reader import Page, read_page
from report_cubes import NASTY, members, numbers, resource
from strategies import World, projections, queries, worlds

from wolap import Caps, Cube, Dimension, Filter, Principal, Query, Schema, Time, Tree, count, maximum, mean, total
from wolap.language.reader import locate, read_query, split_target
from wolap.language.writer import write_query
from wolap.model.principal import EVERYONE
from wolap.representations import html_page
from wolap.representations.index_page import INDEX_FORMATS, Entry
from wolap.representations.page_style import POLICY
from wolap.web.endpoint import Endpoint, Request, Response

NOW = datetime(2024, 11, 5, 14, 35, 21, tzinfo=UTC)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style></textarea></table>",
    "&lt;b&gt; &amp; &#60;",
    "javascript:alert(1)",
    "]]> <!-- -->",
    "\u202eRTL override",
    "שלום עולם",
    "👩‍👩‍👧 é",
    "#records?a=b&c=d+e%20f",
)


def ask(endpoint: Endpoint, target: str, principal: Principal = EVERYONE, root: str = "") -> Response:
    headers = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    return endpoint.respond(Request("GET", target, headers, principal, root), NOW)


def page_of(endpoint: Endpoint, target: str, principal: Principal = EVERYONE) -> Page:
    response = ask(endpoint, target, principal)
    assert response.status == 200, (target, response.body)
    assert response.header("Content-Type") == "text/html; charset=utf-8"
    assert response.header("Content-Security-Policy") == POLICY
    return read_page(response.body)


def query_of(endpoint: Endpoint, target: str, principal: Principal = EVERYONE) -> Query:
    """What a target asks."""
    split = split_target(target)
    (found,) = [(cube, location) for cube in endpoint.cubes if (location := locate(split, cube.schema)) is not None]
    return read_query(split, found[1], found[0].schema, principal, NOW)


# A cube with a bit of everything -------------------------------------------------------------------------------------

TREE = """
year
  month
    day
      hour
        minute
      shop
        item
      week
        shop
    shop
    quarter
  week
    shop
  quarter
    shop
shop
  item
    size
    year
  year
    hour
hour
  shop
"""
SHOPS = (None, "", "a b", "<b>", "x\ny", "é&=", "=1+1", "N", "\x01\x02")


def sales(zone: str = "Europe/Berlin", *, around: str = "2024-10-27T01:00", rows: int = 300, **options: Any) -> Cube:
    """Sales around a change of the clock, in steps that meet every edge of an hour."""
    begin = datetime.fromisoformat(around) - timedelta(minutes=rows * 10)
    at = [begin + timedelta(minutes=20 * number, seconds=number % 2) for number in range(rows)]
    table = pa.table(
        {
            "at": pa.array(at, pa.timestamp("us")),
            "shop": pa.array([SHOPS[number * 7 % len(SHOPS)] for number in range(rows)], pa.string()),
            "item": pa.array([number % 3 or None for number in range(rows)], pa.int64()),
            "size": pa.array([number % 4 / 4 for number in range(rows)], pa.float64()),
            "amount": pa.array([number % 11 for number in range(rows)], pa.int64()),
        }
    )
    schema = Schema(
        "sales",
        [Dimension("shop", title="Shop"), Dimension("item"), Dimension("size")],
        {"rows": count(), "amount": total("amount"), "mean": mean("amount")},
        [Tree.parse(TREE)],
        Time("at", ("year", "quarter", "month", "week", "day", "hour", "minute"), zone),
        base="/sales/v1",
        title="Sales",
    )
    return Cube(schema, table, **options)


@pytest.fixture(scope="module")
def shop() -> Endpoint:
    return Endpoint(sales())


def same_prefix(page: Page, row: int, columns: int, heading: str) -> int:
    """The sum of a metric over the records that begin as this one."""
    place, start = page.header.index(heading), page.records[row][:columns]
    return sum(int(record[place].replace(",", "")) for record in page.records if record[:columns] == start)


def drilled(endpoint: Endpoint, page: Page, heading: str, principal: Principal = EVERYONE) -> int:
    """Follows every member of a page; each page that it leads to holds just what its record has counted. How many
    were compared."""
    compared, pages = 0, dict[str, Page]()
    assert page.is_whole
    for row, cells in enumerate(page.rows):
        for place, cell in enumerate(cells):
            if "n" in cell.attributes.get("class", "") or not cell.all("a"):
                continue
            target = cell.one("a").href
            there = pages.setdefault(target, pages.get(target) or page_of(endpoint, target, principal))
            # Without metrics said, another path has its own (W21).
            if there.is_whole and heading in there.header:
                expected = same_prefix(page, row, place + 1, heading)
                assert there.total(heading) == expected, (target, page.header[place], page.records[row])
                compared += 1
    return compared


@pytest.mark.parametrize(
    "path",
    [
        "/year",
        "/year/month",
        "/year/month/day",
        "/year/month/day/hour",
        "/year/month/day/shop",
        "/year/month?shop",
        "/year/month?shop&item",
        "/year/quarter",
        "/year/quarter/shop",
        "/year/month?quarter",
        "/shop",
        "/shop/year",
        "/shop/item",
        "/shop/item/size",
        "/shop/item?year",
        "/shop?item!=1",
        "/shop/item?item=1&item=2&item!=2",
        "/shop?shop=a%20b&shop=%3Cb%3E&shop!=N/A",
        "/shop?shop!=a%20b&item",
    ],
)
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "-08:00"])
def test_a_member_leads_to_what_its_record_counts(path: str, zone: str) -> None:
    around = {"Australia/Lord_Howe": "2024-04-06T15:00"}.get(zone, "2024-10-27T01:00")
    endpoint = Endpoint(sales(zone, around=around, rows=36))
    edges = f"start={around[:7]}-05T03:17:05&end=2024-10-27T02:40:30Z"
    for interval in ("start=2024&end=2025", edges):
        target = f"/sales/v1{path}{'&' if '?' in path else '?'}{interval}&metrics=rows,amount"
        page = page_of(endpoint, target)
        compared = drilled(endpoint, page, "rows")
        assert compared == sum(len(row) - 2 for row in page.rows), "a member leads nowhere, or not all is shown"


def test_an_hour_that_comes_twice_is_one_stretch_of_two_hours() -> None:
    """Berlin, 27 October 2024: from 2 to 3 o'clock twice. The record holds both, and so does the page it leads to,
    whichever way the interval of the report cuts them."""
    endpoint = Endpoint(sales(rows=60))
    bounds = ["2024-10-27T00:30:00Z", "2024-10-27T01:00:00Z", "2024-10-27T01:30:00Z", "2024-10-27T02:00:00Z"]
    whole = ("2024-10-26T22:00:00Z", "2024-10-27T04:00:00Z")
    intervals = [whole, *((whole[0], bound) for bound in bounds), *((bound, whole[1]) for bound in bounds)]
    for start, end in intervals:
        page = page_of(endpoint, f"/sales/v1/year/month/day/hour?start={start}&end={end}&metrics=rows")
        assert drilled(endpoint, page, "rows") == 4 * len(page.rows)


# Where only those records have no link whose bucket is in two stretches.
SOME = None


@pytest.mark.parametrize(
    ("zone", "around", "path", "led"),
    [
        # A minute comes twice, an hour apart; an hour twice, but in one stretch.
        ("Europe/Berlin", "2024-10-27T01:00", "/year/month/day/hour/minute", [1, 1, 1, 1, SOME]),
        ("Europe/Berlin", "2024-10-26T01:00", "/year/month/day/hour/minute", [1, 1, 1, 1, 1]),
        # Two hours at once: 1 2 1 2 o'clock.
        ("Antarctica/Troll", "2024-10-27T01:00", "/year/month/day/hour", [1, 1, 1, SOME]),
        # At one minute past midnight an hour back into the day before, which goes on, and then the day again.
        ("America/St_Johns", "2010-11-07T02:31", "/year/month/day", [1, 1, 0]),
        # Parts that name no stretch of time.
        ("Europe/Berlin", "2024-10-27T01:00", "/year/week", [1, 0]),
        ("Europe/Berlin", "2024-10-27T01:00", "/year/week/shop", [1, 0, 0]),
        ("Europe/Berlin", "2024-10-27T01:00", "/hour", [0]),
        ("Europe/Berlin", "2024-10-27T01:00", "/hour/shop", [0, 0]),
        ("Europe/Berlin", "2024-10-27T01:00", "/shop?hour", [1, 0]),
        ("Europe/Berlin", "2024-10-27T01:00", "/year?week&shop", [1, 0, 0]),
        ("Europe/Berlin", "2024-10-27T01:00", "/year/month/day?week&shop", [1, 1, 1, 1, 1]),
    ],
)
def test_a_member_leads_nowhere_where_no_one_stretch_of_time_is_its_own(
    zone: str, around: str, path: str, led: list[int | None]
) -> None:
    endpoint = Endpoint(sales(zone, around=around, rows=30))
    day = datetime.fromisoformat(around)
    interval = f"start={day - timedelta(hours=4):%Y-%m-%dT%H:%M:%SZ}&end={day + timedelta(hours=4):%Y-%m-%dT%H:%M:%SZ}"
    page = page_of(endpoint, f"/sales/v1{path}{'&' if '?' in path else '?'}{interval}&metrics=rows")
    assert page.rows
    links = [[len(cell.all("a")) for cell in row[: len(led)]] for row in page.rows]
    for column, expected in zip(zip(*links, strict=True), led, strict=True):
        assert set(column) == ({0, 1} if expected is SOME else {expected})
    assert drilled(endpoint, page, "rows") == sum(map(sum, links))


def linked(zone: str, facts: list[str], target: str) -> list[int]:
    """Which records of a page have a link at their finest time; what each leads to is compared with its number."""
    schema = Schema(
        "clock",
        [],
        {"rows": count()},
        [Tree.parse("year\n  month\n    day\n      hour\n        minute")],
        Time("at", ("year", "month", "day", "hour", "minute"), zone),
    )
    endpoint = Endpoint(Cube(schema, pa.table({"at": pa.array(facts).cast(pa.timestamp("us"))})))
    page = page_of(endpoint, target)
    drilled(endpoint, page, "rows")
    return [len(row[-2].all("a")) for row in page.rows]


TWICE = ["2024-10-27T00:16:00", "2024-10-27T01:16:00"]


@pytest.mark.parametrize(
    ("zone", "facts", "target", "expected"),
    [
        # The interval begins in the hour that comes twice: the text of a minute would name the first.
        ("Europe/Berlin", TWICE, "hour/minute?start=2024-10-27T01:00:00Z&end=2024-10-27T02:00:00Z", [0]),
        ("Europe/Berlin", TWICE, "hour?start=2024-10-27T01:00:00Z&end=2024-10-27T02:00:00Z", [1]),
        ("Europe/Berlin", TWICE, "hour?start=2024-10-27&end=2024-10-28", [1]),
        ("Antarctica/Troll", TWICE, "hour?start=2024-10-27T00:00:00Z&end=2024-10-27T03:00:00Z", [0, 0]),
        # A minute past midnight the clock is put on by an hour: of hours 0 and 1 one minute and 59 are there.
        (
            "America/St_Johns",
            ["2008-03-09T03:30:30", "2008-03-09T03:31:00", "2008-03-09T03:40:00"],
            "hour?start=2008-03-09&end=2008-03-10",
            [0, 0],
        ),
    ],
)
def test_members_at_a_change_of_the_clock(zone: str, facts: list[str], target: str, expected: list[int]) -> None:
    assert linked(zone, facts, f"/clock/year/month/day/{target}") == expected


@st.composite
def explorable(draw: st.DrawFn) -> World:
    """A world whose trees mix time and dimensions, and which counts rows."""
    world = draw(worlds(rows=16))
    names = world.schema.names
    paths = draw(
        st.lists(st.lists(st.sampled_from(names), min_size=1, max_size=6, unique=True), min_size=1, max_size=3)
    )
    metrics = {"rows": count(), **{name: one for name, one in world.schema.metrics.items() if name != "rows"}}
    title = draw(st.sampled_from(("", *HOSTILE)))
    schema = replace(
        world.schema, metrics=metrics, trees=[Tree.from_paths([tuple(path) for path in paths])], title=title
    )
    return replace(world, schema=schema)


@st.composite
def targets(draw: st.DrawFn, world: World) -> str:
    """A target of a random path, with filters, includes and an interval that may be asked there."""
    forest = world.schema.forest(None)
    path = draw(st.sampled_from(sorted(forest.paths)))
    known = sorted(forest.groupable(path))
    drawn = draw(queries(world))
    more = [name for name in known if name not in path]
    asked = Query(
        path,
        include=draw(st.lists(st.sampled_from(more), max_size=2, unique=True)) if more else (),
        filters=[one for one in drawn.filters if one.dimension in known],
        start=drawn.start,
        end=drawn.end,
        metrics=draw(st.sampled_from([None, ["rows"], ["rows", *sorted(world.schema.metrics)[:2]]])),
    )
    return write_query(asked, world.schema)


@settings(max_examples=100)
@given(st.data())
def test_pages_of_any_world(data: st.DataObject) -> None:
    """Every link and every form of any page answers; members lead to what their records have counted."""
    world = data.draw(explorable())
    cube = Cube(world.schema, world.facts)
    wanted = data.draw(projections(world))
    if wanted:
        cube.materialize(*wanted)
    endpoint = Endpoint(cube)
    target = data.draw(targets(world))
    response = ask(endpoint, target)
    assume(response.status != 400)
    page = read_page(response.body)
    plain = json.loads(endpoint.respond(Request("GET", target), NOW).body)["report"]
    size = len(query_of(endpoint, target).group)
    members = [[text.removesuffix("(blank)") for text in record[:size]] for record in page.records]
    assert members == [_shown(record, size) for record in plain]
    event(f"{min(len(page.rows), 3)} records or more, {size} dimensions")
    for href in {link.href for link in page.links()}:
        assert ask(endpoint, href).status == 200, href
    for form in page.forms():
        typed = {one.attributes["name"]: "a" for one in form.inputs if "required" in one.attributes}
        assert ask(endpoint, form.sent(**typed)).status == 200
    if "rows" in page.header and page.is_whole:
        event(f"{min(drilled(endpoint, page, 'rows'), 5)} members or more followed")


def _shown(record: dict[str, str | None], size: int) -> list[str]:
    """What a page shows of members: control characters as pictures."""
    return [re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", _picture, text or "") for text in list(record.values())[:size]]


def _picture(found: re.Match[str]) -> str:
    return chr(0x2400 + ord(found[0]))


@settings(max_examples=60)
@given(st.data())
def test_pages_hold_the_numbers_of_the_oracle(data: st.DataObject) -> None:
    world = data.draw(explorable())
    endpoint = Endpoint(Cube(world.schema, world.facts))
    target = data.draw(targets(world))
    response = ask(endpoint, target)
    assume(response.status != 400)
    page = read_page(response.body)
    expected = oracle(world.schema, world.frame, query_of(endpoint, target), ("rows",))
    if "rows" in page.header:
        assert page.column("rows") == [f"{record['rows']:,}" for record in expected]


@settings(max_examples=60)
@given(st.data())
def test_links_that_a_strict_cube_offers_answer(data: st.DataObject) -> None:
    """What another path answers by default is offered (W48), the rest may be refused, but is never missing."""
    world = data.draw(explorable())
    caps = Caps(groups=data.draw(st.sampled_from([None, 0, 3])), facts=data.draw(st.sampled_from([None, 0, 10])))
    cube = Cube(world.schema, world.facts, strict=data.draw(st.booleans()), caps=caps)
    wanted = data.draw(projections(world))
    if wanted:
        cube.materialize(*wanted)
    endpoint = Endpoint(cube)
    response = ask(endpoint, data.draw(targets(world)))
    assume(response.status == 200)
    page = read_page(response.body)
    chips = {one.href for chip in page.root.all("ul", class_="chips") for one in chip.all("a")}
    for href in {link.href for link in page.links()} - chips:
        status = ask(endpoint, href).status
        assert status == 200 or (status == 400 and "?" in href), href
    offered = json.loads(endpoint.respond(Request("GET", page.link("JSON")), NOW).body)["_links"]
    for name in ("drill-down", "roll-up"):
        links = offered.get(name, [])
        for link in links if isinstance(links, list) else [links]:
            assert any(one.href.partition("?")[0] == link["href"] for one in page.links())


# What is said, and what is not ---------------------------------------------------------------------------------------


def of_others(page: Page) -> list[str]:
    """The links of a page but those to the very same report, which say everything."""
    same = page.navigation("Other formats").values()
    return [one.href for one in page.links() if one.href not in same]


def test_what_was_not_said_is_not_carried_along(shop: Endpoint) -> None:
    for path in ("", "/year", "/year/month", "/shop/item"):
        page = page_of(shop, f"/sales/v1{path}")
        said = ("limit=", "metrics=") if path.startswith("/year") else ("limit=", "metrics=", "start=", "end=")
        members = {one.href for row in page.rows for cell in row for one in cell.all("a")}
        shifted = page.navigation("Interval").values()
        headings = {one.href for one in page.root.one("thead").all("a")}
        for href in of_others(page):
            if href not in headings:
                assert not [word for word in said if word in href], href
            if href not in members and href not in shifted:
                assert not re.search("start=|end=", href), href
        for form in page.forms():
            assert not [name for name, value in form.fields if value and name in ("start", "end", "limit")]


def test_links_keep_what_was_said(shop: Endpoint) -> None:
    """Each link asks the same question with the one thing changed that it names."""
    said = "item=1&item!=2&start=2024-10-20&end=2024-11-02T10:30:00&limit=7&metrics=amount&metrics=rows"
    page = page_of(shop, f"/sales/v1/year/month?{said}&shop")
    asked = query_of(shop, f"/sales/v1/year/month?{said}&shop")
    assert page.chips == ["item is 1", "item is not 2"]

    def by(text: str) -> Query:
        return query_of(shop, page.link(text))

    def like(found: Query, **changes: Any) -> None:
        for name in ("path", "include", "filters", "start", "end", "metrics", "limit"):
            assert getattr(found, name) == changes.get(name, getattr(asked, name)), name

    like(by("Sales"), path=(), start=None, end=None)
    # There is no item below these.
    like(by("Week"), path=("year", "week"), filters=())
    like(query_of(shop, page.navigation("Instead of the last step")["Quarter"]), path=("year", "quarter"), filters=())
    like(query_of(shop, page.navigation("Roll up")["Year"]), path=("year",))
    like(query_of(shop, page.navigation("Path")["Year"]), path=("year",))
    like(query_of(shop, page.navigation("Drill down by")["Day"]), path=("year", "month", "day"))
    like(by("rows"), metrics=("rows", "amount"))
    one, two = Filter("item", frozenset({1})), Filter("item", frozenset({2}), True)
    like(by("remove the filter item is 1"), filters=(two,))
    like(by("remove the filter item is not 2"), filters=(one,))
    like(by("turn around: item is not 2"), filters=(Filter("item", frozenset({1, 2})),))
    like(by("turn around: item is 1"), filters=(Filter("item", frozenset({1, 2}), True),))
    usual = query_of(shop, "/sales/v1/year/month")
    like(by("usual interval"), start=usual.start, end=usual.end)
    like(by("usual metrics"), metrics=None)
    like(by("link to just this report"))
    for name in ("JSON", "XML", "CSV"):
        like(by(name))


def test_what_another_path_does_not_know_is_left_behind(shop: Endpoint) -> None:
    page = page_of(shop, "/sales/v1/shop/item?size=0.5&size&shop=N&start=2024")
    assert query_of(shop, page.navigation("Instead of the last step")["Year"]) == query_of(
        shop, "/sales/v1/shop/year?shop=N"
    )
    assert query_of(shop, page.navigation("Path")["Shop"]) == query_of(shop, "/sales/v1/shop?size=0.5&size&shop=N")


@pytest.mark.parametrize(
    ("start", "end", "earlier", "later"),
    [
        ("2024-07", "2024-08", "start=2024-06-01T00:00:00&end=2024-07-01T00:00:00", "2024-09-01T00:00:00"),
        ("2024-02", "2024-04", "start=2023-12-01T00:00:00&end=2024-02-01T00:00:00", "2024-06-01T00:00:00"),
        ("2024", "2025", "start=2023-01-01T00:00:00&end=2024-01-01T00:00:00", "2026-01-01T00:00:00"),
        # A day of 25 hours, and weeks around it.
        ("2024-10-27", "2024-10-28", "start=2024-10-26T00:00:00&end=2024-10-27T00:00:00", "2024-10-29T00:00:00"),
        ("2024-10-21", "2024-10-28", "start=2024-10-14T00:00:00&end=2024-10-21T00:00:00", "2024-11-04T00:00:00"),
        # Hours are counted: two before 3 o'clock is the second time of 2 o'clock, less an hour.
        ("2024-10-27T03", "2024-10-27T05", "start=2024-10-27T02:00:00&end=2024-10-27T03:00:00", "2024-10-27T07:00:00"),
    ],
)
def test_earlier_and_later(shop: Endpoint, start: str, end: str, earlier: str, later: str) -> None:
    page = page_of(shop, f"/sales/v1/year/month/day?start={start}&end={end}")
    assert page.link("← earlier") == f"/sales/v1/year/month/day?{earlier}"
    after = urlsplit(page.link("later →")).query
    assert after.endswith(f"&end={later}")
    assert page_of(shop, page_of(shop, page.link("later →")).link("← earlier")).caption == page.caption


def test_no_earlier_at_the_beginning_of_the_calendar(shop: Endpoint) -> None:
    page = page_of(shop, "/sales/v1/year?start=0001-01-02&end=9999-12-30")
    assert list(page.navigation("Interval")) == ["usual interval"]
    for target in (
        "/sales/v1/year?start=0001-01-01T00Z&end=9999-12-31T22:59:59",
        "/sales/v1/year?start=0001-02&end=0002",
    ):
        for link in page_of(shop, target).links():
            assert ask(shop, link.href).status == 200, link.href


# Forms ---------------------------------------------------------------------------------------------------------------

SAID = "shop!=a%20b&item=1&start=2024-10-27T02:30:00%2B01:00&end=2024-11&limit=9&metrics=amount&metrics=rows&day"


def test_forms_carry_what_was_said(shop: Endpoint) -> None:
    target = f"/sales/v1/year/month?{SAID}&shop"
    page, asked = page_of(shop, target), query_of(shop, target)
    assert query_of(shop, page.form("Show").sent()) == asked
    assert query_of(shop, page.form("Show metrics").sent()) == asked
    added = query_of(shop, page.form("filter by Shop").sent(shop="é&=  +"))
    assert added.filters == tuple(
        sorted((*asked.filters, Filter("shop", frozenset({"é&=  +"}))), key=lambda one: (one.dimension, one.exclude))
    )
    assert (added.include, added.start, added.end, added.limit, added.metrics) == (
        asked.include,
        asked.start,
        asked.end,
        asked.limit,
        asked.metrics,
    )
    changed = query_of(shop, page.form("Show").sent(without=("day=",), start="2024-07", end="", limit="2"))
    assert changed == query_of(
        shop, "/sales/v1/year/month?shop!=a%20b&item=1&shop&start=2024-07&limit=2&metrics=amount,rows"
    )
    fewer = query_of(shop, page.form("Show metrics").sent(without=("metrics=amount",)))
    assert fewer.metrics == ("rows",)


def test_forms_of_what_was_not_said_say_nothing(shop: Endpoint) -> None:
    page = page_of(shop, "/sales/v1/year/month")
    assert page.form("Show").sent() == "/sales/v1/year/month?start=&end=&limit="
    assert page.form("filter by item").sent(item="1") == "/sales/v1/year/month?item=1"
    placeholders = [one.attributes.get("placeholder") for one in page.form("Show").inputs[:3]]
    assert placeholders == ["2024-10-05T00:00:00", "2024-11-05T15:35:21", "1000"]


@pytest.mark.parametrize("member", ["x\ny", "x\ry", "\x01\x02"])
def test_no_form_asks_for_another_member_than_was_filtered(shop: Endpoint, member: str) -> None:
    """A browser sends line breaks as CR LF, so a form would lose the filter: there is none, and the page says so."""
    target = f"/sales/v1/shop?shop={quote(member)}"
    page = page_of(shop, target)
    assert page.forms() == []
    assert "A form cannot send a line break" in page.root.text
    for link in page.links():
        assert ask(shop, link.href).status == 200
    assert query_of(shop, page.navigation("Drill down by")["item"]).filters == query_of(shop, target).filters
    assert page_of(shop, page.link(f"remove the filter Shop is {_shown({'': member}, 1)[0]}")).forms()


def test_a_line_break_of_the_kind_that_browsers_send_is_sent() -> None:
    endpoint = Endpoint(members(("a\r\nb", "c")))
    page = page_of(endpoint, "/nasty/d?d=a%0D%0Ab")
    assert query_of(endpoint, page.form("Show").sent()).filters == (Filter("d", frozenset({"a\r\nb"})),)
    assert page_of(endpoint, page.form("Show").sent()).column("rows") == ["1"]


@settings(max_examples=60)
@given(st.data())
def test_forms_of_any_world_carry_what_was_said(data: st.DataObject) -> None:
    world = data.draw(explorable())
    endpoint = Endpoint(Cube(world.schema, world.facts))
    target = data.draw(targets(world))
    response = ask(endpoint, target)
    assume(response.status != 400)
    page, asked = read_page(response.body), query_of(endpoint, target)
    again = query_of(endpoint, page.form("Show").sent())
    # The boxes stand in the order of the schema.
    assert set(again.include) == set(asked.include)
    for name in ("path", "filters", "start", "end", "metrics", "limit"):
        assert getattr(again, name) == getattr(asked, name), name
    assert query_of(endpoint, page.form("Show metrics").sent()).filters == asked.filters


def test_members_are_offered_while_typing(shop: Endpoint) -> None:
    page = page_of(shop, "/sales/v1/shop")
    offered = [one.attributes["value"] for one in page.root.one("datalist", id="of-shop").all("option")]
    # Not those that a form cannot send.
    assert offered == ["(empty)", "<b>", "=1+1", "N", "a b", "é&=", "N/A"]
    many = Endpoint(members(tuple(f"member {number}" for number in range(201))))
    assert not page_of(many, "/nasty/d").root.all("datalist")


# Nothing from the data is markup -------------------------------------------------------------------------------------


def hostile(text: str, member: str | None) -> Cube:
    schema = Schema(
        "hostile",
        [Dimension("d", null=f"null {text}", empty=f"empty {text}", title=text, description=text, unit=text)],
        {"rows": replace(count(), title=text, description=text, unit=text), "more": maximum("d")},
        [Tree.parse("d")],
        title=text,
        description=text,
    )
    schema = replace(schema, metrics={"rows": schema.metrics["rows"]})
    return Cube(schema, pa.table({"d": pa.array([member, "x", "x"], pa.string())}))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_shown_as_they_are(text: str) -> None:
    endpoint = Endpoint(hostile(text, text))
    root, below = page_of(endpoint, "/hostile"), page_of(endpoint, f"/hostile/d?d={quote(text)}&d=x")
    assert root.root.one("h1").text == text
    assert below.column(below.header[0]) == sorted([text, "x"])
    assert below.chips == sorted([f"{text} is {text}", f"{text} is x"])
    assert text in below.root.one("svg").text
    assert text in below.root.one("head").one("title").text
    assert [one.attributes["title"] for one in below.root.one("thead").all("th")] == [text, text]
    (cell,) = [cell for row in below.rows for cell in row if cell.text == text]
    assert query_of(endpoint, cell.one("a").href).filters == (Filter("d", frozenset({text})),)
    index = page_of(endpoint, "/")
    assert index.root.one("dt").one("a").text == text


@given(st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(NASTY))
def test_any_text_anywhere_is_no_markup(text: str | None) -> None:
    """The reader takes a page apart strictly: a tag, an attribute or a reference from data would break it."""
    endpoint = Endpoint(hostile(text or "", text))
    plain = page_of(Endpoint(hostile("", "a")), "/hostile/d")
    for target in ("/", "/hostile", "/hostile/d", f"/hostile/d?d={quote(text or 'x')}&d!=x"):
        page = page_of(endpoint, target)
        for link in page.links():
            assert ask(endpoint, link.href).status == 200
    tags = [one.tag for one in page_of(endpoint, "/hostile/d").root.one("table").all() if one.tag != "bdi"]
    extra = tags.count("tr") - [one.tag for one in plain.root.one("table").all()].count("tr")
    assert tags.count("a") - extra == [one.tag for one in plain.root.one("table").all()].count("a")


def test_nasty_members_and_numbers() -> None:
    endpoint = Endpoint(members(), numbers())
    page = page_of(endpoint, "/nasty/d")
    assert drilled(endpoint, page, "rows") == len(NASTY)
    for found in (page, page_of(endpoint, "/numbers/g")):
        for link in found.links():
            assert ask(endpoint, link.href).status == 200
    table = page_of(endpoint, "/numbers/g?metrics=whole,real,money,gap,day")
    assert table.records[0] == ["0", "9,223,372,036,854,775,807", "0.1", "12.5", "–", "2024-02-29"]
    assert table.records[3][1:] == ["–"] * 5


def test_a_page_without_surroundings() -> None:
    """As a library writes it: no server, so no links but those to itself."""
    page = read_page(html_page.serialize(resource(members(), Query("d"))))
    assert len(page.rows) == len(NASTY)
    assert page.navigation("Drill down by") == {}


# Who asks ------------------------------------------------------------------------------------------------------------

FIXED = (Filter("shop", frozenset({"a b", "N"})), Filter("item", frozenset({2}), True))
SELLER = Principal(filters=FIXED, may_explain=False)


@pytest.mark.parametrize(
    "target",
    [
        "/sales/v1",
        "/sales/v1/year?start=2024",
        "/sales/v1/shop",
        "/sales/v1/shop/item?shop=N",
        "/sales/v1/shop?shop!=N&item!=1",
        "/sales/v1/shop?shop=é",
        "/sales/v1/hour",
    ],
)
def test_implied_filters_cannot_be_taken_off_nor_show_what_they_hide(shop: Endpoint, target: str) -> None:
    page = page_of(shop, target, SELLER)
    assert "Shop is N, a b (always)" in page.chips
    assert "item is not 2 (always)" in page.chips
    assert page.root.all("datalist") == []
    assert not {"<b>", "é&=", "=1+1"} & {cell.text for row in page.rows for cell in row}
    assert "answered by" not in page.root.one("footer").text
    listed = page.root.one("ul", class_="chips").all("li")
    assert [bool(one.all("a")) for one in listed] == ["(always)" not in one.text for one in listed]
    for link in page.links():
        response = ask(shop, link.href, SELLER)
        assert response.status == 200
        # Links say no more of what is implied than its holder has: it is added wherever they lead.
        if link.href not in page.navigation("Other formats").values() and response.header("Content-Type") == (
            "text/html; charset=utf-8"
        ):
            assert not re.search(r"item!=2", link.href)
    for form in page.forms():
        assert ("item!", "2") not in form.fields


def test_said_filters_beside_implied_ones(shop: Endpoint) -> None:
    page = page_of(shop, "/sales/v1/shop/item?item!=1&shop=N&item!=2", SELLER)
    assert page.chips == ["Shop is N, a b (always)", "item is not 2 (always)", "item is not 1", "Shop is N"]
    without = query_of(shop, page.link("remove the filter item is not 1"), SELLER)
    assert without.filters == (Filter("shop", frozenset({"N"})),)
    assert query_of(shop, page.form("Show").sent(), SELLER).filters == (
        Filter("item", frozenset({1}), True),
        Filter("shop", frozenset({"N"})),
    )
    assert drilled(shop, page, "rows", SELLER) == 2 * len(page.rows)


def test_links_and_forms_do_not_say_what_is_implied(shop: Endpoint) -> None:
    page = page_of(shop, "/sales/v1/year/month?start=2024&item!=1", SELLER)
    for href in (*page.navigation("Drill down by").values(), *page.navigation("Interval").values()):
        assert "shop" not in href.partition("?")[2], href
    assert not [name for form in page.forms() for name, value in form.fields if value and name == "shop"]


@pytest.mark.parametrize("principal", [EVERYONE, SELLER])
def test_from_a_report_of_all_time_a_member_leads_to_all_of_its_time(principal: Principal) -> None:
    """An hour report looks back a day, and these facts are older."""
    cube = sales(rows=40)
    schema = replace(cube.schema, trees=[Tree.parse("shop\n  item\n    hour\n  hour")])
    table = pa.table({"at": ["2019-01-01T00:00:00", "2024-10-01T12:30:00"], "shop": ["N", "a b"], "item": [1, 3]})
    numbers = {"size": pa.array([0.5, 1.0]), "amount": pa.array([1, 2])}
    facts = table.set_column(0, "at", table["at"].cast(pa.timestamp("us")))
    for name, column in numbers.items():
        facts = facts.append_column(name, column)
    endpoint = Endpoint(Cube(schema, facts))
    page = page_of(endpoint, "/sales/v1/shop/item", principal)
    assert len(page.rows) == 2
    assert drilled(endpoint, page, "rows", principal) == 4


def test_the_usual_interval_is_offered_only_where_it_answers() -> None:
    target = "/sales/v1/year/month/day?start=2024-10-27&end=2024-10-28"
    free, capped = Endpoint(sales()), Endpoint(sales(caps=Caps(groups=2)))
    assert "usual interval" in page_of(free, target).navigation("Interval")
    assert ask(capped, "/sales/v1/year/month/day").status == 400
    assert list(page_of(capped, target).navigation("Interval")) == ["← earlier", "later →"]


def test_an_empty_report_hides_from_the_restricted_where_facts_lie(shop: Endpoint) -> None:
    everyone = page_of(shop, "/sales/v1/year?start=1999&end=2000")
    assert everyone.caption == "No records"
    assert page_of(shop, everyone.link("show all of that time")).total("rows") == 300
    assert "The facts lie" not in page_of(shop, "/sales/v1/year?start=1999&end=2000", SELLER).root.text


def test_a_page_tells_what_answered_and_how_fast() -> None:
    cube = sales()
    cube.materialize("year/month/shop")
    foot = page_of(Endpoint(cube), "/sales/v1/shop").root.one("footer").text
    assert re.fullmatch(
        r"/sales/v1/shop was answered by year/month/shop: planned in \d+\.\d\d ms, aggregated in \d+\.\d\d ms\. "
        r"Times are those of Europe/Berlin\.",
        foot,
    )


# The rest of a page --------------------------------------------------------------------------------------------------


def test_the_index_lists_the_cubes() -> None:
    endpoint = Endpoint(sales(), hostile("<i>", "x"))
    page = page_of(endpoint, "/")
    assert [(one.text, one.href) for one in page.links()] == [("Sales", "/sales/v1"), ("<i>", "/hostile")]
    assert "By year, shop, hour …" in page.root.text
    serialize = INDEX_FORMATS["html"][1]
    assert "None for you." in read_page(serialize([], "/")).root.text
    assert read_page(serialize([Entry("/a", "a", "A", "", ())], "/")).links()


def test_a_prefix_is_before_all_links(shop: Endpoint) -> None:
    response = ask(shop, "/sales/v1/year/month?start=2024&shop=N", root="/reports/of%20mine")
    page = read_page(response.body)
    assert all(link.href.startswith("/reports/of%20mine/") for link in page.links())
    assert all(form.action.startswith("/reports/of%20mine/") for form in page.forms())


def test_numbers_are_grouped_and_on_the_right() -> None:
    endpoint = Endpoint(numbers())
    page = page_of(endpoint, "/numbers/g?metrics=whole,real")
    assert [one.attributes.get("class") for one in page.rows[0]] == [None, "n", "n"]
    assert [one.attributes.get("class") for one in page.root.one("thead").all("th")] == [None, "n", "n"]


def test_caption_says_what_was_cut(shop: Endpoint) -> None:
    assert page_of(shop, "/sales/v1/shop?limit=2").caption == "The first 2 of 9 records"
    assert page_of(shop, "/sales/v1/shop").caption == "9 records"
    assert page_of(shop, "/sales/v1").caption == "1 record"


def test_the_same_members_and_metrics_in_every_format(shop: Endpoint) -> None:
    page = page_of(shop, "/sales/v1/shop/item?limit=5&metrics=amount,rows")
    plain = json.loads(ask(shop, page.link("JSON")).body)["report"]
    assert [record[2:] for record in page.records] == [[one["amount"], one["rows"]] for one in plain]
    assert "format=csv-safe" in page.link("CSV")
    assert b"'=1+1," in ask(shop, page.link("CSV")).body


def words_of(page: Page) -> Sequence[str]:
    return [one.text for one in page.root.one("dl", class_="words").all("dt")]


def test_words_are_explained() -> None:
    schema = Schema(
        "told",
        [Dimension("d", description="What it is.", unit="m"), Dimension("quiet")],
        {"rows": replace(count(), description="How many.", title="Rows")},
        [Tree.parse("d\n  quiet")],
    )
    endpoint = Endpoint(Cube(schema, pa.table({"d": ["x"], "quiet": ["y"]})))
    page = page_of(endpoint, "/told/d/quiet")
    assert words_of(page) == ["d d", "Rows rows"]
    assert [one.text for one in page.root.all("dd")] == ["What it is. Unit: m.", "How many."]
