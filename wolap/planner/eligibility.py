"""Can this projection answer that query; and if not, every reason why not.

Each rule of `planner.md` is one function from a projection and the needs of a query to reasons. `RULES` is the whole
list, which explaining reads; choosing asks the same rules in two parts, what hangs on the report and what on its
interval (`shelves.py`), and stops at the first reason. The rules take nothing but declarations and measured statistics,
and they err on one side only: what cannot be shown to be right is a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from wolap.model.aggregate import Partial
from wolap.model.crossing import first_crossing, same_buckets
from wolap.model.filter import Filter
from wolap.model.interval import Interval, instant_of, moment_text
from wolap.model.level import IDENTIFYING, common_level, nests
from wolap.model.projection import Projection
from wolap.planner.needs import Needs
from wolap.planner.plan import Reason
from wolap.planner.remedy import exact_grain, finer_buckets

__all__ = [
    "RULES",
    "could_offer",
    "crosses",
    "is_fine_enough",
    "is_timely",
    "may_answer",
    "offers",
    "reasons",
]


def _stored(projection: Projection, needs: Needs) -> Iterator[Reason]:
    """Rules 1 and 11: every partial of every metric is there."""
    for metric in needs.metrics:
        for partial in needs.schema.partials(metric):
            if partial in projection.partials:
                continue
            text, code = f"{metric} is missing ({partial} is not stored)", "metric_missing"
            if partial.parameter is not None and (other := _coarser_or_finer(projection, partial)):
                text, code = f"{metric} needs {partial}, and {other} is stored: they do not merge", "sketch_differs"
            yield Reason(code, metric, text, f"add {metric} to {projection.name}")
            break


def _coarser_or_finer(projection: Projection, partial: Partial) -> str:
    """The stored sketches that differ from a partial by their parameter alone."""
    same = (one for one in projection.partials if replace(one, parameter=partial.parameter) == partial)
    return " and ".join(sorted(map(str, same)))


def _group(projection: Projection, needs: Needs) -> Iterator[Reason]:
    """Rule 3: every dimension of the report is stored, or determined by one that is."""
    for name in sorted(needs.dimensions - projection.closure):
        text = f"dimension missing: {name}"
        yield Reason("dimension_missing", name, text, f"add {name} to {projection.name}")


def _built_from(projection: Projection, needs: Needs) -> Iterator[Reason]:
    """Rule 4: the filters of the report imply those of the projection, so that no fact it counts was left out."""
    for own in projection.lacking(needs.query.filters) if projection.filters else ():
        remedy = f"filter {own.dimension} by {'any but ' if own.exclude else ''}{_members(own)}"
        yield Reason("build_filter_not_implied", own.dimension, f"holds {own} only", remedy)


def _members(predicate: Filter) -> str:
    return " or ".join(predicate.shown())


def _filters(projection: Projection, needs: Needs) -> Iterator[Reason]:
    """Rule 5: every filtered dimension is stored, or determined by one that is; or the build has filtered it so."""
    if needs.filtered <= projection.closure:
        return
    for name in sorted({one.dimension for one in projection.unanswered(needs.query.filters)}):
        text = f"filtered dimension missing: {name}"
        yield Reason("filter_dimension_missing", name, text, f"add {name} to {projection.name}")


def _several(projection: Projection, needs: Needs) -> Iterator[Reason]:
    """Rule 13: a fact that has a row for each of its members counts once in each group, so the groups have to be of one
    member, or the filters leave one."""
    for name in sorted(_collapsed_lists(projection, needs)):
        text = f"a fact stands in a row for each {name} that it has, and must count once"
        yield Reason("multi_valued_dimension", name, text, f"group by {name} too, or filter by one member")


def _collapsed_lists(projection: Projection, needs: Needs) -> frozenset[str]:
    return projection.multivalued - needs.dimensions - needs.pinned


def _level(projection: Projection, needs: Needs) -> Iterator[Reason]:
    """Rule 6: the stored buckets lie inside those of the report."""
    wanted, stored = needs.level, projection.level
    if wanted is None or (stored is not None and nests(stored, wanted)):
        return
    remedy = finer_buckets(projection, needs, wanted)
    if stored is None:
        yield Reason("level_too_coarse", wanted, f"no time · level too coarse for {wanted}", remedy)
    elif nests(wanted, stored):
        yield Reason("level_too_coarse", wanted, f"level too coarse: {stored} for {wanted}", remedy)
    else:
        finer = common_level((wanted, stored))
        text = f"level not nested: a {stored} does not lie inside a {wanted}"
        yield Reason("level_not_nested", wanted, text, finer_buckets(projection, needs, finer or wanted))


def _zone(projection: Projection, needs: Needs) -> Iterator[Reason]:
    """Rule 7: where the projection follows another clock, each boundary of the report's buckets is one of its own."""
    crossing = _crossing(projection, needs, needs.asked)
    if crossing is not None and projection.level is not None:
        own, zone = projection.zone.name, needs.schema.zone
        text = f"no {projection.level} of {own} begins at {moment_text(crossing, zone)} ({zone.name})"
        yield Reason("zone_boundary", own, text, f"zone {zone.name} for {projection.name}")


