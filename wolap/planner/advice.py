"""Advice is a value that says what to store, and why: what it takes, what it saves, what each query costs then.

Costs are those of plans, in nanoseconds as the model has them; rows and bytes of what is not built are estimates.
`str(advice)` is a table for people, within 80 columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap

from wolap.model.projection import Projection
from wolap.model.query import Query

__all__ = ["Advice", "Answered", "Choice"]

_NAME_WIDTH = 42
_DEAREST_SHOWN = 5
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Choice:
    """A projection to store, with its statistics; what it saves of the cost of the workload beyond those before it."""

    projection: Projection
    saved: float

    @property
    def rows(self) -> int:
        """Its rows, as estimated."""
        assert self.projection.statistics is not None
        return self.projection.statistics.rows

    @property
    def bytes(self) -> int:
        """Its bytes in memory, as estimated."""
        assert self.projection.statistics is not None
        return self.projection.statistics.bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """A query of the workload: how often it is asked, and about how many records it has; what it costs, and which
    projections answer it, before and after what is advised is stored. None answers what a strict cube refuses, or
    widens (W19), which costs what the facts would."""

    query: Query
    weight: float
    groups: int
    before: float
    by_before: tuple[str, ...]
    after: float
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Advice:
    """What to store within a budget of bytes, the most profitable byte first.

    `answered` has every query of the workload, the most frequent first. `considered` is the number of candidates;
    `left_out` the share of the workload that was too rare to be looked at.
    """

    budget: int
    choices: tuple[Choice, ...]
    answered: tuple[Answered, ...]
    considered: int = 0
    left_out: float = 0.0

    @property
    def projections(self) -> tuple[Projection, ...]:
        """What to store: `cube.materialize(*advice.projections)`."""
        return tuple(choice.projection for choice in self.choices)

    @property
    def bytes(self) -> int:
        """Bytes of all that is advised, as estimated."""
        return sum(choice.bytes for choice in self.choices)

    @property
    def before(self) -> float:
        """What the workload costs as it is: of each query its cost times its weight."""
        return sum(one.before * one.weight for one in self.answered)

    @property
    def after(self) -> float:
        """What it costs once all that is advised is stored."""
        return sum(one.after * one.weight for one in self.answered)

    def __str__(self) -> str:
        lines = []
        if self.choices:
            lines += [f"{'to store':<{_NAME_WIDTH}} {'rows':>13} {'MiB':>8} {'serves':>6} {'saves':>6}"]
            lines += [line for choice in self.choices for line in self._choice_lines(choice)]
        lines += [*self._totals(), *self._dearest()]
        return "\n".join(lines)

    def _choice_lines(self, choice: Choice) -> list[str]:
        first, *more = _folded(choice.projection.name)
        served = sum(choice.projection.name in one.by for one in self.answered)
        saved = choice.saved / self.before if self.before else 0.0
        numbers = f"{choice.rows:>13,} {choice.bytes / _MIB:>8,.2f} {served:>6,} {saved:>6.1%}"
        return [f"{first:<{_NAME_WIDTH}} {numbers}", *(f"  {line}" for line in more)]

    def _totals(self) -> list[str]:
        weight = sum(one.weight for one in self.answered)
        before, after = (_time(total / weight) for total in (self.before, self.after))
        times = f": {self.before / self.after:,.1f} times less" if self.after and self.choices else ""
        plural = "" if len(self.choices) == 1 else "s"
        taken = f"{self.bytes / _MIB:,.2f} MiB of {self.budget / _MIB:,.2f}"
        lines = [
            f"{len(self.choices)} projection{plural} of {self.considered:,} candidates, {taken}",
            f"a query costs {before} on average now, {after} then{times}",
        ]
        if self.left_out:
            lines.append(f"not looked at: the rarest queries, {self.left_out:.1%} of all")
        if refused := sum(not one.by for one in self.answered):
            lines.append(f"{refused:,} of {len(self.answered):,} queries still have no exact answer")
        return lines

    def _dearest(self) -> list[str]:
        """What weighs most of what is left."""
        left = sorted(self.answered, key=lambda one: -one.after * one.weight)[:_DEAREST_SHOWN]
        lines = [f"{'what costs most then':<{_NAME_WIDTH}} {'before':>13} {'after':>11}  {'share':>7}"]
        for one in left:
            first, *more = _folded("/".join(one.query.group) or "totals")
            share = one.after * one.weight / self.after if self.after else 0.0
            costs = f"{_time(one.before):>13} {_time(one.after):>11}  {share:>7.1%}"
            lines += [f"{first:<{_NAME_WIDTH}} {costs}", *(f"  {line}" for line in more)]
        return lines


def _time(nanoseconds: float) -> str:
    milliseconds = nanoseconds / 1e6
    return f"{milliseconds:,.0f} ms" if milliseconds >= 100 else f"{milliseconds:,.3g} ms"


def _folded(name: str) -> list[str]:
    """A name in lines that fit its column, cut behind slashes where it has any."""
    return [line.replace(" ", "") for line in wrap(name.replace("/", "/ "), _NAME_WIDTH - 2)] or [name]
