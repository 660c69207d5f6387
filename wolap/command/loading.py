"""What the commands share: a cube from its file with a bar while it is built, and how a command ends that cannot go
on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from wolap import cube as cubes
from wolap.cube import Cube
from wolap.cube_file import CubeFile, load_cube, read_cube_file
from wolap.engine.kernels import has_compiled
from wolap.errors import QueryError, SchemaError, WolapError, nearest, quote
from wolap.language.reader import locate, split_target
from wolap.model.interval import Moment
from wolap.model.principal import EVERYONE, Principal
from wolap.model.schema import Schema
from wolap.model.zone import Zone, to_datetime

__all__ = [
    "REFUSED",
    "building",
    "cube_file_argument",
    "declaration",
    "full_target",
    "now_option",
    "open_cube",
    "principal_option",
    "read_moment_option",
    "stop",
    "threads_option",
]

REFUSED = 2

cube_file_argument = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


def _read_now(context: click.Context, parameter: click.Parameter, value: str | None) -> datetime:
    return datetime.now(UTC) if value is None else read_moment_option(value)


def read_moment_option(value: str) -> datetime:
    """A moment as somebody gave it to an option. Raises click.BadParameter for what is none."""
    try:
        return to_datetime(Moment.of(value).instant(Zone("UTC"))).replace(tzinfo=UTC)
    except ValueError as error:
        raise click.BadParameter(f"{value} is {error}") from None


now_option = click.option(
    "--now", metavar="ISO", callback=_read_now, help="Answer as of this time, in UTC unless it has an offset."
)

principal_option = click.option(
    "--audience",
    "principal",
    metavar="NAME",
    callback=lambda context, parameter, value: Principal(audience=value),
    help="Ask as one of this audience, which decides the trees that there are.",
)


def _read_threads(context: click.Context, parameter: click.Parameter, value: int) -> int:
    if value > 1 and not has_compiled():
        raise click.BadParameter("more than one need the extra fast: pip install 'wolap[fast]'")
    return value


threads_option = click.option(
    "--threads",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    callback=_read_threads,
    help="Threads that one report may have. More than one need the extra fast.",
)


def stop(error: WolapError) -> NoReturn:
    """Ends a command whose input is refused: the text to stderr, and exit code 2."""
    click.echo(str(error), err=True)
    sys.exit(REFUSED)


def declaration(path: Path) -> CubeFile:
    """The declaration in a cube file, or the end of the command."""
    try:
        return read_cube_file(path)
    except SchemaError as error:
        stop(error)


def open_cube(path: Path, principal: Principal = EVERYONE, *, build: bool = True, threads: int = 1) -> Cube:
    """The cube of a file with its projections built, or the end of the command. Progress goes to stderr.

    An audience that the cube does not know, to which nothing would have an address, ends the command as well.
    """
    declared = declaration(path)
    known = declared.schema.audiences
    if principal.audience is not None and principal.audience not in known:
        asked = quote(principal.audience)
        stop(QueryError(f"{path.name} has no audience {asked}; audiences: {nearest(principal.audience, known)}"))
    try:
        with building(len(declared.projections)) as progress:
            return load_cube(declared, build=build, progress=progress, threads=threads)
    except WolapError as error:
        stop(error)


@contextmanager
def building(total: int) -> Iterator[Callable[[cubes.Progress], None]]:
    """A bar on a terminal's stderr while projections are built; nothing where stderr is no terminal."""
    columns = (
        TextColumn("building"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal or not total, transient=True) as bar:
        task = bar.add_task("", total=total)

        def advance(step: cubes.Progress) -> None:
            made, source = step.projection.statistics, step.source.statistics
            sizes = f"{made.rows:,} groups of {source.rows:,} rows" if made and source else ""
            bar.update(task, completed=step.done, description=f"{sizes} · {step.projection.name[:40]}")

        yield advance


def full_target(target: str, schema: Schema) -> str:
    """A target with the base of the cube, which may be left out on the command line."""
    try:
        if locate(split_target(target), schema) is not None:
            return target
    except WolapError:
        return target
    joined = target if target.startswith(("/", "?", ".")) or not target else f"/{target}"
    return schema.base + joined
