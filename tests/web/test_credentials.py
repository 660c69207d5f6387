"""W54: what may be a credential is in no body, no header and no link, however it is put into a request."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from wolap import Cube, Dimension, Schema, Tree, count
from wolap.web.endpoint import Endpoint, Request

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = "S3CRET"
CUBE = Cube(
    Schema(name="c", dimensions=[Dimension("a")], metrics={"n": count()}, trees=[Tree.parse("a")]),
    pa.table({"a": ["x", "y"]}),
)


@pytest.mark.parametrize(
    "target",
    [
        f"/c?access_token={SECRET}",
        f"/nowhere&access_token={SECRET}",
        f"/c/a.csv&access_token={SECRET}",
        f"/c/a?format=json;access_token={SECRET}",
        f"/c/a?a=x;access_token={SECRET}",
        f"/c/a?limit=access_token={SECRET}",
        f"/c/a?Access_Token={SECRET}",
        f"/c/a?access_token={SECRET}&access_token={SECRET}",
        f"/c/a?metrics=access_token={SECRET}",
    ],
)
def test_a_credential_is_never_echoed(target: str) -> None:
    for accept in ("*/*", f"access_token={SECRET}"):
        response = Endpoint(CUBE).respond(Request("GET", target, {"accept": accept}), NOW)
        assert SECRET.encode() not in response.body
        assert all(SECRET not in value for _, value in response.headers)


def test_the_longest_base_answers_whatever_the_order() -> None:
    """An alias of one cube does not hide another cube below it (W1)."""
    wide = Cube(
        Schema(
            name="wide", base="/e/v3", aliases=["/e"], dimensions=[Dimension("a")], metrics={"n": count()},
            trees=[Tree.parse("a")],
        ),
        pa.table({"a": ["x"]}),
    )  # fmt: skip
    other = Cube(
        Schema(
            name="other", base="/e/v2", dimensions=[Dimension("b")], metrics={"n": count()}, trees=[Tree.parse("b")]
        ),
        pa.table({"b": ["x"]}),
    )
    for cubes in ((wide, other), (other, wide)):
        endpoint = Endpoint(*cubes)
        statuses = [endpoint.respond(Request("GET", target), NOW).status for target in ("/e/v2/b", "/e/v3/a", "/e/a")]
        assert statuses == [200, 200, 200]
