"""Has anything become slower? Ratios to yardsticks of the same run, held against those of the last landed commit.

    python -m benchmarks.ratios             # measures, compares, exits with 1 where something is 30 % slower
    python -m benchmarks.ratios --write     # keeps them in benchmarks/ratios.json, once a change has landed
    python -m benchmarks.ratios --plain     # either, as if numba were not installed

Never absolute times: the ratio of what a processor does to what it does for the same kind of work in the same seconds
is the same on a busy machine. What noise is left only adds, so each side counts the least of its rounds, and what seems
slower is measured again, up to ATTEMPTS times with more rounds each; the least ratio of all attempts is judged. Those
with numba installed and those without are kept beside each other. On another processor than the file was written on
ratios are shown and not judged, and it says so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from types import ModuleType

FILE = Path(__file__).with_name("ratios.json")
SLOWER = 1.3
ROUNDS, ATTEMPTS, WRITTEN = 9, 6, 5
Measure = Callable[[str, int], float]


@dataclass(frozen=True, slots=True)
class Kept:
    """A ratio as it was: the median of some measurements, the least and the greatest."""

    ratio: float
    low: float
    high: float


def kernels(plain: bool) -> str:
    """Which kernels are at work."""
    return "numpy" if plain or find_spec("numba") is None else "numba"


def work(plain: bool) -> ModuleType:
    """What is measured. Where numba is to be hidden, it is before wolap is imported."""
    if plain:
        sys.modules["numba"] = None  # type: ignore[assignment]
    return import_module("benchmarks.yardsticks")


def processor() -> str:
    """Its name as the system gives it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} x {names[0] if names else platform.processor() or platform.machine()}"


def write(names: Sequence[str], measure: Measure) -> dict[str, Kept]:
    """Measures several times: the medians, each with its spread."""
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(WRITTEN):
        for name, own in found.items():
            own.append(measure(name, ROUNDS))
    kept = {name: Kept(*(round(of(own), 4) for of in (median, min, max))) for name, own in found.items()}
    for name, one in kept.items():
        print(f"{name:24}{one.ratio:9.3f}   {one.low:.3f} – {one.high:.3f}")
    return kept


def compare(before: Mapping[str, Kept], measure: Measure) -> list[str]:
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


def keep(file: Path, which: str, found: Mapping[str, Kept]) -> None:
    """Writes them; those with other kernels stay, if they are of this processor."""
    old = json.loads(file.read_text()) if file.exists() else {}
    others = old.get("ratios", {}) if old.get("processor") == processor() else {}
    ratios = {**others, which: {name: asdict(one) for name, one in found.items()}}
    file.write_text(json.dumps({"processor": processor(), "ratios": ratios}, indent=1) + "\n")


def judge(file: Path, which: str, names: Collection[str], measure: Measure) -> int:
    """Holds what is measured against the file; 1 where something is slower."""
    kept = json.loads(file.read_text())
    before = {name: Kept(**one) for name, one in kept["ratios"].get(which, {}).items()}
    if before.keys() != set(names):
        print(f"{file.name} with {which} lacks or no longer needs: {', '.join(sorted(before.keys() ^ set(names)))}")
        print("python -m benchmarks.ratios --write makes it anew")
        return 1
    print(f"{'with ' + which:24}{'before':>9} {'(spread)':16} {'now':>9}   times the yardstick, less is faster")
    slower = compare(before, measure)
    if kept["processor"] != processor():
        print(f"shown and not judged: before was on {kept['processor']}, this is {processor()}")
        return 0
    if slower:
        print(f"more than {SLOWER - 1:.0%} slower in each of {ATTEMPTS} attempts: {', '.join(slower)}")
        return 1
    print(f"nothing is more than {SLOWER - 1:.0%} slower")
    return 0


def main(arguments: Sequence[str] | None = None, file: Path = FILE) -> int:
    """Measures and prints; 1 where something is slower."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ratios", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="keep what is measured, for later runs")
    parser.add_argument("--plain", action="store_true", help="as if numba were not installed")
    said = parser.parse_args(arguments)
    which, measured = kernels(said.plain), work(said.plain)
    if not said.write:
        return judge(file, which, measured.PAIRS, measured.ratio)
    keep(file, which, write(list(measured.PAIRS), measured.ratio))
    return 0


if __name__ == "__main__":
    sys.exit(main())
