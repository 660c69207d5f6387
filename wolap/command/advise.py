"""`wolap advise`: which projections are worth storing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from wolap.command.budget import read_size
from wolap.command.loading import cube_file_argument, open_cube, principal_option, read_moment_option
from wolap.command.working import refusing
from wolap.command.workload import read_record
from wolap.cube import Cube
from wolap.cube_file_text import projections_text
from wolap.model.principal import Principal
from wolap.model.zone import to_datetime
from wolap.planner.advice import Advice
from wolap.planner.workload import end_of_facts

__all__ = ["advice_for", "advise", "workload_options"]

Command = Callable[..., Any]


def workload_options(command: Command) -> Command:
    """The options of a command that says what is asked of a cube."""
    options = (
        click.option(
            "--workload",
            metavar="LOG",
            type=click.Path(path_type=Path, dir_okay=False),
            help="What is asked: request targets, one a line, or the log of a web server. "
            "Else the report of each path of the trees, each as often as every other.",
        ),
        click.option(
            "--now",
            metavar="ISO",
            callback=lambda context, parameter, value: None if value is None else read_moment_option(value),
            help="When reports without an interval look back from: the end of the facts unless said.",
        ),
        click.option("--whole", is_flag=True, help="Reports of the paths look back over all time."),
        principal_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@cube_file_argument
@click.option("--budget", metavar="SIZE", required=True, callback=read_size, help="Most bytes to store, as 64MiB.")
@workload_options
@click.option("--afresh", is_flag=True, help="Build nothing that FILE declares, and advise what to store instead.")
@click.option("--toml", "only_toml", is_flag=True, help="Print nothing but the sections for the cube file.")
def advise(
    file: Path,
    budget: int,
    workload: Path | None,
    now: datetime | None,
    whole: bool,
    principal: Principal,
    afresh: bool,
    only_toml: bool,
) -> None:
    """Name the projections that are worth storing besides those that FILE declares, within a budget of bytes.

    Prints what each takes and saves, what the workload costs before and after, and the sections to paste into FILE.
    Rows and bytes are estimated from a sample of the facts.
    """
    cube = open_cube(file, principal, build=not afresh)
    advice = advice_for(cube, budget, workload, now, principal, whole=whole, afresh=afresh)
    if not only_toml:
        click.echo(f"{advice}\n")
    click.echo(projections_text(cube.schema, advice.projections), nl=False)


def advice_for(
    cube: Cube,
    budget: int,
    workload: Path | None,
    now: datetime | None,
    principal: Principal,
    *,
    whole: bool = False,
    afresh: bool = False,
) -> Advice:
    """The advice for a cube, or the end of the command. What could not be read of a record is told on stderr."""
    catalog = cube.snapshot.catalog
    with refusing():
        if workload is None:
            return cube.advise(budget, audience=principal.audience, afresh=afresh, whole=whole)
        as_of = now or to_datetime(end_of_facts(catalog)).replace(tzinfo=UTC)
        record = read_record(workload, catalog, as_of, principal.audience)
        if record.refused:
            click.echo(f"{workload}: {record.refused:,} of {record.read + record.refused:,} lines left out", err=True)
            for problem in record.problems:
                click.echo(f"  {problem}", err=True)
        return cube.advise(budget, record.queries, afresh=afresh)
