"""Last-Modified, ETag and 304 (W50), and what `Wolap-Projection` tells of age."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers import asker, uvicorn_server, wsgiref_server
from web_cubes import NOW, ROWS, ask, cube, facts

from wolap import Cube, Filter, Principal, declare_projection
from wolap.planner import cost
from wolap.snapshot import Snapshot
from wolap.web.endpoint import Endpoint, Request, Response

MORNING = datetime.fromisoformat("2024-08-20T06:00:00+00:00")
NOON = datetime.fromisoformat("2024-08-20T12:00:00+00:00")
DATED = "Tue, 20 Aug 2024 06:00:00 GMT"
JULY = "/sales/v1/year/month?start=2024-07&end=2024-08&metrics=sales"
AUGUST = "/sales/v1/year/month?start=2024-08&end=2024-09&metrics=sales"
COUNTRIES = "/sales/v1/country?metrics=sales"


def made(**options: Any) -> Cube:
    """Months with their schedule and countries without, both of the morning."""
    found = cube(**options)
    found.materialize(
        declare_projection(found.schema, "year/month", every="1 day"),
        declare_projection(found.schema, "country/city/kind"),
        now=MORNING,
    )
    return found


def more(at: str) -> Any:
    return facts(((at, "DE", "Berlin", "tea", "gus", 5),))


def tag_of(response: Response) -> str:
    assert response.status == 200, response.body
    found = response.header("ETag")
    assert found is not None
    return found


def test_a_report_says_when_it_was_refreshed() -> None:
    response = ask(Endpoint(made()), JULY)
    assert response.header("Last-Modified") == DATED
    assert response.header("Wolap-Projection") == "year/month; refreshed=2024-08-20T06:00:00Z"
    tag = tag_of(response)
    assert tag[0] == tag[-1] == '"'
    assert tag_of(ask(Endpoint(made()), JULY)) != tag, "another cube, of which nobody knows that it is the same"


def test_what_comes_from_the_facts_has_no_date() -> None:
    endpoint = Endpoint(made())
    for target in ("/sales/v1/year/month/day", "/sales/v1/year/month?start=2024-07-20T12&end=2024-09&metrics=sales"):
        response = ask(endpoint, target)
        assert "facts" in (response.header("Wolap-Projection") or "")
        assert response.header("Last-Modified") is None
        assert tag_of(response)


def test_of_an_unknown_time_nothing_is_said() -> None:
    response = ask(Endpoint(cube("country")), COUNTRIES)
    assert response.header("Last-Modified") is None
    assert response.header("Wolap-Projection") == "country"


def test_the_next_whole_second_once_it_has_come() -> None:
    served = cube()
    served.materialize("country", now=NOW - timedelta(milliseconds=300))
    response = ask(Endpoint(served), COUNTRIES)
    assert response.header("Last-Modified") == "Tue, 20 Aug 2024 14:35:21 GMT"
    served.materialize("country", now=NOW + timedelta(milliseconds=300))
    assert ask(Endpoint(served), COUNTRIES).header("Last-Modified") is None


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("named", ["{}", "W/{}", '"x", {} ,"y"', "*"])
def test_who_has_a_report_gets_none_and_nothing_is_computed(
    method: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = Endpoint(made())
    tag = tag_of(ask(endpoint, JULY))

    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Snapshot, "run", never)
    response = ask(endpoint, JULY, method, **{"if-none-match": named.format(tag)})
    assert (response.status, response.body) == (304, b"")
    assert dict(response.headers) == {"ETag": tag, "Last-Modified": DATED, "Vary": "Accept"}


@pytest.mark.parametrize("named", ['"x"', "", "{0}x", 'x"{0}"', "{1}"])
def test_another_tag_is_another_report(named: str) -> None:
    endpoint = Endpoint(made())
    tag = tag_of(ask(endpoint, JULY))
    headers = {"if-none-match": named.format(tag[1:-1], tag[:-2] + '"'), "if-modified-since": DATED}
    assert ask(endpoint, JULY, **headers).status == 200


@pytest.mark.parametrize(
    ("target", "since", "status"),
    [
        (JULY, DATED, 304),
        (JULY, "Wed, 21 Aug 2024 06:00:00 GMT", 304),
        (JULY, "Tuesday, 20-Aug-24 06:00:00 GMT", 304),
        (JULY, "Tue Aug 20 06:00:00 2024", 304),
        (JULY, "Tue, 20 Aug 2024 05:59:59 GMT", 200),
        (JULY, "yesterday", 200),
        (JULY, "Tue, 99 Aug 2024 06:00:00 GMT", 200),
        (JULY, "", 200),
        (COUNTRIES, DATED, 304),
        # Of these the clock is one end.
        ("/sales/v1/year/month?metrics=sales", DATED, 200),
        ("/sales/v1/year/month?start=2024-07&metrics=sales", DATED, 200),
        ("/sales/v1/year/month?start=2024-07&end=&metrics=sales", DATED, 200),
        # Of this the facts.
        ("/sales/v1/year/month/day?start=2024-07&end=2024-08", DATED, 200),
    ],
)
def test_a_date_counts_where_the_interval_is_said(target: str, since: str, status: int) -> None:
    assert ask(Endpoint(made()), target, **{"if-modified-since": since}).status == status


def test_a_tag_is_that_of_format_caller_and_query() -> None:
    endpoint = Endpoint(made())
    german = Principal(filters=(Filter("country", frozenset({"DE"})),))
    asked = [
        (COUNTRIES, None),
        (COUNTRIES, german),
        (f"{COUNTRIES}&limit=2", None),
        (f"{COUNTRIES}&country=DE", None),
        ("/sales/v1/country.csv?metrics=sales", None),
        ("/sales/v1/country.csv-safe?metrics=sales", None),
        ("/sales/v1/country.xml?metrics=sales", None),
        ("/sales/v1/country?metrics=amount", None),
        ("/sales/v1/country/city?metrics=sales", None),
    ]
    tags = [tag_of(ask(endpoint, target, principal=principal)) for target, principal in asked]
    assert len(set(tags)) == len(asked)
    assert tags == [tag_of(ask(endpoint, target, principal=principal)) for target, principal in asked]


def test_a_page_for_people_has_a_weak_tag() -> None:
    endpoint = Endpoint(made())
    tag = tag_of(ask(endpoint, "/sales/v1/country.html?metrics=sales"))
    assert tag.startswith('W/"')
    assert ask(endpoint, "/sales/v1/country.html?metrics=sales", **{"if-none-match": tag}).status == 304


def test_facts_of_another_month_change_nothing_here() -> None:
    served = made()
    endpoint = Endpoint(served)
    july, day = tag_of(ask(endpoint, JULY)), "/sales/v1/year/month/day?start=2024-07-20&end=2024-07-21"
    days = tag_of(ask(endpoint, day))
    served.append(more("2024-08-20T13:00:00"), now=MORNING + timedelta(minutes=1))
    assert ask(endpoint, JULY, **{"if-none-match": july}).status == 304
    served.append(more("2024-07-20T13:00:00"), now=MORNING + timedelta(minutes=2))
    # The months are not due; the days come from the facts.
    assert ask(endpoint, JULY, **{"if-none-match": july}).status == 304
    assert ask(endpoint, day, **{"if-none-match": days}).status == 200
    served.refresh(now=MORNING + timedelta(days=2))
    response = ask(endpoint, JULY, **{"if-none-match": july})
    assert response.status == 200
    # The clock of this request has not come there.
    assert response.header("Last-Modified") is None


def test_the_oldest_piece_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of so few facts all are read, unless a piece more is made to save time.
    monkeypatch.setitem(cost.RATES, "piece", -1e6)
    served = made()
    served.append(more("2024-09-01T00:00:00"), now=NOON)
    response = ask(Endpoint(served), "/sales/v1/year/month?start=2024-07&end=2024-10&metrics=sales")
    told = "year/month; refreshed=2024-08-20T06:00:00Z; oldest, facts; refreshed=2024-08-20T12:00:00Z"
    assert response.header("Wolap-Projection") == told
    assert response.header("Last-Modified") is None
    stranger = Principal(may_explain=False)
    assert ask(Endpoint(served), JULY, principal=stranger).header("Wolap-Projection") is None


def test_all_processes_have_the_same_tag_of_a_folder(tmp_path: Path) -> None:
    served = made()
    served.save(tmp_path / "cube")
    tag = tag_of(ask(Endpoint(served), JULY))
    again = Endpoint(Cube.open(tmp_path / "cube"))
    assert tag_of(ask(again, JULY)) == tag
    assert ask(again, JULY, **{"if-none-match": tag}).status == 304


@pytest.mark.parametrize("server", [uvicorn_server, wsgiref_server])
def test_over_a_socket(server: Any) -> None:
    rows = tuple((at, country, f"city {number}", *rest) for number in range(40) for at, country, _, *rest in ROWS)
    target = "/sales/v1/country/city?metrics=sales"
    with server(served=made(rows=rows)) as port:
        client = asker(port)
        status, headers, body = client(target)
        assert (status, headers["last-modified"]) == (200, DATED)
        coded, packed, _ = client(target, accept_encoding="gzip")
        assert (coded, packed["content-encoding"]) == (200, "gzip")
        assert packed["etag"] == headers["etag"][:-1] + '-gzip"'
        for tag in (headers["etag"], packed["etag"]):
            for method in ("GET", "HEAD"):
                status, found, body = client(target, method, if_none_match=tag, accept_encoding="gzip")
                assert (status, body, found["etag"]) == (304, b"", tag)
                assert found["vary"] == "Accept, Accept-Encoding"
                assert "content-type" not in found
                assert "content-encoding" not in found
        assert client(target, if_none_match='"other"')[0] == 200
        assert client(target, if_modified_since=DATED)[0] == 304


TARGETS = [
    f"/sales/v1/{path}{form}?metrics=sales{bounds}{more}"
    for path, bounds in [
        ("country", ""),
        ("year/month", "&start=2024-07&end=2024-10"),
        ("year/month", ""),
        ("year", ""),
    ]
    for form in ("", ".csv", ".xml")
    for more in ("", "&limit=1", "&country=DE")
]


@given(st.data())
def test_an_equal_tag_means_equal_bytes(data: st.DataObject) -> None:
    served = made(strict=data.draw(st.booleans()))
    endpoint, now = Endpoint(served), NOON
    seen: dict[str, bytes] = {}
    for target in data.draw(st.lists(st.sampled_from(TARGETS), min_size=2, max_size=12)):
        happening = data.draw(st.sampled_from(["nothing", "nothing", "append", "refresh", "delete", "build"]))
        now += data.draw(st.sampled_from([timedelta(0), timedelta(seconds=1), timedelta(days=1)]))
        if happening == "append":
            days = st.sampled_from(["2024-07-20", "2024-08-20", "2024-09-01"])
            served.append(more(f"{data.draw(days)}T05:00:00"), now=now)
        elif happening == "refresh":
            served.refresh(now=now)
        elif happening == "delete":
            served.delete(where={"city": data.draw(st.sampled_from(["Berlin", "Paris"]))}, now=now)
        elif happening == "build":
            served.materialize("country", now=now)
        principal = data.draw(
            st.sampled_from([Principal(), Principal(filters=(Filter("country", frozenset({"DE"})),))])
        )
        response = endpoint.respond(Request("GET", target, {}, principal), now)
        if response.status != 200:
            assert response.header("ETag") is None
            continue
        assert seen.setdefault(tag_of(response), response.read()) == response.read()
