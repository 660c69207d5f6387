"""XML (W43): the published shape, read back by expat."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from xml.dom.minidom import parseString

import pytest
from report_cubes import NASTY, members, numbers, resource

from wolap import Dimension, Query, Schema, Tree, count
from wolap.errors import SchemaError
from wolap.model.forest import Forest
from wolap.model.query import settle
from wolap.representations import hal_xml
from wolap.representations.resource import Surroundings, describe


def test_the_shape_to_the_byte() -> None:
    made = members(("a", None))
    around = Surroundings(Forest((Tree.parse("d\n  e\n  f"),)), lambda path: True, "/m")
    found = describe(made.answer(settle(Query("d", where_not={"d": "<&>"}, limit=5), made.schema)), made.schema, around)
    assert hal_xml.serialize(found).decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<resource href="/m/nasty/d?d!=%3C%26%3E&amp;limit=5&amp;metrics=rows">'
        '<links><link rel="roll-up" href="/m/nasty"/><link rel="drill-down" href="/m/nasty/d/e"/>'
        '<link rel="drill-down" href="/m/nasty/d/f"/></links>'
        '<report><record d="a" rows="1"/><record d="N/A" rows="1"/></report></resource>\n'
    )


def test_without_links_and_without_records() -> None:
    document = parseString(hal_xml.serialize(resource(members(()), Query("d"))))
    root = document.documentElement
    assert root is not None
    assert [child.nodeName for child in root.childNodes] == ["links", "report"]
    assert [len(child.childNodes) for child in root.childNodes] == [0, 0]


def test_a_metric_without_value_is_an_empty_attribute() -> None:  # W31
    report = ET.fromstring(hal_xml.serialize(resource(numbers(), Query("g")))).find("report")
    assert report is not None
    last = report[3].attrib
    assert {value for name, value in last.items() if name != "g"} == {""}
    assert report[0].attrib["whole"] == str(2**63 - 1)


@pytest.mark.parametrize(
    ("member", "shown"),
    [
        ("\x00", "␀"),
        ("\x01\x1f", "␁␟"),
        ("a\tb\nc\rd", "a\tb\nc\rd"),
        ("\r\n", "\r\n"),
        ("\x7f\x85\u2028", "\x7f\x85\u2028"),
        ("\ufffe\uffff", "\ufffd\ufffd"),
        ("␀", "␀"),
        ("]]>", "]]>"),
        ("&#0;", "&#0;"),
    ],
)
def test_what_becomes_of_control_characters(member: str, shown: str) -> None:
    report = ET.fromstring(hal_xml.serialize(resource(members((member,)), Query("d")))).find("report")
    assert report is not None
    assert report[0].attrib["d"] == shown


def test_members_stay_different() -> None:
    """The pictures of two control characters are two texts."""
    report = ET.fromstring(hal_xml.serialize(resource(members(), Query("d")))).find("report")
    assert report is not None
    assert len({record.attrib["d"] for record in report}) == len(report) == len(set(NASTY))


def test_a_name_that_would_declare_a_namespace_is_refused() -> None:
    with pytest.raises(SchemaError, match="xmlns"):
        Schema("bad", [Dimension("xmlns")], {"rows": count()}, [Tree.parse("xmlns")])
    with pytest.raises(SchemaError, match="xmlns"):
        Schema("bad", [Dimension("d")], {"xmlns": count()}, [Tree.parse("d")])
