"""`wolap refresh`: takes in the fact files that are new since the last time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from wolap.command.changing import counted, made_text
from wolap.command.loading import folder_argument, now_option, stored_cube
from wolap.command.working import refusing, working
from wolap.cube import Cube
from wolap.engine.load import needed_columns
from wolap.sources.ingested import FactFile, files_of, pieces_of, read_unchanged

__all__ = ["refresh"]


@click.command()
@folder_argument
@click.option("--facts", "where", metavar="WHERE", help="Look here this time: a file, a folder or a glob.")
@click.option("--keep-ingested", is_flag=True, help="Leave facts of files that changed or went as they were ingested.")
@now_option
def refresh(folder: Path, where: str | None, keep_ingested: bool, now: datetime) -> None:
    """Take the fact files into the cube in DIR that are new since the last time, and update all that is built.

    Facts come from where they came from when the cube was built, unless --facts says otherwise. Each file is taken in
    once; one that changed or went since is refused. Only the days that new facts fall into are computed anew, and of
    projections that have a schedule only those whose time has come.
    """
    cube = stored_cube(folder)
    known = cube.snapshot.ingested
    if where is None and known.where is None:
        raise click.UsageError(f"{folder} was not built from files; say with --facts where new ones are")
    with refusing():
        if keep_ingested:
            _keep(cube)
        else:
            known.check(_remedy(folder))
        files = files_of(where, Path.cwd()) if where is not None else files_of(known.where or "", Path(known.folder))
    new = cube.snapshot.ingested.new(files)
    if new:
        _take_in(cube, new, now)
    else:
        click.echo(f"{folder}: nothing is new in {counted(len(files), 'file')}")
    _catch_up(cube, now)


def _catch_up(cube: Cube, now: datetime) -> None:
    """Brings projections up to date that earlier changes left behind, whose schedule says that it is time."""
    known = [one.statistics for one in cube.projections]
    waiting = sum(one is not None and one.backlog is not None for one in known)
    if waiting:
        with working("refreshing", lambda: "what was up to date") as work:
            behind = cube.refresh(now=now, progress=work.progress, cancel=work.cancel).behind
        done = counted(waiting - len(behind), "projection")
        click.echo(f"{cube.folder}: {done} brought up to date, {len(behind)} left until their time comes")


def _keep(cube: Cube) -> None:
    """Takes note of files that changed or went."""
    changed, gone = cube.snapshot.ingested.altered()
    if changed or gone:
        cube.note_files(changed, gone)
        click.echo(f"{cube.folder}: facts of {counted(len(changed) + len(gone), 'file')} stay as they were ingested")


def _remedy(folder: Path) -> str:
    taken = f"to take one in as it is now, `wolap replace {folder} --facts FILE --start … --end …` over the time it has"
    return f"{taken}; to leave the facts as they were ingested, `wolap refresh {folder} --keep-ingested`"


def _take_in(cube: Cube, files: Sequence[FactFile], now: datetime) -> None:
    """Takes files in, some at a time: each piece is published with the names of its files, so whatever ends this, none
    is lost or taken twice."""
    done = 0

    def stays() -> str:
        return f"{done:,} of {counted(len(files), 'new file')} taken in, and the next time goes on"

    for piece in pieces_of(files):
        with working("refreshing", stays) as work:
            table = read_unchanged(piece, needed_columns(cube.schema))
            made = cube.append(table, files=piece, now=now, progress=work.progress, cancel=work.cancel)
        del table
        done += len(piece)
        click.echo(f"{cube.folder}: {counted(len(piece), 'file')} taken in, {made_text(made)}")
