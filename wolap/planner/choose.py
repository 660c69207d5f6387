"""From a query to a plan: look at the candidates, take the cheapest that is right.

`plan_query` is a pure function of the catalog, the query and the caller. It settles the query, ANDs what the caller's
implied filters say before anything else is looked at (`planner.md` rule 2), fixes the metrics from the declarations
(W21), asks the rules of every candidate, and compares costs. What none can answer exactly is widened to what is
stored only where there are no facts to ask (W19). Guards speak before anything runs, with the number, the cap and a
query that would pass.
"""

from __future__ import annotations

from wolap.errors import NoAnswer, TooExpensive
from wolap.model.interval import Interval, Moment, moment_text
from wolap.model.level import INSTANT, LEVELS
from wolap.model.principal import EVERYONE, Caps, Principal
from wolap.model.projection import Catalog, Projection
from wolap.model.query import Query, settle
from wolap.model.tree import Path, path_text
from wolap.planner.cost import cost_of, group_estimate, memory_of, width_of
from wolap.planner.eligibility import Needs, is_eligible, needs_of, offers, reasons
from wolap.planner.plan import Candidate, Cost, Piece, Plan, Reason

__all__ = ["default_metrics", "is_answerable", "plan_query"]

_COARSENESS = {level: rank for rank, level in enumerate((INSTANT, *LEVELS))}


def plan_query(
    query: Query,
    catalog: Catalog,
    principal: Principal = EVERYONE,
    *,
    among: tuple[str, ...] | None = None,
    explain: bool = False,
) -> Plan:
    """The cheapest right way to answer a query, from `catalog` alone.

    `among` limits the metrics that a query without any may get (those that its path offers, W3). With `explain` the
    plan lists every candidate. Raises QueryError for a query that does not fit the schema, NoAnswer with every reason
    where nothing can answer, TooExpensive where only the caps stand in the way.
    """
    settled = settle(query.restrict(principal.filters), catalog.schema)
    metrics = settled.metrics or default_metrics(settled, catalog, among)
    needs = needs_of(settled, catalog, metrics)
    eligible = _eligible(needs, catalog)
    widened = False
    if not eligible and (wider := _widen(needs, catalog)) is not None:
        needs, widened = wider, True
        eligible = _eligible(needs, catalog)
    if not eligible:
        raise NoAnswer(_no_answer_text(needs, catalog))
    caps = catalog.caps.stricter(principal.caps)
    groups = group_estimate(needs, catalog)
    _guard_groups(groups, caps, needs, catalog)
    width = width_of(needs, catalog)
    costs = {projection.name: cost_of(projection, needs, groups, width) for projection in eligible}
    allowed = [one for one in eligible if not _over(one, costs[one.name], needs, caps)]
    if not allowed:
        raise TooExpensive(_too_expensive_text(eligible, costs, needs, caps))
    chosen = min(allowed, key=lambda one: _preference(one, costs[one.name]))
    candidates = _candidates(needs, catalog, costs, chosen, caps) if explain else ()
    return _plan(needs, catalog, chosen, costs[chosen.name], groups, widened, candidates)


