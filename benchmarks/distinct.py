"""What does a distinct count take, by what the rows are grouped by, and how many times as long do the others take?

90 days in the order of time, 250 members that the rows do not lie in the order of, a tenth as many accounts as rows.
Polars has the same codes, of which it is told that days rise, and one number for the day and the member.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np
import polars as pl

from benchmarks.data import rows
from wolap.engine.columns import COUNT, Column
from wolap.engine.distinct import count_distinct
from wolap.engine.groups import Groups
from wolap.engine.keys import CodeDigit, Digit, TimeDigit, pack
from wolap.engine.scan import Scan

DAYS, MEMBERS = 90, 250
# What is grouped by, and the column of Polars that is.
CASES: dict[str, tuple[tuple[str, ...], str | None]] = {
    "total": ((), None),
    "day": (("day",), "day"),
    "day x member": (("day", "member"), "both"),
    "member": (("member",), "member"),
}
ENGINES = ("streaming", "in-memory")
TURNS = 5


class Question:
    """Rows, and who counts them."""

    def __init__(self, case: str, threads: int) -> None:
        count, random = rows(), np.random.default_rng(3)
        days = np.sort(random.integers(0, DAYS, count)).astype(np.uint8)
        members = (MEMBERS * random.random(count) ** 2).astype(np.uint8)
        accounts = (count // 10 * random.random(count) ** 2).astype(np.uint32)
        offsets = np.searchsorted(days, np.arange(DAYS + 1)).astype(np.int64)
        digits: dict[str, Digit] = {
            "day": TimeDigit(np.arange(DAYS, dtype=np.uint16), offsets, DAYS),
            "member": CodeDigit(members, MEMBERS),
        }
        names, self.by = CASES[case]
        self.scan = Scan(0, count, pack([digits[name] for name in names], 0, count))
        self.column = Column(accounts, None, COUNT, members=count // 10)
        self.threads = threads
        both = days.astype(np.uint32) * np.uint32(MEMBERS) + members
        frame = pl.DataFrame({"day": days, "member": members, "both": both, "account": accounts})
        self.frame = frame.with_columns(pl.col("day").set_sorted())

    def here(self) -> Groups:
        return count_distinct(self.scan, self.column, threads=self.threads)

    def there(self, engine: str) -> pl.DataFrame:
        number, lazy = pl.col("account").n_unique(), self.frame.lazy()
        asked = lazy.select(number) if self.by is None else lazy.group_by(self.by).agg(number)
        return asked.collect(engine=engine)


def seconds(call: Callable[[], object]) -> float:
    began = perf_counter()
    call()
    return perf_counter() - began


class Distinct:
    """Different accounts in each group, by one thread and by two."""

    params = (tuple(CASES), (1, 2))
    param_names = ("by", "threads")
    timeout = 300

    def setup(self, case: str, threads: int) -> None:
        self.question = Question(case, threads)

    def time_count(self, case: str, threads: int) -> None:
        self.question.here()

    def track_ratio(self, case: str, threads: int) -> float:
        """How many times as long the faster engine of Polars takes, in turns, medians; 5 is wanted."""
        found, question = self.question.here(), self.question
        counts = sorted(found.series[0].values.tolist())
        assert all(sorted(question.there(engine)["account"].to_list()) == counts for engine in ENGINES)
        ours, theirs = [], {engine: list[float]() for engine in ENGINES}
        for _ in range(TURNS):
            ours.append(seconds(question.here))
            for engine, times in theirs.items():
                times.append(seconds(lambda engine=engine: question.there(engine)))
        return min(map(median, theirs.values())) / median(ours)
