"""A report's first metric as a drawing: a line over time where the last dimension is time, bars otherwise.

The drawing is SVG within a page: classes instead of colours, so that the page's style decides for light and dark. What
it shows stands in the table as well, so it has a name and a description for those who do not see it. On a narrow
screen the drawing shrinks and its texts do not, so there is room for texts twice as large, and labels of the class
`more` are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10
from unicodedata import bidirectional, east_asian_width

import numpy as np

from wolap.engine.execute import DimensionColumn, Report
from wolap.engine.finish import MetricColumn, as_floats
from wolap.model.level import LEVELS
from wolap.representations.buckets import bucket_starts, identified_level
from wolap.representations.column_text import grouped_texts, is_number, member_texts
from wolap.representations.markup import escape

__all__ = ["draw"]

WIDTH, HEIGHT = 800, 270
LEFT, RIGHT, TOP, BOTTOM = 84, 16, 16, 34
BARS, BAR_HEIGHT, BAR_LEFT, BAR_RIGHT = 20, 28, 262, 150
SERIES = 6
# The room that a sign of a label takes: on a wide screen, and on a narrow one.
SIGN, LARGE_SIGN, MOMENTS = 7.0, 13.5, 7
# What lies beyond has no place on a drawing.
_LARGEST = 1e300
# A line has no more points than the drawing has columns to put them in, each with its highest and lowest.
COLUMNS = 360
# So few points are also marked, each with its number.
MARKED = 62
_LONGEST_LABEL = 20


def draw(report: Report, title: str) -> str:
    """The drawing as an SVG element; empty where there is nothing to draw."""
    metric = report.metrics[0]
    values = _values(metric)
    if not report.dimensions or not np.isfinite(values).any():
        return ""
    if report.dimensions[-1].members is None:
        return _lines(report, values, title)
    return _bars(report, values, title)


def _values(metric: MetricColumn) -> np.ndarray:
    """The numbers as floats; what is none, or no number at all, is not drawn."""
    if not is_number(metric):
        return np.full(len(metric.values), np.nan)
    values = as_floats(metric)
    if metric.valid is not None:
        values[~metric.valid] = np.nan
    values[np.abs(values) > _LARGEST] = np.nan
    values[np.abs(values) < 1 / _LARGEST] = 0.0
    return values


# Lines ------------------------------------------------------------------------------------------------------------


def _lines(report: Report, values: np.ndarray, title: str) -> str:
    """A line for each combination of members, the largest of them; time goes from left to right."""
    times, level = _times(report)
    members = [column for column in report.dimensions if column.members is not None]
    series, first_rows = _series(members, report.rows)
    sizes = np.bincount(series, np.abs(np.nan_to_num(values)), len(first_rows))
    shown = np.sort(np.argsort(-sizes, kind="stable")[:SERIES])
    drawn = np.flatnonzero(np.isin(series, shown) & np.isfinite(values))
    drawn = drawn[np.argsort(times[drawn], kind="stable")]
    across = _Scale(times[drawn], LEFT, WIDTH - RIGHT)
    ticks = _ticks(float(min(values[drawn].min(), 0)), float(max(values[drawn].max(), 0)))
    up = _Scale(np.array([ticks[0], ticks[-1]]), HEIGHT - BOTTOM, TOP)
    parts = [_grid(ticks, up)]
    for place, number in enumerate(shown.tolist()):
        rows = drawn[series[drawn] == number]
        texts = _point_texts(report, rows) if len(rows) <= MARKED else []
        parts.append(_line(across(times[rows]), up(values[rows]), place, texts))
    parts.append(_time_axis(report, times, drawn, across, level))
    first, last = (_time_text(report, times, row, level) for row in (drawn[0], drawn[-1]))
    low, high = _number(float(values[drawn].min())), _number(float(values[drawn].max()))
    kind = "A line" if len(shown) == 1 else f"{len(shown)} lines"
    described = f"{kind} over time, from {first} to {last}, between {low} and {high}."
    drawing = _svg(HEIGHT, title, described, "".join(parts))
    if len(first_rows) == 1:
        return drawing
    return drawing + _legend(_labels(members, first_rows[shown]), len(first_rows) - len(shown))


def _times(report: Report) -> tuple[np.ndarray, str | None]:
    """A number for the time of each record, and the level of the buckets that they begin.

    Parts that name no bucket, such as the hour of any day, have no level: their numbers only say the order.
    """
    columns = [column for column in report.dimensions if column.members is None]
    level = identified_level(column.name for column in columns)
    if level is not None and level == min((column.name for column in columns), key=LEVELS.index):
        return bucket_starts(report, level).astype(np.int64), level
    codes = np.stack([column.codes.astype(np.int64) for column in columns])
    return np.unique(codes, axis=1, return_inverse=True)[1].reshape(-1), None


def _series(members: Sequence[DimensionColumn], rows: int) -> tuple[np.ndarray, np.ndarray]:
    """The number of the line of each record, and the first record of each line."""
    if not members:
        return np.zeros(rows, np.int64), np.zeros(1, np.int64)
    codes = np.stack([column.places.astype(np.int64) for column in members])
    _, first_rows, series = np.unique(codes, axis=1, return_index=True, return_inverse=True)
    return series.reshape(-1), first_rows


def _labels(columns: Sequence[DimensionColumn], rows: np.ndarray) -> list[str]:
    """The members of some records as one text each."""
    texts = [
        map(_isolated, member_texts(DimensionColumn(column.name, column.codes[rows], column.members)).tolist())
        for column in columns
    ]
    return [" · ".join(members) for members in zip(*texts, strict=True)]


_LEFT_TO_RIGHT = frozenset({"L", "EN", "ES", "ET", "CS", "NSM", "BN", "B", "S", "WS", "ON"})


def _isolated(text: str) -> str:
    """A member whose direction does not reach beyond it, where it has another (Unicode, UAX 9: FSI and PDI)."""
    if text.isascii() or _LEFT_TO_RIGHT.issuperset(map(bidirectional, text)):
        return text
    return f"\u2068{text}\u2069"


def _point_texts(report: Report, rows: np.ndarray) -> list[str]:
    """Members and number of each of some records."""
    numbers = _numbers(report.metrics[0], rows)
    return [f"{label}: {text}" for label, text in zip(_labels(report.dimensions, rows), numbers, strict=True)]


def _numbers(metric: MetricColumn, rows: np.ndarray) -> list[str]:
    valid = None if metric.valid is None else metric.valid[rows]
    texts: list[str] = grouped_texts(MetricColumn(metric.name, metric.values[rows], valid, metric.type), "").tolist()
    return texts


def _line(xs: np.ndarray, ys: np.ndarray, place: int, texts: Sequence[str]) -> str:
    if len(xs) > 2 * COLUMNS:
        xs, ys = _thinned(xs, ys)
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs.tolist(), ys.tolist(), strict=True))
    line = f'<polyline class="line s{place}" points="{points}"/>'
    marks = "".join(
        f'<circle class="mark s{place}" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{escape(text)}</title></circle>'
        for x, y, text in zip(xs.tolist(), ys.tolist(), texts, strict=False)
    )
    return line + marks


def _thinned(xs: np.ndarray, ys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The highest and the lowest point of each column of the drawing, in their order: no peak is lost (M4, Jugel 2014,
    without first and last, which a column of two pixels does not show)."""
    columns = ((xs - xs[0]) / max(xs[-1] - xs[0], 1e-9) * (COLUMNS - 1)).astype(np.int64)
    by_height = np.lexsort((ys, columns))
    edges = np.flatnonzero(np.diff(columns[by_height])) + 1
    lowest = by_height[np.concatenate([[0], edges])]
    highest = by_height[np.concatenate([edges - 1, [len(xs) - 1]])]
    kept = np.unique(np.concatenate([lowest, highest]))
    return xs[kept], ys[kept]


