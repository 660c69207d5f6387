"""What the explorer is shown on: events around a change of the clock, with members that are anything but words."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa

from wolap import Cube, Dimension, Schema, Time, Tree, count, mean, total
from wolap.cube_file import load_cube, read_cube_file

__all__ = ["HOSTILE", "ZONE", "cubes", "events"]

ZONE = "Europe/Berlin"
HOSTILE = (
    "<script>alert(1)</script>",
    "\"double\" & 'single' &amp;",
    "two\nlines",
    "=1+1",
    "שלום \u202eעולם",
    "👩‍👩‍👧 東京",
    "100 % +é/?#",
    "plain",
    None,
    "",
)
PROVIDERS = ("Alpha", "Beta", "Gamma", None)
TREE = """
year
  month
    day
      hour
        platform
          provider
      platform
        provider
    platform
      provider
platform
  provider
    channel
  year
    month
"""


def events() -> pl.DataFrame:
    """Six months of events, every few hours, and every ten minutes in the night when summer time ends."""
    start = datetime(2024, 6, 1)  # noqa: DTZ001 - facts on the clock of UTC
    apart = [start + timedelta(hours=7 * number, minutes=number % 60) for number in range(640)]
    night = [datetime(2024, 10, 26, 20) + timedelta(minutes=10 * number) for number in range(60)]  # noqa: DTZ001
    at = sorted(apart + night)
    numbers = range(len(at))
    return pl.DataFrame(
        {
            "at": at,
            "platform": [HOSTILE[number * 7 % len(HOSTILE)] for number in numbers],
            "provider": [PROVIDERS[number * 5 % 11 % 4] for number in numbers],
            "channel": [number % 3 for number in numbers],
            "size": [number * 37 % 2000 for number in numbers],
        },
        schema_overrides={"at": pl.Datetime("us")},
    )


def _viewing() -> Cube:
    schema = Schema(
        "viewing",
        [
            Dimension("platform", title="Platform", description="What it was <watched> on."),
            Dimension("provider", title="TV provider"),
            Dimension("channel", title="Channel", null="(no channel)"),
        ],
        {
            "events": replace(count(), title="Events", description="How many there were."),
            "size": replace(total("size"), title="Size", unit="kB"),
            "mean-size": replace(mean("size"), title="Mean size", unit="kB"),
        },
        [Tree.parse(TREE)],
        Time("at", ("year", "month", "day", "hour"), ZONE),
        base="/viewing/v1",
        title="Viewing & <listening>",
        description='What was watched, "where" and by whom.',
    )
    cube = Cube(schema, pa.table(events().to_arrow()))
    cube.materialize("year/month/day/platform/provider")
    return cube


def cubes() -> list[Cube]:
    """The cubes that are served: this one and a real one."""
    return [_viewing(), load_cube(read_cube_file(Path(__file__).parents[2] / "examples" / "commits.toml"))]
