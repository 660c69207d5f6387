"""Limits that only a hundred million rows reach, made so small that a few hundred reach them.

Blocks, dense tables, packed keys and partitions have sizes at which another way is gone. Half of all worlds are
strained: each limit is by chance as it is, or tiny. Answers must not change.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from types import ModuleType

from wolap import home
from wolap.engine import (
    collection,
    dimensions,
    distinct,
    explode,
    gather,
    grouping,
    groups,
    joint,
    kernels,
    keys,
    layout,
    load,
    materialize,
    moments,
    parts,
    revise,
    scan,
    source,
    statistics,
    taken,
    time_index,
    words,
    zones,
)
from wolap.planner import cost
from wolap.storage import segment

__all__ = ["strained"]

# Where, which limits, and the small numbers that one of is put in their place.
LIMITS: tuple[tuple[tuple[ModuleType, ...], str, tuple[float, ...]], ...] = (
    ((kernels, joint, collection), "BLOCK", (40, 64, 500)),
    ((kernels, collection, explode), "LARGE_BLOCK", (40, 500)),
    ((explode,), "_ROWS", (30, 100)),
    ((kernels,), "DENSE_ALWAYS", (0,)),
    ((kernels,), "DENSE_MOST", (0, 16)),
    ((kernels,), "_LONG_RUN", (1, 2)),
    ((grouping,), "MOST_ROWS", (100,)),
    ((grouping,), "MOST_GROUPS", (0, 10)),
    ((grouping,), "_DENSE", (0,)),
    ((grouping,), "_FEW", (0, 1000)),
    ((kernels,), "COMPILED_ROWS", (0,)),
    ((words,), "_ROWS_BETWEEN", (1,)),
    ((words,), "_ROWS_PER_KEY", (1,)),
    ((scan,), "_FILTERED", (60, 700)),
    ((scan,), "_LONG_MASK", (1,)),
    ((scan,), "_SAMPLE", (1, 5)),
    ((scan,), "_LONG_RANGE", (0, 3)),
    ((source,), "_SHARE", (1 << 30,)),
    ((keys,), "_FEW_RUNS", (0, 2)),
    ((groups,), "_RANKS_MOST", (0,)),
    ((groups,), "_LONG_RUN", (1, 1 << 30)),
    ((materialize,), "_STRETCH", (1, 40)),
    ((segment, load), "NARROW_ROWS", (0,)),
    ((collection,), "_TABLE_BYTES_MOST", (0,)),
    ((distinct,), "_MARKS_ALWAYS", (0,)),
    ((distinct,), "_MARKS_PER_ROW", (0,)),
    ((distinct,), "_MARKED", (40, 500)),
    ((distinct,), "_READ", (40, 500)),
    ((distinct,), "_SORTED", (0, 100)),
    ((distinct,), "_SPARSE", (0,)),
    ((distinct,), "_LONG", (1,)),
    ((distinct, collection, parts), "NARROW", (0, 1 << 12)),
    ((parts,), "_WIDE", (1 << 10,)),
    ((parts,), "_POOLED", (1, 100)),
    ((parts,), "_WORTH", (0, 10)),
    ((parts,), "_LOOKED_UP", (0,)),
    ((keys,), "_MOST", (1 << 4, 1 << 12)),
    ((keys,), "_RANKED_BLOCK", (50, 500)),
    ((keys,), "_LONG_BUCKET", (0, 1 << 20)),
    ((taken,), "_BLOCK", (20, 200)),
    ((time_index,), "_BLOCK", (50, 500)),
    ((time_index,), "_SHARED", (0, 1 << 20)),
    ((dimensions, source, statistics, zones), "WORTH_ROWS", (0, 0, 50)),
    ((moments,), "_PARTITION_ROWS", (0, 0, 10)),
    ((revise,), "_MOST_SEGMENTS", (1, 3)),
    ((revise,), "_LARGE", (1, 40)),
    ((revise,), "_DEAD_SHARE", (1, 1000)),
    ((gather,), "_BLOCK", (1, 50)),
    ((home,), "_MOST", (1, 50)),
    ((zones,), "_MEAN_RUN", (0, 0, 2)),
    ((zones,), "_BLOCK", (20, 100)),
    ((layout,), "_MOST_PARTITIONS", (1, 20)),
)


if kernels.has_compiled():
    from wolap.engine import compiled

    LIMITS += (((compiled,), "_THREAD_ROWS", (1, 50)), ((kernels,), "COMPILED_BLOCK", (50, 500)))


@contextmanager
def strained(random: Random) -> Iterator[None]:
    """Limits as they are, or some of them small. AttributeError tells of one that is gone."""
    usual = [(module, name, getattr(module, name)) for modules, name, _ in LIMITS for module in modules]
    piece = cost.RATES["piece"]
    strains = random.random() < 0.5
    keeps = random.random() < 0.5
    if random.random() < 0.5:
        # Each piece saves time, so that covers have as many as there can be.
        cost.RATES["piece"] = random.choice((-1e6, -1e3))
    if strains:
        for modules, name, small in LIMITS:
            if random.random() < 0.5:
                chosen = random.choice(small)
                for module in modules:
                    setattr(module, name, chosen)
    if not keeps:
        # Nothing is small, so that kernels and zones read rows.
        grouping.MOST_ROWS = 0
    try:
        yield
    finally:
        cost.RATES["piece"] = piece
        for module, name, value in usual:
            setattr(module, name, value)
