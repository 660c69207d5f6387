"""Can this projection answer that query; and if not, every reason why not.

Each rule of `planner.md` is one function from a projection and the needs of a query to reasons. `RULES` is the whole
list: choosing stops at the first reason, explaining reads them all. The rules take nothing but declarations and
measured statistics, and they err on one side only: what cannot be shown to be right is a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from wolap.model.aggregate import Partial
from wolap.model.interval import Interval, moment_text
from wolap.model.level import IDENTIFYING, common_level, nests
from wolap.model.projection import Catalog, Projection
from wolap.model.query import Query, interval_of
from wolap.model.schema import Schema
from wolap.planner.plan import Reason
from wolap.planner.remedy import exact_grain, finer_buckets

__all__ = ["RULES", "Needs", "is_eligible", "may_serve_part", "needs_of", "offers", "reasons"]


@dataclass(frozen=True, slots=True)
class Needs:
    """A settled query, read once for all candidates.

    `levels` are the time dimensions of the report and `level` the coarsest that nests in all of them; `dimensions` the
    others; `filtered` those with a predicate and `pinned` those of them that are left with one member; `asked` the
    interval cut to where facts lie; `partials` what the metrics are finished from, each once, and `counted` those of
    them that are distinct counts.
    """

    query: Query
    schema: Schema
    metrics: tuple[str, ...]
    partials: tuple[Partial, ...]
    counted: frozenset[Partial]
    dimensions: frozenset[str]
    levels: frozenset[str]
    level: str | None
    filtered: frozenset[str]
    pinned: frozenset[str]
    interval: Interval
    asked: Interval
    span: Interval
    strict: bool


_NONE: frozenset[str] = frozenset()


def needs_of(query: Query, catalog: Catalog, metrics: tuple[str, ...]) -> Needs:
    """The needs of a settled query for these metrics."""
    schema = catalog.schema
    group = frozenset(query.group)
    levels = group & schema.levels
    interval = interval_of(query)
    partials = tuple(dict.fromkeys(partial for name in metrics for partial in schema.partials(name)))
    return Needs(
        query,
        schema,
        metrics,
        partials,
        frozenset(partial for partial in partials if partial.function == "distinct"),
        group - levels,
        levels,
        common_level(levels),
        frozenset(predicate.dimension for predicate in query.filters) if query.filters else _NONE,
        frozenset(_pinned(query)) if query.filters else _NONE,
        interval,
        interval.intersect(catalog.span),
        catalog.span,
        catalog.strict,
    )


def _pinned(query: Query) -> Iterator[str]:
    """The dimensions that the filters leave one member."""
    excluded = {predicate.dimension: predicate.values for predicate in query.filters if predicate.exclude}
    for predicate in query.filters:
        left = predicate.values - excluded.get(predicate.dimension, frozenset())
        if not predicate.exclude and len(left) == 1:
            yield predicate.dimension


def _stored(projection: Projection, needs: Needs) -> Iterator[Reason]:
    """Rules 1 and 11: every partial of every metric is there."""
    for metric in needs.metrics:
        for partial in needs.schema.partials(metric):
            if partial not in projection.partials:
                text = f"{metric} is missing ({partial} is not stored)"
                yield Reason("metric_missing", metric, text, f"add {metric} to {projection.name}")
                break


def _group(projection: Projection, needs: Needs) -> Iterator[Reason]:
    """Rule 3: every dimension of the report is stored, or determined by one that is."""
    for name in sorted(needs.dimensions - projection.closure):
        text = f"dimension missing: {name}"
        yield Reason("dimension_missing", name, text, f"add {name} to {projection.name}")


def _filters(projection: Projection, needs: Needs) -> Iterator[Reason]:
    """Rule 5: every filtered dimension is stored, or determined by one that is."""
    for name in sorted(needs.filtered - projection.closure):
        text = f"filtered dimension missing: {name}"
        yield Reason("filter_dimension_missing", name, text, f"add {name} to {projection.name}")


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


def _interval(projection: Projection, needs: Needs) -> Iterator[Reason]:
    """Rule 8: both ends are boundaries of stored buckets, or lie beyond the data on their side."""
    schema, span = needs.schema, needs.span
    for name, instant, beyond, outward in (
        ("start", needs.interval.start, needs.interval.start <= span.start, schema.zone.floor),
        ("end", needs.interval.end, needs.interval.end >= span.end, schema.zone.ceiling),
    ):
        if beyond:
            continue
        if projection.level is None:
            shown = moment_text(instant, schema.zone)
            text = f"no time, so nothing can be cut at {name} {shown}"
            yield Reason("interval_unaligned", name, text, f"leave out {name}")
        elif not schema.zone.is_boundary(projection.level, instant):
            shown = moment_text(instant, schema.zone)
            text = f"{name} {shown} lies inside a {projection.level}"
            wider = moment_text(outward(projection.level, instant), schema.zone)
            yield Reason("interval_unaligned", name, text, f"widen the interval to {name} {wider}")


def _coverage(projection: Projection, needs: Needs) -> Iterator[Reason]:
    """Rule 9: all of the asked time that has facts is stored. What is not there is a reason, never a zero."""
    statistics = projection.statistics
    if statistics is not None and not statistics.coverage.covers(needs.asked):
        zone, held = needs.schema.zone, statistics.coverage
        text = f"holds {moment_text(held.start, zone)} to {moment_text(held.end - 1, zone)} only"
        yield Reason("coverage_gap", projection.name, text, f"build {projection.name} over the whole time")


def _exact(projection: Projection, needs: Needs) -> Iterator[Reason]:
    """Rule 12: what cannot merge is served where each group is just one stored row, or where it adds up."""
    for metric in needs.metrics:
        for partial in needs.schema.partials(metric):
            lonely = partial in projection.partials and partial not in projection.mergeable
            if lonely and not _adds_up(projection, needs, partial):
                grain = "/".join(needs.query.group) or "totals"
                text = f"{metric} cannot be merged ({partial}): needs exactly {grain}"
                yield Reason("needs_exact_grain", metric, text, exact_grain(needs))
                break


def _adds_up(projection: Projection, needs: Needs, partial: Partial) -> bool:
    if projection.level != needs.level:
        return False
    if needs.level is not None and not IDENTIFYING.get(needs.level, frozenset({""})) <= needs.levels:
        return False
    kept = needs.schema.closure(needs.dimensions | needs.pinned)
    collapsed = frozenset(projection.dimensions) - kept
    return collapsed <= needs.schema.determined_by(partial)


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


Rule = Callable[[Projection, Needs], Iterator[Reason]]

_METRIC_RULES: tuple[Rule, ...] = (_stored, _exact, _repeated)
_OTHER_RULES: tuple[Rule, ...] = (_level, _interval, _coverage, _built)
_TOUCH_RULES: tuple[Rule, ...] = (_group, _filters)

RULES: tuple[Rule, ...] = (*_TOUCH_RULES, _level, *_METRIC_RULES, _interval, _coverage, _built)


def is_eligible(projection: Projection, needs: Needs) -> bool:
    """Whether no rule objects; stops at the first that does, and asks none whose answer one comparison of sets
    gives."""
    if not (needs.dimensions <= projection.closure and needs.filtered <= projection.closure):
        return False
    rules = _OTHER_RULES if projection.merging.issuperset(needs.metrics) else (*_METRIC_RULES, *_OTHER_RULES)
    return not any(True for rule in rules for _ in rule(projection, needs))


def may_serve_part(projection: Projection, needs: Needs) -> bool:
    """Whether nothing but the interval can be in the way: then whole buckets of it may be a part of the answer (rule
    10). Metrics must merge, since a group may get rows of several parts."""
    return (
        needs.dimensions <= projection.closure
        and needs.filtered <= projection.closure
        and projection.merging.issuperset(needs.metrics)
        and not any(True for _ in _level(projection, needs))
        and not any(True for _ in _built(projection, needs))
    )


def reasons(projection: Projection, needs: Needs) -> tuple[Reason, ...]:
    """Every reason against a candidate; none where it can answer."""
    return tuple(reason for rule in RULES for reason in rule(projection, needs))


def offers(projection: Projection, needs: Needs) -> tuple[str, ...]:
    """Those of the needed metrics that a projection can give for this report, by declarations alone (W21)."""
    if not (needs.dimensions <= projection.closure and needs.filtered <= projection.closure):
        return ()
    if any(True for _ in _level(projection, needs)):
        return ()
    return tuple(
        name
        for name in needs.metrics
        if name in projection.merging or _is_exact(projection, needs, needs.schema.partials(name))
    )


def _is_exact(projection: Projection, needs: Needs, partials: tuple[Partial, ...]) -> bool:
    """Whether all partials are stored, and those that do not merge need not."""
    return projection.level == needs.level and all(
        partial in projection.mergeable or (partial in projection.partials and _adds_up(projection, needs, partial))
        for partial in partials
    )
