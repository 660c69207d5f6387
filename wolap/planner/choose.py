"""From a query to a plan: look at the candidates, take the cheapest that is right.

`plan_query` is a pure function of the catalog, the query and the caller. It settles the query, ANDs what the caller's
implied filters say before anything else is looked at (`planner.md` rule 2), fixes the metrics from the declarations
(W21), asks the rules of every candidate, looks for a cover by several where the interval cuts what is stored (rule
10), and compares costs. What none can answer exactly is widened to what is stored only where there are no facts to
ask (W19). Guards speak before anything runs, with the number, the cap and a query that would pass.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import inf
from typing import NamedTuple

from wolap.errors import NoAnswer, TooExpensive, listing
from wolap.model.interval import Interval, Moment
from wolap.model.level import INSTANT, LEVELS
from wolap.model.principal import EVERYONE, Caps, Principal
from wolap.model.projection import NO_CAPS, Catalog
from wolap.model.query import Query, check_order, interval_of, settle, settle_filter
from wolap.model.recent import keep
from wolap.model.tree import Path, path_text
from wolap.planner.cost import Part, Work, cost_of, cost_of_rows, work_of
from wolap.planner.cover import cover, may_be_cut
from wolap.planner.eligibility import could_offer, reasons
from wolap.planner.estimate import NOTHING, Estimate, estimate
from wolap.planner.guard import over, too_expensive_text, too_many_groups_text
from wolap.planner.memory import memory_of
from wolap.planner.needs import Needs, is_short, needs_of
from wolap.planner.plan import Candidate, Cost, Piece, Plan, Reason
from wolap.planner.shelves import Served, Stock, cheapest, offered_metrics, stock_of

__all__ = ["default_metrics", "every_plan", "is_answerable", "plan_query"]

# A refusal is one paragraph that is read to its end; `explain` tells all.
_TOLD = 4
_ROOM_FOR_METRICS = 120
_ROOM_FOR_REASONS = 220
_ROOM_FOR_CANDIDATES = 500

# Plans that a catalog remembers.
_MOST_PLANS = 512

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
    asked, caps = _asked(query, catalog, principal), catalog.caps.stricter(principal.caps)
    key = _key(asked, catalog, among, caps)
    known: Plan | None = None if explain else catalog.plans.get(key)
    if known is not None:
        return known.of(asked)
    choice = _choose(_needs(asked, catalog, among), catalog, caps)
    if choice.way is None:
        raise _refusal(choice, catalog, caps, among, principal.may_explain)
    candidates = _candidates(choice, catalog, caps) if explain else ()
    plan = _plan(choice, choice.way, catalog, candidates)
    if not explain and not choice.widened and is_short(asked):
        keep(catalog.plans, key, plan, _MOST_PLANS)
    return plan


def every_plan(query: Query, catalog: Catalog, principal: Principal = EVERYONE) -> tuple[Plan, ...]:
    """Every way that is right, cheapest first, whatever caps say: all of them give the same answer.

    Raises as `plan_query` does.
    """
    choice = _choose(_needs(_asked(query, catalog, principal), catalog, None), catalog, Caps())
    if choice.way is None:
        raise _refusal(choice, catalog, Caps(), None, principal.may_explain)
    return tuple(_plan(choice, way, catalog, ()) for way in _ways(choice.needs, catalog))


def _asked(query: Query, catalog: Catalog, principal: Principal) -> Query:
    """A query as this caller may ask it, settled."""
    settled = settle(query, catalog.schema)
    if principal.filters:
        settled = settled.restrict(settle_filter(implied, catalog.schema) for implied in principal.filters)
    return settled


def _key(asked: Query, catalog: Catalog, among: tuple[str, ...] | None, caps: Caps) -> Hashable:
    """All that a plan hangs on besides its catalog: of the interval what has facts, so that a clock that goes on behind
    them changes nothing, and of the records that are shown nothing at all."""
    interval = interval_of(asked)
    cut = interval.intersect(catalog.span)
    start, end = (cut.start, cut.end) if cut.start < cut.end else (interval.start, interval.end)
    named = asked.path, asked.include, asked.metrics, asked.order, among
    return named, asked.filters, start, end, asked.fresh_since, caps.groups, caps.facts, caps.memory


def _needs(asked: Query, catalog: Catalog, among: tuple[str, ...] | None) -> Needs:
    """The needs of a settled query."""
    metrics = asked.metrics or default_metrics(asked, catalog, among)
    if asked.order:
        check_order(asked, metrics)
    return needs_of(asked, catalog, metrics)


# One projection over the whole interval or a cover of several, with what it costs.
_Way = tuple[tuple[Part, ...], Cost]


class _Choice(NamedTuple):
    """What was decided for a query: the way to go, or why there is none."""

    needs: Needs
    size: Estimate
    way: _Way | None = None
    widened: bool = False
    refusal: str | None = None


def _choose(needs: Needs, catalog: Catalog, caps: Caps) -> _Choice:
    cheapest, widened = _cheapest(needs, catalog), False
    if cheapest is None:
        needs = _widen(needs, catalog)
        cheapest, widened = _cheapest(needs, catalog), True
    if cheapest is None:
        return _Choice(needs, NOTHING, refusal="no answer")
    way, size = cheapest
    if caps.groups is not None and size.most > caps.groups:
        return _Choice(needs, size, refusal="groups")
    if over(way[0], size, needs, caps) is None:
        return _Choice(needs, size, way, widened)
    for way in _ways(needs, catalog, caps):
        if over(way[0], size, needs, caps) is None:
            return _Choice(needs, size, way, widened)
    return _Choice(needs, size, None, widened, "cost")


def _sized(needs: Needs, catalog: Catalog) -> tuple[Stock, list[Served], Estimate, Work]:
    """What there is for a query, the rows of each server in its interval, how large it is and what it takes."""
    stock = stock_of(needs, catalog)
    served = [(shelf, shelf.rows_in(needs.asked)) for shelf in stock.servers]
    size = estimate(needs, catalog, stock.least_rows(needs, served))
    return stock, served, size, work_of(needs, size)


def _cheapest(needs: Needs, catalog: Catalog) -> tuple[_Way, Estimate] | None:
    """The cheapest way that is right, and the size of the report. No other way is looked at more closely
    than its rows in the interval."""
    if not needs.metrics:
        return None
    stock, served, size, work = _sized(needs, catalog)
    least, found = cheapest([(shelf, rows) for shelf, rows in served if shelf.is_timely(needs)], work)
    ways: list[_Way] = [
        ((Part(projection, needs.interval),), cost_of_rows(rows, least + work.answer, size))
        for projection, rows in found
    ]
    if may_be_cut(needs, catalog) and (covered := cover(needs, stock, size, work)):
        ways.append((covered, cost_of(covered, needs, size, work)))
    if not ways:
        return None
    return ways[0] if len(ways) == 1 else min(ways, key=lambda way: _preference(way, catalog)), size


def _ways(needs: Needs, catalog: Catalog, caps: Caps = NO_CAPS) -> list[_Way]:
    """Every projection that can answer alone, and a cover where the interval cuts what is stored: the cheapest, and
    where caps bound the facts one that reads the fewest of them."""
    if not needs.metrics:
        return []
    stock, served, size, work = _sized(needs, catalog)
    found: list[tuple[Part, ...]] = []
    for shelf, _ in served:
        if shelf.is_timely(needs):
            found += [(Part(projection, needs.interval),) for projection in shelf.projections]
    if may_be_cut(needs, catalog):
        for avoids_facts in (False, True) if caps.facts is not None else (False,):
            covered = cover(needs, stock, size, work, avoids_facts=avoids_facts)
            if covered and covered not in found:
                found.append(covered)
    costed = [(parts, cost_of(parts, needs, size, work)) for parts in found]
    return sorted(costed, key=lambda way: _preference(way, catalog))


def _refusal(
    choice: _Choice, catalog: Catalog, caps: Caps, among: tuple[str, ...] | None, may_explain: bool
) -> NoAnswer | TooExpensive:
    """The error for a choice of nothing, with a query that would pass where only a cap is in the way."""
    needs = choice.needs
    if choice.refusal == "no answer":
        return NoAnswer(_no_answer_text(needs, catalog, among, may_explain))

    def passes(nearer: Query) -> bool:
        return _choose(needs_of(nearer, catalog, needs.metrics), catalog, caps).way is not None

    if choice.refusal == "groups":
        return TooExpensive(too_many_groups_text(choice.size.most, caps.groups or 0, needs, passes))
    ways = _ways(needs, catalog, caps)
    found = [over(parts, choice.size, needs, caps) for parts, _ in ways]
    reasons_found = [reason for reason in found if reason is not None]
    involved = [part.projection for parts, _ in ways for part in parts]
    return TooExpensive(too_expensive_text(reasons_found[:_TOLD], involved, needs, passes))


def default_metrics(query: Query, catalog: Catalog, among: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """The metrics of a query that names none: those of its default projection (W21).

    That is the stored one that offers most of them for this report, the first declared of equals; the facts only
    where no stored one can answer. Empty where nothing can.
    """
    needs = needs_of(query, catalog, catalog.schema.metric_names if among is None else among)
    return offered_metrics(needs, catalog) or (() if catalog.strict else needs.metrics)


def is_answerable(path: Path, catalog: Catalog, among: tuple[str, ...] | None = None) -> bool:
    """Whether by the declarations anything could ever answer a path (W4). Facts, where they are asked, always can."""
    if not catalog.strict:
        return among is None or bool(among)
    needs = needs_of(Query(path), catalog, catalog.schema.metric_names if among is None else among)
    return any(could_offer(projection, needs) for projection in catalog.projections if not projection.is_facts)


def _preference(way: _Way, catalog: Catalog) -> tuple[float, int, float, int, int, int]:
    """Cheaper first; of equals fewer pieces, the fresher, the coarser, the one with fewer dimensions, the first
    declared."""
    (parts, cost), freshness, coarseness, dimensions = way, inf, len(LEVELS) + 1, 0
    for projection in (part.projection for part in parts):
        assert projection.statistics is not None
        refreshed = projection.statistics.refreshed
        freshness = min(freshness, refreshed.timestamp() if refreshed is not None else 0.0)
        coarseness = min(coarseness, len(LEVELS) + 1 if projection.level is None else _COARSENESS[projection.level])
        dimensions = max(dimensions, len(projection.dimensions))
    place = catalog.places[parts[0].projection.name]
    return (cost.nanoseconds, len(parts), -freshness, -coarseness, dimensions, place)


def _widen(needs: Needs, catalog: Catalog) -> Needs:
    """The needs over the least interval that is stored whole and can be answered, where only that was in the way."""
    if not catalog.strict or not needs.metrics:
        return needs
    found: list[Interval] = []
    for projection in catalog.projections:
        if projection.level is None or projection.is_facts:
            continue
        why = reasons(projection, needs)
        if {reason.code for reason in why} == {"interval_unaligned"}:
            start, end = needs.interval.start, needs.interval.end
            unaligned = {reason.subject for reason in why}
            found.append(
                Interval(
                    projection.zone.floor(projection.level, start) if "start" in unaligned else start,
                    projection.zone.ceiling(projection.level, end) if "end" in unaligned else end,
                )
            )
    for interval in sorted(found, key=lambda one: one.end - one.start):
        start_given, end_given = needs.query.start is not None, needs.query.end is not None
        wider = needs.query.between(
            Moment.at(interval.start) if start_given else None, Moment.at(interval.end) if end_given else None
        )
        widened = needs_of(wider, catalog, needs.metrics)
        if _cheapest(widened, catalog) is not None:
            return widened
    return needs


def _no_answer_text(needs: Needs, catalog: Catalog, among: tuple[str, ...] | None, may_explain: bool) -> str:
    """Why each candidate cannot answer, for those who may know (W52). Of more than somebody will read, those that lack
    least."""
    asked = path_text(needs.query.group) or "the totals"
    if needs.metrics:
        asked += f" with {listing(needs.metrics, _ROOM_FOR_METRICS)}"
    else:
        # Nobody named a metric and none is offered: the reasons are those against each that could have been.
        needs = needs_of(needs.query, catalog, among or catalog.schema.metric_names)
    if not may_explain:
        return f"nothing that is stored can answer {asked}"
    against = [(projection.name, reasons(projection, needs)) for projection in catalog.projections]
    if len(against) > _TOLD:
        against.sort(key=lambda candidate: len(candidate[1]))
    lines = [f"{name}: {listing([reason.text for reason in why], _ROOM_FOR_REASONS)}" for name, why in against]
    return f"nothing that is stored can answer {asked}. {listing(lines, _ROOM_FOR_CANDIDATES, '; ')}"


def _candidates(choice: _Choice, catalog: Catalog, caps: Caps) -> tuple[Candidate, ...]:
    """Every projection with its cost or all its reasons: the chosen in the order of time, the others by cost, then the
    rejected."""
    assert choice.way is not None
    ways = _ways(choice.needs, catalog)
    chosen: dict[str, tuple[Interval, ...]] = {}
    for part in choice.way[0]:
        chosen[part.projection.name] = (*chosen.get(part.projection.name, ()), part.interval)
    alone = {parts[0].projection.name: (parts, cost) for parts, cost in ways if len(parts) == 1}
    names = " and ".join(chosen)
    cheaper = Reason("cheaper_exists", names, f"right, but {names} {'are' if len(chosen) > 1 else 'is'} cheaper")
    found = []
    for projection in catalog.projections:
        name, why, cost = projection.name, list(reasons(projection, choice.needs)), None
        if name in chosen and len(choice.way[0]) > 1:
            # What keeps a piece from answering alone is no reason against it, and what it would cost alone no cost.
            why = []
        elif name in alone:
            cost = alone[name][1]
            if name not in chosen:
                why.append(over(alone[name][0], choice.size, choice.needs, caps) or cheaper)
        rows = None if projection.statistics is None else projection.statistics.rows
        found.append(Candidate(name, rows, tuple(why), cost, name in chosen, chosen.get(name, ())))
    return tuple(sorted(found, key=_place))


def _place(one: Candidate) -> tuple[bool, float]:
    if one.served:
        return False, float(one.served[0].start)
    return True, one.cost.nanoseconds if one.cost else float("inf")


def _plan(choice: _Choice, way: _Way, catalog: Catalog, candidates: tuple[Candidate, ...]) -> Plan:
    needs, (parts, cost) = choice.needs, way
    pieces = tuple(
        [
            Piece(
                part.projection.name,
                part.interval,
                needs.partials,
                None if part.projection.statistics is None else part.projection.statistics.refreshed,
            )
            for part in parts
        ]
    )
    return Plan(
        query=needs.query,
        metrics=needs.metrics,
        interval=needs.interval,
        pieces=pieces,
        cost=cost,
        groups=choice.size.most,
        memory=memory_of(parts, needs, choice.size),
        zone=catalog.schema.zone,
        widened=choice.widened,
        version=catalog.version,
        candidates=candidates,
    )
