"""Refusals help: each says in a short paragraph what was asked, what is wrong and what exists, and echoes no secret."""

from __future__ import annotations

from itertools import combinations

import pyarrow as pa
import pytest
from web_cubes import ask, cube

from wolap import Caps, Cube, Dimension, Filter, Principal, Schema, Tree, count
from wolap.web.endpoint import Endpoint, Response

LONGEST = 1000
SHOWN_INPUT = 200
STORED = ("year/month/day/country", "country/city")


def many_projections() -> Cube:
    """A strict cube with 40 declarations of which none is built."""
    made = cube(strict=True)
    names = ("country", "city", "kind")
    for levels in ("year", "year/month", "year/month/day", "month", "day"):
        for size in range(4):
            for chosen in combinations(names, size):
                made.declare("/".join((levels, *chosen)))
    return made


def many_names() -> Cube:
    """A cube with hundreds of dimensions and metrics, all of one tree."""
    names = [f"a-very-long-dimension-{number}" for number in range(300)]
    schema = Schema(
        "wide",
        dimensions=[Dimension(name) for name in names],
        metrics={f"a-very-long-metric-{number}": count() for number in range(300)},
        trees=[Tree.from_paths([(name,) for name in names])],
    )
    return Cube(schema, pa.table({name: ["a"] for name in names}))


ENDPOINTS = {
    "plain": Endpoint(cube(*STORED)),
    "strict": Endpoint(cube(*STORED, strict=True)),
    "few groups": Endpoint(cube("country/city/kind", caps=Caps(groups=2))),
    "few facts": Endpoint(cube(caps=Caps(facts=1))),
    "little memory": Endpoint(cube(caps=Caps(memory=1))),
    "unbuilt": Endpoint(many_projections()),
    "two cubes": Endpoint(cube(), cube(base="/stock/v2", aliases=())),
    "wide": Endpoint(many_names()),
    "none": Endpoint(),
}


def refusal(endpoint: Endpoint, target: str, method: str = "GET", accept: str | None = None) -> tuple[Response, str]:
    """A refusal and its text, which must be one paragraph of plain text that can be read to its end."""
    headers = {} if accept is None else {"accept": accept}
    response = ask(endpoint, target, method, **headers)
    assert response.status >= 400, response
    assert response.header("Content-Type") == "text/plain; charset=utf-8"
    assert response.header("Content-Length") == str(len(response.body))
    text = response.body.decode("utf-8")
    assert text.endswith("\n")
    assert text[:-1].isprintable(), text
    assert len(text) <= LONGEST, text
    return response, text


