"""The cube that the tests of the language ask, and the moment at which they ask it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from wolap.language.reader import locate, read_query, split_target
from wolap.model.aggregate import count, maximum, total
from wolap.model.principal import EVERYONE, Principal
from wolap.model.query import Query
from wolap.model.schema import Dimension, Schema, Time
from wolap.model.tree import Tree

NOW = datetime(2024, 8, 20, 14, 35, 21, 987_654, tzinfo=UTC)

ESM = Schema(
    "esm",
    base="/esm/v3",
    aliases=("/esm/report", "/cubes/v1.2"),
    dimensions=[
        Dimension("platform"),
        Dimension("device", null="unknown"),
        Dimension("app.csv"),
        Dimension("app"),
        Dimension("rank", kind="integer"),
        Dimension("price", kind="decimal"),
        Dimension("score", kind="float"),
        Dimension("live", kind="boolean"),
        Dimension("aired", kind="date"),
        Dimension("seen", kind="timestamp"),
        Dimension("region"),
        Dimension("tenant"),
        Dimension("bucket"),
    ],
    metrics={"clients": count(), "plays": total("plays"), "longest": maximum("seconds")},
    time=Time("at", ("year", "month", "day", "hour", "minute", "second", "week", "quarter")),
    trees=[
        Tree.parse("year\n month\n  day\n   hour\n    minute\n     second\n   platform\nquarter\nweek"),
        Tree.parse("platform\n device\n  app.csv\n  app\nyear\n platform\n  device", name="devices"),
        Tree.parse("rank\n price\n  score\n   live\n    aired\n     seen", name="kinds"),
        Tree.parse("tenant\n bucket", name="buckets", metrics=("longest",)),
        Tree.parse("region\n platform", name="partners", audience="partner"),
    ],
    maximum_limit=5000,
)
assert ESM.time is not None
EVERYWHERE = replace(ESM, time=replace(ESM.time, everywhere=True))
TIMELESS = replace(ESM, time=None, trees=ESM.trees[2:])


def ask(text: str, schema: Schema = ESM, principal: Principal = EVERYONE, now: datetime = NOW) -> Query:
    """The query that a target asks, through all three readers."""
    target = split_target(text)
    location = locate(target, schema)
    assert location is not None, text
    return read_query(target, location, schema, principal, now)
