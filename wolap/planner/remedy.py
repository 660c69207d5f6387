"""The smallest change that would take a reason away (`planner.md` rule 19), where it takes more than a name to say.

A remedy can be followed: what it says to store can be declared, what it says to ask can be asked. Where nothing that
could be stored would do, it says how to ask instead; where not even that is possible, there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wolap.model.level import IDENTIFYING, LEVELS
from wolap.model.projection import Projection
from wolap.model.tree import path_text

if TYPE_CHECKING:
    from wolap.planner.needs import Needs

__all__ = ["exact_grain", "finer_buckets"]


def finer_buckets(projection: Projection, needs: Needs, level: str) -> str:
    """Buckets of `level` are wanted: by its name where that is a dimension, else by those that it is the finest of."""
    if level in needs.schema.levels:
        return f"store {level} in {projection.name}"
    return f"store {' and '.join(sorted(needs.levels, key=LEVELS.index))} in {projection.name}"


def exact_grain(needs: Needs) -> str:
    """What cannot merge is wanted: a projection of just the grain of the report and what its filters pin.

    A filter that leaves several members merges them, and parts of the calendar that name no bucket merge buckets: then
    no projection has the number, and the report has to be finer.
    """
    grouped = needs.schema.closure(needs.dimensions)
    loose = sorted(needs.filtered - grouped - needs.pinned)
    if needs.level is not None and not IDENTIFYING.get(needs.level, frozenset({""})) <= needs.levels:
        missing = IDENTIFYING.get(needs.level, frozenset()) - needs.levels
        if not missing <= needs.schema.levels or not missing:
            return ""
        return f"group by {' and '.join(sorted(missing, key=LEVELS.index, reverse=True))} too"
    if loose:
        return f"group by {' and '.join(loose)} too, or filter by one member"
    pinned = sorted(needs.filtered & needs.pinned - grouped)
    return f"a projection {path_text((*needs.query.group, *pinned)) or 'totals'}"
