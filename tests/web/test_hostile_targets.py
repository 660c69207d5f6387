"""Whatever is sent has a known status, never a fault of ours: a table of hostile targets, and a fuzzer.

What each of the named targets costs, all of them cold, in order:

    pytest tests/web/test_hostile_targets.py -k named --durations=20 -vv

The fuzzer runs a fixed number of cases, with the profile `nightly` 5,000 for each of its tests, or as many as are said:

    WOLAP_FUZZ_CASES=100000 pytest tests/web/test_hostile_targets.py -k fuzz
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from web_cubes import NOW, STAFF_MEMBER, cube

from wolap import Filter, Principal, Time, Tree
from wolap.web.endpoint import Endpoint, Request, Response
from wolap.web.negotiation import FORMATS

KNOWN = {200, 204, 400, 404, 405, 406, 414}
LONGEST_REFUSAL = 1000
SECRET = "S3CRETf00d"

IN_A_PLACE = Time("at", ("year", "month", "day", "hour", "second"), zone="Australia/Lord_Howe")
LIMITED = Principal(audience="staff", filters=(Filter("country", frozenset({"DE", None})),))
ENDPOINTS: dict[str, tuple[Endpoint, Principal]] = {
    "plain": (Endpoint(cube(time=IN_A_PLACE)), Principal()),
    "strict": (Endpoint(cube("year/month/day/country", "country/city", strict=True)), STAFF_MEMBER),
    "two": (
        Endpoint(
            cube("country/city"),
            cube(base="/other/v1.5", aliases=("/other", "/other/v1.5/x"), trees=[Tree.parse("kind\n city\n  year")]),
        ),
        LIMITED,
    ),
}

# --- what holds for every answer --------------------------------------------------------------------------------------


def read_json(text: str) -> None:
    assert isinstance(json.loads(text), dict)


def read_csv(text: str) -> None:
    header, *records = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert all(len(record) == len(header) for record in records)


def read_html(text: str) -> None:
    assert text.lower().startswith("<!doctype html>")
    HTMLParser().feed(text)


READERS: dict[str, Callable[[str], object]] = {
    "json": read_json,
    "csv": read_csv,
    "html": read_html,
    "xml": lambda text: ElementTree.fromstring(text.encode()),
}


def check(request: Request, response: Response) -> None:
    """What must hold for the answer to anything at all."""
    assert response.status in KNOWN, (response.status, request)
    for name, value in response.headers:
        assert (name + value).isascii(), (name, value)
        assert (name + value).isprintable(), (name, value)
    text = response.body.decode("utf-8")
    kind = (response.header("Content-Type") or "").partition(";")[0]
    if request.method in ("HEAD", "OPTIONS"):
        assert text == ""
    elif response.status == 200:
        READERS[kind.rpartition("/")[2].rpartition("+")[2]](text)
    if response.status >= 400:
        assert kind == "text/plain"
        assert request.method == "HEAD" or (text.endswith("\n") and text[:-1].isprintable()), text
        assert len(text) <= LONGEST_REFUSAL, text


def respond(name: str, target: str, method: str = "GET", accept: str | None = None) -> Response:
    endpoint, principal = ENDPOINTS[name]
    request = Request(method, target, {} if accept is None else {"accept": accept}, principal)
    response = endpoint.respond(request, NOW)
    check(request, response)
    return response


# --- a table ----------------------------------------------------------------------------------------------------------

BASE = "/sales/v1"
CITY = f"{BASE}/country/city"
ROOM = 15_000  # the longest target is 16 KiB


def full(head: str, piece: str) -> str:
    """A target that goes on with a piece, in which # is a running number, for as long as it may."""
    pieces = (piece.replace("#", str(number)) for number in range(ROOM // len(piece.replace("#", "9999"))))
    return head + "".join(pieces)


# A name, the target, and the status that the plain cube has for it.
HOSTILE = (
    ("a long step", "/" + "a" * ROOM, 404),
    ("a long step below the base", f"{BASE}/" + "a" * ROOM, 404),
    ("a long extension", f"{BASE}/country." + "x" * ROOM, 406),
    ("dots only", f"{BASE}/country" + "." * ROOM, 404),
    ("many steps", full(BASE, "/country"), 404),
    ("slashes only", "/" * ROOM, 404),
    ("slashes behind the base", BASE + "/" * ROOM, 404),
    ("up and up", full(BASE, "/.."), 404),
    ("up to another cube", f"{BASE}/../v2/country", 404),
    ("a dot for here", f"{BASE}/./country", 404),
    ("escaped dots and slashes", f"{BASE}/%2e%2e%2f%2e%2e%2fetc%2fpasswd", 404),
    ("NUL in the path", f"{BASE}/country%00", 404),
    ("raw NUL in the path", f"{BASE}/country\0", 404),
    ("NULs", full(f"{BASE}/", "%00"), 404),
    ("line feeds", full(f"{BASE}/", "%0D%0A"), 404),
    ("a target with a raw line feed", f"{BASE}/country\r\nX: y", 404),
    ("escapes of letters", full(f"{BASE}/", "%41"), 404),
    ("signs of four bytes", full(f"{BASE}/", "%F0%9F%98%80"), 404),
    ("a broken escape in the path", f"{BASE}/%zz", 404),
    ("no UTF-8 in the path", f"{BASE}/%C3%28", 404),
    ("overlong UTF-8", f"{BASE}/%C0%AF", 404),
    ("an escaped surrogate", f"{BASE}/%ED%A0%80", 404),
    ("an unpaired surrogate", f"{BASE}/\ud800", 404),
    ("unpaired surrogates", "/" + "\udfff" * 1000, 404),
    ("unpaired surrogates in a value", f"{CITY}?city=" + "\udcff" * 1000, 400),
    ("a scheme without end", "a" * ROOM + "://x", 200),
    ("a host without end", "http://" + "a" * ROOM, 200),
    ("hashes", "#" * ROOM, 200),
    ("question marks", "?" * ROOM, 200),
    ("broken escapes", full(f"{CITY}?", "%"), 400),
    ("broken escapes in values", full(f"{CITY}?", "city=%z#&"), 400),
    ("half an escape at the end", f"{CITY}?city=%4", 400),
    ("no UTF-8 in values", full(f"{CITY}?city=", "%C3%28"), 400),
    ("NUL in a value", f"{CITY}?city=a%00b", 200),
    ("right-to-left marks", f"{CITY}?%E2%80%AEkey=1", 400),
    ("escapes of escapes", full(f"{CITY}?city=%", "25"), 200),
    ("10,000 parameters", full(f"{CITY}?", "a&")[:60] + "a&" * 10_000, 414),
    ("as many parameters as fit", full(f"{CITY}?", "a&"), 400),
    ("parameters that are empty", full(f"{CITY}?", "&"), 200),
    ("parameters without a name", full(f"{CITY}?", "=&"), 400),
    ("one dimension again and again", full(f"{CITY}?", "city&"), 200),
    ("unknown keys", full(f"{CITY}?", "x#=1&"), 400),
    ("a long key", f"{CITY}?" + "k" * ROOM, 400),
    ("a key of blanks", f"{CITY}?" + "+" * ROOM, 400),
    ("thousands of values", full(f"{CITY}?", "city=#&"), 200),
    ("thousands of values to leave out", full(f"{CITY}?", "city!=#&"), 200),
    ("thousands of both", full(f"{CITY}?", "city=#&city!=#&"), 200),
    ("one value again and again", full(f"{CITY}?", "city=a&"), 200),
    ("a long value", f"{CITY}?city=" + "v" * ROOM, 200),
    ("a value that grows when it is escaped", f"{CITY}?city=" + '"' * ROOM, 414),
    ("almost a credential, often", full(f"{CITY}?city=", "access_toke%25"), 200),
    ("many credentials", full(f"{CITY}?", f"access_token={SECRET}&"), 400),
    ("a long credential", f"{CITY}?access_token=" + "s" * ROOM, 200),
    ("a long metric", f"{CITY}?metrics=" + "m" * ROOM, 400),
    ("one metric again and again", full(f"{CITY}?metrics=sales", ",sales"), 200),
    ("no metrics but commas", full(f"{CITY}?metrics=", ","), 400),
    ("metrics again and again", full(f"{CITY}?", "metrics=sales&"), 200),
    ("a limit of many digits", f"{CITY}?limit=" + "9" * ROOM, 200),
    ("a limit of many zeros", f"{CITY}?limit=" + "0" * ROOM + "7", 200),
    ("a limit that is none", f"{CITY}?limit=" + "9" * ROOM + "x", 400),
    ("a limit in other digits", f"{CITY}?limit=" + "%D9%A3" * 1000, 400),
    ("a date of many digits", f"{CITY}?start=" + "9" * ROOM, 400),
    ("a fraction of many zeros", f"{CITY}?start=2024-01-01T00:00:00." + "0" * ROOM, 200),
    ("a fraction that is none", f"{CITY}?start=2024-01-01T00:00:00." + "0" * ROOM + "x", 400),
    ("a start again and again", full(f"{CITY}?", "start=2024&"), 400),
    ("all of time", f"{BASE}/year/month/day?start=0001-01-01T00:00Z&end=9999-12-31T23:59:59.999999Z", 200),
    ("all of time by second", f"{BASE}/year/month/day/country?start=0002&end=9999", 200),
    ("the first instant", f"{BASE}/year?end=0001-01-01T00:00:00.000001Z", 200),
    ("before all time", f"{BASE}/year?end=0001-01-01T00:00:00%2B14:00", 400),
    ("beyond all time", f"{BASE}/year?end=9999-12-31T23:59:59-14:00", 400),
    ("a format without end", f"{CITY}?format=" + "x" * ROOM, 406),
    ("formats", full(f"{CITY}?", "format=json&"), 400),
    ("markup", f"{CITY}.html?city=%3Cscript%3Ealert(1)%3C/script%3E&city=%22%3E%3Cimg%20src=x%3E", 200),
    ("8 KiB", (f"{CITY}?city=" + "v" * 10_000)[: 8 * 1024], 200),
    ("over 16 KiB", "/" + "a" * 16 * 1024, 414),
    ("megabytes", full(f"{CITY}?", "city=#&") * 100, 414),
)


@pytest.mark.parametrize("name", list(ENDPOINTS))
@pytest.mark.parametrize(("target", "status"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_named_hostile_target(target: str, status: int, name: str) -> None:
    found = respond(name, target).status
    assert found == status or name != "plain"


@pytest.mark.parametrize(
    "accept",
    [
        "*/*" + ",*/*" * 50_000,
        ";" * 100_000,
        "text/csv" + ";q=" * 30_000,
        "a" * 100_000,
        " " * 100_000 + "x",
        "text/csv;q=0." + "0" * 100_000,
        "\ud800/\udfff",
        "text/csv\r\nX: y",
        "text/" + "c" * 100_000,
    ],
    ids=lambda accept: accept[:12].encode("unicode_escape").decode(),
)
def test_named_hostile_accept(accept: str) -> None:
    assert respond("plain", CITY, accept=accept).status in (200, 406)


# --- a fuzzer ---------------------------------------------------------------------------------------------------------

CASES = int(os.environ.get("WOLAP_FUZZ_CASES", "0")) or max(500, settings().max_examples)

PATHS = [BASE, "/sales/report", "/other/v1.5", "/other", "/other/v1.5/x", "/esm", "", "/", "//", "http://h" + BASE, "*"]
STEPS = ["year", "month", "day", "hour", "second", "country", "city", "kind", "week", "..", ".", "", "x", "v1", "café"]
EXTENSIONS = ["", "", "", *(f".{name}" for name in FORMATS), ".pdf", ".", ".json.csv", ".JSON"]
KEYS = ["start", "end", "limit", "metrics", "format", *STEPS, "country!", "city!", "kind!", "year!", "sort", "Start"]
VALUES = [
    *("", "2024", "2024-07", "2024-07-20T10:05:09.5", "2024-07-20+10:00", "2024-07-20T10:05%2B02:00", "1721469600000"),
    *(
        "0001",
        "9999",
        "9999-12-31T23:59:59.999999",
        "2024-02-30",
        "20240101",
        "0",
        "1",
        "7",
        "-1",
        "1e3",
        "٣",
        "9" * 40,
    ),
    *("sales", "amount", "average", "customers", "per-customer", "sales,amount", ",", "DE", "N/A", "(empty)", "Köln"),
    *("K%C3%B6ln", "L%22Aquila,%0D%0A", "東京", "null", "%00", "<script>", "&amp;", "'\"", "%E2%80%AE", *FORMATS),
]
ESCAPES = ["%", "%4", "%41", "%2F", "%2f", "%3D", "%26", "%25", "%2525", "%ff", "%C3", "%ED%A0%80", "%u0041", "%0D%0A"]
SIGNS = [*"/?&=!#;,:.+ \0\n\r\t\\\"'<>{}|^`~@", "ö", "😀", "\u202e", "\ud800", "\udfff", "\udc80", "\ufeff"]

raw = st.binary(max_size=12).flatmap(
    lambda piece: st.sampled_from([piece.decode("utf-8", "surrogateescape"), piece.decode("latin-1")])
)
fragment = st.sampled_from([*PATHS, *STEPS, *KEYS, *VALUES, *ESCAPES, *SIGNS]) | raw
parameter = st.builds(
    "{}{}{}".format, st.sampled_from(KEYS), st.sampled_from(["=", "=", "=", "", "=="]), st.sampled_from(VALUES)
)
real = st.builds(
    lambda base, steps, extension, parameters: f"{base}{''.join(f'/{step}' for step in steps)}{extension}{parameters}",
    st.sampled_from(PATHS[:5] + [BASE] * 5),
    st.sampled_from([(), ("year", "month"), ("country",), ("country", "city"), ("kind", "city")])
    | st.lists(st.sampled_from(STEPS), max_size=4),
    st.sampled_from(EXTENSIONS),
    st.lists(parameter, max_size=5).map(lambda parameters: "?" + "&".join(parameters))
    | st.just(""),
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A target that was right, or nearly, and to which something has happened."""
    text = draw(real)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        to = min(len(text), at + draw(st.integers(0, 12)))
        done = draw(st.sampled_from(["cut", "insert", "replace", "repeat", "truncate", "upper", "escape"]))
        piece = text[at:to]
        if done in ("insert", "replace"):
            text = text[:at] + draw(fragment) + text[at if done == "insert" else to :]
        elif done == "truncate":
            text = text[:at]
        else:
            escaped = "".join(f"%{byte:02x}" for byte in piece.encode("utf-8", "surrogatepass"))
            times = draw(st.sampled_from([2, 3, 100, 2000]))
            changed = {"cut": "", "repeat": piece * times, "upper": piece.upper(), "escape": escaped}[done]
            text = text[:at] + changed + text[to:]
    return text


long = st.builds(lambda head, piece, times: head + piece * times, real, fragment, st.sampled_from([50, 1000, 20_000]))
anything = st.one_of(real, real, mutated(), mutated(), st.lists(fragment, max_size=12).map("".join), long, st.text())
# What stands for its own escape is three times as long on the wire, so that 414 is in reach; the table has longer ones.
targets = anything.map(lambda text: text[:4000])
methods = st.sampled_from(["GET"] * 8 + ["HEAD", "OPTIONS", "POST", "get", ""]) | st.text(max_size=5)
ranges = [media_type for media_types, _ in FORMATS.values() for media_type in media_types]
accepts = st.none() | st.lists(
    st.sampled_from([*ranges, "*/*", "text/*", "image/png", ";q=0", ";q=0.5", ",", "q", ";", ""]) | fragment, max_size=6
).map("".join)
endpoints = st.sampled_from(list(ENDPOINTS))


@settings(max_examples=CASES)
@given(name=endpoints, target=targets, method=methods, accept=accepts)
def test_fuzz_any_request_has_a_known_status(name: str, target: str, method: str, accept: str | None) -> None:
    respond(name, target, method, accept)


# A credential as clients may come to send it: as its own parameter, inside others, escaped once or twice, in the path.
CREDENTIALS = [
    *("&access_token=", "?access_token=", "&Access_Token=", "&ACCESS_TOKEN=", ";access_token=", "/access_token="),
    *("#access_token=", "&access%5Ftoken=", "&%61ccess_token=", "%26access_token%3D", "%2526access_token%253D"),
    *(
        "%252526access_token%25253D",
        "&%2561ccess_token=",
        "&access%255ftoken%3d",
        "&access_token!=",
        "&access_token%3D",
    ),
    *("&city=access_token=", "&x=1%26access_token=", "&metrics=access_token=", "&start=access_token="),
    *("&limit=1;access_token=", "&format=access_token:", "/%61%63cess_token="),
]
carriers = st.builds(
    lambda target, at, credential: f"{target[:at]}{credential}{SECRET}{target[at:]}",
    targets,
    st.integers(0, 100) | st.just(-1),
    st.sampled_from(CREDENTIALS),
)


@settings(max_examples=CASES)
@given(name=endpoints, target=carriers, method=methods, accept=accepts)
def test_fuzz_no_credential_is_echoed(name: str, target: str, method: str, accept: str | None) -> None:
    response = respond(name, target, method, accept)
    assert SECRET.encode() not in response.body
    assert all(SECRET not in value for _, value in response.headers)
