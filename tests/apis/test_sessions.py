"""The events of sessions are plausible, reproducible and fit the declaration of CMU."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pytest
from published_apis import APIS, BUCKETS, END, declaration

from wolap import Cube
from wolap.apis import declaration_path, make_events
from wolap.apis.sessions import BUCKETS as DECLARED_BUCKETS
from wolap.cube_file import read_cube_file

ROWS = 200_000
KINDS = ["started-sessions", "completed-sessions", "failed-attempts", "dismissed-sessions", "killed-sessions"]
ENDS = ["completed-sessions", "dismissed-sessions", "killed-sessions"]
EDGES = dict(zip(BUCKETS, [0, 15, 30, 60, 120, 240, 480, 960, 1440, 4320, 10080, 43200, 10**9], strict=False))


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return make_events("cmu-v2", ROWS, end=END)


@pytest.fixture(scope="module")
def frame(table: pa.Table) -> pl.DataFrame:
    found = pl.from_arrow(table)
    assert isinstance(found, pl.DataFrame)
    return found.with_columns(pl.col(*KINDS, *BUCKETS).cast(pl.Int64))


@pytest.fixture(scope="module")
def sessions(frame: pl.DataFrame) -> pl.DataFrame:
    """A row for each session."""
    return frame.group_by("session", maintain_order=True).agg(
        pl.col("time").min().alias("begin"),
        pl.col("time").max().alias("last"),
        pl.col("user", "tenant").first(),
        pl.col(*KINDS, *BUCKETS).sum(),
        pl.sum_horizontal(ENDS).sum().alias("ended"),
        pl.len().alias("events"),
    )


def test_columns_are_all_that_the_cube_file_asks_for(table: pa.Table) -> None:
    metrics = declaration("cmu-v2")["metrics"].values()
    inputs = {metric.get("sum") or metric["distinct"] for metric in metrics}
    assert set(table.column_names) == {"time", *APIS["cmu-v2"].dimensions.split(), *inputs}
    assert list(DECLARED_BUCKETS) == BUCKETS
    table.validate(full=True)


def test_same_arguments_give_the_same_table(table: pa.Table) -> None:
    assert make_events("cmu-v2", ROWS, end=END).equals(table)


def test_another_seed_gives_other_sessions_that_fit_the_same_cube(table: pa.Table) -> None:
    """What is declared to be determined is, also over what two tables of different size hold together."""
    other = make_events("cmu-v2", ROWS // 3, end=END, seed=7)
    assert other.schema == table.schema
    assert not other["time"].equals(table["time"])
    for name in ("tenant", "mvpd", "application-id"):
        assert other[name].chunk(0).dictionary.equals(table[name].chunk(0).dictionary)
    both = pa.concat_tables([table, other]).unify_dictionaries()
    assert Cube(read_cube_file(declaration_path("cmu-v2")).schema, both)


def test_a_session_is_of_one_of_each(frame: pl.DataFrame) -> None:
    described = ["tenant", "mvpd", "platform", "application-id", "application", "channel", "user"]
    assert frame.select("session", *described).n_unique() == frame["session"].n_unique()
    assert frame.select("user", "mvpd").n_unique() == frame["user"].n_unique()
    assert frame.select("application-id", "application", "tenant", "platform").n_unique() == (
        frame["application-id"].n_unique()
    )
    assert frame.select("user", "tenant").n_unique() > frame["user"].n_unique()


def test_an_event_is_of_one_kind_and_a_completed_session_in_one_bucket(frame: pl.DataFrame) -> None:
    assert frame.select(*KINDS, *BUCKETS).to_numpy().max() == 1
    assert frame.select(pl.sum_horizontal(KINDS).max()).item() == 1
    assert (frame.select(pl.sum_horizontal(BUCKETS)).to_series() == frame["completed-sessions"]).all()


def test_a_session_begins_first_and_ends_once_and_last(sessions: pl.DataFrame, frame: pl.DataFrame) -> None:
    assert (sessions["started-sessions"] == 1).all()
    assert sessions["ended"].max() == 1
    begins = frame.filter(pl.col("started-sessions") == 1).select("session", "time")
    assert begins.join(sessions, on="session").filter(pl.col("time") != pl.col("begin")).is_empty()
    ends = frame.filter(pl.sum_horizontal(ENDS) == 1).select("session", "time")
    assert ends.join(sessions, on="session").filter(pl.col("time") != pl.col("last")).is_empty()
    assert 0.9 < sessions["ended"].mean() < 1  # type: ignore[operator]


def test_buckets_are_as_long_as_they_say(sessions: pl.DataFrame) -> None:
    minutes = (pl.col("last") - pl.col("begin")).dt.total_seconds() / 60
    edges = [*EDGES.values(), 10**9]
    for position, bucket in enumerate(BUCKETS):
        lengths = sessions.filter(pl.col(bucket) == 1).select(minutes).to_series()
        assert len(lengths) > 0, bucket
        assert lengths.min() >= edges[position]  # type: ignore[operator]
        assert lengths.max() < edges[position + 1]  # type: ignore[operator]


def test_long_sessions_are_active_in_several_intervals(frame: pl.DataFrame, sessions: pl.DataFrame) -> None:
    days = frame.group_by("session").agg(pl.col("time").dt.date().n_unique().alias("days"))
    long = sessions.filter(pl.col("duration_3d-7d") == 1).join(days, on="session")
    assert long["days"].min() >= 3  # type: ignore[operator]
    assert (sessions["events"] <= 14).all()


def test_users_have_sessions_wherever_they_are_active(frame: pl.DataFrame) -> None:
    cells = frame.group_by("mvpd", "tenant", pl.col("time").dt.date()).agg(pl.col("user", "session").n_unique())
    assert (cells["user"] <= cells["session"]).all()


def test_levels_are_what_a_slow_count_finds(frame: pl.DataFrame) -> None:
    """For the busiest users, event by event."""
    busiest = frame["user"].value_counts(sort=True)["user"][:40].to_list()
    wanted = frame.filter(pl.col("user").is_in(busiest))
    running: dict[int, set[int]] = {user: set() for user in busiest}
    today: dict[tuple[int, object], set[int]] = {}
    seen = set()
    for row in wanted.iter_rows(named=True):
        sessions = running[row["user"]]
        of_day = today.setdefault((row["user"], row["time"].date()), set(sessions))
        sessions.add(row["session"])
        of_day.add(row["session"])
        assert (row["concurrency-level"], row["activity-level"]) == (len(sessions), len(of_day))
        seen.add(row["concurrency-level"])
        if any(row[end] for end in ENDS):
            sessions.discard(row["session"])
    assert {1, 2, 3, 4} <= seen


def test_few_users_reach_high_levels(frame: pl.DataFrame) -> None:
    for level in ("concurrency-level", "activity-level"):
        users = frame.group_by(level).agg(pl.col("user").n_unique()).sort(level)
        assert users[level][0] == 1
        assert users["user"][:5].is_sorted(descending=True)
        assert users["user"][0] > 20 * users["user"][4]


def test_rules_differ_by_tenant(frame: pl.DataFrame) -> None:
    shares = frame.group_by("tenant").agg(pl.col(*KINDS).sum())
    large = shares.filter(pl.col("started-sessions") > 500)
    killed = large.select(pl.col("killed-sessions") / pl.col("started-sessions")).to_series()
    assert killed.max() > 3 * killed.min()  # type: ignore[operator]
    assert frame["failed-attempts"].sum() < frame["started-sessions"].sum() / 10


def test_the_market_is_skewed_and_sparse(frame: pl.DataFrame) -> None:
    assert frame["tenant"].n_unique() == 60
    assert frame["mvpd"].n_unique() > 150
    assert frame["channel"].null_count() > 0
    shares = frame["mvpd"].value_counts(sort=True)["count"] / ROWS
    assert shares[0] > 0.2
    assert shares[:10].sum() > 0.8
    pairs = frame.select("mvpd", "tenant").n_unique()
    assert pairs < frame["mvpd"].n_unique() * frame["tenant"].n_unique() / 5
    short = frame.select(pl.col(BUCKETS[:4]).sum()).row(0)
    assert sum(short) > 0.7 * frame["completed-sessions"].sum()
