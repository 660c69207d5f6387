"""What does building cost: the layout of the facts, and each kind of projection from it? WOLAP_BENCHMARK_ROWS facts."""

from __future__ import annotations

from tempfile import TemporaryDirectory

from benchmarks.builds import projections_of
from benchmarks.data import declaration, events, new_cube, rows
from wolap import Cube, declare_projection

SUMS = ("authn-attempts", "authn-successful", "authz-attempts", "authz-successful")
APPLICATION = "requestor-id/platform/customer-app/application-name/application-version/application-software-id"
# A name, the grain, the metrics.
KINDS = {
    "totals, no time": ("", SUMS),
    "no time": ("requestor-id/mvpd", SUMS),
    "month": ("year/month/mvpd", SUMS),
    "day": ("year/month/day", SUMS),
    "day x few": ("year/month/day/dc", SUMS),
    "day x many": ("year/month/day/requestor-id/mvpd/platform", SUMS),
    "day x eight": (f"year/month/day/{APPLICATION}/mvpd/channel", SUMS),
    "hour": ("year/month/day/hour/mvpd", SUMS),
    "minute": ("year/month/day/hour/minute/mvpd", SUMS),
    "accounts by day": ("year/month/day/dc", ("unique-accounts",)),
    "accounts by day x mvpd": ("year/month/day/mvpd/dc", ("unique-accounts", "unique-sessions")),
}


class Build:
    params = tuple(KINDS)
    param_names = ("kind",)

    def setup(self, kind: str) -> None:
        self.cube = new_cube(rows())
        grain, metrics = KINDS[kind]
        self.projection = declare_projection(self.cube.schema, grain, metrics=metrics)

    def time_build(self, kind: str) -> None:
        self.cube.materialize(self.projection)


class Load:
    def setup(self) -> None:
        self.schema, self.events = declaration().schema, events(rows())

    def time_facts(self) -> None:
        Cube(self.schema, self.events)


class Declared:
    """All that the packaged cube file declares."""

    def setup(self) -> None:
        self.cube = new_cube(rows())

    def time_build(self) -> None:
        self.cube.materialize(*declaration().projections)


class DayTree:
    """The 79 paths of the tree of days, in memory and in files, by one thread and by two."""

    params = (("memory", "files"), (1, 2))
    param_names = ("where", "threads")

    def setup(self, where: str, threads: int) -> None:
        self.cube = new_cube(rows())
        self.projections = projections_of(self.cube.schema, every=False)
        self.folder = TemporaryDirectory()
        if where == "files":
            self.cube.save(self.folder.name)

    def teardown(self, where: str, threads: int) -> None:
        self.folder.cleanup()

    def time_build(self, where: str, threads: int) -> None:
        self.cube.materialize(*self.projections, threads=threads)
