"""How long does an answer take, rolled up from all facts on the fly, and from a projection? WOLAP_BENCHMARK_ROWS facts.

An answer is what `Cube.answer` gives: codes and numbers. The Arrow table with the names of members is a step of its
own.
"""

from __future__ import annotations

import tracemalloc

from benchmarks.data import METRICS, facts_cube, new_cube, rows
from wolap import Cube, Query

QUERIES = {
    "totals": {},
    "by day": {"path": "year/month/day"},
    "day x mvpd": {"path": "year/month/day/mvpd"},
    "day x mvpd x platform, one company": {"path": "year/month/day/mvpd/platform", "where": "media-company"},
    "hour x mvpd, 7 days": {"path": "year/month/day/hour/mvpd", "start": "2024-06-24"},
    "requestor x mvpd, one platform": {"path": "requestor-id/mvpd", "where": "platform"},
    "accounts by day": {"path": "year/month/day", "metrics": "unique-accounts"},
    "accounts by day x mvpd": {"path": "year/month/day/mvpd", "metrics": "unique-accounts"},
}
# From which projection, by what: the same grain, and one that has to be rolled up.
PROJECTION = "year/month/day/mvpd/platform/media-company"
STORED = ("totals", "by day", "day x mvpd", "day x mvpd x platform, one company")


def query(cube: Cube, name: str) -> Query:
    """One of QUERIES; a filter keeps the first member that the cube has."""
    asked = {"metrics": METRICS, **QUERIES[name]}
    if dimension := asked.pop("where", None):
        asked["where"] = {dimension: cube.snapshot.dictionaries.members[dimension].texts[0]}
    return Query(**asked)


class OnTheFly:
    params = tuple(QUERIES)
    param_names = ("query",)

    def setup(self, name: str) -> None:
        self.cube = facts_cube(rows())
        self.query = query(self.cube, name)
        assert len(self.cube.answer(self.query))

    def time_answer(self, name: str) -> None:
        self.cube.answer(self.query)

    def track_temporary_bytes(self, name: str) -> int:
        """The most that is held on the way, the answer included; the facts are there before."""
        tracemalloc.start()
        try:
            self.cube.answer(self.query)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    track_temporary_bytes.unit = "bytes"  # type: ignore[attr-defined]


class FromProjection:
    params = STORED
    param_names = ("query",)

    def setup(self, name: str) -> None:
        self.cube = new_cube(rows())
        self.cube.materialize(PROJECTION)
        self.query = query(self.cube, name)
        assert self.cube.answer(self.query).plan.pieces[0].projection == PROJECTION

    def time_answer(self, name: str) -> None:
        self.cube.answer(self.query)


class Table:
    """Names of members in the place of codes."""

    params = ("by day", "day x mvpd")
    param_names = ("query",)

    def setup(self, name: str) -> None:
        self.cube = facts_cube(rows())
        self.plan = self.cube.snapshot.plan(query(self.cube, name))

    def time_answer_and_table(self, name: str) -> None:
        assert self.cube.snapshot.run(self.plan).table.num_rows