class _Scale:
    """A linear map from numbers to places on the drawing."""

    def __init__(self, numbers: np.ndarray, begin: float, end: float) -> None:
        self.low, high = float(numbers.min()), float(numbers.max())
        self.begin = begin if high > self.low else (begin + end) / 2
        self.rate = (end - begin) / (high - self.low) if high > self.low else 0.0

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        return self.begin + (numbers - self.low) * self.rate

    def one(self, number: float) -> float:
        """The place of one number."""
        return self.begin + (number - self.low) * self.rate


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from below the lowest to above the highest: steps of 1, 2 or 5 times a power of ten."""
    span = high - low or 1.0
    power = 10.0 ** floor(log10(span / 4))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power * 5 >= span)
    first = floor(low / step)
    count = next(number for number in range(1, 20) if (first + number) * step >= high * (1 - 1e-12))
    return [(first + number) * step for number in range(count + 1)]


def _grid(ticks: Sequence[float], up: _Scale) -> str:
    lines = []
    for tick in ticks:
        y = up.one(tick)
        kind = "axis" if tick == 0 else "grid"
        lines.append(f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text class="label end" x="{LEFT - 8}" y="{y + 4:.1f}">{_short(tick)}</text>')
    return "".join(lines)


def _time_axis(report: Report, times: np.ndarray, drawn: np.ndarray, across: _Scale, level: str | None) -> str:
    """Moments that occur, spread evenly below the line, as many as fit; fewer of them on a narrow screen."""
    rows = drawn[np.unique(times[drawn], return_index=True)[1]]
    xs = across(times[rows])
    length = len(_time_text(report, times, int(rows[-1]), level)) + 1
    count = min(MOMENTS, int((WIDTH - LEFT - RIGHT) / (1.5 * length * SIGN)) + 1)
    near = np.abs(xs[:, np.newaxis] - np.linspace(xs[0], xs[-1], count)).argmin(axis=0)
    texts = {place: _time_text(report, times, int(rows[place]), level) for place in np.unique(near).tolist()}
    narrow, wide = (_apart(xs, list(texts), length * sign) for sign in (LARGE_SIGN, SIGN))
    parts = []
    for place in wide:
        anchor = "" if len(xs) == 1 else " start" if place == 0 else " end" if place == len(xs) - 1 else ""
        more = "" if place in narrow else " more"
        label = f'class="label{anchor}{more}" x="{xs[place]:.1f}" y="{HEIGHT - 8}"'
        parts.append(f"<text {label}>{escape(texts[place])}</text>")
    return "".join(parts)


def _apart(xs: np.ndarray, places: Sequence[int], room: float) -> list[int]:
    """The first and the last place, and of those between as many as have room for their labels."""
    first, *between, last = places if len(places) > 1 else (places[0], places[0])
    kept: list[int] = []
    for place in between:
        begin = xs[kept[-1]] + room if kept else xs[first] + 1.4 * room
        if begin <= xs[place] <= xs[last] - 1.4 * room:
            kept.append(place)
    return list(dict.fromkeys((first, *kept, last)))


_TIME_LENGTHS = {"year": 4, "quarter": 7, "month": 7, "day": 10, "hour": 16, "minute": 16, "second": 19}


def _time_text(report: Report, times: np.ndarray, row: int, level: str | None) -> str:
    """The time of a record, as short as its level allows."""
    if level is None:
        columns = [column for column in report.dimensions if column.members is None]
        return _labels(columns, np.array([row]))[0]
    return str(np.datetime64(int(times[row]), "s"))[: _TIME_LENGTHS[level]].replace("T", " ")


def _legend(labels: Sequence[str], rest: int) -> str:
    entries = "".join(
        f'<li><span class="key s{place}" aria-hidden="true"></span><bdi>{escape(label)}</bdi></li>'
        for place, label in enumerate(labels)
    )
    more = f"<li>and {rest:,} smaller, not drawn</li>" if rest else ""
    return f'<ul class="legend">{entries}{more}</ul>'


# Bars -------------------------------------------------------------------------------------------------------------


def _bars(report: Report, values: np.ndarray, title: str) -> str:
    """A bar for each of the largest records, the largest on top."""
    finite = np.flatnonzero(np.isfinite(values))
    rows = finite[np.argsort(-values[finite], kind="stable")[:BARS]]
    # Dimensions that are the same in all say nothing beside a bar.
    varied = [column for column in report.dimensions if len(rows) < 2 or len(np.unique(column.codes[rows])) > 1]
    labels = _labels(varied or report.dimensions[-1:], rows)
    numbers = _numbers(report.metrics[0], rows)
    shown = values[rows]
    across = _Scale(np.array([min(shown.min(), 0.0), max(shown.max(), 0.0)]), BAR_LEFT, WIDTH - BAR_RIGHT)
    parts = []
    for place, (value, label, number) in enumerate(zip(shown.tolist(), labels, numbers, strict=True)):
        ends = sorted((across.one(0.0), across.one(value)))
        y = TOP + place * BAR_HEIGHT
        parts.append(
            f"<g><title>{escape(label)}: {escape(number)}</title>"
            f'<rect class="bar" x="{ends[0]:.1f}" y="{y + 4}" width="{max(ends[1] - ends[0], 1):.1f}" '
            f'height="{BAR_HEIGHT - 8}"/>'
            f'<text class="label end" x="{BAR_LEFT - 8}" y="{y + 19}">{escape(_cut(label))}</text>'
            f'<text class="label start" x="{ends[1] + 6:.1f}" y="{y + 19}">{escape(number)}</text></g>'
        )
    is_cut = len(finite) > len(rows)
    kept = f"The {len(rows)} largest of {report.rows:,}" if is_cut else "All"
    described = f"{kept} as bars, from {labels[0]} with {numbers[0]} to {labels[-1]} with {numbers[-1]}."
    drawing = _svg(2 * TOP + len(rows) * BAR_HEIGHT, title, described, "".join(parts))
    return f'{drawing}<p class="soft">{kept} records</p>' if is_cut else drawing


def _cut(label: str) -> str:
    """As much of a label as there is room for; a wide sign takes that of two."""
    widths = np.cumsum([2 if east_asian_width(sign) in "WF" else 1 for sign in label])
    if not len(widths) or widths[-1] <= _LONGEST_LABEL:
        return label
    return f"{label[: int(np.searchsorted(widths, _LONGEST_LABEL, side='left'))]}…"


def _number(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.6g}"


def _short(number: float) -> str:
    """A round number in little room."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:.6g}{letter}"
    return f"{number:.6g}"


def _svg(height: int, title: str, described: str, content: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="chart-title chart-described">'
        f'<title id="chart-title">{escape(title)}</title><desc id="chart-described">{escape(described)}</desc>'
        f"{content}</svg>"
    )
