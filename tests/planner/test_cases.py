"""The planner's decisions, one case of `cases.txt` after the other. Its head tells how a case is written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wolap.errors import NoAnswer, TooExpensive
from wolap.model.aggregate import (
    approximate_distinct,
    count,
    derived,
    distinct,
    first,
    last,
    maximum,
    mean,
    median,
    minimum,
    quantile,
    ratio,
    standard_deviation,
    total,
    variance,
    weighted_mean,
)
from wolap.model.interval import EVERYTHING, Interval, read_moment
from wolap.model.principal import Caps, Principal
from wolap.model.projection import Catalog, Projection, Statistics, declare_facts, declare_projection
from wolap.model.query import Filter, Query, settle
from wolap.model.schema import Dimension, Schema, Time
from wolap.model.tree import Tree
from wolap.model.zone import DAY
from wolap.planner.choose import plan_query
from wolap.planner.eligibility import reasons
from wolap.planner.needs import needs_of
from wolap.planner.plan import REASONS, Plan

DIMENSIONS = [
    Dimension("country"),
    Dimension("region", parent="country"),
    Dimension("city", parent="region"),
    Dimension("repository"),
    Dimension("folder"),
    Dimension("tag", multivalued=True),
    Dimension("label", multivalued=True),
]
METRICS = {
    "commits": count(),
    "lines": total("lines"),
    "churn": total("lines", title="Lines under another name"),
    "lines_known": count("lines"),
    "smallest": minimum("lines"),
    "largest": maximum("lines"),
    "average": mean("lines"),
    "authors": distinct("author"),
    "customers": distinct("customer", determines=["city"]),
    "authors_kept": distinct("author", keep="set"),
    "authors_about": approximate_distinct("author"),
    "authors_finer": approximate_distinct("author", precision=14),
    "middle": median("lines"),
    "highest": quantile("lines", 0.99),
    "nearer": quantile("lines", 0.99, accuracy=0.001),
    "folders": distinct("folder"),
    "failed": count(where={"folder": "failed"}),
    "failed_too": count(where={"folder": ["failed"]}),
    "not_failed": count(where_not={"folder": "failed"}),
    "failed_authors": distinct("author", where={"folder": "failed"}),
    "failed_customers": distinct("customer", where={"folder": "failed"}),
    "spread": variance("lines"),
    "deviation": standard_deviation("lines", population=True),
    "weighted": weighted_mean("lines", "weight"),
    "weighted_otherwise": weighted_mean("lines", "importance"),
    "closing": last("lines"),
    "opening": first("lines"),
    "failed_share": derived("failed / (failed + not_failed)"),
    "per_author": derived("(lines + 1) / authors"),
    "lines_per_commit": ratio("lines", "commits"),
    "lines_per_author": ratio("lines", "authors"),
}
# What the text of a refusal says for each guard, none of which is a reason against one candidate alone.
GUARDS = {
    "over_row_cap": "records before its limit",
    "over_scan_cap": "facts to scan",
    "over_memory": "bytes of memory",
}
RULES = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}


@dataclass
class Case:
    """One block of the file: where it stands, what is declared, what is expected."""

    line: int
    title: str
    given: list[tuple[str, list[str], dict[str, str]]] = field(default_factory=list)
    outcome: str = ""
    rejected: list[str] = field(default_factory=list)

    def of(self, *kinds: str) -> list[tuple[str, list[str], dict[str, str]]]:
        return [entry for entry in self.given if entry[0] in kinds]

    def options(self, kind: str) -> dict[str, str]:
        return {key: value for _, _, options in self.of(kind) for key, value in options.items()}


def read_cases(text: str) -> list[Case]:
    cases: list[Case] = []
    fresh = True
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("##"):
            fresh = True
        elif fresh:
            assert line.startswith("# "), f"line {number} begins a case, but is no title: {line}"
            cases.append(Case(number, line.removeprefix("# ")))
            fresh = False
        elif line.startswith("=> "):
            cases[-1].outcome = line.removeprefix("=> ")
        elif cases[-1].outcome:
            cases[-1].rejected.append(line)
        else:
            kind, *words = line.split()
            options = dict(word.split("=", 1) for word in words if "=" in word)
            cases[-1].given.append((kind, [word for word in words if "=" not in word], options))
    return cases


def months_of(span: Interval) -> tuple[int, ...]:
    first, last = (datetime.fromtimestamp(at / 1e6, UTC) for at in (span.start, span.end - 1))
    months = range(first.year * 12 + first.month, last.year * 12 + last.month)
    begins = (read_moment(f"{month // 12:04}-{month % 12 + 1:02}").microseconds for month in months)
    return (span.start, *begins)


def days_of(span: Interval) -> tuple[int, ...]:
    return tuple(range(span.start, span.end, DAY))


PARTITIONS = {"1": lambda span: (span.start,), "months": months_of, "days": days_of}


@dataclass
class World:
    """What a case declares, as the values that the planner takes."""

    catalog: Catalog
    query: Query
    principal: Principal

    @classmethod
    def of(cls, case: Case) -> World:
        cube = case.options("cube")
        levels = tuple(cube.get("levels", "year/month/day/hour").split("/"))
        time = Time("at", levels, cube.get("zone", "UTC"))
        schema = Schema("repo", DIMENSIONS, METRICS, [Tree.parse(levels[0])], time)
        span = interval(cube.get("span", "2024-01-01..2025-01-01"), schema)
        projections = [projection(words, options, schema, span) for _, words, options in case.of("projection")]
        facts = declare_facts(schema, statistics({"rows": "1000000", **case.options("facts")}, schema, span))
        catalog = Catalog(
            schema,
            (*projections, facts),
            span,
            {name: int(number) for name, number in case.options("members").items()},
            any("strict" in words for _, words, _ in case.of("cube")),
            Caps(**{name: int(number) for name, number in case.options("caps").items()}),
        )
        [(_, [path], asked)] = case.of("query")
        query = Query(
            "" if path == "totals" else path,
            start=asked.get("start"),
            end=asked.get("end"),
            metrics=asked["metrics"].split(",") if "metrics" in asked else None,
            limit=int(asked["limit"]) if "limit" in asked else None,
            filters=filters(case, "where"),
            fresh_since=datetime.fromisoformat(asked["fresh_since"]) if "fresh_since" in asked else None,
        )
        return cls(catalog, query, Principal(filters=tuple(filters(case, "principal"))))

    def plan(self, explain: bool = False) -> Plan:
        return plan_query(self.query, self.catalog, self.principal, explain=explain)


def interval(text: str, schema: Schema) -> Interval:
    """`a..b`; without an end on a side, to the end of time there."""
    start, end = (read_moment(bound).instant(schema.zone) if bound else None for bound in text.split(".."))
    return Interval(EVERYTHING.start if start is None else start, EVERYTHING.end if end is None else end)


def filters(case: Case, kind: str) -> list[Filter]:
    return [
        Filter(name, frozenset(None if value == "null" else value for value in values.split(",")), "not" in words)
        for _, words, options in case.of(kind)
        for name, values in options.items()
    ]


def statistics(options: dict[str, str], schema: Schema, span: Interval, level: str | None = "") -> Statistics:
    starts = PARTITIONS["1" if level is None else options.get("partitions", "months")](span)
    rows, tags = int(options["rows"]), int(options.get("tags", "1"))
    counted = Statistics(
        tuple(rows * index // len(starts) for index in range(len(starts) + 1)),
        starts,
        coverage=interval(options["coverage"], schema) if "coverage" in options else span,
        refreshed=datetime.fromisoformat(options["refreshed"]) if "refreshed" in options else None,
    )
    if tags == 1:
        return counted
    return replace(
        counted, members_before={"tag": tuple(tags * before for before in counted.rows_before)}, longest={"tag": tags}
    )


def projection(words: list[str], options: dict[str, str], schema: Schema, span: Interval) -> Projection:
    metrics = options["metrics"].split(",") if "metrics" in options else None
    where, where_not = (build_filters(options, f"{key}.") for key in ("where", "where_not"))
    declared = declare_projection(
        schema,
        "" if words[0] == "totals" else words[0],
        name=options.get("name"),
        metrics=metrics,
        zone=options.get("zone"),
        where=where,
        where_not=where_not,
    )
    if words[1:] == ["not", "built"]:
        return declared
    return replace(declared, statistics=statistics(options, schema, span, declared.level))


def build_filters(options: dict[str, str], prefix: str) -> dict[str, list[str | None]]:
    return {
        key.removeprefix(prefix): [None if value == "null" else value for value in values.split(",")]
        for key, values in options.items()
        if key.startswith(prefix)
    }


CASES = read_cases(Path(__file__).with_name("cases.txt").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.line} {case.title}") for case in CASES])
def test_decision(case):
    world = World.of(case)
    outcome, _, detail = case.outcome.partition(", ")
    if outcome == "NoAnswer":
        check_no_answer(world, case)
    elif outcome == "TooExpensive":
        code, _, text = detail.partition(": ")
        with pytest.raises(TooExpensive) as caught:
            world.plan(explain=True)
        assert GUARDS[code] in str(caught.value)
        assert [part for part in text.split(" … ") if part not in str(caught.value)] == []
        assert not case.rejected
    else:
        check_plan(world, case)


def check_plan(world: World, case: Case) -> None:
    plan = world.plan(explain=True)
    assert replace(plan, candidates=()) == world.plan()
    chosen, _, widened = case.outcome.partition(" widened to ")
    schema = world.catalog.schema
    parts = [(name, interval(text, schema) if text else plan.interval) for name, text in pieces_of(chosen)]
    assert [(piece.projection, piece.interval) for piece in plan.pieces] == parts
    assert plan.widened == bool(widened)
    if widened:
        assert plan.interval == interval(widened, world.catalog.schema)
    assert sorted(one.projection for one in plan.candidates) == sorted(one.name for one in world.catalog.projections)
    found = [
        f"{candidate.projection}: {reason.code} {reason.subject}"
        for candidate in plan.candidates
        for reason in candidate.reasons
    ]
    dearer = f": cheaper_exists {' and '.join(dict.fromkeys(name for name, _ in parts))}"
    told = [line for line in found if not line.endswith(dearer) or line in case.rejected]
    assert sorted(told) == sorted(case.rejected)


def pieces_of(text: str) -> list[tuple[str, str]]:
    """`facts 2024-01-05..2024-02-01 + year/month 2024-02-01..2024-03-01` as names and intervals."""
    return [(name, stretch) for name, _, stretch in (piece.partition(" ") for piece in text.split(" + "))]


def check_no_answer(world: World, case: Case) -> None:
    with pytest.raises(NoAnswer) as caught:
        world.plan(explain=True)
    catalog = world.catalog
    query = settle(world.query.restrict(world.principal.filters), catalog.schema)
    needs = needs_of(query, catalog, query.metrics or ())
    found = {candidate.name: reasons(candidate, needs) for candidate in catalog.projections}
    lines = [f"{name}: {reason.code} {reason.subject}" for name, against in found.items() for reason in against]
    assert sorted(lines) == sorted(case.rejected)
    for name, against in found.items():
        assert f"{name}: " in str(caught.value)
        assert [reason.text for reason in against if reason.text not in str(caught.value)] == []


def test_every_code_occurs_in_an_expected_line():
    lines = [line for case in CASES for line in (*case.rejected, case.outcome)]
    codes = set(re.findall(r"(?m)^(?:[\w/]+: |TooExpensive, )(\w+)", "\n".join(lines)))
    assert codes == set(REASONS)


def test_every_rule_has_a_case_of_each_kind():
    """A rule that is only ever kept, or only ever broken, is not tested; 16 and 19 are about what is right."""
    titled = [(int(rule[1]), case) for case in CASES if (rule := re.match(r"rule (\d+): ", case.title))]
    assert {rule for rule, _ in titled} == RULES
    for rule in RULES - {16, 19}:
        kinds = {is_refused(case) for of, case in titled if of == rule}
        assert kinds == {True, False}, f"rule {rule}"


def is_refused(case: Case) -> bool:
    return not all(": cheaper_exists " in line for line in case.rejected) or case.outcome.startswith("TooExpensive")


def test_no_case_stands_twice():
    assert len({case.title for case in CASES}) == len(CASES)
