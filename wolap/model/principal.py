"""Who asks: part of every request, even while everybody is the same one."""

from __future__ import annotations

from dataclasses import dataclass

from wolap.model.query import Filter

__all__ = ["EVERYONE", "Caps", "Principal"]


@dataclass(frozen=True, slots=True)
class Caps:
    """What a query may cost. None is no cap.

    `groups` output groups before the limit; `facts` rows of the facts to scan; `memory` bytes while running.
    """

    groups: int | None = None
    facts: int | None = None
    memory: int | None = None

    def stricter(self, other: Caps) -> Caps:
        """The lower cap of both, one by one."""
        if other.groups is None and other.facts is None and other.memory is None:
            return self
        return Caps(
            _least(self.groups, other.groups),
            _least(self.facts, other.facts),
            _least(self.memory, other.memory),
        )


def _least(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else min(one, other)


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller: which trees there are, what is filtered before anything is planned, what it may cost.

    `filters` are the implied filters of `planner.md` rule 2: they are ANDed to whatever is asked. `may_explain` tells
    whether answers say what they came from (W52).
    """

    audience: str | None = None
    filters: tuple[Filter, ...] = ()
    caps: Caps = Caps()
    may_explain: bool = True


EVERYONE = Principal()
