"""The events are plausible, reproducible and fit their declaration."""

from __future__ import annotations

import sys
import tomllib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from wolap.apis import declaration_path
from wolap.apis.events import DIMENSIONS, METRICS, esm_events

END = datetime(2024, 8, 20, 14, 35, 21, tzinfo=UTC)
ROWS = 200_000


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return esm_events(ROWS, end=END)


@pytest.fixture(scope="module")
def frame(table: pa.Table) -> pl.DataFrame:
    found = pl.from_arrow(table)
    assert isinstance(found, pl.DataFrame)
    return found


def test_columns_are_all_that_the_cube_file_asks_for(table: pa.Table) -> None:
    declaration = tomllib.loads(declaration_path().read_text(encoding="utf-8"))
    inputs = {metric.get("sum") or metric["distinct"] for metric in declaration["metrics"].values()}
    asked = {declaration["time"]["column"], *declaration["dimensions"], *inputs}
    assert set(table.column_names) == asked
    assert table.column_names == ["time", *DIMENSIONS, *METRICS, "account", "session"]


def test_types(table: pa.Table) -> None:
    assert table.schema.field("time").type == pa.timestamp("s")
    for name in DIMENSIONS:
        assert pa.types.is_dictionary(table.schema.field(name).type)
        assert table.schema.field(name).type.value_type == pa.string()
    assert {table.schema.field(name).type for name in METRICS} == {pa.int32()}
    assert {table.schema.field(name).type for name in ("account", "session")} == {pa.uint32()}
    table.validate(full=True)


def test_same_arguments_give_the_same_table(table: pa.Table) -> None:
    assert esm_events(ROWS, end=END).equals(table)


def test_another_seed_gives_other_events_in_the_same_world(table: pa.Table) -> None:
    other = esm_events(ROWS, end=END, seed=7)
    assert other.schema == table.schema
    for name in ("time", "mvpd", "requestor-id", "event", "account", "authz-latency"):
        assert not other[name].equals(table[name])
    for name in DIMENSIONS:
        assert other[name].chunk(0).dictionary.equals(table[name].chunk(0).dictionary)


@pytest.mark.parametrize("days", [1, 7, 90])
def test_times_are_sorted_and_inside_the_span(days: int) -> None:
    times = pl.Series(esm_events(20_000, end=END, days=days)["time"])
    until = END.replace(tzinfo=None)
    assert times.is_sorted()
    assert until - timedelta(days=days) <= times[0] < until - timedelta(days=days) + timedelta(hours=8)
    assert until - timedelta(hours=8) < times[-1] < until


@pytest.mark.parametrize(
    "end", [END.replace(tzinfo=None), END.astimezone(timezone(timedelta(hours=-8)))], ids=["naive", "pacific"]
)
def test_end_is_an_instant(end: datetime) -> None:
    assert esm_events(100, end=end).equals(esm_events(100, end=END))


@pytest.mark.parametrize("rows", [0, 1, 2, 9])
def test_few_rows(rows: int) -> None:
    few = esm_events(rows, end=END, days=1)
    few.validate(full=True)
    assert few.num_rows == rows


@pytest.mark.parametrize(("rows", "days"), [(-1, 90), (1, 0)])
def test_impossible_amounts_are_refused(rows: int, days: int) -> None:
    with pytest.raises(ValueError, match="there are at least"):
        esm_events(rows, end=END, days=days)


def test_declared_parents_determine(frame: pl.DataFrame) -> None:
    dimensions = tomllib.loads(declaration_path().read_text(encoding="utf-8"))["dimensions"]
    parents = {name: dimension["parent"] for name, dimension in dimensions.items() if "parent" in dimension}
    assert set(parents) == {"mvpd", "requestor-id", "nsdk-version", "application-version"}
    for name, parent in parents.items():
        assert frame.select(name, parent).n_unique() == frame[name].n_unique(), name


