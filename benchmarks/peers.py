"""Is wolap faster than DuckDB, Polars, pyarrow and DataFusion at what OLAP reports ask? One run, a table of ratios.

    python -m benchmarks.peers --rows 20_000_000
    python -m benchmarks.peers --rows 20_000_000 --fast --markdown docs/benchmarks.md --plot docs/peers.svg

A ratio is the time of the best peer, in its best formulation, over that of wolap: above 1 wolap is faster. Values are
compared before anything is timed. The last line names the worst. How the engines are asked stands in
`benchmarks/engines`, how fair that is in docs/benchmarks.md. Twenty million facts in all engines take about 15 GB.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module
from os import cpu_count
from pathlib import Path
from platform import python_version

from benchmarks.engines.measure import measure
from benchmarks.engines.questions import QUESTIONS
from benchmarks.engines.turns import FAST, KINDS, OURS
from benchmarks.peer_tables import as_markdown, as_text, placed


def versions(names: Sequence[str]) -> str:
    """What took part."""
    libraries = dict.fromkeys(["numpy", *(KINDS[name].library for name in names)])
    said = [f"{name} {import_module(name).__version__}" for name in libraries]
    return f"python {python_version()}, {', '.join(said)}, {cpu_count()} processors"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="facts, such as 20_000_000")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each engine at each question")
    parser.add_argument("--engines", default=",".join(name for name in KINDS if name not in (OURS, FAST)), help="peers")
    parser.add_argument("--questions", default="", help="keys, such as a,c,pd; all unless said")
    parser.add_argument("--fast", action="store_true", help="wolap with its compiled kernels and two threads as well")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="a page whose section of the run is replaced")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="an SVG of the ratios")
    said = parser.parse_args(arguments)
    peers = [name for name in said.engines.split(",") if name]
    only = [key for key in said.questions.split(",") if key]
    if unknown := [name for name in peers if name not in KINDS or name in (OURS, FAST)]:
        parser.error(f"there is no peer {unknown[0]!r}; peers are {', '.join(set(KINDS) - {OURS, FAST})}")
    if unknown := [key for key in only if key not in [question.key for question in QUESTIONS]]:
        parser.error(f"there is no question {unknown[0]!r}; they are {', '.join(one.key for one in QUESTIONS)}")
    wanted = [OURS, *[FAST] * said.fast, *peers]
    names = [name for name in wanted if KINDS[name].is_installed]
    for name in wanted:
        if name not in names:
            print(f"{name} is left out: {KINDS[name].library} is not installed")
    if not set(names) - {OURS, FAST}:
        parser.error("no peer is installed: pip install '.[dev]'")
    took_part = versions(names)
    run = measure(names, said.rows, said.rounds, only)
    if said.markdown:
        said.markdown.write_text(placed(said.markdown.read_text(), as_markdown(run, took_part)))
    if said.plot:
        from benchmarks.peer_plot import draw

        draw(run, said.plot)
    print(as_text(run, took_part))


if __name__ == "__main__":
    main()
