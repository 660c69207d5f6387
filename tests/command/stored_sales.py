"""Files of facts and cube files for the commands that store: sales of days of July 2024, a file each."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
from click.testing import CliRunner, Result
from pyarrow import parquet

from wolap.command import commands

ROOT = Path(__file__).parents[2]
DAY = 86_400_000_000
START = 1_719_792_000_000_000

DECLARATION = '''
[cube]
name = "sales"
base = "/sales/v1"
facts = "facts"

[time]
column = "at"
everywhere = true

[dimensions]
country = {}
city = {}
size = {}

[metrics]
sales = "count"
amount = { sum = "amount" }
customers = { distinct = "customer" }

[trees]
main = """
year
  month
    day
      country
country
  city
size
"""

[[projections]]
dimensions = ["year", "month", "day", "country"]

[[projections]]
dimensions = ["country", "city"]
'''


def facts(day: int, rows: int, seed: int = 0) -> pa.Table:
    """Sales of a day of July 2024."""
    random = np.random.default_rng([day, seed])
    at = START + (day - 1) * DAY + random.integers(0, DAY, rows)
    return pa.table(
        {
            "at": pa.array(at, pa.timestamp("us")),
            "country": pa.array([f"c{one}" for one in random.integers(0, 5, rows)]),
            "city": pa.array([f"x{one}" for one in random.integers(0, 20, rows)]),
            "size": pa.array(random.integers(0, 4, rows)),
            "amount": pa.array(random.integers(0, 100, rows)),
            "customer": pa.array(random.integers(0, 300, rows)),
        }
    )


def write(folder: Path, name: str, day: int, rows: int = 200, seed: int = 0) -> Path:
    """A file of facts beside the cube file."""
    (folder / "facts").mkdir(exist_ok=True)
    path = folder / "facts" / f"{name}.parquet"
    parquet.write_table(facts(day, rows, seed), path)
    return path


def declare(folder: Path, text: str = DECLARATION) -> Path:
    """A cube file."""
    path = folder / "sales.toml"
    path.write_text(text, encoding="utf-8")
    return path


def run(*arguments: object) -> Result:
    """A command, in this process."""
    return CliRunner().invoke(commands, [str(one) for one in arguments])


def said(result: Result) -> str:
    """What a command that did its work has printed."""
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr
    return result.stdout


def begin(*arguments: object) -> subprocess.Popen[str]:
    """A command as a process of its own."""
    command = [sys.executable, "-m", "wolap", *map(str, arguments)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def sales_by_day(where: Path) -> dict[int, int]:
    """How many sales each day has, as a cube says it."""
    target = "year/month/day.csv?metrics=sales&start=2024-01&end=2025"
    _, *rows = csv.reader(io.StringIO(said(run("query", where, target))))
    return {int(row[2]): int(row[3]) for row in rows}


def sales_in_files(folder: Path) -> dict[int, int]:
    """The same, as the files say it."""
    found: Counter[int] = Counter()
    for path in (folder / "facts").iterdir():
        days = (parquet.read_table(path)["at"].cast(pa.int64()).to_numpy() - START) // DAY + 1
        found.update(days.tolist())
    return dict(found)
