"""The packaged cube files carry what is published: trees, dimensions, metrics; and what they store keeps to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from published_apis import (
    APIS,
    AUDIENCES,
    ESM_METRICS,
    ESM_MVPD_METRICS,
    SESSION_METRICS,
    TREE_METRICS,
    declaration,
    hash_of,
)

from wolap.apis import NAMES, declaration_path
from wolap.cube_file import read_cube_file
from wolap.model.tree import path_text

ESM = [name for name in APIS if name.startswith("esm")]


def test_the_names() -> None:
    assert tuple(APIS) == NAMES
    folder = declaration_path().parent
    assert {path.stem for path in Path(folder).glob("*.toml")} == set(NAMES)


@pytest.mark.parametrize("name", ["esm-v9", "", "../apis/esm-v3", "esm-v3.toml"])
def test_an_unknown_api_is_refused_with_what_exists(name: str) -> None:
    with pytest.raises(FileNotFoundError, match="cmu-v2, esm-v2, esm-v3, esm-v3-2024"):
        declaration_path(name)


@pytest.mark.parametrize("name", APIS)
def test_the_cube(name: str) -> None:
    published, declared = APIS[name], declaration(name)
    about = declared["cube"]
    assert (about["name"], about["base"], about["zone"]) == (name, published.base, published.zone)
    assert about.get("aliases", []) == ([published.alias] if published.alias else [])
    assert (about["file_prefix"], about["default_limit"]) == (published.file_prefix, 1000)
    assert about["title"]
    assert about["description"].endswith(".")
    assert declared["time"] == {"column": "time", "levels": ["year", "month", "day", "hour", "minute"]}


@pytest.mark.parametrize("name", APIS)
def test_the_trees(name: str) -> None:
    schema = read_cube_file(declaration_path(name)).schema
    found: dict[str, dict[str, tuple[int, str]]] = {}
    for tree in schema.trees:
        paths = {path_text(path) for path in tree.paths}
        assert tree.audience is not None
        found.setdefault(tree.audience, {})[tree.name] = (len(paths), hash_of(paths))
    assert found == APIS[name].trees
    every = {path_text(path) for tree in schema.trees for path in tree.paths}
    assert set(APIS[name].deep) <= every


@pytest.mark.parametrize(("name", "audience"), AUDIENCES)
def test_the_paths_of_an_audience(name: str, audience: str) -> None:
    forest = read_cube_file(declaration_path(name)).schema.forest(audience)
    assert len(list(forest.paths)) == APIS[name].total[audience] + 1  # with the root


@pytest.mark.parametrize("name", APIS)
def test_the_dimensions(name: str) -> None:
    dimensions = declaration(name)["dimensions"]
    assert list(dimensions) == APIS[name].dimensions.split()
    parents = {key: value["parent"] for key, value in dimensions.items() if "parent" in value}
    assert parents == APIS[name].parents


@pytest.mark.parametrize("name", ESM)
def test_the_metrics_of_esm(name: str) -> None:
    metrics = declaration(name)["metrics"]
    assert list(metrics) == ESM_METRICS
    distinct = {key: value["distinct"] for key, value in metrics.items() if "distinct" in value}
    assert distinct == {"unique-accounts": "account", "unique-sessions": "session"}
    assert all(value["sum"] == key for key, value in metrics.items() if key not in distinct)
    assert metrics["authz-latency"]["unit"] == "ms"
    offered = {key: tree.get("metrics") for key, tree in declaration(name)["trees"].items()}
    assert offered.pop("mvpd") == ESM_MVPD_METRICS
    assert set(offered.values()) == {None}


def test_the_metrics_of_cmu() -> None:
    declared = declaration("cmu-v2")
    metrics = declared["metrics"]
    assert list(metrics) == [*TREE_METRICS["tenant-first"], "users"]
    distinct = {key: value["distinct"] for key, value in metrics.items() if "distinct" in value}
    assert distinct == {"active-users": "user", "active-sessions": "session", "users": "user"}
    assert all(value["sum"] == key for key, value in metrics.items() if key not in distinct)
    assert {key: tree["metrics"] for key, tree in declared["trees"].items()} == TREE_METRICS
    assert set(distinct) & set(SESSION_METRICS) == {"active-users", "active-sessions"}


@pytest.mark.parametrize("name", APIS)
def test_all_is_described(name: str) -> None:
    declared = declaration(name)
    described = {**declared["dimensions"], **declared["metrics"]}
    titles = [value["title"] for value in described.values()]
    assert len(set(titles)) == len(titles)
    texts = [value["description"] for value in described.values()]
    assert all(text[0].isupper() and text.endswith(".") for text in texts)
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("name", APIS)
def test_projections_are_a_dozen_or_so(name: str) -> None:
    projections = declaration(name)["projections"]
    assert 12 <= len(projections) <= 16
    grains = [frozenset(projection["dimensions"]) for projection in projections]
    assert len(set(grains)) == len(grains)


@pytest.mark.parametrize("name", ESM)
def test_esm_stores_unique_counts_by_day_and_data_center(name: str) -> None:
    for projection in declaration(name)["projections"]:
        by_day_and_center = "dc" in projection["dimensions"] and "hour" not in projection["dimensions"]
        assert ("unique-accounts" in projection["metrics"]) is by_day_and_center
        assert ("unique-sessions" in projection["metrics"]) is by_day_and_center


@pytest.mark.parametrize("name", ESM)
def test_esm_stores_counts_of_events_with_events_alone(name: str) -> None:
    for projection in declaration(name)["projections"]:
        assert (projection["metrics"] == ["count"]) is ("event" in projection["dimensions"])
        assert ("count" in projection["metrics"]) is ("event" in projection["dimensions"])
