"""One request in, one response out: statuses, headers and bodies, by table."""

from __future__ import annotations

import csv
import io
import logging
import re
from base64 import b64encode
from hashlib import sha256
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from web_cubes import NOW, STAFF_MEMBER, ask, cube, document

from wolap import Principal, Time, Tree
from wolap.web import endpoint as module
from wolap.web.endpoint import Endpoint, Request, Response

STORED = ("year/month/day/country", "country/city")
PLAIN = "text/plain; charset=utf-8"
CSV = "text/csv; charset=utf-8"
HTML = "text/html; charset=utf-8"


@pytest.fixture(scope="module")
def sales() -> Endpoint:
    return Endpoint(cube(*STORED))


# Method, target, Accept; then status, Content-Type and something that the body says.
TABLE = (
    ("GET", "/sales/v1", None, 200, "application/json", '"sales":"10"'),
    ("GET", "/sales/v1/", None, 200, "application/json", '"sales":"10"'),
    ("GET", "/sales/report", None, 200, "application/json", '"/sales/v1?limit=1000&'),
    ("GET", "/sales/v1.csv", None, 200, CSV, "sales,amount,average\r\n10,510,"),
    ("GET", "/sales/report.csv", None, 200, CSV, "sales,amount,average\r\n10,510,"),
    ("GET", "/sales/v1/country", None, 200, "application/json", '{"country":"JP","sales":"1"'),
    ("GET", "/sales/v1/country.csv", "application/json", 200, CSV, "country,sales"),
    ("GET", "/sales/v1/country?format=csv", "application/json", 200, CSV, "country,sales"),
    ("GET", "/sales/v1/country.json?format=csv", "text/csv", 200, "application/json", "_links"),
    ("GET", "/sales/v1/country?format=", "text/csv", 200, CSV, "country,sales"),
    ("GET", "/sales/v1/country", "application/hal+json", 200, "application/hal+json", "_links"),
    ("GET", "/sales/v1/country?city=K%C3%B6ln&metrics=sales", None, 200, "application/json", '"sales":"2"'),
    ("GET", "/sales/v1/country?city=Köln&metrics=sales", None, 200, "application/json", '"sales":"2"'),
    ("GET", "http://example.org/sales/v1?metrics=sales", None, 200, "application/json", '"sales":"10"'),
    ("GET", "/sales/v1?access_token=secret&metrics=sales", None, 200, "application/json", '"sales":"10"'),
    ("HEAD", "/sales/v1/country", None, 200, "application/json", ""),
    ("OPTIONS", "/sales/v1/country", None, 204, None, ""),
    ("OPTIONS", "*", None, 204, None, ""),
    ("OPTIONS", "/nowhere", None, 204, None, ""),
    ("GET", "/sales/v1/country?colour=red", None, 400, PLAIN, "'colour'"),
    ("GET", "/sales/v1/month?x", None, 404, PLAIN, "country, year"),
    ("GET", "/sales/v1/country/year", None, 404, PLAIN, "city"),
    ("GET", "/sales/v1/country/city/kind/kind", None, 404, PLAIN, "nothing is below 'country/city/kind'"),
    ("GET", "/sales/v1//country", None, 404, PLAIN, "below the root"),
    ("GET", "/sales/v1/Country", None, 404, PLAIN, "country"),
    ("GET", "/sales/v1/country%", None, 404, PLAIN, "%25"),
    ("GET", "/sales/v1/%ff", None, 404, PLAIN, "UTF-8"),
    ("GET", "/sales/v1/country?city=%ff", None, 400, PLAIN, "UTF-8"),
    ("GET", "/sales/v1/country?city=\ud800", None, 400, PLAIN, "UTF-8"),
    ("GET", "/sales/v1/kind", None, 404, PLAIN, "'kind'"),
    ("GET", "", None, 200, "application/json", '"/sales/v1"'),
    ("GET", "/", None, 200, "application/json", '"/sales/v1"'),
    ("GET", "/", "text/html,*/*;q=0.8", 200, HTML, "/sales/v1"),
    ("GET", "/?format=html", None, 200, HTML, "/sales/v1"),
    ("GET", "/?format=csv", None, 406, PLAIN, "json, html"),
    ("GET", "/nothing", None, 404, PLAIN, "/sales/v1"),
    ("GET", "/sales", None, 404, PLAIN, "/sales/v1"),
    ("HEAD", "/sales", None, 404, PLAIN, ""),
    ("GET", "/sales/v1/country.xml", None, 200, "application/xml", "<record country="),
    ("GET", "/sales/v1/country", "text/xml", 200, "text/xml; charset=utf-8", "<record country="),
    ("GET", "/sales/v1/country.html", None, 200, HTML, "<table>"),
    ("GET", "/sales/v1/country.csv-safe", None, 200, CSV, "country,sales"),
    ("GET", "/sales/v1/country.xls", None, 406, PLAIN, "csv"),
    ("GET", "/sales/v1/country.tar", None, 406, PLAIN, "'tar'"),
    ("GET", "/sales/v1/country?format=JSON", None, 406, PLAIN, "'JSON'"),
    ("GET", "/sales/v1/country", "image/png", 406, PLAIN, "application/json, application/hal+json, text/csv"),
    ("GET", "/sales/v1/country?format=csv&format=csv", None, 400, PLAIN, "once"),
    ("GET", "/sales/v1/country?metrics=sale", None, 400, PLAIN, "sales"),
    ("GET", "/sales/v1/year?start=2024-08-21T00:00:00&end=2024-08-20", None, 400, PLAIN, "is not before"),
    ("GET", "/sales/v1/country?start=2025&end=2024", None, 400, PLAIN, "is not before"),
    ("GET", "/sales/v1/country?access_token=a&access_token=b", None, 400, PLAIN, "access_token"),
    ("GET", "/sales/v1?" + "a" * 17_000, None, 414, PLAIN, "16,384"),
    ("HEAD", "/sales/v1?" + "a" * 17_000, None, 414, PLAIN, ""),
    ("POST", "/sales/v1/country", None, 405, PLAIN, "GET, HEAD, OPTIONS"),
    ("get", "/sales/v1/country", None, 405, PLAIN, "'get'"),
    ("\r\nX: y", "/sales/v1/country", None, 405, PLAIN, "\\r\\n"),
)


