"""Polars: frames with enumerations, dates and codes, told that they are sorted by time.

Streaming and eager; by dates and enumerations, by columns of codes, and by one number made of the codes. An interval
is a slice found by binary search or a filter, whichever is faster; what is found as codes is cast to enumerations and
dates.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from itertools import product

import polars as pl
import pyarrow as pa

from benchmarks.engines.events import DIMENSIONS, account_codes, bucket_codes, codes_of, company, members
from benchmarks.engines.questions import ACCOUNTS, EPOCH_DAY, SHOWN, Ask, Question, instants

Frame = pl.DataFrame | pl.LazyFrame


def load(facts: pa.Table) -> Polars:
    return Polars(facts)


def enumerated(table: pa.Table) -> pl.DataFrame:
    """A table as it is, dimensions as enumerations."""
    series = []
    for name in table.column_names:
        if name in DIMENSIONS:
            series.append(pl.Series(name, codes_of(table, name)).cat.to(pl.Enum(members(name))))
        else:
            series.append(pl.Series(name, table[name]))
    return pl.DataFrame(series)


def keyed(frame: pl.DataFrame, table: pa.Table) -> pl.DataFrame:
    """With the codes of members, of buckets of time and of accounts, and the buckets as dates and times."""
    series = [pl.Series(f"{name}_code", codes_of(table, name)) for name in DIMENSIONS if name in table.column_names]
    for name, codes in bucket_codes(table).items():
        series.append(pl.Series(f"{name}_code", codes).set_sorted())
        series.append(pl.Series(SHOWN[name], instants(name, codes)).set_sorted())
    if "account" in table.column_names:
        series.append(pl.Series("account_code", account_codes(table)))
    return frame.with_columns(series)


class Polars:
    """The facts, and the pre-aggregation."""

    def __init__(self, facts: pa.Table) -> None:
        self.facts = enumerated(facts)
        self.stored = pl.DataFrame()

    def prepare(self, facts: pa.Table) -> None:
        self.facts = keyed(self.facts, facts)

    def take(self, stored: pa.Table) -> None:
        self.stored = keyed(enumerated(stored), stored)

    def formulations(self, question: Question) -> dict[str, Ask]:
        frame = self.stored if question.stored else self.facts
        found: dict[str, Ask] = {}
        for (engine, run), (keys, group) in product(ENGINES.items(), GROUPS.items()):
            if (keys == "one key" and len(question.sizes) < 2) or (keys == "codes" and not question.sizes):
                continue
            if keys == "dynamic" and (question.bucket is None or question.dimensions):
                continue
            # Each takes seconds there, and enumerations are codes.
            if question.counts_accounts and (keys == "enums" or engine == "in memory"):
                continue
            for interval, cut in CUTS.items() if question.days else (("", None),):
                for way in ("n_unique", "unique") if question.counts_accounts else ("",):
                    name = ", ".join(part for part in (engine, keys if question.sizes else "", interval, way) if part)
                    found[name] = asking(frame, question, run, group, cut, way)
        return found


def asking(
    frame: pl.DataFrame,
    question: Question,
    run: Callable[[pl.DataFrame, Callable[[Frame], Frame]], pl.DataFrame],
    group: Callable[[Frame, Question, str], Frame],
    cut: Callable[[pl.DataFrame, Question], pl.DataFrame | pl.Expr] | None,
    way: str,
) -> Ask:
    """One formulation: the interval first, then the company, then the groups."""
    needed = frame.select(needs(question, frame))

    def work(part: Frame) -> Frame:
        if question.of_company:
            part = part.filter(pl.col("company_code") == members("company").index(company()))
        answer = group(part, question, way)
        return answer.top_k(question.top, by=question.metrics[0]) if question.top else answer

    def ask() -> pl.DataFrame:
        if cut is None:
            return run(needed, work)
        kept = cut(needed, question)
        if isinstance(kept, pl.Expr):
            return run(needed, lambda part: work(part.filter(kept)))
        return run(kept, work)

    return ask


def needs(question: Question, frame: pl.DataFrame) -> list[str]:
    """The columns that some formulation reads: eager filters copy all that there are."""
    names = ["account_code"] if question.counts_accounts else list(question.metrics)
    for name in question.sizes:
        names += [f"{name}_code", SHOWN.get(name, name)]
    names += ["company_code"] * question.of_company + ["day_code"] * bool(question.days)
    return list(dict.fromkeys(names))


def aggregates(question: Question, way: str) -> list[pl.Expr]:
    if not question.counts_accounts:
        return [pl.col(name).sum() for name in question.metrics]
    return [pl.len().alias(ACCOUNTS) if way == "unique" else pl.col("account_code").n_unique().alias(ACCOUNTS)]


def grouped(frame: Frame, keys: list[str], question: Question, way: str) -> Frame:
    if not keys:
        return frame.select(aggregates(question, way))
    if way == "unique":
        frame = frame.select(*keys, "account_code").unique()
    return frame.group_by(keys).agg(aggregates(question, way))


def by_members(frame: Frame, question: Question, way: str) -> Frame:
    """Dates and enumerations as they are."""
    return grouped(frame, [SHOWN.get(name, name) for name in question.sizes], question, way)


def by_codes(frame: Frame, question: Question, way: str) -> Frame:
    """The columns of codes, then their members."""
    answer = grouped(frame, [f"{name}_code" for name in question.sizes], question, way)
    return answer.select(*[shown(pl.col(f"{name}_code"), name) for name in question.sizes], *question.metrics)


def by_one_key(frame: Frame, question: Question, way: str) -> Frame:
    """One number made of the codes, then its parts, then their members."""
    parts = [pl.col(f"{name}_code").cast(pl.UInt32) for name in question.sizes]
    sizes = list(question.sizes.values())
    key = reduce(lambda left, right: left * right[0] + right[1], zip(sizes[1:], parts[1:], strict=True), parts[0])
    own = ["account_code"] if question.counts_accounts else list(question.metrics)
    answer = grouped(frame.select(key.alias("key"), *own), ["key"], question, way)
    columns, below = [], 1
    for name, size in reversed(question.sizes.items()):
        columns.append(shown(pl.col("key") // below % size, name))
        below *= size
    return answer.select(*reversed(columns), *question.metrics)


def by_windows(frame: Frame, question: Question, way: str) -> Frame:
    """The windows of a frame that is sorted by time."""
    column = SHOWN[question.bucket or "day"]
    every = {"day": "1d", "hour": "1h", "minute": "1m"}[question.bucket or "day"]
    return frame.group_by_dynamic(column, every=every).agg(aggregates(question, way))


def shown(codes: pl.Expr, name: str) -> pl.Expr:
    """Codes as what they stand for."""
    if name in DIMENSIONS:
        kind = pl.UInt8 if DIMENSIONS[name] <= 1 << 8 else pl.UInt16
        return codes.cast(kind).cat.to(pl.Enum(members(name))).alias(name)
    if name == "day":
        return (codes.cast(pl.Int32) + EPOCH_DAY).cast(pl.Date).alias("date")
    seconds = codes.cast(pl.Int64) * (3600 if name == "hour" else 60) + EPOCH_DAY * 86_400
    return (seconds * 1000).cast(pl.Datetime("ms")).alias(SHOWN[name])


def sliced(frame: pl.DataFrame, question: Question) -> pl.DataFrame:
    """The rows of an interval by binary search."""
    assert question.days
    first, after = (int(frame["day_code"].search_sorted(day)) for day in question.days)
    return frame.slice(first, after - first)


def filtered(frame: pl.DataFrame, question: Question) -> pl.Expr:
    """The rows of an interval by comparing."""
    assert question.days
    return pl.col("day_code").is_between(*question.days, closed="left")


def eagerly(frame: pl.DataFrame, work: Callable[[Frame], Frame]) -> pl.DataFrame:
    answer = work(frame)
    assert isinstance(answer, pl.DataFrame)
    return answer


def in_memory(frame: pl.DataFrame, work: Callable[[Frame], Frame]) -> pl.DataFrame:
    return work(frame.lazy()).lazy().collect(engine="in-memory")


def streaming(frame: pl.DataFrame, work: Callable[[Frame], Frame]) -> pl.DataFrame:
    return work(frame.lazy()).lazy().collect(engine="streaming")


ENGINES = {"streaming": streaming, "in memory": in_memory, "eager": eagerly}
GROUPS = {"enums": by_members, "codes": by_codes, "one key": by_one_key, "dynamic": by_windows}
CUTS = {"slice": sliced, "filter": filtered}
