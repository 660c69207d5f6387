"""Whole requests beside services on DuckDB and Polars, and formats beside orjson and Polars' writers, in one run.

    python -m benchmarks.report

A ratio is another's median over that of wolap: above 1 wolap is faster. All take turns, and what they write is compared
before anything is timed. How fair it is:

- A service asks its library for the groups of a stored table of the same 10 thousand rows, dimensions as enumerations,
  and writes them by orjson as numbers. It reads no target, checks nothing, chooses nothing and has no links.
- For formats, orjson is given columns as they come from a library and makes the objects itself, as texts, since that is
  what wolap writes. Polars writes its frame: numbers as numbers, no header of a report.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from platform import python_version
from statistics import median
from time import perf_counter

import duckdb
import orjson
import polars as pl
import pyarrow as pa

from benchmarks.data import END, PROJECTION, TARGETS, small_cube
from benchmarks.endpoint import Client
from benchmarks.representations import by_objects, cube, resource
from wolap import Query
from wolap.web.negotiation import FORMATS

SUMS = ("authn-attempts", "authn-successful", "authz-attempts")
RECORDS = 100_000
Call = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a target asks for, for those that read no targets."""

    keys: tuple[str, ...] = ()
    one_company: bool = False


SHAPES = {
    "totals": Shape(),
    "month": Shape(("year", "month")),
    "day x dc": Shape(("year", "month", "day", "dc")),
    "day x dc, one company": Shape(("year", "month", "day", "media-company", "dc"), one_company=True),
}


def stored() -> pl.DataFrame:
    """The rows of the projection, members as enumerations."""
    found = small_cube()
    frame = found.answer(Query(PROJECTION, metrics=SUMS)).to_polars()
    texts = {name: found.snapshot.dictionaries.members[name].texts for name in ("media-company", "dc")}
    return frame.with_columns(pl.col(name).cast(pl.Enum(known)) for name, known in texts.items())


def company() -> str:
    return str(small_cube().snapshot.dictionaries.members["media-company"].texts[0])


def polars_service(frame: pl.DataFrame, shape: Shape, engine: str | None) -> Call:
    """By the eager interface, or by a lazy one with an engine."""
    sums, where = pl.col(SUMS).sum(), pl.col("media-company") == company()

    def ask(source: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame | pl.LazyFrame:
        source = source.filter(where) if shape.one_company else source
        return source.group_by(shape.keys).agg(sums).sort(shape.keys) if shape.keys else source.select(sums)

    def call() -> bytes:
        answer = ask(frame) if engine is None else ask(frame.lazy()).lazy().collect(engine=engine)
        return orjson.dumps({"report": answer.to_dicts()})

    return call


def duckdb_service(frame: pl.DataFrame, shape: Shape, by_arrow: bool) -> Call:
    """Its rows as tuples, or as an Arrow table."""
    connection = duckdb.connect()
    for name in ("media-company", "dc"):
        texts = ", ".join("'" + text.replace("'", "''") + "'" for text in frame[name].dtype.categories)  # type: ignore[attr-defined]
        connection.execute(f'CREATE TYPE "{name}-enum" AS ENUM ({texts})')
    connection.register("source", frame.to_arrow())
    kept = ", ".join(f'"{name}"::"{name}-enum" AS "{name}"' for name in ("media-company", "dc"))
    connection.execute(f"CREATE TABLE stored AS SELECT * REPLACE ({kept}) FROM source")
    keys = ", ".join(f'"{name}"' for name in shape.keys)
    sums = ", ".join(f'sum("{name}")::BIGINT AS "{name}"' for name in SUMS)
    where = ' WHERE "media-company" = \'' + company().replace("'", "''") + "'" if shape.one_company else ""
    text = f"SELECT {keys}{', ' * bool(keys)}{sums} FROM stored{where}"
    text += f" GROUP BY {keys} ORDER BY {keys}" if keys else ""
    names = (*shape.keys, *SUMS)

    def call() -> bytes:
        answer = connection.sql(text)
        if by_arrow:
            return orjson.dumps({"report": answer.to_arrow_table().to_pylist()})
        return orjson.dumps({"report": [dict(zip(names, row, strict=True)) for row in answer.fetchall()]})

    return call


def services(frame: pl.DataFrame, name: str) -> dict[str, Call]:
    """All that answer one of SHAPES; wolap first."""
    shape, client = SHAPES[name], Client(name)
    return {
        "wolap": lambda: client.ask().body,
        "duckdb": duckdb_service(frame, shape, by_arrow=False),
        "duckdb, Arrow": duckdb_service(frame, shape, by_arrow=True),
        "polars eager": polars_service(frame, shape, None),
        "polars in memory": polars_service(frame, shape, "in-memory"),
        "polars streaming": polars_service(frame, shape, "streaming"),
    }


def records(body: object) -> list[dict[str, str]]:
    """What a body reports, as texts."""
    assert isinstance(body, bytes)
    return [{name: str(value) for name, value in one.items()} for one in orjson.loads(body)["report"]]


def writers(name: str) -> dict[str, Call]:
    """All that write 100 thousand records in a format; wolap first."""
    serialize, found = FORMATS[name][1], resource(RECORDS)
    query = Query("year/month/day/company/provider", limit=RECORDS)
    frame = cube().answer(query).to_polars()
    calls: dict[str, Call] = {"wolap": lambda: serialize(found), "orjson": by_objects(found)}
    if name == "json":
        calls["polars"] = frame.write_json
    elif name == "csv":
        calls["polars"] = frame.write_csv
    return calls


def in_turns(calls: Mapping[str, Call], turns: int) -> dict[str, list[float]]:
    """Seconds of each, in rounds."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(turns):
        for name, call in calls.items():
            began = perf_counter()
            call()
            times[name].append(perf_counter() - began)
    return times


def show(title: str, calls: Mapping[str, Call], turns: int) -> None:
    """A line for each: least, median, and the ratio of medians."""
    times = in_turns(calls, turns)
    ours = median(next(iter(times.values())))
    print(title)
    for name, own in times.items():
        print(f"  {name:22}{1e3 * min(own):9.3f}{1e3 * median(own):9.3f}{median(own) / ours:8.2f}")


def report_endpoint(calls: int) -> None:
    frame = stored()
    print(f"target to bytes of JSON, from a projection of {len(frame):,} rows, {calls} turns, ms")
    print(f"{'':24}{'least':>9}{'median':>9}{'ratio':>8}")
    for name in SHAPES:
        asked = services(frame, name)
        expected = records(asked["wolap"]())
        for service, call in asked.items():
            assert records(call()) == expected, f"{service} gives another answer to {name}"
        show(f"{name}, {len(expected)} records", asked, calls)
    for name in TARGETS:
        if name not in SHAPES:
            show(name, {"wolap": Client(name).ask}, calls)


def report_formats(turns: int) -> None:
    print(f"\n{RECORDS:,} records of five dimensions and six metrics, {turns} turns, ms")
    for name in ("json", "xml", "csv"):
        show(name, writers(name), turns)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=300, help="turns of each shape of a request")
    parser.add_argument("--turns", type=int, default=9, help="turns of each format")
    said = parser.parse_args(arguments)
    libraries = ", ".join(f"{one.__name__} {one.__version__}" for one in (pl, pa, duckdb, orjson))
    print(f"python {python_version()}, {libraries}, {os.cpu_count()} processors, facts until {END:%Y-%m-%d}\n")
    report_endpoint(said.calls)
    report_formats(said.turns)


if __name__ == "__main__":
    main()
