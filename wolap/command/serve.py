"""`wolap serve`: cubes over HTTP."""

from __future__ import annotations

from pathlib import Path
from socket import AF_INET, AF_INET6, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, socket

import click
import uvicorn

from wolap.asgi import asgi_app
from wolap.command.loading import open_cube, principal_option, threads_option
from wolap.cube import Cube
from wolap.model.principal import Caps, Principal

__all__ = ["check_port", "run_server", "serve"]

GROUPS = 500_000
FACTS = 200_000_000
MEMORY = 2_048


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@principal_option
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="The port.")
@click.option("--groups", default=GROUPS, show_default=True, help="Most records of a report before its limit.")
@click.option("--facts", default=FACTS, show_default=True, help="Most facts that a report may scan.")
@click.option("--memory", default=MEMORY, show_default=True, help="Most MiB that a report may need.")
@click.option("--gzip/--no-gzip", default=True, show_default=True, help="Compress for clients that accept it.")
@threads_option
def serve(
    files: tuple[Path, ...],
    principal: Principal,
    host: str,
    port: int,
    groups: int,
    facts: int,
    memory: int,
    gzip: bool,
    threads: int,
) -> None:
    """Serve the cubes that the FILEs declare, or that are stored in such folders, until stopped: JSON, XML and CSV for
    programs, pages for a browser. What others publish in a folder is served a second later.

    A report that would cost more than the caps --groups, --facts and --memory is refused with 400, naming a query that
    passes. A cube file may set lower caps of its own. A report shows 1,000 records where no limit is asked for, and at
    most 100,000, unless the cube file says otherwise; a target may have 16 KiB.
    """
    check_port(host, port)
    caps = Caps(groups, facts, memory << 20)
    cubes = [open_cube(file, threads=threads) for file in files]
    run_server(cubes, Principal(principal.audience, caps=caps), host, port, gzip)


def check_port(host: str, port: int) -> None:
    """Ends the command if nothing can listen there, before anything is built in vain."""
    try:
        with socket(AF_INET6 if ":" in host else AF_INET, SOCK_STREAM) as probe:
            probe.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        reason = error.strerror or str(error)
        raise click.UsageError(f"cannot listen on {host}:{port}: {reason}; choose another --port") from None


def run_server(cubes: list[Cube], principal: Principal, host: str, port: int, gzip: bool = True) -> None:
    """Serves cubes to one principal until stopped."""
    try:
        application = asgi_app(*cubes, principal=lambda scope: principal, gzip=gzip)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    for cube in cubes:
        click.echo(f"{cube.schema.name}: {address}{cube.schema.base}", err=True)
    click.echo(f"all of them, for a browser: {address}/", err=True)
    uvicorn.run(application, host=host, port=port, log_level="warning")