@pytest.mark.parametrize(("method", "target", "accept", "status", "content_type", "said"), TABLE)
def test_table_of_requests(
    sales: Endpoint, method: str, target: str, accept: str | None, status: int, content_type: str | None, said: str
) -> None:
    response = ask(sales, target, method, **({} if accept is None else {"accept": accept}))
    assert response.status == status, response.body
    assert response.header("content-type") == content_type
    assert said in response.body.decode()
    if method in ("HEAD", "OPTIONS"):
        assert response.body == b""
    else:
        assert response.header("Content-Length") == str(len(response.body))
    assert response.header("Allow") == ("GET, HEAD, OPTIONS" if status in (204, 405) else None)
    if status >= 400 and response.body:
        assert response.body.count(b"\n") == 1
        assert response.body.endswith(b"\n")


def test_head_has_the_headers_of_get(sales: Endpoint) -> None:
    for target in ("/sales/v1/country", "/sales/v1/country.csv", "/sales/v1/nothing", "/sales/v1/country.xml"):
        get, head = ask(sales, target), ask(sales, target, "HEAD")
        assert (head.status, untimed(head), head.body) == (get.status, untimed(get), b"")


def untimed(response: Response) -> list[tuple[str, str]]:
    return [(name, value) for name, value in response.headers if name != "Server-Timing"]


def test_a_refusal_hangs_on_the_header_only_where_that_was_at_fault(sales: Endpoint) -> None:
    assert ask(sales, "/sales/v1/country", accept="image/png").header("Vary") == "Accept"
    assert ask(sales, "/sales/v1/country.xls", accept="image/png").header("Vary") is None


@pytest.mark.parametrize(
    ("target", "accept", "vary"),
    [
        ("/sales/v1/country", None, "Accept"),
        ("/sales/v1/country", "text/csv", "Accept"),
        ("/sales/v1/country?format=", "text/csv", "Accept"),
        ("/sales/v1/country.json", "text/csv", None),
        ("/sales/v1/country?format=csv", "text/csv", None),
    ],
)
def test_vary_names_what_the_choice_hung_on(sales: Endpoint, target: str, accept: str | None, vary: str | None) -> None:
    assert ask(sales, target, **({} if accept is None else {"accept": accept})).header("Vary") == vary


