"""wolap through its public API: a question is a Query, an answer an Arrow table with the names of members.

The pre-aggregation is materialized once the questions to the facts are over, so that those are answered by facts. It is
the only engine whose load is charged part by part (`charges`): what it works out that the peers do not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from inspect import signature
from time import perf_counter

import numpy as np
import pyarrow as pa

from benchmarks.engines.events import AMOUNT, DIMENSIONS, START, SUMS, as_dictionary, code_type, company, make_facts
from benchmarks.engines.questions import ACCOUNTS, STORED, Ask, Question, bucket_numbers, member_numbers
from wolap import Cube, Dimension, Query, Schema, Time, Tree, declare_projection, distinct, total

LEVELS = ("year", "month", "day", "hour", "minute")
PROJECTION = "/".join((*LEVELS[:3], *STORED))
# What `Cube` is asked for where it knows of it.
THREADS, CLUSTER = {"threads": 2}, {"cluster": ["company"]}
# What is loaded one after the other, each beside those before: the dimensions and whether accounts are counted.
PARTS: dict[str, tuple[tuple[str, ...], bool]] = {
    "time": ((), False),
    "members": (tuple(DIMENSIONS), False),
    "accounts": (tuple(DIMENSIONS), True),
}


def knows(arguments: Mapping[str, object]) -> bool:
    """Whether `Cube` has such arguments."""
    return arguments.keys() <= signature(Cube).parameters.keys()


def schema(dimensions: tuple[str, ...] = tuple(DIMENSIONS), accounts: bool = True) -> Schema:
    """The cube, or one of fewer columns."""
    metrics = {name: total(name) for name in (*SUMS, AMOUNT)}
    metrics |= {ACCOUNTS: distinct("account")} if accounts else {}
    return Schema(
        "peers", [Dimension(name) for name in dimensions], metrics, [Tree.parse("year")], Time("time", LEVELS)
    )


def query_of(question: Question) -> Query:
    """The question as wolap reads it."""
    path = LEVELS[: LEVELS.index(question.bucket) + 1] if question.bucket else ()
    start, end = (START + timedelta(day) for day in question.days) if question.days else (None, None)
    where = {"company": company()} if question.of_company else None
    order = f"-{question.metrics[0]}" if question.top else ()
    return Query(
        (*path, *question.dimensions),
        where=where,
        metrics=question.metrics,
        start=start,
        end=end,
        order=order,
        limit=question.top,
    )


class Wolap:
    """A cube, and where it can be had so the same facts in the order of companies."""

    def __init__(self, facts: pa.Table, arguments: Mapping[str, object]) -> None:
        self.arguments, self.rows = arguments, facts.num_rows
        self.cube = Cube(schema(), facts, **arguments)
        self.clustered: Cube | None = None

    def prepare(self, facts: pa.Table) -> None:
        if knows(CLUSTER):
            self.clustered = Cube(schema(), facts, **self.arguments, **CLUSTER)

    def take(self, stored: pa.Table) -> None:
        if PROJECTION not in [one.name for one in self.cube.projections]:
            self.build()

    def build(self) -> float:
        """Materializes the pre-aggregation; how many seconds it took."""
        began = perf_counter()
        self.cube.materialize(declare_projection(self.cube.schema, PROJECTION, metrics=(*SUMS, AMOUNT)))
        return perf_counter() - began

    def stored(self) -> pa.Table:
        """The pre-aggregation for the peers, in its order: days, members as dictionaries, sums."""
        table = self.cube.answer(Query(PROJECTION, metrics=(*SUMS, AMOUNT))).table
        columns: dict[str, object] = {"day": bucket_numbers(table, "day").astype(np.uint8)}
        for name in STORED:
            codes = member_numbers(table[name], name)
            columns[name] = as_dictionary(codes.astype(code_type(DIMENSIONS[name])), name)
        return pa.table({**columns, **{name: table[name] for name in (*SUMS, AMOUNT)}})

    def formulations(self, question: Question) -> dict[str, Ask]:
        cube = self.clustered if question.clustered else self.cube
        if cube is None:
            return {}
        query, source, snapshot = query_of(question), PROJECTION if question.stored else "facts", cube.snapshot
        if [piece.projection for piece in snapshot.plan(query).pieces] == [source]:
            return {"answer": lambda: cube.answer(query).table}
        # Where there are few facts they are cheaper; the question is to the pre-aggregation.
        return {"run": lambda: snapshot.run(snapshot.plan(query, among=(source,))).table}

    def charges(self) -> dict[str, tuple[float, float]]:
        """What is worked out at load, part by part: seconds, and bytes a fact. A cube of few columns is loaded, then
        one of more: what it takes more is the part's. The numbers that are summed are not charged."""
        facts, found = make_facts(self.rows), {}
        seconds, size = 0.0, 0.0
        for part, (dimensions, accounts) in PARTS.items():
            began = perf_counter()
            cube = Cube(schema(dimensions, accounts), facts, **self.arguments)
            layout = cube.snapshot.sources["facts"].whole.layout
            numbers = {id(one): one.bytes for one in layout.columns.values() if one.members is None}
            spent, held = perf_counter() - began, (layout.bytes - sum(numbers.values())) / self.rows
            found[part] = (spent - seconds, held - size)
            seconds, size = spent, held
        return found


def load(facts: pa.Table) -> Wolap:
    return Wolap(facts, {})


def load_fast(facts: pa.Table) -> Wolap:
    """With two threads, where a cube can be asked for them."""
    return Wolap(facts, THREADS if knows(THREADS) else {})