def default_metrics(query: Query, catalog: Catalog, among: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """The metrics of a query that names none: those of its default projection (W21).

    That is the stored one that offers most of them for this report, the first declared of equals; the facts only
    where no stored one can answer. Empty where nothing can.
    """
    needs = needs_of(query, catalog, tuple(catalog.schema.metrics) if among is None else among)
    best: tuple[str, ...] = ()
    for projection in catalog.projections:
        if not projection.is_facts and len(offered := offers(projection, needs)) > len(best):
            best = offered
    return best or (() if catalog.strict else needs.metrics)


def is_answerable(path: Path, catalog: Catalog, among: tuple[str, ...] | None = None) -> bool:
    """Whether by the declarations anything could ever answer a path (W4). Facts, where they are asked, always can."""
    if not catalog.strict:
        return among is None or bool(among)
    return bool(default_metrics(Query(path), catalog, among))


def _eligible(needs: Needs, catalog: Catalog) -> list[Projection]:
    if not needs.metrics:
        return []
    return [projection for projection in catalog.projections if is_eligible(projection, needs)]


def _preference(projection: Projection, cost: Cost) -> tuple[float, float, int, int]:
    """Cheaper first; of equals the fresher, the coarser, the one with fewer dimensions, the first declared."""
    assert projection.statistics is not None
    refreshed = projection.statistics.refreshed
    freshness = refreshed.timestamp() if refreshed is not None else 0.0
    coarseness = len(LEVELS) + 1 if projection.level is None else _COARSENESS[projection.level]
    return (cost.nanoseconds, -freshness, -coarseness, len(projection.dimensions))


def _widen(needs: Needs, catalog: Catalog) -> Needs | None:
    """The needs over the smallest interval that is stored whole, where that is all that is in the way."""
    if not catalog.strict or not needs.metrics:
        return None
    zone = catalog.schema.zone
    found: list[Interval] = []
    for projection in catalog.projections:
        if projection.level is None or projection.is_facts:
            continue
        if {reason.code for reason in reasons(projection, needs)} == {"interval_unaligned"}:
            start, end = needs.interval.start, needs.interval.end
            unaligned = {reason.subject for reason in reasons(projection, needs)}
            found.append(
                Interval(
                    zone.floor(projection.level, start) if "start" in unaligned else start,
                    zone.ceiling(projection.level, end) if "end" in unaligned else end,
                )
            )
    if not found:
        return None
    least = min(found, key=lambda interval: interval.end - interval.start)
    wider = Query(
        needs.query.path,
        include=needs.query.include,
        filters=needs.query.filters,
        start=None if needs.query.start is None else Moment.at(least.start),
        end=None if needs.query.end is None else Moment.at(least.end),
        metrics=needs.query.metrics,
        limit=needs.query.limit,
    )
    return needs_of(wider, catalog, needs.metrics)


def _over(projection: Projection, cost: Cost, needs: Needs, caps: Caps) -> Reason | None:
    """The cap that a candidate would break, if any (rule 17)."""
    if projection.is_facts and caps.facts is not None and cost.rows > caps.facts:
        text = f"{cost.rows:,} facts to scan, the cap is {caps.facts:,}"
        return Reason("over_scan_cap", projection.name, text, _shorter(projection, needs, caps.facts))
    if caps.memory is None:
        return None
    memory = memory_of(projection, needs, cost.groups, cost.rows)
    if memory > caps.memory:
        text = f"{memory:,} bytes of memory, the cap is {caps.memory:,}"
        return Reason("over_memory", projection.name, text, "a shorter interval, or fewer dimensions")
    return None


def _shorter(projection: Projection, needs: Needs, facts: int) -> str:
    """The longest interval with the same end that scans no more facts than allowed, as a phrase."""
    statistics = projection.statistics
    assert statistics is not None
    for start in statistics.starts:
        interval = Interval(max(start, needs.asked.start), needs.asked.end)
        if start >= needs.asked.start and statistics.rows_in(interval) <= facts:
            return f"start={moment_text(start, needs.schema.zone)} would pass"
    return "no interval with this end would pass"


def _guard_groups(groups: int, caps: Caps, needs: Needs, catalog: Catalog) -> None:
    if caps.groups is None or groups <= caps.groups:
        return
    group = needs.query.group
    for length in range(len(group) - 1, -1, -1):
        fewer = needs_of(
            Query(group[:length], filters=needs.query.filters, start=needs.query.start, end=needs.query.end),
            catalog,
            needs.metrics,
        )
        if (estimate := group_estimate(fewer, catalog)) <= caps.groups:
            passing = f"{path_text(group[:length]) or 'the totals'} would pass, with about {estimate:,}"
            break
    raise TooExpensive(
        f"{path_text(group)} would have about {groups:,} records before its limit, and {caps.groups:,} are allowed; "
        f"{passing}, and so would a shorter interval or a filter"
    )


def _too_expensive_text(eligible: list[Projection], costs: dict[str, Cost], needs: Needs, caps: Caps) -> str:
    over = [_over(projection, costs[projection.name], needs, caps) for projection in eligible]
    said = [f"{reason.subject}: {reason.text} ({reason.remedy})" for reason in over if reason is not None]
    return f"{path_text(needs.query.group) or 'the totals'} would cost too much: " + "; ".join(said)


def _no_answer_text(needs: Needs, catalog: Catalog) -> str:
    asked = path_text(needs.query.group) or "the totals"
    if needs.metrics:
        asked += f" with {', '.join(needs.metrics)}"
    lines = [
        f"{projection.name}: " + ", ".join(reason.text for reason in reasons(projection, needs))
        for projection in catalog.projections
    ]
    return f"nothing that is stored can answer {asked}. " + "; ".join(lines)


def _candidates(
    needs: Needs, catalog: Catalog, costs: dict[str, Cost], chosen: Projection, caps: Caps
) -> tuple[Candidate, ...]:
    """Every projection with its cost or all its reasons: the chosen first, then by cost, then the rejected."""
    found = []
    for projection in catalog.projections:
        why = list(reasons(projection, needs))
        cost = costs.get(projection.name)
        if cost is not None and projection is not chosen:
            over = _over(projection, cost, needs, caps)
            cheaper = Reason("cheaper_exists", chosen.name, f"right, but {chosen.name} is cheaper")
            why.append(over or cheaper)
        rows = None if projection.statistics is None else projection.statistics.rows
        found.append(Candidate(projection.name, rows, tuple(why), cost, projection is chosen))
    dearest = float("inf")
    return tuple(sorted(found, key=lambda one: (not one.chosen, one.cost.nanoseconds if one.cost else dearest)))


def _plan(
    needs: Needs,
    catalog: Catalog,
    chosen: Projection,
    cost: Cost,
    groups: int,
    widened: bool,
    candidates: tuple[Candidate, ...],
) -> Plan:
    assert chosen.statistics is not None
    piece = Piece(chosen.name, needs.interval, needs.partials, chosen.statistics.refreshed)
    return Plan(
        query=needs.query,
        metrics=needs.metrics,
        interval=needs.interval,
        pieces=(piece,),
        cost=cost,
        groups=groups,
        memory=memory_of(chosen, needs, groups, cost.rows),
        zone=catalog.schema.zone,
        widened=widened,
        version=catalog.version,
        candidates=candidates,
    )
