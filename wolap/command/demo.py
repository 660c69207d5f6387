"""`wolap demo`: the ESM v3 cube over made-up events, a short tour of it, and the API to try it on."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import accumulate
from json import loads
from textwrap import fill
from time import perf_counter
from urllib.parse import parse_qsl, urlsplit

import click
from rich import box
from rich.console import Console
from rich.table import Table

from wolap.apis import declaration_path, make_events
from wolap.command.build import sizes
from wolap.command.loading import declaration
from wolap.command.serve import check_port, run_server
from wolap.command.working import working
from wolap.cube import Cube
from wolap.model.principal import Principal
from wolap.web.endpoint import Endpoint, Request

__all__ = ["demo"]

PROGRAMMER = Principal(audience="programmer")
SHOWN_RECORDS = 3
COLUMN_GAP = 3
MORE_COLUMNS = 8
SHOWN_LINES = 16

# What the tour asks, below the base of the cube. Without start and end a report looks back a month or five years (W17).
STEPS = (
    ("the whole cube in one record", ""),
    ("one step down: by year", "/year"),
    ("another: by month", "/year/month"),
    ("and by day, two metrics only", "/year/month/day?metrics=authn-attempts,authn-successful"),
)
FILTERED = "/year/month/day?mvpd={mvpd}&metrics=authn-attempts,authn-successful"
EXPLAINED = "/year/month/day/media-company?metrics=authn-attempts,unique-accounts"


@click.command()
@click.option("--rows", default=1_000_000, show_default=True, type=click.IntRange(1), help="Events to make up.")
@click.option("--seed", default=2024, show_default=True, help="The same seed makes the same events.")
@click.option("--no-serve", is_flag=True, help="End after the tour.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="The port.")
def demo(rows: int, seed: int, no_serve: bool, port: int) -> None:
    """Make events for the ESM v3 cube, build its projections, take a short tour and serve the API."""
    console = Console(highlight=False)
    if not no_serve:
        check_port("127.0.0.1", port)
    cube = _cube(console, rows, seed)
    _tour(console, cube)
    if not no_serve:
        base = cube.schema.base
        console.print("Now over HTTP, until you stop it with Ctrl-C. Try:", style="bold")
        console.print(f"  in a browser http://127.0.0.1:{port}/", soft_wrap=True)
        console.print(f"  or           curl 'http://127.0.0.1:{port}{base}/year/month.csv'", soft_wrap=True)
        run_server([cube], PROGRAMMER, "127.0.0.1", port)


def _cube(console: Console, rows: int, seed: int) -> Cube:
    declared = declaration(declaration_path("esm-v3"))
    now = datetime.now(UTC)
    began = perf_counter()
    with console.status(f"making {rows:,} events"):
        events = make_events("esm-v3", rows, seed=seed, end=now)
    console.print(f"{rows:,} events of 90 days made in {perf_counter() - began:.1f} s")
    began = perf_counter()
    with console.status("reading them into a cube"):
        cube = Cube(declared.schema, events, refreshed=now)
    console.print(f"read into a cube in {perf_counter() - began:.1f} s")
    began = perf_counter()
    with working("building") as work:
        cube.materialize(*declared.projections, now=now, progress=work.progress, cancel=work.cancel)
    console.print(f"{len(declared.projections)} projections built in {perf_counter() - began:.1f} s\n")
    console.print(sizes(cube))
    return cube


def _tour(console: Console, cube: Cube) -> None:
    endpoint = Endpoint(cube)
    mvpd = cube.snapshot.dictionaries.members["mvpd"].texts[0]
    filtered = ("one provider only", FILTERED.format(mvpd=mvpd))
    for title, step in (*STEPS, filtered):
        _show(console, endpoint, title, cube.schema.base + step)
    console.print("\nwhy the facts are asked here, and not a projection", style="bold")
    target = cube.schema.base + EXPLAINED
    console.print(target, soft_wrap=True)
    began = perf_counter()
    plan = endpoint.explain(target, datetime.now(UTC), PROGRAMMER)
    spent = perf_counter() - began
    lines = str(plan).splitlines()
    console.print("\n".join(_wrapped(line, console.width) for line in lines[:SHOWN_LINES]), soft_wrap=True)
    if len(lines) > SHOWN_LINES:
        console.print(f"… and {len(lines) - SHOWN_LINES} more lines, on the other projections", style="dim")
    console.print(f"explained in {spent * 1e3:.2f} ms\n", style="dim")


def _show(console: Console, endpoint: Endpoint, title: str, target: str) -> None:
    """One step: what was asked, the first records, how many there are, what answered and how fast."""
    console.print(f"\n{title}", style="bold")
    console.print(f"GET {target}", soft_wrap=True)
    began = perf_counter()
    response = endpoint.respond(Request("GET", target, principal=PROGRAMMER), datetime.now(UTC))
    spent = perf_counter() - began
    document = loads(response.read())
    records = document["report"]
    if records:
        console.print(_records(records, console.width))
    used = dict(parse_qsl(urlsplit(document["_links"]["self"]["href"]).query))
    if "start" in used:
        console.print(f"from {used['start']} until {used['end']}", style="dim")
    rows, pieces = response.header("Wolap-Rows"), (response.header("Wolap-Projection") or "").split(", ")
    source = ", ".join(piece.partition(";")[0] for piece in pieces)
    console.print(f"{rows} records from {source} in {spent * 1e3:.2f} ms", style="dim", soft_wrap=True)


def _wrapped(line: str, width: int) -> str:
    """A line of an explanation within the terminal, what follows set in by two more."""
    further = " " * (len(line) - len(line.lstrip()) + 2)
    return fill(line, width, subsequent_indent=further, break_long_words=False, break_on_hyphens=False)


def _records(records: list[dict[str, str | None]], width: int) -> Table:
    """The first records, with as many columns as a line has room for."""
    names = list(records[0])
    lengths = accumulate(len(name) + COLUMN_GAP for name in names)
    shown = names[: max(sum(length < width - MORE_COLUMNS for length in lengths), 1)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in shown:
        table.add_column(name, justify="right", no_wrap=True)
    if len(names) > len(shown):
        table.add_column(f"+ {len(names) - len(shown)}", no_wrap=True)
    for record in records[:SHOWN_RECORDS]:
        more = ["…"] if len(names) > len(shown) else []
        table.add_row(*(record[name] or "" for name in shown), *more)
    return table
