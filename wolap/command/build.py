"""`wolap build`: builds what a cube file declares, and says how large it is."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from wolap.command.advise import advice_for, workload_options
from wolap.command.budget import read_size, size_text
from wolap.command.loading import building, cube_file_argument, open_cube, stop
from wolap.cube import Cube
from wolap.errors import WolapError
from wolap.model.principal import Principal
from wolap.planner.advice import Advice

__all__ = ["build", "sizes"]


@click.command()
@cube_file_argument
@click.option("--advise", "advised", is_flag=True, help="Build what `wolap advise` names as well, within --budget.")
@click.option("--budget", metavar="SIZE", callback=read_size, help="Most bytes of what is advised, as 64MiB.")
@workload_options
def build(
    file: Path,
    advised: bool,
    budget: int | None,
    workload: Path | None,
    now: datetime | None,
    whole: bool,
    principal: Principal,
) -> None:
    """Build the projections that FILE declares, in memory, and print their sizes."""
    if advised and budget is None:
        raise click.UsageError("--advise needs a --budget, such as --budget 64MiB")
    cube = open_cube(file, principal)
    if not advised or budget is None:
        if budget is not None or workload is not None or now is not None or whole:
            raise click.UsageError("--budget, --workload, --now and --whole belong to --advise")
        Console().print(sizes(cube))
        return
    advice = advice_for(cube, budget, workload, now, principal, whole=whole)
    _build(cube, advice)
    Console().print(sizes(cube))
    click.echo(f"\n{_taken(cube, advice)}")


def _build(cube: Cube, advice: Advice) -> None:
    """Builds what is advised, if anything is: without names all that is declared would be built."""
    if not advice.projections:
        return
    try:
        with building(len(advice.projections)) as progress:
            cube.materialize(*advice.projections, progress=progress)
    except WolapError as error:
        stop(error)


def _taken(cube: Cube, advice: Advice) -> str:
    """What was advised, as it was estimated and as it is."""
    names = {one.name for one in advice.projections}
    built = sum(one.statistics.bytes for one in cube.projections if one.name in names and one.statistics is not None)
    before, after = (f"{cost / 1e6:,.3g} ms" for cost in (advice.before, advice.after))
    return (
        f"{len(names)} advised: {size_text(built)} of {size_text(advice.budget)}, estimated {size_text(advice.bytes)}\n"
        f"the workload costs {before} before, {after} with these"
    )


def sizes(cube: Cube) -> Table:
    """Rows and bytes of each projection beside those of the facts."""
    table = Table(box=None, pad_edge=False)
    table.add_column("projection", overflow="fold")
    for name in ("rows", "of the facts", "MiB"):
        table.add_column(name, justify="right", no_wrap=True)
    facts = cube.projections[-1].statistics
    for projection in cube.projections:
        statistics = projection.statistics
        if statistics is None or facts is None:
            continue
        share = statistics.rows / facts.rows if facts.rows else 0.0
        size = statistics.bytes / (1 << 20)
        table.add_row(projection.name, f"{statistics.rows:,}", f"{share:.2%}", f"{size:,.1f}")
    return table
