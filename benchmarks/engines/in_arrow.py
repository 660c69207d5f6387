"""pyarrow: tables with dictionaries, dates and codes; an interval is a slice found by binary search."""

from __future__ import annotations

from itertools import product

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.engines.events import company, members
from benchmarks.engines.questions import ACCOUNTS, KEY, SHOWN, Ask, Question, keyed, with_members

KEYS = ("dictionaries", "codes", "one key")


def load(facts: pa.Table) -> Arrow:
    return Arrow(facts)


class Arrow:
    """The facts, and the pre-aggregation."""

    def __init__(self, facts: pa.Table) -> None:
        # A copy, as every engine has one: the table that was given goes.
        self.facts = pa.concat_tables([facts]).combine_chunks()
        self.stored = pa.table({})

    def prepare(self, facts: pa.Table) -> None:
        self.facts = keyed(facts)

    def take(self, stored: pa.Table) -> None:
        self.stored = keyed(stored)

    def formulations(self, question: Question) -> dict[str, Ask]:
        table = self.stored if question.stored else self.facts
        if not question.sizes:
            return {"sum": lambda: totals(part_of(table, question), question)}
        found: dict[str, Ask] = {}
        for keys, way in product(KEYS, ("count_distinct", "rows") if question.counts_accounts else ("",)):
            if (keys != "one key" or len(question.sizes) > 1) and not (way and keys == "dictionaries"):
                found[f"{keys}, {way}" if way else keys] = asking(table, question, keys, way)
        return found


def asking(table: pa.Table, question: Question, keys: str, way: str) -> Ask:
    """One formulation."""
    own = ["account_code"] if question.counts_accounts else list(question.metrics)
    names = [SHOWN.get(name, name) if keys == "dictionaries" else f"{name}_code" for name in question.sizes]
    filters = [*["company_code"] * question.of_company, *["day_code"] * bool(question.days)]
    needed = table.select(list(dict.fromkeys([*names, *own, *filters])))

    def ask() -> pa.Table:
        part = part_of(needed, question)
        if keys != "one key":
            answer = grouped(part, names, question, way)
        else:
            columns = {KEY: one_key(part, question), **{name: part[name] for name in own}}
            answer = grouped(pa.table(columns), [KEY], question, way)
        if question.top:
            answer = answer.take(pc.select_k_unstable(answer, question.top, [(question.metrics[0], "descending")]))
        return with_members(answer, question, keys)

    return ask


def part_of(table: pa.Table, question: Question) -> pa.Table:
    """The interval, then the company."""
    if question.days:
        days = np.asarray(table["day_code"].chunk(0))
        first, after = np.searchsorted(days, np.array(question.days, days.dtype)).tolist()
        table = table.slice(first, after - first)
    if question.of_company:
        code = members("company").index(company())
        table = table.filter(pc.equal(table["company_code"], pa.scalar(code, table["company_code"].type)))
    return table


def one_key(table: pa.Table, question: Question) -> pa.ChunkedArray:
    """One number made of the codes."""
    key = None
    for name, size in question.sizes.items():
        part = table[f"{name}_code"].cast(pa.uint32())
        key = part if key is None else pc.add(pc.multiply(key, pa.scalar(size, pa.uint32())), part)
    return key


def grouped(table: pa.Table, keys: list[str], question: Question, way: str) -> pa.Table:
    """Sums, or different accounts, under the names of the metrics."""
    if way == "rows":
        pairs = table.group_by([*keys, "account_code"]).aggregate([])
        return renamed(pairs.group_by(keys).aggregate([([], "count_all")]), "count_all", ACCOUNTS)
    if way:
        answer = table.group_by(keys).aggregate([("account_code", way)])
        return renamed(answer, f"account_code_{way}", ACCOUNTS)
    answer = table.group_by(keys).aggregate([(name, "sum") for name in question.metrics])
    return answer.rename_columns([name.removesuffix("_sum") for name in answer.column_names])


def renamed(table: pa.Table, old: str, new: str) -> pa.Table:
    return table.rename_columns([new if name == old else name for name in table.column_names])


def totals(table: pa.Table, question: Question) -> pa.Table:
    return pa.table({name: [pc.sum(table[name])] for name in question.metrics})
