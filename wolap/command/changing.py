"""`wolap replace`, `wolap delete` and `wolap retain`: other facts in a cube on disk, and all that is built of them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from wolap.command.loading import folder_argument, now_option, stored_cube
from wolap.command.working import working
from wolap.cube import Cube, Revised
from wolap.engine.load import needed_columns
from wolap.errors import QueryError
from wolap.model.interval import instant_of, moment_text
from wolap.model.span import Span
from wolap.sources.ingested import FactFile, files_of, read_unchanged

__all__ = ["counted", "delete", "made_text", "replace", "retain"]

_STAYS = "all is as it was"


def counted(number: int, what: str) -> str:
    """A number of things, for people."""
    return f"1 {what}" if number == 1 else f"{number:,} {what}s"


def made_text(made: Revised) -> str:
    """What a change has done, for people."""
    if not made.stretches:
        return "nothing has changed"
    return f"{counted(made.added, 'fact')} came, {made.removed:,} went; version {made.version}"


def _conditions(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, list[str]]:
    """`country=DE` for each of several; those of one name are alternatives."""
    found: dict[str, list[str]] = {}
    for one in values:
        name, sign, value = one.partition("=")
        if not sign or not name:
            raise click.BadParameter(f"{one!r} is no condition; write a name and a value, such as country=DE")
        found.setdefault(name, []).append(value)
    return found


@click.command()
@folder_argument
@click.option(
    "--where", metavar="NAME=VALUE", multiple=True, callback=_conditions, help="Facts with this value, or one."
)
@click.option(
    "--where-not", metavar="NAME=VALUE", multiple=True, callback=_conditions, help="Facts without this value."
)
@now_option
def delete(folder: Path, where: dict[str, list[str]], where_not: dict[str, list[str]], now: datetime) -> None:
    """Delete the facts in DIR that pass all conditions, and all that was made of them.

    Names are those of dimensions, and of columns whose different values are counted. Several values of one name are
    alternatives. Members that no fact has any more are forgotten, and counted values where one column is all that is
    said.
    """
    cube = stored_cube(folder)
    with working("deleting", lambda: _STAYS) as work:
        made = cube.delete(where, where_not, now=now, progress=work.progress, cancel=work.cancel)
    _tell(cube, made)


@click.command()
@folder_argument
@click.option("--since", metavar="ISO", help="Keep facts from this time on, on the clock of the cube.")
@click.option("--keep", metavar="SPAN", help='Keep whole days of this length before now, such as "25 months".')
@now_option
def retain(folder: Path, since: str | None, keep: str | None, now: datetime) -> None:
    """Delete the facts in DIR that are older, and all that was made of them."""
    if (since is None) == (keep is None):
        raise click.UsageError("give either --since or --keep")
    cube = stored_cube(folder)
    with working("retaining", lambda: _STAYS) as work:
        first = since if since is not None else _first_day(cube, keep or "", now)
        made = cube.retain(first, now=now, progress=work.progress, cancel=work.cancel)
    _tell(cube, made)


def _first_day(cube: Cube, keep: str, now: datetime) -> str:
    """The day, on the clock of the cube, on which a span begins that ends now. Raises QueryError."""
    zone = cube.schema.zone
    try:
        span = Span.parse(keep)
    except ValueError as error:
        raise QueryError(f"--keep {keep!r} is {error}") from None
    return moment_text(zone.floor("day", zone.instant(span.before(zone.local(instant_of(now, zone))))), zone)


@click.command()
@folder_argument
@click.option("--facts", "where", metavar="WHERE", required=True, help="A file, a folder or a glob.")
@click.option("--start", metavar="ISO", required=True, help="Facts from this time on, on the clock of the cube, …")
@click.option("--end", metavar="ISO", required=True, help="… to before this time are replaced.")
@now_option
def replace(folder: Path, where: str, start: str, end: str, now: datetime) -> None:
    """Put facts in the place of all that DIR has of an interval, in which they must lie.

    Where they are files that `wolap refresh` looks at, they count as ingested, as they are now.
    """
    cube = stored_cube(folder)
    with working("replacing", lambda: _STAYS) as work:
        files = files_of(where, Path.cwd())
        table = read_unchanged(files, needed_columns(cube.schema), where)
        made = cube.replace(
            table, start, end, files=_watched(cube, files), now=now, progress=work.progress, cancel=work.cancel
        )
    _tell(cube, made)


def _watched(cube: Cube, files: list[FactFile]) -> list[FactFile]:
    """Those of some files that were ingested, or that would be the next time."""
    known = cube.snapshot.ingested
    paths = {one.path for one in known.files}
    if known.where is not None and Path(known.folder).is_dir():
        paths |= {one.path for one in files_of(known.where, Path(known.folder))}
    return [one for one in files if one.path in paths]


def _tell(cube: Cube, made: Revised) -> None:
    click.echo(f"{cube.folder}: {made_text(made)}")
