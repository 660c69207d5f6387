"""A cube whose every version is known beforehand: a ledger of shops, to which one thing happens after the other.

What happens is drawn from a seed, so a writer, its readers in other processes and who looks at what a killed writer has
left all know the same steps. Each step publishes one version: the cube that was stored is version 1, that of the first
step 2. The facts of each version are a list of rows here, and answers are counted from it in plain Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any

import pyarrow as pa

from wolap import Cube, Dimension, Query, Schema, Time, Tree, count, distinct, maximum, total
from wolap.snapshot import Snapshot

__all__ = ["BUILT", "SCHEMA", "State", "Step", "check", "steps", "table"]

SCHEMA = Schema(
    "ledger",
    [Dimension("shop", parent="city"), Dimension("city")],
    {
        "rows": count(),
        "amount": total("amount"),
        "most": maximum("amount"),
        "accounts": distinct("account"),
        "regulars": distinct("account", keep="set"),
    },
    [Tree.from_paths(["year/month/day/city/shop"])],
    Time("at", ("year", "month", "day")),
)
# What is declared from the beginning, and built in the order in which it is not.
BUILT = ("year/month/day/city/shop", "year/month/day", "year/month", "city/shop", "city", "year/month/day/shop")
_BEGIN = datetime(2024, 1, 20, tzinfo=UTC)
_DAYS = 24
_DAY = timedelta(days=1)

# When, the shop, the account, the amount.
Row = tuple[datetime, str, int, int]


@dataclass(frozen=True)
class Step:
    """Something that happens to the cube: `of` says what, to which rows it is done, and the rows that there are
    then."""

    of: str
    act: Callable[[Cube], object]
    rows: tuple[Row, ...]


class State:
    """What a version answers."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    @cache  # noqa: B019 - states go with the list of them
    def report(self, path: str) -> list[dict[str, Any]]:
        """The records of a report, sorted."""
        groups: dict[tuple[Any, ...], list[Row]] = {}
        names = [name for name in path.split("/") if name]
        for row in self.rows:
            groups.setdefault(tuple(_value(name, row) for name in names), []).append(row)
        if not names:
            groups = {(): list(self.rows)}
        return [dict(zip(names, key, strict=True)) | _numbers(groups[key]) for key in sorted(groups)]


def _value(name: str, row: Row) -> Any:
    at, shop, _, _ = row
    return shop if name == "shop" else _city(shop) if name == "city" else getattr(at, name)


def _city(shop: str) -> str:
    return f"c{int(shop[1:]) % 3}"


def _numbers(rows: Sequence[Row]) -> dict[str, int | None]:
    accounts = len({account for _, _, account, _ in rows})
    amounts = [amount for *_, amount in rows]
    return {
        "rows": len(rows),
        "amount": sum(amounts) if rows else None,
        "most": max(amounts, default=None),
        "accounts": accounts,
        "regulars": accounts,
    }


PATHS = ("", "year", "year/month", "year/month/day", "city", "city/shop", "year/month/day/shop")


def check(snapshot: Snapshot, state: State, paths: Sequence[str] = PATHS) -> None:
    """That one version gives the answers of one state, and that they add up: days, months, cities and all."""
    sums: dict[str, tuple[int, int]] = {}
    for path in paths:
        found = snapshot.run(snapshot.plan(Query(path, metrics=tuple(SCHEMA.metrics)))).to_pylist()
        sums[path] = sum(one["rows"] for one in found), sum(one["amount"] or 0 for one in found)
        assert found == state.report(path), f"version {snapshot.catalog.version}, report {path!r}"
    assert len(set(sums.values())) == 1, sums


def table(rows: Sequence[Row]) -> pa.Table:
    """Facts as a cube takes them."""
    return pa.table(
        {
            "at": pa.array([row[0] for row in rows], pa.timestamp("us", "UTC")),
            "shop": pa.array([row[1] for row in rows], pa.string()),
            "city": pa.array([_city(row[1]) for row in rows], pa.string()),
            "account": pa.array([row[2] for row in rows], pa.int64()),
            "amount": pa.array([row[3] for row in rows], pa.int64()),
        }
    )


def steps(seed: int, builds: bool = True) -> Iterator[Step]:
    """The first is the cube as it is made, which needs no act; with `builds` projections are built now and then, and
    without them changes alone come."""
    random = Random(f"ledger {seed}")
    day = 5
    rows = tuple(_some(random, range(day), 60))
    yield Step("made", lambda _: None, rows)
    waiting = list(BUILT) if builds else []
    while True:
        kinds = ["append", "append", "late", "replace", "delete a shop", "delete an account", "retain"]
        kind = random.choice([*kinds, *(["build"] * 3 if waiting else [])])
        if kind == "build":
            yield _built(waiting.pop(0), rows)
            continue
        if len(rows) < 30 or kind == "append":
            day += random.random() < 0.3
            yield (step := _appended(random, rows, range(max(day - 1, 0), day + 1)))
        elif kind == "late":
            yield (step := _appended(random, rows, range(max(day - _DAYS, 0), day)))
        else:
            yield (step := _LESS[kind](random, rows))
        rows = step.rows


def _built(name: str, rows: tuple[Row, ...]) -> Step:
    return Step(f"build {name}", lambda cube: cube.materialize(name), rows)


def _some(random: Random, days: range, most: int) -> list[Row]:
    return [
        (
            _BEGIN + random.choice(days) * _DAY + timedelta(seconds=random.randrange(86_400)),
            f"s{random.randrange(12)}",
            random.randrange(40),
            random.randrange(-50, 1000),
        )
        for _ in range(random.randint(1, most))
    ]


def _appended(random: Random, rows: tuple[Row, ...], days: range) -> Step:
    more = _some(random, days, 25)
    return Step("append", lambda cube: cube.append(table(more)), (*rows, *more))


def _replaced(random: Random, rows: tuple[Row, ...]) -> Step:
    """Other facts in the place of those of a day that has some."""
    start = random.choice(rows)[0].replace(hour=0, minute=0, second=0)
    others = _some(random, range((start - _BEGIN).days, (start - _BEGIN).days + 1), 20)
    kept = [row for row in rows if not start <= row[0] < start + _DAY]
    return Step("replace", lambda cube: cube.replace(table(others), start, start + _DAY), (*kept, *others))


def _without_shop(random: Random, rows: tuple[Row, ...]) -> Step:
    shop = random.choice(rows)[1]
    kept = tuple(row for row in rows if row[1] != shop)
    return Step("delete a shop", lambda cube: cube.delete({"shop": shop}), kept)


def _without_account(random: Random, rows: tuple[Row, ...]) -> Step:
    account = random.choice(rows)[2]
    kept = tuple(row for row in rows if row[2] != account)
    return Step("delete an account", lambda cube: cube.delete({"account": account}), kept)


def _retained(_: Random, rows: tuple[Row, ...]) -> Step:
    """All but the oldest day."""
    since = min(row[0] for row in rows).replace(hour=0, minute=0, second=0) + _DAY
    return Step("retain", lambda cube: cube.retain(since), tuple(row for row in rows if row[0] >= since))


_LESS = {
    "replace": _replaced,
    "delete a shop": _without_shop,
    "delete an account": _without_account,
    "retain": _retained,
}
