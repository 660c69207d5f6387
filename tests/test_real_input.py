"""The example cube over 415,271 real rows: bodies equal what DuckDB finds in the same file, in the same order."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from math import isclose
from pathlib import Path
from typing import Any

import pytest
from commits_oracle import ALL, NOW, Question, answer

from wolap.cube_file import load_cube, read_cube_file
from wolap.web.endpoint import Endpoint, Request, Response

EXAMPLE = Path(__file__).parents[1] / "examples" / "commits.toml"
BASE = "/commits/v1"
MOMENT = datetime(2026, 8, 22, tzinfo=UTC)
FIVE_YEARS, ONE_MONTH, ONE_DAY = "2021-01-01", "2026-07-22", "2026-08-21"

# What is asked below the base, and the same question for SQL. Without an interval a report with a time dimension looks
# back from now (W17); where the projection cannot answer, the facts do and offer all metrics (W21).
CASES: dict[str, Question] = {
    "": Question(),
    "/year/month/repository?repository=xarray&start=2024": Question(
        ("year", "month", "repository"), where=(("repository", ("xarray",)),), start="2024-01-01", end=NOW
    ),
    "/repository?change=added": Question(("repository",), ALL, where=(("change", ("added",)),)),
    "/year?folder": Question(("year", "folder"), start=FIVE_YEARS, end=NOW),
    "/year": Question(("year",), start=FIVE_YEARS, end=NOW),
    "/year/": Question(("year",), start=FIVE_YEARS, end=NOW),
    "/year/month": Question(("year", "month"), start=ONE_MONTH, end=NOW),
    "/year/month/day": Question(("year", "month", "day"), start=ONE_MONTH, end=NOW),
    "/year/month/day/hour": Question(("year", "month", "day", "hour"), ALL, start=ONE_DAY, end=NOW),
    "/year/month/day/hour/repository/folder?start=2026-08-01&end=2026-08-09T13:30:15.5": Question(
        ("year", "month", "day", "hour", "repository", "folder"),
        ALL,
        start="2026-08-01",
        end="2026-08-09 13:30:15.5",
    ),
    "/repository": Question(("repository",)),
    "/repository?start=2024&end=2025": Question(("repository",)),
    "/repository/folder": Question(("repository", "folder")),
    "/repository/folder?limit=5000": Question(("repository", "folder"), limit=5000),
    "/repository/folder?limit=7": Question(("repository", "folder"), limit=7),
    "/repository/folder?folder=(top)": Question(("repository", "folder"), where=(("folder", (None,)),)),
    "/repository/folder?folder!=(top)&repository=attrs&repository=asv": Question(
        ("repository", "folder"), where=(("repository", ("attrs", "asv")),), where_not=(("folder", (None,)),)
    ),
    "/repository/folder?folder=%28top%29&folder=docs": Question(
        ("repository", "folder"), where=(("folder", (None, "docs")),)
    ),
    "/repository/folder/ending?ending!=py": Question(
        ("repository", "folder", "ending"), ALL, where_not=(("ending", ("py",)),)
    ),
    "/repository?ending!=py&ending!=rs&ending!=(none)": Question(
        ("repository",), ALL, where_not=(("ending", ("py", "rs", None)),)
    ),
    "/repository?ending%21=py&ending=rs&ending=(none)": Question(
        ("repository",), ALL, where=(("ending", ("rs", None)),), where_not=(("ending", ("py",)),)
    ),
    "/repository/change?limit=100000": Question(("repository", "change"), ALL, limit=100_000),
    "?ending&limit=20": Question(("ending",), ALL, limit=20),
    "?change=": Question(("change",), ALL),
    "?hour&start=2020&end=2026": Question(("hour",), ALL, start="2020-01-01", end="2026-01-01"),
    "/year?hour&start=2023-06-15T07": Question(("year", "hour"), ALL, start="2023-06-15 07:00", end=NOW),
    "?repository&hour&year&repository=zarr-python&start=2024": Question(
        ("repository", "hour", "year"),
        ALL,
        where=(("repository", ("zarr-python",)),),
        start="2024-01-01",
        end=NOW,
    ),
    "/year?repository&start=2002&end=2010&metrics=deepest,changes": Question(
        ("year", "repository"), ("deepest", "changes"), start="2002-01-01", end="2010-01-01"
    ),
    "/repository?metrics=authors": Question(("repository",), ("authors",)),
    "/repository?metrics=changes-per-commit&metrics=mean-depth,changes-per-commit,commits": Question(
        ("repository",), ("changes-per-commit", "mean-depth", "commits")
    ),
    "?metrics=commits,authors,changes-per-commit": Question((), ("commits", "authors", "changes-per-commit")),
    "/year/month/day?repository&folder&start=2026-08-01": Question(
        ("year", "month", "day", "repository", "folder"), ALL, start="2026-08-01", end=NOW
    ),
    "/year/month/day?repository&folder=src&folder&start=2026-08-01&metrics=commits": Question(
        ("year", "month", "day", "repository", "folder"),
        ("commits",),
        where=(("folder", ("src",)),),
        start="2026-08-01",
        end=NOW,
    ),
    "/year?start=2024-03&end=2024-03-17": Question(("year",), start="2024-03-01", end="2024-03-17"),
    "/year/month?start=2024-03-05T10:11:12.5%2B02:00&end=2024-05": Question(
        ("year", "month"), start="2024-03-05 08:11:12.5", end="2024-05-01"
    ),
    "/year/month?start=1704067200000&end=2024-12-31T23:59:59": Question(
        ("year", "month"), start="2024-01-01", end="2024-12-31 23:59:59"
    ),
    "/year?start=1990&end=1991": Question(("year",), start="1990-01-01", end="1991-01-01"),
    "/year?end=2030&start=2001": Question(("year",), start="2001-01-01", end="2030-01-01"),
    "/repository?repository=nobody": Question(("repository",), where=(("repository", ("nobody",)),)),
    "?repository=nobody": Question((), where=(("repository", ("nobody",)),)),
    "?change=nobody": Question((), ALL, where=(("change", ("nobody",)),)),
    "?repository=Xarray&repository=xarray%20": Question((), where=(("repository", ("Xarray", "xarray ")),)),
}
REFUSED = (
    ("GET", "/commits/v1/yeer", 404, "year"),
    ("GET", "/commits/v1/month", 404, "month"),
    ("GET", "/commits/v1/year//month", 404, "year"),
    ("GET", "/commits/v2", 404, "/commits/v1"),
    ("GET", "/commits/v1/year?ending=py", 400, "ending"),
    ("GET", "/commits/v1/year?subfolder", 400, "subfolder"),
    ("GET", "/commits/v1/year?year=2024", 400, "start"),
    ("GET", "/commits/v1/year?month!=3", 400, "end"),
    ("GET", "/commits/v1/year?start=2024-0", 400, "2024-0"),
    ("GET", "/commits/v1/year?start=2024-02-30", 400, "exist"),
    ("GET", "/commits/v1/year?start=2024&end=2024", 400, "before"),
    ("GET", "/commits/v1/year?start=2024&start=2025", 400, "start"),
    ("GET", "/commits/v1/year?metrics=lines", 400, "changes"),
    ("GET", "/commits/v1/year?limit=0", 400, "limit"),
    ("GET", "/commits/v1/repository?folder!", 400, "folder"),
    ("GET", "/commits/v1/year.xls", 406, "json"),
    ("GET", "/commits/v1.xls", 406, "csv"),
    ("GET", "/commits/v1/year?format=htm", 406, "json"),
    ("POST", "/commits/v1/year", 405, "GET"),
    ("DELETE", "/commits/v1", 405, "HEAD"),
)


@pytest.fixture(scope="module")
def endpoint() -> Endpoint:
    return Endpoint(load_cube(read_cube_file(EXAMPLE)))


def get(endpoint: Endpoint, target: str) -> Response:
    return endpoint.respond(Request("GET", target), MOMENT)


def agrees(text: str | None, value: Any) -> bool:
    """Whether a text is that of a number, to the last digit where it is whole, or that of a member."""
    if isinstance(value, float):
        return text is not None and repr(float(text)) == text and isclose(float(text), value, rel_tol=1e-12)
    return text == (None if value is None else str(value))


def compare(found: list[dict[str, str | None]], expected: list[dict[str, Any]]) -> None:
    assert len(found) == len(expected)
    wrong = [
        (one, other)
        for one, other in zip(found, expected, strict=True)
        if list(one) != list(other) or not all(agrees(one[name], other[name]) for name in other)
    ]
    assert wrong[:3] == []


@pytest.mark.parametrize("below", CASES)
def test_bodies_equal_sql(endpoint: Endpoint, below: str) -> None:
    path, _, query = f"{BASE}{below}".partition("?")
    as_csv = f"{path.rstrip('/')}.csv?{query}"
    expected, total = answer(CASES[below])

    response = get(endpoint, f"{BASE}{below}")
    assert response.status == 200, response.body
    assert response.header("Wolap-Rows") == f"{len(expected)}/{total}"
    compare(json.loads(response.body)["report"], expected)

    response = get(endpoint, as_csv)
    assert response.status == 200, response.body
    assert response.header("Content-Type") == "text/csv; charset=utf-8"
    header, *rows = csv.reader(io.StringIO(response.body.decode(), newline=""))
    assert header == [*CASES[below].group, *CASES[below].metrics]
    compare([{name: text or None for name, text in zip(header, row, strict=True)} for row in rows], expected)


@pytest.mark.parametrize("below", CASES)
def test_self_link_gives_the_same_body(endpoint: Endpoint, below: str) -> None:
    body = get(endpoint, f"{BASE}{below}").body
    assert get(endpoint, json.loads(body)["_links"]["self"]["href"]).body == body


def test_published_example_of_a_csv_target(endpoint: Endpoint) -> None:
    response = get(endpoint, "/commits/v1/year/month/repository.csv?repository=xarray&start=2024")
    name = "commits__2024-01-01_2026-08-22_xarray_1000.csv"
    assert response.header("Content-Disposition") == f'attachment; filename="{name}"'
    assert response.body.startswith(b"year,month,repository,changes,deepest,mean-depth\r\n2024,1,xarray,")
    assert response.body.count(b"\r\n") == 1 + 32


@pytest.mark.parametrize(("method", "target", "status", "said"), REFUSED)
def test_refused_targets(endpoint: Endpoint, method: str, target: str, status: int, said: str) -> None:
    response = endpoint.respond(Request(method, target), MOMENT)
    assert response.status == status, response.body
    assert response.header("Content-Type") == "text/plain; charset=utf-8"
    assert said in response.body.decode()
    assert response.header("Allow") == ("GET, HEAD, OPTIONS" if status == 405 else None)
