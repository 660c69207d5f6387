"""When a projection is refreshed, and what it is until then.

A projection without a schedule is as new as its facts. One with a schedule is left as it was by the changes that come
before it is due: whole, of one state of the facts, that of its refresh time. What the planner has to know of it then is
what that state held:

    buckets that it has          stay as they were, facts that came late and the rest of an open bucket among them
    buckets behind its last one  are not in it: its `coverage` ends there, so that others serve them, never a zero

Where an interval is said to reach beyond all facts, those that it still holds count as well (`all_spans`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from wolap.engine.revise import apart
from wolap.model.interval import EVERYTHING, Interval, instant_of
from wolap.model.projection import Backlog, Projection, Statistics, schedule_of
from wolap.model.schema import Schema

__all__ = ["all_spans", "is_due", "left_behind"]


def is_due(projection: Projection, schema: Schema, now: datetime | None) -> bool:
    """Whether a projection that is built is to be refreshed. It is at once where its schedule cannot be told: where
    nobody says what time it is, or when it was refreshed."""
    spans = schedule_of(schema, projection)
    if not spans or now is None or projection.statistics is None or projection.statistics.refreshed is None:
        return True
    zone = schema.zone
    refreshed, at = instant_of(projection.statistics.refreshed, zone), instant_of(now, zone)
    return all(refreshed <= span.back(at, zone) for span in spans)


def left_behind(
    projection: Projection, statistics: Statistics, touched: Iterable[Interval], span: Interval
) -> Statistics:
    """What is known of a projection once the facts of some stretches have changed without it; `span` is that of the
    facts before."""
    before = statistics.backlog
    if before is not None:
        stretches = apart(sorted([*before.stretches, *touched], key=lambda one: one.start))
        return replace(statistics, backlog=replace(before, stretches=stretches))
    backlog = Backlog(tuple(touched), span)
    return replace(statistics, backlog=backlog, coverage=_held(projection, span))


def _held(projection: Projection, span: Interval) -> Interval:
    """The buckets of a projection that facts of a span fall into."""
    level, zone = projection.level, projection.zone
    if span.start >= span.end:
        return span
    return EVERYTHING if level is None else Interval(zone.floor(level, span.start), zone.ceiling(level, span.end))


def all_spans(facts: Interval, projections: Iterable[Projection]) -> Interval:
    """The instants that facts lie in, those that only projections know still among them."""
    known = [one.statistics.backlog for one in projections if one.statistics is not None]
    spans = [one for one in (facts, *(one.span for one in known if one is not None)) if one.start < one.end]
    return Interval(min(one.start for one in spans), max(one.end for one in spans)) if spans else facts