# Rule, endpoint, method, target, Accept; then the status, how what was asked is named, and what exists, closest first.
S = "/sales/v1"
REFUSALS = (
    ("W1", "plain", "GET", "/sale/v1/country", None, 404, "'/sale/v1/country'", "cubes are at /sales/v1"),
    ("W1", "two cubes", "GET", "/stok/v2", None, 404, "'/stok/v2'", "cubes are at /stock/v2, /sales/v1"),
    ("W1", "two cubes", "GET", "/sales/v2", None, 404, "'/sales/v2'", "cubes are at /sales/v1, /stock/v2"),
    ("W1", "none", "GET", S, None, 404, "'/sales/v1'", "no cube is served"),
    ("W2", "plain", "GET", f"{S}/contry", None, 404, "'contry'", "below the root there are country, year"),
    ("W2", "plain", "GET", f"{S}/yaer/month", None, 404, "'yaer/month'", "there are year, country"),
    ("W2", "plain", "GET", f"{S}/year/mont", None, 404, "'mont'", "below 'year' there are month"),
    ("W2", "plain", "GET", f"{S}/country/city/kind/x", None, 404, "'x'", "nothing is below 'country/city/kind'"),
    ("W3", "plain", "GET", f"{S}/kind", None, 404, "'kind'", "below the root there are "),
    ("W4", "strict", "GET", f"{S}/country/city/kind", None, 404, "'country/city/kind'", "no projection is declared"),
    ("W5", "plain", "GET", f"{S}//country", None, 404, "not ''", "there are year, country"),
    ("W5", "plain", "GET", f"{S}/%zz", None, 404, "'/sales/v1/%zz'", "%25"),
    ("W5", "plain", "GET", f"{S}/%ff", None, 404, "'/sales/v1/%ff'", "is not UTF-8"),
    ("W10", "plain", "GET", f"{S}/country?a=1&city=%&b=2", None, 400, "'city=%'", "%25"),
    ("W10", "plain", "GET", f"{S}/country?a=1&city=%ff&b=2", None, 400, "'city=%ff'", "is not UTF-8"),
    ("W10", "plain", "GET", f"{S}/country?city=\ud800", None, 400, "'city=\\ud800'", "is not UTF-8"),
    ("W11", "plain", "GET", f"{S}/country?city!", None, 400, "'city!'", "'city' alone includes it"),
    ("W13", "plain", "GET", f"{S}/country?cty=x", None, 400, "'cty'", "possible are city, country"),
    ("W13", "plain", "GET", f"{S}?strat=2024", None, 400, "'strat'", "possible are start, "),
    ("W13", "plain", "GET", f"{S}/country?year", None, 400, "'year'", "possible are "),
    ("W14", "plain", "GET", f"{S}/year?month=7", None, 400, "'month'", "give start and end"),
    ("W15", "plain", "GET", f"{S}/year?start=20240101", None, 400, "start '20240101'", "2024-07-20T10:05"),
    ("W15", "plain", "GET", f"{S}/year?end=2024-02-30", None, 400, "end '2024-02-30'", "does not exist"),
    ("W15", "plain", "GET", f"{S}/year?end=99999999999999999", None, 400, "'99999999999999999'", "years 1 to 9999"),
    ("W16", "plain", "GET", f"{S}/year?start=2025&end=2024", None, 400, "2025-01-01T00:00:00", "2024-01-01T00:00:00"),
    ("W16", "plain", "GET", f"{S}/year?start=2024&start=2025", None, 400, "start", "give it once"),
    ("W20", "plain", "GET", f"{S}?metrics=sales,custmers", None, 400, "'custmers'", "this report has customers, "),
    ("W20", "strict", "GET", f"{S}/country?metrics=customers", None, 400, "country with customers", "country/city: "),
    ("W20", "unbuilt", "GET", f"{S}/country?metrics=customers", None, 400, "country with customers", "not built"),
    ("W21", "unbuilt", "GET", f"{S}/country", None, 400, "country", "year/country: declared, but not built"),
    ("W22", "plain", "GET", f"{S}?limit=ten", None, 400, "limit 'ten'", "from 1 to 100000"),
    ("W22", "plain", "GET", f"{S}?limit=1&limit=2", None, 400, "limit", "give it once"),
    ("W23", "plain", "GET", f"{S}?format=json&format=csv", None, 400, "format", "give it once"),
    ("W23", "plain", "GET", f"{S}?access_token=a&access_token=b", None, 400, "access_token", "give it once"),
    ("W41", "plain", "GET", f"{S}/country.jsn", None, 406, "extension 'jsn'", "formats are json, "),
    ("W41", "plain", "GET", f"{S}/country?format=cvs", None, 406, "format 'cvs'", "formats are csv"),
    ("W41", "plain", "GET", f"{S}/country", "image/png", 406, "'image/png'", "application/json, "),
    ("W53", "plain", "DELETE", f"{S}/country", None, 405, "'DELETE'", "GET, HEAD, OPTIONS"),
    ("§5", "plain", "GET", f"{S}?{'a' * 20_000}", None, 414, "longer than", "16,384"),
    ("§5", "plain", "GET", f"{S}/country?city={'%22' * 5_430}", None, 414, "longer than", "16,384"),
    ("§5", "few groups", "GET", f"{S}/country/city/kind", None, 400, "country/city/kind", "2 are allowed"),
    ("§5", "few facts", "GET", f"{S}/country", None, 400, "country", "the cap is 1; start="),
    ("§5", "little memory", "GET", f"{S}/country", None, 400, "country", "bytes of memory, the cap is 1"),
    ("§5", "wide", "GET", "/wide?a-very-long-dimension-77x", None, 400, "77x'", "are a-very-long-dimension-77, "),
    ("§5", "wide", "GET", "/wide?metrics=a-very-long-metric-88x", None, 400, "88x'", "a-very-long-metric-88, "),
    ("§5", "wide", "GET", "/wide/a-very-long-dimension-99x", None, 404, "99x'", "are a-very-long-dimension-99, "),
)  # fmt: skip


@pytest.mark.parametrize(
    ("endpoint", "method", "target", "accept", "status", "asked", "exists"),
    [row[1:] for row in REFUSALS],
    ids=[f"{row[0]} {row[3][:60].encode('unicode_escape').decode()}" for row in REFUSALS],
)
def test_a_refusal_says_what_was_asked_and_what_exists(
    endpoint: str, method: str, target: str, accept: str | None, status: int, asked: str, exists: str
) -> None:
    response, text = refusal(ENDPOINTS[endpoint], target, method, accept)
    assert response.status == status, text
    assert asked in text
    assert exists in text


def test_what_can_only_be_filtered() -> None:  # W13
    implied = Principal(filters=(Filter("kind", frozenset({"tea"})),))
    response = ask(ENDPOINTS["plain"], f"{S}/year/month/day/country/city?kind", principal=implied)
    assert response.status == 400
    assert response.body.startswith(b"'kind' can only be filtered here, not included; what can: ")


