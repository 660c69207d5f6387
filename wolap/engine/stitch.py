"""Partials of several pieces as one (`planner.md` rule 10): equal groups are merged; each instant is in one piece."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wolap.engine.collection import regroup
from wolap.engine.groups import Groups, Partials, merge
from wolap.engine.joint import companions_of, join_groups
from wolap.engine.keys import CodeDigit, pack
from wolap.model.aggregate import COLLECTIONS, JOINT

__all__ = ["stitch"]


def stitch(parts: Sequence[Partials]) -> Partials:
    """The groups of all parts, which were grouped by the same query, sorted from left to right.

    Parts come in the order of time, so that floats are added up in that order. Raises PartialOverflow.
    """
    if len(parts) == 1:
        return parts[0]
    rows = sum(part.rows for part in parts)
    columns = {name: np.concatenate([part.dimensions[name] for part in parts]) for name in parts[0].dimensions}
    # The years of a calendar and the codes of members are small whole numbers alike.
    digits = [CodeDigit(column, int(column.max(initial=0)) + 1) for column in columns.values()]
    packed = pack(digits, 0, rows)
    keys = packed.build(0, rows, None)
    later = COLLECTIONS | JOINT.keys()
    plain = [partial for partial in parts[0].series if partial.function not in later]
    keyed, begin = [], 0
    for part in parts:
        keyed.append((keys[begin : begin + part.rows], {partial: one for partial, (one, _) in part.series.items()}))
        begin += part.rows
    merged = merge([Groups(own, tuple(series[partial] for partial in plain)) for own, series in keyed], plain)
    known = dict(zip(plain, merged.series, strict=True))
    second = [partial for partial in parts[0].series if partial.function in later]
    where = [np.searchsorted(merged.keys, own) for own, _ in keyed] if second else []
    for partial in second:
        placed = [(place, series) for place, (_, series) in zip(where, keyed, strict=True)]
        if partial.function in JOINT:
            rows_of = [(place, series[partial], companions_of(partial, series)) for place, series in placed]
            known[partial] = join_groups(partial, rows_of, known, len(merged.keys))
        else:
            collected = [(place, series[partial]) for place, series in placed]
            known[partial] = regroup(partial.function, collected, len(merged.keys))
    dimensions = dict(zip(columns, packed.split(merged.keys), strict=True))
    typed = {partial: (known[partial], kind) for partial, (_, kind) in parts[0].series.items()}
    return Partials(dimensions, typed, len(merged.keys))