def _crossing(projection: Projection, needs: Needs, within: Interval) -> int | None:
    """The first boundary of the report's buckets in an interval that is none of the projection's, where levels nest."""
    if projection.zone is needs.schema.zone:
        return None
    wanted, stored = needs.calendar, projection.calendar
    if wanted is None or stored is None or not nests(stored[0], wanted[0]):
        return None
    return first_crossing(wanted, stored, within)


def _interval(projection: Projection, needs: Needs) -> Iterator[Reason]:
    """Rule 8: both ends are boundaries of stored buckets, or lie beyond the data on their side."""
    schema, span, own = needs.schema, needs.span, projection.zone
    for name, instant, beyond, outward in (
        ("start", needs.interval.start, needs.interval.start <= span.start, own.floor),
        ("end", needs.interval.end, needs.interval.end >= span.end, own.ceiling),
    ):
        if beyond:
            continue
        if projection.level is None:
            shown = moment_text(instant, schema.zone)
            text = f"no time, so nothing can be cut at {name} {shown}"
            yield Reason("interval_unaligned", name, text, f"leave out {name}")
        elif not own.is_boundary(projection.level, instant):
            shown = moment_text(instant, schema.zone)
            text = f"{name} {shown} lies inside a {projection.level}{'' if own == schema.zone else f' of {own.name}'}"
            wider = moment_text(outward(projection.level, instant), schema.zone)
            yield Reason("interval_unaligned", name, text, f"widen the interval to {name} {wider}")


def _coverage(projection: Projection, needs: Needs) -> Iterator[Reason]:
    """Rule 9: all of the asked time that has facts is stored. What is not there is a reason, never a zero."""
    statistics = projection.statistics
    if statistics is not None and not statistics.coverage.covers(needs.asked):
        zone, held = needs.schema.zone, statistics.coverage
        text = "held nothing when it was refreshed"
        if held.start < held.end:
            text = f"holds {moment_text(held.start, zone)} to {moment_text(held.end - 1, zone)} only"
        remedy = f"build {projection.name} over the whole time"
        if statistics.backlog is not None:
            remedy = f"refresh {projection.name}"
        yield Reason("coverage_gap", projection.name, text, remedy)


def _exact(projection: Projection, needs: Needs) -> Iterator[Reason]:
    """Rule 12: what cannot merge is served where each group is just one stored row, or where it adds up."""
    for metric in needs.metrics:
        for partial in needs.schema.partials(metric):
            lonely = partial in projection.partials and partial not in projection.mergeable
            if lonely and not (_adds_up(projection, needs, partial) and _cuts_alike(projection, needs, needs.asked)):
                grain = "/".join(needs.query.group) or "totals"
                text = f"{metric} cannot be merged ({partial}): needs exactly {grain}"
                yield Reason("needs_exact_grain", metric, text, exact_grain(needs))
                break


