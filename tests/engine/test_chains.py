"""Dimensions as few digits: what is told apart and in which order does not change."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pyarrow as pa
import pytest

from wolap import Cube, Dimension, Schema, Tree, count, total
from wolap.engine.chains import chains_of, digit_of, tables_of
from wolap.engine.keys import CodeDigit
from wolap.engine.source import MemorySource
from wolap.model.projection import FACTS

DIMENSIONS = [
    Dimension("continent"),
    Dimension("country", parent="continent"),
    Dimension("city", parent="country"),
    Dimension("kind"),
]


@pytest.fixture(scope="module")
def cube() -> Cube:
    """Cities whose order by name is not that of their countries, nor that the order of their continents."""
    random = np.random.default_rng(4)
    continents = random.integers(0, 3, 7)
    countries = random.integers(0, 7, 30)
    cities = random.integers(0, 30, 5_000)
    facts = pa.table(
        {
            "continent": [f"continent {number}" for number in continents[countries[cities]]],
            "country": [f"country {number}" for number in countries[cities]],
            "city": [f"city {number:02}" for number in cities],
            "kind": [f"kind {number}" for number in random.integers(0, 4, 5_000)],
            "n": random.integers(-9, 9, 5_000),
        }
    )
    return Cube(Schema("places", DIMENSIONS, {"rows": count(), "n": total("n")}, [Tree.parse("city")]), facts)


def source_of(cube: Cube, name: str) -> MemorySource:
    return cube.snapshot.sources[name].whole


@pytest.mark.parametrize(
    ("grain", "expected"),
    [
        (("city",), [("city",)]),
        (("country", "city"), [("country", "city")]),
        (("continent", "country", "city"), [("continent", "country", "city")]),
        (("continent", "city"), [("continent", "city")]),
        (("city", "country"), [("city", "country")]),
        (("city", "kind", "continent"), [("city", "continent"), ("kind",)]),
        (("continent", "kind", "city"), [("continent",), ("kind",), ("city",)]),
        (("country", "continent", "city"), [("country", "continent"), ("city",)]),
        ((), []),
    ],
)
def test_what_follows_takes_no_digit(cube: Cube, grain: tuple[str, ...], expected: list[tuple[str, ...]]) -> None:
    chains = chains_of(grain, source_of(cube, FACTS))
    assert [chain.names for chain in chains] == expected
    source = source_of(cube, FACTS)
    for chain in chains:
        if chain.finest == "city":
            assert digit_of(chain, source, tables_of(chain, source)["city"]).size == 30


@pytest.mark.parametrize("stored", ["city/kind", None])
def test_every_order_gives_the_rows_in_that_order(cube: Cube, stored: str | None) -> None:
    if stored is not None:
        cube.materialize(stored)
    facts = source_of(cube, FACTS).layout
    for size in range(5):
        for grain in permutations([dimension.name for dimension in DIMENSIONS], size):
            rows = list(zip(*(facts.codes[name].tolist() for name in grain), strict=True)) if grain else [()]
            name = "/".join(grain)
            if name != stored:
                cube.materialize(name)
            layout = source_of(cube, name or "totals").layout
            found = list(zip(*(layout.codes[one].tolist() for one in grain), strict=True)) if grain else [()]
            assert found == sorted(set(rows))


def test_digits_lead_back_to_codes(cube: Cube) -> None:
    source = source_of(cube, FACTS)
    [chain] = chains_of(("continent", "country", "city"), source)
    tables = tables_of(chain, source)
    digit = digit_of(chain, source, tables["city"])
    assert isinstance(digit, CodeDigit)
    numbers = digit.codes(0, source.layout.rows, None)
    for name, table in tables.items():
        codes = table[numbers]
        assert np.array_equal(codes, source.layout.codes[name])
        assert codes.dtype == source.layout.codes[name].dtype
