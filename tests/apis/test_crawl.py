"""Every API over HTTP: each page is reached from the root, each link is followed, each path answers its audience."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from published_apis import APIS, AUDIENCES, BUCKETS, END, ESM_METRICS, cube, declaration, principal, targets

from wolap.web.endpoint import Endpoint, Request, Response

PROGRAMMERS = [(name, audience) for name, audience in AUDIENCES if audience == "programmer"]


@cache
def endpoint(name: str) -> Endpoint:
    return Endpoint(cube(name))


def ask(name: str, target: str, audience: str | None) -> Response:
    return endpoint(name).respond(Request("GET", target, principal=principal(audience)), END)


@dataclass(frozen=True)
class Page:
    """What was found at a target: its metrics as the self link says them, and what it came from."""

    links: dict[str, Any]
    metrics: tuple[str, ...]
    projection: str
    fields: tuple[str, ...]


def links_of(page: Page) -> Iterator[str]:
    if "roll-up" in page.links:
        yield page.links["roll-up"]["href"]
    drill_down = page.links.get("drill-down", [])
    yield from (link["href"] for link in (drill_down if isinstance(drill_down, list) else [drill_down]))


@cache
def pages(name: str, audience: str) -> dict[str, Page]:
    """All that a crawler finds that starts at the root and follows every link; each self link is asked for as well."""
    found: dict[str, Page] = {}
    waiting = [cube(name).schema.base]
    while waiting:
        target = waiting.pop()
        if target in found:
            continue
        response = ask(name, target, audience)
        assert response.status == 200, (target, response.body)
        document = json.loads(response.body)
        href = document["_links"]["self"]["href"]
        again = ask(name, href, audience)
        assert (again.status, again.body) == (200, response.body), href
        records = document["report"]
        found[target] = Page(
            document["_links"],
            tuple(parse_qs(urlsplit(href).query)["metrics"]),
            (response.header("Wolap-Projection") or "").partition(";")[0],
            tuple(records[0]) if records else (),
        )
        waiting += links_of(found[target])
    return found


def path_of(name: str, target: str) -> list[str]:
    return target.removeprefix(cube(name).schema.base).split("/")[1:]


@pytest.mark.parametrize(("name", "audience"), AUDIENCES)
def test_the_crawler_reaches_the_whole_tree_and_nothing_else(name: str, audience: str) -> None:
    found = pages(name, audience)
    assert set(found) == set(targets(name, audience))
    assert len(found) == APIS[name].total[audience] + 1


@pytest.mark.parametrize(("name", "audience"), AUDIENCES)
def test_links_lead_one_step_up_and_to_every_step_down(name: str, audience: str) -> None:
    found = pages(name, audience)
    for target, page in found.items():
        below = {other for other in found if other.rpartition("/")[0] == target}
        above = {target.rpartition("/")[0]} if path_of(name, target) else set()
        assert set(links_of(page)) == below | above
        assert page.fields in ((), (*path_of(name, target), *page.metrics))


@pytest.mark.parametrize("name", APIS)
@pytest.mark.parametrize("stranger", ["programmer", "mvpd", "tenant", "nobody", None])
def test_the_paths_of_others_do_not_exist(name: str, stranger: str | None) -> None:
    own = set(targets(name, stranger))
    others = {target for audience in APIS[name].trees for target in targets(name, audience)} - own
    assert bool(others) is (APIS[name].trees.keys() != {stranger})
    for target in others:
        assert ask(name, target, stranger).status == 404, target


# W21 once more, from the text of the cube file and the words of the contract alone.

LEVELS = ["year", "month", "day", "hour", "minute"]


def finest(names: list[str]) -> int:
    return max((LEVELS.index(name) for name in names if name in LEVELS), default=-1)


def closure(name: str, dimensions: list[str]) -> set[str]:
    parents = {key: value.get("parent") for key, value in declaration(name)["dimensions"].items()}
    closed = set()
    for dimension in dimensions:
        at = dimension if dimension not in LEVELS else None
        while at:
            closed.add(at)
            at = parents[at]
    return closed


def offered_by(name: str, projection: dict[str, Any], path: list[str], asked: list[str]) -> list[str]:
    """What a stored projection can say on this path, whatever the interval."""
    metrics = declaration(name)["metrics"]
    held = closure(name, projection["dimensions"])
    grain, wanted = finest(projection["dimensions"]), finest(path)
    if grain < wanted or not set(path) - set(LEVELS) <= held:
        return []
    named = projection.get("metrics", list(metrics))
    sums = {metrics[key]["sum"] for key in named if "sum" in metrics[key]}
    counted = {metrics[key]["distinct"] for key in named if "distinct" in metrics[key]}
    left_out = set(projection["dimensions"]) - set(LEVELS) - closure(name, path)

    def is_exact(column: str) -> bool:
        determined = [d for m in metrics.values() if m.get("distinct") == column for d in m.get("determines", [])]
        return column in counted and grain == wanted and left_out <= closure(name, determined)

    return [key for key in asked if metrics[key].get("sum") in sums or is_exact(metrics[key].get("distinct", ""))]


def unasked(name: str, audience: str, path: list[str]) -> list[str]:
    """The metrics of a report that names none."""
    declared = declaration(name)
    named = {
        key
        for tree in cube(name).schema.trees
        if tree.audience == audience and (not path or tuple(path) in tree.paths)
        for key in declared["trees"][tree.name].get("metrics", declared["metrics"])
    }
    asked = [key for key in declared["metrics"] if key in named]
    best: list[str] = []
    for projection in declared["projections"]:
        offered = offered_by(name, projection, path, asked)
        best = offered if len(offered) > len(best) else best
    return best or asked


@pytest.mark.parametrize(("name", "audience"), AUDIENCES)
def test_metrics_that_nobody_named(name: str, audience: str) -> None:
    for target, page in pages(name, audience).items():
        assert list(page.metrics) == unasked(name, audience, path_of(name, target)), target


@pytest.mark.parametrize(("name", "audience"), PROGRAMMERS)
def test_unique_counts_come_unasked_from_one_projection_of_days_and_data_centers(name: str, audience: str) -> None:
    grains = {
        one.get("name", "/".join(one["dimensions"])): one["dimensions"] for one in declaration(name)["projections"]
    }
    seen = 0
    for target, page in pages(name, audience).items():
        path = path_of(name, target)
        assert ("unique-accounts" in page.metrics) is ("unique-sessions" in page.metrics)
        if "unique-accounts" in page.metrics:
            seen += 1
            grain = grains[page.projection]
            assert path[-1] == "dc"
            assert finest(grain) == finest(path) == LEVELS.index("day")
            assert closure(name, grain) == closure(name, path)
    assert seen >= 4


@pytest.mark.parametrize(("name", "audience"), PROGRAMMERS)
def test_events_are_counted_unasked_in_event_reports_only(name: str, audience: str) -> None:
    for target, page in pages(name, audience).items():
        assert ("count" in page.metrics) is ("event" in path_of(name, target)), target


@pytest.mark.parametrize(("name", "audience"), PROGRAMMERS)
def test_every_metric_answers_everywhere_when_it_is_asked_for(name: str, audience: str) -> None:
    for target in targets(name, audience):
        response = ask(name, f"{target}?metrics=count,unique-accounts,authz-latency", audience)
        assert response.status == 200
        href = json.loads(response.body)["_links"]["self"]["href"]
        assert parse_qs(urlsplit(href).query)["metrics"] == ["count", "unique-accounts", "authz-latency"]


@pytest.mark.parametrize("name", [name for name in APIS if name.startswith("esm")])
def test_providers_have_nine_metrics_and_no_others(name: str) -> None:
    for target, page in pages(name, "mvpd").items():
        assert len(page.metrics) == 9
        for metric in set(ESM_METRICS) - set(page.metrics):
            assert ask(name, f"{target}?metrics={metric}", "mvpd").status == 400


def test_what_cmu_publishes_is_there_unasked() -> None:
    """Every path offers all that its trees name, the distinct counts too."""
    trees = declaration("cmu-v2")["trees"]
    schema = cube("cmu-v2").schema
    for target, page in pages("cmu-v2", "tenant").items():
        path = tuple(path_of("cmu-v2", target))
        named = {
            metric for tree in schema.trees if not path or path in tree.paths for metric in trees[tree.name]["metrics"]
        }
        assert set(page.metrics) == named, target


def test_durations_where_tenant_or_mvpd_comes_first_only() -> None:
    refused = 0
    for target in targets("cmu-v2", "tenant"):
        path = path_of("cmu-v2", target)
        for bucket in (BUCKETS[0], BUCKETS[-1]):
            response = ask("cmu-v2", f"{target}?metrics={bucket}", "tenant")
            if not path or path[0] in ("tenant", "mvpd"):
                assert response.status == 200, target
            else:
                refused += 1
                assert response.status == 400, target
                text = response.body.decode()
                assert bucket in text
                assert "tenant-first" in text
                assert "mvpd-first" in text
    assert refused == 2 * 57


@pytest.mark.parametrize("path", ["year/month/day/tenant/mvpd", "year/month/day/mvpd/tenant"])
def test_the_same_set_of_dimensions_offers_what_its_first_one_says(path: str) -> None:
    """The projection that answers holds the durations, but these paths have them not."""
    first = "/cmu/v2/tenant/year/month/day/mvpd"
    assert pages("cmu-v2", "tenant")[first].metrics[-1] == "duration_over-1m"
    assert pages("cmu-v2", "tenant")[f"/cmu/v2/{path}"].metrics[-1] == "killed-sessions"


def records(name: str, target: str, audience: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(ask(name, target, audience).body)["report"]
    return found


@pytest.mark.parametrize("path", ["tenant", "tenant/year/month/mvpd", "mvpd/year/month/day/tenant"])
def test_durations_add_up_to_completed_sessions(path: str) -> None:
    found = records("cmu-v2", f"/cmu/v2/{path}", "tenant")
    assert found
    for record in found:
        assert sum(int(record[bucket]) for bucket in BUCKETS) == int(record["completed-sessions"])
        assert 0 < int(record["active-users"]) <= int(record["active-sessions"])


@pytest.mark.parametrize("name", ["esm-v2", "esm-v3-2024", "esm-v3"])
def test_both_audiences_count_the_same_events(name: str) -> None:
    base = APIS[name].base
    totals = records(name, base, "programmer")[0]
    providers = records(name, f"{base}/mvpd", "mvpd")
    for metric in ("authn-attempts", "authz-attempts", "authz-latency"):
        assert int(totals[metric]) == sum(int(record[metric]) for record in providers)
    for record in providers:
        assert int(record["authz-attempts"]) >= int(record["authz-successful"])


@pytest.mark.parametrize(("name", "audience"), AUDIENCES)
def test_aliases(name: str, audience: str) -> None:
    base, alias = APIS[name].base, APIS[name].alias
    if alias is None:
        assert ask(name, "/esm/report", audience).status == 404
        return
    step = path_of(name, targets(name, audience)[1])[0]
    for below in ("", ".json", ".csv", f"/{step}", f"/{step}.json", f"/{step}.csv?limit=3", "?format=csv"):
        response, same = (ask(name, mounted + below, audience) for mounted in (alias, base))
        assert response.status == same.status == 200, below
        assert response.body == same.body
        assert response.header("Content-Type") == same.header("Content-Type")


def test_what_may_be_served_together() -> None:
    together = Endpoint(*(cube(name) for name in ("esm-v2", "esm-v3", "cmu-v2")))
    for target, root in (("/esm/v2", "esm-v2"), ("/esm/report", "esm-v3"), ("/cmu/report", "cmu-v2")):
        audience = next(iter(APIS[root].trees))
        response = together.respond(Request("GET", target, principal=principal(audience)), END)
        assert response.body == ask(root, APIS[root].base, audience).body
    with pytest.raises(ValueError, match="/esm/report, /esm/v3"):
        Endpoint(cube("esm-v3"), cube("esm-v3-2024"))
