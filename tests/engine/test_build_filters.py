"""Projections of some facts: what they hold, what they answer, and that nothing else is answered by them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from wolap import (
    Cube,
    Dimension,
    NoAnswer,
    Principal,
    Projection,
    Query,
    Schema,
    SchemaError,
    Time,
    Tree,
    count,
    declare_projection,
    distinct,
    total,
)
from wolap.cube_file import load_cube, read_cube_file
from wolap.model.filter import Filter
from wolap.model.projection import FACTS
from wolap.web.endpoint import Endpoint, Request

ROWS = 300
COUNTRIES = ["se", "no", "dk", None, ""]
FACTS_TABLE = pa.table(
    {
        "at": pa.array([datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=7 * row) for row in range(ROWS)]),
        "country": [COUNTRIES[row % 5] for row in range(ROWS)],
        "city": [f"{COUNTRIES[row % 5]}{row % 10}" for row in range(ROWS)],
        "code": [row % 3 for row in range(ROWS)],
        "amount": list(range(ROWS)),
        "user": [row % 11 for row in range(ROWS)],
    }
)
SCHEMA = Schema(
    "sales",
    [Dimension("country"), Dimension("city", parent="country"), Dimension("code")],
    {"n": count(), "amount": total("amount"), "users": distinct("user")},
    [Tree.parse("year\n  month\n    country\n      city")],
    Time("at", ("year", "month", "day")),
)


def cube_of(*declared: tuple[str, dict[str, Any]], strict: bool = True) -> Cube:
    cube = Cube(SCHEMA, FACTS_TABLE, strict=strict)
    cube.materialize(*(declare_projection(cube.schema, grain, **said) for grain, said in declared))
    return cube


def expected(keep: Any) -> list[dict[str, int]]:
    """Count and sum of the facts that are kept, in total."""
    kept = [row for row in FACTS_TABLE.to_pylist() if keep(row)]
    return [{"n": len(kept), "amount": sum(row["amount"] for row in kept)}]


TOTALS = {"metrics": ["n", "amount"]}
# What is built, what is asked for, which facts are counted.
TABLE: list[tuple[str, dict[str, Any], dict[str, Any], Any]] = [
    (
        "month/country",
        {"where": {"country": ["se", "no"]}},
        {"where": {"country": "se"}},
        lambda row: row["country"] == "se",
    ),
    (
        "month",
        {"where": {"country": ["se", "no"]}},
        {"where": {"country": ["no", "se"]}},
        lambda row: row["country"] in ("se", "no"),
    ),
    ("month", {"where": {"country": None}}, {"where": {"country": "N/A"}}, lambda row: row["country"] is None),
    (
        "month",
        {"where_not": {"country": ["", None]}},
        {"where_not": {"country": ["N/A", "(empty)"]}},
        lambda row: bool(row["country"]),
    ),
    ("month", {"where": {"code": "01"}}, {"where": {"code": 1}}, lambda row: row["code"] == 1),
    (
        "month",
        {"where": {"code": [1, 2]}},
        {"where": {"code": [1, 2]}, "where_not": {"code": 0}},
        lambda row: row["code"] != 0,
    ),
    ("", {"where": {"code": 7}}, {"where": {"code": 7}}, lambda row: False),
    (
        "month/code",
        {"where": {"country": "se"}},
        {"where": {"country": "se", "code": 2}},
        lambda row: row["country"] == "se" and row["code"] == 2,
    ),
    (
        "city",
        {"where": {"country": "se"}},
        {"where": {"country": "se", "city": ["se0", "no1"]}},
        lambda row: row["city"] == "se0",
    ),
]


@pytest.mark.parametrize(("grain", "built", "asked", "keep"), TABLE)
def test_what_was_built_answers_for_what_it_holds(grain, built, asked, keep) -> None:
    cube = cube_of((grain, {"name": "some", **built}))
    found = cube.answer(Query("", **TOTALS, **asked))
    assert [piece.projection for piece in found.plan.pieces] == ["some"]
    [right] = expected(keep)
    assert found.to_pylist() == [{"n": right["n"], "amount": right["amount"] if right["n"] else None}]


@pytest.mark.parametrize(
    ("built", "asked", "code"),
    [
        ({"where": {"country": "se"}}, {}, "build_filter_not_implied"),
        ({"where": {"country": "se"}}, {"where": {"city": "se0"}}, "build_filter_not_implied"),
        ({"where": {"country": "se"}}, {"where": {"country": ["se", "no"]}}, "build_filter_not_implied"),
        ({"where_not": {"country": None}}, {"where_not": {"country": ""}}, "build_filter_not_implied"),
        ({"where": {"country": ["se", "no"]}}, {"where": {"country": "se"}}, "filter_dimension_missing"),
        ({"where_not": {"country": None}}, {"where_not": {"country": [None, "se"]}}, "filter_dimension_missing"),
    ],
)
def test_and_for_nothing_else(built, asked, code) -> None:
    cube = cube_of(("month", {"name": "some", **built}), strict=False)
    plan = cube.explain(Query("year/month", **TOTALS, **asked))
    [some] = [one for one in plan.candidates if one.projection == "some"]
    assert code in [reason.code for reason in some.reasons]
    assert [piece.projection for piece in plan.pieces] == [FACTS]
    with pytest.raises(NoAnswer, match="some: "):
        cube_of(("month", {"name": "some", **built})).answer(Query("year/month", **TOTALS, **asked))


def test_the_reason_says_what_it_holds_and_what_to_filter() -> None:
    cube = cube_of(
        ("month", {"name": "some", "where": {"country": ["no", "se"]}, "where_not": {"code": [1]}}), strict=False
    )
    [some] = [one for one in cube.explain(Query("year", metrics="n")).candidates if one.projection == "some"]
    assert [(reason.subject, reason.text, reason.remedy) for reason in some.reasons] == [
        ("code", "holds code not in (1) only", "filter code by any but 1"),
        ("country", "holds country in (no, se) only", "filter country by no or se"),
    ]


def test_distinct_users_of_a_part_are_those_of_the_part() -> None:
    cube = cube_of(("month", {"name": "some", "where": {"country": "se"}}))
    found = cube.answer(Query("year/month", metrics="users", where={"country": "se"})).to_pylist()
    users: dict[int, set[int]] = {}
    for row in FACTS_TABLE.to_pylist():
        if row["country"] == "se":
            users.setdefault(row["at"].month, set()).add(row["user"])
    assert found == [{"year": 2024, "month": month, "users": len(found)} for month, found in sorted(users.items())]


def test_a_tenant_is_served_by_the_projection_of_its_own() -> None:
    cube = cube_of(("month", {"name": "tenant", "where": {"country": "se"}}))
    tenant = Principal(filters=(Filter("country", frozenset({"se"})),))
    assert cube.answer(Query("", **TOTALS), tenant).to_pylist() == expected(lambda row: row["country"] == "se")
    with pytest.raises(NoAnswer):
        cube.answer(Query("", **TOTALS), Principal(filters=(Filter("country", frozenset({"no"})),)))


def test_no_bucket_is_kept_of_which_nothing_is() -> None:
    cube = cube_of(("day", {"name": "some", "where": {"country": "se", "code": 0}}))
    kept = {row["at"].date() for row in FACTS_TABLE.to_pylist() if row["country"] == "se" and row["code"] == 0}
    layout = cube.snapshot.sources["some"].whole.layout
    assert layout.time is not None
    assert (len(layout.time.instants), layout.rows) == (len(kept), len(kept))


def test_a_path_has_an_address_if_some_filter_makes_it_answer() -> None:
    """W4: without facts to ask, a path exists that a part could answer; links lead there only where it does."""
    endpoint = Endpoint(cube_of(("month", {"name": "some", "where": {"country": "se"}})))

    def status(target: str) -> int:
        return endpoint.respond(Request("GET", target), datetime(2024, 6, 1, tzinfo=UTC)).status

    assert status("/sales/year?country=se&format=json") == 200
    assert status("/sales/year?format=json") == 400
    assert status("/sales/year/month/country?country=se&format=json") == 404
    shown = endpoint.respond(Request("GET", "/sales?country=se&format=json"), datetime(2024, 6, 1, tzinfo=UTC))
    assert shown.status == 200
    assert b"/sales/year" not in shown.body


def test_default_metrics_are_not_those_of_a_part() -> None:
    part = ("month", {"name": "some", "where": {"country": "se"}})
    cube = cube_of(part, ("month/code", {"metrics": ["n"]}))
    assert cube.answer(Query("year")).plan.metrics == ("n",)
    assert cube.answer(Query("year/month", where={"country": "se"})).plan.metrics == ("n", "amount", "users")


def sources(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    from wolap import versions as module

    found: dict[str, str] = {}
    plain = module.source_of

    def spy(projection, catalog, span):
        source = plain(projection, catalog, span)
        found[projection.name] = source.name
        return source

    monkeypatch.setattr(module, "source_of", spy)
    return found


def test_a_part_is_built_from_a_larger_part_and_never_the_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    made_from = sources(monkeypatch)
    plain = {"metrics": ["n", "amount"]}
    cube = cube_of(
        ("month", {"name": "one", "where": {"country": "se"}, **plain}),
        ("month/country", {"name": "two", "where": {"country": ["se", "no"]}, **plain}),
        ("day/country/code", {"name": "known", "where_not": {"country": None}, **plain}),
        ("month/code", {"name": "codes", "where": {"country": "se"}, **plain}),
        ("year", {"name": "all", **plain}),
        ("year", {"name": "years", "where": {"country": "se"}, **plain}),
        ("month", {"name": "unknown", "where": {"country": [None, "se"]}, **plain}),
    )
    assert made_from == {
        "known": FACTS,
        "two": "known",
        "codes": "known",
        "all": FACTS,
        "one": "two",
        "years": "one",
        "unknown": FACTS,
    }
    for name, keep in (
        ("one", lambda row: row["country"] == "se"),
        ("years", lambda row: row["country"] == "se"),
        ("two", lambda row: row["country"] in ("se", "no")),
        ("codes", lambda row: row["country"] == "se"),
        ("unknown", lambda row: row["country"] in (None, "se")),
    ):
        layout = cube.snapshot.sources[name].whole.layout
        [right] = expected(keep)
        assert {name: int(layout.columns[cube.schema.partials(name)[0]].values.sum()) for name in right} == right


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"where": {"land": "se"}}, "projections.some.where: 'land' is no dimension; dimensions are "),
        (
            {"where": {"year": 2024}},
            "projections.some.where: 'year' is a level of time, and time is no filter of a projection",
        ),
        ({"where_not": {"country": []}}, "projections.some.where_not: country has no member; one or several members"),
        (
            {"where": {"country": ["se"]}, "where_not": {"country": ["se", "no"]}},
            "projections.some: its filters leave no member of country; other members, or no filter",
        ),
        ({"zone": "Mars"}, "projections.some.zone: 'Mars' is not a time zone; possible are "),
    ],
)
def test_what_cannot_be_declared(said: dict[str, Any], told: str) -> None:
    with pytest.raises(SchemaError) as caught:
        declare_projection(SCHEMA, "month", name="some", **said)
    assert str(caught.value).startswith(told)


def test_a_zone_needs_a_time() -> None:
    with pytest.raises(SchemaError) as caught:
        declare_projection(SCHEMA, "country", zone="UTC")
    assert str(caught.value).startswith("projections.country.zone: it holds no time, which a zone could be of")


def test_a_member_of_another_kind_is_refused_once_the_kind_is_known() -> None:
    cube = Cube(SCHEMA, FACTS_TABLE)
    slip = declare_projection(SCHEMA, "month", name="some", where={"code": ["x", "1"]})
    with pytest.raises(SchemaError) as caught:
        cube.declare(slip)
    told = "projections.some.where: 'x' is no member of code, whose kind is integer; a text that reads as integer"
    assert str(caught.value) == told


def test_filters_of_another_cube_are_refused() -> None:
    other = Schema("other", [Dimension("shop")], {"n": count()}, [Tree.parse("shop")])
    with pytest.raises(SchemaError, match="filters dimensions that this cube has not"):
        Cube(SCHEMA, FACTS_TABLE).declare(
            Projection(
                **{
                    **fields(declare_projection(SCHEMA, "month")),
                    "filters": declare_projection(other, "shop", where={"shop": "x"}).filters,
                }
            )
        )


def fields(projection: Projection) -> dict[str, Any]:
    return {name: getattr(projection, name) for name in projection.__dataclass_fields__}


def test_one_name_is_one_projection() -> None:
    cube = cube_of(("month", {"where": {"country": "se"}}), strict=False)
    cube.materialize(declare_projection(cube.schema, "month", where={"country": "se"}))
    for said in ({}, {"where": {"country": "no"}}, {"where": {"country": "se"}, "zone": "Asia/Kolkata"}):
        with pytest.raises(SchemaError, match="is declared already, with other dimensions, metrics, filters, zone or"):
            cube.materialize(declare_projection(cube.schema, "month", **said))


def test_from_a_file(tmp_path: Path) -> None:
    """Members are texts there, and of the kind of their dimension once the facts are known."""
    pyarrow.parquet.write_table(FACTS_TABLE, tmp_path / "facts.parquet")
    (tmp_path / "sales.toml").write_text(
        """
        [cube]
        name = "sales"
        facts = "facts.parquet"
        strict = true
        zone = "America/Los_Angeles"
        [time]
        column = "at"
        levels = ["year", "month", "day", "hour"]
        [dimensions]
        country = {}
        code = {}
        [metrics]
        n = "count"
        amount = { sum = "amount" }
        [trees]
        main = "year"
        [[projections]]
        name = "hourly"
        dimensions = ["year", "month", "day", "hour"]
        zone = "UTC"
        where = { code = [1, "2"], country = ["se", "N/A"] }
        where_not = { code = 0 }
        """
    )
    declared = read_cube_file(tmp_path / "sales.toml")
    assert [projection.zone.name for projection in declared.projections] == ["UTC"]
    cube = load_cube(declared)
    asked = {"code": [1, 2], "country": [None, "se"]}
    found = cube.answer(Query("", **TOTALS, where=asked, start="2024-01-10"))
    start = datetime(2024, 1, 10, 8, tzinfo=UTC)
    assert found.to_pylist() == expected(
        lambda row: row["code"] and row["country"] in (None, "se") and row["at"].replace(tzinfo=UTC) >= start
    )
