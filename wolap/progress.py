"""How far a long operation is: what it has made, and which share of its work is done.

Nobody here has a clock. Who shows it has one, and what is left takes as long as what is done did, in proportion. The
work of a step is the rows that it reads. Steps come with the finer ones first, so those to come are taken to be as
large as the present one: that is too much rather than too little, and less so with each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wolap.model.projection import Projection

__all__ = ["Progress", "Tally", "Told"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an operation is: `done` of `total` steps, of which `projection` (or the facts) is the present one, or the
    last that is done; it is made from `source`. `rows` and `bytes` are those that all steps have made so far; `share`,
    from 0 to 1, is how much of the work is done, as far as that can be told."""

    projection: Projection
    done: int
    total: int
    source: Projection
    rows: int = 0
    bytes: int = 0
    share: float = 1.0


# Who is told.
Told = Callable[[Progress], None]


class Tally:
    """Adds up what the steps of an operation make, and tells it. `work` is that of all steps, where that is known: the
    rows that they make."""

    def __init__(self, tell: Told | None, total: int, work: int | None = None) -> None:
        self.tell, self.total, self.work = tell, total, work
        self.done = self.rows = self.bytes = 0
        self._worked = self._weight = self._rows_before = 0
        self._made: tuple[Projection, Projection] | None = None

    def begin(self, projection: Projection, source: Projection, work: int) -> None:
        """The next step begins, which has so much work."""
        self._made, self._weight, self._rows_before = (projection, source), work, self.rows

    def add(self, rows: int, size: int, share: float | None = None) -> None:
        """The present step has made rows of so many bytes more, and a share of it is done, where that is known."""
        self.rows += rows
        self.bytes += size
        if share is None:
            share = (self.rows - self._rows_before) / self._weight if self.work and self._weight else 0
        self._say(share)

    def end(self, projection: Projection, source: Projection) -> None:
        """The present step is done, and has made a projection from this source."""
        self._made = projection, source
        self._worked += self._weight
        self.done += 1
        self._say(0)

    def _say(self, share: float) -> None:
        if self.tell is None or self._made is None:
            return
        projection, source = self._made
        work = self.work
        if work is None:
            work = self._worked + self._weight * (self.total - self.done)
        is_done = self.done == self.total or work == 0
        part = 1.0 if is_done else min((self._worked + share * self._weight) / work, 1.0)
        self.tell(Progress(projection, self.done, self.total, source, self.rows, self.bytes, part))