def test_rows_and_projection_headers(sales: Endpoint) -> None:
    response = ask(sales, "/sales/v1/country?limit=2&metrics=sales")
    assert response.header("Wolap-Rows") == "2/4"
    assert response.header("Wolap-Projection") in STORED
    assert ask(sales, "/sales/v1/country/city/kind").header("Wolap-Projection") == "facts"


@pytest.mark.parametrize("ending", ["json", "csv", "xml", "html"])
def test_server_timing_has_the_three_stages(sales: Endpoint, ending: str) -> None:  # W52
    timing = ask(sales, f"/sales/v1/country.{ending}").header("Server-Timing") or ""
    assert re.fullmatch(r"plan;dur=\d+\.\d{3}, aggregate;dur=\d+\.\d{3}, serialize;dur=\d+\.\d{3}", timing)


def test_who_may_not_have_explanations_is_told_rows_only(sales: Endpoint) -> None:  # W52
    hidden = Principal(may_explain=False)
    response = ask(sales, "/sales/v1/country.html", principal=hidden)
    assert response.header("Wolap-Rows") == "4/4"
    assert response.header("Wolap-Projection") is response.header("Server-Timing") is None
    assert b"answered by" not in response.body
    assert b"answered by" in ask(sales, "/sales/v1/country.html").body


def test_a_page_allows_nothing_from_elsewhere(sales: Endpoint) -> None:
    response = ask(sales, "/sales/v1/country.html")
    policy = response.header("Content-Security-Policy") or ""
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    style = response.body.partition(b"<style>")[2].partition(b"</style>")[0]
    assert b64encode(sha256(style).digest()).decode() in policy
    assert response.header("X-Content-Type-Options") == "nosniff"


def test_the_index_lists_the_cubes_of_the_caller() -> None:
    ours, theirs = cube(), cube(base="/staff/v1", trees=[Tree.parse("kind", audience="staff")], aliases=())
    endpoint = Endpoint(ours, theirs)
    found = document(ask(endpoint, "/"))["_links"]
    assert found["self"] == {"href": "/"}
    assert [entry["href"] for entry in found["cube"]] == ["/sales/v1"]
    for_staff = document(ask(endpoint, "/", principal=STAFF_MEMBER))["_links"]["cube"]
    assert [entry["href"] for entry in for_staff] == ["/sales/v1", "/staff/v1"]
    mounted = endpoint.respond(Request("GET", "/", {"accept": "text/html"}, root="/reports"), NOW)
    assert b'href="/reports/sales/v1"' in mounted.body


# W44; each unsafe sign of a filter's value becomes a dash, and the rest of the name is as documented.
FILE_NAMES = (
    ("/sales/v1.csv", "sales__1000.csv"),
    ("/sales/v1/country.csv?limit=5", "sales__5.csv"),
    ("/sales/v1/year.csv", "sales__2019-01-01_2024-08-20_1000.csv"),
    ("/sales/v1/year/month.csv?country=FR&start=2024-07-31T12:00", "sales__2024-07-31_2024-08-20_FR_1000.csv"),
    ("/sales/v1/country.csv?country=FR&country=DE&city=Paris", "sales__DE,FR,Paris_1000.csv"),
    ("/sales/v1/country.csv?city=a%22b", "sales__a-b_1000.csv"),
    ("/sales/v1/country.csv?city=a%0D%0ASet-Cookie:%20x", "sales__a--Set-Cookie--x_1000.csv"),
    ("/sales/v1/country.csv?city=../../etc/passwd", "sales__..-..-etc-passwd_1000.csv"),
    ("/sales/v1/country.csv?city=東京", "sales__--_1000.csv"),
    ("/sales/v1/country.csv?city=C:\\a;b=c", "sales__C--a-b-c_1000.csv"),
    ("/sales/v1/country.csv?city=" + "x" * 5000, f"sales__{'x' * 100}_1000.csv"),
    ("/sales/v1/country.csv?country=N/A", "sales__N-A_1000.csv"),
)


@pytest.mark.parametrize(("target", "name"), FILE_NAMES)
def test_file_names(sales: Endpoint, target: str, name: str) -> None:
    response = ask(sales, target)
    assert response.status == 200
    assert response.header("Content-Disposition") == f'attachment; filename="{name}"'


