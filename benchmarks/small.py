"""How many times as long as wolap do DuckDB and polars take, from the same ten thousand stored rows to bytes of JSON?

    python -m benchmarks.small --calls 300

wolap is asked at its endpoint, target to bytes: it reads the target, plans, rolls up, sorts, writes links and headers.
The peers are told what to do in a text or an expression that is made once. All take turns, and what they answer is
compared before anything is timed. How fair it is:

- The peers have the rows of the projection with one date as the key of a day, and one of a month; dimensions are
  enumerations. Their answer is sorted, as that of wolap is, and goes through orjson as a list of dicts, whose numbers
  stay numbers; those of wolap are texts, by its contract. They write neither links nor headers.
- From one request to the next wolap keeps its plan (`wolap/planner/choose.py`), which rows go together in a report,
  what all rows of each group add up to, and the texts of members (`wolap/engine/grouping.py`), but no answer. So of
  the questions without a company no row is read again. The peers have nothing of that kind.
- DuckDB is read by `fetchall`, which is quicker here than Arrow. Polars is asked by eager methods and by a lazy frame.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from statistics import median
from time import perf_counter
from typing import Any

import duckdb
import orjson
import polars as pl

from benchmarks.data import END, PROGRAMMER, small_cube
from benchmarks.endpoint import Client
from wolap import Query
from wolap.language.reader import locate, read_query, split_target
from wolap.model.interval import moment_text
from wolap.model.zone import Zone

SHAPES = ("totals", "month", "day x dc", "day x dc, one company", "day x dc, 12 metrics")
PEERS = ("duckdb", "polars eager", "polars lazy")
CALLS, TURN = 30, 10

Ask = Callable[[], bytes]
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """What a target asks, as a peer would be told: its keys, its metrics, the days it looks at, the company."""

    keys: tuple[str, ...]
    metrics: tuple[str, ...]
    days: tuple[date, date] | None
    company: str | None


def question_of(client: Client) -> Question:
    """The same question as that of a target."""
    cube = small_cube()
    split = split_target(client.target)
    location = locate(split, cube.schema)
    assert location is not None
    query = read_query(split, location, cube.schema, PROGRAMMER, END)
    time = "date" if "day" in query.path else "month"
    keys = ((time,) if "year" in query.path else ()) + tuple(key for key in query.path if key not in cube.schema.levels)
    plan = cube.snapshot.plan(query, PROGRAMMER)
    days = None
    if query.start is not None and query.end is not None:
        first, last = (moment.instant(cube.schema.zone) for moment in (query.start, query.end))
        days = _day(first, cube.schema.zone), _day(last, cube.schema.zone)
    company = next((str(member) for one in query.filters for member in one.values), None)
    return Question(keys, plan.metrics, days, company)


def _day(instant: int, zone: Zone) -> date:
    return date.fromisoformat(moment_text(instant, zone)[:10])


@cache
def frame() -> pl.DataFrame:
    """The rows of the projection as a peer has them."""
    cube = small_cube()
    stored = cube.answer(Query("year/month/day/media-company/dc", metrics=question_of(Client(SHAPES[-1])).metrics))
    table = stored.to_polars()
    dates = [pl.date("year", "month", "day").alias("date"), pl.date("year", "month", 1).alias("month")]
    names = ("media-company", "dc")
    enumerations = [pl.col(name).cast(pl.Enum(sorted(table[name].unique()))) for name in names]
    return table.with_columns(*dates, *enumerations).drop("year", "day").sort("date", *names).rechunk()


@cache
def connection() -> duckdb.DuckDBPyConnection:
    """The same as a table of DuckDB."""
    opened = duckdb.connect()
    opened.register("source", frame().to_arrow())
    opened.execute("CREATE TABLE stored AS SELECT * FROM source")
    return opened


def ask_duckdb(question: Question) -> Ask:
    names = [f'"{key}"' for key in question.keys]
    sums = [f'sum("{metric}")::BIGINT AS "{metric}"' for metric in question.metrics]
    kept = []
    if question.days is not None:
        kept.append(f"date >= DATE '{question.days[0]}' AND date < DATE '{question.days[1]}'")
    if question.company is not None:
        kept.append(f"\"media-company\" = '{question.company}'")
    where = f" WHERE {' AND '.join(kept)}" if kept else ""
    by = f" GROUP BY {', '.join(names)} ORDER BY {', '.join(names)}" if names else ""
    text = f"SELECT {', '.join([*names, *sums])} FROM stored{where}{by} LIMIT 1000"
    columns, opened = (*question.keys, *question.metrics), connection()
    return lambda: orjson.dumps([dict(zip(columns, row, strict=True)) for row in opened.sql(text).fetchall()])


def ask_polars(question: Question, *, lazy: bool) -> Ask:
    kept = pl.lit(True)
    if question.days is not None:
        kept = (pl.col("date") >= question.days[0]) & (pl.col("date") < question.days[1])
    if question.company is not None:
        kept &= pl.col("media-company") == question.company
    sums, keys = pl.col(question.metrics).sum(), list(question.keys)
    bounded = question.days is not None or question.company is not None
    whole: pl.DataFrame | pl.LazyFrame = frame().lazy() if lazy else frame()

    def answer() -> bytes:
        rows: Any = whole.filter(kept) if bounded else whole
        rows = rows.group_by(keys).agg(sums).sort(keys).head(1000) if keys else rows.select(sums)
        return orjson.dumps((rows.collect() if lazy else rows).to_dicts())

    return answer


def answers(shape: str) -> dict[str, Ask]:
    """Who is asked, each with the same question; their answers are equal. Raises AssertionError where they are not."""
    client = Client(shape)
    question = question_of(client)
    asked: dict[str, Ask] = {
        "wolap": lambda: client.ask().body,
        "duckdb": ask_duckdb(question),
        "polars eager": ask_polars(question, lazy=False),
        "polars lazy": ask_polars(question, lazy=True),
    }
    expected = [_plain(record, question) for record in orjson.loads(asked["wolap"]())["report"]]
    assert expected
    for peer in PEERS:
        assert orjson.loads(asked[peer]()) == expected, f"{peer} gives another answer to {shape}"
    return asked


def _plain(record: Record, question: Question) -> Record:
    """A record of wolap as a peer writes it."""
    time = {}
    if "year" in record:
        day = date(int(record["year"]), int(record["month"]), int(record.get("day", 1)))
        time = {question.keys[0]: day.isoformat()}
    others = {key: record[key] for key in question.keys if key not in time}
    return {**time, **others, **{metric: int(record[metric]) for metric in question.metrics}}


def microseconds(shape: str, calls: int) -> dict[str, list[float]]:
    """The times of each, taken by turns of some calls one after the other."""
    asked = answers(shape)
    times: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(max(calls // TURN, 1)):
        for name, ask in asked.items():
            for _ in range(TURN):
                began = perf_counter()
                ask()
                times[name].append(1e6 * (perf_counter() - began))
    return times


class Ratio:
    """How many times as long a peer takes, of medians by turns."""

    params = (list(SHAPES), list(PEERS))
    param_names = ("question", "peer")
    unit = "ratio"

    def track_ratio(self, shape: str, peer: str) -> float:
        times = microseconds(shape, CALLS)
        return median(times[peer]) / median(times["wolap"])


STAGES = ("plan", "aggregate", "serialize")


def stages(shape: str, calls: int) -> dict[str, float]:
    """The median microseconds of each stage of a request, as `Server-Timing` has them, and of the rest."""
    client, found = Client(shape), dict[str, list[float]]({name: [] for name in (*STAGES, "rest")})
    for _ in range(calls):
        began = perf_counter()
        response = client.ask()
        whole = 1e6 * (perf_counter() - began)
        said = (response.header("Server-Timing") or "").split(", ")
        own = [1e3 * float(one.partition("dur=")[2]) for one in said]
        for name, spent in zip((*STAGES, "rest"), (*own, whole - sum(own)), strict=True):
            found[name].append(spent)
    return {name: median(spent) for name, spent in found.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.small", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, default=300, help="calls of each engine")
    chosen = parser.parse_args(arguments)
    clock = [1e6 * _counting() for _ in range(1000)]
    print(f"{len(frame()):,} stored rows; list(map(str, range(250))) takes {median(clock):.0f} µs here\n")
    print(f"{'target to bytes, µs':26}{'wolap':>15}" + "".join(f"{peer:>15}{'ratio':>7}" for peer in PEERS))
    for shape in SHAPES:
        times = microseconds(shape, chosen.calls)
        own = median(times["wolap"])
        row = f"{shape:26}{own:8.0f} ({min(times['wolap']):4.0f})"
        for peer in PEERS:
            row += f"{median(times[peer]):8.0f} ({min(times[peer]):4.0f}){median(times[peer]) / own:7.1f}"
        print(row)
    print("\nmedian and, in brackets, least; ratios of medians")
    print(f"\n{'stages, median µs':26}" + "".join(f"{name:>15}" for name in (*STAGES, "rest")))
    for shape in SHAPES:
        print(f"{shape:26}" + "".join(f"{spent:15.0f}" for spent in stages(shape, chosen.calls).values()))


def _counting() -> float:
    began = perf_counter()
    list(map(str, range(250)))
    return perf_counter() - began


if __name__ == "__main__":
    main()
