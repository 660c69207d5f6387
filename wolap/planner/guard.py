"""What a query may cost, said before it runs (`planner.md` rule 17): the number, the cap, and a query that would pass.

The query that would pass is looked for among shorter paths and later starts, and is named only after it has been
planned: a hint that leads to the next refusal is worth nothing. Refusals are rare, so looking is not on the way of
those that pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from wolap.model.interval import Moment, moment_text
from wolap.model.principal import Caps
from wolap.model.projection import Projection
from wolap.model.query import Query
from wolap.model.tree import path_text
from wolap.planner.cost import Part
from wolap.planner.estimate import Estimate
from wolap.planner.memory import memory_of
from wolap.planner.needs import Needs
from wolap.planner.plan import Reason

__all__ = ["over", "too_expensive_text", "too_many_groups_text"]

Passes = Callable[[Query], bool]


def over(parts: Sequence[Part], size: Estimate, needs: Needs, caps: Caps) -> Reason | None:
    """The cap that answering a report of this size from these parts would break, if any."""
    if caps.facts is None and caps.memory is None:
        return None
    name = " and ".join(part.projection.name for part in parts)
    if caps.facts is not None:
        scanned = sum(_facts_of(part, needs) for part in parts)
        if scanned > caps.facts:
            text = f"{scanned:,} facts to scan, the cap is {caps.facts:,}"
            return Reason("over_scan_cap", name, text, "a shorter interval")
    if caps.memory is not None and (memory := memory_of(parts, needs, size)) > caps.memory:
        text = f"{memory:,} bytes of memory, the cap is {caps.memory:,}"
        return Reason("over_memory", name, text, "a shorter interval, or fewer dimensions")
    return None


def _facts_of(part: Part, needs: Needs) -> int:
    """The facts that a part reads, each once."""
    statistics = part.projection.statistics if part.projection.is_facts else None
    return 0 if statistics is None else statistics.rows_in(part.interval.intersect(needs.asked))


def too_many_groups_text(groups: int, cap: int, needs: Needs, passes: Passes) -> str:
    """The refusal of a report with too many groups."""
    asked = path_text(needs.query.group) or "the totals"
    text = f"{asked} may have up to {groups:,} records before its limit, and {cap:,} are allowed"
    return text + _hint(needs.query, passes, (_shorter_paths(needs.query),))


def too_expensive_text(
    reasons: Sequence[Reason], projections: Sequence[Projection], needs: Needs, passes: Passes
) -> str:
    """The refusal of a report that could be answered, were it not for the caps."""
    asked = path_text(needs.query.group) or "the totals"
    said = "; ".join(f"{reason.subject}: {reason.text}" for reason in reasons)
    later = _later_starts(needs, projections, passes)
    return f"{asked} would cost too much: {said}" + _hint(needs.query, passes, (later, _shorter_paths(needs.query)))


def _hint(query: Query, passes: Passes, ways: Iterable[Iterable[tuple[str, Query]]]) -> str:
    for way in ways:
        for name, nearer in way:
            if passes(nearer):
                return f"; {name} would pass"
    return "; no shorter path and no later start would pass"


def _shorter_paths(query: Query) -> Iterable[tuple[str, Query]]:
    for length in range(len(query.group) - 1, -1, -1):
        shorter = query.group[:length]
        yield path_text(shorter) or "the totals", query.along(shorter)


def _later_starts(needs: Needs, projections: Sequence[Projection], passes: Passes) -> Iterable[tuple[str, Query]]:
    """The earliest start of a partition that passes: the later a start, the fewer the rows, so it is found by
    halving."""
    starts = sorted(
        {
            start
            for projection in projections
            if projection.statistics is not None
            for start in projection.statistics.starts
            if needs.asked.start < start < needs.asked.end
        }
    )
    low, high = 0, len(starts)
    while low < high:
        middle = (low + high) // 2
        if passes(_from(needs.query, starts[middle])):
            high = middle
        else:
            low = middle + 1
    if low < len(starts):
        yield f"start={moment_text(starts[low], needs.schema.zone)}", _from(needs.query, starts[low])


def _from(query: Query, start: int) -> Query:
    return query.between(Moment.at(start), query.end)
