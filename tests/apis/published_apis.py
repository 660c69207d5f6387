"""What is published about each API, for the tests: numbers of paths with a hash of them, dimensions and metrics.

The hash of a tree is over its paths, sorted, one a line: it was taken of the published documents, which the tests do
not need.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import Any

from wolap import Cube, Principal
from wolap.apis import declaration_path, make_events
from wolap.cube_file import read_cube_file
from wolap.model.tree import path_text

END = datetime(2024, 8, 20, 14, 35, 21, tzinfo=UTC)
CRAWLED_EVENTS = 5_000


@dataclass(frozen=True)
class Published:
    """`trees` says by audience and tree how many paths there are, with their hash; `total` those of an audience."""

    base: str
    alias: str | None
    zone: str
    file_prefix: str
    dimensions: str
    trees: dict[str, dict[str, tuple[int, str]]]
    total: dict[str, int]
    deep: tuple[str, ...]
    parents: dict[str, str] = field(default_factory=dict)


def words(text: str) -> list[str]:
    return text.split()


_CLIENT = "platform/nsdk/nsdk-version"
_ESM_PARENTS = {"mvpd": "proxy", "requestor-id": "media-company"}
ESM_MVPD_METRICS = words(
    "authn-attempts authn-successful authn-pending authn-failed authz-attempts authz-successful authz-failed "
    "authz-rejected authz-latency"
)
ESM_METRICS = words(
    "authn-attempts authn-successful authn-pending authn-failed clientless-tokens clientless-failures authz-attempts "
    "authz-successful authz-failed authz-rejected authz-latency media-tokens unique-accounts unique-sessions count"
)
BUCKETS = [
    f"duration_{part}" for part in words("0-15 15-30 30-60 60-120 2h-4h 4h-8h 8h-16h 16h-1d 1d-3d 3d-7d 1w-1m over-1m")
]
SESSION_METRICS = words(
    "active-users active-sessions started-sessions completed-sessions failed-attempts dismissed-sessions "
    "killed-sessions"
)
TREE_METRICS = {
    "tenant-first": SESSION_METRICS + BUCKETS,
    "mvpd-first": SESSION_METRICS + BUCKETS,
    "sessions": SESSION_METRICS,
    "levels": ["users"],
}

APIS = {
    "esm-v2": Published(
        base="/esm/v2",
        alias=None,
        zone="-08:00",
        file_prefix="esm",
        dimensions=(
            "media-company requestor-id cdt platform-version dc sso-type sdk-type sdk-version os-family device proxy "
            "mvpd browser-family browser-version eap event reason channel"
        ),
        trees={
            "programmer": {"programmer": (106, "570c49a193c02308")},
            "mvpd": {"mvpd": (33, "a951fcfdc5cdafad")},
        },
        total={"programmer": 106, "mvpd": 33},
        deep=(
            "media-company/year/month/day/requestor-id/proxy/mvpd/sdk-type/sdk-version/os-family/browser-family",
            "media-company/year/month/day/hour/minute/proxy/mvpd/requestor-id/sdk-type/channel/dc",
            "mvpd/year/month/day/hour/minute/sdk-type/requestor-id/cdt/dc",
        ),
        parents={**_ESM_PARENTS, "sdk-version": "sdk-type", "browser-version": "browser-family"},
    ),
    "esm-v3-2024": Published(
        base="/esm/v3",
        alias="/esm/report",
        zone="-08:00",
        file_prefix="esm",
        dimensions=(
            "media-company dc proxy mvpd requestor-id eap platform nsdk nsdk-version sso-type cdt channel "
            "platform-version device os-family browser-family browser-version customer-app decision-type "
            "content-category application-name application-version event reason"
        ),
        trees={
            "programmer": {
                "day": (106, "6e4c5c6208556fef"),
                "hour": (75, "df8a98ea0b989df1"),
                "minute": (69, "21a3e6b31979a27c"),
            },
            "mvpd": {"mvpd": (39, "9ed5c4b79417497e")},
        },
        total={"programmer": 241, "mvpd": 39},
        deep=(
            f"media-company/year/month/day/requestor-id/proxy/mvpd/{_CLIENT}/os-family/browser-family",
            "media-company/year/month/day/requestor-id/proxy/mvpd/platform/customer-app/channel/decision-type/dc",
            "media-company/year/month/day/hour/proxy/mvpd/requestor-id/customer-app/content-category/channel/dc",
            f"media-company/year/month/day/hour/minute/proxy/mvpd/requestor-id/{_CLIENT}/sso-type/dc",
        ),
        parents={
            **_ESM_PARENTS,
            "nsdk-version": "nsdk",
            "application-version": "application-name",
            "browser-version": "browser-family",
            "channel": "content-category",
        },
    ),
    "esm-v3": Published(
        base="/esm/v3",
        alias="/esm/report",
        zone="-08:00",
        file_prefix="esm",
        dimensions=(
            "dc media-company proxy mvpd requestor-id platform nsdk nsdk-version sso-type cdt platform-version eap "
            "application-name application-version channel application-software-id customer-app api event reason arch"
        ),
        trees={
            "programmer": {
                "day": (79, "11f8108cb9b41195"),
                "hour": (79, "75b5ff24f2e14bd7"),
                "minute": (63, "307ded0734d4a254"),
            },
            "mvpd": {"mvpd": (39, "9ed5c4b79417497e")},
        },
        total={"programmer": 214, "mvpd": 39},
        deep=(
            f"year/month/day/media-company/proxy/mvpd/requestor-id/{_CLIENT}/sso-type/dc",
            f"year/month/day/hour/proxy/mvpd/media-company/requestor-id/eap/{_CLIENT}/dc",
            f"year/month/day/hour/minute/media-company/proxy/mvpd/requestor-id/{_CLIENT}/channel/dc",
            f"mvpd/year/month/day/hour/minute/requestor-id/eap/{_CLIENT}/dc",
            "year/month/day/requestor-id/platform/application-name/application-version/api/dc",
        ),
        parents={**_ESM_PARENTS, "nsdk-version": "nsdk", "application-version": "application-name"},
    ),
    "cmu-v2": Published(
        base="/cmu/v2",
        alias="/cmu/report",
        zone="UTC",
        file_prefix="report",
        dimensions="tenant mvpd platform application-id application channel concurrency-level activity-level",
        trees={
            "tenant": {
                "tenant-first": (47, "5ba17fbe66767952"),
                "mvpd-first": (8, "44678a82c41d4299"),
                "sessions": (45, "79215705b9a93d00"),
                "levels": (15, "4234b9c66a7b9373"),
            }
        },
        total={"tenant": 112},
        deep=(
            "tenant/year/month/day/hour/minute/channel/platform/application-id/application",
            "mvpd/year/month/day/hour/tenant",
            "year/month/day/hour/tenant/mvpd/platform/application-id",
            "year/month/day/activity-level/tenant/mvpd",
        ),
        parents={"application-id": "application", "application": "tenant"},
    ),
}
AUDIENCES = [(name, audience) for name, published in APIS.items() for audience in published.trees]


def hash_of(paths: set[str]) -> str:
    return sha256("\n".join(sorted(paths)).encode()).hexdigest()[:16]


@cache
def declaration(name: str) -> dict[str, Any]:
    """The cube file as it is written, without the eyes of the library."""
    return tomllib.loads(declaration_path(name).read_text(encoding="utf-8"))


@cache
def cube(name: str) -> Cube:
    """The API over few events, with all that its file says is stored."""
    declared = read_cube_file(declaration_path(name))
    made = Cube(declared.schema, make_events(name, CRAWLED_EVENTS, end=END), refreshed=END)
    made.materialize(*declared.projections)
    return made


def targets(name: str, audience: str | None) -> list[str]:
    """Every path that an audience has, the root first."""
    schema = cube(name).schema
    return [schema.base + ("/" + path_text(path) if path else "") for path in schema.forest(audience).paths]


def principal(audience: str | None) -> Principal:
    return Principal(audience=audience)
