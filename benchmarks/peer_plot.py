"""A run of `benchmarks.peers` as a plot: a line for each question, a mark for each engine, wolap at 1.

The file holds no time and no random names: the same run gives the same bytes.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.engines.measure import Run
from benchmarks.engines.turns import FAST, OURS

MARKS = {FAST: "*", "polars": "o", "duckdb": "s", "pyarrow": "^", "datafusion": "D"}
COLOURS = {FAST: "#009e73", "polars": "#0072b2", "duckdb": "#d55e00", "pyarrow": "#cc79a7", "datafusion": "#7f7f7f"}


def draw(run: Run, path: Path) -> None:
    """Writes the plot."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    settings = {"svg.hashsalt": "peers", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9}
    with mpl.rc_context(settings):
        figure, axes = pyplot.subplots(figsize=(9, 0.36 * len(run.answered) + 1.4), layout="constrained")
        places = range(len(run.answered))
        for name in run.loads:
            if name != OURS:
                ratios = [one.times[name].median / one.times[OURS].median for one in run.answered]
                size = 80 if name == FAST else 32
                axes.scatter(ratios, places, s=size, c=COLOURS[name], marker=MARKS[name], label=name, zorder=3)
        targets = [one.question.target for one in run.answered]
        axes.scatter(targets, places, s=110, c="#000000", marker="|", label="target", zorder=2)
        axes.axvline(1, color="#000000", linewidth=1, label=OURS)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda ratio, _: f"{ratio:g}")
        axes.set_xlabel(f"time over that of wolap, {run.rows:,} facts (right of the line wolap is faster)")
        axes.set_yticks(places, [f"{one.question.name} ({one.question.key})" for one in run.answered])
        axes.invert_yaxis()
        axes.grid(axis="both", color="#dddddd", linewidth=0.6, zorder=0)
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside upper center", ncols=7, frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
        pyplot.close(figure)
