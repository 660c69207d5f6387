"""A run of `benchmarks.peers` as text and as a section of a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.engines.measure import Answered, Run
from benchmarks.engines.questions import Question
from benchmarks.engines.turns import FAST, OURS

BEGIN, END = "<!-- python -m benchmarks.peers --markdown writes from here -->", "<!-- to here -->"
MIB = 1 << 20


def as_text(run: Run, versions: str) -> str:
    """The tables for a terminal. The last line is the worst ratio."""
    lines = [versions, f"{run.rows:,} facts, pre-aggregation of {run.stored:,} rows; milliseconds", ""]
    for title, heads, rows in tables(run):
        lines += [title, *aligned([heads, *rows]), ""]
    return "\n".join([*lines, *run.left_out, *misses(run), *worst(run)])


def as_markdown(run: Run, versions: str) -> str:
    """The same for a page."""
    lines = [f"{run.rows:,} facts, a pre-aggregation of {run.stored:,} rows; {versions}.", ""]
    for title, heads, rows in tables(run):
        lines += [f"**{title}**", "", bar(heads), bar(["---"] * len(heads)), *[bar(row) for row in rows], ""]
    said = [*run.left_out, *misses(run), *worst(run)]
    return "\n".join([*lines, *[f"- {line}" for line in said]])


def placed(page: str, section: str) -> str:
    """The page with another section of the run. Raises ValueError for one without the two marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no section between {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{section}\n\n{END}{after}"


def tables(run: Run) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Title, heads and rows of each."""
    ours = [name for name in (OURS, FAST) if name in run.loads]
    peers = [name for name in run.loads if name not in ours]
    heads = ["", "question", "groups", *ours, *peers, "best peer", "ratio", "of rounds"]
    heads += ["ratio, fast"] * (FAST in ours) + ["target", "charged"]
    yield "Times in ms, and the best peer's over wolap's", heads, [_row(run, one, ours, peers) for one in run.answered]
    yield (
        "The formulation that was each peer's fastest",
        ["", *peers],
        [[one.question.key, *(one.times[name].formulation or "the one" for name in peers)] for one in run.answered],
    )
    yield (
        "Loading the facts: seconds, and memory beyond that of the process before, in MiB",
        ["engine", "seconds", "held", "bytes a fact", "at most on the way", "keys for its formulations, seconds"],
        [_load_row(run, name) for name in run.loads],
    )
    yield (
        "What wolap works out at load",
        ["part", "seconds", "bytes a fact"],
        [
            *([part, f"{seconds:.2f}", f"{size:.1f}"] for part, (seconds, size) in run.parts.items()),
            ["the pre-aggregation", f"{run.build:.2f}", ""],
        ],
    )


def _row(run: Run, one: Answered, ours: Sequence[str], peers: Sequence[str]) -> list[str]:
    question, ratios = one.question, one.ratios()
    times = [milliseconds(one.times[name].median) for name in (*ours, *peers)]
    spread = f"{ratios[0]:.2f} – {ratios[-1]:.2f}"
    fast = [f"{one.ratio(FAST):.2f}"] if FAST in ours else []
    said = [question.key, question.name, f"{one.groups:,}", *times, one.best_peer, f"{one.ratio():.2f}", spread]
    return [*said, *fast, f"{question.target:g}", charged(run, one)]


def charged(run: Run, one: Answered) -> str:
    """What wolap works out before it can answer so: at load, and with the first answer."""
    parts = [run.parts[name] for name in parts_of(one.question)]
    seconds = sum(part[0] for part in parts) + max(one.times[OURS].first - one.times[OURS].median, 0.0)
    if one.question.clustered:
        seconds += run.extra[OURS]
    return f"{seconds:.2f} s, {sum(part[1] for part in parts):.1f} B"


def parts_of(question: Question) -> list[str]:
    """The parts of the load that a question needs."""
    found = ["time"] * bool(question.bucket or question.days)
    found += ["members"] * bool(question.dimensions or question.of_company)
    return [*found, *["accounts"] * question.counts_accounts]


def _load_row(run: Run, name: str) -> list[str]:
    load = run.loads[name]
    extra = f"{run.extra[name]:.1f}"
    if load.held is None or load.most is None:
        return [name, f"{load.seconds:.2f}", "unknown", "unknown", "unknown", extra]
    each = f"{load.held / run.rows:.0f}"
    return [name, f"{load.seconds:.2f}", f"{load.held / MIB:,.0f}", each, f"{load.most / MIB:,.0f}", extra]


def misses(run: Run) -> Iterator[str]:
    """Where the target is not reached, and by whom."""
    for one in run.answered:
        question, best = one.question, one.best_peer
        if one.ratio() < question.target:
            peer = f"{best} ({one.times[best].formulation or 'the one'})"
            times = f"{milliseconds(one.times[best].median)} ms against {milliseconds(one.times[OURS].median)}"
            yield f"{question.key} {question.name}: {one.ratio():.2f} of {question.target:g}, {peer}, {times}"


def worst(run: Run) -> Iterator[str]:
    """The last line, and before it that with compiled kernels."""
    for ours, said in ((FAST, " with compiled kernels"), (OURS, "")):
        if run.answered and ours in run.loads:
            least = min(run.answered, key=lambda one: one.ratio(ours))
            name = f"{least.question.key} {least.question.name}"
            yield f"worst ratio against the best peer{said}: {least.ratio(ours):.2f} ({name})"


def milliseconds(seconds: float) -> str:
    """Three digits, more where there are thousands."""
    number = seconds * 1e3
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns under each other: the texts of the first two to the left, what follows to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            text.ljust(width) if place < 2 else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def bar(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
