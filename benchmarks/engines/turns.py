"""Engines in processes of their own, which take turns: one works, the others wait with their facts in memory.

So that what an engine holds can be read from the system, none takes the threads of another, and what else the machine
does hits all alike. A process makes the facts itself (`make_facts` gives the same everywhere), loads them, and lets go
of them; what it then holds beyond what it held before is the engine's. Answers that are compared leave it in one form.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import pyarrow as pa

from benchmarks.engines.events import make_facts
from benchmarks.engines.questions import QUESTIONS, Canonical, canonical

# What a turn of a short question is made of: calls until so many seconds are over, of which the median counts.
TURN, CALLS = 0.005, 50
BY_KEY = {question.key: question for question in QUESTIONS}


@dataclass(frozen=True, slots=True)
class Kind:
    """An engine: the library it needs, its module and the function there that loads facts, and whether the compiled
    kernels of the extra `fast` are hidden from it."""

    library: str
    module: str
    loader: str = "load"
    plain: bool = True

    @property
    def is_installed(self) -> bool:
        return find_spec(self.library) is not None


OURS, FAST = "wolap", "wolap fast"
KINDS = {
    OURS: Kind("wolap", "in_wolap"),
    FAST: Kind("numba", "in_wolap", "load_fast", plain=False),
    "polars": Kind("polars", "in_polars"),
    "duckdb": Kind("duckdb", "in_duckdb"),
    "pyarrow": Kind("pyarrow", "in_arrow"),
    "datafusion": Kind("datafusion", "in_datafusion"),
}


@dataclass(frozen=True, slots=True)
class Load:
    """What loading cost: seconds, and bytes held after it and at most on the way, beyond the process before. The facts
    that it is given are part of the most. Bytes are None where the system does not tell."""

    seconds: float
    held: int | None
    most: int | None


class Resident:
    """What a process answers: each public method is asked for by its name."""

    def __init__(self, kind: Kind, rows: int) -> None:
        self.rows = rows
        if kind.plain:
            sys.modules["numba"] = None  # type: ignore[assignment]
        self.loader = getattr(import_module(f"benchmarks.engines.{kind.module}"), kind.loader)
        self.engine: Any = None

    def load(self) -> Load:
        before = memory("VmRSS")
        facts = make_facts(self.rows)
        began = perf_counter()
        self.engine = self.loader(facts)
        seconds = perf_counter() - began
        del facts
        gc.collect()
        pa.default_memory_pool().release_unused()
        held, most = memory("VmRSS"), memory("VmHWM")
        if before is None or held is None or most is None:
            return Load(seconds, None, None)
        return Load(seconds, held - before, most - before)

    def prepare(self) -> float:
        """The seconds that it takes to make what formulations read besides."""
        facts = make_facts(self.rows)
        began = perf_counter()
        self.engine.prepare(facts)
        return perf_counter() - began

    def call(self, method: str, *arguments: object) -> object:
        """A method of the engine."""
        return getattr(self.engine, method)(*arguments)

    def first(self, key: str) -> dict[str, tuple[float, Canonical]]:
        """Each formulation once: the seconds of this first call, and the answer to compare."""
        found = {}
        self.asks = self.engine.formulations(BY_KEY[key])
        for name, ask in self.asks.items():
            began = perf_counter()
            answer = ask()
            found[name] = perf_counter() - began, canonical(answer, BY_KEY[key])
        return found

    def turn(self, name: str) -> float:
        """The seconds of a call of the question that was asked last, in one formulation."""
        ask, times = self.asks[name], []
        ends = perf_counter() + TURN
        while not times or (perf_counter() < ends and len(times) < CALLS):
            began = perf_counter()
            ask()
            times.append(perf_counter() - began)
        return median(times)


def memory(name: str) -> int | None:
    """A figure of /proc/self/status in bytes: VmRSS is held, VmHWM the most that was."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    line = next(line for line in status.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) << 10


def serve(connection: Connection, kind: Kind, rows: int) -> None:
    """Answers until it is told to end. An error ends the process, and its traceback stands in its output."""
    resident = Resident(kind, rows)
    while (said := connection.recv()) is not None:
        method, *arguments = said
        connection.send(getattr(resident, method)(*arguments))


class Seat:
    """An engine in its process, from outside."""

    def __init__(self, name: str, rows: int) -> None:
        context = get_context("spawn")
        self.name = name
        self.connection, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, KINDS[name], rows), daemon=True)
        self.process.start()
        other.close()

    def ask(self, method: str, *arguments: object) -> Any:
        """The answer of a method of Resident. Raises RuntimeError where the process has ended."""
        try:
            self.connection.send((method, *arguments))
            return self.connection.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self.process.join()
            text = f"the process of {self.name} ended with {self.process.exitcode} at {method} {arguments[:1]}"
            raise RuntimeError(f"{text}; its own output says why") from None

    def close(self) -> None:
        if self.process.is_alive():
            self.connection.send(None)
            self.process.join()


@contextmanager
def seated(names: list[str], rows: int) -> Iterator[dict[str, Seat]]:
    """Processes of these engines, which end with the block."""
    seats: dict[str, Seat] = {}
    try:
        for name in names:
            seats[name] = Seat(name, rows)
        yield seats
    finally:
        for seat in seats.values():
            seat.close()
