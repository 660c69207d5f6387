"""Plausible streaming sessions, as many events of them as wanted: an Arrow table that fits the cube file `cmu-v2`.

A row is one event in the life of a session:

    started · seen running · another attempt refused beside it · completed, dismissed or killed

What a session is (its user, tenant, application, …) it is for life. It is seen running whenever it has lasted to the
next edge of the duration buckets: after a quarter of an hour, half an hour, …, a month. So a long session is active
in several intervals, with few rows; and the bucket that a completed session falls into is the number of edges that it
has lasted to. An attempt that is refused makes no session: it is an event of the one that stood in its way.

The two levels are counted over a user's events in the order of time, as running sums: sessions begun less sessions
ended are the sessions that run. What runs when the table ends has no end in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from wolap.apis.rhythm import Rhythm
from wolap.apis.world import PROFILES, accounts_of_profiles, dictionary_array, world

__all__ = ["BUCKETS", "usage_events"]

# Each bucket with the minutes at which it ends, which are in the next one.
_EDGES = {
    "duration_0-15": 15,
    "duration_15-30": 30,
    "duration_30-60": 60,
    "duration_60-120": 120,
    "duration_2h-4h": 240,
    "duration_4h-8h": 480,
    "duration_8h-16h": 960,
    "duration_16h-1d": 1440,
    "duration_1d-3d": 3 * 1440,
    "duration_3d-7d": 7 * 1440,
    "duration_1w-1m": 30 * 1440,
}
BUCKETS = (*_EDGES, "duration_over-1m")
_EDGE_SECONDS = np.array(list(_EDGES.values())) * 60
_DAY = 86400

_STARTED, _RUNNING, _REFUSED, _COMPLETED, _DISMISSED, _KILLED = range(6)
_METRICS = {
    "started-sessions": _STARTED,
    "completed-sessions": _COMPLETED,
    "failed-attempts": _REFUSED,
    "dismissed-sessions": _DISMISSED,
    "killed-sessions": _KILLED,
}
# How often a tenant's rules refuse an attempt, have the viewer dismiss a session, kill one: lax, asking, strict.
_RULES = np.array([(0.02, 0.01, 0.005), (0.05, 0.06, 0.01), (0.10, 0.01, 0.05)])

_USUAL_MINUTES, _SPREAD = 38, 1.3  # of a session: half are shorter
_FORGOTTEN = 0.015  # sessions that nobody ends, and how many minutes they may last
_FORGOTTEN_MINUTES = (120, 60 * 1440)
_SESSIONS_OF_USER = 20
_USER_BITS = 22  # of a user's number within its provider, so that no table gives it to another one

Numbers = NDArray[np.int64]
_DIMENSIONS = ("tenant", "mvpd", "platform", "application-id", "application", "channel")


@dataclass(frozen=True, slots=True)
class _Sessions:
    """One of each for every session; `events` says, in the order of sessions, which events there are of them."""

    profile: Numbers
    user: Numbers
    bucket: Numbers
    events: _Events


@dataclass(frozen=True, slots=True)
class _Events:
    """One of each for every event. `session` is a position among the sessions."""

    session: Numbers
    kind: NDArray[np.int8]
    time: Numbers


def usage_events(random: np.random.Generator, rows: int, rhythm: Rhythm) -> pa.Table:
    """Events sorted by time.

    Columns: `time` in UTC without a zone, the dimensions, the numbers of `user` and `session`, and for each summed
    metric whether the event is one of these.
    """
    users = max(rows // (3 * _SESSIONS_OF_USER), 1)
    drawn: list[_Sessions] = []
    found = 0
    while found < rows:
        drawn.append(_draw(random, max((rows - found) // 3, 64), users, rhythm))
        found += len(drawn[-1].events.time)
    sizes = np.array([len(part.profile) for part in drawn], np.int64)
    parts = list(zip((np.cumsum(sizes) - sizes).tolist(), drawn, strict=True))
    time, order = _rising(_joined([part.events.time for part in drawn])[:rows])
    session = _joined([part.events.session + first for first, part in parts])[:rows][order]
    kind = _joined([part.events.kind for part in drawn])[:rows][order]
    user = _joined([part.user for part in drawn])[session]
    running, begun = _levels(user, kind, time)
    names = random.integers(1 << 31) << 32  # sessions of two tables should have nothing in common
    arrays: dict[str, Any] = {"time": pa.array(time).cast(pa.timestamp("s"))}
    people = world()
    profile = _joined([part.profile for part in drawn])[session]
    for name in _DIMENSIONS:
        attribute = people.attributes[name]
        arrays[name] = dictionary_array(attribute.codes[profile], attribute.members)
    arrays |= {"concurrency-level": pa.array(running), "activity-level": pa.array(begun)}
    arrays |= {"user": pa.array(user.astype(np.uint32)), "session": pa.array(names + session)}
    arrays |= {name: pa.array((kind == wanted).view(np.int8)) for name, wanted in _METRICS.items()}
    bucket = np.where(kind == _COMPLETED, _joined([part.bucket for part in drawn])[session], -1).astype(np.int8)
    arrays |= {name: pa.array((bucket == number).view(np.int8)) for number, name in enumerate(BUCKETS)}
    return pa.table(arrays)


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _draw(random: np.random.Generator, count: int, users: int, rhythm: Rhythm) -> _Sessions:
    """That many sessions, begun at any time, with all their events before the end."""
    people = world()
    # Squaring makes some profiles and some users many times as active as others.
    profile = (np.square(random.random(count)) * PROFILES).astype(np.int64)
    _, sizes = accounts_of_profiles(people, users)
    number = (np.square(random.random(count)) * sizes[profile]).astype(np.int64)
    user = people.provider[profile] << _USER_BITS | number
    begin = rhythm.times(random, count)
    minutes = random.lognormal(np.log(_USUAL_MINUTES), _SPREAD, count)
    shortest, longest = np.log(_FORGOTTEN_MINUTES)
    forgotten = random.random(count) < _FORGOTTEN
    minutes[forgotten] = np.exp(random.uniform(shortest, longest, int(forgotten.sum())))
    duration = np.maximum(minutes * 60, 1).astype(np.int64)
    bucket = np.searchsorted(_EDGE_SECONDS, duration, side="right")
    refuse, dismiss, kill = _RULES[people.attributes["tenant"].codes[profile] % len(_RULES)].T
    chance = random.random(count)
    ending = np.where(chance < kill, _KILLED, np.where(chance < kill + dismiss, _DISMISSED, _COMPLETED))
    refused = random.random(count) < refuse
    # A session's events: its start, an event for each edge, its end, and the attempt that was refused beside it.
    counts = 2 + bucket + refused
    session = np.repeat(np.arange(count), counts)
    step = np.arange(len(session)) - np.repeat(np.cumsum(counts) - counts, counts)
    last = bucket[session] + 1
    kind = np.where(step == 0, _STARTED, _RUNNING)
    kind = np.where(step == last, ending[session], np.where(step > last, _REFUSED, kind)).astype(np.int8)
    after = np.where(step == 0, 0, _EDGE_SECONDS[np.clip(step - 1, 0, len(_EDGE_SECONDS) - 1)])
    after = np.where(step == last, duration[session], after)
    beside = np.flatnonzero(step > last)
    after[beside] = random.random(len(beside)) * duration[session[beside]]
    time = begin[session] + after
    seen = time < rhythm.until
    return _Sessions(profile, user, bucket, _Events(session[seen], kind[seen], time[seen]))


def _rising(values: Numbers) -> tuple[Numbers, NDArray[np.intp]]:
    """Values within 2³¹ of each other sorted, equal ones in the order they had, and where each was."""
    low = values.min(initial=np.iinfo(np.int64).max)
    words = (values - low) << 32 | np.arange(len(values))  # one sort of both in one word
    words.sort()
    return (words >> 32) + low, words & 0xFFFF_FFFF


def _levels(user: Numbers, kind: NDArray[np.int8], time: Numbers) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """For each event how many sessions of its user run, and how many there have been on that day so far."""
    by_user, order = _rising(user)
    day = time[order] // _DAY
    begins = kind[order] == _STARTED
    begun = np.cumsum(begins)
    ended = np.cumsum(kind[order] >= _COMPLETED)
    ended[1:] = ended[:-1].copy()  # who ends still runs at that event
    ended[:1] = 0
    running = begun - ended
    new_user = np.diff(by_user, prepend=-1) != 0
    running -= _since(new_user, running - begins)
    new_day = new_user | (np.diff(day, prepend=-1) != 0)
    # Those that ran before the day's first event are among those of the day.
    of_day = begun - _since(new_day, begun - begins - (running - begins))
    concurrency, activity = np.empty(len(user), np.int16), np.empty(len(user), np.int16)
    concurrency[order], activity[order] = running, of_day
    return concurrency, activity


def _since(first: NDArray[np.bool_], values: Numbers) -> Numbers:
    """At each position the value at the last first one."""
    starts = np.flatnonzero(first)
    return np.repeat(values[starts], np.diff(starts, append=len(values)))
