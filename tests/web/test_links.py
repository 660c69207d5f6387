"""Links: their shape (W42), that self is the whole question (W47), and that what is offered answers (W48)."""

from __future__ import annotations

import json
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from web_cubes import NOW, STAFF_MEMBER, ask, cube, document, drill_downs

from wolap import Caps, Principal
from wolap.web.endpoint import Endpoint, Request

ANYBODY = Principal()

BELOW = (
    "",
    "/year",
    "/year/month",
    "/year/month/day",
    "/year/month/day/country/city",
    "/country",
    "/country/city/kind",
)


@pytest.fixture(scope="module")
def sales() -> Endpoint:
    return Endpoint(cube("year/month/day/country", "country/city"))


@pytest.mark.parametrize("root", ["", "/prefix/of/%C3%B6"])
def test_links_of_the_root(sales: Endpoint, root: str) -> None:
    response = sales.respond(Request("GET", "/sales/v1", root=root), NOW)
    links = json.loads(response.body)["_links"]
    metrics = "metrics=sales&metrics=amount&metrics=average"
    assert links == {
        "self": {"href": f"{root}/sales/v1?limit=1000&{metrics}"},
        "drill-down": [
            {"href": f"{root}/sales/v1/year", "name": "year"},
            {"href": f"{root}/sales/v1/country", "name": "country"},
        ],
    }


def test_links_of_a_path_between(sales: Endpoint) -> None:
    links = document(ask(sales, "/sales/v1/year/month?country=FR&start=2024&limit=7"))["_links"]
    assert list(links) == ["self", "roll-up", "drill-down"]
    assert links["roll-up"] == {"href": "/sales/v1/year", "name": "year"}
    assert links["drill-down"] == [
        {"href": "/sales/v1/year/month/day", "name": "day"},
        {"href": "/sales/v1/year/month/country", "name": "country"},
    ]


def test_one_child_is_an_object_and_none_is_absent(sales: Endpoint) -> None:
    links = document(ask(sales, "/sales/v1/country"))["_links"]
    assert links["drill-down"] == {"href": "/sales/v1/country/city", "name": "city"}
    assert links["roll-up"] == {"href": "/sales/v1", "name": "sales"}
    leaf = document(ask(sales, "/sales/v1/country/city/kind"))["_links"]
    assert list(leaf) == ["self", "roll-up"]


SELF_LINKS = (
    (
        "/sales/v1/year/month?metrics=sales",
        "/sales/v1/year/month?start=2024-07-20T00:00:00&end=2024-08-20T14:35:21&limit=1000&metrics=sales",
    ),
    (
        "/sales/report/year.json?metrics=sales&format=json&access_token=secret&limit=9999999999",
        "/sales/v1/year?start=2019-01-01T00:00:00&end=2024-08-20T14:35:21&limit=100000&metrics=sales",
    ),
    (
        "/sales/v1/country?start=2024&metrics=amount,sales&metrics=amount",
        "/sales/v1/country?limit=1000&metrics=amount&metrics=sales",
    ),
    (
        "/sales/v1/country?kind&city!=Paris&city&country=N/A&country=FR&kind=(empty)&city!=%22&metrics=sales",
        "/sales/v1/country?country=FR&country=N/A&kind=(empty)&city!=%22&city!=Paris&kind&city&limit=1000&metrics=sales",
    ),
    (
        "/sales/v1/country?city=%26a%3D+b%2Bc%25&metrics=sales",
        "/sales/v1/country?city=%26a%3D%20b%2Bc%25&limit=1000&metrics=sales",
    ),
    (
        "/sales/v1/year?start=2024-07-20T02:00:00.25%2B02:00&end=1724164521000&metrics=sales",
        "/sales/v1/year?start=2024-07-20T00:00:00.25&end=2024-08-20T14:35:21&limit=1000&metrics=sales",
    ),
)


@pytest.mark.parametrize(("target", "href"), SELF_LINKS)
def test_self_links(sales: Endpoint, target: str, href: str) -> None:
    assert document(ask(sales, target))["_links"]["self"]["href"] == href
    assert ask(sales, href).body == ask(sales, target).body


def test_self_of_a_long_target_can_be_followed(sales: Endpoint) -> None:
    """Letters that were sent as they are take three times the room in a link."""
    response = ask(sales, "/sales/v1/country?metrics=sales&city=" + "東" * 3_000)
    if response.status != 414:
        assert ask(sales, document(response)["_links"]["self"]["href"]).status == 200


