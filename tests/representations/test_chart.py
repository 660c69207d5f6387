"""The drawing of a report: points where the numbers are, nothing lost that matters, nothing drawn that is not there."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_reader import Element, Page, _Reader

from wolap import Cube, Dimension, Query, Schema, Time, Tree, maximum, mean, total
from wolap.engine.execute import Report
from wolap.model.level import LEVELS
from wolap.model.query import settle
from wolap.representations.chart import BARS, BOTTOM, COLUMNS, HEIGHT, LEFT, MARKED, RIGHT, TOP, WIDTH, _ticks, draw

Points = list[tuple[float, float]]
BEGIN = datetime(2024, 1, 1)  # noqa: DTZ001


def report(path: str, rows: list[tuple[datetime, str | None, float | None]], *metrics: str, **options: Any) -> Report:
    """The report of a path over facts of a time, a member and a number."""
    at, member, number = zip(*rows, strict=True) if rows else ((), (), ())
    schema = Schema(
        "drawn",
        [Dimension("d"), Dimension("e")],
        {"n": total("n"), "mean": mean("n")},
        [Tree.parse("d")],
        Time("at", LEVELS[::-1]),
    )
    table = pa.table(
        {
            "at": pa.array(at, pa.timestamp("us")),
            "d": pa.array(member, pa.string()),
            "e": pa.array(member, pa.string()),
            "n": pa.array(number, pa.float64()),
        }
    )
    cube = Cube(schema, table)
    return cube.answer(settle(Query(path, metrics=metrics or ("n",), **options), cube.schema)).report


def drawing(report: Report, title: str = "Title") -> Element:
    reader = _Reader()
    reader.feed(draw(report, title))
    reader.close()
    return reader.root


def lines(found: Element) -> list[Points]:
    return [
        [(float(x), float(y)) for x, y in (point.split(",") for point in line.attributes["points"].split())]
        for line in found.all("polyline")
    ]


def axis(found: Element) -> list[tuple[float, float]]:
    """Number and height of each tick."""
    sizes = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
    heights = [float(line.attributes["y1"]) for line in found.all("line")]
    texts = [one.text for one in found.all("text") if one.attributes["x"] == str(LEFT - 8)]
    numbers = [float(text.rstrip("kMGT")) * sizes.get(text[-1], 1) for text in texts]
    return list(zip(numbers, heights, strict=True))


def days(numbers: list[float | None], member: str = "a", step: timedelta = timedelta(days=1)) -> Any:
    return [(BEGIN + step * place, member, number) for place, number in enumerate(numbers)]


def assert_drawn(found: Element, numbers: list[float]) -> None:
    """The only line goes through these numbers, at equal distances, by the scale that its axis has."""
    (points,) = lines(found)
    ticks = axis(found)
    (low, bottom), (high, top) = ticks[0], ticks[-1]
    assert low <= min(0, *numbers) <= max(0, *numbers) <= high * (1 + 1e-9)
    assert (bottom, top) == (HEIGHT - BOTTOM, TOP)
    assert len(points) == len(numbers)
    for (_, y), number in zip(points, numbers, strict=True):
        assert y == pytest.approx(bottom + (number - low) / (high - low) * (top - bottom), abs=0.06)
    xs = [x for x, _ in points]
    assert (xs[0], xs[-1]) == (LEFT, WIDTH - RIGHT)
    assert np.allclose(np.diff(xs), (WIDTH - RIGHT - LEFT) / (len(xs) - 1), atol=0.11)


@pytest.mark.parametrize(
    "numbers",
    [[1, 2, 3], [5, -5, 0, 12.5], [-1, -2, -30], [0, 0], [0.001, 0.002], [1e9, 3.5e9], [1e-320, 0], [7, 7, 7, 7]],
)
def test_points_are_where_the_numbers_are(numbers: list[float]) -> None:
    assert_drawn(drawing(report("year/month/day", days(numbers))), numbers)


@given(st.lists(st.integers(-(10**9), 10**9), min_size=2, max_size=40))
def test_points_of_any_numbers(numbers: list[int]) -> None:
    found = drawing(report("year/month/day", days([float(number) for number in numbers])))
    (points,) = lines(found)
    assert len(points) == len(numbers)
    for (_, one), (_, two), number, other in zip(points, points[1:], numbers, numbers[1:], strict=False):
        # Heights count downwards.
        assert (one - two) * (number - other) <= 0
    titles = [one.text for one in found.all("title")][1:]
    assert titles == [
        f"2024 · {(BEGIN + timedelta(days=place)).month} · {(BEGIN + timedelta(days=place)).day}: {float(number):,}"
        for place, number in enumerate(numbers)
    ]


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))
def test_ticks_are_round_and_cover(one: float, two: float) -> None:
    low, high = min(one, two, 0.0), max(one, two, 0.0)
    if high - low < 1e-290:
        low, high = 0.0, 0.0
    ticks = _ticks(low, high)
    assert 2 <= len(ticks) <= 8
    assert ticks[0] <= low + (high - low) * 1e-9
    assert ticks[-1] >= high - (high - low) * 1e-9
    assert ticks == sorted(ticks)
    steps = np.diff(ticks)
    assert np.allclose(steps, steps[0])
    assert f"{steps[0]:.6e}"[0] in "125"
    assert 0 in ticks


@pytest.mark.parametrize("numbers", [[], [None], [None, None], [float("nan"), float("inf")], [1e301, -1.7e308]])
def test_what_cannot_be_drawn_is_not(numbers: list[float | None]) -> None:
    for path in ("year/month/day", "d"):
        assert draw(report(path, days(numbers)), "Title") == ""


def test_nor_is_a_total_nor_a_metric_that_is_no_number() -> None:
    assert draw(report("", days([1, 2])), "Title") == ""


def test_missing_numbers_are_no_points() -> None:
    (points,) = lines(drawing(report("year/month/day", days([1, None, 3, None]))))
    assert len(points) == 2


def test_numbers_too_large_to_draw_leave_the_others() -> None:
    (points,) = lines(drawing(report("year/month/day", days([1, 1e305, 3]))))
    assert len(points) == 2


def test_a_single_record() -> None:
    found = drawing(report("year/month/day", days([5])))
    assert lines(found) == [[((LEFT + WIDTH - RIGHT) / 2, float(TOP))]]
    assert len(found.all("circle")) == 1
    assert found.one("desc").text == "A line over time, from 2024-01-01 to 2024-01-01, between 5 and 5."
    bar = drawing(report("d", days([5])))
    assert bar.one("desc").text == "All as bars, from a with 5.0 to a with 5.0."


def test_thinning_keeps_every_peak() -> None:
    numbers = [1.0 + place % 7 for place in range(10_000)]
    peaks = {17: 900.0, 5000: -300.0, 5001: 800.0, 9_999: 700.0, 0: -250.0}
    for place, number in peaks.items():
        numbers[place] = number
    found = drawing(report("year/month/day/hour", days(numbers, step=timedelta(hours=1))))
    (points,) = lines(found)
    assert 2 * COLUMNS * 0.9 < len(points) <= 2 * COLUMNS
    assert found.all("circle") == []
    ticks = axis(found)
    (low, bottom), (high, top) = ticks[0], ticks[-1]
    for place, number in peaks.items():
        x = LEFT + place / 9_999 * (WIDTH - RIGHT - LEFT)
        y = bottom + (number - low) / (high - low) * (top - bottom)
        assert any(abs(px - x) <= 0.06 and abs(py - y) <= 0.06 for px, py in points), number
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert "between -300 and 900" in found.one("desc").text


@pytest.mark.parametrize(("count", "marks"), [(MARKED, MARKED), (MARKED + 1, 0)])
def test_few_points_are_marked(count: int, marks: int) -> None:
    assert len(drawing(report("year/month/day", days([1.0] * count))).all("circle")) == marks


def test_time_has_its_distances() -> None:
    """A gap of days is as wide as it is long, also where the record between is missing."""
    rows = [(BEGIN + timedelta(days=day), "a", 1.0) for day in (0, 1, 4, 10)]
    (points,) = lines(drawing(report("year/month/day", rows)))
    assert [round((x - LEFT) / (WIDTH - RIGHT - LEFT) * 10, 2) for x, _ in points] == [0, 1, 4, 10]


@pytest.mark.parametrize(
    ("path", "first", "last", "count"),
    [
        ("year", "2024", "2026", 3),
        ("year/quarter", "2024-01", "2026-07", 11),
        ("year/month", "2024-01", "2026-09", 33),
        ("year/month/day", "2024-01-01", "2026-09-17", 100),
        ("year/month/day/hour", "2024-01-01 00:00", "2026-09-17 00:00", 100),
        ("year/month/day/hour/minute", "2024-01-01 00:00", "2026-09-17 00:00", 100),
        ("year/month/day/hour/minute/second", "2024-01-01 00:00:00", "2026-09-17 00:00:00", 100),
        # What names no moment is put in its order, at equal distances.
        ("month", "1", "12", 12),
        ("year/week", "2024 · 1", "2026 · 38", None),
        ("year/hour", "2024 · 0", "2026 · 0", 3),
        ("week/d/month", "1 · 1", "52 · 12", None),
        ("month/year", "2024-01", "2026-09", 33),
    ],
)
def test_moments_below_the_line(path: str, first: str, last: str, count: int | None) -> None:
    made = report(path, days([1.0] * 100, step=timedelta(days=10)))
    found = drawing(made)
    moments = [one for one in found.all("text") if one.attributes["y"] == str(HEIGHT - 8)]
    assert (moments[0].text, moments[-1].text) == (first, last)
    assert 2 <= len(moments) <= 7
    assert len({one.text for one in moments}) == len(moments)
    (points,) = lines(found)
    assert len(points) == (made.rows if count is None else count)
    # Labels keep their distance, at the size that they have.
    places = [float(one.attributes["x"]) for one in moments]
    assert all(two - one > 5 * len(first) for one, two in pairwise(places))
    assert [("start" in moments[0].attributes["class"]), ("end" in moments[-1].attributes["class"])] == [True, True]


def test_six_lines_and_a_word_on_the_others() -> None:
    rows = [row for place in range(9) for row in days([float(place), -float(place)], member=f"member {place}")]
    found = drawing(report("d/year/month/day", rows))
    assert len(lines(found)) == 6
    legend = [one.text for one in found.one("ul").all("li")]
    assert legend == [*(f"member {place}" for place in range(3, 9)), "and 3 smaller, not drawn"]
    assert [one.attributes["class"] for one in found.all("polyline")] == [f"line s{place}" for place in range(6)]
    assert [one.attributes["class"] for one in found.all("span")] == [f"key s{place}" for place in range(6)]
    assert found.one("desc").text.startswith("6 lines over time, from 2024-01-01 to 2024-01-02")


def test_bars_from_the_largest_down() -> None:
    rows = [(BEGIN, f"m{place:02}", float(place)) for place in range(30)]
    found = drawing(report("d", rows))
    assert [one.text for one in found.all("title")][1:3] == ["m29: 29.0", "m28: 28.0"]
    widths = [float(one.attributes["width"]) for one in found.all("rect")]
    assert len(widths) == BARS
    assert np.allclose(np.array(widths) / widths[0] * 29, range(29, 9, -1), atol=0.06)
    assert found.one("p").text == "The 20 largest of 30 records"
    assert found.one("desc").text == "The 20 largest of 30 as bars, from m29 with 29.0 to m10 with 10.0."


def test_bars_to_both_sides() -> None:
    found = drawing(report("d", [(BEGIN, "up", 30.0), (BEGIN, "down", -10.0), (BEGIN, "none", 0.0)]))
    (left, width), (zero, small), (below, length) = [
        (float(one.attributes["x"]), float(one.attributes["width"])) for one in found.all("rect")
    ]
    assert left == zero == pytest.approx(below + length, abs=0.11)
    assert width == pytest.approx(3 * length, abs=0.2)
    assert small == 1
    assert found.all("p") == []


def test_labels_are_cut_where_they_are_long_and_isolated_where_they_run_to_the_left() -> None:
    members = ["x" * 40, "東京" * 10, "שלום", "short"]
    found = drawing(report("d", [(BEGIN, member, 4.0 - place) for place, member in enumerate(members)]))
    labels = [one.text for one in found.all("text", class_="label end")]
    assert labels == ["x" * 19 + "…", "東京" * 4 + "東…", "\u2068שלום\u2069", "short"]
    assert found.all("title")[1].text == f"{'x' * 40}: 4.0"


def test_what_is_the_same_in_all_is_not_repeated() -> None:
    rows = [(BEGIN, "a", 1.0), (BEGIN, "b", 2.0)]
    found = drawing(report("year/d", rows))
    assert [one.text for one in found.all("text", class_="label end")] == ["b", "a"]
    alone = drawing(report("year/d", rows[:1]))
    assert [one.text for one in alone.all("text", class_="label end")] == ["2024 · a"]


@given(st.text(st.characters(codec="utf-8"), max_size=8), st.text(st.characters(codec="utf-8"), max_size=8))
def test_no_text_is_markup(member: str, title: str) -> None:
    for path in ("d", "d/year", "year/d"):
        made = report(path, [(BEGIN, member, 1.0), (BEGIN, "other", 2.0)])
        found = drawing(made, title)
        known = {"svg", "title", "desc", "g", "rect", "text", "line", "polyline", "circle", "ul", "li", "span", "bdi"}
        assert {one.tag for one in found.all()} <= known
        assert found.one("title", id="chart-title").text == re.sub(
            "[\x00-\x08\x0b\x0c\x0e-\x1f]", lambda sign: chr(0x2400 + ord(sign[0])), title
        ).replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd")


def test_it_fits_on_its_ground() -> None:
    rows = [row for place in range(3) for row in days([1e15 * place, -1e9, 12345.678], member="w" * 30 + str(place))]
    for path in ("d/year/month/day", "year/month/day/d", "d"):
        found = drawing(report(path, rows))
        _, _, width, height = map(float, found.one("svg").attributes["viewbox"].split())
        for name, most in (("x", width), ("x1", width), ("x2", width), ("y", height), ("cx", width), ("cy", height)):
            for one in found.all():
                if one.tag != "svg" and name in one.attributes:
                    assert 0 <= float(one.attributes[name]) <= most


def test_a_page_reader_is_what_reads_it() -> None:
    assert Page(drawing(report("d", days([1])))).root.one("svg").attributes["role"] == "img"


@pytest.mark.parametrize(
    ("values", "kept", "described"),
    [
        ([Decimal("1.50"), Decimal("10.00")], pa.decimal128(9, 2), "10 "),
        ([timedelta(seconds=1.5), timedelta(seconds=3)], pa.duration("us"), "3 "),
    ],
)
def test_decimals_and_durations_are_drawn_as_what_they_stand_for(
    values: list[Any], kept: pa.DataType, described: str
) -> None:
    schema = Schema("one", [Dimension("g")], {"most": maximum("x")}, [Tree.parse("year")], Time("at", ("year",)))
    at = pa.array(["2023-05-05", "2024-05-05"]).cast(pa.timestamp("s"))
    cube = Cube(schema, pa.table({"at": at, "g": ["a", "b"], "x": pa.array(values, kept)}))
    drawing = draw(cube.answer(Query("year")).report, "most")
    assert f"and {described.strip()}." in drawing, drawing


def test_dates_are_not_drawn() -> None:
    schema = Schema("one", [Dimension("g")], {"last": maximum("x")}, [Tree.parse("g")])
    cube = Cube(schema, pa.table({"g": ["a"], "x": pa.array([date(2024, 1, 1)])}))
    assert draw(cube.answer(Query("g")).report, "last") == ""
