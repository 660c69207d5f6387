"""Plausible entitlement events, as many as wanted: an Arrow table that fits the packaged cube file `esm-v3`.

    world    ->  profile of each row  ->  dimensions that follow from it
    rhythm   ->  time of each row     ->  day
    profile  ->  kind of event        ->  reason, counts, latency
    provider ->  account  -> session

Everything is drawn in blocks of rows that fit a processor's cache, from a few random bits a row, into columns that
are allocated once; a member is a code until the dictionary is put beside the codes at the end. The times are the
points of a Poisson process under the rhythm's rate, which come sorted: exponential gaps, summed and mapped through
the inverse of the rate's integral (Devroye, "Non-Uniform Random Variate Generation", 1986, VI.1.3).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from wolap.apis.brands import PROVIDERS
from wolap.apis.world import PROFILES, World, world

__all__ = ["DIMENSIONS", "METRICS", "esm_events"]

DIMENSIONS = (
    "dc", "media-company", "proxy", "mvpd", "requestor-id", "platform", "nsdk", "nsdk-version", "sso-type", "cdt",
    "platform-version", "eap", "application-name", "application-version", "channel", "application-software-id",
    "customer-app", "api", "event", "reason", "arch",
)  # fmt: skip
METRICS = (
    "authn-attempts", "authn-successful", "authn-pending", "authn-failed", "clientless-tokens", "clientless-failures",
    "authz-attempts", "authz-successful", "authz-failed", "authz-rejected", "authz-latency", "media-tokens", "count",
)  # fmt: skip

_BLOCK = 1 << 17
_BITS = np.dtype(  # what is random about a row, 16 bytes
    [
        ("profile", "u4"),
        ("account", "u4"),
        ("event", "u2"),
        ("dc", "u1"),
        ("reason", "u1"),
        ("size", "u1"),
        ("more", "u1"),
        ("latency", "u1"),
        ("lost", "u1"),
    ]
)
_DATA_CENTERS = ("east-1", "east-2", "west-1")
_SESSION_DAYS = 10  # how long a sign-in lasts
_ZONE_HOURS = -8  # the zone of the cube: evening there is when viewers are awake

# An event, the share it has with and without an SDK, and what may be said about why.
_EVENTS: tuple[tuple[str, float, float, tuple[str, ...]], ...] = (
    ("authn-successful", 0.15, 0.09, ()),
    ("authn-pending", 0.05, 0.04, ()),
    ("authn-failed", 0.02, 0.015, ("provider-timeout", "invalid-credentials", "user-cancelled", "token-expired")),
    ("authz-successful", 0.69, 0.66, ()),
    ("authz-failed", 0.03, 0.03, ("provider-timeout", "network-error", "provider-unavailable", "malformed-response")),
    ("authz-rejected", 0.06, 0.055, ("not-subscribed", "parental-control", "geo-restriction", "concurrency-limit")),
    ("clientless-token", 0.0, 0.09, ()),
    ("clientless-failure", 0.0, 0.02, ("code-expired", "unknown-device", "code-already-used")),
)
_NAMES = tuple(event[0] for event in _EVENTS)
_REASONS = tuple(dict.fromkeys(reason for event in _EVENTS for reason in event[3]))
_FAILING = (1.0, 1.8, 4.0)  # how much more often the flows of a provider fail, by its quality
_AUTHN = np.array([name.startswith("authn") for name in _NAMES])
_AUTHZ = np.array([name.startswith("authz") for name in _NAMES])

Column = NDArray[Any]


def esm_events(rows: int, *, seed: int = 2024, end: datetime, days: int = 90) -> pa.Table:
    """Events of the `days` days before `end`, sorted by time; the same arguments give the same table.

    Columns: `time` in UTC without a zone, the 21 dimensions of programmers, the summed metrics, and the numbers of
    `account` and `session` that the unique counts are taken of. An `end` without a zone is UTC.
    """
    if rows < 0 or days < 1:
        raise ValueError(f"{rows} rows in {days} days: there are at least 0 rows in at least 1 day")
    random = np.random.Generator(np.random.SFC64(seed))
    moment = (end if end.tzinfo else end.replace(tzinfo=UTC)).astimezone(UTC)
    until = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    times = _times(random, rows, until, days)
    people = world()
    dictionaries = {name: attribute.members for name, attribute in people.attributes.items()}
    dictionaries |= {"dc": _DATA_CENTERS, "event": _NAMES, "reason": _REASONS}
    columns: dict[str, Column] = {
        name: np.empty(rows, np.int8 if len(dictionaries[name]) < 128 else np.int16) for name in DIMENSIONS
    }
    columns |= {name: np.empty(rows, np.int32) for name in METRICS}
    columns |= {name: np.empty(rows, np.uint32) for name in ("account", "session")}
    tables = _Tables(people, accounts=max(rows // 8, 1), days=days)
    for first in range(0, rows, _BLOCK):
        block = {name: column[first : first + _BLOCK] for name, column in columns.items()}
        size = len(block["account"])
        bits = np.frombuffer(random.bytes(size * _BITS.itemsize), _BITS)
        day = (times[first : first + size] - (until - days * 86400)) // 86400
        _fill(block, bits, day, tables)
    arrays: list[Any] = [pa.array(times).cast(pa.timestamp("s"))]
    arrays += [_dictionary_array(columns.pop(name), dictionaries[name]) for name in DIMENSIONS]
    arrays += [pa.array(column) for column in columns.values()]
    return pa.table(arrays, names=["time", *DIMENSIONS, *columns])


def _times(random: np.random.Generator, rows: int, until: int, days: int) -> NDArray[np.int64]:
    """Sorted seconds in [until - days, until), by the hour of the day, the day of the week and slow growth."""
    if not rows:
        return np.empty(0, np.int64)
    start = until - days * 86400
    hours = start // 3600 + np.arange(days * 24 + 1)
    local = hours + _ZONE_HOURS
    evening = 1 + 0.9 * np.cos((local % 24 - 20.5) / 24 * 2 * np.pi) + 0.5 * np.exp(-(((local % 24) - 20.5) ** 2) / 5)
    weekend = np.where((local // 24 + 3) % 7 >= 5, 1.35, 1.0)  # the epoch was a Thursday
    rate = evening * weekend * 1.0015 ** (np.arange(len(hours)) / 24)
    edges = np.concatenate([hours, [hours[-1] + 1]]) * 3600
    integral = np.concatenate([[0.0], np.cumsum(rate)])
    low, high = np.interp([start, until], edges, integral)
    points = random.standard_exponential(rows + 1)
    np.cumsum(points, out=points)
    points *= (high - low) / points[-1]
    points += low
    points = np.interp(points[:-1], integral, edges)
    times: NDArray[np.int64] = points.astype(np.int64)
    np.clip(times, start, until - 1, out=times)  # rounding at either end
    return times


class _Tables:
    """What a block looks up by code: each is small enough to stay in a cache."""

    def __init__(self, people: World, *, accounts: int, days: int) -> None:
        self.attributes = {name: attribute.codes for name, attribute in people.attributes.items()}
        self.kind = (people.clientless * len(_FAILING) + people.quality) << 10
        self.event = np.concatenate(
            [_spread(_shares(clientless, failing), 1 << 10) for clientless in (False, True) for failing in _FAILING]
        )
        self.reason = np.concatenate([_reasons(event[3]) for event in _EVENTS])
        homes = [np.roll([0.94, 0.04, 0.02], home) for home in range(len(_DATA_CENTERS))]
        self.dc = np.concatenate([_spread(home, 256) for home in homes])
        self.home = (people.provider % 5 % len(_DATA_CENTERS)) << 8
        # The accounts of a provider are a range of numbers, so that an account has one provider.
        popularity = np.bincount(people.provider, minlength=len(PROVIDERS))
        sizes = np.maximum(popularity * accounts // PROFILES, 1)
        self.first_account = (np.cumsum(sizes) - sizes)[people.provider].astype(np.float64)
        self.accounts = sizes[people.provider].astype(np.float64)
        # So are the sessions of an account, as far as 32 bits reach.
        self.sessions = max(min(-(-days // _SESSION_DAYS), 2**32 // int(sizes.sum())), 1)
        self.size = np.minimum(1 + np.floor(-np.log(1 - np.arange(256) / 256)), 6).astype(np.int32)
        spread = np.sort(np.random.default_rng(0).lognormal(5.3, 0.55, 256))
        self.latency = np.clip(spread, 50, 900).astype(np.int32)


def _shares(clientless: bool, failing: float) -> NDArray[np.float64]:
    """The share of each event; what has a reason is a failure."""
    weights = [(event[2] if clientless else event[1]) * (failing if event[3] else 1.0) for event in _EVENTS]
    shares: NDArray[np.float64] = np.array(weights) / sum(weights)
    return shares


def _spread(shares: NDArray[np.float64], count: int) -> NDArray[np.int8]:
    """A table of that many entries in which each position stands as often as its share says."""
    at = (np.arange(count) + 0.5) / count
    table: NDArray[np.int8] = np.searchsorted(np.cumsum(shares), at).clip(max=len(shares) - 1).astype(np.int8)
    return table


def _reasons(names: tuple[str, ...]) -> NDArray[np.int8]:
    if not names:
        return np.full(256, -1, np.int8)
    weights = 1.0 / np.arange(1, len(names) + 1)
    numbers = np.array([_REASONS.index(name) for name in names], np.int8)
    table: NDArray[np.int8] = numbers[_spread(weights / weights.sum(), 256)]
    return table


def _fill(block: dict[str, Column], bits: Column, day: NDArray[np.int64], tables: _Tables) -> None:
    """One block of every column."""
    # Squaring makes some profiles and some accounts many times as active as others.
    profile = (np.square(bits["profile"] * 2.0**-32) * PROFILES).astype(np.intp)
    for name, codes in tables.attributes.items():
        block[name][:] = codes[profile]
    event = tables.event[tables.kind[profile] + (bits["event"] & 1023)]
    block["event"][:] = event
    block["reason"][:] = tables.reason[(event.astype(np.intp) << 8) + bits["reason"]]
    block["dc"][:] = tables.dc[tables.home[profile] + bits["dc"]]
    is_authn, is_authz = _AUTHN[event], _AUTHZ[event]
    block["channel"][~is_authz] = -1  # signing in is for all channels, only watching asks for one
    account = tables.first_account[profile] + np.floor(np.square(bits["account"] * 2.0**-32) * tables.accounts[profile])
    block["account"][:] = account
    session = account.astype(np.int64) * tables.sessions + day // _SESSION_DAYS % tables.sessions
    block["session"][:] = session
    size = tables.size[bits["size"]]
    block["count"][:] = size
    attempts = size + (bits["more"] < 20)  # an attempt that nothing more is known of
    np.multiply(attempts, is_authn, out=block["authn-attempts"])
    np.multiply(attempts, is_authz, out=block["authz-attempts"])
    for name in (
        "authn-successful",
        "authn-pending",
        "authn-failed",
        "authz-successful",
        "authz-failed",
        "authz-rejected",
    ):
        np.multiply(size, event == _NAMES.index(name), out=block[name])
    np.multiply(size, event == _NAMES.index("clientless-token"), out=block["clientless-tokens"])
    np.multiply(size, event == _NAMES.index("clientless-failure"), out=block["clientless-failures"])
    np.multiply(block["authz-attempts"], tables.latency[bits["latency"]], out=block["authz-latency"])
    np.subtract(block["authz-successful"], bits["lost"] < 30, out=block["media-tokens"])
    np.maximum(block["media-tokens"], 0, out=block["media-tokens"])


def _dictionary_array(codes: Column, members: tuple[str, ...]) -> pa.DictionaryArray[Any, Any]:
    """Codes beside their members; below 0 is null."""
    empty = codes < 0
    indices: Any = pa.array(codes, mask=empty) if empty.any() else pa.array(codes)
    return pa.DictionaryArray.from_arrays(indices, pa.array(members, pa.string()))
