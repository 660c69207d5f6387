"""`wolap explain`: which projection would answer, and why the others would not."""

from __future__ import annotations

from datetime import datetime
from json import dumps
from pathlib import Path

import click

from wolap.command.loading import (
    cube_file_argument,
    full_target,
    now_option,
    open_cube,
    principal_option,
)
from wolap.command.working import refusing
from wolap.model.principal import Principal
from wolap.planner.explanation import explanation
from wolap.web.endpoint import Endpoint

__all__ = ["explain"]


@click.command()
@cube_file_argument
@click.argument("target")
@now_option
@principal_option
@click.option("--json", "as_json", is_flag=True, help="Print the plan as data.")
def explain(file: Path, target: str, now: datetime, principal: Principal, as_json: bool) -> None:
    """Say how TARGET would be answered: every projection with its cost, or with all that is in its way."""
    cube = open_cube(file, principal)
    with refusing():
        plan = Endpoint(cube).explain(full_target(target, cube.schema), now, principal)
    click.echo(dumps(explanation(plan), indent=2, ensure_ascii=False) if as_json else str(plan))
