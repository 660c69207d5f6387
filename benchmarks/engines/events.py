"""Synthetic events: 90 days at minute resolution, ten dimensions, two million accounts, three numbers to sum.

Members are as popular as words are: the weight of the n-th is 1 / n, in no order of their names. A random number of 16
bits is looked up in a table that holds each member as often as it weighs, so that twenty million events take some
seconds and are the same in each run. Events of a minute lie together, more by day than at night. By day, company, mvpd
and platform twenty million events fall into 3 to 4 million groups.
"""

from __future__ import annotations

from datetime import date
from functools import cache

import numpy as np
import pyarrow as pa

START = date(2024, 4, 2)
DAYS = 90
MINUTES = DAYS * 1440
DIMENSIONS = {
    "company": 40,
    "requestor": 120,
    "channel": 200,
    "mvpd": 250,
    "platform": 12,
    "dc": 3,
    "proxy": 30,
    "event": 8,
    "version": 500,
    "api": 6,
}
SUMS = ("attempts", "successes")
AMOUNT = "amount"
ACCOUNTS = 2_000_000
# What the one company of the questions has of all facts, about.
SHARE = 0.05
_BITS = 1 << 16
# Between two accounts, so that their numbers are no codes yet.
_GAP, _FIRST = 7919, 10**12


@cache
def members(dimension: str) -> tuple[str, ...]:
    """The members of a dimension in order."""
    return tuple(f"{dimension}-{number:03}" for number in range(DIMENSIONS[dimension]))


@cache
def shares(dimension: str) -> np.ndarray:
    """How often each member stands in the table of `_BITS` entries; at least once."""
    count = DIMENSIONS[dimension]
    weights = 1 / (np.arange(count) + 1)
    found = np.maximum((weights / weights.sum() * _BITS).astype(np.int64), 1)
    found[0] += _BITS - found.sum()
    return np.random.default_rng(count).permutation(found)


def company() -> str:
    """The member that questions of one company filter by."""
    return members("company")[int(np.abs(shares("company") / _BITS - SHARE).argmin())]


def code_type(count: int) -> type[np.unsignedinteger]:
    """The smallest that holds codes of so many members."""
    return np.uint8 if count <= 1 << 8 else np.uint16 if count <= 1 << 16 else np.uint32


def make_facts(rows: int) -> pa.Table:
    """That many events in the order of time, dimensions as dictionaries."""
    random = np.random.default_rng(1)
    minutes = np.repeat(np.arange(MINUTES), random.multinomial(rows, _rhythm()))
    seconds = minutes * 60 + np.datetime64(START, "s").astype(np.int64)
    columns: dict[str, pa.Array] = {"time": pa.array(seconds).view(pa.timestamp("s"))}
    for name, count in DIMENSIONS.items():
        table = np.repeat(np.arange(count, dtype=code_type(count)), shares(name))
        columns[name] = as_dictionary(table[random.integers(0, _BITS, rows, dtype=np.uint16)], name)
    accounts = min(ACCOUNTS, max(rows // 10, 100))
    columns["account"] = pa.array(_FIRST + _GAP * random.integers(0, accounts, rows))
    attempts = random.integers(1, 1000, rows)
    columns["attempts"] = pa.array(attempts)
    columns["successes"] = pa.array(attempts * random.integers(0, 128, rows) >> 7)
    columns[AMOUNT] = pa.array(random.random(rows) * 100)
    return pa.table(columns)


def as_dictionary(codes: np.ndarray, dimension: str) -> pa.DictionaryArray:
    """Codes with the names of all members."""
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(members(dimension)))


def codes_of(table: pa.Table, name: str) -> np.ndarray:
    """The codes of a dimension that lies in one chunk."""
    return np.asarray(table[name].combine_chunks().indices)


def account_codes(table: pa.Table) -> np.ndarray:
    """What a dictionary of accounts would give: dense, and smaller than the numbers. Free for peers that want it."""
    return ((np.asarray(table["account"]) - _FIRST) // _GAP).astype(np.uint32)


def bucket_codes(table: pa.Table) -> dict[str, np.ndarray]:
    """Days, hours and minutes since the first, of facts; of a pre-aggregation, which has days already, those."""
    if "day" in table.column_names:
        return {"day": np.asarray(table["day"])}
    seconds = np.asarray(table["time"].cast(pa.int64())) - np.datetime64(START, "s").astype(np.int64)
    return {
        "day": (seconds // 86_400).astype(np.uint8),
        "hour": (seconds // 3600).astype(np.uint16),
        "minute": (seconds // 60).astype(np.uint32),
    }


def _rhythm() -> np.ndarray:
    """How likely each minute is: twice as many events in the evening as at night, and more on weekends."""
    minute = np.arange(MINUTES)
    clock = 1.5 - 0.5 * np.cos((minute % 1440 - 240) / 1440 * 2 * np.pi)
    weights = clock * np.where((minute // 1440 + START.weekday()) % 7 >= 5, 1.3, 1.0)
    return weights / weights.sum()
