"""Levels are a partial order, and the common level is the coarsest that may be cut into all."""

from __future__ import annotations

from itertools import combinations, product

import pytest

from wolap.model.level import IDENTIFYING, INSTANT, LEVELS, common_level, nests

ALL = (INSTANT, *LEVELS)
CHAIN = (INSTANT, "second", "minute", "hour", "day", "month", "quarter", "year")


def test_the_chain_and_the_week_beside_it() -> None:
    for fine, coarse in product(ALL, ALL):
        if "week" in (fine, coarse):
            assert nests(fine, coarse) == (coarse == "week" and fine in {*CHAIN[:5], "week"})
        else:
            assert nests(fine, coarse) == (CHAIN.index(fine) <= CHAIN.index(coarse))


def test_nesting_is_an_order() -> None:
    for one, two, three in product(ALL, ALL, ALL):
        assert nests(one, one)
        assert not (nests(one, two) and nests(two, one)) or one == two
        assert not (nests(one, two) and nests(two, three)) or nests(one, three)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_common_level_is_the_coarsest_that_nests_in_all(size: int) -> None:
    for levels in combinations(ALL, size):
        common = common_level(levels)
        assert common is not None
        candidates = [level for level in ALL if all(nests(level, one) for one in levels)]
        assert common in candidates
        assert all(nests(level, common) for level in candidates)


@pytest.mark.parametrize(
    ("levels", "common"),
    [
        ((), None),
        (("year",), "year"),
        (("week", "month"), "day"),
        (("year", "hour"), "hour"),
        (("week", "year"), "day"),
    ],
)
def test_known_common_levels(levels: tuple[str, ...], common: str | None) -> None:
    assert common_level(levels) == common


def test_what_identifies_a_bucket_has_it_as_its_common_level() -> None:
    for level, parts in IDENTIFYING.items():
        assert common_level(parts) == level
    assert set(IDENTIFYING) == {*LEVELS} - {"week"}