@given(st.text(min_size=1, max_size=40), st.sampled_from(["city", "country", "city!", "kind"]))
def test_no_filter_value_makes_a_header(sales: Endpoint, value: str, key: str) -> None:
    escaped = "".join(f"%{byte:02X}" for byte in value.encode("utf-8", "replace"))
    response = ask(sales, f"/sales/v1/country/city.csv?{key}={escaped}")
    assert response.status == 200
    disposition = response.header("Content-Disposition") or ""
    assert disposition.isascii()
    assert disposition.isprintable()
    assert disposition.count('"') == 2
    assert not {"/", "\\", ";"} & set(disposition.partition("=")[2])


@pytest.mark.parametrize(
    ("zone", "target", "name"),
    [
        ("Europe/Berlin", "year/month.csv?end=9999-12-31T23:59:59Z", "sales__9999-11-30_9999-12-31_1000.csv"),
        ("-08:00", "year.csv?start=0001-01-01T00:00:00Z&end=0001-01-02", "sales__0001-01-01_0001-01-02_1000.csv"),
    ],
)
def test_file_names_at_the_ends_of_the_calendar(zone: str, target: str, name: str) -> None:
    endpoint = Endpoint(cube(time=Time("at", ("year", "month"), zone), trees=[Tree.parse("year\n  month")]))
    response = ask(endpoint, f"/sales/v1/{target}")
    assert response.status == 200
    assert response.header("Content-Disposition") == f'attachment; filename="{name}"'


def test_the_file_name_of_an_interval_that_is_open_on_one_side() -> None:  # W18, W44
    endpoint = Endpoint(cube(time=Time("at", ("year",), everywhere=True), trees=[Tree.parse("kind")]))
    response = ask(endpoint, "/sales/v1/kind.csv?end=2024-08-02")
    assert response.header("Content-Disposition") == 'attachment; filename="sales___2024-08-02_1000.csv"'


def test_a_caller_is_told_of_their_cubes_only() -> None:  # W60
    endpoint = Endpoint(cube(), cube(base="/hidden/v1", trees=[Tree.parse("kind", audience="staff")], aliases=()))
    assert b"hidden" not in ask(endpoint, "/nowhere").body
    assert b"hidden" in ask(endpoint, "/nowhere", principal=STAFF_MEMBER).body


def test_who_may_not_have_explanations_is_not_told_of_candidates() -> None:  # W52
    endpoint = Endpoint(cube("year/kind", strict=True))
    target = "/sales/v1/year?metrics=customers"
    told, hidden = ask(endpoint, target), ask(endpoint, target, principal=Principal(may_explain=False))
    assert (told.status, hidden.status) == (400, 400)
    assert b"year/kind: " in told.body
    assert hidden.body == b"nothing that is stored can answer year with customers\n"


