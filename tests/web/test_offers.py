"""Links are planned once per version, caller and default interval, and are those that planning afresh would offer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_cubes import NOW, cube

from wolap import Caps, Principal
from wolap.language.reader import Location, Target, read_query
from wolap.web.endpoint import Endpoint, Request
from wolap.web.offers import Offers

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
