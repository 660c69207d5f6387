"""Plausible entitlement events, as many as wanted: an Arrow table that fits a packaged cube file of ESM.

    world    ->  profile of each row  ->  dimensions that follow from it
    rhythm   ->  time of each row     ->  day
    profile  ->  kind of event        ->  reason, kind of decision, counts, latency
    provider ->  account  -> session

Everything is drawn in blocks of rows that fit a processor's cache, from a few random bits a row, into columns that
are allocated once; a member is a code until the dictionary is put beside the codes at the end. The versions of ESM
differ in the dimensions that are asked for: one seed gives them all the same events.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from wolap.apis.rhythm import Rhythm
from wolap.apis.world import PROFILES, World, accounts_of_profiles, dictionary_array, world

__all__ = ["METRICS", "entitlement_events"]

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
_DECISIONS = ("provider", "cache", "preflight")
_DECISION_SHARES = (0.55, 0.3, 0.15)
_AUTHN = np.array([name.startswith("authn") for name in _NAMES])
_AUTHZ = np.array([name.startswith("authz") for name in _NAMES])

Column = NDArray[Any]


def entitlement_events(random: np.random.Generator, rows: int, rhythm: Rhythm, dimensions: Sequence[str]) -> pa.Table:
    """Events sorted by time.

    Columns: `time` in UTC without a zone, the dimensions, the summed metrics, and the numbers of `account` and
    `session` that the unique counts are taken of.
    """
    times = rhythm.sorted_times(random, rows)
    people = world()
    days = (rhythm.until - rhythm.start) // 86400
    dictionaries = {name: attribute.members for name, attribute in people.attributes.items()}
    dictionaries |= {"dc": _DATA_CENTERS, "event": _NAMES, "reason": _REASONS, "decision-type": _DECISIONS}
    columns: dict[str, Column] = {
        name: np.empty(rows, np.int8 if len(dictionaries[name]) < 128 else np.int16) for name in dimensions
    }
    columns |= {name: np.empty(rows, np.int32) for name in METRICS}
    columns |= {name: np.empty(rows, np.uint32) for name in ("account", "session")}
    tables = _Tables(people, dimensions, accounts=max(rows // 8, 1), days=days)
    for first in range(0, rows, _BLOCK):
        block = {name: column[first : first + _BLOCK] for name, column in columns.items()}
        size = len(block["account"])
        bits = np.frombuffer(random.bytes(size * _BITS.itemsize), _BITS)
        day = (times[first : first + size] - rhythm.start) // 86400
        _fill(block, bits, day, tables)
    arrays: list[Any] = [pa.array(times).cast(pa.timestamp("s"))]
    arrays += [dictionary_array(columns.pop(name), dictionaries[name]) for name in dimensions]
    arrays += [pa.array(column) for column in columns.values()]
    return pa.table(arrays, names=["time", *dimensions, *columns])


class _Tables:
    """What a block looks up by code: each is small enough to stay in a cache."""

    def __init__(self, people: World, dimensions: Sequence[str], *, accounts: int, days: int) -> None:
        self.attributes = {name: people.attributes[name].codes for name in dimensions if name in people.attributes}
        self.kind = (people.clientless * len(_FAILING) + people.quality) << 10
        self.event = np.concatenate(
            [_spread(_shares(clientless, failing), 1 << 10) for clientless in (False, True) for failing in _FAILING]
        )
        self.reason = np.concatenate([_reasons(event[3]) for event in _EVENTS])
        homes = [np.roll([0.94, 0.04, 0.02], home) for home in range(len(_DATA_CENTERS))]
        self.dc = np.concatenate([_spread(home, 256) for home in homes])
        self.home = (people.provider % 5 % len(_DATA_CENTERS)) << 8
        self.decision = _spread(np.array(_DECISION_SHARES), 1 << 6)
        first, sizes = accounts_of_profiles(people, accounts)
        self.first_account, self.accounts = first.astype(np.float64), sizes.astype(np.float64)
        # The sessions of an account are a range of numbers, as far as 32 bits reach.
        self.sessions = max(min(-(-days // _SESSION_DAYS), 2**32 // int((first + sizes).max())), 1)
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
    # Signing in is for all channels: only watching asks for one, and only that is decided.
    for name in ("channel", "content-category"):
        if name in block:
            block[name][~is_authz] = -1
    if "decision-type" in block:
        block["decision-type"][:] = np.where(is_authz, tables.decision[bits["event"] >> 10], -1)
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
