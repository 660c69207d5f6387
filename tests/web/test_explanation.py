"""A plan as data, from Python, over HTTP and on the command line: one shape (rule 19)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from web_cubes import NOW, ask, cube

from wolap import Principal, Query
from wolap.planner.explanation import explanation
from wolap.web.endpoint import Endpoint

PLAN = "application/vnd.wolap.plan+json"
TARGET = "/sales/v1/year/month?country=DE&country!=N/A&start=2024-07-20T10:00&end=2024-09&metrics=sales"


def asked(endpoint: Endpoint, target: str = TARGET, **headers: str) -> dict[str, Any]:
    response = ask(endpoint, target, accept=PLAN, **headers)
    assert response.status == 200, response.body
    assert response.header("Content-Type") == PLAN
    assert response.header("Vary") == "Accept"
    found: dict[str, Any] = json.loads(response.body)
    return found


@pytest.fixture(scope="module")
def endpoint() -> Endpoint:
    return Endpoint(cube("year/month/day/country", "country/city"))


def test_the_shape(endpoint: Endpoint) -> None:
    found = asked(endpoint)
    assert found["group"] == ["year", "month"]
    assert found["metrics"] == ["sales"]
    assert found["filters"] == [
        {"dimension": "country", "exclude": False, "members": ["DE"]},
        {"dimension": "country", "exclude": True, "members": [None]},
    ]
    assert found["interval"] == {"start": "2024-07-20T10:00:00", "end": "2024-09-01T00:00:00"}
    assert found["widened"] is False
    assert set(found["estimated"]) == {"rows", "rows_left", "groups", "nanoseconds", "memory_bytes"}
    assert [piece["partials"] for piece in found["pieces"]] == [["count"]] * len(found["pieces"])
    by_name = {one["projection"]: one for one in found["candidates"]}
    assert set(by_name) == {"facts", "year/month/day/country", "country/city"}
    (missing, *_) = by_name["country/city"]["reasons"]
    assert missing["code"] == "level_too_coarse"
    assert set(missing) == {"code", "subject", "text", "remedy"}
    assert by_name["country/city"]["estimated"] is None
    chosen = [one["projection"] for one in found["candidates"] if one["chosen"]]
    assert chosen == list(dict.fromkeys(piece["projection"] for piece in found["pieces"]))


def test_open_sides_are_null() -> None:
    made = cube()
    found = explanation(made.explain(Query("country")))
    assert found["interval"] == {"start": None, "end": None}
    assert json.loads(json.dumps(found)) == found


def test_text_is_what_people_read(endpoint: Endpoint) -> None:
    response = ask(endpoint, TARGET, accept="text/vnd.wolap.plan")
    assert response.body.decode() == f"{endpoint.explain(TARGET, NOW)}\n"


def test_an_extension_wins_over_the_header(endpoint: Endpoint) -> None:  # W40
    assert ask(endpoint, "/sales/v1/country.csv", accept=PLAN).header("Content-Type") == "text/csv; charset=utf-8"


def test_who_has_not_the_right_gets_none(endpoint: Endpoint) -> None:
    assert ask(endpoint, TARGET, accept=PLAN, principal=Principal(may_explain=False)).status == 406


def test_what_would_be_refused_is_refused(endpoint: Endpoint) -> None:
    assert ask(endpoint, "/sales/v1/country?metrics=nothing", accept=PLAN).status == 400
    assert ask(endpoint, "/sales/v1/nothing", accept=PLAN).status == 404


def test_a_path_without_an_answer_is_not_found_and_says_why() -> None:
    strict = Endpoint(cube("year/month/day/country", strict=True))
    report, explained = (ask(strict, "/sales/v1/country/city", accept=accept) for accept in ("text/csv", PLAN))
    assert (report.status, explained.status) == (404, 404)
    assert b"dimension missing: city" in explained.body


def test_what_is_answerable_but_not_so_is_refused_as_its_report_is() -> None:
    strict = Endpoint(cube("year/country", strict=True))
    target = "/sales/v1/country?metrics=customers"
    report, explained = (ask(strict, target, accept=accept) for accept in ("text/csv", PLAN))
    assert (report.status, explained.status) == (400, 400)
    assert report.body == explained.body
