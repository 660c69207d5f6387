"""Who asks, and what it may cost: audiences, implied filters, strict cubes, caps."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from web_cubes import COLUMNS, ROWS, STAFF_MEMBER, ask, cube, document, drill_downs

from wolap import Caps, Filter, Principal, Tree
from wolap.web.endpoint import Endpoint

METRICS = "metrics=sales,amount,average,customers,per-customer"


def records(endpoint: Endpoint, target: str, principal: Principal | None = None) -> list[dict[str, str | None]]:
    found: list[dict[str, str | None]] = document(ask(endpoint, target, principal=principal))["report"]
    return found


# --- audiences (W3) ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sales() -> Endpoint:
    return Endpoint(cube("year/month/day/country", "country/city"))


def test_a_tree_of_another_audience_is_not_there(sales: Endpoint) -> None:
    assert ask(sales, "/sales/v1/kind").status == 404
    assert b"kind" not in ask(sales, "/sales/v1/kinds").body.partition(b"there are")[2].partition(b"but not")[0]
    assert ask(sales, "/sales/v1/year/kind").status == 404
    assert ask(sales, "/sales/v1/kind", principal=Principal(audience="nobody")).status == 404
    assert ask(sales, "/sales/v1/kind", principal=STAFF_MEMBER).status == 200
    offered = [link["name"] for link in drill_downs(document(ask(sales, "/sales/v1", principal=STAFF_MEMBER)))]
    assert offered == ["year", "country", "kind"]
    offered = [link["name"] for link in drill_downs(document(ask(sales, "/sales/v1/year", principal=STAFF_MEMBER)))]
    assert offered == ["month", "kind"]


def test_a_tree_offers_the_metrics_that_it_names(sales: Endpoint) -> None:
    assert list(records(sales, "/sales/v1/kind", STAFF_MEMBER)[0]) == ["kind", "sales", "amount"]
    assert list(records(sales, "/sales/v1/year/kind", STAFF_MEMBER)[0]) == ["year", "kind", "sales", "amount"]
    refused = ask(sales, "/sales/v1/kind?metrics=customers", principal=STAFF_MEMBER)
    assert refused.status == 400
    assert b"main" in refused.body
    # A path of both trees offers what either does.
    assert "customers" in records(sales, "/sales/v1/year?metrics=customers", STAFF_MEMBER)[0]


# --- implied filters (W60) --------------------------------------------------------------------------------------------

RULES: dict[str, tuple[tuple[Filter, ...], Any]] = {
    "one country": ((Filter("country", frozenset({"DE"})),), lambda row: row["country"] == "DE"),
    "all but one": ((Filter("country", frozenset({"FR"}), exclude=True),), lambda row: row["country"] != "FR"),
    "the null member": ((Filter("city", frozenset({None})),), lambda row: row["city"] is None),
    "two dimensions": (
        (Filter("country", frozenset({"DE", "FR", None})), Filter("kind", frozenset({"coffee"}), exclude=True)),
        lambda row: row["country"] in ("DE", "FR", None) and row["kind"] != "coffee",
    ),
    "the empty string": ((Filter("kind", frozenset({""})),), lambda row: row["kind"] == ""),
    "nothing": ((Filter("kind", frozenset({"none"})),), lambda row: False),
}
# These filter the same dimensions, so that the same keys are possible (W13), but drop nothing.
HARMLESS = {"country": "Atlantis", "city": "Atlantis", "kind": "Atlantis"}

ENDPOINTS = {
    name: (
        Endpoint(cube("year/month/day/country", "country/city/kind")),
        Principal(filters=filters),
        Endpoint(cube(rows=tuple(row for row in ROWS if allowed(dict(zip(COLUMNS, row, strict=True)))))),
        Principal(filters=tuple(Filter(one.dimension, frozenset({"Atlantis"}), exclude=True) for one in filters)),
    )
    for name, (filters, allowed) in RULES.items()
}
PATHS = ["", "year", "year/month", "year/month/day/country/city", "country", "country/city", "country/city/kind"]
MEMBERS = ["DE", "FR", "JP", "N/A", "Köln", "Paris", "tea", "coffee", "(empty)", "", "none", "Atlantis", "null"]
PARAMETERS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["country", "city", "kind", "country!", "city!", "kind!"]), st.sampled_from(MEMBERS)),
        st.tuples(st.sampled_from(["start", "end"]), st.sampled_from(["2024-07", "2024-08-19T12", "2025"])),
        st.tuples(st.just("limit"), st.sampled_from(["1", "2"])),
    ),
    max_size=6,
)


@settings(max_examples=300)
@given(name=st.sampled_from(sorted(RULES)), path=st.sampled_from(PATHS), parameters=PARAMETERS)
def test_no_query_escapes_the_implied_filters(name: str, path: str, parameters: list[tuple[str, str]]) -> None:
    """Whatever is asked, the answer is that of a cube which never had the other facts."""
    endpoint, principal, within, same_keys = ENDPOINTS[name]
    asked = "&".join(f"{key}={quote(value)}" if value else key for key, value in parameters)
    target = f"/sales/v1/{path}?{METRICS}&{asked}"
    found, expected = ask(endpoint, target, principal=principal), ask(within, target, principal=same_keys)
    assert found.status == expected.status
    if found.status == 200:
        assert document(found)["report"] == document(expected)["report"]


def test_implied_filters_are_shown_and_survive_their_own_link() -> None:
    endpoint, principal, _, _ = ENDPOINTS["two dimensions"]
    response = ask(endpoint, "/sales/v1/country?city!=Berlin&metrics=sales", principal=principal)
    href = document(response)["_links"]["self"]["href"]
    shown = "country=DE&country=FR&country=N/A&city!=Berlin&kind!=coffee"
    assert href == f"/sales/v1/country?{shown}&limit=1000&metrics=sales"
    assert ask(endpoint, href, principal=principal).body == response.body
    assert records(endpoint, href) == records(endpoint, "/sales/v1/country?city!=Berlin&metrics=sales", principal)


def test_self_of_a_contradiction_is_followed() -> None:
    endpoint, principal, _, _ = ENDPOINTS["one country"]
    for query in ("country=FR", "country=FR&country=JP", "country!=DE", "country=DE&country!=DE"):
        response = ask(endpoint, f"/sales/v1/country/city?{query}", principal=principal)
        assert document(response)["report"] == []
        again = ask(endpoint, document(response)["_links"]["self"]["href"], principal=principal)
        assert again.body == response.body


def test_an_implied_dimension_is_a_key_everywhere(sales: Endpoint) -> None:
    """W13: on a path that neither has it nor anything below that does."""
    principal = Principal(filters=(Filter("kind", frozenset({"tea"})),))
    assert ask(sales, "/sales/v1/year/month/day/country/city?kind=tea").status == 400
    assert ask(sales, "/sales/v1/year/month/day/country/city?kind=tea", principal=principal).status == 200
    refused = ask(sales, "/sales/v1/year/month/day/country/city?kind", principal=principal)
    assert refused.status == 400
    assert b"only be filtered" in refused.body


# --- strict cubes (W4, W19) -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def strict() -> Endpoint:
    return Endpoint(cube("year/month/day/country", strict=True))


def test_a_path_that_nothing_could_ever_answer(strict: Endpoint) -> None:
    for path in ("country/city", "country/city/kind", "year/month/day/country/city"):
        response = ask(strict, f"/sales/v1/{path}")
        assert response.status == 404
        assert b"is a path of the tree, but no projection is declared" in response.body
    unknown = ask(strict, "/sales/v1/city")
    assert unknown.status == 404
    assert b"there is no report 'city'" in unknown.body


def test_it_is_not_offered(strict: Endpoint) -> None:
    assert "drill-down" not in document(ask(strict, "/sales/v1/country"))["_links"]
    assert "drill-down" not in document(ask(strict, "/sales/v1/year/month/day/country"))["_links"]
    day = document(ask(strict, "/sales/v1/year/month/day"))["_links"]
    assert day["drill-down"] == {"href": "/sales/v1/year/month/day/country", "name": "country"}


def test_what_is_declared_but_not_built_is_no_404() -> None:
    made = cube(strict=True)
    made.declare("country")
    response = ask(Endpoint(made), "/sales/v1/country")
    assert response.status == 400
    assert b"not built" in response.body


def test_metrics_that_nothing_stored_has_are_refused_with_reasons(strict: Endpoint) -> None:
    response = ask(strict, "/sales/v1/country?metrics=customers")
    assert response.status == 400
    assert b"year/month/day/country: customers cannot be merged" in response.body
    assert b"facts: the cube is strict" in response.body


WIDENED = (
    ("start=2024-07-20T12&end=2024-08-01", "start=2024-07-20T00:00:00&end=2024-08-01T00:00:00"),
    ("start=2024-07-20&end=2024-07-31T00:00:01", "start=2024-07-20T00:00:00&end=2024-08-01T00:00:00"),
    ("start=2024-07-20T00:00:01&end=2024-07-20T00:00:02", "start=2024-07-20T00:00:00&end=2024-07-21T00:00:00"),
    ("start=2024-07-20&end=2024-07-21", "start=2024-07-20T00:00:00&end=2024-07-21T00:00:00"),
    ("", "start=2024-07-20T00:00:00&end=2024-08-21T00:00:00"),
)


@pytest.mark.parametrize(("asked", "used"), WIDENED)
def test_an_interval_inside_a_bucket_is_widened_and_shown(strict: Endpoint, asked: str, used: str) -> None:
    response = ask(strict, f"/sales/v1/year/month/country?metrics=sales&{asked}")
    href = document(response)["_links"]["self"]["href"]
    assert href == f"/sales/v1/year/month/country?{used}&limit=1000&metrics=sales"
    assert ask(strict, href).body == response.body
    exact = records(Endpoint(cube()), f"/sales/v1/year/month/country?metrics=sales&{used}")
    assert document(response)["report"] == exact


def test_facts_are_cut_exactly() -> None:
    target = "/sales/v1/year?metrics=sales&start=2024-07-20T00:00:00.000001&end=2024-08-20T14:35:21"
    assert records(Endpoint(cube("year/month/day/country")), target) == [{"year": "2024", "sales": "6"}]


# --- caps (W48, section 5) --------------------------------------------------------------------------------------------


def test_too_many_groups_names_a_query_that_passes() -> None:
    endpoint = Endpoint(cube("country/city/kind", caps=Caps(groups=5)))
    response = ask(endpoint, "/sales/v1/country/city/kind?limit=1")
    assert response.status == 400
    text = response.body.decode()
    match = re.match(r"country/city/kind may have up to (\d+) records before its limit, and 5 are allowed", text)
    assert match is not None, text
    assert int(match[1]) > 5
    passing = re.search(r"; ([a-z/]+) would pass", text)
    assert passing is not None, text
    assert ask(endpoint, f"/sales/v1/{passing[1]}").status == 200
    assert ask(endpoint, "/sales/v1/country/city/kind?country=DE&city=Berlin").status == 200
    assert "drill-down" not in document(ask(endpoint, "/sales/v1/country"))["_links"]


def test_too_many_facts_names_an_interval_that_passes() -> None:
    many = tuple(
        (f"2024-{month:02}-{day:02}", "DE", "Köln", "tea", "ann", 1) for month in range(1, 9) for day in range(1, 21)
    )
    endpoint = Endpoint(cube(rows=many, caps=Caps(facts=100)))
    response = ask(endpoint, "/sales/v1/year/month?start=2024&end=2024-08-20&metrics=sales")
    assert response.status == 400
    text = response.body.decode()
    match = re.search(r"facts: (\d+) facts to scan, the cap is 100\b", text)
    assert match is not None, text
    assert int(match[1]) > 100
    passing = re.search(r"\b(start=\S+) would pass", text)
    assert passing is not None, text
    target = f"/sales/v1/year/month?{passing[1]}&end=2024-08-20&metrics=sales"
    assert ask(endpoint, target).status == 200, target


def test_caps_of_the_cube_and_of_the_caller_both_hold() -> None:
    endpoint = Endpoint(cube(caps=Caps(groups=5)))
    generous, strict = Principal(caps=Caps(groups=1000)), Principal(caps=Caps(groups=1))
    assert ask(endpoint, "/sales/v1/country/city/kind", principal=generous).status == 400
    assert ask(endpoint, "/sales/v1/country", principal=generous).status == 200
    assert ask(endpoint, "/sales/v1/country", principal=strict).status == 400
    offered = drill_downs(document(ask(endpoint, "/sales/v1", principal=strict)))
    assert [link["name"] for link in offered] == ["year"]


def test_memory_is_refused_before_anything_runs() -> None:
    endpoint = Endpoint(cube(caps=Caps(memory=1)))
    response = ask(endpoint, "/sales/v1/country")
    assert response.status == 400
    assert re.search(r"facts: [\d,]+ bytes of memory, the cap is 1\b", response.body.decode())


def test_who_has_no_tree_at_all_is_refused() -> None:  # W60
    endpoint = Endpoint(cube(trees=[Tree.parse("kind", audience="staff")]))
    for target, status in (("/sales/v1", 403), ("/sales/v1?metrics=sales", 403), ("/sales/v1/kind", 404)):
        response = ask(endpoint, target)
        assert (response.status, response.header("Content-Type")) == (status, "text/plain; charset=utf-8")
        assert b"staff" not in response.body
    assert ask(endpoint, "/sales/v1", principal=STAFF_MEMBER).status == 200
