"""`wolap verify`: does every plan give the same answer?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from wolap.command.loading import cube_file_argument, open_cube, principal_option
from wolap.command.working import REFUSED
from wolap.model.principal import Principal
from wolap.verify import random_queries
from wolap.verify import verify as compare

__all__ = ["verify"]


@click.command()
@cube_file_argument
@principal_option
@click.option("--queries", default=1_000, show_default=True, type=click.IntRange(1), help="How many to make up.")
@click.option("--seed", default=0, show_default=True, help="The same seed makes the same queries.")
def verify(file: Path, principal: Principal, queries: int, seed: int) -> None:
    """Ask made-up queries by every plan that is right, and compare: each projection, covers of several, the facts.

    Exits with 2 where two answers part, after naming the query, both plans and the records that differ.
    """
    cube = open_cube(file, principal)
    verdict = compare(cube, random_queries(cube, queries, seed, principal), principal)
    click.echo(str(verdict))
    if not verdict:
        sys.exit(REFUSED)
