"""Cube files that are wrong: each fault is told with its file, its place, what was found and what is possible."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from cube_documents import document

from wolap import SchemaError
from wolap.cube_file import read_cube_file


def refused(folder: Path, text: str) -> list[str]:
    path = folder / "sales.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SchemaError) as error:
        read_cube_file(path)
    lines = str(error.value).split("\n")
    assert all(line.startswith("sales.toml: ") for line in lines), lines
    return [line.removeprefix("sales.toml: ") for line in lines]


# Each row: what is declared in place of what is good, and the beginning of each line that is said.
BROKEN: dict[str, tuple[str, list[str]]] = {
    "unknown section": (document("[cub]"), ["cub: 'cub' is no section here; sections are cube, "]),
    "unknown key": (
        document(cube='name = "sales"\nbass = "/x"'),
        ["cube.bass: 'bass' is no key here; keys are base, "],
    ),
    "lists said by a text": (
        document(dimensions='country = { multivalued = "yes" }\ncity = {}'),
        ["dimensions.country.multivalued: is the text 'yes'; true or false"],
    ),
    "lists in a hierarchy": (
        document(dimensions='country = {}\ncity = { parent = "country", multivalued = true }'),
        ["dimensions.city.parent: a fact has several members of city, so it is on no level of a hierarchy; no parent"],
    ),
    "lists that a projection is filtered by": (
        document(
            '[[projections]]\ndimensions = "country"\nwhere = { city = "x" }',
            dimensions="country = {}\ncity = { multivalued = true }",
        ),
        ["projections[1].where: a fact has several members of city, which is no filter of a projection"],
    ),
    "no name": (document(cube='title = "x"'), ['cube.name: is missing; name = "…"']),
    "bad name": (document(cube='name = "a/b"'), ["name: 'a/b' is no name; letters, digits and"]),
    "bad base": (document(cube='name = "s"\nbase = "s/"'), ["base: 's/' is no path; a path such as /sales/v1"]),
    "bad alias": (document(cube='name = "s"\naliases = ["x"]'), ["aliases: 'x' is no path; "]),
    "aliases of numbers": (
        document(cube='name = "s"\naliases = ["/x", 1]'),
        ["cube.aliases: holds a whole number ('1'); a list of texts"],
    ),
    "wrong types": (
        document(cube='name = 3\ndefault_limit = "x"\nstrict = 1\nfacts = ["a"]\nmaximum_limit = true'),
        [
            "cube.name: is a whole number ('3'); text",
            "cube.default_limit: is the text 'x'; a whole number",
            "cube.strict: is a whole number ('1'); true or false",
            "cube.facts: is a list; text",
            "cube.maximum_limit: is true or false ('True'); a whole number",
            'cube.name: is missing; name = "…"',
        ],
    ),
    "limit": (document(cube='name = "s"\ndefault_limit = 0'), ["default_limit: 0 is below 1"]),
    "a date": (document(cube='name = "s"\ntitle = 2024-01-01'), ["cube.title: is a date ('2024-01-01'); text"]),
    "zone": (document(cube='name = "s"\nzone = "Mars"'), ["time.zone: 'Mars' is not a time zone"]),
    "section of a wrong type": (
        "metrics = 3\n" + document(metrics=""),
        ["metrics: is a whole number ('3'); a table"],
    ),
    "no metrics": (document(metrics=""), ["metrics: there are none; at least one, such as count()"]),
    "options of sketches": (
        document(
            metrics='n = "count"\na = { approximate_distinct = "x", precision = 2.5 }\n'
            'b = { quantile = "x" }\nc = { median = "x", accuracy = "1%" }\nd = { distinct = "x", keep = "sets" }'
        ),
        [
            "metrics.a.precision: is a number ('2.5'); a whole number",
            "metrics.c.accuracy: is the text '1%'; a number",
            "metrics.b: quantile needs a probability; probability = 0.95",
            "metrics.d.keep: 'sets' is none; one of count, set",
        ],
    ),
    "no trees": (document(trees=""), ["trees: there are none; at least one, or no report has an address"]),
    "time without column": (
        document(time='columns = "at"'),
        ["time.columns: 'columns' is no key here; keys are column, column_zone", "time.column: is missing; "],
    ),
    "levels": (
        document(time='column = "at"\nlevels = ["year", "yaer"]'),
        ["time.levels: 'yaer' is no level; levels are year, "],
    ),
    "levels as text": (document(time='column = "at"\nlevels = "year"'), ["time.levels: is the text 'year'; a list"]),
    "spans": (
        document(time='column = "at"\ndefault_spans = { mont = "1 month", year = "2 yeers", day = 3 }'),
        [
            "time.default_spans.year: '2 yeers' is not a span; write a number and a level, such as 3 months",
            "time.default_spans.day: '3' is not a span; ",
            "time.default_spans: 'mont' is no level of this time; its levels are month, ",
        ],
    ),
    "dimension of a wrong type": (
        document(dimensions="country = 3\ncity = {}"),
        ["dimensions.country: is a whole number ('3'); a table"],
    ),
    "dimension's key": (
        document(dimensions='country = { nul = "x" }'),
        ["dimensions.country.nul: 'nul' is no key here; keys are null, "],
    ),
    "parent": (
        document(dimensions='country = {}\ncity = { parent = "contry" }'),
        ["dimensions.city.parent: 'contry' is no dimension; dimensions are country, city"],
    ),
    "parents in a ring": (
        document(dimensions='country = { parent = "city" }\ncity = { parent = "country" }'),
        [
            "dimensions.country.parent: the levels above it lead back",
            "dimensions.city.parent: the levels above it lead",
        ],
    ),
    "labels": (
        document(dimensions='country = { null = "x", empty = "x" }'),
        ["dimensions.country: null and empty have one label, 'x'; two labels"],
    ),
    "reserved and badly named": (
        document(dimensions='country = {}\nlimit = {}\nyear = {}\n"a b" = {}'),
        [
            "dimensions.limit: 'limit' is reserved; not one of access_token, ",
            "dimensions.year: has the name of a level of time; ",
            "dimensions.a b: 'a b' is no name; a name begins with a letter",
        ],
    ),
    "metric of a wrong type": (document(metrics="sales = 3"), ["metrics.sales: is a whole number ('3'); a table"]),
    "metric as text": (
        document(metrics='sales = "sum"'),
        ['metrics.sales: is the text \'sum\'; "count", or a table such as { sum = "column" }'],
    ),
    "function": (
        document(metrics='n = "count"\nsales = { summ = "x" }'),
        ["metrics.sales.summ: 'summ' is no key here; keys are sum, "],
    ),
    "no function": (document(metrics="sales = {}"), ["metrics.sales: has no functions; just one of count, sum, "]),
    "two functions": (
        document(metrics='sales = { sum = "x", max = "x" }'),
        ["metrics.sales: has 2 functions; just one of count, sum, "],
    ),
    "column": (
        document(metrics="sales = { sum = true }"),
        ["metrics.sales.sum: is true or false ('True'); the name"],
    ),
    "ratio": (
        document(metrics='n = "count"\nsales = { ratio = ["n"] }'),
        ["metrics.sales: ratio has 1 operands; it takes 2"],
    ),
    "operands": (
        document(metrics='n = "count"\nsales = { ratio = ["n", "m"] }'),
        ["metrics.sales: 'm' is no metric; metrics are n, sales"],
    ),
    "determines": (
        document(metrics='sales = { distinct = "x", determines = ["contry"] }'),
        ["metrics.sales.determines: 'contry' is no dimension; dimensions are country, city"],
    ),
    "tree of a wrong type": (document(trees="main = 3"), ["trees.main: is a whole number ('3'); a table"]),
    "tree as a list": (document(trees='main = ["year"]'), ["trees.main: is a list; a table"]),
    "tree without paths": (document(trees='main = { audience = "x" }'), ["trees.main: has no paths; paths = …"]),
    "empty tree": (document(trees='main = ""'), ["trees.main: has no path"]),
    "tree's step": (document(trees='main = "yaer"'), ["trees.main: 'yaer' is no dimension; dimensions are year, "]),
    "tree's metric": (
        document(trees='main = { paths = ["year"], metrics = ["sale"] }'),
        ["trees.main.metrics: 'sale' is no metric; metrics are sales, amount"],
    ),
    "indentation": (
        document(trees='main = """\n    year\n  country\n"""'),
        ["trees.main: line 2 (country) is indented like no line above it; steps below the line"],
    ),
    "twice on a path": (
        document(trees='main = { paths = ["year/country/year"] }'),
        ["trees.main: 'year/country/year' names a dimension twice"],
    ),
    "projections": (
        document('[[projections]]\ndimensions = ["contry"]\nmetrics = ["sale"]\n[[projections]]\nname = "x"\n')
        + '[[projections]]\ndimensions = "city"\n[[projections]]\ndimensions = ["city"]\nsort = 1\n'
        + '[[projections]]\ndimensions = 3\n[[projections]]\nname = "facts"\ndimensions = ["city"]',
        [
            "projections[1]: 'contry' is no dimension; dimensions are country, ",
            "projections[1]: 'sale' is no metric; metrics are sales, amount",
            'projections[2]: has no dimensions; dimensions = ["…"]',
            "projections[4].sort: 'sort' is no key here; keys are ",
            "projections[4]: 'city' is declared twice; another name",
            "projections[5].dimensions: is a whole number ('3'); text or a list",
            "projections[6]: is the name of the facts; another name",
        ],
    ),
    "clocks and filters of projections": (
        document('[[projections]]\ndimensions = "city"\nzone = "UTC"\n')
        + '[[projections]]\ndimensions = "year"\nzone = "Mars"\nwhere = { contry = "de" }\n'
        + '[[projections]]\ndimensions = "month"\nzone = 1\nwhere = ["de"]\nwhere_not = { city = {} }\n'
        + '[[projections]]\ndimensions = "day"\nwhere = { year = 2024 }\n'
        + '[[projections]]\ndimensions = "year/city"\nwhere = { city = "a" }\nwhere_not = { city = "a" }',
        [
            "projections[1].zone: it holds no time, which a zone could be of; a level of time, or no zone",
            "projections[2].zone: 'Mars' is not a time zone; ",
            "projections[2].where: 'contry' is no dimension; dimensions are country, ",
            "projections[3].zone: is a whole number ('1'); text",
            "projections[3].where: is a list; a table",
            "projections[3].where_not.city: holds a table; a member, or a list of members; null by its label",
            "projections[4].where: 'year' is a level of time, and time is no filter of a projection; start and end",
            "projections[5]: its filters leave no member of city; other members, or no filter",
        ],
    ),
    "projections of a wrong type": ("projections = [3]\n" + document(), ["projections[1]: is a whole number ('3')"]),
    "caps": (
        document("[caps]\ngroups = 0\nfacts = -1\nmemory = true\nrows = 1"),
        [
            "caps.memory: is true or false ('True'); a whole number",
            "caps.rows: 'rows' is no key here; keys are ",
            "caps.groups: 0 is below 1; leave it out for no cap",
            "caps.facts: -1 is below 1; leave it out for no cap",
        ],
    ),
    "several at once": (
        document(
            cube='name = "s"\nstrickt = true',
            metrics='sales = "count"\namount = { sum = 3 }',
            trees='main = "yaer"',
        ),
        [
            "cube.strickt: 'strickt' is no key here; keys are strict, ",
            "metrics.amount.sum: is a whole number ('3'); ",
            "trees.main: 'yaer' is no dimension; dimensions are year, ",
        ],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_every_fault_is_told_with_its_place(tmp_path: Path, name: str) -> None:
    text, expected = BROKEN[name]
    tomllib.loads(text)
    lines = refused(tmp_path, text)
    assert len(lines) == len(expected), lines
    for line, beginning in zip(lines, expected, strict=True):
        assert line.startswith(beginning), line


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x = [", "cannot be read: "),
        (b"[cube]\nname = 'a'\nname = 'b'\n", "cannot be read: Cannot overwrite a value (at line 3"),
        (b"\xff", "cannot be read: 'utf-8' codec"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_is_no_toml(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "sales.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SchemaError) as error:
        read_cube_file(path)
    assert str(error.value).startswith(f"{path}: {said}")
