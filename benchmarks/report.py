"""The figures in one table, from one run: the endpoint, and roll-ups on the fly beside polars and DuckDB.

    python -m benchmarks.report --rows 1_000_000

A ratio is a peer's time over that of wolap: of the medians, and of the best runs, which say more on a busy machine.
Engines take turns, so that what else the machine does hits all. Their answers are compared before anything is timed.
How fair it is:

- The peers get what wolap works out when facts are loaded or first asked: a column with the day on the cube's clock,
  dimensions as enumerations, numbers in memory, the columns that are asked for only. Rows are sorted by time and
  polars is told so. DuckDB has a table of its own and is read with `sql(...).to_arrow_table()`.
- wolap puts its answer in order and gives names of members in an Arrow table; the peers need not sort.
- "first" is the first answer of a new cube, which finds where the days begin; it is kept from then on.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from platform import python_version
from statistics import median
from time import perf_counter

import duckdb
import polars as pl

from benchmarks.data import END, HEADLINE, METRICS, PROJECTION, TARGETS, events, new_cube, rows, small_cube
from benchmarks.endpoint import Client
from wolap import Cube, Query

SHAPES = tuple(TARGETS)
DAY = ("year", "month", "day")
ACCOUNTS = "unique-accounts"
PLATFORM = "ios"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of all: the plain dimensions, whether by day, the platform that is kept, what is counted."""

    dimensions: tuple[str, ...] = ()
    by_day: bool = False
    platform: str | None = None
    accounts: bool = False

    @property
    def keys(self) -> list[str]:
        return ["date"] * self.by_day + list(self.dimensions)

    @property
    def metrics(self) -> tuple[str, ...]:
        return (ACCOUNTS,) if self.accounts else METRICS


QUESTIONS = {
    "by day": Question(by_day=True),
    "day x mvpd": Question(("mvpd",), by_day=True),
    "requestor x mvpd, one platform": Question(("requestor-id", "mvpd"), platform=PLATFORM),
    "accounts by day": Question(by_day=True, accounts=True),
}

Answer = Callable[[], object]


def ask_wolap(cube: Cube, question: Question) -> Answer:
    path = (*DAY, *question.dimensions) if question.by_day else question.dimensions
    where = {"platform": question.platform} if question.platform else None
    query = Query(path, metrics=question.metrics, where=where)
    return lambda: cube.answer(query).table


def ask_polars(frame: pl.DataFrame, question: Question, engine: str) -> Answer:
    aggregates = [pl.col("account").n_unique().alias(ACCOUNTS)] if question.accounts else [pl.col(METRICS).sum()]
    lazy = frame.lazy()
    if question.platform:
        lazy = lazy.filter(pl.col("platform") == question.platform)
    grouped = lazy.group_by(question.keys).agg(aggregates)
    return lambda: grouped.collect(engine=engine)


def ask_duckdb(connection: duckdb.DuckDBPyConnection, question: Question) -> Answer:
    names = ", ".join(f'"{key}"' for key in question.keys)
    sums = ", ".join(f'sum("{name}")::BIGINT AS "{name}"' for name in METRICS)
    counts = f'count(DISTINCT account) AS "{ACCOUNTS}"'
    where = f"WHERE platform = '{question.platform}'" if question.platform else ""
    text = f"SELECT {names}, {counts if question.accounts else sums} FROM facts {where} GROUP BY {names}"
    return lambda: connection.sql(text).to_arrow_table()


def frame_of(count: int) -> pl.DataFrame:
    """The facts as a peer has them."""
    plain = ["mvpd", "requestor-id", "platform"]
    table = events(count).select(["time", *plain, "account", *METRICS])
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    day = (pl.col("time") - pl.duration(hours=8)).dt.date().set_sorted().alias("date")
    enumerations = [
        pl.col(name).cast(pl.Enum(table[name].chunk(0).dictionary.to_pylist())) for name in plain
    ]  # nobody compares or hashes text
    return frame.select(day, *enumerations, "account", pl.col(METRICS).cast(pl.Int64))


