"""Keys keep the order of what they are packed from, and give it back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wolap.engine.keys import CodeDigit, Digit, Keys, TimeDigit, pack

# Sizes of digits, and whether their product leaves 62 bits.
SIZES = [
    ((3,), False),
    ((3, 5), False),
    ((1, 1, 7), False),
    ((250, 12), False),
    ((1 << 20, 1 << 20, 1 << 20), False),
    ((1 << 31, 1 << 31), True),
    ((1 << 31, 1 << 31, 3), True),
    ((5, 1 << 32, 1 << 32, 1 << 32, 4), True),
    ((1 << 32, 1 << 32, 1 << 32, 1 << 32, 1 << 32, 1 << 32), True),
]


def digits_of(rows: list[tuple[int, ...]], sizes: tuple[int, ...]) -> list[Digit]:
    """A digit for each place of the rows; the codes stand in the smallest type, as in a layout."""
    columns = np.array(rows, np.int64).reshape(len(rows), len(sizes))
    kept = [np.uint8 if size <= 1 << 8 else np.uint32 for size in sizes]
    return [CodeDigit(columns[:, place].astype(kept[place]), size) for place, size in enumerate(sizes)]


def is_ranked(keys: Keys) -> bool:
    """Whether leading digits were replaced by their rank."""
    return keys.ranked is not None


@pytest.mark.parametrize(("sizes", "ranked"), SIZES, ids=str)
def test_keys_have_the_order_of_their_rows_and_split_into_them(sizes: tuple[int, ...], ranked: bool) -> None:
    ends = [st.sampled_from(sorted({0, 1 % size, size // 2, size - 1})) for size in sizes]

    @given(st.lists(st.tuples(*ends), min_size=1, max_size=20), st.data())
    def check(rows: list[tuple[int, ...]], data: st.DataObject) -> None:
        keys = pack(digits_of(rows, sizes), 0, len(rows))
        assert is_ranked(keys) == ranked
        built = keys.build(0, len(rows), None)
        assert [key for key, _ in sorted(zip(built.tolist(), rows, strict=True))] == sorted(built.tolist())
        pairs = sorted(zip(built.tolist(), rows, strict=True))
        assert [row for _, row in pairs] == sorted(rows)
        assert len(set(built.tolist())) == len(set(rows))
        assert 0 <= built.min() <= built.max() < keys.size
        columns = keys.split(built)
        assert [tuple(row) for row in zip(*(column.tolist() for column in columns), strict=True)] == rows
        chosen = np.array(sorted(data.draw(st.sets(st.integers(0, len(rows) - 1)))), np.intp)
        assert keys.build(0, len(rows), chosen).tolist() == built[chosen].tolist()
        middle = data.draw(st.integers(0, len(rows) - 1))
        assert keys.build(middle, len(rows), None).tolist() == built[middle:].tolist()

    check()


def test_no_digits_are_one_key() -> None:
    keys = pack([], 0, 3)
    assert keys.build(0, 3, None).tolist() == [0, 0, 0]
    assert keys.build(0, 3, np.array([1])).tolist() == [0]
    assert keys.split(np.array([0])) == []
    assert keys.size == 1


@pytest.mark.parametrize("sizes", [(0,), (0, 5), (5, 0), (1 << 32, 1 << 32, 0)])
def test_no_rows_make_no_keys(sizes: tuple[int, ...]) -> None:
    keys = pack(digits_of([], sizes), 0, 0)
    assert len(keys.build(0, 0, None)) == 0
    assert [len(column) for column in keys.split(np.zeros(0, np.intp))] == [0] * len(sizes)


def test_small_codes_do_not_wrap() -> None:
    rows = [(250, 11), (249, 11), (0, 0)]
    assert pack(digits_of(rows, (251, 12)), 0, 3).build(0, 3, None).tolist() == [250 * 12 + 11, 249 * 12 + 11, 0]


def test_a_table_leads_to_the_level_above() -> None:
    cities = np.array([0, 1, 2, 1], np.uint8)
    country = CodeDigit(cities, 2, np.array([1, 0, 1], np.uint8))
    assert country.codes(0, 4, None).tolist() == [1, 0, 1, 0]
    assert country.codes(1, 4, np.array([0, 2])).tolist() == [0, 0]


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 9)), min_size=1, max_size=8), st.data())
def test_a_time_digit_repeats_its_groups(runs: list[tuple[int, int]], data: st.DataObject) -> None:
    groups = np.array([group for _, group in runs], np.uint16)
    lengths = [length for length, _ in runs]
    digit = TimeDigit(groups, np.concatenate(([0], np.cumsum(lengths))), 10)
    plain = np.repeat(groups, lengths)
    start = data.draw(st.integers(0, len(plain) - 1))
    stop = data.draw(st.integers(start + 1, len(plain)))
    assert digit.codes(start, stop, None).tolist() == plain[start:stop].tolist()
    chosen = np.array(sorted(data.draw(st.sets(st.integers(0, stop - start - 1)))), np.intp)
    assert digit.codes(start, stop, chosen).tolist() == plain[start:stop][chosen].tolist()
