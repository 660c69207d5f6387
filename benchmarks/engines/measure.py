"""One run: every engine loads the same facts, is asked the same, is compared, and only then timed, in turns.

The answer of the first engine is what all others must equal, in every formulation. Formulations that are far slower
than the best of their engine are timed once and left; the others take turns, engine by engine, in rounds. An engine's
time is that of its best formulation: the median of the rounds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import pyarrow as pa

from benchmarks.engines.questions import QUESTIONS, Question, difference
from benchmarks.engines.turns import FAST, OURS, Load, Seat, seated

# A formulation is left where its first call, or its first turn, takes so many times that of the best of its engine.
FAR, NEAR = 4.0, 1.3
# Of calls that take so many seconds the first counts as a turn. An engine that takes so many times as long as the
# fastest peer takes no turns beside that: it is not what wolap is held against.
LONG, BEHIND = 2.0, 3.0


@dataclass(frozen=True, slots=True)
class Time:
    """The best formulation of an engine: the median of its rounds, and all of them, in seconds."""

    formulation: str
    rounds: tuple[float, ...]
    first: float

    @property
    def median(self) -> float:
        return median(self.rounds)


@dataclass(frozen=True, slots=True)
class Answered:
    """One question: how many groups, and the time of each engine."""

    question: Question
    groups: int
    times: Mapping[str, Time]

    @property
    def peers(self) -> dict[str, Time]:
        return {name: time for name, time in self.times.items() if name not in (OURS, FAST)}

    @property
    def best_peer(self) -> str:
        return min(self.peers, key=lambda name: self.peers[name].median)

    def ratio(self, ours: str = OURS) -> float:
        """The time of the best peer over ours."""
        return self.times[self.best_peer].median / self.times[ours].median

    def ratios(self, ours: str = OURS) -> list[float]:
        """The same of each round, in order."""
        pairs = zip(self.times[self.best_peer].rounds, self.times[ours].rounds, strict=True)
        return sorted(peer / own for peer, own in pairs)


@dataclass(frozen=True, slots=True)
class Run:
    """What came out. `parts` is what wolap's load is made of: seconds and bytes a fact; `extra` the seconds that each
    engine took to store what its formulations read besides."""

    rows: int
    stored: int
    answered: Sequence[Answered]
    loads: Mapping[str, Load]
    extra: Mapping[str, float]
    parts: Mapping[str, tuple[float, float]]
    build: float
    left_out: Sequence[str] = field(default_factory=list)


def measure(names: list[str], rows: int, rounds: int, only: Iterable[str] = ()) -> Run:
    """Asks these engines, wolap first among them; all questions, or `only` those of these keys. Raises ValueError for
    an answer that differs."""
    keys = set(only) or {question.key for question in QUESTIONS}
    asked = [question for question in QUESTIONS if question.key in keys]
    with seated(names, rows) as seats:
        loads: dict[str, Load] = {}
        extra: dict[str, float] = {}
        for name, seat in seats.items():
            say(f"{name} loads {rows:,} facts")
            loads[name] = seat.ask("load")
            # What wolap makes besides are clustered facts, which take as much memory again.
            is_wanted = name not in (OURS, FAST) or any(question.clustered for question in asked)
            extra[name] = seat.ask("prepare") if is_wanted else 0.0
        answered = [_ask(seats, question, rounds) for question in asked if not question.stored]
        stored, build = pa.table({"day": []}), 0.0
        if any(question.stored for question in asked):
            say("the pre-aggregation is built and given to all")
            build = seats[OURS].ask("call", "build")
            stored = seats[OURS].ask("call", "stored")
            for seat in seats.values():
                seat.ask("call", "take", stored)
            answered += [_ask(seats, question, rounds) for question in asked if question.stored]
        parts = seats[OURS].ask("call", "charges")
    missing = [
        f"{question.key} {question.name}: left out, this version of wolap has no clustered facts"
        for question, one in zip(asked, answered, strict=True)
        if one is None
    ]
    found = [one for one in answered if one is not None]
    return Run(rows, stored.num_rows, found, loads, extra, parts, build, missing)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _ask(seats: Mapping[str, Seat], question: Question, rounds: int) -> Answered | None:
    """Compared, then timed; None where wolap cannot be asked so."""
    say(f"{question.key} {question.name}")
    firsts: dict[str, dict[str, float]] = {}
    expected = None
    for name, seat in seats.items():
        answers = seat.ask("first", question.key)
        if not answers:
            return None
        for formulation, (_, answer) in answers.items():
            expected = expected or answer
            if wrong := difference(expected, answer, question):
                raise ValueError(f"{question.key} {question.name}: {name} ({formulation}) has another answer: {wrong}")
        firsts[name] = {formulation: seconds for formulation, (seconds, _) in answers.items()}
    assert expected is not None
    times = {name: _near(seats[name], own) for name, own in firsts.items()}
    fastest = min((min(own.values())[0] for name, own in times.items() if name not in (OURS, FAST)), default=0.0)
    timed = {name: own for name, own in times.items() if not LONG < min(own.values())[0] > BEHIND * fastest}
    for name, own in timed.items():
        times[name] = {one: [] for one in own}
    for _ in range(rounds):
        for name in timed:
            for formulation, found in times[name].items():
                found.append(seats[name].ask("turn", formulation))
    best = {name: min(own, key=lambda one: median(own[one])) for name, own in times.items()}
    answered = Answered(
        question,
        len(expected[0]),
        {name: Time(one, tuple(times[name][one]), firsts[name][one]) for name, one in best.items()},
    )
    for name, time in answered.times.items():
        say(f"  {1e3 * time.median:12.3f} ms  {name} {time.formulation}")
    return answered


def _near(seat: Seat, firsts: Mapping[str, float]) -> dict[str, list[float]]:
    """The formulations that may be the best of an engine, each with a turn."""
    least = min(firsts.values())
    near = {one: seconds for one, seconds in firsts.items() if seconds <= FAR * least}
    turns = {one: seconds if seconds > LONG else seat.ask("turn", one) for one, seconds in near.items()}
    least = min(turns.values())
    return {one: [seconds] for one, seconds in turns.items() if seconds <= NEAR * least}
