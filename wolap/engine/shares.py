"""How the facts of a cube fall on the members of its dimensions: counted once, and then kept up with each change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from wolap.engine.collection import take
from wolap.engine.gather import Chosen
from wolap.engine.lists import codes_in
from wolap.engine.members import Codes, Members
from wolap.model.projection import Shares

__all__ = ["Counts", "counted", "counts_of", "shares_of"]

# Members whose share of the rows is told; the rest have one for all.
_SHARES_TOLD = 1024
_BLOCK = 1 << 20

# For each dimension how many rows have each code; those of codes behind the last are none.
Counts = Mapping[str, np.ndarray]


def counts_of(parts: Iterable[Chosen], members: Mapping[str, Members]) -> Counts:
    """The counts of some rows of facts."""
    found = {name: np.zeros(one.cardinality, np.int64) for name, one in members.items()}
    for part in parts:
        for name, one in members.items():
            for codes in _codes_of(part, name):
                found[name] += np.bincount(codes, minlength=one.cardinality)
    return found


def _codes_of(part: Chosen, name: str) -> Iterable[Codes]:
    """The codes of a dimension in blocks."""
    if name in part.layout.lists:
        column = part.layout.lists[name]
        codes = codes_in(take(column, part.places()))
    else:
        codes = part.of(part.layout.codes[name])
    for start in range(0, len(codes), _BLOCK):
        yield codes[start : start + _BLOCK]


def counted(before: Counts, gone: Counts, come: Counts) -> Counts:
    """The counts after some rows have gone and others have come."""
    found = {}
    for name, counts in come.items():
        found[name] = counts - gone[name]
        found[name][: len(before[name])] += before[name]
    return found


def shares_of(members: Members, counts: np.ndarray, rows: int) -> Shares:
    """How `rows` rows fall on members, of which so many have each code: those that most have are told one by one."""
    rows = max(rows, 1)
    # What was forgotten has no rows, and no name.
    live = np.flatnonzero(members.is_live)
    order = live[np.argsort(-counts[live], kind="stable")]
    told, others = order[:_SHARES_TOLD], counts[order[_SHARES_TOLD:]]
    told_shares = dict(zip(members.decode(told).to_pylist(), (counts[told] / rows).tolist(), strict=True))
    mean, most = (float(others.mean() / rows), float(others[0] / rows)) if len(others) else (0.0, 0.0)
    return Shares(told_shares, mean, most, int(counts.sum()) / rows)
