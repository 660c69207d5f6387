"""Multi-valued dimensions on the wire: each record has one member, and its links lead to the facts that it counted."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pyarrow as pa
import pytest
from page_reader import read_page
from web_cubes import NOW

from wolap import Cube, Dimension, Schema, Tree, count, total
from wolap.web.endpoint import Endpoint, Request, Response

TAGS = [["tea", "hot"], ["hot", None], [], ["tea"], ["a,b", "tea"]]
SHOPS = ["x", "y", "x", "y", "x"]


def posts(*projections: str, strict: bool = False) -> Endpoint:
    table = pa.table({"tag": TAGS, "shop": SHOPS, "amount": [1, 2, 4, 8, 16]})
    schema = Schema(
        "posts",
        [Dimension("tag", multivalued=True), Dimension("shop")],
        {"posts": count(), "amount": total("amount")},
        [Tree.parse("tag\n  shop\nshop\n  tag")],
    )
    cube = Cube(schema, table, strict=strict)
    if projections:
        cube.materialize(*projections)
    return Endpoint(cube)


@pytest.fixture(scope="module", params=[(), ("tag/shop", "shop", "tag")])
def endpoint(request: pytest.FixtureRequest) -> Endpoint:
    return posts(*request.param)


def get(endpoint: Endpoint, target: str) -> Response:
    return endpoint.respond(Request("GET", target, {}), NOW)


def body(response: Response) -> str:
    assert response.status == 200, response.body
    return bytes(response.body).decode()


def records(endpoint: Endpoint, target: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(body(get(endpoint, target)))["report"]
    return found


def test_each_format_has_each_member_once(endpoint: Endpoint) -> None:
    expected = [["a,b", "1", "16"], ["hot", "2", "3"], ["tea", "3", "25"], ["N/A", "2", "6"]]
    rows = list(csv.reader(io.StringIO(body(get(endpoint, "/posts/tag.csv")))))
    assert rows == [["tag", "posts", "amount"], *expected]
    shown = [[record[name] for name in ("tag", "posts", "amount")] for record in records(endpoint, "/posts/tag.json")]
    assert shown == expected
    page = body(get(endpoint, "/posts/tag.html"))
    assert all(f">{tag}<" in page for tag, *_ in expected)
    assert "4 records" in page
    # More than the five posts that there are, which the total knows.
    assert sum(int(posts) for _, posts, _ in expected) == 8
    assert body(get(endpoint, "/posts.csv")) == "posts,amount\r\n5,31\r\n"


def rows(endpoint: Endpoint, target: str) -> list[tuple[str, int]]:
    """For each record of a page the link of its first member, and its posts."""
    page = read_page(bytes(get(endpoint, f"{target}{'&' if '?' in target else '?'}format=html").body))
    found = []
    for row in page.root.one("tbody").all("tr"):
        cells = row.all("td")
        found.append((cells[0].one("a").href, int(cells[-2].text)))
    return found


@pytest.mark.parametrize(
    ("target", "adds_up"),
    [
        ("/posts/tag", True),
        ("/posts/tag?tag=tea&tag=hot", True),
        ("/posts/tag?tag!=tea", True),
        ("/posts/tag?shop=x", True),
        # Below a shop a post is there for each of its tags.
        ("/posts/shop", False),
        ("/posts/shop?tag=tea", True),
    ],
)
def test_what_a_member_leads_to_is_what_its_record_counts(endpoint: Endpoint, target: str, adds_up: bool) -> None:
    found = rows(endpoint, target)
    assert found
    differ = 0
    for href, posts_of in found:
        below = sum(int(record["posts"]) for record in records(endpoint, href))
        assert below >= posts_of
        differ += below != posts_of
    assert bool(differ) is not adds_up


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/posts.csv?tag=tea&metrics=posts", "3"),
        ("/posts.csv?tag=tea&tag=hot&metrics=posts", "4"),
        ("/posts.csv?tag=N/A&metrics=posts", "2"),
        ("/posts.csv?tag!=tea&metrics=posts", "4"),
    ],
)
def test_filters(endpoint: Endpoint, target: str, expected: str) -> None:
    assert body(get(endpoint, target)).split() == ["posts", expected]


def test_a_refusal_says_what_to_group_by() -> None:
    response = get(posts("tag", strict=True), "/posts.csv?metrics=posts")
    assert response.status >= 400
    assert "a row for each tag that it has" in bytes(response.body).decode()
