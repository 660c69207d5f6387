"""Pages under strain: links that answer where not everything does, filters by the thousand, cubes with an interval
everywhere, members that no target can say (W45, W48, W18, W54)."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa
import pytest
from web_cubes import ask, cube, document

from wolap import Caps, Cube, Dimension, Schema, Time, Tree, count
from wolap.web.endpoint import Endpoint

HREF = re.compile(r'<a href="([^"#]*)"')


def strict() -> Endpoint:
    """Some grains are stored, and there are no facts to ask."""
    schema = Schema(
        "c",
        [Dimension("mvpd"), Dimension("device")],
        {"rows": count()},
        [Tree.parse("year\n  mvpd\n    device\n  device")],
        Time("at", ("year", "month", "day")),
    )
    days = [f"2024-{month:02}-{day:02}T10:00:00" for month in range(1, 13) for day in range(1, 29)]
    columns = {"at": pa.array(days).cast(pa.timestamp("s")), "mvpd": ["a", "b"] * 168, "device": ["1", "2", "3"] * 112}
    made = Cube(schema, pa.table(columns), strict=True)
    made.materialize("year/mvpd", "year/month/day/device")
    return Endpoint(made)


TARGETS = (
    "year?device=1&start=2024&end=2025",
    "year?start=2024-07-10&end=2024-07-20",
    "year/device?start=2024-07-10&end=2024-07-20&device=2",
    "year/mvpd?start=2024&end=2025",
    "year?start=2024&end=2025",
)


@pytest.mark.parametrize("target", TARGETS)
def test_no_page_of_a_strict_cube_has_a_link_that_breaks(target: str) -> None:
    endpoint = strict()
    page = ask(endpoint, f"/c/{target}", accept="text/html")
    assert page.status == 200
    links = [unescape(href) for href in HREF.findall(page.body.decode())]
    assert len(links) > 4
    for href in links:
        assert ask(endpoint, href, accept="text/html").status == 200, href


def test_a_member_is_no_link_where_its_report_would_be_widened() -> None:
    body = ask(strict(), "/c/year?start=2024-07-10&end=2024-07-20", accept="text/html").body.decode()
    assert "/year/mvpd?" not in body


def test_show_all_of_that_time_is_offered_only_where_it_is_allowed() -> None:
    said = "show all of that time"
    for caps, offered in ((None, True), (Caps(groups=1), False)):
        endpoint = Endpoint(cube(caps=caps))
        page = ask(endpoint, "/sales/v1/year/month/day/country?start=1990&end=1991", accept="text/html")
        assert page.status == 200
        assert (said in page.body.decode()) is offered


@pytest.mark.parametrize("sign", ["=", "!="])
def test_thousands_of_filters_make_no_thousands_of_links(sign: str) -> None:
    target = "/sales/v1/country/city?limit=1000&" + "&".join(f"city{sign}x{number}" for number in range(1400))
    page = ask(Endpoint(cube()), target, accept="text/html")
    assert page.status == 200
    assert len(page.body) < 2_000_000
    assert b"and 1,340 more" in page.body
    assert b"too many for forms" in page.body


def test_a_cube_with_an_interval_everywhere_has_its_fields_everywhere() -> None:  # W18
    endpoint = Endpoint(cube(time=Time("at", ("year",), everywhere=True), trees=[Tree.parse("kind\n  country")]))
    body = ask(endpoint, "/sales/v1/kind?start=2024-08-02", accept="text/html").body.decode()
    assert '<input name="start" value="2024-08-02T00:00:00"' in body
    assert '<input name="end" placeholder=""' in body
    drilled = [unescape(href) for href in HREF.findall(body) if "/kind/country" in href]
    assert drilled
    assert all(dict(parse_qsl(urlsplit(href).query))["start"] == "2024-08-02T00:00:00" for href in drilled)


def test_a_member_that_no_target_can_say_is_no_link() -> None:
    secret, long = "http://x/?access_token=SECRET1", "é" * 3000
    schema = Schema("c", [Dimension("d"), Dimension("e")], {"rows": count()}, [Tree.parse("d\n  e")])
    made = Cube(schema, pa.table({"d": [secret, long, "plain"], "e": ["1", "2", "3"]}))
    endpoint = Endpoint(made)
    body = ask(endpoint, "/c/d", accept="text/html").body.decode()
    rows = re.findall(r"<tr><td>(.*?)</td>", body, re.DOTALL)
    assert [row.startswith("<a ") for row in rows] == [False, True, False]
    for href in HREF.findall(body):
        assert ask(endpoint, unescape(href), accept="text/html").status == 200


def test_a_path_that_answers_only_without_the_interval_is_offered_without_it() -> None:
    """Ten days of July cut the years that are stored by mvpd. JSON offers that path, so the page does (W48)."""
    endpoint = strict()
    asked = "/c/year?start=2024-07-10&end=2024-07-20&device=2"
    page = ask(endpoint, asked, accept="text/html")
    offered = document(ask(endpoint, asked))["_links"]["drill-down"]
    hrefs = {urlsplit(unescape(href)).path: unescape(href) for href in HREF.findall(page.body.decode())}
    for link in offered:
        assert ask(endpoint, hrefs[link["href"]], accept="text/html").status == 200
    assert {link["name"] for link in offered} == {"mvpd", "device"}
    assert "start" not in hrefs["/c/year/mvpd"]
    assert "start=2024-07-10" in hrefs["/c/year/device"]
