"""How long does `import wolap` take beyond what it stands on, numpy, pyarrow and polars? It should stay under 0.3 s."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import wolap

RUNS = 3
PROGRAM = """
from time import perf_counter
import numpy, pyarrow, polars
began = perf_counter()
import {module}
print(perf_counter() - began)
"""


def seconds(module: str) -> float:
    """The least of a few fresh interpreters: what stands in the way is other work, and only ever adds."""
    environment = {**os.environ, "PYTHONPATH": str(Path(wolap.__file__).parent.parent)}
    command = (sys.executable, "-c", PROGRAM.format(module=module))
    runs = [subprocess.run(command, env=environment, check=True, capture_output=True, text=True) for _ in range(RUNS)]
    return min(float(run.stdout) for run in runs)


class Import:
    params = ("wolap", "wolap.web.endpoint")
    param_names = ("module",)

    def track_seconds(self, module: str) -> float:
        return seconds(module)

    track_seconds.unit = "seconds"  # type: ignore[attr-defined]
