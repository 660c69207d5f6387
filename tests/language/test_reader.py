"""Targets and what they become. Each row begins with the rules of `wire.md` that it proves."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from time import perf_counter

import pytest
from language_schemas import ESM, EVERYWHERE, TIMELESS, ask

from wolap.errors import QueryError, UnknownResource
from wolap.language.reader import Location, Target, locate, read_format, split_target
from wolap.model.principal import Principal
from wolap.model.query import Filter, Query, settle

PARTNER = Principal(audience="partner", filters=(Filter("region", frozenset({"EU"})),))

TARGETS = [
    ("W5", "/esm/v3/year/", ("esm", "v3", "year"), ()),
    ("W5", "/esm/v3//year", ("esm", "v3", "", "year"), ()),
    ("W5", "/esm/v3/year//", ("esm", "v3", "year", ""), ()),
    ("W5", "/%65sm/a%2Fb/%C3%A9/é", ("esm", "a/b", "é", "é"), ()),
    ("W5", "/", (), ()),
    ("W5", "", (), ()),
    ("W5", "*", ("*",), ()),
    ("W5", "a+b", ("a+b",), ()),
    ("", "https://host:8080/esm/v3?a=b", ("esm", "v3"), (("a", "b"),)),
    ("", "http://host?a=b", (), (("a", "b"),)),
    ("", "//host/x", ("", "host", "x"), ()),
    ("", "/x?a=b#c?d=e", ("x",), (("a", "b"),)),
    ("", "/x#y?d=e", ("x",), ()),
    ("W10", "/x?d!=v&d%21=v&d!&d!=", ("x",), (("d!", "v"), ("d!", "v"), ("d!", None), ("d!", ""))),
    ("W10", "/x?d=a=b&d==&=", ("x",), (("d", "a=b"), ("d", "="), ("", ""))),
    ("W10", "/x?d=a%26b%3Dc%25&d=?/&d=%2B+%20", ("x",), (("d", "a&b=c%"), ("d", "?/"), ("d", "+  "))),
    ("W11", "/x?&c&&c=&", ("x",), (("c", None), ("c", ""))),
    ("W10", "/x?d=\x00&d=%00\n", ("x",), (("d", "\x00"), ("d", "\x00\n"))),
]


@pytest.mark.parametrize(("rules", "text", "segments", "parameters"), TARGETS)
def test_target_is_split_and_decoded(rules, text, segments, parameters):
    assert split_target(text) == Target(segments, parameters)


UNDECODABLE = [
    ("/%ff", UnknownResource),
    ("/%", UnknownResource),
    ("/%4", UnknownResource),
    ("/\ud800?%", UnknownResource),
    ("/?a=%zz", QueryError),
    ("/?a=%", QueryError),
    ("/?a=%C3", QueryError),
    ("/?%ed%a0%80", QueryError),
    ("/?\udfff=1", QueryError),
]


@pytest.mark.parametrize(("text", "error"), UNDECODABLE)
def test_what_cannot_be_decoded(text, error):
    with pytest.raises(QueryError) as caught:
        split_target(text)
    assert type(caught.value) is error


LOCATIONS = [
    ("W1", "/esm/v3", (), None),
    ("W1", "/esm/v3/", (), None),
    ("W1", "/esm/report/year", ("year",), None),
    ("W40", "/esm/v3.csv", (), "csv"),
    ("W40", "/cubes/v1.2", (), None),
    ("W40", "/cubes/v1.2.xml", (), "xml"),
    ("W40", "/cubes/v1.2/year.json", ("year",), "json"),
    ("W40", "/esm/v3/year/month.csv", ("year", "month"), "csv"),
    ("W40 W41", "/esm/v3/year.pdf", ("year",), "pdf"),
    ("W40", "/esm/v3/device/app.csv", ("device", "app.csv"), None),
    ("W40", "/esm/v3/device/app.xml", ("device", "app"), "xml"),
    ("W40", "/esm/v3/device/app.csv.csv", ("device", "app.csv"), "csv"),
    ("W5", "/esm/v3/year.", ("year.",), None),
    ("W4", "/esm/v3/yaer.csv", ("yaer.csv",), None),
    ("W4", "/esm/v3/year.csv/month", ("year.csv", "month"), None),
    ("W5", "/esm/v3//year", ("", "year"), None),
]


@pytest.mark.parametrize(("rules", "text", "path", "extension"), LOCATIONS)
def test_location(rules, text, path, extension):
    assert locate(split_target(text), ESM) == Location(path, extension)


@pytest.mark.parametrize("text", ["/", "/esm", "/esm/v4", "/esm/v3x", "/Esm/v3", "/esm/v3.", "/cubes/v1", "/v3.csv"])
def test_location_elsewhere(text):
    assert locate(split_target(text), ESM) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("?format=csv", "csv"), ("?format=CSV", "CSV"), ("?format", None), ("?format=&format=x", "x"), ("", None)],
)
def test_format_is_read_but_not_judged(text, expected):  # W15 W23
    assert read_format(split_target("/esm/v3" + text)) == expected


QUERIES = [
    ("W1", "", Query()),
    ("W2", "/platform/device", Query("platform/device")),
    ("W3", "/platform/device.csv", Query("platform/device")),
    ("W10", "/platform?platform=a", Query("platform", where={"platform": "a"})),
    ("W10", "/platform?platform=a&platform=b", Query("platform", where={"platform": ["a", "b"]})),
    ("W10", "/platform?platform!=a&platform%21=b", Query("platform", where_not={"platform": ["a", "b"]})),
    ("W10", "/platform?platform=a,b%20&platform!=A",
     Query("platform", where={"platform": "a,b "}, where_not={"platform": "A"})),
    ("W10", "/platform?device=!&platform!=a&platform==",
     Query("platform", where={"platform": "=", "device": "!"}, where_not={"platform": "a"})),
    ("W11", "/platform?app", Query("platform", include="app")),
    ("W11", "/platform?app=&device", Query("platform", include=("app", "device"))),
    ("W11 W24", "/platform?device&app&device", Query("platform", include=("device", "app"))),
    ("W11", "/platform?device=x&app&device", Query("platform", include=("app", "device"), where={"device": "x"})),
    ("W11", "/platform?platform", Query("platform")),
    ("W12 W13", "?platform=a", Query(where={"platform": "a"})),
    ("W12", "/rank?rank=7&rank=07&rank=7.0&rank=x", Query("rank", where={"rank": [7, "x"]})),
    ("W12", "?price=12.50&price=12.5&price!=1,5", Query(where={"price": Decimal("12.5")}, where_not={"price": "1,5"})),
    ("W12", "?score=0.5&score=5e-1&score=1e999", Query(where={"score": [0.5, "1e999"]})),
    ("W12", "?live=true&live=True", Query(where={"live": [True, "True"]})),
    ("W12", "?aired=2024-07-20&aired=20.7.", Query(where={"aired": [date(2024, 7, 20), "20.7."]})),
    ("W12", "?seen=2024-07-20T10&seen=2024-07-20+10:00",
     Query(where={"seen": datetime.fromisoformat("2024-07-20T10:00")})),
    ("W20", "/platform?metrics=plays,clients", Query("platform", metrics=("plays", "clients"))),
    ("W20", "?metrics=plays,plays&metrics=clients&metrics=plays", Query(metrics=("plays", "clients"))),
    ("W3 W20", "/tenant?metrics=longest", Query("tenant", metrics="longest")),
    ("W15", "/platform?start=&end=&limit=&metrics=&format=&limit", Query("platform")),
    ("W18", "/platform?start=2024&end=2025", Query("platform")),
    ("W18", "/platform?start=2099", Query("platform")),
    ("W22", "/platform?limit=7", Query("platform", limit=7)),
    ("W22", "/platform?limit=007", Query("platform", limit=7)),
    ("W22", "/platform?limit=5001", Query("platform", limit=5000)),
    ("W22", "/platform?limit=" + "9" * 9000, Query("platform", limit=5000)),
    ("W23", "/platform?format=csv&access_token=x", Query("platform")),
    ("W30", "?platform=N/A", Query(where={"platform": None})),
    ("W30", "?platform=%28empty%29&platform=n/a", Query(where={"platform": ["", "n/a"]})),
    ("W30", "?device!=unknown&device!=N/A", Query(where_not={"device": [None, "N/A"]})),
    ("W30", "?rank=N/A", Query(where={"rank": None})),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "text", "expected"), QUERIES)
def test_query(rules, text, expected):
    limited = Query(expected.path, include=expected.include, filters=expected.filters,
                    metrics=expected.metrics, limit=expected.limit or 1000)  # fmt: skip
    assert ask("/esm/v3" + text) == settle(limited, ESM)


ERRORS = [
    ("W4", "/year/mnoth", "there is no report 'year/mnoth': below 'year' there are month, platform, but"),
    ("W4", "/yaer", "below the root there are year, "),
    ("W4", "/quarter/year", "nothing is below 'quarter'"),
    ("W4", "/region", "below the root there are"),
    ("W5", "//year", "not ''"),
    ("W5", "/Year", "not 'Year'"),
    ("W11", "/platform?device!", "'device!' needs a value"),
    ("W11", "/platform?device!=", "'device!' needs a value"),
    ("W13", "/year?devize=x", "'devize' is no key for the report 'year'; possible are device, "),
    ("W13", "/quarter?platform=x", "'platform' is no key"),
    ("W13", "/year?Platform", "'Platform' is no key"),
    ("W13", "?region=EU", "'region' is no key for the root"),
    ("W13", "?=x", "'' is no key"),
    ("W13", "?start!=2024", "'start!' is no key"),
    ("W13", "?strat=2024", "possible are start, "),
    ("W13", "?sort=-clients", "'sort' is no key"),
    ("W14", "/year?month=7", "'month' cannot be filtered by value; give start and end"),
    ("W14", "/year?year!=2024", "'year' cannot be filtered"),
    ("W16", "/year?start=2024&start=2024", "start is given 2 times"),
    ("W16", "/year?start=2024&end=2024-01", "2024-01-01T00:00:00 is not before end 2024-01-01T00:00:00"),
    ("W16 W18", "/platform?start=2025&end=2024", "is not before"),
    ("W16 W17", "/year?start=2024-08-20T14:35:21", "is not before end 2024-08-20T14:35:21"),
    ("W18", "/platform?end=2024&end=2024", "end is given 2 times"),
    ("W18", "/platform?start=now", "start 'now' is not an ISO 8601 date"),
    ("W20", "?metrics=client", "there is no metric 'client'; this report has clients, "),
    ("W20", "?metrics=plays,", "there is no metric ''"),
    ("W3 W20", "/tenant?metrics=clients",
     "not offered here but in the tree main, devices, kinds; this report has longest"),
    ("W22", "?limit=0", "limit '0' is no number of records; give a whole number from 1 to 5000"),
    *(("W22", f"?limit={text}", "is no number of records") for text in
      ("00", "-1", "+5", "%2B5", "1.5", "1e3", "+", "x", "٣", "5+", "1_0", "²", "Infinity")),
    ("W22", "?limit=5&limit=5", "limit is given 2 times"),
    ("W23", "?format=csv&format=csv", "format is given 2 times"),
    ("W23", "?access_token=a&access_token=a", "access_token is given more than once"),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "text", "message"), ERRORS)
def test_query_that_is_wrong(rules, text, message):
    with pytest.raises(QueryError) as caught:
        ask("/esm/v3" + text)
    assert message in str(caught.value)
    path_is_wrong = rules in ("W4", "W5")
    assert isinstance(caught.value, UnknownResource) == path_is_wrong


def test_audience_decides_which_trees_there_are():  # W3 W60
    assert ask("/esm/v3/region/platform", principal=PARTNER).path == ("region", "platform")
    with pytest.raises(UnknownResource):
        ask("/esm/v3/region/platform", principal=Principal(audience="other"))


def test_implied_filter_may_be_named_anywhere_but_not_included():  # W13 W60
    expected = Query("quarter", where={"region": "US"})
    assert ask("/esm/v3/quarter?region=US", principal=PARTNER).filters == expected.filters
    with pytest.raises(QueryError, match="'region' can only be filtered here, not included; what can: quarter"):
        ask("/esm/v3/quarter?region", principal=PARTNER)


@pytest.mark.parametrize(
    "text",
    [
        "?access_token=s3cret&access_token=s3cret",
        "?access_token%3Ds3cret",
        "?metrics=clients%26access_token%3Ds3cret",
        "?limit=5%26ACCESS_TOKEN=s3cret",
        "?start=2024%26access_token=s3cret",
        "?access_token=s3cret%ff",
        "?access_token=s3cret%",
        "/year&access_token=s3cret",
        "/year/access_token=s3cret/x",
    ],
)
def test_credential_is_never_echoed(text):  # W23 W54
    with pytest.raises(QueryError) as caught:
        ask("/esm/v3" + text)
    assert "s3cret" not in str(caught.value)


def test_input_is_echoed_short_and_on_one_line():
    with pytest.raises(QueryError) as caught:
        ask("/esm/v3?" + "%0D%0A%00" * 50_000 + "=x")
    assert len(str(caught.value)) < 2000
    assert str(caught.value).isprintable()


def test_interval_everywhere_has_no_default():  # W18
    assert ask("/esm/v3/platform", EVERYWHERE) == Query("platform", limit=1000)
    asked = ask("/esm/v3/platform?start=2024", EVERYWHERE)
    assert (asked.start, asked.end) == (settle(Query(start="2024"), EVERYWHERE).start, None)


def test_cube_without_time_checks_and_ignores_an_interval():  # W18
    assert ask("/esm/v3/rank?start=2024&end=2025", TIMELESS) == Query("rank", limit=1000)
    for wrong in ("start=2025&end=2024", "end=never", "end=1&end=2"):
        with pytest.raises(QueryError):
            ask("/esm/v3/rank?" + wrong, TIMELESS)


@pytest.mark.parametrize("piece", ["platform=%41{}&", "app&", "metrics=clients&", "&", "=&", "device!={}&", "/", "%2F"])
def test_reading_takes_linear_time(piece):
    text = "/esm/v3" + ("?" if piece.endswith("&") else "/") + "".join(piece.format(n) for n in range(10_000))
    started = perf_counter()
    with suppress(QueryError):
        ask(text)
    assert perf_counter() - started < 1  # a few hundredths here; quadratic would be minutes
