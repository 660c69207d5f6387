"""The explorer (W45) in a real Chromium: what people do with it, without scripts, and what axe has to say."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from http.client import HTTPConnection
from importlib.resources import files
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from explorer_cubes import HOSTILE, ZONE, events

CLOCK = ZoneInfo(ZONE)
LABELS = {None: "N/A", "": "(empty)"}
Records = list[list[str]]


def wait(driver: Any, condition: Any) -> Any:
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, 20, poll_frequency=0.02).until(condition)


class Explorer:
    """A person in front of the browser: what they see and what they click."""

    def __init__(self, driver: Any, origin: str) -> None:
        self.driver, self.origin = driver, origin

    def open(self, target: str) -> None:
        self.driver.get(self.origin + target)

    @property
    def target(self) -> str:
        """The address without its origin."""
        url = self.driver.current_url
        assert url.startswith(self.origin)
        return str(url.removeprefix(self.origin))

    def said(self, name: str) -> list[str]:
        """The values of a parameter of the address."""
        return [value for key, value in parse_qsl(urlsplit(self.target).query, keep_blank_values=True) if key == name]

    def find(self, css: str, within: Any = None) -> list[Any]:
        return list((within or self.driver).find_elements("css selector", css))

    def one(self, css: str, within: Any = None) -> Any:
        (found,) = self.find(css, within)
        return found

    def follow(self, element: Any) -> None:
        """Clicks what leads to another page, and waits until that is there."""
        before = self.one("html")
        element.click()
        self.arrive(before)

    def arrive(self, before: Any) -> None:
        """Waits for another document than this one."""
        # While one page gives way to the next there may be no element at all.
        wait(self.driver, lambda driver: self.find("footer") and self.find("html") not in ([], [before]))

    def named(self, css: str, text: str) -> Any:
        """The only element of this text as it is seen, or of this name."""
        script = """return [...document.querySelectorAll(arguments[0])].filter(
            one => one.innerText.trim() === arguments[1] || one.getAttribute('aria-label') === arguments[1])"""
        found = self.driver.execute_script(script, css, text)
        assert len(found) == 1, (text, len(found))
        return found[0]

    def link(self, text: str, within: str = "body") -> Any:
        return self.named(f"{within} a", text)

    def button(self, text: str) -> Any:
        return self.named("button", text)

    def field(self, name: str) -> Any:
        (found,) = [one for one in self.find(f"input[name='{name}']:not([type=hidden])") if one.is_displayed()]
        return found

    def unfold(self, beginning: str) -> None:
        (summary,) = [one for one in self.find("summary") if one.text.startswith(beginning)]
        summary.click()

    def type(self, name: str, text: str) -> None:
        field = self.field(name)
        field.clear()
        field.send_keys(text)

    @property
    def header(self) -> list[str]:
        found: list[str] = self.driver.execute_script(
            "return [...document.querySelectorAll('thead th')].map(one => one.innerText)"
        )
        return found

    @property
    def records(self) -> Records:
        """The texts of the table, as the document has them."""
        script = "return [...document.querySelectorAll('tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
        found: Records = self.driver.execute_script(script)
        return found

    @property
    def chips(self) -> list[str]:
        return [re.sub(r"\s*≠\s*×$", "", one.text) for one in self.find("ul.chips li")]

    @property
    def heading(self) -> str:
        return str(self.one("h1").text)

    def numbers(self, heading: str) -> list[int]:
        place = [text.split(" (")[0] for text in self.header].index(heading)
        return [int(record[place].replace(",", "")) for record in self.records]

    def member(self, row: int, column: int) -> Any:
        return self.one("a", self.find(f"tbody tr:nth-child({row + 1}) td")[column])


@pytest.fixture
def explorer(reader: Any, origin: str) -> Iterator[Explorer]:
    reader.set_window_size(1280, 1000)
    yield Explorer(reader, origin)
    assert elsewhere(reader, origin) == []


def elsewhere(driver: Any, origin: str) -> list[str]:
    """What was asked of the network other than pages of this server, since it was last asked for."""
    asked = []
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.append((message["params"]["type"], message["params"]["request"]["url"]))
    return [
        f"{kind} {url}"
        for kind, url in asked
        # Of the browser itself is the page that it begins with, and the icon that is none.
        if not url.startswith(("data:", "chrome://", "chrome-untrusted://"))
        if kind != "Document" or not url.startswith(f"{origin}/")
    ]


# The same numbers in another library ---------------------------------------------------------------------------------


def counted(group: list[str], start: str | None = None, end: str | None = None, **where: Any) -> Records:
    """Members and events of each group, as a page writes them: polars alone. Bounds are times of Berlin."""
    local = pl.col("at").dt.replace_time_zone("UTC").dt.convert_time_zone(ZONE)
    frame = events().with_columns(getattr(local.dt, level)().alias(level) for level in ("year", "month", "day", "hour"))
    for bound, keep in ((start, "__ge__"), (end, "__lt__")):
        if bound is not None:
            moment = datetime.fromisoformat(bound)
            instant = (moment if moment.tzinfo else moment.replace(tzinfo=CLOCK)).astimezone(UTC)
            frame = frame.filter(getattr(pl.col("at"), keep)(instant.replace(tzinfo=None)))
    for name, value in where.items():
        frame = frame.filter(pl.col(name).eq_missing(pl.lit(value)))
    if not group:
        return [[f"{len(frame):,}"]]
    found = frame.group_by(group).len().sort(group, nulls_last=True).rows()
    return [[*(LABELS.get(value, str(value)) for value in row[:-1]), f"{row[-1]:,}"] for row in found]


def shown(explorer: Explorer, size: int) -> Records:
    """Members and the first metric of each record."""
    return [record[: size + 1] for record in explorer.records]


# Drilling ------------------------------------------------------------------------------------------------------------


def test_from_the_index_to_a_leaf_and_back(explorer: Explorer) -> None:
    explorer.open("/")
    assert explorer.heading == "Cubes"
    assert [one.text for one in explorer.find("dt a")] == ["Viewing & <listening>", "Development history"]
    explorer.follow(explorer.link("Viewing & <listening>"))
    assert explorer.heading == "Viewing & <listening>"
    assert explorer.records[0][0] == counted([])[0][0]
    explorer.follow(explorer.link("Year", ".steps"))
    explorer.type("start", "2024")
    explorer.type("end", "2025")
    explorer.follow(explorer.button("Show"))
    assert explorer.records[0][:2] == counted(["year"])[0]

    group, where = ["year"], {"year": 2024}
    steps = [("month", 10, 0), ("day", 27, 1), ("hour", 2, 2), ("platform", HOSTILE[0], 3)]
    member = explorer.member(0, 0)
    clicked = explorer.numbers("Events")[0]
    for level, value, column in steps:
        explorer.follow(member)
        group.append(level)
        # An hour of that night comes twice, and is one record.
        assert shown(explorer, len(group)) == counted(group, **where), level
        assert sum(explorer.numbers("Events")) == clicked
        places = [place for place, record in enumerate(explorer.records) if record[column + 1] == str(value)]
        member, clicked = explorer.member(places[0], column + 1), explorer.numbers("Events")[places[0]]
        where[level] = value
    explorer.follow(member)
    assert explorer.heading == "Viewing & <listening> by Year, Month, Day, Hour, Platform, TV provider"
    assert explorer.chips == [f"Platform is {HOSTILE[0]}"]
    group.append("provider")
    assert shown(explorer, len(group)) == counted(group, **where)
    assert sum(explorer.numbers("Events")) == clicked
    assert explorer.said("start") == ["2024-10-27T02:00:00"]
    assert explorer.said("end") == ["2024-10-27T03:00:00"]

    # A member of a leaf filters it.
    first = shown(explorer, len(group))[0]
    explorer.follow(explorer.member(0, len(group) - 1))
    assert shown(explorer, len(group)) == [first]
    assert len(explorer.chips) == 2

    # And back by the path, to the list of cubes.
    for name, path in (("Day", "/year/month/day"), ("Month", "/year/month"), ("Viewing & <listening>", "")):
        explorer.follow(explorer.link(name, "nav.path"))
        assert urlsplit(explorer.target).path == f"/viewing/v1{path}"
        assert len(explorer.chips) == 2
    explorer.follow(explorer.link("cubes", "nav.path"))
    assert explorer.target == "/"


@pytest.mark.parametrize(
    ("target", "group", "where"),
    [
        # Edges within a bucket, the last of them in the second pass of the repeated hour; a dimension included.
        ("/year/month?platform", ["year", "month", "platform"], {}),
        ("/year/month/day?provider", ["year", "month", "day", "provider"], {}),
        ("/year/month/day/hour?provider=Beta", ["year", "month", "day", "hour"], {"provider": "Beta"}),
        ("/year/month/day/platform?provider=N/A", ["year", "month", "day", "platform"], {"provider": None}),
    ],
)
def test_at_the_ragged_edges_of_an_interval(
    explorer: Explorer, target: str, group: list[str], where: dict[str, Any]
) -> None:
    start, end = "2024-10-24T03:17:05", "2024-10-27T02:40:30+01:00"
    sign = "&" if "?" in target else "?"
    explorer.open(f"/viewing/v1{target}{sign}start={start}&end={end.replace('+', '%2B')}&metrics=events")
    records = shown(explorer, len(group))
    assert records == counted(group, start, end, **where)
    address = explorer.target
    for row in (0, len(records) - 1):
        for column in (len(group) - 2, len(group) - 1):
            expected = sum(int(record[-1]) for record in records if record[: column + 1] == records[row][: column + 1])
            explorer.follow(explorer.member(row, column))
            assert sum(explorer.numbers("Events")) == expected, explorer.target
            explorer.open(address)


# Asking for something else -------------------------------------------------------------------------------------------


def test_a_filter_is_typed_turned_around_and_removed(explorer: Explorer) -> None:
    explorer.open("/viewing/v1/platform?limit=50")
    explorer.unfold("Add a filter")
    offered = [one.get_attribute("value") for one in explorer.find("#of-provider option")]
    assert offered == ["Alpha", "Beta", "Gamma", "N/A"]
    explorer.type("provider", "Beta")
    explorer.follow(explorer.button("filter by TV provider"))
    assert explorer.chips == ["TV provider is Beta"]
    assert shown(explorer, 1) == counted(["platform"], provider="Beta")
    assert explorer.said("limit") == ["50"]

    explorer.follow(explorer.link("turn around: TV provider is Beta"))
    assert explorer.chips == ["TV provider is not Beta"]
    both = {record[0]: int(record[1]) for record in counted(["platform"], provider="Beta")}
    for member, number in shown(explorer, 1):
        everything = sum(int(record[1]) for record in counted(["platform"]) if record[0] == member)
        assert int(number) == everything - both.get(member, 0)

    from selenium.webdriver.common.keys import Keys

    explorer.unfold("Add a filter")
    explorer.type("platform", HOSTILE[1])
    before = explorer.one("html")
    explorer.field("platform").send_keys(Keys.ENTER)
    explorer.arrive(before)
    assert explorer.chips == [f"Platform is {HOSTILE[1]}", "TV provider is not Beta"]
    explorer.follow(explorer.link("remove the filter TV provider is not Beta"))
    assert shown(explorer, 1) == counted(["platform"], platform=HOSTILE[1])
    explorer.follow(explorer.link(f"remove the filter Platform is {HOSTILE[1]}"))
    assert explorer.chips == []
    assert shown(explorer, 1) == counted(["platform"])


def test_an_interval_is_typed_and_moved(explorer: Explorer) -> None:
    explorer.open("/viewing/v1/year/month/day?platform=plain")
    explorer.type("start", "2024-07")
    explorer.type("end", "2024-08")
    explorer.follow(explorer.button("Show"))
    july = counted(["year", "month", "day"], "2024-07-01", "2024-08-01", platform="plain")
    assert shown(explorer, 3) == july
    assert explorer.field("start").get_attribute("value") == "2024-07-01T00:00:00"
    explorer.follow(explorer.link("← earlier"))
    assert explorer.field("start").get_attribute("value") == "2024-06-01T00:00:00"
    assert explorer.field("end").get_attribute("value") == "2024-07-01T00:00:00"
    assert shown(explorer, 3) == counted(["year", "month", "day"], "2024-06-01", "2024-07-01", platform="plain")
    explorer.follow(explorer.link("later →"))
    assert shown(explorer, 3) == july
    explorer.follow(explorer.link("later →"))
    assert explorer.field("end").get_attribute("value") == "2024-09-01T00:00:00"
    explorer.follow(explorer.link("usual interval"))
    assert explorer.said("start") == explorer.said("end") == []
    assert explorer.field("start").get_attribute("value") == ""
    assert explorer.field("start").get_attribute("placeholder")


def test_an_interval_without_facts_says_where_they_are(explorer: Explorer) -> None:
    explorer.open("/viewing/v1/year?start=1999&end=2000")
    assert explorer.one("caption").text == "No records"
    assert explorer.find("svg") == []
    explorer.follow(explorer.link("show all of that time"))
    assert shown(explorer, 1) == counted(["year"])


def test_metrics_and_limit_are_chosen(explorer: Explorer) -> None:
    explorer.open("/viewing/v1/platform")
    explorer.unfold("Metrics: 3 of 3")
    boxes = explorer.find("input[name=metrics][type=checkbox]")
    assert [one.get_attribute("value") for one in boxes if one.is_selected()] == ["events", "size", "mean-size"]
    boxes[0].click()
    boxes[2].click()
    explorer.follow(explorer.button("Show metrics"))
    assert explorer.header == ["Platform", "Size (kB)"]
    assert explorer.said("metrics") == ["size"]
    explorer.type("limit", "3")
    explorer.follow(explorer.button("Show"))
    assert explorer.header == ["Platform", "Size (kB)"]
    assert explorer.one("caption").text == "The first 3 of 10 records"
    assert [record[0] for record in explorer.records] == [record[0] for record in counted(["platform"])[:3]]


def test_a_further_dimension_is_ticked_and_given_up(explorer: Explorer) -> None:
    explorer.open("/viewing/v1/year/month?start=2024-08&end=2024-10")
    explorer.unfold("Also by")
    explorer.field("provider").click()
    explorer.follow(explorer.button("Show also by these"))
    assert explorer.heading == "Viewing & <listening> by Year, Month, TV provider"
    assert shown(explorer, 3) == counted(["year", "month", "provider"], "2024-08-01", "2024-10-01")
    assert explorer.field("provider").is_selected()
    explorer.field("provider").click()
    explorer.follow(explorer.button("Show"))
    assert shown(explorer, 2) == counted(["year", "month"], "2024-08-01", "2024-10-01")


def test_the_heading_of_a_metric_brings_it_first_and_into_the_chart(explorer: Explorer) -> None:
    explorer.open("/viewing/v1/platform")
    assert explorer.one("figcaption").text == "Events"
    explorer.follow(explorer.link("Size", "thead"))
    assert explorer.header == ["Platform", "Size (kB)", "Events", "Mean size (kB)"]
    assert explorer.one("figcaption").text == "Size (kB)"
    largest = max(explorer.numbers("Size"))
    assert explorer.find("svg title")[1].get_attribute("textContent").endswith(f": {largest:,}")


def fetched(explorer: Explorer, name: str) -> tuple[str, bytes]:
    """The media type and the body of another format, asked without a browser."""
    link = explorer.link(name, ".formats").get_attribute("href")
    connection = HTTPConnection(urlsplit(explorer.origin).netloc, timeout=20)
    try:
        connection.request("GET", link.removeprefix(explorer.origin))
        response = connection.getresponse()
        assert response.status == 200
        return response.headers["Content-Type"], response.read()
    finally:
        connection.close()


def test_other_formats_hold_the_same_records(explorer: Explorer) -> None:
    explorer.open("/viewing/v1/platform/provider?start=2024&channel=1&metrics=events,size")
    table = [
        [text.replace(",", "") if place > 1 else text for place, text in enumerate(one)] for one in explorer.records
    ]
    kind, body = fetched(explorer, "JSON")
    assert kind == "application/json"
    assert [list(record.values()) for record in json.loads(body)["report"]] == table
    kind, body = fetched(explorer, "XML")
    assert kind == "application/xml"
    assert [list(record.attrib.values()) for record in ET.fromstring(body).iter("record")] == table
    kind, body = fetched(explorer, "CSV")
    assert kind == "text/csv; charset=utf-8"
    _, *rows = csv.reader(io.StringIO(body.decode(), newline=""))
    assert [["'=1+1" if text == "=1+1" else text for text in record] for record in table] == rows
    assert "'=1+1" in [row[0] for row in rows]


# The chart -----------------------------------------------------------------------------------------------------------


def described(explorer: Explorer) -> str:
    """What those hear of a chart who do not see it."""
    drawing = explorer.one("svg[role=img]")
    assert drawing.aria_role in ("img", "image")
    return str(drawing.accessible_name)


def test_a_line_over_time(explorer: Explorer) -> None:
    explorer.open("/viewing/v1/year/month/day?start=2024-10&end=2024-11")
    numbers = explorer.numbers("Events")
    points = [tuple(map(float, point.split(","))) for point in explorer.one("polyline").get_attribute("points").split()]
    assert len(points) == len(numbers) == 31
    assert [x for x, _ in points] == sorted({x for x, _ in points})
    # Higher is more: the same order of heights, and equal distances for equal differences.
    low, high = min(numbers), max(numbers)
    bottom, top = points[numbers.index(low)][1], points[numbers.index(high)][1]
    for (_, y), number in zip(points, numbers, strict=True):
        assert y == pytest.approx(bottom + (number - low) / (high - low) * (top - bottom), abs=0.11)
    titles = [one.get_attribute("textContent") for one in explorer.find("svg circle title")]
    assert titles[26] == f"2024 · 10 · 27: {numbers[26]}"
    assert described(explorer) == (f"Events A line over time, from 2024-10-01 to 2024-10-31, between {low} and {high}.")


def test_several_lines_have_a_legend(explorer: Explorer) -> None:
    explorer.open("/viewing/v1/year/month?start=2024&end=2025")
    assert explorer.find(".legend") == []
    explorer.open("/viewing/v1/platform/year/month?start=2024&end=2025")
    assert len(explorer.find("polyline")) == 6
    totals: dict[str, int] = {}
    for record in explorer.records:
        totals[record[0]] = totals.get(record[0], 0) + int(record[3])
    *named, rest = [one.text for one in explorer.find(".legend li")]
    assert rest == "and 4 smaller, not drawn"
    drawn = {
        text for text in totals if re.sub(r"\s+", " ", text) in {re.sub("[\u2068\u2069]", "", one) for one in named}
    }
    assert len(drawn) == 6
    assert min(totals[text] for text in drawn) >= max(totals[text] for text in totals.keys() - drawn)


def test_bars_of_the_largest(explorer: Explorer) -> None:
    explorer.open("/viewing/v1/platform")
    numbers = explorer.numbers("Events")
    widths = [float(one.get_attribute("width")) for one in explorer.find("rect.bar")]
    assert len(widths) == len(numbers) == 10
    for width, number in zip(widths, sorted(numbers, reverse=True), strict=True):
        assert width == pytest.approx(widths[0] * number / max(numbers), abs=0.11)
    largest = max(explorer.records, key=lambda record: int(record[1]))
    assert described(explorer).startswith(f"Events All as bars, from {largest[0]} with {largest[1]} to ")
    explorer.open("/commits/v1/repository")
    assert len(explorer.find("rect.bar")) == 20
    assert re.fullmatch(r"The 20 largest of \d+ records", explorer.one("figure p").text)


# Nothing runs, nothing is loaded -------------------------------------------------------------------------------------


def test_no_script_runs_in_this_browser_and_none_is_needed(explorer: Explorer, tmp_path: Any) -> None:
    """All tests of this module but those of axe use this browser: it would not run a script if there were one."""
    page = tmp_path / "page.html"
    page.write_text("<title>off</title><script>document.title = 'on'</script>")
    explorer.driver.get(page.as_uri())
    assert explorer.driver.title == "off"
    explorer.driver.get_log("performance")
    explorer.open("/viewing/v1")
    assert explorer.find("script, iframe, object, embed, img, link[rel=stylesheet]") == []


def test_hostile_members_are_text(inspector: Any, origin: str) -> None:
    """With scripts on, and on a page that has them as members, labels, suggestions, chips, titles and bars."""
    from selenium.common.exceptions import NoAlertPresentException

    explorer = Explorer(inspector, origin)
    explorer.open(
        "/viewing/v1/platform?platform=%3Cscript%3Ealert(1)%3C/script%3E&platform=%22double%22%20%26%20'single'%20%26amp;"
    )
    assert [record[0] for record in explorer.records] == sorted(HOSTILE[:2])
    assert explorer.chips == [f"Platform is {text}" for text in sorted(HOSTILE[:2])]
    explorer.open("/viewing/v1/platform")
    assert [record[0] for record in explorer.records] == [record[0] for record in counted(["platform"])]
    assert explorer.find("script") == []
    with pytest.raises(NoAlertPresentException):
        _ = inspector.switch_to.alert
    offered = [one.get_attribute("value") for one in explorer.find("#of-platform option")]
    assert offered == [record[0] for record in counted(["platform"]) if record[0] != "two\nlines"]
    # A member that runs from right to left leaves the number of its row where it is.
    (row,) = [one for one in explorer.find("tbody tr") if "שלום" in one.text]
    left, right = (cell.rect["x"] for cell in explorer.find("td", row)[:2])
    assert left < right
    assert elsewhere(inspector, origin) == []


@pytest.mark.parametrize("member", HOSTILE)
def test_every_member_can_be_clicked(explorer: Explorer, member: str | None) -> None:
    explorer.open("/viewing/v1/platform?metrics=events")
    text = LABELS.get(member, member)
    (row,) = [place for place, record in enumerate(explorer.records) if record[0] == text]
    number = explorer.numbers("Events")[row]
    explorer.follow(explorer.member(row, 0))
    assert explorer.said("platform") == [text]
    assert sum(explorer.numbers("Events")) == number
    assert shown(explorer, 2) == counted(["platform", "provider"], platform=member)


# Keyboard ------------------------------------------------------------------------------------------------------------


def focused(explorer: Explorer) -> Any:
    return explorer.driver.switch_to.active_element


def tab(explorer: Explorer) -> Any:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    ActionChains(explorer.driver).send_keys(Keys.TAB).perform()
    return focused(explorer)


def test_the_keyboard_is_enough(explorer: Explorer) -> None:
    from selenium.webdriver.common.keys import Keys

    explorer.open("/viewing/v1/year/month?start=2024&end=2025&platform=plain")
    skip = tab(explorer)
    assert skip.text == "to the records"
    assert skip.rect["x"] >= 0, "the skip link is seen when it has the focus"
    order = []
    while (at := tab(explorer)).tag_name != "body" and len(order) < 200:
        order.append(at)
        assert at.value_of_css_property("outline-style") != "none", f"no focus is seen on {at.text}"
    names = [one.get_attribute("name") or one.get_attribute("aria-label") or one.text for one in order]
    wanted = ["cubes", "Day", "start", "end", "limit", "Show", "← earlier", "2024", "JSON"]
    assert [name for name in names if name in wanted][: len(wanted) - 2] == wanted[:-2]
    assert sorted(wanted, key=names.index) == wanted
    # The order of the focus is that on the screen, from top to bottom.
    tops = [one.rect["y"] for one in order]
    assert all(after >= before - 60 for before, after in pairwise(tops))

    explorer.open(explorer.target)
    before = explorer.one("html")
    tab(explorer).send_keys(Keys.ENTER)
    while focused(explorer).tag_name != "a" or not focused(explorer).find_elements("xpath", "./ancestor::tbody"):
        tab(explorer)
    month = tab(explorer)
    assert month.text == "6"
    expected = explorer.numbers("Events")[0]
    month.send_keys(Keys.ENTER)
    explorer.arrive(before)
    assert urlsplit(explorer.target).path == "/viewing/v1/year/month/day"
    assert sum(explorer.numbers("Events")) == expected


# How it looks --------------------------------------------------------------------------------------------------------

PAGES = {
    "index": "/",
    "root": "/viewing/v1",
    "line": "/viewing/v1/year/month/day?start=2024-10&end=2024-11&platform!=plain&provider",
    "bars": "/viewing/v1/platform/provider?provider=Alpha&channel!=1",
    "lines": "/viewing/v1/platform/year/month?start=2024&end=2025",
    "hours": "/viewing/v1/year/month/day/hour?start=2024-10-25&end=2024-10-29",
    "empty": "/viewing/v1/year/month?start=1999&end=2000",
    "long": "/commits/v1/repository/folder/ending?limit=30",
}


def screen(driver: Any, width: int, scheme: str) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def unfold_all(driver: Any) -> None:
    driver.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(inspector: Any, origin: str, scheme: str, width: int) -> None:
    axe = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
    run = """const done = arguments[arguments.length - 1];
        axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']})
            .then(found => done(found), fault => done({fault: String(fault)}))"""
    grounds = set()
    for name in ("index", "root", "line", "bars", "empty"):
        screen(inspector, width, scheme)
        inspector.get(origin + PAGES[name])
        unfold_all(inspector)
        inspector.execute_script(axe)
        found = inspector.execute_async_script(run)
        assert "fault" not in found, found
        assert len(found["passes"]) > 15, "axe has looked at next to nothing"
        faults = [
            f"{one['impact']} {one['id']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
            for one in found["violations"]
        ]
        assert faults == [], name
        grounds.add(inspector.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert grounds == {"rgb(255, 255, 255)" if scheme == "light" else "rgb(18, 22, 29)"}


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_no_page_is_wider_than_the_screen(inspector: Any, origin: str, width: int) -> None:
    screen(inspector, width, "light")
    for name, target in PAGES.items():
        inspector.get(origin + target)
        unfold_all(inspector)
        wide, room = inspector.execute_script("return [document.scrollingElement.scrollWidth, innerWidth]")
        assert room == width
        assert wide <= room, name


@pytest.mark.parametrize("width", [1280, 390])
def test_labels_of_a_chart_can_be_read_and_do_not_overlap(inspector: Any, origin: str, width: int) -> None:
    screen(inspector, width, "light")
    script = """return [...document.querySelectorAll('svg text')].map(one => {
        const box = one.getBoundingClientRect(), whole = one.closest('svg').getBoundingClientRect()
        return [one.textContent, box.left - whole.left, box.top - whole.top, box.right - whole.left,
                box.bottom - whole.top, whole.width, whole.height]}).filter(one => one[3] > one[1])"""
    for name in ("line", "lines", "bars", "hours", "long"):
        inspector.get(origin + PAGES[name])
        boxes = inspector.execute_script(script)
        assert len(boxes) > 3, name
        for place, (text, left, top, right, bottom, wide, high) in enumerate(boxes):
            assert bottom - top >= 10, f"{text} is too small to read"
            assert left >= -1, f"{text} is cut off"
            assert right <= wide + 1, f"{text} is cut off"
            assert bottom <= high + 3
            for other in boxes[place + 1 :]:
                across = min(right, other[3]) - max(left, other[1])
                assert across <= 0 or min(bottom, other[4]) - max(top, other[2]) <= 4, f"{text} lies over {other[0]}"
