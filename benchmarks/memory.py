"""How much memory does a process need at most: to load, to answer, to build? WOLAP_BENCHMARK_ROWS facts.

All of them make the facts and load them; what `peakmem_load` shows is in each. What an answer holds on the way, without
that, is `queries.OnTheFly.track_temporary_bytes`.
"""

from __future__ import annotations

from benchmarks.data import declaration, events, rows
from benchmarks.queries import PROJECTION, query
from wolap import Cube
from wolap.web.negotiation import FORMATS


def load() -> Cube:
    """A cube over the facts of the others."""
    return Cube(declaration().schema, events(rows()))


def peakmem_load() -> None:
    load()


def peakmem_answer() -> None:
    cube = load()
    cube.answer(query(cube, "day x mvpd"))


def peakmem_accounts() -> None:
    cube = load()
    cube.answer(query(cube, "accounts by day x mvpd"))


def peakmem_build() -> None:
    load().materialize(PROJECTION)


class Body:
    """A report of 100,000 records as bytes."""

    params = tuple(FORMATS)
    param_names = ("format",)

    def peakmem_bytes(self, name: str) -> None:
        from benchmarks.representations import resource

        FORMATS[name][1](resource(100_000))
