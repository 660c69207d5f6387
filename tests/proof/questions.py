"""Random questions to a random world: near what is stored, so that most can be answered in more than one way.

A new field of Query takes part by one line in `question`.
"""

from __future__ import annotations

from datetime import UTC
from random import Random
from typing import Any

from strategies import UNKNOWN, is_missing

from proof.worlds import AGES, Trial
from wolap import EVERYONE, Filter, Principal, Projection, Query
from wolap.model.aggregate import SETS
from wolap.model.interval import Moment
from wolap.model.level import IDENTIFYING, LEVELS, nests
from wolap.model.query import Order
from wolap.model.zone import DAY

__all__ = ["question"]

# Of these, plans agree within a tolerance, so two may put near equals in another order.
ROUNDED = frozenset({"variance", "standard_deviation"})


def question(random: Random, trial: Trial) -> tuple[Query, Principal]:
    """A query, and who asks."""
    schema = trial.world.schema
    names, offered, filters, near = list(schema.names), list(schema.metrics), None, None
    group = random.sample(names, random.randint(0, min(len(names), 5)))
    if trial.stored and random.random() < 0.75:
        near = random.choice(trial.stored)
        levels = [level for level in schema.levels if near.level is not None and nests(near.level, level)]
        if near.zone != schema.zone and random.random() < 0.4:
            # Of buckets of another clock a report without time can be made, whatever they cross.
            levels = []
        names = [*sorted(levels, key=LEVELS.index), *sorted(near.closure)] or names
        offered = list(near.metrics) if random.random() < 0.8 else offered
        group = random.sample(names, random.randint(0, min(len(names), 5)))
        if random.random() < 0.3:
            group, filters = _exactly(random, trial, near)
    if random.random() < 0.4:
        # A group may get rows of several pieces, so only what merges can be put together.
        offered = [name for name in offered if _merges(trial, name)] or offered
    path = group[: random.randint(0, len(group))] if random.random() < 0.2 else group
    metrics = None if random.random() < 0.2 else random.sample(offered, random.randint(1, min(len(offered), 4)))
    start, end = _bounds(random, trial, near)
    if filters is None:
        filters = _filters(random, trial, names)
    if near is not None and near.filters and random.random() < 0.8:
        filters = [*filters, *_narrower(random, near)]
    query = Query(
        path,
        include=group[len(path) :],
        filters=filters,
        metrics=metrics,
        start=start,
        end=end,
        limit=random.randint(1, 20) if random.random() < 0.2 else None,
        offset=random.randint(1, 9) if random.random() < 0.1 else 0,
        order=_order(random, trial, [*group, *(metrics or ())]) if random.random() < 0.2 else (),
        fresh_since=random.choice(AGES) if random.random() < 0.1 else None,
    )
    if random.random() < 0.1:
        return query, Principal(filters=tuple(_filters(random, trial, sorted(trial.alphabets))))
    return query, EVERYONE


def _filters(random: Random, trial: Trial, names: list[str]) -> list[Filter]:
    """Up to two predicates; often one member, which pins; with null and with members that no row has."""
    plain = [name for name in names if name in trial.alphabets]
    found = []
    for name in random.choices(plain, k=random.choice((0, 0, 1, 1, 2))) if plain else []:
        kind = trial.world.kinds[name]
        members = [value for value in trial.alphabets[name] if not is_missing(value)]
        members += [None, UNKNOWN[kind]]
        count = 1 if random.random() < 0.5 else random.randint(1, min(6, len(members)))
        found.append(Filter(name, frozenset(random.sample(members, count)), random.random() < 0.3))
    return found


def _narrower(random: Random, near: Projection) -> list[Filter]:
    """What a projection holds, or some of that: fewer members that are kept, more that are left out."""
    found = []
    for own in near.filters:
        members = sorted(own.values, key=str)
        if not own.exclude and random.random() < 0.3:
            members = random.sample(members, random.randint(1, len(members)))
        elif own.exclude and random.random() < 0.2:
            members = [*members, None]
        found.append(Filter(own.dimension, frozenset(members), own.exclude))
    return found


def _exactly(random: Random, trial: Trial, near: Projection) -> tuple[list[str], list[Filter]]:
    """The grain of a projection, in which what cannot merge may be served; less a dimension that is pinned or not."""
    levels = trial.world.schema.levels & IDENTIFYING.get(near.level or "", frozenset())
    group = [*sorted(levels), *near.dimensions]
    if near.dimensions and random.random() < 0.5:
        left_out = random.choice(near.dimensions)
        group.remove(left_out)
        members = [None, *(value for value in trial.alphabets[left_out] if not is_missing(value))]
        if random.random() < 0.7:
            return group, [Filter(left_out, frozenset([random.choice(members)]))]
    return random.sample(group, len(group)), []


def _bounds(random: Random, trial: Trial, near: Projection | None) -> tuple[Moment | None, Moment | None]:
    """No bound, or one anywhere, or one at a boundary of some level, within the facts or a little beyond them."""
    schema, span = trial.world.schema, trial.snapshot.catalog.span
    if schema.time is None or random.random() < 0.2:
        return None, None
    if span.start >= span.end or random.random() < 0.1:
        center = int(random.choice(trial.world.centers).astimezone(UTC).timestamp()) * 1_000_000
        low, high = center - 3 * DAY, center + 3 * DAY
    else:
        more = random.choice((0, 0, DAY, 400 * DAY))
        low, high = span.start - more, span.end + more
    found = []
    fitting = near.calendar if near is not None and random.random() < 0.5 else None
    for _ in range(2):
        instant = random.randint(low, high)
        level = random.choice(("hour", "day", "day", "month", "year", "week", "minute", "quarter", None))
        level, zone = fitting or (level, schema.zone)
        if fitting is not None and random.random() < 0.3:
            # A bucket of the same size by the clock of the cube.
            zone = schema.zone
        found.append(instant if level is None else zone.floor(level, instant))
    start, end = min(found), max(found) + (found[0] == found[1])
    return (
        Moment.at(start) if random.random() < 0.8 else None,
        Moment.at(end) if random.random() < 0.8 else None,
    )


def _order(random: Random, trial: Trial, shown: list[str]) -> list[Order]:
    schema = trial.world.schema
    exact: list[Any] = [name for name in shown if name not in schema.metrics or not _is_rounded(trial, name)]
    return [Order(name, random.random() < 0.5) for name in random.sample(exact, min(len(exact), 2))]


def _merges(trial: Trial, name: str) -> bool:
    return SETS.isdisjoint(partial.function for partial in trial.world.schema.partials(name))


def _is_rounded(trial: Trial, name: str) -> bool:
    metric = trial.world.schema.metrics[name]
    return metric.function in ROUNDED or any(_is_rounded(trial, operand) for operand in metric.operands)