def table_of(frame: pl.DataFrame) -> duckdb.DuckDBPyConnection:
    """The same as a table of DuckDB."""
    connection = duckdb.connect()
    connection.register("source", frame.to_arrow())
    connection.execute("CREATE TABLE facts AS SELECT * FROM source")
    return connection


def canonical(answer: object, question: Question) -> pl.DataFrame:
    """An answer of anybody in one form: sorted, of the same types."""
    frame = answer if isinstance(answer, pl.DataFrame) else pl.from_arrow(answer)
    assert isinstance(frame, pl.DataFrame)
    if question.by_day and "date" not in frame.columns:
        frame = frame.with_columns(pl.date(*DAY).alias("date"))
    dimensions = [pl.col(name).cast(pl.String) for name in question.dimensions]
    date = [pl.col("date")] * question.by_day
    numbers = [pl.col(name).cast(pl.Int64) for name in question.metrics]
    return frame.select(*date, *dimensions, *numbers).sort(question.keys, nulls_last=True)


def seconds(call: Answer) -> float:
    began = perf_counter()
    call()
    return perf_counter() - began


def spread(times: Sequence[float]) -> str:
    """Least, median and greatest, in milliseconds."""
    return "".join(f"{1e3 * time:9.3f}" for time in (min(times), median(times), max(times)))


def report_endpoint(calls: int) -> None:
    cube = small_cube()
    stored = next(one.statistics.rows for one in cube.projections if one.name == PROJECTION and one.statistics)
    print(f"target to bytes, from a projection of {stored:,} rows, {calls} calls, ms")
    print(f"{'':32}{'min':>9}{'median':>9}{'max':>9}   records   bytes")
    for name in sorted(SHAPES, key=lambda shape: shape != HEADLINE):
        client = Client(name)
        times = [seconds(client.ask) for _ in range(calls)]
        response = client.ask()
        records = (response.header("Wolap-Rows") or "").partition("/")[0]
        print(f"{name:32}{spread(times)}{records:>10}{len(response.body):>8,}")


def report_roll_ups(count: int, runs: int) -> None:
    cube, frame = new_cube(count), frame_of(count)
    connection = table_of(frame)
    print(f"\nrolled up on the fly from {count:,} facts, {runs} runs in turns, ms")
    print(f"{'':32}{'first':>9}{'min':>9}{'median':>9}{'max':>9}{'ratio':>8}{'of min':>8}")
    for name, question in QUESTIONS.items():
        engines = {
            "wolap": ask_wolap(cube, question),
            "polars streaming": ask_polars(frame, question, "streaming"),
            "polars eager": ask_polars(frame, question, "in-memory"),
            "duckdb": ask_duckdb(connection, question),
        }
        first = {engine: seconds(answer) for engine, answer in engines.items()}
        expected = canonical(engines["wolap"](), question)
        assert len(expected) > 0
        for engine, answer in engines.items():
            assert canonical(answer(), question).equals(expected), f"{engine} gives another answer to {name}"
        times: dict[str, list[float]] = {engine: [] for engine in engines}
        for _ in range(runs):
            for engine, answer in engines.items():
                times[engine].append(seconds(answer))
        print(f"{name}, {len(expected):,} records")
        for engine, own in times.items():
            ratios = [] if engine == "wolap" else [of(own) / of(times["wolap"]) for of in (median, min)]
            said = "".join(f"{ratio:8.2f}" for ratio in ratios)
            print(f"  {engine:30}{1e3 * first[engine]:9.3f}{spread(own)}{said}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=(__doc__ or "").partition("\n")[0])
    default = rows() if "WOLAP_BENCHMARK_ROWS" in os.environ else 1_000_000
    parser.add_argument("--rows", type=int, default=default, help="facts to roll up, such as 1_000_000")
    parser.add_argument("--calls", type=int, default=500, help="requests of each shape")
    parser.add_argument("--runs", type=int, default=15, help="runs of each engine")
    chosen = parser.parse_args(arguments)
    versions = f"python {python_version()}, polars {pl.__version__}, duckdb {duckdb.__version__}"
    print(f"{versions}, {os.cpu_count()} processors, facts until {END:%Y-%m-%d}\n")
    report_endpoint(chosen.calls)
    report_roll_ups(chosen.rows, chosen.runs)


if __name__ == "__main__":
    main()
