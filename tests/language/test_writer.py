"""Queries and the targets that they are written as. Each row begins with the rules of `wire.md` that it proves."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pytest
from language_schemas import ESM, EVERYWHERE, ask

from wolap.language.writer import write_path, write_query
from wolap.model.query import Query, settle


@pytest.mark.parametrize(
    ("path", "text"),
    [((), "/esm/v3"), (("year", "month"), "/esm/v3/year/month"), (("app.csv",), "/esm/v3/app.csv")],
)
def test_path(path, text):  # W2 W48
    assert write_path(path, ESM) == text


WRITTEN = [
    ("W47", Query(), ""),
    ("W47", Query("platform", limit=7), "/platform?limit=7"),
    ("W20 W47", Query(metrics=("plays", "clients")), "?metrics=plays&metrics=clients"),
    ("W11 W24", Query("platform", include=("device", "app.csv")), "/platform?device&app.csv"),
    ("W10 W47", Query("platform", where={"platform": ["b", "a"]}), "/platform?platform=a&platform=b"),
    ("W10 W47", Query(where={"platform": "a"}, where_not={"platform": ["c", "b"]}),
     "?platform=a&platform!=b&platform!=c"),
    ("W47", Query("platform/device", include="app", where={"app": "1", "platform": "2", "device": "3", "app.csv": "4"}),
     "/platform/device?platform=2&device=3&app=1&app.csv=4&app"),
    ("W47", Query("tenant", where={"tenant": "1", "platform": "2", "bucket": "3"}),
     "/tenant?tenant=1&platform=2&bucket=3"),
    ("W30", Query(where={"platform": [None, "", "x"]}), "?platform=(empty)&platform=N/A&platform=x"),
    ("W30", Query(where={"device": [None, "N/A"], "rank": None}), "?device=N/A&device=unknown&rank=N/A"),
    ("W10", Query(where={"platform": "a&b=c+d %#?é!"}), "?platform=a%26b%3Dc%2Bd%20%25%23%3F%C3%A9%21"),
    ("W12", Query(where={"rank": 7, "price": Decimal("12.50"), "score": 2.0, "live": True}),
     "?rank=7&price=12.5&score=2.0&live=true"),
    ("W12", Query(where={"rank": "x7"}, where_not={"aired": "20.7."}), "?rank=x7&aired!=20.7."),
    ("W12", Query(where={"aired": date(2024, 7, 20), "seen": datetime.fromisoformat("2024-07-20T10:05")}),
     "?aired=2024-07-20&seen=2024-07-20T10:05:00"),
    ("W12", Query(where={"price": Decimal("1234567890123456789012345678901234567.5")}),
     "?price=1234567890123456789012345678901234567.5"),
    ("W47", Query("year", start="2024-07-20", end="2024-08-20T14:35:21.5+02:00"),
     "/year?start=2024-07-20T00:00:00&end=2024-08-20T12:35:21.5"),
    ("W47", Query("year", include="month", where={"platform": "a"}, start="2024", end="2025", limit=5, metrics="plays"),
     "/year?platform=a&month&start=2024-01-01T00:00:00&end=2025-01-01T00:00:00&limit=5&metrics=plays"),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "query", "text"), WRITTEN)
def test_query(rules, query, text):
    settled = settle(query, EVERYWHERE)
    assert write_query(settled, EVERYWHERE) == "/esm/v3" + text


def test_offset_only_where_the_instant_would_be_lost():  # W47
    berlin = replace(ESM, time=replace(ESM.time, zone="Europe/Berlin"))
    query = settle(Query("year", start="2024-10-27T02:30+02:00", end="2024-10-27T02:30+01:00"), berlin)
    assert write_query(query, berlin) == ("/esm/v3/year?start=2024-10-27T02:30:00&end=2024-10-27T02:30:00%2B01:00")


# What was asked, and the one text that it is called by from then on.
CANONICAL = [
    ("W5 W17", "/esm/v3/year/month/", "/year/month?start=2024-07-20T00:00:00&end=2024-08-20T14:35:21&limit=1000"),
    ("W1 W40", "/esm/report/platform.csv", "/platform?limit=1000"),
    ("W18", "/esm/v3/platform?start=2024&end=2025", "/platform?limit=1000"),
    ("W22", "/esm/v3/platform?limit=99999999", "/platform?limit=5000"),
    ("W23 W54", "/esm/v3/platform?access_token=s3cret&format=csv", "/platform?limit=1000"),
    ("W11", "/esm/v3/platform?app=&device=x", "/platform?device=x&app&limit=1000"),
    ("W12", "/esm/v3/rank?rank=07&rank=7.0&rank=7", "/rank?rank=7&limit=1000"),
    ("W20", "/esm/v3/rank?metrics=plays,clients,plays", "/rank?limit=1000&metrics=plays&metrics=clients"),
]


@pytest.mark.parametrize(("rules", "asked", "written"), CANONICAL)
def test_self_link(rules, asked, written):  # W47
    query = ask(asked)
    assert write_query(query, ESM) == "/esm/v3" + written
    assert ask(write_query(query, ESM)) == query
