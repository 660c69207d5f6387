"""Dimensions of a grain as few digits of a key: what determines another takes its place.

Of adjacent dimensions of which the last determines the others, such as `proxy/mvpd`, the last alone tells rows apart,
once its members are numbered in the order of them all. A dimension behind one that determines it tells nothing new.
Keys are shorter by that, and so are faster to build, to sort and to take apart, and no order changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from wolap.engine.explode import ListDigit
from wolap.engine.keys import CodeDigit
from wolap.engine.members import Codes
from wolap.engine.source import MemorySource

__all__ = ["Chain", "chains_of", "digit_of", "tables_of"]


@dataclass(slots=True)
class Chain:
    """Dimensions that the member of one of them, `finest`, tells: those before it, and some that stand behind it."""

    before: list[str]
    finest: str
    behind: list[str] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.before, self.finest, *self.behind)


def chains_of(dimensions: Sequence[str], source: MemorySource) -> list[Chain]:
    """The dimensions of a grain as chains, in the order of the grain."""
    parents = source.dictionaries.parents
    chains: list[Chain] = []
    for name in dimensions:
        telling = next((chain for chain in chains if (chain.finest, name) in parents), None)
        if telling is not None:
            telling.behind.append(name)
        elif chains and not chains[-1].behind and all((name, one) in parents for one in chains[-1].names):
            chains[-1] = Chain([*chains[-1].names], name)
        else:
            chains.append(Chain([], name))
    return chains


def tables_of(chain: Chain, source: MemorySource) -> dict[str, Codes]:
    """For each dimension of a chain the code that it has, by the number of the finest member in the order of the
    chain."""
    members, parents = source.dictionaries.members, source.dictionaries.parents
    size = members[chain.finest].cardinality
    # The last key is the first to sort by.
    order = np.lexsort([np.arange(size), *(parents[chain.finest, name] for name in reversed(chain.before))])
    tables: dict[str, np.ndarray] = {chain.finest: order}
    tables.update((name, parents[chain.finest, name][order]) for name in (*chain.before, *chain.behind))
    return {name: table.astype(members[name].codes_type) for name, table in tables.items()}


def digit_of(chain: Chain, source: MemorySource, order: Codes) -> CodeDigit | ListDigit:
    """The digit of a chain: of its finest dimension, whose members are numbered in this order."""
    digit = source.dimensions.digit_of(chain.finest)
    if isinstance(digit, ListDigit) or not chain.before:
        return digit
    ranks = np.empty(digit.size, np.min_scalar_type(digit.size))
    ranks[order] = np.arange(digit.size)
    return CodeDigit(digit.column, digit.size, ranks if digit.table is None else ranks[digit.table])
