"""What every engine is asked, and what an answer must be to count as the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.engines.events import (
    AMOUNT,
    DAYS,
    DIMENSIONS,
    START,
    SUMS,
    account_codes,
    as_dictionary,
    bucket_codes,
    code_type,
    codes_of,
    members,
)

STORED = ("company", "mvpd", "platform")
BUCKETS = {"day": DAYS, "hour": DAYS * 24, "minute": DAYS * 1440}
_SECONDS = {"day": 86_400, "hour": 3600, "minute": 60}
# The column of peers that shows a bucket as what it is, not as a number.
SHOWN = {"day": "date", "hour": "hour_start", "minute": "time"}
EPOCH_DAY = (START - date(1970, 1, 1)).days
ACCOUNTS = "accounts"
# The column of one number that stands for all codes.
KEY = "k"
TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Question:
    """Sums (or different accounts) by a bucket of time and dimensions; of one company, of days, of the greatest only.

    `days` is half-open, in days since the first. `stored` is asked of the pre-aggregation, `clustered` of facts that
    wolap keeps in the order of companies. `target` is how many times as fast as the best peer wolap is to be.
    """

    key: str
    name: str
    target: float
    bucket: str | None = None
    dimensions: tuple[str, ...] = ()
    metrics: tuple[str, ...] = SUMS
    of_company: bool = False
    days: tuple[int, int] | None = None
    top: int | None = None
    stored: bool = False
    clustered: bool = False

    @property
    def sizes(self) -> dict[str, int]:
        """What is grouped by, with how many different values it may have."""
        bucket = {self.bucket: BUCKETS[self.bucket]} if self.bucket else {}
        return bucket | {name: DIMENSIONS[name] for name in self.dimensions}

    @property
    def counts_accounts(self) -> bool:
        return self.metrics == (ACCOUNTS,)

    @property
    def dates(self) -> tuple[date, date] | None:
        """`days` as dates."""
        return self.days and (START + timedelta(self.days[0]), START + timedelta(self.days[1]))


QUESTIONS = (
    Question("a", "totals", 1.0),
    Question("a2", "totals of 89 whole days", 100.0, days=(1, 90)),
    Question("b", "by day", 3.0, "day"),
    Question("c", "day x mvpd", 2.0, "day", ("mvpd",)),
    Question("c2", "day x mvpd, a float", 2.0, "day", ("mvpd",), (AMOUNT,)),
    Question("d", "one company: day x mvpd x platform", 1.15, "day", STORED[1:], of_company=True),
    Question("d2", "the same, clustered", 4.0, "day", STORED[1:], of_company=True, clustered=True),
    Question("e", "hour x mvpd of 7 days", 3.0, "hour", ("mvpd",), days=(70, 77)),
    Question("f", "minute x requestor x mvpd of one day", 3.0, "minute", ("requestor", "mvpd"), days=(70, 71)),
    Question("g", "accounts by day x mvpd", 5.0, "day", ("mvpd",), (ACCOUNTS,)),
    Question("h", "top 10 of mvpd x channel", 2.0, None, ("mvpd", "channel"), top=10),
    Question("pa", "totals", 1.0, stored=True),
    Question("pb", "by day", 3.0, "day", stored=True),
    Question("pc", "day x mvpd", 2.0, "day", ("mvpd",), stored=True),
    Question("pd", "one company: day x mvpd x platform", 4.0, "day", STORED[1:], of_company=True, stored=True),
    Question("ph", "top 10 of mvpd x platform", 1.0, None, ("mvpd", "platform"), top=10, stored=True),
    Question("pi", "one day of one company by mvpd", 1.0, None, ("mvpd",), of_company=True, days=(70, 71), stored=True),
)

Ask = Callable[[], object]


class Engine(Protocol):
    """What each module of an engine gives from `load(facts)`: the facts as they are, in memory of its own."""

    def prepare(self, facts: pa.Table) -> None:
        """Stores what its formulations read besides: dates, hours, codes."""
        ...

    def take(self, stored: pa.Table) -> None:
        """Stores the pre-aggregation, with the same."""
        ...

    def formulations(self, question: Question) -> Mapping[str, Ask]:
        """The ways to ask it, by name; each gives anything that exports Arrow data, with the names of members."""
        ...


def decoded(codes: Mapping[str, np.ndarray], sums: Mapping[str, object]) -> pa.Table:
    """Groups as codes, with dates and names of members in their place."""
    shown: dict[str, object] = {}
    for name, column in codes.items():
        if name in BUCKETS:
            shown[SHOWN[name]] = instants(name, column)
        else:
            shown[name] = as_dictionary(column.astype(code_type(DIMENSIONS[name]), copy=False), name)
    return pa.table({**shown, **sums})


def with_members(table: pa.Table, question: Question, keys: str) -> pa.Table:
    """The answer with dates and names of members in the place of codes."""
    if keys in ("members", "dictionaries") or not question.sizes:
        return table
    if keys == "one key":
        codes = unpacked(np.asarray(table[KEY]), question)
    else:
        codes = {name: np.asarray(table[f"{name}_code"]) for name in question.sizes}
    return decoded(codes, {name: table[name] for name in question.metrics})


def instants(bucket: str, codes: np.ndarray) -> pa.Array:
    """Numbers of buckets as dates, or as times."""
    if bucket == "day":
        return pa.array(codes.astype(np.int32) + EPOCH_DAY).view(pa.date32())
    seconds = codes.astype(np.int64) * _SECONDS[bucket] + EPOCH_DAY * 86_400
    return pa.array(seconds).view(pa.timestamp("s"))


def keyed(table: pa.Table) -> pa.Table:
    """With the codes of members, of buckets of time and of accounts, and the buckets as dates and times."""
    columns: dict[str, object] = {name: table[name] for name in table.column_names if name not in ("time", "day")}
    columns |= {f"{name}_code": codes_of(table, name) for name in DIMENSIONS if name in columns}
    for name, codes in bucket_codes(table).items():
        columns[f"{name}_code"] = codes
        columns[SHOWN[name]] = instants(name, codes)
    if "account" in columns:
        columns["account_code"] = account_codes(table)
    return pa.table(columns)


def unpacked(keys: np.ndarray, question: Question) -> dict[str, np.ndarray]:
    """The codes that one number was made of, the last of which counts ones."""
    found = {}
    for name, size in reversed(question.sizes.items()):
        keys, found[name] = np.divmod(keys, np.array(size, keys.dtype))
    return {name: found[name] for name in question.sizes}


Canonical = tuple[np.ndarray, list[np.ndarray]]


def canonical(answer: object, question: Question) -> Canonical:
    """An answer of anybody in one form: the groups as numbers, in order, and the metrics."""
    table = answer if isinstance(answer, pa.Table) else pa.table(answer)
    key = np.zeros(table.num_rows, np.int64)
    for name, size in question.sizes.items():
        part = bucket_numbers(table, name) if name in BUCKETS else member_numbers(table[name], name)
        key = key * size + part
    order = np.argsort(key)
    return key[order], [np.asarray(table[name].cast(_type_of(name)))[order] for name in question.metrics]


def _type_of(metric: str) -> pa.DataType:
    return pa.float64() if metric == AMOUNT else pa.int64()


def member_numbers(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """Places of members, of a column of texts or a dictionary of any kind of texts."""
    known = pa.array(members(name))
    if not pa.types.is_dictionary(column.type):
        return np.asarray(pc.index_in(column.cast(pa.string()), value_set=known))
    whole = column.unify_dictionaries().combine_chunks()
    return np.asarray(pc.index_in(whole.dictionary.cast(pa.string()), value_set=known))[np.asarray(whole.indices)]


def bucket_numbers(table: pa.Table, bucket: str) -> np.ndarray:
    """Numbers of buckets, of a column that shows them or of wolap's years, months, days, hours and minutes."""
    if "year" not in table.column_names:
        days = table[SHOWN[bucket]].cast(pa.timestamp("s")).cast(pa.int64())
        return (np.asarray(days) - EPOCH_DAY * 86_400) // _SECONDS[bucket]
    parts = {name: np.asarray(table[name], np.int64) for name in ("year", "month", "day")}
    months = ((parts["year"] - 1970) * 12 + parts["month"] - 1).astype("datetime64[M]")
    numbers = months.astype("datetime64[D]").astype(np.int64) + parts["day"] - 1 - EPOCH_DAY
    for name, size in (("hour", 24), ("minute", 60)):
        if name in table.column_names:
            numbers = numbers * size + np.asarray(table[name], np.int64)
    return numbers


def difference(one: Canonical, other: Canonical, question: Question) -> str | None:
    """What is different, if anything: whole numbers must be equal, floats to 9 digits. Which of several with the tenth
    greatest sum is shown may differ."""
    keys, metrics = one
    others, more = other
    if len(keys) != len(others):
        return f"{len(keys):,} groups and {len(others):,}"
    if question.top and len(keys):
        if not np.array_equal(np.sort(metrics[0]), np.sort(more[0])):
            return f"other {question.metrics[0]} at the top"
        kept, also = metrics[0] > metrics[0].min(), more[0] > more[0].min()
        keys, others = keys[kept], others[also]
        metrics, more = [column[kept] for column in metrics], [column[also] for column in more]
    if not np.array_equal(keys, others):
        return f"{np.count_nonzero(keys != others):,} groups that the other has not"
    for name, column, beside in zip(question.metrics, metrics, more, strict=True):
        same = np.isclose(column, beside, rtol=TOLERANCE, atol=0) if column.dtype.kind == "f" else column == beside
        if not same.all():
            place = int(np.flatnonzero(~same)[0])
            return f"{name} is {column[place]} and {beside[place]} in group {keys[place]}"
    return None
