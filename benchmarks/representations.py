"""What does a report cost as text, of a page and of a long list? Each format that is served; orjson beside them.

A record has six dimensions and three metrics. orjson writes records that are objects in Python, which is what a
service does that has no columns; making the objects is part of it.
"""

from __future__ import annotations

import orjson

from benchmarks.data import small_cube
from wolap import Query
from wolap.representations.resource import Resource, describe
from wolap.web.negotiation import FORMATS

RECORDS = (250, 10_000)
DIMENSIONS = "year/month/day/hour/mvpd/platform"
METRICS = ("authn-attempts", "authn-successful", "authz-attempts")


def resource(records: int) -> Resource:
    """A report of that many records."""
    cube = small_cube()
    result = cube.answer(Query(DIMENSIONS, metrics=METRICS, limit=records))
    assert len(result) == records
    return describe(result, cube.schema, parent=None, children=())


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
        report = resource(records).report
        self.columns = {
            column.name: column.codes.tolist()
            if column.members is None
            else [column.members.texts[code] for code in column.codes.tolist()]
            for column in report.dimensions
        }
        self.columns |= {column.name: column.values.tolist() for column in report.metrics}

    def time_records(self, records: int) -> None:
        names = tuple(self.columns)
        rows = zip(*self.columns.values(), strict=True)
        orjson.dumps([dict(zip(names, map(str, row), strict=True)) for row in rows])
