"""`wolap build`: builds what a cube file declares, and says how large it is."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from wolap.command.loading import cube_file_argument, open_cube
from wolap.cube import Cube

__all__ = ["build", "sizes"]


@click.command()
@cube_file_argument
def build(file: Path) -> None:
    """Build the projections that FILE declares, in memory, and print their sizes."""
    Console().print(sizes(open_cube(file)))


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
