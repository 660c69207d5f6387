"""Has anything become slower? Ratios to yardsticks of the same run, held against those of the last landed commit.

    python -m benchmarks.ratios             # measures, compares, exits with 1 where something is 30 % slower
    python -m benchmarks.ratios --write     # makes benchmarks/ratios.json anew, once a change has landed

Never absolute times: the ratio of what a processor does to what it does for the same kind of work in the same seconds
is the same on a busy machine. What noise is left only adds, so each side counts the least of its rounds, and what seems
slower is measured again, up to ATTEMPTS times with more rounds each; the least ratio of all attempts is judged. Ratios
hang on the processor and on whether there are compiled kernels: where those differ from what the file was written with,
ratios are shown and not judged, and it says so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from benchmarks.yardsticks import PAIRS, ratio

FILE = Path(__file__).with_name("ratios.json")
SLOWER = 1.3
ROUNDS, ATTEMPTS, WRITTEN = 9, 6, 5


@dataclass(frozen=True, slots=True)
class Kept:
    """A ratio as it was: the median of some measurements, the least and the greatest."""

    ratio: float
    low: float
    high: float


def surroundings() -> dict[str, str]:
    """What ratios hang on besides wolap."""
    return {"processor": processor(), "compiled kernels": "numba" if find_spec("numba") else "none"}


def processor() -> str:
    """Its name as the system gives it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} x {names[0] if names else platform.processor() or platform.machine()}"


def write(names: Sequence[str], file: Path) -> None:
    """Measures several times, and keeps the median with its spread."""
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(WRITTEN):
        for name, own in found.items():
            own.append(ratio(name, ROUNDS))
    kept = {name: Kept(*(round(of(own), 4) for of in (median, min, max))) for name, own in found.items()}
    file.write_text(
        json.dumps({**surroundings(), "ratios": {name: asdict(one) for name, one in kept.items()}}, indent=1) + "\n"
    )
    for name, one in kept.items():
        print(f"{name:24}{one.ratio:9.3f}   {one.low:.3f} – {one.high:.3f}")


def compare(before: Mapping[str, Kept], measure: Callable[[str, int], float]) -> list[str]:
    """Prints each ratio beside what it was; the names of those that every attempt found slower."""
    slower = []
    for name, kept in before.items():
        found = measure(name, ROUNDS)
        attempts = 1
        while found > SLOWER * kept.ratio and attempts < ATTEMPTS:
            attempts += 1
            found = min(found, measure(name, ROUNDS * attempts))
        change, tried = found / kept.ratio, f"   the least of {attempts}" if attempts > 1 else ""
        print(f"{name:24}{kept.ratio:9.3f} ({kept.low:.3f} – {kept.high:.3f}) {found:9.3f}   {change - 1:+.0%}{tried}")
        if found > SLOWER * kept.ratio:
            slower.append(name)
    return slower


def main(arguments: Sequence[str] | None = None, file: Path = FILE) -> int:
    """Measures and prints; 1 where something is slower."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ratios", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--write", action="store_true", help="keep what is measured as what later runs are held against"
    )
    if parser.parse_args(arguments).write:
        write(list(PAIRS), file)
        return 0
    kept = json.loads(file.read_text())
    before = {name: Kept(**one) for name, one in kept.pop("ratios").items()}
    unknown, missing = before.keys() - PAIRS.keys(), PAIRS.keys() - before.keys()
    if unknown or missing:
        print(f"{file.name} is of other work than there is: {', '.join(sorted(unknown | missing))}; write it anew")
        return 1
    print(f"{'':24}{'before':>9} {'(spread)':16} {'now':>9}   times the yardstick, less is faster")
    slower = compare(before, ratio)
    others = [
        f"{name}: {kept.get(name)} then, {now} now" for name, now in surroundings().items() if kept.get(name) != now
    ]
    if others:
        print(f"shown and not judged, since ratios hang on what is another here ({'; '.join(others)})")
        return 0
    if slower:
        print(f"more than {SLOWER - 1:.0%} slower in each of {ATTEMPTS} attempts: {', '.join(slower)}")
        return 1
    print(f"nothing is more than {SLOWER - 1:.0%} slower")
    return 0


if __name__ == "__main__":
    sys.exit(main())
