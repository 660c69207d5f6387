"""Members and their texts: what is written reads back as the same member, and what cannot be read is itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wolap.model.member import KINDS, Member, canonical_member, member_text, read_member

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": st.text(),
    "integer": st.integers(-(2**63), 2**64 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "decimal": st.decimals(allow_nan=False, allow_infinity=False, places=5),
    "boolean": st.booleans(),
    "date": st.dates(),
    "timestamp": st.datetimes(),
    "duration": st.timedeltas(),
}
ANYTHING = st.one_of(*VALUES.values(), st.floats(), st.decimals(), st.none(), st.integers())


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_reads_back_as_its_member(kind: str) -> None:
    @given(VALUES[kind])
    def check(value: Member) -> None:
        found = read_member(kind, member_text(kind, value))
        assert found == value
        assert type(found) is type(value)
        assert canonical_member(kind, value) == value

    check()


@pytest.mark.parametrize("kind", KINDS)
def test_any_text_is_read_and_any_value_is_taken(kind: str) -> None:
    @given(st.text() | st.from_regex(r"[-+0-9.eE:T ]{1,12}"), ANYTHING)
    def check(text: str, value: Member) -> None:
        wanted = KINDS[kind][0]
        found = read_member(kind, text)
        assert found == text or isinstance(found, wanted)
        assert isinstance(canonical_member(kind, value), wanted | str | None)

    check()


@pytest.mark.parametrize(
    ("kind", "texts", "member"),
    [
        ("integer", ["7", "07", "+7", "7.0", "7.", "70e-1"], 7),
        ("integer", ["0", "-0", "0.0"], 0),
        ("float", ["0.5", ".5", "5e-1", "00.50"], 0.5),
        ("decimal", ["12.5", "12.50", "1.25e1"], Decimal("12.5")),
        ("boolean", ["true"], True),
        ("date", ["2024-07-20"], date(2024, 7, 20)),
        ("timestamp", ["2024-07-20", "2024-07-20T00:00", "2024-07-20T02:00+02:00"], datetime(2024, 7, 20)),  # noqa: DTZ001
        ("duration", ["90", "90.0", "9e1"], timedelta(seconds=90)),
        ("duration", ["0.000001", "1e-6"], timedelta(microseconds=1)),
    ],
)
def test_several_spellings_are_one_member(kind: str, texts: list[str], member: Member) -> None:
    for text in texts:
        assert read_member(kind, text) == member
        assert canonical_member(kind, text) == member


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("integer", "7.5"),
        ("integer", "1e999"),
        ("integer", "٧"),
        ("integer", ""),
        ("integer", "1_000"),
        ("integer", "0x10"),
        ("float", "inf"),
        ("float", "nan"),
        ("float", "1e999"),
        ("decimal", "NaN"),
        ("decimal", "9" * 500),
        ("boolean", "True"),
        ("boolean", "1"),
        ("date", "2024-02-30"),
        ("date", "July"),
        ("timestamp", "2024-02-30"),
        ("timestamp", "0001-01-01T00:00+01:00"),
        ("duration", "0.0000001"),
        ("duration", "1e99"),
    ],
)
def test_what_is_no_member_is_its_own_text(kind: str, text: str) -> None:
    assert read_member(kind, text) == text
    assert member_text(kind, read_member(kind, text)) == text


@pytest.mark.parametrize(
    ("kind", "value", "member"),
    [
        ("text", 7, "7"),
        ("text", None, None),
        ("integer", 7.0, 7),
        ("integer", 7.5, "7.5"),
        ("integer", True, 1),
        ("integer", float("nan"), "nan"),
        ("integer", float("-inf"), "-inf"),
        ("integer", Decimal("Infinity"), "Infinity"),
        ("float", 1, 1.0),
        ("float", 10**400, str(10**400)),
        ("decimal", 1, Decimal(1)),
        ("decimal", 0.25, Decimal("0.25")),
        ("boolean", 1, True),
        ("boolean", 2, "2"),
        ("date", 7, "7"),
        ("timestamp", date(2024, 7, 20), datetime(2024, 7, 20)),  # noqa: DTZ001
        ("timestamp", datetime(2024, 7, 20, 2, tzinfo=UTC), datetime(2024, 7, 20, 2)),  # noqa: DTZ001
        ("duration", 90, timedelta(seconds=90)),
    ],
)
def test_python_values_become_members(kind: str, value: Any, member: Member) -> None:
    found = canonical_member(kind, value)
    assert found == member
    assert type(found) is type(member)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("integer", 7, "7"),
        ("float", 2.0, "2.0"),
        ("float", 1e22, "1e+22"),
        ("decimal", Decimal("12.50"), "12.5"),
        ("decimal", Decimal("1E+3"), "1000"),
        ("decimal", Decimal("-0.00"), "0"),
        ("boolean", False, "false"),
        ("timestamp", datetime(2024, 7, 20, 10, 5, 0, 500_000), "2024-07-20T10:05:00.5"),  # noqa: DTZ001
        ("duration", timedelta(seconds=90), "90"),
        ("duration", timedelta(milliseconds=-500), "-0.5"),
    ],
)
def test_a_member_has_one_text(kind: str, value: Member, text: str) -> None:
    assert member_text(kind, value) == text
