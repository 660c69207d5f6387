"""What does it cost to choose among many projections, and to explain the choice?

The catalog is made by hand, with statistics as if all were built: nothing is read, a plan hangs on declarations only.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, islice

from benchmarks.data import DAYS, END, METRICS, declaration
from wolap import Projection, Query, declare_projection
from wolap.model.interval import Interval, Moment
from wolap.model.projection import Catalog, Statistics, declare_facts
from wolap.model.zone import DAY
from wolap.planner.choose import plan_query

LEVELS = ("year/month/day", "year/month/day/hour", "year/month")
NAMES = ("media-company", "mvpd", "platform", "requestor-id", "event", "dc", "nsdk", "channel", "api")
MEMBERS = 40
FACTS = 100_000_000
QUERIES = {
    "totals": Query(metrics=METRICS),
    "day x mvpd": Query("year/month/day/mvpd", metrics=METRICS, start="2024-06"),
    "filtered": Query("year/month/day/platform", where={"mvpd": ["a", "b"], "dc": "c"}, metrics=METRICS),
    "default metrics": Query("year/month/media-company"),
}


def catalog(count: int) -> Catalog:
    """That many built projections: all pairs of dimensions and more, by day, by hour and by month."""
    schema = declaration().schema
    end = Moment.of(END).microseconds
    starts = tuple(end - days * DAY for days in range(DAYS, 0, -1))

    def statistics(rows: int) -> Statistics:
        # One tuple for all, as a cube has it of projections with equal partitions.
        return Statistics(tuple(rows * part // DAYS for part in range(DAYS + 1)), starts, refreshed=END)

    def projections() -> list[Projection]:
        grains = [(*names,) for size in (2, 3, 4) for names in combinations(NAMES, size)]
        found = []
        for number, names in enumerate(islice(grains, count)):
            declared = declare_projection(schema, "/".join((LEVELS[number % len(LEVELS)], *names)))
            found.append(replace(declared, statistics=statistics(DAYS * MEMBERS ** len(names) * (1 + number))))
        return found

    members = {dimension.name: MEMBERS for dimension in schema.dimensions}
    facts = declare_facts(schema, statistics(FACTS))
    return Catalog(schema, (*projections(), facts), Interval(starts[0], end), members)


class Plan:
    params = ([10, 50, 200], list(QUERIES))
    param_names = ("projections", "query")

    def setup(self, projections: int, query: str) -> None:
        self.catalog, self.query = catalog(projections), QUERIES[query]

    def time_plan(self, projections: int, query: str) -> None:
        plan_query(self.query, self.catalog)

    def time_plan_what_was_never_asked(self, projections: int, query: str) -> None:
        self.catalog.reports.clear()
        plan_query(self.query, self.catalog)

    def time_explain(self, projections: int, query: str) -> None:
        plan_query(self.query, self.catalog, explain=True)

    def time_explain_as_text(self, projections: int, query: str) -> None:
        str(plan_query(self.query, self.catalog, explain=True))