def _adds_up(projection: Projection, needs: Needs, partial: Partial) -> bool:
    """Whether each group is one stored row, or several that have no value in common; if both are cut alike."""
    if projection.level != needs.level:
        return False
    if needs.level is not None and not IDENTIFYING.get(needs.level, frozenset({""})) <= needs.levels:
        return False
    kept = needs.schema.closure(needs.dimensions | needs.pinned)
    collapsed = frozenset(projection.dimensions) - kept
    return collapsed <= needs.schema.determined_by(partial)


def _cuts_alike(projection: Projection, needs: Needs, within: Interval) -> bool:
    """Whether a projection of the report's own level has its buckets, inside an interval."""
    wanted, stored = needs.calendar, projection.calendar
    return wanted is None or stored is None or same_buckets(wanted, stored, within)


def _repeated(projection: Projection, needs: Needs) -> Iterator[Reason]:
    """Rules 6 and 12: an hour that the clock shows twice is one group of two stored rows."""
    asked = needs.asked
    if projection.level is None or asked.start >= asked.end:
        return
    for metric in needs.metrics:
        for partial in needs.schema.partials(metric):
            if partial in projection.mergeable or partial not in projection.partials:
                continue
            if needs.schema.zone.repeats(projection.level, asked.start, asked.end):
                text = f"{metric} cannot be merged ({partial}), and the clock shows one {projection.level} twice"
                remedy = "an interval without the change of the clock"
                yield Reason("metric_not_mergeable", metric, text, remedy)
                break


def _built(projection: Projection, needs: Needs) -> Iterator[Reason]:
    """Rule 18, and what there is to read at all."""
    if projection.is_facts and needs.strict:
        yield Reason(
            "disabled", projection.name, "the cube is strict: facts are not asked", "a cube that is not strict"
        )
    if projection.statistics is None:
        yield Reason("not_built", projection.name, "declared, but not built", f"build {projection.name}")


def _fresh(projection: Projection, needs: Needs) -> Iterator[Reason]:
    """A budget of staleness: it was refreshed late enough, and that is known. Facts are what others lag behind."""
    wanted = needs.query.fresh_since
    if wanted is None or projection.statistics is None or projection.is_facts:
        return
    refreshed, zone = projection.statistics.refreshed, needs.schema.zone
    since, remedy = instant_of(wanted, zone), f"refresh {projection.name}"
    if refreshed is None:
        # Building it again is not enough where the time of it is not given.
        found, remedy = "not known when it was refreshed", f"{remedy} and say when"
    elif (at := instant_of(refreshed, zone)) < since:
        found = f"refreshed {moment_text(at, zone)}"
    else:
        return
    yield Reason("stale", projection.name, f"{found}, asked for since {moment_text(since, zone)}", remedy)


Rule = Callable[[Projection, Needs], Iterator[Reason]]

RULES: tuple[Rule, ...] = (
    _group,
    _built_from,
    _filters,
    _several,
    _level,
    _zone,
    _stored,
    _exact,
    _repeated,
    _interval,
    _coverage,
    _built,
    _fresh,
)

# They object to nothing where all metrics are stored and merge, which one comparison of sets tells.
_METRIC_RULES: tuple[Rule, ...] = (_stored, _exact, _repeated)
_RULES_BUT_METRICS = tuple(rule for rule in RULES if rule not in _METRIC_RULES)

# What hangs on the interval.
_CLOCK_RULES: tuple[Rule, ...] = (_zone, _interval, _coverage)
_TIME_RULES: tuple[Rule, ...] = (*_CLOCK_RULES, _repeated, _exact)