def test_accounts_have_a_provider_and_sessions_an_account(frame: pl.DataFrame) -> None:
    assert frame.select("account", "mvpd").n_unique() == frame["account"].n_unique()
    assert frame.select("session", "account").n_unique() == frame["session"].n_unique()
    assert ROWS / 16 < frame["account"].n_unique() <= ROWS / 8 + 250


_RELATIONS = {
    "attempts to sign in": pl.col("authn-attempts")
    >= pl.sum_horizontal("authn-successful", "authn-pending", "authn-failed"),
    "attempts to watch": pl.col("authz-attempts")
    >= pl.sum_horizontal("authz-successful", "authz-failed", "authz-rejected"),
    "latency": pl.col("authz-latency").is_between(pl.col("authz-attempts") * 50, pl.col("authz-attempts") * 900),
    "media tokens": pl.col("media-tokens").is_between(0, pl.col("authz-successful")),
    "clientless": pl.col("nsdk").is_null()
    | ((pl.col("clientless-tokens") == 0) & (pl.col("clientless-failures") == 0)),
    "device types": pl.col("cdt").is_null() == pl.col("nsdk").is_not_null(),
    "reasons": pl.col("reason").is_not_null() == pl.col("event").cast(pl.String).str.contains("fail|rejected"),
    "channels": pl.col("channel").is_null() | (pl.col("authz-attempts") > 0),
    "counts": pl.col("count") > 0,
}


@pytest.mark.parametrize("name", _RELATIONS)
def test_relations_hold_in_every_row(frame: pl.DataFrame, name: str) -> None:
    assert frame.filter(~_RELATIONS[name]).is_empty()


def test_every_metric_and_member_occurs(frame: pl.DataFrame) -> None:
    assert all(frame[name].sum() > 0 for name in METRICS)
    assert frame["media-company"].n_unique() == 60
    assert frame["requestor-id"].n_unique() > 280
    assert frame["mvpd"].n_unique() > 150
    assert {name for name in DIMENSIONS if frame[name].null_count()} == {
        "proxy", "nsdk", "nsdk-version", "sso-type", "cdt", "eap", "application-name", "application-version",
        "channel", "application-software-id", "customer-app", "reason",
    }  # fmt: skip
    labels = {"N/A", "(empty)", ""}
    assert not any(labels & set(frame[name].cast(pl.String)) for name in DIMENSIONS)


def test_the_market_is_skewed_and_sparse(frame: pl.DataFrame) -> None:
    shares = frame["mvpd"].value_counts(sort=True)["count"] / ROWS
    assert shares[0] > 0.2
    assert shares[:10].sum() > 0.8
    pairs = frame.select("mvpd", "requestor-id").n_unique()
    assert pairs < frame["mvpd"].n_unique() * frame["requestor-id"].n_unique() / 10


def test_evenings_and_weekends_are_busy_and_it_grows(frame: pl.DataFrame) -> None:
    local = frame.select(local=pl.col("time").dt.offset_by("-8h"))["local"]
    by_hour = local.dt.hour().value_counts().sort("local")["count"]
    assert by_hour.arg_max() in (19, 20, 21)
    assert by_hour.min() * 5 < by_hour.max()  # type: ignore[operator]
    by_weekday = local.dt.weekday().value_counts().sort("local")["count"]
    assert by_weekday[5:].min() > by_weekday[:5].max()  # type: ignore[operator]
    middle = END.replace(tzinfo=None) - timedelta(days=45)
    assert (frame["time"] >= middle).sum() > ROWS / 2


def test_more_rows_take_no_more_steps() -> None:
    esm_events(10, end=END)  # what is made on first use

    def calls(rows: int) -> int:
        seen = 0

        def count(_frame: Any, _event: str, _argument: Any) -> None:
            nonlocal seen
            seen += 1

        sys.setprofile(count)
        try:
            esm_events(rows, end=END)
        finally:
            sys.setprofile(None)
        return seen

    assert calls(100_000) < calls(1_000) * 1.1
