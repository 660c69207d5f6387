"""What the commands share: a cube, from the file that declares it or from the folder that it is stored in, and options
that several have."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from wolap.command.working import refusing, stop, working
from wolap.cube import Cube
from wolap.cube_file import CubeFile, load_cube, read_cube_file
from wolap.engine.kernels import has_compiled
from wolap.errors import QueryError, WolapError, nearest, quote
from wolap.language.reader import locate, split_target
from wolap.model.interval import Moment
from wolap.model.principal import EVERYONE, Principal
from wolap.model.schema import Schema
from wolap.model.zone import Zone, to_datetime

__all__ = [
    "check_audience",
    "cube_file_argument",
    "cube_in_memory",
    "declaration",
    "folder_argument",
    "full_target",
    "now_option",
    "open_cube",
    "principal_option",
    "read_moment_option",
    "stored_cube",
    "threads_option",
]

cube_file_argument = click.argument("file", type=click.Path(path_type=Path))
folder_argument = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))


def _read_now(context: click.Context, parameter: click.Parameter, value: str | None) -> datetime:
    return datetime.now(UTC) if value is None else read_moment_option(value)


def read_moment_option(value: str) -> datetime:
    """A moment as somebody gave it to an option. Raises click.BadParameter for what is none."""
    try:
        return to_datetime(Moment.of(value).instant(Zone("UTC"))).replace(tzinfo=UTC)
    except ValueError as error:
        raise click.BadParameter(f"{value} is {error}") from None


now_option = click.option(
    "--now", metavar="ISO", callback=_read_now, help="As of this time, in UTC unless it has an offset."
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


def declaration(path: Path) -> CubeFile:
    """The declaration in a cube file, or the end of the command."""
    with refusing():
        return read_cube_file(path)


def open_cube(path: Path, principal: Principal = EVERYONE, *, build: bool = True, threads: int = 1) -> Cube:
    """The cube of a file with its projections built, or the one that is stored in a folder, as it was published last;
    or the end of the command. Progress goes to stderr.

    An audience that the cube does not know, to which nothing would have an address, ends the command as well.
    """
    if path.is_dir():
        cube = stored_cube(path, threads)
        check_audience(path, cube.schema, principal)
        return cube
    declared = declaration(path)
    check_audience(path, declared.schema, principal)
    cube = cube_in_memory(declared, threads)
    if build:
        with working("building") as work:
            cube.materialize(progress=work.progress, cancel=work.cancel)
    return cube


def stored_cube(folder: Path, threads: int = 1) -> Cube:
    """The cube that is stored in a folder, or the end of the command."""
    with refusing():
        return Cube.open(folder, threads=threads)


def cube_in_memory(declared: CubeFile, threads: int = 1) -> Cube:
    """The cube of a file with its projections declared, or the end of the command."""
    console = Console(stderr=True)
    shown = console.status("reading facts") if console.is_terminal else nullcontext()
    with refusing(), shown:
        return load_cube(declared, build=False, threads=threads)


def check_audience(path: Path, schema: Schema, principal: Principal) -> None:
    """Ends the command for an audience that the cube does not know."""
    known = schema.audiences
    if principal.audience is not None and principal.audience not in known:
        asked = quote(principal.audience)
        stop(QueryError(f"{path.name} has no audience {asked}; audiences: {nearest(principal.audience, known)}"))


def full_target(target: str, schema: Schema) -> str:
    """A target with the base of the cube, which may be left out on the command line."""
    try:
        if locate(split_target(target), schema) is not None:
            return target
    except WolapError:
        return target
    joined = target if target.startswith(("/", "?", ".")) or not target else f"/{target}"
    return schema.base + joined
