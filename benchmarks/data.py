"""What the benchmarks ask of: the packaged ESM v3 cube over made-up facts, and a smaller one behind the endpoint.

The facts of all of them end at midnight on the clock of the cube, so that days are whole. What is made is kept for
the process, so a benchmark must not change a cube that it has from here.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cache

import pyarrow as pa

from wolap import Cube, Principal
from wolap.apis import declaration_path, make_events
from wolap.cube_file import CubeFile, read_cube_file

END = datetime(2024, 7, 1, 8, tzinfo=UTC)
DAYS = 90
PROGRAMMER = Principal(audience="programmer")
METRICS = ("authn-attempts", "authz-attempts")

# 70,000 events of 84 days fall into about 10,000 combinations of day, company and data center.
SMALL_ROWS = 70_000
SMALL_DAYS = 84
PROJECTION = "year/month/day/media-company/dc"

# Targets below the base that PROJECTION answers. 84 days of three data centers are 252 records from all of its rows.
WHOLE = "start=2024-04-08&end=2024-07-01"
THREE = "metrics=authn-attempts,authn-successful,authz-attempts"
TARGETS = {
    "totals": f"?{THREE}",
    "month": f"/year/month?{WHOLE}&{THREE}",
    "day x dc": f"/year/month/day/dc?{WHOLE}&{THREE}",
    "day x dc, 12 metrics": f"/year/month/day/dc?{WHOLE}",
    "day x dc, one company": f"/year/month/day/media-company/dc?{WHOLE}&{THREE}&media-company={{company}}",
    "day x dc, last month": f"/year/month/day/dc?{THREE}",
    "day x dc, csv": f"/year/month/day/dc.csv?{WHOLE}&{THREE}",
}
HEADLINE = "day x dc"


def rows() -> int:
    """How many facts the cube has that is asked without projections."""
    return int(os.environ.get("WOLAP_BENCHMARK_ROWS", "100_000"))


@cache
def declaration() -> CubeFile:
    """The packaged cube file."""
    return read_cube_file(declaration_path("esm-v3"))


@cache
def events(count: int, days: int = DAYS) -> pa.Table:
    """That many facts."""
    return make_events("esm-v3", count, end=END, days=days)


def new_cube(count: int, days: int = DAYS, *, strict: bool = False) -> Cube:
    """A cube over that many facts, without projections, that the caller may change."""
    return Cube(declaration().schema, events(count, days), refreshed=END, strict=strict)


@cache
def facts_cube(count: int) -> Cube:
    """A cube without projections: every answer is rolled up on the fly."""
    return new_cube(count)


@cache
def small_cube() -> Cube:
    """The cube with PROJECTION, of the same size whatever WOLAP_BENCHMARK_ROWS says."""
    # Strict, since so few facts answer some of the targets as fast as the projection.
    cube = new_cube(SMALL_ROWS, SMALL_DAYS, strict=True)
    cube.materialize(next(one for one in declaration().projections if one.name == PROJECTION))
    return cube


@cache
def target(name: str) -> str:
    """One of TARGETS with the base, and a company that exists."""
    schema, members = small_cube().schema, small_cube().snapshot.dictionaries.members
    company = members["media-company"].texts[0].replace(" ", "%20")
    return schema.base + TARGETS[name].format(company=company)
