"""Multi-valued dimensions (`planner.md` rule 13): how lists are read, what stands in which group, what is refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from threading import Event
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from wolap import (
    Cancelled,
    Cube,
    Dimension,
    Filter,
    Metric,
    Principal,
    Query,
    Schema,
    SchemaError,
    Time,
    Tree,
    approximate_distinct,
    count,
    declare_projection,
    distinct,
    last,
    maximum,
    mean,
    median,
    total,
    variance,
    versions,
)
from wolap.engine import collection, explode
from wolap.engine.lists import encode_lists
from wolap.engine.sizes import estimate_sizes

TAGS: list[list[str | None] | None] = [["a", "b"], ["b", "b", None], [], None, ["c", "a", "a"], ["b"]]
CITIES = ["x", "y", "x", "y", "x", None]
METRICS = {
    "facts": count(),
    "lines": total("lines"),
    "most": maximum("lines"),
    "usual": mean("lines"),
    "spread": variance("lines"),
    "middle": median("lines"),
    "closing": last("lines"),
    "users": distinct("user"),
    "kept": distinct("user", keep="set"),
    "about": approximate_distinct("user"),
}


def declared(dimensions: Iterable[Dimension] = (), metrics: dict[str, Metric] | None = None) -> Schema:
    return Schema(
        "posts",
        list(dimensions) or [Dimension("tag", multivalued=True), Dimension("city")],
        metrics or METRICS,
        [Tree.parse("tag\n  city\nyear\n  month\n    day\n      tag")],
        Time("at"),
    )


def declared_without_time(metrics: dict[str, Metric]) -> Schema:
    return Schema("posts", [Dimension("tag", multivalued=True), Dimension("city")], metrics, [Tree.parse("tag\ncity")])


def facts(tags: pa.Array | None = None) -> pa.Table:
    return pa.table(
        {
            "at": [datetime(2024, 1, 31, tzinfo=UTC) + timedelta(hours=9 * number) for number in range(6)],
            "tag": pa.array(TAGS, pa.list_(pa.string())) if tags is None else tags,
            "city": CITIES,
            "lines": [1, 2, None, 8, 16, 32],
            "user": ["p", "q", "p", "q", "r", "p"],
        }
    )


@pytest.fixture(scope="module")
def posts() -> Cube:
    return Cube(declared(), facts())


def told(cube: Cube, query: Query, principal: Principal | None = None) -> list[tuple[Any, ...]]:
    result = cube.answer(query, principal) if principal else cube.answer(query)
    return [tuple(record.values()) for record in result.to_pylist()]


ANSWERS = {
    "each member, once": (Query("tag", metrics="facts"), [("a", 2), ("b", 3), ("c", 1), (None, 3)]),
    "with another dimension": (
        Query("city/tag", metrics="lines"),
        [
            ("x", "a", 17),
            ("x", "b", 1),
            ("x", "c", 16),
            ("x", None, None),
            ("y", "b", 2),
            ("y", None, 10),
            (None, "b", 32),
        ],
    ),
    "distinct in each": (Query("tag", metrics="users"), [("a", 2), ("b", 2), ("c", 1), (None, 2)]),
    "the total has each fact once": (Query("", metrics=["facts", "lines"]), [(6, 59)]),
    "one of its members is in": (Query("", metrics="facts", where={"tag": ["a", "b"]}), [(4,)]),
    "it has some other": (Query("", metrics="facts", where_not={"tag": "b"}), [(5,)]),
    "the groups that pass": (Query("tag", metrics="facts", where_not={"tag": "b"}), [("a", 2), ("c", 1), (None, 3)]),
    "nothing is null": (Query("city", metrics="facts", where={"tag": None}), [("x", 1), ("y", 2)]),
    "one member passes both": (
        Query("", metrics="facts", where={"tag": ["a", "b"]}, where_not={"tag": "b"}),
        [(2,)],
    ),
    "no member passes both": (Query("", metrics="facts", where={"tag": "b"}, where_not={"tag": "b"}), [(0,)]),
    "a member of nobody": (Query("tag", metrics="facts", where={"tag": "z"}), []),
    "anything but a member of nobody": (Query("", metrics="facts", where_not={"tag": "z"}), [(6,)]),
    "an interval": (
        Query("tag", metrics="lines", start="2024-01-31T09:00", end="2024-02-01T12:00"),
        [("b", 2), (None, 10)],
    ),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_what_stands_where(case: str, posts: Cube) -> None:
    query, records = ANSWERS[case]
    assert told(posts, query) == records


def test_who_may_see_some_members_sees_facts_that_have_one(posts: Cube) -> None:
    allowed = Principal(filters=(Filter("tag", frozenset(["a", "c"])),))
    assert told(posts, Query("tag", metrics="facts"), allowed) == [("a", 2), ("c", 1)]
    assert told(posts, Query("", metrics="facts"), allowed) == [(2,)]
    # A fact of `a` and `b` is no fact of something other than `a` to whom `b` does not exist.
    assert told(posts, Query("", metrics="facts", where_not={"tag": "a"}), allowed) == [(1,)]


@pytest.mark.parametrize("where", [{"tag": "a"}, {"tag": ["a", "b"]}, {"city": "x"}, {}])
@pytest.mark.parametrize("path", ["", "tag", "tag/city", "city", "year/month/day/tag", "year/month", "day"])
def test_every_plan_gives_the_same(path: str, where: dict[str, Any]) -> None:
    cube = Cube(declared(), facts())
    cube.materialize("tag", "city", "tag/city", "year/month/day/tag", "year/month", "year/month/day/tag/city")
    for said in ({"where": where}, {"where_not": where}):
        verdict = cube.verify(Query(path, metrics=list(METRICS), **said))
        assert verdict, str(verdict)


def test_what_holds_it_is_made_into_what_holds_it_only(monkeypatch: pytest.MonkeyPatch) -> None:
    origins: dict[str, str] = {}
    source_of: Callable[..., Any] = versions.source_of

    def watched(projection: Any, *rest: Any) -> Any:
        found = source_of(projection, *rest)
        origins[projection.name] = found.name
        return found

    monkeypatch.setattr(versions, "source_of", watched)
    metrics = {name: metric for name, metric in METRICS.items() if name != "users"}
    cube = Cube(declared(metrics=metrics), facts())
    # So few rows that each would be the smallest source.
    cube.materialize("city", "tag/city", "tag", "")
    assert origins == {"tag/city": "facts", "tag": "tag/city", "city": "facts", "totals": "city"}


def lists_of(kind: str) -> pa.Array:
    values = pa.array([1, 3, 3, None, 2, 1])
    offsets, mask = [0, 2, 4, 4, 5, 6], pa.array([False, False, False, True, False])
    if kind == "list":
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, mask=mask)
    if kind == "large_list":
        return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), values, mask=mask)
    if kind == "dictionary":
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values.dictionary_encode(), mask=mask)
    if kind == "fixed":
        fixed = pa.array([1, 3, 3, None, None, None, 9, 9, 1, 1])
        return pa.FixedSizeListArray.from_arrays(fixed, 2, mask=mask)
    if kind == "view":
        return pa.array([[1, 3], [3, None], [], None, [1]], pa.list_view(pa.int64()))
    frame = pl.DataFrame({"tag": [[1, 3], [3, None], [], None, [1]]})
    return frame.to_arrow()["tag"].combine_chunks()


@pytest.mark.parametrize("kind", ["list", "large_list", "dictionary", "fixed", "view", "polars"])
@pytest.mark.parametrize("cut", [(5,), (2, 3), (0, 1, 4), (1, 1, 1, 1, 1)])
def test_every_kind_of_list_is_read_alike(kind: str, cut: tuple[int, ...]) -> None:
    whole, chunks, start = lists_of(kind), [], 0
    for length in cut:
        chunks.append(whole.slice(start, length))
        start += length
    members, found = encode_lists(pa.chunked_array(chunks, whole.type), Dimension("tag", multivalued=True))
    assert (members.values.to_pylist(), members.null_code) == ([1, 3, None], 2)
    assert found.offsets is not None
    assert found.values is not None
    assert np.split(found.values, found.offsets[1:-1])[0].tolist() == [0, 1]
    assert found.values.tolist() == [0, 1, 1, 2, 2, 2, 0]
    assert found.offsets.tolist() == [0, 2, 4, 5, 6, 7]


@pytest.mark.parametrize("values", [[], [[], None], [None], [["", "a"], [None]]])
def test_little_is_read_as_well(values: list[list[str | None] | None]) -> None:
    for kept in (pa.string(), pa.null()) if not any(values) else (pa.string(),):
        table = pa.table({"tag": pa.array(values, pa.list_(kept)), "n": pa.array([1] * len(values), pa.int64())})
        schema = Schema("few", [Dimension("tag", multivalued=True)], {"n": total("n")}, [Tree.parse("tag")])
        one_each = sorted({member for tags in values for member in tags or [None]}, key=lambda one: (one is None, one))
        assert [record["tag"] for record in Cube(schema, table).answer(Query("tag")).to_pylist()] == one_each


def test_what_is_no_number_is_null_and_both_zeros_are_one() -> None:
    table = pa.table({"tag": pa.array([[0.0, -0.0, float("nan"), None], [float("nan")]])})
    schema = Schema("few", [Dimension("tag", multivalued=True)], {"n": count()}, [Tree.parse("tag")])
    assert Cube(schema, table).answer(Query("tag")).to_pylist() == [{"tag": 0.0, "n": 1}, {"tag": None, "n": 2}]


REFUSED_FACTS = {
    "a column of one member": ([Dimension("city", multivalued=True)], "'city' has type string", "multivalued left out"),
    "lists for one member": ([Dimension("tag")], "'tag' has type list<", "multi-valued lists"),
    "lists of lists": ([Dimension("deep", multivalued=True)], "'deep' has type list<item: list<", "lists of text"),
    "null beside its label": ([Dimension("tag", null="a", multivalued=True)], "null and also the value 'a'", "label"),
}


@pytest.mark.parametrize("case", REFUSED_FACTS)
def test_facts_that_are_refused(case: str) -> None:
    dimensions, *parts = REFUSED_FACTS[case]
    table = facts().append_column("deep", pa.array([[[1]]] * 6))
    schema = Schema("few", dimensions, {"n": count()}, [Tree.parse(dimensions[0].name)])
    with pytest.raises(SchemaError) as caught:
        Cube(schema, table)
    assert [part for part in parts if part not in str(caught.value)] == []


TAG, CITY = Dimension("tag", multivalued=True), Dimension("city")
REFUSED = {
    "a parent": ([Dimension("tag", parent="city", multivalued=True), CITY], {"n": count()}, "dimensions.tag.parent: "),
    "a child": ([TAG, Dimension("city", parent="tag")], {"n": count()}, "dimensions.city.parent: "),
    "determined": ([TAG, CITY], {"n": distinct("user", determines=["tag"])}, "metrics.n.determines: "),
    "a metric's filter": ([TAG, CITY], {"n": count(where={"tag": "a"})}, "metrics.n.where: "),
    "a metric's other filter": ([TAG, CITY], {"n": total("x", where_not={"tag": "a"})}, "metrics.n.where_not: "),
    "counted apart": ([TAG, CITY], {"n": distinct("tag")}, "holds lists, which have no distinct"),
    "added up": ([TAG, CITY], {"n": total("tag")}, "holds lists, which have no sum"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_declarations_that_are_refused(case: str) -> None:
    dimensions, metrics, part = REFUSED[case]
    with pytest.raises(SchemaError) as caught:
        declared(dimensions, metrics)
    assert part in str(caught.value)


@pytest.mark.parametrize("said", ["where", "where_not"])
def test_no_projection_is_filtered_by_it(said: str) -> None:
    with pytest.raises(SchemaError, match=rf"projections.tag.{said}: a fact has several members of tag"):
        declare_projection(declared(), "tag", **{said: {"tag": "a"}})


def test_a_projection_of_another_schema_is_refused() -> None:
    other = declared([Dimension("tag"), Dimension("city")])
    cube = Cube(declared(), facts())
    with pytest.raises(SchemaError, match="other multi-valued dimensions"):
        cube.materialize(declare_projection(other, "tag"))


def test_lists_may_be_counted() -> None:
    cube = Cube(declared(metrics={"known": count("tag")}), facts())
    assert told(cube, Query("")) == [(5,)]


def test_it_stops_between_blocks(posts: Cube) -> None:
    stopped = Event()
    stopped.set()
    for query in (Query("tag"), Query("", where={"tag": "a"})):
        with pytest.raises(Cancelled):
            posts.answer(query, cancel=stopped)


def test_groups_of_blocks_are_put_together_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(13)
    tags = [[random.randrange(40) for _ in range(random.randrange(5))] for _ in range(3000)]
    table = pa.table({"tag": tags, "user": [random.randrange(9) for _ in tags], "n": range(3000)})
    metrics = {"n": total("n"), "users": distinct("user")}
    schema = Schema("few", [Dimension("tag", multivalued=True)], metrics, [Tree.parse("tag")])
    cube = Cube(schema, table)
    whole = cube.answer(Query("tag")).to_pylist()
    waiting: list[int] = []
    stitch = explode.stitch

    def watched(parts: Any) -> Any:
        waiting.append(len(parts))
        return stitch(parts)

    monkeypatch.setattr(explode, "stitch", watched)
    monkeypatch.setattr(explode, "LARGE_BLOCK", 200)
    monkeypatch.setattr(collection, "LARGE_BLOCK", 100)
    assert cube.answer(Query("tag")).to_pylist() == whole
    assert len(waiting) > 10
    assert max(waiting) < 10


def test_random_lists_against_pairs_in_python() -> None:
    """Nothing of the engine, and no library: pairs are made one by one."""
    random = Random(7)
    for _ in range(60):
        rows = [
            {
                "tag": some_members(random),
                "label": some_members(random),
                "city": random.choice("xyz"),
                "n": random.randrange(100),
            }
            for _ in range(random.randrange(30))
        ]
        cube = Cube(PAIRED, pa.Table.from_pylist(rows, PAIRED_TYPES))
        cube.materialize("tag", "tag/label", "city", "tag/label/city")
        for _ in range(20):
            group = random.sample(["tag", "label", "city"], random.randrange(4))
            query = Query(group, filters=some_filters(random), metrics=["facts", "n"])
            records = [tuple(record.values()) for record in cube.answer(query).to_pylist()]
            found = {record[: len(group)]: record[len(group) :] for record in records}
            assert found == in_python(rows, group, query.filters), str(query)
            assert cube.verify(query)


PAIRED = Schema(
    "few",
    [Dimension("tag", multivalued=True), Dimension("label", multivalued=True), Dimension("city")],
    {"facts": count(), "n": total("n")},
    [Tree.parse("tag")],
)
PAIRED_TYPES = pa.schema(
    {"tag": pa.list_(pa.string()), "label": pa.large_list(pa.string()), "city": pa.string(), "n": pa.int64()}
)


def some_members(random: Random) -> list[str | None] | None:
    if random.random() < 0.1:
        return None
    return [random.choice([None, "a", "b", "c", "d"]) for _ in range(random.randrange(4))]


def some_filters(random: Random) -> list[Filter]:
    return [
        Filter(
            random.choice(["tag", "label"]),
            frozenset(random.sample([None, "a", "b", "c"], random.randrange(1, 3))),
            random.random() < 0.5,
        )
        for _ in range(random.randrange(3))
    ]


def in_python(
    rows: list[dict[str, Any]], group: list[str], filters: Iterable[Filter]
) -> dict[tuple[Any, ...], tuple[int, int | None]]:
    groups: dict[tuple[Any, ...], dict[int, int]] = defaultdict(dict)
    for number, row in enumerate(rows):
        for tag, label in product(row["tag"] or [None], row["label"] or [None]):
            pair = {"tag": tag, "label": label, "city": row["city"]}
            if all((pair[one.dimension] in one.values) != one.exclude for one in filters):
                groups[tuple(pair[name] for name in group)][number] = row["n"]
    if not group and not groups:
        return {(): (0, None)}
    return {key: (len(found), sum(found.values())) for key, found in groups.items()}


def test_sizes_for_advice_are_those_of_pairs() -> None:
    cube = Cube(declared(), facts())
    grains = ("tag", "tag/city", "city", "year/month/day/tag")
    wanted = [declare_projection(cube.schema, grain) for grain in grains]
    source = cube.snapshot.sources["facts"].whole
    rows = [one.rows for one in estimate_sizes(wanted, source.layout, source.dictionaries)]
    cube.materialize(*wanted)
    assert rows == [one.statistics.rows for one in cube.projections[:-1] if one.statistics is not None]


def test_advice_is_given_for_groups_of_members() -> None:
    random = Random(3)
    tags = [[random.randrange(4) for _ in range(random.randrange(4))] for _ in range(3000)]
    table = pa.table({"tag": tags, "city": [random.choice("xyz") for _ in tags], "lines": range(3000)})
    metrics = {"lines": total("lines")}
    schema = Schema(
        "posts", [Dimension("tag", multivalued=True), Dimension("city")], metrics, [Tree.parse("tag\ncity")]
    )
    cube = Cube(schema, table)
    advice = cube.advise(1 << 20, [Query("tag"), Query("city"), Query("city", where={"tag": [1, 2]})])
    cube.materialize(*advice.projections)
    assert advice.projections
    for query in (Query("tag"), Query("city"), Query("city", where={"tag": [1, 2]})):
        assert cube.verify(query)
