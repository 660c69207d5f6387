"""`wolap build`: builds what a cube file declares, in memory or into a folder, and says how large it is."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from wolap.command.advise import advice_for, workload_options
from wolap.command.budget import read_size, size_text
from wolap.command.loading import check_audience, cube_file_argument, declaration, open_cube
from wolap.command.storing import advised_before, bytes_on_disk, cube_in, files_on_disk, stays_of
from wolap.command.working import working
from wolap.cube import Cube
from wolap.model.principal import Principal
from wolap.model.projection import Projection
from wolap.planner.advice import Advice

__all__ = ["build", "sizes"]


@click.command()
@cube_file_argument
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Build into this folder, and keep it.")
@click.option("--advise", "advised", is_flag=True, help="Build what `wolap advise` names as well, within --budget.")
@click.option("--budget", metavar="SIZE", callback=read_size, help="Most bytes of what is advised, as 64MiB.")
@workload_options
def build(
    file: Path,
    out: Path | None,
    advised: bool,
    budget: int | None,
    workload: Path | None,
    now: datetime | None,
    whole: bool,
    principal: Principal,
) -> None:
    """Build the projections that FILE declares, and print their sizes.

    Without --out that is done in memory. With it facts and projections are stored in a folder that serves by itself,
    each projection as soon as it is built: `wolap query DIR …`, `wolap serve DIR`. The same command goes on with what a
    build that was ended has left. Where FILE is such a folder, what is declared and not built is built there.
    """
    if advised and budget is None:
        raise click.UsageError("--advise needs a --budget, such as --budget 64MiB")
    if not advised and (budget is not None or workload is not None or now is not None or whole):
        raise click.UsageError("--budget, --workload, --now and --whole belong to --advise")
    if out is not None and file.is_dir():
        raise click.UsageError(f"{file} is a folder, in which a cube is built already; --out takes a cube file")
    cube = _cube(file, out, principal)
    already = () if out is None else advised_before(cube, declaration(file))
    advice = None
    if advised and budget is not None and not already:
        advice = advice_for(cube, budget, workload, now, principal, whole=whole)
        # Without names all that is declared would be built.
        if advice.projections:
            _build(cube, *advice.projections)
    Console().print(sizes(cube))
    if cube.folder is not None:
        click.echo(f"\n{cube.folder}: {size_text(bytes_on_disk(cube.folder))} on disk")
        if dear := _dear_to_change(cube):
            counted = "counted anew from all facts whenever some change, since counts without time do not merge"
            click.echo(f'{", ".join(dear)}: {counted} (a metric that says keep = "set" does)')
    if advice is not None:
        click.echo(f"\n{_taken(cube, advice)}")
    elif advised:
        click.echo(f"\nbuilt as it was advised before: {', '.join(already)}")


def _dear_to_change(cube: Cube) -> list[str]:
    """The projections whose cost of a change follows all facts, and not those that it touches."""
    return [
        one.name
        for one in cube.projections
        if one.statistics is not None and one.level is None and one.partials != one.mergeable
    ]


def _cube(file: Path, out: Path | None, principal: Principal) -> Cube:
    """The cube of a file or a folder with all that is declared built."""
    if out is None:
        cube = open_cube(file, principal)
    else:
        declared = declaration(file)
        check_audience(file, declared.schema, principal)
        cube = cube_in(out, declared)
    if cube.folder is not None and any(one.statistics is None for one in cube.projections):
        _build(cube)
    return cube


def _build(cube: Cube, *projections: Projection) -> None:
    with working("building", lambda: stays_of(cube)) as work:
        cube.materialize(*projections, progress=work.progress, cancel=work.cancel)


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
    """Rows and bytes of each projection beside those of the facts, and bytes on disk where they are there."""
    table = Table(box=None, pad_edge=False)
    table.add_column("projection", overflow="fold")
    columns = ("rows", "of the facts", "MiB", *(("on disk",) if cube.folder is not None else ()))
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    facts = cube.projections[-1].statistics
    for projection in cube.projections:
        statistics = projection.statistics
        if statistics is None or facts is None:
            continue
        share = statistics.rows / facts.rows if facts.rows else 0.0
        cells = [f"{statistics.rows:,}", f"{share:.2%}", f"{statistics.bytes / (1 << 20):,.1f}"]
        if cube.folder is not None:
            cells.append(f"{sum(files_on_disk(cube, projection.name).values()) / (1 << 20):,.1f}")
        table.add_row(projection.name, *cells)
    return table
