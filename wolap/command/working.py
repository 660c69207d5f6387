"""What is shown while something takes long, and how it is stopped: a bar with an estimate of the rest, and Ctrl-C.

The library says which share of the work is done, the command line has the clock. The first Ctrl-C lets the work end
between two blocks, so that all that was published before stays, and whatever was begun leaves nothing behind; a second
one ends the process at once, which is as safe where the cube is on disk.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, current_thread, main_thread
from time import perf_counter
from types import FrameType
from typing import NoReturn

import click
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from wolap.command.budget import size_text
from wolap.cube import Progress
from wolap.errors import Cancelled, WolapError

__all__ = ["INTERRUPTED", "REFUSED", "Work", "refusing", "step_text", "stop", "working"]

REFUSED = 2
# As shells have it: 128 and the number of the signal.
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Work:
    """What a long operation is given: whom it tells how far it is, and what stops it."""

    progress: Callable[[Progress], None]
    cancel: Event


def stop(error: WolapError | OSError) -> NoReturn:
    """Ends a command whose input is refused: the text to stderr, and exit code 2."""
    click.echo(str(error), err=True)
    sys.exit(REFUSED)


@contextmanager
def refusing() -> Iterator[None]:
    """Ends the command where the library refuses what it is given, or the disk does."""
    try:
        yield
    except (WolapError, OSError) as error:
        stop(error)


@contextmanager
def working(what: str, stays: Callable[[], str] = lambda: "nothing is left of it") -> Iterator[Work]:
    """Something that takes long, with a bar where stderr is a terminal. Ends the command where it is refused or
    stopped; `stays` then says what there is of it."""
    cancel = Event()
    with refusing():
        try:
            with _interrupting(cancel), _bar(what) as progress:
                yield Work(progress, cancel)
        except Cancelled:
            click.echo(f"{what} was stopped; {stays()}", err=True)
            sys.exit(INTERRUPTED)


@contextmanager
def _interrupting(cancel: Event) -> Iterator[None]:
    """The first Ctrl-C sets the event, the next is as ever. Signals come to the main thread only."""
    if current_thread() is not main_thread():
        yield
        return

    def interrupted(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        cancel.set()

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _bar(what: str) -> Iterator[Callable[[Progress], None]]:
    columns = (TextColumn(what), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Bar(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task, began = bar.add_task("", total=1.0), perf_counter()

        def tell(step: Progress) -> None:
            bar.update(task, completed=step.share, description=step_text(step, perf_counter() - began))

        yield tell


def step_text(step: Progress, seconds: float) -> str:
    """How far something is after so many seconds, in a line."""
    made = f"{step.done}/{step.total} · {step.rows:,} rows, {size_text(step.bytes)}"
    return f"{made} · {step.projection.name[:30]} · {_rest_text(step.share, seconds)}"


def _rest_text(share: float, seconds: float) -> str:
    """What is left, if the rest goes on as that share did which took so many seconds."""
    if share <= 0:
        return "rest unknown"
    return f"about {timedelta(seconds=round(seconds * (1 - share) / share))} left"