def test_a_fault_of_ours_tells_nothing(
    sales: Endpoint, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(module, "describe", broken)
    with caplog.at_level(logging.ERROR, "wolap"):
        response = ask(sales, "/sales/v1/country?access_token=secret")
    assert response.status == 500
    assert response.header("Content-Type") == PLAIN
    assert response.body == b"an error of this server; its log has the details\n"
    assert "hunter2" in caplog.text
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text
    assert ask(sales, "/sales/v1/country", "HEAD").body == b""


def test_a_cancelled_request_is_503(sales: Endpoint) -> None:
    cancel = Event()
    cancel.set()
    response = sales.respond(Request("GET", "/sales/v1/country/city/kind", cancel=cancel), NOW)
    assert (response.status, response.header("Content-Type")) == (503, PLAIN)


def test_503_says_when_to_come_back(sales: Endpoint) -> None:
    cancel = Event()
    cancel.set()
    response = sales.respond(Request("GET", "/sales/v1/country/city/kind", cancel=cancel), NOW)
    assert (response.header("Retry-After") or "").isdigit()


@pytest.mark.parametrize("sign", ["a", "%61", "ö", "東"])
def test_longest_target_is_16_kib(sales: Endpoint, sign: str) -> None:
    head = "/sales/v1/country?metrics=sales&city="
    implied = "&limit=1000"  # the self link, which must be followed, says it as well
    written = len(sign) if sign.isascii() else 3 * len(sign.encode())
    fits = (16 * 1024 - len(head) - len(implied)) // written
    assert ask(sales, head + sign * fits).status == 200
    assert ask(sales, head + sign * (fits + 12)).status == 414


@pytest.mark.parametrize("rows", [(), None])
def test_root_is_one_record(rows: tuple[()] | None) -> None:
    endpoint = Endpoint(cube() if rows is None else cube(rows=rows))
    target = "/sales/v1?country=nobody" if rows is None else "/sales/v1"
    record = {"sales": "0", "amount": None, "average": None, "customers": "0", "per-customer": None}
    found = document(ask(endpoint, target))
    assert found["report"] == [record]
    assert ask(endpoint, target.replace("v1", "v1.csv")).body.splitlines()[1] == b"0,,,0,"
    assert document(ask(endpoint, "/sales/v1/country?city=nobody"))["report"] == []
    assert ask(endpoint, "/sales/v1/country.csv?city=nobody").body.count(b"\r\n") == 1


def test_native_numbers() -> None:
    endpoint = Endpoint(cube(native_numbers=True))
    report = document(ask(endpoint, "/sales/v1/year/month/country?start=2024-07-20&country=FR"))["report"]
    assert report == [
        {
            "year": 2024,
            "month": 7,
            "country": "FR",
            "sales": 1,
            "amount": None,
            "average": None,
            "customers": 1,
            "per-customer": None,
        },
        {
            "year": 2024,
            "month": 8,
            "country": "FR",
            "sales": 2,
            "amount": 110,
            "average": 55.0,
            "customers": 2,
            "per-customer": 55.0,
        },
    ]
    assert type(report[0]["sales"]) is int


def test_two_cubes_on_one_endpoint() -> None:
    other = cube(base="/other/v2", aliases=("/other/v1.5",))
    endpoint = Endpoint(cube(), other)
    assert document(ask(endpoint, "/other/v2"))["_links"]["self"]["href"].startswith("/other/v2?")
    assert document(ask(endpoint, "/other/v1.5"))["_links"]["self"]["href"].startswith("/other/v2?")
    assert ask(endpoint, "/other/v1.5.csv").header("Content-Type") == CSV
    assert document(ask(endpoint, "/sales/v1"))["_links"]["self"]["href"].startswith("/sales/v1?")
    assert b"/other/v2" in ask(endpoint, "/third").body
    with pytest.raises(ValueError, match="/sales/report"):
        Endpoint(cube(), cube(base="/sales/report", aliases=()))


TEXTS = st.text(max_size=60)
TARGET_PIECES = [*"/?&=!%.,+:#", "/sales/v1", "country", "city", "year", "start=", "2024", "-07", "limit=", "metrics="]
TARGET_PIECES += ["format=", "amount", "csv", "json", "%00", "%C3%B6", "\ud800", "ö", "access_token"]
PIECES = st.lists(st.sampled_from(TARGET_PIECES), max_size=14).map("".join)
KNOWN = {200, 204, 400, 404, 405, 406, 414}


@settings(max_examples=300)
@given(
    method=st.sampled_from(["GET", "GET", "GET", "HEAD", "OPTIONS", "PUT"]) | TEXTS,
    target=PIECES | PIECES.map("/sales/v1/".__add__) | PIECES.map("/sales/v1/country?".__add__) | TEXTS,
    headers=st.dictionaries(st.sampled_from(["accept", "host", "if-none-match"]) | TEXTS, PIECES | TEXTS, max_size=3),
    root=st.sampled_from(["", "/prefix"]),
    principal=st.sampled_from([Principal(), STAFF_MEMBER]),
)
def test_any_request_has_a_known_status(
    sales: Endpoint, method: str, target: str, headers: dict[str, str], root: str, principal: Principal
) -> None:
    response = sales.respond(Request(method, target, headers, principal, root), NOW)
    assert response.status in KNOWN, (response.status, target)
    for name, value in response.headers:
        assert (name + value).isascii(), (name, value)
        assert (name + value).isprintable(), (name, value)
    response.body.decode()


def test_formats_hold_the_same_records(sales: Endpoint) -> None:
    for path in ("", "/country", "/country/city/kind", "/year/month/day/country/city?start=2024"):
        report = document(ask(sales, f"/sales/v1{path}"))["report"]
        first, _, query = f"/sales/v1{path}".partition("?")
        body = ask(sales, f"{first}.csv?{query}").body.decode()
        header, *rows = csv.reader(io.StringIO(body, newline=""))
        assert [[record[name] or "" for name in header] for record in report] == rows
        assert header == list(report[0])
