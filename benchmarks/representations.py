"""What does a report cost as text, of a page and of a long list? Each format that is served; orjson beside them.

A record has five dimensions and six metrics. orjson writes records that are objects in Python, which is what a service
does that has no columns; making the objects is part of it. `track_ratio` is how many times as long as ours that takes,
both measured by turns in one run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from statistics import median
from time import perf_counter

import numpy as np
import orjson
import pyarrow as pa

from wolap import Cube, Dimension, Query, Schema, Time, Tree, mean, total
from wolap.representations.resource import Resource, describe
from wolap.web.negotiation import FORMATS

RECORDS = (250, 10_000, 100_000)
COMPANIES, PROVIDERS, DAYS = 40, 100, 25
COUNTS = ("attempts", "successful", "failed", "latency")
TURNS = 7


@cache
def cube() -> Cube:
    """A hundred thousand facts, each of which is a record by day, company and provider."""
    rows = np.arange(COMPANIES * PROVIDERS * DAYS)
    random = np.random.default_rng(5)
    schema = Schema(
        "wide",
        [Dimension("company"), Dimension("provider")],
        {name: total(name) for name in COUNTS} | {"speed": mean("speed"), "share": mean("share")},
        [Tree.parse("year\n  month\n    day\n      company\n        provider")],
        Time("at", ("year", "month", "day")),
    )
    columns = {
        "at": pa.array((1_718_000_000 + rows % DAYS * 86_400).astype("datetime64[s]")),
        "company": pa.array([f"Company & Sons {number}" for number in range(COMPANIES)]).take(
            pa.array(rows // DAYS % COMPANIES)
        ),
        "provider": pa.array([f"provider-{number:03}" for number in range(PROVIDERS)]).take(
            pa.array(rows // (DAYS * COMPANIES))
        ),
        **{name: pa.array(random.integers(0, 10 ** (3 + place), len(rows))) for place, name in enumerate(COUNTS)},
        "speed": pa.array(random.random(len(rows)) * 100),
        "share": pa.array(random.random(len(rows))),
    }
    return Cube(schema, pa.table(columns))


@cache
def resource(records: int) -> Resource:
    """A report of that many records."""
    result = cube().answer(Query("year/month/day/company/provider", limit=records))
    assert len(result) == records
    return describe(result, cube().schema)


def by_objects(found: Resource) -> Callable[[], bytes]:
    """The same records by orjson, from columns of texts and numbers as they come from a library."""
    report = found.report
    columns = {
        column.name: column.codes.tolist()
        if column.members is None
        else [column.members.texts[code] for code in column.codes.tolist()]
        for column in report.dimensions
    }
    columns |= {column.name: column.values.tolist() for column in report.metrics}
    names = tuple(columns)

    def write() -> bytes:
        rows = zip(*columns.values(), strict=True)
        return orjson.dumps([dict(zip(names, map(str, row), strict=True)) for row in rows])

    return write


class Serialize:
    params = (list(FORMATS), RECORDS)
    param_names = ("format", "records")

    def setup(self, name: str, records: int) -> None:
        self.serialize, self.resource = FORMATS[name][1], resource(records)
        assert len(self.serialize(self.resource)) > 20 * records

    def time_bytes(self, name: str, records: int) -> None:
        self.serialize(self.resource)


class Orjson:
    params = RECORDS
    param_names = ("records",)

    def setup(self, records: int) -> None:
        self.write = by_objects(resource(records))
        ours = orjson.loads(FORMATS["json"][1](resource(records)))["report"]
        assert ours == orjson.loads(self.write())

    def time_records(self, records: int) -> None:
        self.write()


class Ratio:
    """How many times as long orjson takes; 8 is wanted of 100,000 records."""

    params = (("json", "xml", "csv"), RECORDS)
    param_names = ("format", "records")
    unit = "times"
    timeout = 120

    def track_ratio(self, name: str, records: int) -> float:
        found = resource(records)
        serialize, write = FORMATS[name][1], by_objects(found)
        ours, theirs = [], []
        for _ in range(TURNS):
            began = perf_counter()
            serialize(found)
            between = perf_counter()
            write()
            ours.append(between - began)
            theirs.append(perf_counter() - between)
        return median(theirs) / median(ours)
