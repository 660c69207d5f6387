"""What is written of a projection is read as the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import projections, worlds

from wolap import Caps, Cube, Dimension, Schema, Tree, declare_projection
from wolap.apis import NAMES as NAMES_OF_APIS
from wolap.apis import declaration_path
from wolap.cube_file import read_cube_file
from wolap.cube_file_reader import parse_cube_text
from wolap.cube_file_text import cube_text, projections_text
from wolap.model.span import Span

HEAD = """
[cube]
name = "sales"
zone = "Europe/Berlin"
[time]
column = "at"
levels = ["year", "month", "day", "hour"]
[dimensions]
country = {null = "nowhere"}
"of-size" = {}
[metrics]
sales = {count = true}
amount = {sum = "amount"}
[trees.all]
paths = "country"
"""
NAMED = st.sampled_from(["DE", 'a "quoted", member', "null", "nowhere", "(empty)", "N/A", "Ñ\\"])
STRANGE = st.text(st.sampled_from(["a", " ", '"', "\\", "\x7f", "\x1f", "\n", ",", "]"]), min_size=1, max_size=50)
MEMBERS = st.lists(NAMED | STRANGE, min_size=1, max_size=6)
FILTERS = st.dictionaries(st.sampled_from(["country", "of-size"]), MEMBERS, max_size=2)


@given(
    st.lists(st.sampled_from(["year", "month", "day", "hour", "country", "of-size"]), unique=True),
    st.sampled_from([None, "UTC", "+05:30"]),
    FILTERS,
    FILTERS,
    st.sampled_from([None, ["sales"], ["amount", "sales"]]),
    st.sampled_from([None, "a-name"]),
    st.sampled_from([None, "1 minute", "2 months"]),
)
def test_a_section_is_read_as_what_it_was_written_of(
    tmp_path_factory, steps, zone, where, where_not, metrics, name, every
):
    file = Path(tmp_path_factory.getbasetemp()) / "sales.toml"
    file.write_text(HEAD, encoding="utf-8")
    schema = read_cube_file(file).schema
    if not set(steps) & schema.levels:
        zone = None
    where_not = {key: members for key, members in where_not.items() if key not in where}
    one = declare_projection(
        schema, steps, zone=zone, where=where, where_not=where_not, metrics=metrics, name=name or "a", every=every
    )
    assert (None if one.every is None else str(one.every)) == every
    written = f"{HEAD}\n{projections_text(schema, [one])}"
    file.write_text(written, encoding="utf-8")
    [again] = read_cube_file(file).projections
    # Steps are written time first, and dimensions that tell no others stay in their order.
    assert replace(again, metrics=one.metrics) == one
    assert set(again.metrics) == set(one.metrics)


NAMES = st.sampled_from(["a.b", "_c", "d-e", "F1", "true", "null"])
LABELS = st.sampled_from(["", "A title", 'a "quoted" \\ text', "two\nlines\t…", "\x7f\x00", "日本 # no comment"])

SPANS = st.builds(Span, st.integers(1, 90), st.sampled_from(["second", "minute", "hour", "day", "month"]))


@st.composite
def declared(draw):
    """A schema with whatever a declaration may say, over the metrics of random worlds."""
    world = draw(worlds())
    time = world.schema.time and replace(
        world.schema.time,
        column=draw(st.sampled_from(["at", 'when "it" was'])),
        column_zone=draw(st.sampled_from(["UTC", "Asia/Kolkata"])),
        everywhere=draw(st.booleans()),
        default_spans={draw(st.sampled_from(world.schema.time.levels)): Span(draw(st.integers(1, 9)), "month")}
        if draw(st.booleans())
        else {},
        refresh=draw(st.dictionaries(st.sampled_from(["minute", "day", "month"]), SPANS)),
    )
    labels = {"title": draw(LABELS), "description": draw(LABELS)}
    dimensions = [
        replace(one, kind="text", null=draw(st.sampled_from(["N/A", "null"])), unit=draw(LABELS), **labels)
        for one in world.schema.dimensions
    ]
    if draw(st.booleans()):
        dimensions.append(Dimension(draw(NAMES), "tags", multivalued=True))
    names = [*(time.levels if time else ()), *(one.name for one in dimensions)]
    paths = st.lists(st.lists(st.sampled_from(names), min_size=1, unique=True), min_size=1, max_size=5)
    offered = st.none() | st.lists(st.sampled_from(list(world.schema.metrics)), min_size=1, unique=True)
    trees = [
        Tree.from_paths(map(tuple, draw(paths)), name=name, metrics=draw(offered), audience=draw(st.none() | LABELS))
        for name in draw(st.lists(st.sampled_from(["main", "a tree", "b.c", '"']), min_size=1, unique=True))
    ]
    metrics = {
        name: replace(one, **labels, unit=draw(LABELS), every=None if one.operands else draw(st.none() | SPANS))
        for name, one in world.schema.metrics.items()
    }
    schema = Schema(
        "world-1",
        dimensions,
        metrics,
        trees,
        time,
        base=draw(st.sampled_from(["", "/a/b"])),
        aliases=draw(st.sampled_from([(), ("/x", "/y")])),
        file_prefix=draw(st.sampled_from(["", "p"])),
        default_limit=draw(st.sampled_from([1000, 7])),
        maximum_limit=draw(st.sampled_from([100_000, 8])),
        native_numbers=draw(st.booleans()),
        extensions=draw(st.sampled_from([(), ("sort",), ("offset", "sort")])),
        **labels,
    )
    return world, schema


@given(st.data())
def test_a_whole_declaration_is_read_as_what_it_was_written_of(data):
    _, schema = data.draw(declared())
    single = [one.name for one in schema.dimensions if not one.multivalued]
    said = {
        "strict": data.draw(st.booleans()),
        "caps": Caps(*data.draw(st.tuples(*[st.none() | st.integers(1, 10**12)] * 3))),
        "cluster": tuple(data.draw(st.lists(st.sampled_from(single), unique=True))),
        "facts": data.draw(st.none() | st.just('a "file".parquet')),
    }
    read = parse_cube_text(cube_text(schema, **said), Path("world.toml"))
    assert read.schema == schema
    assert list(read.schema.metrics) == list(schema.metrics)
    for name in schema.metrics:
        assert read.schema.partials(name) == schema.partials(name)
    assert {key: getattr(read, key) for key in said} == said


@given(st.data())
def test_projections_of_facts_are_read_as_what_they_were_declared(data):
    world = data.draw(worlds())
    wanted = data.draw(projections(world))
    cube = Cube(world.schema, world.facts)
    built = cube.declare(*wanted)
    kinds = {one.name: one.kind for one in cube.schema.dimensions}
    read = parse_cube_text(cube_text(cube.schema, built), Path("world.toml"), kinds)
    assert read.schema == cube.schema
    assert read.projections == built


@pytest.mark.parametrize("name", NAMES_OF_APIS)
def test_a_published_api_is_read_as_what_it_is(name):
    declared = read_cube_file(declaration_path(name))
    text = cube_text(
        declared.schema,
        declared.projections,
        strict=declared.strict,
        caps=declared.caps,
        cluster=declared.cluster,
        facts=declared.facts,
    )
    assert parse_cube_text(text, declared.path) == declared
