"""Order and pages on the wire, where a cube declares them (W70, W71, W13)."""

from __future__ import annotations

import re

import pytest
from web_cubes import ask, cube, document

from wolap import Dimension, Schema, SchemaError, Tree, count
from wolap.web.endpoint import Endpoint


@pytest.fixture(scope="module")
def sales() -> Endpoint:
    return Endpoint(cube(extensions=("sort", "offset")))


def shown(endpoint: Endpoint, target: str, name: str) -> list[str | None]:
    return [record[name] for record in document(ask(endpoint, f"/sales/v1/{target}"))["report"]]


CASES = (
    ("country?metrics=sales,amount&sort=-sales", "country", ["DE", "FR", "JP", "N/A"]),
    ("country?metrics=sales,amount&sort=amount", "amount", ["70", "100", "110", "230"]),
    ("country?metrics=sales,amount&sort=-country", "country", ["JP", "FR", "DE", "N/A"]),
    ("country?metrics=sales,amount&sort=sales,-amount", "amount", ["100", "70", "110", "230"]),
    ("country?metrics=sales,amount&sort=sales&sort=-amount", "amount", ["100", "70", "110", "230"]),
    ("country?metrics=sales,amount&sort=-sales&limit=1", "country", ["DE"]),
    ("country?metrics=sales&sort=", "country", ["DE", "FR", "JP", "N/A"]),
    ("country?metrics=sales&offset=1&limit=2", "country", ["FR", "JP"]),
    ("country?metrics=sales&offset=", "country", ["DE", "FR", "JP", "N/A"]),
    ("country?metrics=sales&offset=4", "country", []),
    ("country?metrics=sales&offset=" + "9" * 400, "country", []),
    ("country?metrics=sales&sort=-country&offset=1&limit=2", "country", ["FR", "DE"]),
)


@pytest.mark.parametrize(("target", "name", "expected"), CASES)
def test_records(sales: Endpoint, target: str, name: str, expected: list[str]) -> None:
    assert shown(sales, target, name) == expected


def test_self_says_order_and_offset(sales: Endpoint) -> None:  # W47
    href = document(ask(sales, "/sales/v1/country?sort=-sales,country&offset=2&metrics=sales"))["_links"]["self"][
        "href"
    ]
    assert href == "/sales/v1/country?limit=1000&offset=2&sort=-sales,country&metrics=sales"
    assert ask(sales, href).body == ask(sales, "/sales/v1/country?sort=-sales,country&offset=2&metrics=sales").body


def test_next_leads_through_all_records(sales: Endpoint) -> None:  # W71
    target, found = "/sales/v1/country/city.csv?limit=2&sort=-amount&metrics=amount", []
    while target:
        response = ask(sales, target)
        assert response.status == 200
        found += response.body.decode().split("\r\n")[1:-1]
        link = response.header("Link")
        matched = re.fullmatch(r'<([^<>]+)>; rel="next"', link) if link else None
        target = matched[1] if matched else ""
    whole = ask(sales, "/sales/v1/country/city.csv?sort=-amount&metrics=amount").body.decode().split("\r\n")[1:-1]
    assert found == whole
    assert len(found) > 4


REFUSED = (
    ("country?sort=city&metrics=sales", "does not show 'city'"),
    ("country?sort=amount&metrics=sales", "does not show 'amount'"),
    ("country?sort=-&metrics=sales", "empty name"),
    ("country?sort=sales,,amount&metrics=sales", "empty name"),
    ("country?offset=-1", "is no number of records"),
    ("country?offset=1.5", "is no number of records"),
    ("country?offset=1&offset=2", "once"),
)


@pytest.mark.parametrize(("target", "said"), REFUSED)
def test_refusals(sales: Endpoint, target: str, said: str) -> None:
    response = ask(sales, f"/sales/v1/{target}")
    assert response.status == 400
    assert said in response.body.decode()


@pytest.mark.parametrize("key", ["sort=sales", "offset=1"])
def test_elsewhere_they_are_unknown_keys(key: str) -> None:  # W13
    response = ask(Endpoint(cube()), f"/sales/v1/country?{key}")
    assert response.status == 400
    assert b"is no key for the report 'country'" in response.body
    assert ask(Endpoint(cube()), "/sales/v1/country?limit=1").header("Link") is None


def test_one_may_be_declared_without_the_other() -> None:
    endpoint = Endpoint(cube(extensions=("offset",)))
    assert ask(endpoint, "/sales/v1/country?offset=1").status == 200
    assert ask(endpoint, "/sales/v1/country?sort=sales").status == 400


def test_declared_names_are_reserved() -> None:  # W6
    with pytest.raises(SchemaError, match="'sort' is the name of a dimension or metric"):
        Schema("bad", [Dimension("sort")], {"rows": count()}, [Tree.parse("sort")], extensions=["sort"])
    with pytest.raises(SchemaError, match="extensions are sort, offset"):
        Schema("bad", [Dimension("d")], {"rows": count()}, [Tree.parse("d")], extensions=["sorts"])
    Schema("good", [Dimension("sort")], {"rows": count()}, [Tree.parse("sort")])


def test_a_page_says_which_records_it_shows(sales: Endpoint) -> None:
    body = ask(sales, "/sales/v1/country.html?metrics=sales&offset=1&limit=2").body
    assert b"Records 2 to 3 of 4" in body