def _touches(projection: Projection, needs: Needs) -> bool:
    """Whether rules 3 to 5 and 13 pass, without a reason."""
    if not needs.dimensions <= projection.closure:
        return False
    if projection.multivalued and _collapsed_lists(projection, needs):
        return False
    if not projection.filters:
        return needs.filtered <= projection.closure
    asked = needs.query.filters
    return not projection.lacking(asked) and not projection.unanswered(asked)


def may_answer(projection: Projection, needs: Needs) -> bool:
    """Whether no rule objects but, perhaps, one of time: what is the same for all queries for the report."""
    if not _touches(projection, needs):
        return False
    for name in needs.metrics if not projection.merging.issuperset(needs.metrics) else ():
        if name not in projection.merging and not _is_exact(projection, needs, needs.schema.partials(name)):
            return False
    return not _objects((_level, _built, _fresh), projection, needs)


def is_timely(projection: Projection, needs: Needs, merges: bool) -> bool:
    """Whether no rule of time objects, of a projection whose metrics all merge or not. Of those that may answer, they
    ask for no more than calendar and coverage."""
    for rule in _CLOCK_RULES if merges else _TIME_RULES:
        for _ in rule(projection, needs):
            return False
    return True


def is_fine_enough(projection: Projection, needs: Needs) -> bool:
    """Whether each group of the report has a stored row of its own, in the time that it covers without a crossing."""
    if projection.statistics is None or not needs.dimensions <= projection.closure:
        return False
    if projection.filters and projection.lacking(needs.query.filters):
        return False
    return needs.level is None or (projection.level is not None and nests(projection.level, needs.level))


def crosses(projection: Projection, needs: Needs, within: Interval) -> bool:
    """Whether a group of the report begins inside a stored bucket, in an interval."""
    return _crossing(projection, needs, within) is not None


def _objects(rules: Iterable[Rule], projection: Projection, needs: Needs) -> bool:
    for rule in rules:
        for _ in rule(projection, needs):
            return True
    return False


def reasons(projection: Projection, needs: Needs) -> tuple[Reason, ...]:
    """Every reason against a candidate; none where it can answer."""
    rules = _RULES_BUT_METRICS if projection.merging.issuperset(needs.metrics) else RULES
    return tuple([reason for rule in rules for reason in rule(projection, needs)])


def offers(projection: Projection, needs: Needs) -> tuple[str, ...]:
    """Those of the needed metrics that a projection can give for this report, by declarations alone (W21): whatever
    the interval, so its clock has to fit wherever facts lie."""
    if not _touches(projection, needs) or _crossing(projection, needs, needs.span) is not None:
        return ()
    given = _given(projection, needs)
    if projection.merging.issuperset(given) or _cuts_alike(projection, needs, needs.span):
        return given
    return tuple(name for name in given if name in projection.merging)


def could_offer(projection: Projection, needs: Needs) -> bool:
    """Whether there are filters and an interval with which a projection could give a metric of this report (W4): they
    may pin whatever it stores, and leave out the time in which clocks differ."""
    pinned = needs._replace(pinned=frozenset(projection.dimensions))
    return needs.dimensions <= projection.closure and bool(_given(projection, pinned))


def _given(projection: Projection, needs: Needs) -> tuple[str, ...]:
    """Those of the needed metrics that a projection could give, if both are cut alike."""
    if any(True for _ in _level(projection, needs)):
        return ()
    return tuple(
        name
        for name in needs.metrics
        if name in projection.merging or _is_exact(projection, needs, needs.schema.partials(name))
    )


def _is_exact(projection: Projection, needs: Needs, partials: tuple[Partial, ...]) -> bool:
    """Whether all partials are stored, and those that do not merge need not, if both are cut alike."""
    return projection.level == needs.level and all(
        partial in projection.mergeable or (partial in projection.partials and _adds_up(projection, needs, partial))
        for partial in partials
    )
