"""Time as an index: its parts and buckets are those that Python's own calendar and zones have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import groupby, islice, pairwise, permutations
from threading import Thread
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import CHANGES, clock_of

from wolap.engine import time_index
from wolap.engine.time_index import TimeIndex, local_to_instants
from wolap.model.interval import Interval
from wolap.model.level import INSTANT, LEVELS, SUB_DAY, nests
from wolap.model.zone import FIRST_INSTANT, LAST_INSTANT, Zone, to_microseconds

# Zones with whole and odd offsets, changes at midnight and within it, a day that never was.
PLACES = {
    **CHANGES,
    "America/Sao_Paulo": ["2018-11-04T03:00", "2018-02-18T02:00"],
    "Pacific/Apia": ["2011-12-30T10:00"],
    "Asia/Kathmandu": ["1985-12-31T18:30"],
    "Africa/Monrovia": ["1972-01-07T00:44:30"],
}


def moments_near(zone: str) -> st.SearchStrategy[list[datetime]]:
    """Sorted instants around a change of the clock of a zone."""
    near = st.sampled_from([datetime.fromisoformat(text).replace(tzinfo=UTC) for text in PLACES[zone]])
    apart = st.integers(-100, 100).map(lambda minutes: timedelta(minutes=minutes))
    far = st.integers(-10_000, 10_000).map(lambda minutes: timedelta(minutes=minutes, seconds=7))
    moments = st.lists(st.builds(lambda center, more: center + more, near, apart | far), max_size=30)
    # Of many facts of one instant the index keeps one.
    return st.builds(lambda found, times: sorted(found * times), moments, st.integers(1, 4))


def index_of(moments: list[datetime], zone: str) -> TimeIndex:
    """An index over rows at these instants."""
    return TimeIndex.over(instants_of(moments), Zone(zone))


def instants_of(moments: list[datetime]) -> np.ndarray:
    return np.array([to_microseconds(moment.replace(tzinfo=None)) for moment in moments], np.int64)


def part(level: str, local: datetime) -> int:
    """A calendar part by the standard library."""
    if level == "week":
        return local.isocalendar().week
    return (local.month + 2) // 3 if level == "quarter" else int(getattr(local, level))


def period(level: str, local: datetime) -> tuple[object, ...]:
    """What tells a bucket from the one before it: its period, and below the day also its offset."""
    if level == "week":
        return tuple(local.isocalendar()[:2])
    if level == "quarter":
        return (local.year, part(level, local))
    fields = local.timetuple()[: ("year", "month", "day", "hour", "minute", "second").index(level) + 1]
    return (*fields, local.utcoffset()) if level in SUB_DAY else tuple(fields)


@pytest.mark.parametrize("zone", PLACES)
@given(data=st.data())
def test_parts_and_buckets_are_those_of_the_calendar(zone: str, data: st.DataObject) -> None:
    moments = data.draw(moments_near(zone))
    level = data.draw(st.sampled_from(LEVELS))
    local = [moment.astimezone(clock_of(zone)) for moment in moments]
    buckets = index_of(moments, zone).buckets(level)
    starts = buckets.offsets.tolist()
    assert (starts[0], starts[-1]) == (0, len(moments))
    assert buckets.part(level).tolist() == [part(level, local[start]) for start in starts[:-1]]
    # A bucket ends at least where its period does; and where one that no row lies in comes between.
    runs = [len(list(run)) for _, run in groupby(local, lambda moment: period(level, moment))]
    assert set(np.cumsum([0, *runs]).tolist()) <= set(starts)
    for start, stop in pairwise(starts):
        assert len({period(level, moment) for moment in local[start:stop]}) == 1


@given(st.sampled_from(sorted(PLACES)), st.data())
def test_groups_are_the_parts_that_occur_in_their_order(zone: str, data: st.DataObject) -> None:
    moments = data.draw(moments_near(zone))
    levels = tuple(data.draw(st.lists(st.sampled_from(LEVELS), min_size=1, unique=True)))
    index = index_of(moments, zone)
    found = index.groups(levels)
    local = [moment.astimezone(clock_of(zone)) for moment in moments]
    of_rows = [tuple(part(level, moment) for level in levels) for moment in local]
    groups = list(zip(*(found.parts[level].tolist() for level in levels), strict=True))
    assert groups == sorted(set(of_rows))
    codes = np.repeat(found.codes, np.diff(found.buckets.offsets))
    assert [groups[code] for code in codes.tolist()] == of_rows


@given(st.sampled_from(sorted(PLACES)), st.data())
def test_an_index_of_buckets_knows_what_that_of_rows_knows(zone: str, data: st.DataObject) -> None:
    rows = index_of(data.draw(moments_near(zone)), zone)
    fine = data.draw(st.sampled_from(LEVELS))
    coarse = data.draw(st.sampled_from([level for level in LEVELS if nests(fine, level)]))
    buckets = rows.buckets(fine)
    stored = TimeIndex(buckets.instants, buckets.offsets, fine, Zone(zone))
    assert stored.buckets(coarse).offsets.tolist() == rows.buckets(coarse).offsets.tolist()
    assert stored.buckets(coarse).part(coarse).tolist() == rows.buckets(coarse).part(coarse).tolist()
    assert stored.rows == rows.rows


@given(st.sampled_from(sorted(PLACES)), st.data())
def test_an_index_of_shared_instants_knows_what_one_of_rows_knows(zone: str, data: st.DataObject) -> None:
    moments = data.draw(moments_near(zone))
    level = data.draw(st.sampled_from([INSTANT, *LEVELS]))
    each, shared = TimeIndex(instants_of(moments), None, INSTANT, Zone(zone)), index_of(moments, zone)
    assert (shared.rows, shared.span) == (each.rows, each.span)
    assert len(shared.instants) == (len(moments) if shared.offsets is None else len(set(moments)))
    if level != INSTANT:
        assert shared.buckets(level).offsets.tolist() == each.buckets(level).offsets.tolist()
        assert shared.buckets(level).instants.tolist() == each.buckets(level).instants.tolist()
    cuts = sorted(data.draw(st.lists(st.sampled_from(instants_of(moments).tolist() or [0]), min_size=2, max_size=2)))
    assert shared.rows_in(Interval(*cuts)) == each.rows_in(Interval(*cuts))


@pytest.mark.parametrize(
    ("zone", "level", "start", "lengths"),
    [
        ("Europe/Berlin", "hour", "2024-10-26T23:00", [60, 60, 60, 60]),
        ("Europe/Berlin", "day", "2024-10-26T22:00", [25 * 60]),
        ("Europe/Berlin", "day", "2024-03-30T23:00", [23 * 60]),
        ("Australia/Lord_Howe", "hour", "2024-04-06T14:00", [60, 30, 60]),
        ("Australia/Lord_Howe", "hour", "2024-10-05T14:30", [60, 30, 60]),
        ("America/St_Johns", "day", "2006-10-28T02:30", [24 * 60, 1, 59, 24 * 60]),
        ("America/St_Johns", "hour", "2006-10-29T01:30", [60, 1, 59, 60]),
        ("Pacific/Apia", "day", "2011-12-29T10:00", [24 * 60, 24 * 60]),
        ("UTC", "week", "2023-12-25T00:00", [7 * 24 * 60, 7 * 24 * 60]),
        ("UTC", "quarter", "2024-01-01T00:00", [91 * 24 * 60, 91 * 24 * 60]),
    ],
)
def test_buckets_around_a_change_have_these_lengths(zone: str, level: str, start: str, lengths: list[int]) -> None:
    first = datetime.fromisoformat(start).replace(tzinfo=UTC)
    moments = [first + timedelta(minutes=minute) for minute in range(sum(lengths))]
    assert np.diff(index_of(moments, zone).buckets(level).offsets).tolist() == lengths


def test_the_repeated_hour_is_two_buckets_of_one_group() -> None:
    moments = [datetime(2024, 10, 27, hour, tzinfo=UTC) for hour in (0, 1)]
    found = index_of(moments, "Europe/Berlin").groups(("day", "hour"))
    assert found.buckets.part("hour").tolist() == [2, 2]
    assert found.codes.tolist() == [0, 0]
    assert {name: codes.tolist() for name, codes in found.parts.items()} == {"day": [27], "hour": [2]}


ORDERS: list[tuple[str, ...]] = list(islice(permutations(("year", "month", "day", "hour", "minute")), 30))


def index_of_minutes(count: int = 3000) -> TimeIndex:
    first = datetime(2024, 3, 30, tzinfo=UTC)
    return index_of([first + timedelta(minutes=minute) for minute in range(count)], "Europe/Berlin")


def test_groups_are_kept_for_a_few_orders_of_levels() -> None:
    index = index_of_minutes()
    index.buckets("minute")
    before = index.bytes
    first = index.groups(ORDERS[0])
    assert index.groups(ORDERS[0]) is first
    one = index.bytes - before
    assert one == first.codes.nbytes + sum(numbers.nbytes for numbers in first.parts.values()) > 0
    for levels in ORDERS:
        index.groups(levels)
    assert index.bytes - before == 8 * one
    again = index.groups(ORDERS[0])
    assert again is not first
    assert again.codes.tolist() == first.codes.tolist()


def test_of_large_groups_the_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_index, "_MANY", 1000)
    index = index_of_minutes()
    index.buckets("minute")
    index.buckets("day")
    before = index.bytes
    for levels in ORDERS:
        index.groups(("day",))
        found = index.groups(levels)
        assert index.bytes - before == found.bytes


def test_threads_that_ask_for_many_orders_get_what_one_gets() -> None:
    expected = {levels: index_of_minutes(200).groups(levels).codes.tolist() for levels in ORDERS}
    index = index_of_minutes(200)
    wrong: list[tuple[str, ...]] = []

    def ask(orders: list[tuple[str, ...]]) -> None:
        found = [index.groups(levels).codes.tolist() for levels in orders]
        wrong.extend(levels for levels, codes in zip(orders, found, strict=True) if codes != expected[levels])

    threads = [Thread(target=ask, args=(ORDERS[start:] + ORDERS[:start],)) for start in (0, 0, 7, 14)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    index.groups(("year",))
    assert len(index._groups) <= 8


@pytest.mark.parametrize("level", LEVELS)
def test_the_calendar_has_the_years_1_to_9999(level: str) -> None:
    moments = [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1, 1, 8, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ]
    buckets = index_of(moments, "UTC").buckets(level)
    assert buckets.part(level)[[0, -1]].tolist() == [part(level, moments[0]), part(level, moments[-1])]


@given(st.data())
def test_rows_in_an_interval_are_those_that_lie_there(data: st.DataObject) -> None:
    moments = data.draw(moments_near("UTC"))
    index = index_of(moments, "UTC")
    instants = instants_of(moments).tolist()
    bound = st.sampled_from([*instants, FIRST_INSTANT, LAST_INSTANT]) | st.sampled_from([*instants, 1]).map(
        lambda one: one + 1
    )
    start, end = sorted((data.draw(bound), data.draw(bound)))
    first, last = index.rows_in(Interval(start, end))
    assert instants[first:last] == [instant for instant in instants if start <= instant < end]


@given(st.sampled_from(sorted(PLACES)), st.data())
def test_local_times_are_read_as_python_reads_them(zone: str, data: st.DataObject) -> None:
    moments = data.draw(moments_near(zone))
    local = [moment.astimezone(clock_of(zone)).replace(tzinfo=None) for moment in moments]
    # Times that the clock skipped are asked for as well.
    local += [
        datetime.fromisoformat(text) + timedelta(minutes=data.draw(st.integers(-900, 900))) for text in PLACES[zone]
    ]
    clock = np.array([to_microseconds(moment) for moment in local], np.int64)
    found = local_to_instants(clock, Zone(zone)).tolist()
    offsets = [moment.replace(tzinfo=clock_of(zone), fold=0).utcoffset() for moment in local]
    assert found == [
        to_microseconds(moment - offset) for moment, offset in zip(local, offsets, strict=True) if offset is not None
    ]


def test_a_skipped_day_is_read_on_the_clock_before_it() -> None:
    skipped = datetime(2011, 12, 30, 12)  # noqa: DTZ001
    assert ZoneInfo("Pacific/Apia").utcoffset(skipped) == timedelta(hours=-10)
    found = local_to_instants(np.array([to_microseconds(skipped)]), Zone("Pacific/Apia"))
    assert found.tolist() == [to_microseconds(skipped + timedelta(hours=10))]
