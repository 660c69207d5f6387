"""What a catalog remembers of reports: enough for those that are asked for again, and no more than has an end."""

from __future__ import annotations

import pyarrow as pa

from wolap import Cube, Dimension, Query, Schema, Tree, count
from wolap.model.projection import Catalog, declare_projection
from wolap.model.query import settle
from wolap.planner.needs import needs_of

SCHEMA = Schema("sales", [Dimension("country"), Dimension("city")], {"sales": count()}, [Tree.parse("country\n  city")])


def catalog(*, filtered: bool) -> Catalog:
    """Of a cube with a projection that holds some facts only, or without."""
    cube = Cube(SCHEMA, pa.table({"country": ["DE", "FR"], "city": ["Köln", "Paris"]}))
    if filtered:
        cube.materialize(declare_projection(SCHEMA, "city", name="de", where={"country": ["DE"]}))
    return cube.snapshot.catalog


def known_twice(of: Catalog, *counts: int) -> bool:
    """Whether a query that names so many members, of each dimension, is known when it is asked for again."""
    names = ("country", "city")[: len(counts)]
    where = {name: [f"{name} {number}" for number in range(many)] for name, many in zip(names, counts, strict=True)}
    first, again = (needs_of(settle(Query("city", where=where), SCHEMA), of, ("sales",)) for _ in range(2))
    assert first == again
    return first.known is again.known


def test_reports_that_name_many_members_are_not_kept_with_them() -> None:
    of = catalog(filtered=True)
    assert known_twice(of, 64)
    assert known_twice(of, 32, 32)
    kept = len(of.reports)
    assert not known_twice(of, 65)
    assert not known_twice(of, 33, 32)
    assert len(of.reports) == kept


def test_where_members_do_not_matter_their_number_does_not() -> None:
    of = catalog(filtered=False)
    assert known_twice(of, 5000)
    assert len(of.reports) == 1
