"""What does wolap take beside the least code that does the same kind of work? Pairs of calls, timed by turns.

A yardstick is a few lines of numpy, orjson or plain Python whose time goes where the work beside it goes: to memory, to
a sort, to the interpreter. It moves with the machine and with what else the machine does, so the ratio of both stays
(`benchmarks.ratios` holds it against what it was). It is no peer: it knows the answer's keys beforehand, and decodes
and checks nothing. Time is that of the process on its processors, not of the clock on the wall, so that waiting for
others does not count; what is won by a second thread does not count either, `benchmarks.peers` shows that.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from itertools import repeat
from time import perf_counter, process_time

import numpy as np
import pyarrow as pa

from benchmarks.data import END, HEADLINE, PROGRAMMER, declaration
from benchmarks.endpoint import Client
from benchmarks.engines.events import DAYS, DIMENSIONS, bucket_codes, codes_of, company, make_facts, members
from benchmarks.engines.in_wolap import PROJECTION, Wolap, schema
from benchmarks.engines.questions import QUESTIONS
from benchmarks.planning import QUERIES, catalog
from benchmarks.representations import by_objects, resource
from wolap import Cube, declare_projection
from wolap.language.reader import locate, read_query, split_target
from wolap.planner.choose import plan_query
from wolap.web.negotiation import FORMATS

ROWS = 200_000
RECORDS = 10_000
# Seconds of a turn.
BURST = 0.004
Call = Callable[[], object]
TARGET = "/esm/v3/year/month/day/media-company/proxy/mvpd?media-company=X&start=2024-07&end=2024-08"


@cache
def facts() -> pa.Table:
    return make_facts(ROWS)


@cache
def columns() -> dict[str, np.ndarray]:
    """Codes and numbers as arrays."""
    table = facts()
    numbers = {name: np.asarray(table[name]) for name in ("account", "attempts", "successes")}
    return {name: codes_of(table, name) for name in DIMENSIONS} | bucket_codes(table) | numbers


@cache
def key(*names: str) -> np.ndarray:
    """One number of several codes."""
    return np.ravel_multi_index([columns()[name] for name in names], [_size(name) for name in names])


def _size(name: str) -> int:
    return DIMENSIONS.get(name, {"day": DAYS, "hour": DAYS * 24}.get(name, 0))


def scatter(*names: str) -> Call:
    """Two sums by key."""
    keys, size = key(*names), int(np.prod([_size(name) for name in names]))
    added = [columns()[name] for name in ("attempts", "successes")]

    def call() -> None:
        for column in added:
            np.add.at(np.zeros(size, np.int64), keys, column)

    return call


def filtered(*names: str) -> Call:
    """The same of the rows of one company, which are found by comparing."""
    keys, size = key(*names), int(np.prod([_size(name) for name in names]))
    codes, wanted = columns()["company"], members("company").index(company())
    added = [columns()[name] for name in ("attempts", "successes")]

    def call() -> None:
        rows = np.flatnonzero(codes == wanted)
        for column in added:
            np.add.at(np.zeros(size, np.int64), keys[rows], column[rows])

    return call


def sums() -> Call:
    added = [columns()[name] for name in ("attempts", "successes")]
    return lambda: [column.sum() for _, column in zip(range(8), added * 4, strict=True)]


def sort(*names: str) -> Call:
    """Sorted pairs of a key and an account, and where they change."""
    pairs = key(*names) << 40 | columns()["account"] & (1 << 40) - 1
    return lambda: np.count_nonzero(np.diff(np.sort(pairs)))


def interpreter(steps: int) -> Call:
    """Plain Python: calls, small dictionaries, texts."""

    def call() -> None:
        for number, text in zip(range(steps), repeat("member"), strict=False):
            {"name": text, "number": number}.get(f"{text}-{number}")

    return call


@cache
def engine(stored: bool) -> Wolap:
    """A cube without or with the pre-aggregation."""
    found = Wolap(facts(), {})
    if stored:
        found.build()
    return found


def asked(question: str) -> Call:
    """One of the questions of `benchmarks.peers`."""
    one = next(one for one in QUESTIONS if one.key == question)
    (call,) = engine(one.stored).formulations(one).values()
    return call


def load() -> Call:
    table = facts().select([*DIMENSIONS, "time", "attempts", "successes", "amount", "account"])
    return lambda: Cube(schema(), table)


def build() -> Call:
    cube = Cube(schema(accounts=False), facts())
    projection = declare_projection(cube.schema, PROJECTION)
    return lambda: cube.materialize(projection)


def read() -> Call:
    known = declaration().schema

    def call() -> None:
        target = split_target(TARGET)
        location = locate(target, known)
        assert location is not None
        read_query(target, location, known, PROGRAMMER, END)

    return call


def plan() -> Call:
    many, query = catalog(50), QUERIES["day x mvpd"]
    return lambda: plan_query(query, many)


def written(name: str) -> Call:
    serialize, found = FORMATS[name][1], resource(RECORDS)
    return lambda: serialize(found)


def objects() -> Call:
    """The same records as objects in Python, by orjson."""
    return by_objects(resource(RECORDS))


# What is measured, and beside what: functions that give the calls.
PAIRS: dict[str, tuple[Callable[[], Call], Callable[[], Call]]] = {
    "facts: totals": (partial(asked, "a"), sums),
    "facts: day x mvpd": (partial(asked, "c"), partial(scatter, "day", "mvpd")),
    "facts: one company": (partial(asked, "d"), partial(filtered, "day", "mvpd", "platform")),
    "facts: accounts": (partial(asked, "g"), partial(sort, "day", "mvpd")),
    "facts: top 10": (partial(asked, "h"), partial(scatter, "mvpd", "channel")),
    "stored: day x mvpd": (partial(asked, "pc"), partial(scatter, "day", "mvpd")),
    "stored: one company": (partial(asked, "pd"), partial(filtered, "day", "mvpd", "platform")),
    "stored: one day": (partial(asked, "pi"), partial(interpreter, 1000)),
    "load": (load, partial(sort, "day", "mvpd")),
    "build": (build, partial(sort, "day", "mvpd")),
    "request": (lambda: Client(HEADLINE).ask, partial(interpreter, 1000)),
    "read a target": (read, partial(interpreter, 100)),
    "plan among 50": (plan, partial(interpreter, 100)),
    "JSON": (partial(written, "json"), objects),
    "XML": (partial(written, "xml"), objects),
    "CSV": (partial(written, "csv"), objects),
}


def ratio(name: str, rounds: int) -> float:
    """The least time of wolap over the least of its yardstick, by turns: what else a machine does only adds, and in
    some of the rounds it does nothing."""
    ours, yardstick = (make() for make in PAIRS[name])
    own, beside = [], []
    for _ in range(rounds):
        own.append(burst(ours))
        beside.append(burst(yardstick))
    return min(own) / min(beside)


def burst(call: Call) -> float:
    """The least of a few calls, as many as fit into some milliseconds."""
    times: list[float] = []
    ends = perf_counter() + BURST
    while not times or perf_counter() < ends:
        began = process_time()
        call()
        times.append(process_time() - began)
    return min(times)