# Every place of a request that somebody's input may come back from; # stands for the input.
PLACES = (
    *("#", "/#", f"{S}/#", f"{S}/country/#", f"{S}/#/country", f"{S}/country.#", f"{S}/country/#.csv", f"{S}.#"),
    *(f"{S}?#", f"{S}?#=x", f"{S}?#!=x", f"{S}?%zz#", f"{S}/%zz#", f"{S}/#%zz", f"{S}?city=%ff#", f"{S}?#%ff"),
    *(f"{S}?{name}=#" for name in ("start", "end", "limit", "metrics", "format", "year", "Start", "sort")),
    *(f"{S}?##=#", f"{S}?metrics=sales,#", f"{S}?start=2024#", f"{S}?limit=1#", f"{S}/year?month=#", f"{S}?city!&#"),
)


@pytest.mark.parametrize("sign", ["x", "é", "\0", "%00", "%0A", "%E2%80%AE", "\u2028", "\ud800", "'", "%25", "😀"])
@pytest.mark.parametrize("place", PLACES)
def test_long_input_is_cut_wherever_it_stands(place: str, sign: str) -> None:
    """No more than 200 signs come back, be it at one place of the text or at several, and none raw that is no text."""
    _, text = refusal(ENDPOINTS["plain"], place.replace("#", sign * (5_000 if sign in "x'\0" else 400)))
    escape = {
        "%00": "\\x00",
        "\0": "\\x00",
        "%0A": "\\n",
        "%E2%80%AE": "\\u202e",
        "\u2028": "\\u2028",
        "\ud800": "\\ud800",
    }
    for written in (sign, escape.get(sign, sign), "%"):
        words = 2 if written in "x'%" else 0  # of the text around it
        assert text.count(written) * len(written) <= SHOWN_INPUT + len(written) * words + 8 * (written == "'"), text


@pytest.mark.parametrize("sign", ["y", "\0", "\n", "é", "\ud800"])
def test_long_methods_and_headers_are_cut(sign: str) -> None:
    for method, accept, status in ((sign * 5_000, None, 405), ("GET", f"image/{sign * 5_000}", 406)):
        response, text = refusal(ENDPOINTS["plain"], f"{S}/country", method, accept)
        assert response.status == status
        assert text.count(sign) <= SHOWN_INPUT + (sign == "\n")


SECRET = "S3CRETf00d"
NAMES = (
    *("access_token", "Access_Token", "ACCESS_TOKEN", "access%5Ftoken", "access%5ftoken", "%61ccess_token"),
    *("acces%73_token", "%2561ccess_token", "access%255Ftoken", "%252561ccess_token"),
    "".join(f"%{ord(sign):x}" for sign in "access_token"),
    "".join(f"%25{ord(sign):X}" for sign in "Access_Token"),
)
SIGNS = ("=", "%3D", "%253D", "%3d", "%25253d", "!=", "%21%3D", "==")
HOLDERS = (
    *("?#", "?#&#", "?city=x;#", "?city=#", "?city!=#", "?country=a%26#", "?metrics=#", "?start=#", "?end=2024;#"),
    *("?limit=#", "?format=#", "?#%ff", "?#%", "?x=#", "/#", "/#/city", "/city.#", "&#", ";#", ".csv;#", ".csv&#"),
    *(".#", "?city=%2526#"),
)


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("name", NAMES)
def test_no_credential_is_echoed_from_any_place(name: str, holder: str) -> None:  # W54
    for sign in SIGNS:
        said = f"{name}{sign}{SECRET}"
        for accept in ("*/*", f"text/csv;{said}", f"image/png;{said}"):
            target = f"{S}/country{holder.replace('#', said)}"
            response = ask(ENDPOINTS["plain"], target, accept=accept)
            assert response.status in (200, 400, 404, 406), (response.status, target)
            assert SECRET.encode() not in response.body, target
            assert all(SECRET not in value for _, value in response.headers), target


def test_a_value_may_name_the_parameter_of_a_credential() -> None:
    """Only what would be read as one is refused."""
    for value in ("access_token", "no%20access_token:%20expired", "access_tokens=1"):
        assert ask(ENDPOINTS["plain"], f"{S}/country?city={value}").status == 200


def test_a_head_is_refused_without_a_text() -> None:  # W53
    for target in (f"{S}/nothing", f"{S}/country?x=1", f"{S}/country.pdf", "/" + "a" * 20_000):
        response = ask(ENDPOINTS["plain"], target, "HEAD")
        assert (response.status >= 400, response.body) == (True, b"")
