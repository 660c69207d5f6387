"""Members of each Arrow type: their kind, their order, their codes; how the data came leaves no trace."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import ALPHABETS, is_missing

from wolap import Dimension, SchemaError
from wolap.engine import members as members_module
from wolap.engine.encoding import encode
from wolap.engine.members import Members

NAN = float("nan")
AT = datetime(2024, 7, 20, 10)  # noqa: DTZ001

# A column, its kind, its members in order.
TYPES: list[tuple[pa.Array, str, list[Any]]] = [
    (pa.array(["b", "a", None, "ä", "B", ""]), "text", ["", "B", "a", "b", "ä"]),
    (pa.array(["z", "日本", "\U0001f600", "\uff5e"], pa.large_string()), "text", ["z", "日本", "\uff5e", "\U0001f600"]),
    (pa.array(["b", "a"], pa.string_view()), "text", ["a", "b"]),
    (pa.array(["b", None, "a"]).dictionary_encode(), "text", ["a", "b"]),
    (pa.array([None, None]), "text", []),
    (pa.array([10, 9, -1, None], pa.int8()), "integer", [-1, 9, 10]),
    (pa.array([2**53 + 1, 2**53], pa.int64()), "integer", [2**53, 2**53 + 1]),
    (pa.array([2**64 - 1, 0], pa.uint64()), "integer", [0, 2**64 - 1]),
    (pa.array([3, 1, 3], pa.uint16()).dictionary_encode(), "integer", [1, 3]),
    (pa.array([0.5, -0.0, 0.0, NAN, None, -1.0]), "float", [-1.0, 0.0, 0.5]),
    (pa.array([1.5, -2.0], pa.float16()), "float", [-2.0, 1.5]),
    (pa.array([1.5, -2.0], pa.float32()), "float", [-2.0, 1.5]),
    (pa.array([Decimal("10.00"), Decimal("9.50")]), "decimal", [Decimal("9.5"), Decimal(10)]),
    (pa.array([Decimal("10.00"), Decimal("9.50")], pa.decimal32(6, 2)), "decimal", [Decimal("9.5"), Decimal(10)]),
    (pa.array([Decimal("10.00"), Decimal("9.50")], pa.decimal64(6, 2)), "decimal", [Decimal("9.5"), Decimal(10)]),
    (pa.array([Decimal(10) ** 50, Decimal(-1)], pa.decimal256(60)), "decimal", [Decimal(-1), Decimal(10) ** 50]),
    (pa.array([True, None, False]), "boolean", [False, True]),
    (pa.array([date(2024, 1, 2), date(1, 1, 1)]), "date", [date(1, 1, 1), date(2024, 1, 2)]),
    (pa.array([date(2024, 1, 2)], pa.date64()), "date", [date(2024, 1, 2)]),
    (pa.array([AT], pa.timestamp("s")), "timestamp", [AT]),
    (pa.array([AT.replace(tzinfo=UTC)], pa.timestamp("ms", "Asia/Tokyo")), "timestamp", [AT]),
    (pa.array([AT], pa.timestamp("ns")), "timestamp", [AT]),
    (pa.array([timedelta(1), timedelta(-1)], pa.duration("s")), "duration", [timedelta(-1), timedelta(1)]),
    (pa.array([timedelta(0)], pa.duration("ns")), "duration", [timedelta(0)]),
]


def read(column: pa.Array | pa.ChunkedArray, **labels: str) -> tuple[Members, np.ndarray]:
    """The members of a column, and the codes of its rows."""
    chunked = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    return encode(chunked, Dimension("d", "c", **labels))


@pytest.mark.parametrize(("column", "kind", "members"), TYPES, ids=lambda value: str(getattr(value, "type", "")))
def test_each_type_has_its_kind_and_order(column: pa.Array, kind: str, members: list[Any]) -> None:
    found, codes = read(column)
    has_null = any(map(is_missing, column.to_pylist()))
    assert (found.kind, found.values.to_pylist()) == (kind, [*members, *[None] * has_null])
    assert found.decode(codes).to_pylist() == [
        None if is_missing(value) else _plain(value) for value in column.to_pylist()
    ]
    assert [found.code(member) for member in members] == list(range(len(members)))
    assert found.null_code == (len(members) if has_null else None)
    assert found.cardinality == found.live == len(members) + has_null == len(found.texts)
    assert found.ranks is None
    assert found.listed == found.texts


def _plain(value: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value.to_pydatetime() if hasattr(value, "to_pydatetime") else value


@pytest.mark.parametrize("kept", [column.type for column, _, _ in TYPES], ids=str)
@pytest.mark.parametrize("chunks", [0, 1])
def test_each_type_may_have_no_rows(kept: pa.DataType, chunks: int) -> None:
    members, codes = read(pa.chunked_array([pa.array([], kept)] * chunks, kept))
    assert (members.cardinality, len(codes)) == (0, 0)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([b"x"]),
        pa.array([[1]]),
        pa.array([{"a": 1}]),
        pa.array([1], pa.time32("s")),
        pa.array([1], pa.timestamp("ns")),
        pa.array([1], pa.duration("ns")),
        pa.array([2**60], pa.timestamp("s")),
        pa.array([2**62, 0], pa.timestamp("us")),
        pa.array([-(2**62), 0], pa.timestamp("us")),
        pa.array([2**30], pa.date32()),
        pa.array([-(2**30), 0], pa.date32()),
    ],
    ids=lambda column: str(column.type),
)
def test_what_makes_no_member_is_refused(column: pa.Array) -> None:
    with pytest.raises(SchemaError, match=r"^dimensions\.d: column 'c'"):
        read(column)


@pytest.mark.parametrize(
    ("column", "labels"),
    [
        (pa.array(["N/A", None]), {}),
        (pa.array(["", "(empty)"]), {}),
        (pa.array(["none", None]), {"null": "none"}),
        (pa.array([0, None]), {"null": "00"}),
        (pa.array([True, None]), {"null": "true"}),
        (pa.array([Decimal("1.50"), None]), {"null": "1.5"}),
        (pa.array([date(2024, 1, 1), None]), {"null": "2024-01-01"}),
    ],
)
def test_a_label_that_is_a_member_too_is_refused(column: pa.Array, labels: dict[str, str]) -> None:
    with pytest.raises(SchemaError, match="another label"):
        read(column, **labels)


@pytest.mark.parametrize(
    ("column", "labels"),
    [
        (pa.array(["N/A", ""]), {}),
        (pa.array(["(empty)", None]), {}),
        (pa.array(["N/A", None]), {"null": "none"}),
        (pa.array([0, None]), {}),
    ],
)
def test_a_label_that_stands_for_nothing_is_an_ordinary_member(column: pa.Array, labels: dict[str, str]) -> None:
    members, _ = read(column, **labels)
    assert len(set(members.texts)) == len(members.texts) == 2


def test_null_and_the_empty_string_read_as_the_members_that_bear_their_labels() -> None:
    members, _ = read(pa.array(["N/A", "(empty)"]))
    assert (members.code(None), members.code("")) == (members.code("N/A"), members.code("(empty)")) == (1, 0)
    members, _ = read(pa.array(["a", "", None]))
    assert [members.code(member) for member in ("", "a", None, "b")] == [0, 1, 2, -1]
    assert members.texts == ["(empty)", "a", "N/A"]


@pytest.mark.parametrize(
    ("count", "kept"), [(255, np.uint8), (256, np.uint16), (65_535, np.uint16), (65_536, np.uint32)]
)
def test_codes_have_the_smallest_type_with_room_for_null(count: int, kept: type) -> None:
    members, codes = read(pa.array([*range(count), None]))
    assert codes.dtype == kept
    assert codes[-1] == count == members.code(None)


@pytest.mark.parametrize("kind", sorted(ALPHABETS))
def test_chunks_and_dictionaries_leave_no_trace(kind: str) -> None:
    kept, alphabet = ALPHABETS[kind]

    @given(st.lists(st.lists(st.sampled_from(alphabet), max_size=6), min_size=1, max_size=3))
    def check(chunks: list[list[Any]]) -> None:
        plain = pa.chunked_array([pa.array(chunk, kept) for chunk in chunks], kept)
        members, codes = read(plain)
        # Each chunk has a dictionary of its own, with an entry of null and with entries that no row uses.
        entries = pa.array([*alphabet, *reversed(alphabet)], kept)
        place = {repr(value): index for index, value in enumerate(alphabet)}
        encoded = [
            pa.DictionaryArray.from_arrays(
                pa.array([(place[repr(value)] + index) % len(entries) for value in chunk], pa.int8()),
                pa.concat_arrays([entries[-index:], entries[:-index]]) if index else entries,
            )
            for index, chunk in enumerate(chunks)
        ]
        others, other_codes = read(pa.chunked_array(encoded))
        assert others.values.equals(members.values)
        assert (other_codes.tolist(), others.null_code) == (codes.tolist(), members.null_code)

    check()


@pytest.mark.parametrize(
    ("column", "label"),
    [(pa.array([8, None]), "07"), (pa.array([0.5, None]), "0"), (pa.array([True, None]), "true")],
)
def test_a_label_is_no_other_spelling_of_a_member(column: pa.Array, label: str) -> None:
    """W30, W47: read from a link it would name that member, and not null. As it is spelled it may stand."""
    if label == "true":
        with pytest.raises(SchemaError, match="another label"):
            read(column, null=label)
    else:
        with pytest.raises(SchemaError, match=f"label '{label}' of null is also a spelling of"):
            read(column, null=label)
    assert read(pa.array([8, None]), null="7")[0].texts == ["8", "7"]


def test_texts_are_decoded_as_a_dictionary_of_all_members() -> None:
    members, codes = read(pa.array(["b", None, "a", "c"]))
    found = members.decode(codes[[0, 1, 0]])
    assert found.type == pa.dictionary(pa.int32(), pa.large_string())
    assert found.to_pylist() == ["b", None, "b"]
    assert found.dictionary.to_pylist() == ["a", "b", "c"]
    assert members.decode(codes[:0]).to_pylist() == []


def test_of_very_many_members_a_dictionary_has_those_that_occur(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members_module, "_WHOLE_DICTIONARY", 3)
    members, codes = read(pa.array(["e", "d", None, "c", "b", "a"]))
    found = members.decode(codes[[0, 2, 3, 0]])
    assert found.to_pylist() == ["e", None, "c", "e"]
    assert found.dictionary.to_pylist() == ["c", "e"]
    assert members.decode(codes[[2]]).to_pylist() == [None]
    assert members.decode(codes).dictionary.equals(members.values[:-1])
