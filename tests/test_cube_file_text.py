"""What is written of a projection is read as the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from wolap import declare_projection
from wolap.cube_file import read_cube_file
from wolap.cube_file_text import projections_text

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
)
def test_a_section_is_read_as_what_it_was_written_of(tmp_path_factory, steps, zone, where, where_not, metrics, name):
    file = Path(tmp_path_factory.getbasetemp()) / "sales.toml"
    file.write_text(HEAD, encoding="utf-8")
    schema = read_cube_file(file).schema
    if not set(steps) & schema.levels:
        zone = None
    where_not = {key: members for key, members in where_not.items() if key not in where}
    one = declare_projection(
        schema, steps, zone=zone, where=where, where_not=where_not, metrics=metrics, name=name or "a"
    )
    written = f"{HEAD}\n{projections_text(schema, [one])}"
    file.write_text(written, encoding="utf-8")
    [again] = read_cube_file(file).projections
    # Steps are written time first, and dimensions that tell no others stay in their order.
    assert replace(again, metrics=one.metrics) == one
    assert set(again.metrics) == set(one.metrics)
