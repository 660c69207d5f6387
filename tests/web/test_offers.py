"""Links are planned once per version, caller and default interval, and are those that planning afresh would offer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_cubes import NOW, cube

from wolap import Caps, Filter, Principal
from wolap.language.reader import Location, Target, default_interval, read_query
from wolap.web import offers as web_offers
from wolap.web.endpoint import Endpoint, Request
from wolap.web.offers import Offers, Verdicts

CALLERS = (
    Principal(),
    Principal("staff"),
    Principal(caps=Caps(facts=2)),
    Principal(caps=Caps(groups=3)),
    Principal("staff", caps=Caps(memory=1)),
)


@pytest.fixture(scope="module", params=[False, True], ids=["facts", "strict"])
def sales(request):
    return cube("year/month/day/country", "country/city", "year/month", strict=request.param)


@given(st.sampled_from(CALLERS), st.lists(st.integers(-(10**8), 10**8), min_size=1, max_size=4))
def test_what_is_remembered_is_what_would_be_planned(sales, caller, seconds):
    """Whatever was asked before, at whatever time."""
    forest = sales.schema.forest(caller.audience)
    for later in seconds:
        offers = Offers(sales.snapshot, caller, NOW + timedelta(seconds=later))
        for path in forest.paths:
            location = Location(path, None)
            expected = offers.is_answerable(path) and offers._plan(Target((), ()), location) is not None
            assert offers.can_follow(path) == expected


def test_links_are_planned_once_for_a_version(sales, monkeypatch):
    endpoint, caller = Endpoint(sales), Principal(caps=Caps(groups=10_000))
    asked = []
    monkeypatch.setattr("wolap.web.offers.read_query", lambda *given: (asked.append(given), read_query(*given))[1])

    def links(now: datetime) -> bytes:
        response = endpoint.respond(Request("GET", "/sales/v1/country?limit=1", principal=caller), now)
        assert response.status == 200
        return response.body

    behind = datetime(2090, 1, 1, tzinfo=UTC)
    first = links(behind)
    planned = len(asked)
    assert planned
    assert [links(behind + timedelta(seconds=seconds)) for seconds in (1, 2)] == [first, first]
    assert len(asked) == planned
    sales.declare("kind")
    assert links(behind) == first
    assert len(asked) == 2 * planned


def can_follow_from(cube_of_sales, caller, days=range(1)):
    """What is asked of offers for requests of one caller, each of which makes the principal anew."""
    paths = cube_of_sales.schema.forest(None).paths
    for day in days:
        offers = Offers(cube_of_sales.snapshot, caller(), NOW - timedelta(days=day))
        assert [offers.can_follow(path) for path in paths]
    return cube_of_sales.snapshot.catalog.offers


def test_verdicts_hold_their_caller_once():
    sales = cube(caps=Caps(groups=10_000))
    members = Filter("city", frozenset(f"city {number}" for number in range(100)))
    kept = can_follow_from(sales, lambda: Principal(filters=(Filter("city", members.values),)), range(3))
    ((caller, verdicts),) = kept.items()
    assert caller == (None, (members,), Caps())
    assert len(verdicts.does) > len(sales.schema.forest(None).paths)
    assert members.values not in [part for key in verdicts.does for part in key]


def test_no_more_verdicts_are_kept_than_some(monkeypatch):
    monkeypatch.setattr(web_offers, "_MOST_CALLERS", 3)
    monkeypatch.setattr(web_offers, "_MOST_VERDICTS", 5)
    sales = cube(caps=Caps(groups=10_000))
    for groups in range(1, 8):
        kept = can_follow_from(sales, lambda groups=groups: Principal(caps=Caps(groups=groups)), range(4))
        assert 1 <= len(kept) <= 3
        assert all(1 <= len(verdicts.does) <= 5 for verdicts in kept.values())


def test_of_a_second_only_the_first_request_works_out_intervals(monkeypatch):
    """And of the next second the first again, whatever the caller before was told."""
    sales = cube(caps=Caps(groups=10_000))
    monkeypatch.setattr(
        "wolap.web.offers.default_interval", lambda *given: found.append(given) or default_interval(*given)
    )
    found = []
    paths = list(sales.schema.forest(None).paths)
    for caller in (Principal(), Principal("staff")):
        for milliseconds, times in ((0, 1), (999, 0), (1000, 1), (0, 1)):
            found.clear()
            offers = Offers(sales.snapshot, caller, NOW + timedelta(milliseconds=milliseconds))
            assert all(offers.can_follow(path) for path in paths)
            assert len(found) == times * len(paths)


def test_what_one_caller_is_offered_is_none_of_another():
    """In the same second, of the same version."""
    sales = cube("year/month", caps=Caps(groups=10_000))
    few, many = Principal(caps=Caps(groups=1)), Principal(caps=Caps(groups=9_999))
    for caller, expected in ((many, True), (few, False), (many, True), (few, False)):
        assert Offers(sales.snapshot, caller, NOW).can_follow(("country", "city")) is expected


class Forgetful(dict):
    """As if another thread took away at once whatever is kept."""

    def __setitem__(self, key, value):
        """Keeps nothing."""

    def setdefault(self, key, default=None):
        return Verdicts(Forgetful(), Forgetful())


def test_what_others_take_away_is_answered_all_the_same():
    sales = cube("country", caps=Caps(groups=10_000))
    vars(sales.snapshot.catalog)["offers"] = Forgetful()
    assert can_follow_from(sales, Principal) == {}