def test_the_published_sample() -> None:
    """The moment and the grain of the published example (section 8)."""
    found = document(ask(Endpoint(cube()), "/sales/v1/year/month"))
    assert "start=2024-07-20T00:00:00&end=2024-08-20T14:35:21" in found["_links"]["self"]["href"]
    months = [(record["year"], record["month"], record["sales"]) for record in found["report"]]
    assert months == [("2024", "7", "3"), ("2024", "8", "4")]


VALUES = ["DE", "Köln", "N/A", "(empty)", 'L"Aquila,\r\n', "nobody", "a&b=c", "%41", "+", " ", "#", "/", "tea", "東京"]
PARAMETERS = st.one_of(
    st.tuples(st.sampled_from(["country", "city", "kind", "country!", "city!", "kind!"]), st.sampled_from(VALUES)),
    st.tuples(st.sampled_from(["country", "city", "kind", "month", "day"]), st.just("")),
    st.tuples(st.sampled_from(["start"]), st.sampled_from(["2024", "2023-07-20T12", "1721469600123", "0001"])),
    st.tuples(st.sampled_from(["end"]), st.sampled_from(["2025", "2024-08-19 08:30", "9999-12-31T23:59:59.999999"])),
    st.tuples(st.just("limit"), st.sampled_from(["1", "3", "007", "100001"])),
    st.tuples(st.just("metrics"), st.sampled_from(["sales", "amount,customers", "per-customer"])),
)


@settings(max_examples=200)
@given(st.sampled_from(BELOW), st.lists(PARAMETERS, max_size=5), st.booleans())
def test_self_is_followed_to_the_same_body(
    sales: Endpoint, below: str, parameters: list[tuple[str, str]], root: bool
) -> None:
    query = "&".join(f"{key}={quote(value)}" for key, value in parameters)
    prefix = "/mounted" if root else ""
    response = sales.respond(Request("GET", f"/sales/v1{below}?{query}", root=prefix), NOW)
    if response.status == 200:
        href = document(response)["_links"]["self"]["href"]
        assert href.isascii()
        again = sales.respond(Request("GET", href.removeprefix(prefix), root=prefix), NOW)
        assert again.body == response.body, unquote(href)


CONFIGURATIONS = {
    "facts only": {},
    "projections": {"stored": ("year/month/day/country", "country/city")},
    "strict": {"stored": ("year/month/day/country", "country/city", "kind"), "strict": True},
    "strict with totals only": {"stored": ("",), "strict": True},
    "few groups": {"stored": ("country/city",), "caps": Caps(groups=5)},
    "few facts": {"stored": ("year/month/day/country",), "caps": Caps(facts=4)},
    "no memory": {"stored": ("country",), "caps": Caps(memory=1)},
}


@pytest.mark.parametrize("principal", [ANYBODY, STAFF_MEMBER], ids=["anybody", "staff"])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_link_that_is_offered_answers(name: str, principal: Principal) -> None:
    options = dict(CONFIGURATIONS[name])
    stored = options.pop("stored", ())
    made = cube(*stored, **options)
    endpoint = Endpoint(made)
    waiting, seen = ["/sales/v1"], set()
    if name == "no memory":
        assert ask(endpoint, "/sales/v1", principal=principal).status == 400
        waiting = []
    while waiting:
        href = waiting.pop()
        if href in seen:
            continue
        seen.add(href)
        found = document(ask(endpoint, href, principal=principal))
        links = drill_downs(found)
        links += [found["_links"]["roll-up"]] if "roll-up" in found["_links"] else []
        assert all(set(link) == {"href", "name"} for link in links)
        waiting += [link["href"] for link in links]
    every = {
        "/sales/v1" + "".join(f"/{step}" for step in path) for path in made.schema.forest(principal.audience).paths
    }
    assert seen <= every
    if not options:
        assert seen == every


def test_what_is_not_offered_is_what_would_be_refused() -> None:
    """The other side of W48: a child that answers is offered."""
    for options in CONFIGURATIONS.values():
        given_options = dict(options)
        made = cube(*given_options.pop("stored", ()), **given_options)
        endpoint, forest = Endpoint(made), made.schema.forest(None)
        for path in forest.paths:
            response = ask(endpoint, "/sales/v1/" + "/".join(path))
            if response.status == 200:
                offered = [link["href"].removeprefix("/sales/v1/") for link in drill_downs(document(response))]
                children = ["/".join(child) for child in forest.children(path)]
                assert offered == [child for child in children if ask(endpoint, f"/sales/v1/{child}").status == 200]
