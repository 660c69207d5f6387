"""What filters say of a dimension, and what follows from them."""

from __future__ import annotations

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from wolap.model.filter import Filter, implies, members_left

# Two are of the data, and anybody may name others: what is implied holds for every member that there could be.
MEMBERS = ["a", "b", "c", "", None]
NAMED = st.frozensets(st.sampled_from(MEMBERS), min_size=1, max_size=4)
FILTERS = st.builds(Filter, st.sampled_from(["x", "y"]), NAMED, st.booleans())


def passes(filters: list[Filter], record: dict[str, str | None]) -> bool:
    return all((record[one.dimension] in one.values) != one.exclude for one in filters)


@given(st.lists(FILTERS, max_size=4), FILTERS)
def test_what_is_implied_holds_for_all_that_passes(filters: list[Filter], wanted: Filter) -> None:
    every = [*MEMBERS, "a member that nobody names"]
    records = [{"x": x, "y": y} for x in every for y in every]
    passing = [record for record in records if passes(filters, record)]
    said = implies(filters, wanted)
    event("implied" if said else "not implied")
    assert not said or all(passes([wanted], record) for record in passing)
    # The other way round it is only missed where nothing passes at all.
    assert said or not passing or not all(passes([wanted], record) for record in passing)


@pytest.mark.parametrize(
    ("filters", "members", "is_rest"),
    [
        ([], set(), True),
        ([("x", "ab", False)], {"a", "b"}, False),
        ([("x", "ab", True), ("x", "bc", True)], {"a", "b", "c"}, True),
        ([("x", "ab", False), ("x", "bc", True)], {"a"}, False),
        ([("x", "ab", False), ("x", "bc", False)], {"b"}, False),
        ([("y", "ab", False)], set(), True),
    ],
)
def test_members_left(filters: list[tuple[str, str, bool]], members: set[str], is_rest: bool) -> None:
    said = [Filter(name, frozenset(values), exclude) for name, values, exclude in filters]
    assert members_left(said, "x") == (frozenset(members), is_rest)


def test_many_members_are_not_all_shown() -> None:
    few, many = Filter("x", frozenset({"b", "a", None})), Filter("x", frozenset(map(str, range(20))), True)
    assert str(few) == "x in (a, b, null)"
    assert str(many) == "x not in (0, 1, 10, 11, 12, 13, 14, 15, 12 more)"
