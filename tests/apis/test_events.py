"""Entitlement events are plausible, reproducible and fit the declarations of all versions of ESM."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from published_apis import APIS, END, declaration

from wolap import Cube
from wolap.apis import NAMES, declaration_path, make_events
from wolap.apis.events import METRICS
from wolap.cube_file import read_cube_file

ROWS = 200_000
ESM = [name for name in NAMES if name.startswith("esm")]


@pytest.fixture(scope="module", params=ESM)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def table(name: str) -> pa.Table:
    return make_events(name, ROWS, end=END)


@pytest.fixture(scope="module")
def frame(table: pa.Table) -> pl.DataFrame:
    found = pl.from_arrow(table)
    assert isinstance(found, pl.DataFrame)
    return found


def test_columns_are_all_that_the_cube_file_asks_for(name: str, table: pa.Table) -> None:
    metrics = declaration(name)["metrics"].values()
    inputs = {metric.get("sum") or metric["distinct"] for metric in metrics}
    dimensions = APIS[name].dimensions.split()
    assert set(table.column_names) == {"time", *dimensions, *inputs}
    assert table.column_names == ["time", *dimensions, *METRICS, "account", "session"]


def test_types(name: str, table: pa.Table) -> None:
    assert table.schema.field("time").type == pa.timestamp("s")
    for dimension in APIS[name].dimensions.split():
        assert pa.types.is_dictionary(table.schema.field(dimension).type)
        assert table.schema.field(dimension).type.value_type == pa.string()
    assert {table.schema.field(metric).type for metric in METRICS} == {pa.int32()}
    assert {table.schema.field(counted).type for counted in ("account", "session")} == {pa.uint32()}
    table.validate(full=True)


def test_same_arguments_give_the_same_table(name: str, table: pa.Table) -> None:
    assert make_events(name, ROWS, end=END).equals(table)


def test_the_versions_have_the_same_events(table: pa.Table) -> None:
    other = make_events("esm-v3", ROWS, end=END)
    shared = [column for column in table.column_names if column in other.column_names]
    assert len(shared) > 20
    assert table.select(shared).equals(other.select(shared))


def test_another_seed_gives_other_events_in_the_same_world(name: str, table: pa.Table) -> None:
    other = make_events(name, ROWS, end=END, seed=7)
    assert other.schema == table.schema
    for column in ("time", "mvpd", "requestor-id", "event", "account", "authz-latency"):
        assert not other[column].equals(table[column])
    for column in APIS[name].dimensions.split():
        assert other[column].chunk(0).dictionary.equals(table[column].chunk(0).dictionary)


@pytest.mark.parametrize("days", [1, 7, 90])
@pytest.mark.parametrize("api", NAMES)
@pytest.mark.parametrize("end", [END, datetime(2040, 2, 29, tzinfo=UTC)], ids=["2024", "2040"])
def test_times_are_sorted_and_inside_the_span(api: str, days: int, end: datetime) -> None:
    times = pl.Series(make_events(api, 20_000, end=end, days=days)["time"])
    until = end.replace(tzinfo=None)
    assert times.is_sorted()
    assert until - timedelta(days=days) <= times[0] < until - timedelta(days=days) + timedelta(hours=8)
    assert until - timedelta(hours=8) < times[-1] < until


@pytest.mark.parametrize(
    "end", [END.replace(tzinfo=None), END.astimezone(timezone(timedelta(hours=-8)))], ids=["naive", "pacific"]
)
@pytest.mark.parametrize("api", ["esm-v3", "cmu-v2"])
def test_end_is_an_instant(api: str, end: datetime) -> None:
    assert make_events(api, 100, end=end).equals(make_events(api, 100, end=END))


@pytest.mark.parametrize("rows", [0, 1, 2, 9])
@pytest.mark.parametrize("api", NAMES)
def test_few_rows_make_a_cube(api: str, rows: int) -> None:
    few = make_events(api, rows, end=END, days=1)
    few.validate(full=True)
    assert few.num_rows == rows
    assert Cube(read_cube_file(declaration_path(api)).schema, few).projections[-1].statistics.rows == rows  # type: ignore[union-attr]


@pytest.mark.parametrize(("rows", "days"), [(-1, 90), (1, 0)])
def test_impossible_amounts_are_refused(rows: int, days: int) -> None:
    with pytest.raises(ValueError, match="there are at least"):
        make_events("esm-v3", rows, end=END, days=days)


def test_an_unknown_api_is_refused() -> None:
    with pytest.raises(FileNotFoundError, match="cmu-v2, esm-v2"):
        make_events("esm", 10, end=END)


def test_two_seeds_fit_one_cube(name: str, table: pa.Table) -> None:
    """What is declared to be determined is, null included: also over what two tables hold together."""
    both = pa.concat_tables([table, make_events(name, ROWS, end=END, seed=7)]).unify_dictionaries()
    assert Cube(read_cube_file(declaration_path(name)).schema, both)


def test_what_belongs_together(name: str, frame: pl.DataFrame) -> None:
    """Beyond the declared parents."""
    determined = {
        "platform": "nsdk",
        "customer-app": "requestor-id",
        "application-software-id": "application-name",
        "application-name": "platform",
    }
    for child, above in determined.items():
        if child in frame.columns and above in frame.columns:
            known = frame.filter(pl.col(child).is_not_null())
            assert known.select(child, above).n_unique() == known[child].n_unique(), child
    if "browser-family" in frame.columns:
        speaks = frame["sdk-type" if name == "esm-v2" else "nsdk"].cast(pl.String) == "js-sdk"
        assert (frame["browser-family"].is_not_null() == speaks.fill_null(value=False)).all()
        assert set(frame.filter(pl.col("os-family") == "ios")["browser-family"].drop_nulls()) == {"Wren", "Lumen"}
        assert frame.filter(pl.col("device") == "phone")["os-family"].n_unique() == 2
    if "platform" in frame.columns and "device" in frame.columns:
        assert frame.select("platform", "device", "os-family").n_unique() < 25


def test_accounts_have_a_provider_and_sessions_an_account(frame: pl.DataFrame) -> None:
    assert frame.select("account", "mvpd").n_unique() == frame["account"].n_unique()
    assert frame.select("session", "account").n_unique() == frame["session"].n_unique()
    assert ROWS / 16 < frame["account"].n_unique() <= ROWS / 8 + 250


_SDK = pl.coalesce(pl.col("^nsdk$|^sdk-type$").cast(pl.String))
_RELATIONS = {
    "attempts to sign in": pl.col("authn-attempts")
    >= pl.sum_horizontal("authn-successful", "authn-pending", "authn-failed"),
    "attempts to watch": pl.col("authz-attempts")
    >= pl.sum_horizontal("authz-successful", "authz-failed", "authz-rejected"),
    "latency": pl.col("authz-latency").is_between(pl.col("authz-attempts") * 50, pl.col("authz-attempts") * 900),
    "media tokens": pl.col("media-tokens").is_between(0, pl.col("authz-successful")),
    "clientless": pl.col("cdt").is_not_null()
    | ((pl.col("clientless-tokens") == 0) & (pl.col("clientless-failures") == 0)),
    "device types": pl.col("cdt").is_null() == _SDK.replace("clientless", None).is_not_null(),
    "reasons": pl.col("reason").is_not_null() == pl.col("event").cast(pl.String).str.contains("fail|rejected"),
    "channels": pl.col("channel").is_null() | (pl.col("authz-attempts") > 0),
    "counts": pl.col("count") > 0,
}
_RELATIONS_OF_2024 = {
    "decisions": pl.col("decision-type").is_not_null() == (pl.col("authz-attempts") > 0),
    "categories": pl.col("content-category").is_null() == pl.col("channel").is_null(),
}


def test_relations_hold_in_every_row(name: str, frame: pl.DataFrame) -> None:
    relations = _RELATIONS | (_RELATIONS_OF_2024 if name == "esm-v3-2024" else {})
    assert [relation for relation, holds in relations.items() if not frame.filter(~holds).is_empty()] == []


NULLS = {
    "proxy", "nsdk", "nsdk-version", "sso-type", "cdt", "eap", "application-name", "application-version", "channel",
    "application-software-id", "customer-app", "reason", "browser-family", "browser-version", "decision-type",
    "content-category",
}  # fmt: skip


def test_every_metric_and_member_occurs(name: str, frame: pl.DataFrame) -> None:
    dimensions = APIS[name].dimensions.split()
    assert all(frame[metric].sum() > 0 for metric in METRICS)
    assert frame["media-company"].n_unique() == 60
    assert frame["requestor-id"].n_unique() > 280
    assert frame["mvpd"].n_unique() > 150
    assert {one for one in dimensions if frame[one].null_count()} == NULLS & set(dimensions)
    labels = {"N/A", "(empty)", ""}
    assert not any(labels & set(frame[one].cast(pl.String)) for one in dimensions)
    assert all(frame[one].drop_nulls().n_unique() > 1 for one in dimensions)


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


@pytest.mark.parametrize("api", NAMES)
def test_more_rows_take_no_more_steps(api: str, steps: Any) -> None:
    make_events(api, 10, end=END)  # what is made on first use
    assert steps(make_events, api, 100_000, end=END) < steps(make_events, api, 1_000, end=END) * 1.1
