"""`wolap query`: the body that HTTP would give."""

from __future__ import annotations

import sys
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

import click

from wolap.command.loading import (
    cube_file_argument,
    full_target,
    now_option,
    open_cube,
    principal_option,
    threads_option,
)
from wolap.command.working import REFUSED
from wolap.model.principal import Principal
from wolap.web.endpoint import Endpoint, Request

__all__ = ["query"]

OUR_FAULT = 1


@click.command()
@cube_file_argument
@click.argument("target")
@now_option
@principal_option
@click.option("--status", is_flag=True, help="Print the status and the headers first.")
@threads_option
def query(file: Path, target: str, now: datetime, principal: Principal, status: bool, threads: int) -> None:
    """Answer TARGET, a path with its query string, from the cube that FILE declares, or that the folder FILE holds.

    The base of the cube may be left out: year/month?folder is as good as /commits/v1/year/month?folder. Exits with 2
    where the query is refused, with 1 for a fault of ours.
    """
    cube = open_cube(file, principal, threads=threads)
    request = Request("GET", full_target(target, cube.schema), principal=principal)
    response = Endpoint(cube).respond(request, now)
    body = response.read()
    if status:
        click.echo(f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}")
        for name, value in response.headers:
            click.echo(f"{name}: {value}")
        click.echo()
    if response.status == HTTPStatus.OK:
        click.echo(body, nl=not body.endswith(b"\n"))
        return
    click.echo(body.decode().rstrip("\n"), err=True)
    sys.exit(OUR_FAULT if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR else REFUSED)
