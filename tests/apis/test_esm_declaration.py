"""The packaged cube file carries the published facts of ESM v3."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from wolap.apis import declaration_path
from wolap.apis.events import DIMENSIONS
from wolap.model.tree import Tree

MVPD_METRICS = (
    "authn-attempts", "authn-successful", "authn-pending", "authn-failed", "authz-attempts", "authz-successful",
    "authz-failed", "authz-rejected", "authz-latency",
)  # fmt: skip


@pytest.fixture(scope="module")
def declaration() -> dict[str, Any]:
    return tomllib.loads(declaration_path().read_text(encoding="utf-8"))


def trees_of(declaration: dict[str, Any], audience: str) -> dict[str, Tree]:
    return {
        name: Tree.parse(tree["paths"], name=name, audience=audience)
        for name, tree in declaration["trees"].items()
        if tree["audience"] == audience
    }


def test_an_unknown_api_is_refused_with_what_exists() -> None:
    with pytest.raises(FileNotFoundError, match="esm-v3"):
        declaration_path("esm-v9")


def test_the_cube(declaration: dict[str, Any]) -> None:
    cube = declaration["cube"]
    assert (cube["name"], cube["base"], cube["zone"]) == ("esm-v3", "/esm/v3", "-08:00")
    assert (cube["file_prefix"], cube["default_limit"]) == ("esm", 1000)
    assert declaration["time"] == {"column": "time", "levels": ["year", "month", "day", "hour", "minute"]}


@pytest.mark.parametrize(
    ("audience", "counts", "distinct"),
    [("programmer", {"day": 79, "hour": 79, "minute": 63}, 214), ("mvpd", {"mvpd": 39}, 39)],
)
def test_paths(declaration: dict[str, Any], audience: str, counts: dict[str, int], distinct: int) -> None:
    trees = trees_of(declaration, audience)
    assert {name: len(tree.paths) for name, tree in trees.items()} == counts
    assert len({path for tree in trees.values() for path in tree.paths}) == distinct


def test_a_deep_path_of_each_tree(declaration: dict[str, Any]) -> None:
    paths = {
        "/".join(path)
        for audience in ("programmer", "mvpd")
        for tree in trees_of(declaration, audience).values()
        for path in tree.paths
    }
    client = "platform/nsdk/nsdk-version"
    assert {
        f"year/month/day/media-company/proxy/mvpd/requestor-id/{client}/sso-type/dc",
        f"year/month/day/hour/proxy/mvpd/media-company/requestor-id/eap/{client}/dc",
        f"year/month/day/hour/minute/media-company/proxy/mvpd/requestor-id/{client}/channel/dc",
        f"mvpd/year/month/day/hour/minute/requestor-id/eap/{client}/dc",
        "year/month/day/requestor-id/platform/application-name/application-version/api/dc",
    } <= paths


def test_dimensions_and_metrics(declaration: dict[str, Any]) -> None:
    assert tuple(declaration["dimensions"]) == DIMENSIONS
    metrics = declaration["metrics"]
    assert len(metrics) == 15
    assert {name: metric["distinct"] for name, metric in metrics.items() if "distinct" in metric} == {
        "unique-accounts": "account",
        "unique-sessions": "session",
    }
    assert all(metric["sum"] == name for name, metric in metrics.items() if "distinct" not in metric)
    assert metrics["authz-latency"]["unit"] == "ms"
    assert tuple(declaration["trees"]["mvpd"]["metrics"]) == MVPD_METRICS
    for described in (*declaration["dimensions"].values(), *metrics.values()):
        assert described["title"]
        assert described["description"].endswith(".")


def test_projections_name_what_exists(declaration: dict[str, Any]) -> None:
    projections = declaration["projections"]
    names = {*declaration["time"]["levels"], *declaration["dimensions"]}
    grains = [tuple(projection["dimensions"]) for projection in projections]
    assert len(set(grains)) == len(grains) == 12
    for projection in projections:
        assert set(projection["dimensions"]) <= names
        assert set(projection["metrics"]) <= set(declaration["metrics"])


def test_unique_counts_are_stored_where_they_are_published(declaration: dict[str, Any]) -> None:
    for projection in declaration["projections"]:
        by_day_and_center = "dc" in projection["dimensions"] and "hour" not in projection["dimensions"]
        assert ("unique-accounts" in projection["metrics"]) is by_day_and_center
        assert ("unique-sessions" in projection["metrics"]) is by_day_and_center


def test_counts_of_events_are_stored_with_events_alone(declaration: dict[str, Any]) -> None:
    for projection in declaration["projections"]:
        assert (projection["metrics"] == ["count"]) is ("event" in projection["dimensions"])
        assert ("count" in projection["metrics"]) is ("event" in projection["dimensions"])
