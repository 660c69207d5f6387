"""Facts that come later: codes of members and of what is counted, what is forgotten, and what is refused."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import ALPHABETS, is_missing

from wolap import (
    Dimension,
    Metric,
    Schema,
    SchemaError,
    Time,
    Tree,
    approximate_distinct,
    count,
    distinct,
    last,
    maximum,
    median,
    total,
)
from wolap.engine.columns import Column
from wolap.engine.encoding import encode
from wolap.engine.histogram import buckets_of, of_one_coding
from wolap.engine.layout import Dictionaries, Layout
from wolap.engine.load import load_facts
from wolap.engine.members import Members
from wolap.engine.shares import shares_of
from wolap.model.aggregate import Partial

AT = datetime(2024, 7, 20, 10)  # noqa: DTZ001
DIMENSION = Dimension("d", "c")


def read(values: list[Any], known: Members | None = None, kept: pa.DataType | None = None) -> tuple[Members, list[int]]:
    """The members of some values, and their codes."""
    members, codes = encode(pa.chunked_array([pa.array(values, kept)]), DIMENSION, known)
    return members, codes.tolist()


def test_members_keep_their_codes_and_later_ones_get_the_next() -> None:
    members, codes = read(["m", "d", None])
    assert (members.values.to_pylist(), members.null_code, codes) == (["d", "m", None], 2, [1, 0, 2])
    later, codes = read(["z", None, "a", "m", "e"], members)
    assert later.values.to_pylist() == ["d", "m", None, "a", "e", "z"]
    assert (later.null_code, codes) == (2, [5, 2, 3, 1, 4])
    assert later.ranks is not None
    assert later.ranks.tolist() == [1, 3, 5, 0, 2, 4]
    assert later.listed == ["a", "d", "e", "m", "z", "N/A"]
    assert later.texts == ["d", "m", "N/A", "a", "e", "z"]
    assert [later.code(member) for member in ("a", "d", None, "N/A", "q")] == [3, 0, 2, -1, -1]
    assert members.values.to_pylist() == ["d", "m", None]


def test_null_that_occurs_late_has_the_next_code_and_is_last_all_the_same() -> None:
    members, _ = read(["b"])
    with_null, codes = read([None, "a"], members)
    assert (with_null.values.to_pylist(), with_null.null_code, codes) == (["b", "a", None], 2, [2, 1])
    more, _ = read(["c"], with_null)
    assert (more.null_code, more.listed) == (2, ["a", "b", "c", "N/A"])
    behind, _ = read(["b"], read(["a", None])[0])
    assert (behind.values.to_pylist(), behind.listed) == (["a", None, "b"], ["a", "b", "N/A"])


def test_what_brings_nothing_new_leaves_the_members_as_they_are() -> None:
    members, _ = read(["b", "a", None])
    for values in (["a"], [None], [], [None, "b"]):
        again, _ = read(values, members, pa.string())
        assert again is members


def test_members_that_come_in_order_need_no_ranks() -> None:
    """A date that is a dimension: each day brings the next."""
    members, _ = read([date(2024, 1, 1)])
    for day in (2, 3):
        members, codes = read([date(2024, 1, day)], members)
        assert codes == [day - 1]
    assert members.ranks is None
    assert read([date(2023, 1, 1)], members)[0].ranks is not None


def test_codes_become_wider_when_they_must() -> None:
    members, _ = encode(pa.chunked_array([pa.array(range(250))]), DIMENSION)
    later, codes = encode(pa.chunked_array([pa.array([-5, 7, None, *range(1000, 1010)])]), DIMENSION, members)
    assert (members.codes_type, later.codes_type, codes.dtype) == (np.uint8, np.uint16, np.uint16)
    assert later.decode(codes).to_pylist() == [-5, 7, None, *range(1000, 1010)]


@pytest.mark.parametrize("kind", sorted(ALPHABETS))
def test_batches_of_any_kind_mean_what_they_say(kind: str) -> None:
    kept, alphabet = ALPHABETS[kind]

    @given(st.lists(st.lists(st.sampled_from(alphabet), max_size=5), min_size=1, max_size=4))
    def check(batches: list[list[Any]]) -> None:
        members: Members | None = None
        codes = []
        for batch in batches:
            members, found = read(batch, members, kept)
            codes.append(found)
        assert members is not None
        together = [None if is_missing(value) else value for batch in batches for value in batch]
        flat = np.array([code for found in codes for code in found], np.int64)
        assert members.decode(flat).to_pylist() == together
        assert [members.code(value) for value in together] == flat.tolist()
        assert [members.find(value) for value in together] == flat.tolist()
        sorted_members, _ = read([value for batch in batches for value in batch], None, kept)
        assert members.listed == sorted_members.texts
        order = np.arange(members.cardinality) if members.ranks is None else members.ranks
        by_rank = np.argsort(order)
        assert members.decode(by_rank).to_pylist() == sorted_members.values.to_pylist()
        assert members.texts_at(flat) == [members.texts[code] for code in flat]

    check()


def test_what_is_forgotten_is_found_by_nobody() -> None:
    members, _ = read(["b", "secret", None, "a"])
    assert members.values.to_pylist() == ["a", "b", "secret", None]
    left = members.without(np.array([2]))
    assert (left.cardinality, left.live, left.null_code) == (4, 3, 3)
    assert (left.code("secret"), left.find("secret"), left.code(None)) == (-1, -1, 3)
    assert left.listed == ["a", "b", "N/A"]
    assert b"secret" not in b"".join(one.to_pybytes() for one in left.values.buffers() if one is not None)
    assert left.ranks is None
    assert members.code("secret") == 2
    again, codes = read(["secret", "0"], left)
    assert codes == [5, 4]
    assert again.listed == ["0", "a", "b", "secret", "N/A"]
    assert again.live == 5
    shares = shares_of(again, np.array([1, 0, 0, 2, 0, 1]), 4)
    assert shares.members == {None: 0.5, "a": 0.25, "secret": 0.25, "b": 0, "0": 0}


def test_null_may_be_forgotten_too_and_come_back() -> None:
    members, _ = read(["a", None])
    left = members.without(np.array([1]))
    assert (left.null_code, left.live, left.code(None), left.listed) == (None, 1, -1, ["a"])
    # Its label is an ordinary member meanwhile.
    named, _ = read(["N/A"], left)
    assert named.code(None) == named.code("N/A") == 2
    again, codes = read([None, "b"], left)
    assert (codes, again.null_code, again.listed) == ([3, 2], 3, ["a", "b", "N/A"])


@pytest.mark.parametrize(
    ("before", "batch", "said"),
    [
        (["N/A"], ["x", None, None], "holds null and also the value 'N/A' in rows 1, 2 "),
        ([None], ["x", "N/A"], "holds null and also the value 'N/A' in row 1 "),
        (["x"], ["N/A", "x", None], "holds null and also the value 'N/A' in row 0 "),
        ([""], [None, "(empty)"], r"holds the empty string and also '\(empty\)' in row 1 "),
        (["(empty)"], ["", "b", ""], r"holds the empty string and also '\(empty\)' in rows 0, 2 "),
        (["N/A"], [None] * 8, "in rows 0, 1, 2, 3, 4 and 3 more "),
        ([1], ["x"], "has the kind text, and those before have integer"),
        (["1"], [1], "has the kind integer, and those before have text"),
        ([1], [1.0], "has the kind float, and those before have integer"),
        ([Decimal("1.5")], [Decimal("1.25")], r"values that do not fit decimal128\(2, 1\)"),
        ([1], [pa.scalar(2**64 - 1, pa.uint64())], "values that do not fit int64"),
    ],
)
def test_members_that_are_refused(before: list[Any], batch: list[Any], said: str) -> None:
    known, _ = read(before)
    with pytest.raises(SchemaError, match=said):
        read(batch, known)


@pytest.mark.parametrize(
    "batch",
    [pa.nulls(2), pa.nulls(2, pa.string()), pa.nulls(2).dictionary_encode(), pa.array([float("nan"), None])],
    ids=lambda batch: str(batch.type),
)
def test_no_value_has_any_kind(batch: pa.Array) -> None:
    known, _ = read([1, 2])
    members, codes = encode(pa.chunked_array([batch]), DIMENSION, known)
    assert (members.kind, members.values.type, codes.tolist()) == ("integer", pa.int64(), [2, 2])


# Facts.


def declared(**metrics: Metric) -> Schema:
    return Schema(
        "c",
        [Dimension("city", parent="land"), Dimension("land"), Dimension("tag", multivalued=True)],
        {"rows": count(), **metrics},
        [Tree.from_paths([("land", "city")])],
        time=Time("at"),
    )


def facts(**columns: Any) -> pa.Table:
    whole: dict[str, Any] = {
        "at": [AT + timedelta(hours=hour) for hour in (0, 2, 1)],
        "city": ["Rom", "Bonn", "Köln"],
        "land": ["Italy", "Germany", "Germany"],
        "tag": [["x", "y"], [], ["y"]],
        "user": [7, 3, 7],
        "size": [1, 2, None],
        **columns,
    }
    return pa.table(
        {name: values if isinstance(values, pa.Array) else pa.array(values) for name, values in whole.items()}
    )


def columns_of(layout: Layout, function: str) -> Column:
    [found] = [column for partial, column in layout.columns.items() if partial.function == function]
    return found


def test_what_is_counted_keeps_its_numbers() -> None:
    schema = declared(users=distinct("user", keep="set"))
    _, before, first = load_facts(schema, facts())
    assert before.items["user"].to_pylist() == [3, 7]
    _, after, layout = load_facts(schema, facts(user=[5, None, 3]), known=before)
    assert after.items["user"].to_pylist() == [3, 7, 5]
    column = columns_of(layout, "set")
    assert column.values is not None
    # In the order of time.
    assert (column.values.tolist(), column.members) == ([2, 0, 3], 3)
    assert (columns_of(first, "set").members, before.items["user"].to_pylist()) == (2, [3, 7])


def test_a_dimension_that_is_counted_has_one_set_of_codes_and_null_is_no_item() -> None:
    schema = declared(cities=distinct("city"))
    _, before, first = load_facts(schema, facts(city=["Rom", None, "Bonn"]))
    assert "city" not in before.items
    assert np.array_equal(first.codes["city"], columns_of(first, "distinct").values)  # type: ignore[arg-type]
    assert columns_of(first, "distinct").members == 2
    later = facts(city=["Ulm", None, "Rom"], land=["Germany", "Germany", "Italy"])
    _, _, layout = load_facts(schema, later, known=before)
    column = columns_of(layout, "distinct")
    assert column.values is not None
    assert layout.codes["city"].tolist() == [3, 1, 2]
    assert (column.values.tolist(), column.members) == ([3, 1, 4], 4)


def test_sketches_of_a_value_are_the_same_in_every_load() -> None:
    schema = declared(about=approximate_distinct("user"), cities=approximate_distinct("city"))
    more = facts(user=[1, 7, None], city=["Ulm", "Rom", None], land=["Germany", "Italy", "Germany"])
    known: Dictionaries | None = None
    for table in (facts(), more):
        _, known, later = load_facts(schema, table, known=known)
    alone = load_facts(schema, more)[2]
    for partial, column in alone.columns.items():
        if partial.function == "registers":
            other = later.columns[partial]
            assert (other.members, other.values.tolist()) == (column.members, column.values.tolist())  # type: ignore[union-attr]


@given(
    st.lists(st.lists(st.none() | st.integers(-(2**40), 2**40) | st.integers(-60, 60), max_size=6), max_size=4),
    st.sampled_from([0.1, 0.01, 0.001]),
)
def test_buckets_of_several_loads_are_of_one_coding(loads: list[list[int | None]], accuracy: float) -> None:
    def column(values: list[int | None]) -> Column:
        numbers = np.array([value or 0 for value in values], np.int64)
        present = np.array([value is not None for value in values], bool)
        items, shown = buckets_of(numbers, present, accuracy)
        return Column(items, None, pa.float64(), members=len(shown), shown=shown)

    alike = of_one_coding([column(values) for values in [*loads, []]])
    whole = column([value for values in loads for value in values])
    assert whole.values is not None
    joined = np.concatenate([one.values for one in alike if one.values is not None])
    assert joined.tolist() == whole.values.tolist()
    for one in alike:
        assert one.shown is not None
        assert (one.members, one.shown.tolist()) == (whole.members, whole.shown.tolist())  # type: ignore[union-attr]


REFUSED: dict[str, tuple[dict[str, Metric], dict[str, Any], str]] = {
    "another parent than before": (
        {},
        {"city": ["Ulm", "Rom", "Rom"], "land": ["Germany", "Germany", "Italy"]},
        r"dimensions\.city\.parent: 1 members lie under more than one land, such as 'Rom', in row 1 ",
    ),
    "two parents of a new member": (
        {},
        {"city": ["Ulm", "Rom", "Ulm"], "land": ["Germany", "Italy", "Peru"]},
        r"dimensions\.city\.parent: 1 members lie under more than one land, such as 'Ulm', in row 2 ",
    ),
    "a value that determined another": (
        {"users": distinct("user", determines=["land"])},
        {"user": [8, 7, 3]},
        r"metrics\.users\.determines: 1 values of 'user' lie under more than one land, in row 1 ",
    ),
    "a label in a list": (
        {},
        {"tag": [["x"], ["x", "N/A"], ["N/A", "y", "N/A"]]},
        r"dimensions\.tag: column 'tag' holds null and also the value 'N/A' in rows 1, 2 ",
    ),
    "floats for whole numbers": (
        {"size": total("size")},
        {"size": [0.5, None, 1.0]},
        r"metrics\.size: column 'size' has numbers of type double, and those before of type int64",
    ),
    "decimals in a quantile": (
        {"size": median("size")},
        {"size": [Decimal("0.5"), None, Decimal("1.0")]},
        r"metrics\.size: column 'size' has numbers of type decimal128\(38, 1\), and those before of type int64",
    ),
    "another clock": (
        {},
        {"land": pa.array([None, AT, AT], pa.timestamp("s", "UTC"))},
        r"dimensions\.land: column 'land' has type timestamp\[s, tz=UTC\], and in the facts before timestamp\[us\]",
    ),
    "texts for numbers that are counted": (
        {"sizes": distinct("size")},
        {"size": ["1", None, "2"]},
        r"metrics\.sizes: column 'size' has the kind text, and those before have integer",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_facts_that_contradict_those_before_are_refused_whole(name: str) -> None:
    metrics, changed, said = REFUSED[name]
    schema = declared(**metrics)
    users: dict[str, Any] = {"user": [7, 3, 4]}
    if name == "another clock":
        users["land"] = pa.array([AT] * 3, pa.timestamp("us"))
    _, known, _ = load_facts(schema, facts(**users))
    load_facts(schema, facts(**users), known=known)
    with pytest.raises(SchemaError) as caught:
        load_facts(schema, facts(**{**users, **changed}), known=known)
    assert re.match(said, str(caught.value)), str(caught.value)


def test_all_that_is_wrong_with_later_facts_is_told_at_once() -> None:
    schema = declared(size=total("size"), most=maximum("user"))
    _, known, _ = load_facts(schema, facts())
    with pytest.raises(SchemaError) as caught:
        load_facts(schema, facts(city=[1, 2, 3], size=[0.5, 1.0, None], user=["a", "b", "c"]), known=known)
    places = [problem.place for problem in caught.value.problems]
    assert places == ["dimensions.city", "metrics.size", "metrics.most"]


@pytest.mark.parametrize("kept", [pa.null(), pa.int8(), pa.float64(), pa.uint64()], ids=str)
def test_no_number_has_any_type_and_any_width_is_one_type(kept: pa.DataType) -> None:
    schema = declared(size=total("size"), latest=last("size"), middle=median("size"), least=maximum("size"))
    _, known, first = load_facts(schema, facts())
    values = [None] * 3 if kept in (pa.null(), pa.float64()) else [1, None, 255 if kept == pa.uint64() else 127]
    _, after, layout = load_facts(schema, facts(size=pa.array(values, kept)), known=known)
    assert after.types == known.types == {"size": pa.int64()}
    for partial, column in layout.columns.items():
        assert column.type == first.columns[partial].type
        if column.members is None and column.values is not None:
            assert column.values.dtype == np.int64


def test_dictionaries_of_several_loads_know_what_determines_what() -> None:
    schema = declared(users=distinct("user", determines=["land"]))
    _, known, _ = load_facts(schema, facts(user=[7, 3, None]))
    assert known.determined["users", "land"].tolist() == [0, 1]
    _, after, _ = load_facts(schema, facts(user=[2, None, 3], land=["Italy", "Germany", "Germany"]), known=known)
    assert after.items["user"].to_pylist() == [3, 7, 2]
    assert after.determined["users", "land"].tolist() == [0, 1, 1]
    assert known.determined["users", "land"].tolist() == [0, 1]


def test_what_is_forgotten_is_gone_from_all_dictionaries() -> None:
    schema = declared(users=distinct("user"))
    _, known, _ = load_facts(schema, facts())
    left = known.without({"city": np.array([2])}, {"user": np.array([0])})
    assert left.members["city"].listed == ["Bonn", "Köln"]
    assert left.items["user"].to_pylist() == [None, 7]
    # Under another land than before: whoever it was, nobody remembers.
    later = facts(city=["Rom"] * 3, land=["Germany"] * 3, user=[3, 3, 7])
    _, after, layout = load_facts(schema, later, known=left)
    assert after.items["user"].to_pylist() == [None, 7, 3]
    assert layout.codes["city"].tolist() == [3, 3, 3]
    assert known.items["user"].to_pylist() == [3, 7]


def test_a_filter_of_a_metric_means_the_member_whatever_its_code() -> None:
    schema = declared(there=total("size", where={"city": "Ulm"}))
    _, known, _ = load_facts(schema, facts())
    table = facts(city=["Ulm", "Rom", "Ulm"], land=["Germany", "Italy", "Germany"], size=[1, 2, 4])
    _, _, layout = load_facts(schema, table, known=known)
    [column] = [column for partial, column in layout.columns.items() if partial == _filtered(layout)]
    assert column.values is not None
    assert column.values.sum() == 5


def _filtered(layout: Layout) -> Partial:
    [found] = [partial for partial in layout.columns if partial.filters]
    return found
