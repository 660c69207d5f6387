"""Published APIs as data: each is a cube file in this package, with a generator of plausible events beside it.

    name          API                                     audiences         base and alias
    esm-v2        Entitlement Service Monitoring 2        programmer, mvpd  /esm/v2
    esm-v3-2024   Entitlement Service Monitoring 3, 2024  programmer, mvpd  /esm/v3, /esm/report
    esm-v3        Entitlement Service Monitoring 3, today programmer, mvpd  /esm/v3, /esm/report
    cmu-v2        Concurrency Monitoring Usage 2          tenant            /cmu/v2, /cmu/report

The two states of ESM 3 are alternatives: one endpoint serves one of them.
"""

from __future__ import annotations

import tomllib
from datetime import datetime
from importlib.resources import files
from pathlib import Path

import numpy as np
import pyarrow as pa

from wolap.apis.events import entitlement_events
from wolap.apis.rhythm import rhythm_before
from wolap.apis.sessions import usage_events

__all__ = ["NAMES", "declaration_path", "make_events"]

NAMES = ("esm-v2", "esm-v3-2024", "esm-v3", "cmu-v2")


def declaration_path(name: str = "esm-v3") -> Path:
    """Where the cube file of a published API lies. Raises FileNotFoundError, naming those that exist."""
    if name not in NAMES:
        raise FileNotFoundError(f"no cube file is packaged for {name!r}; there are {', '.join(sorted(NAMES))}")
    return Path(str(files(__name__))) / f"{name}.toml"


def make_events(name: str, rows: int, *, seed: int = 2024, end: datetime, days: int = 90) -> pa.Table:
    """Events of the `days` days before `end`, sorted by time, with the columns that the cube file asks for.

    The same arguments give the same table. An `end` without a zone is UTC. Raises FileNotFoundError for an unknown
    API and ValueError for a number of rows or days that cannot be.
    """
    path = declaration_path(name)
    if rows < 0 or days < 1:
        raise ValueError(f"{rows} rows in {days} days: there are at least 0 rows in at least 1 day")
    random = np.random.Generator(np.random.SFC64(seed))
    rhythm = rhythm_before(end, days)
    if name.startswith("cmu"):
        return usage_events(random, rows, rhythm)
    dimensions = tomllib.loads(path.read_text(encoding="utf-8"))["dimensions"]
    return entitlement_events(random, rows, rhythm, tuple(dimensions))
