"""The command line, one module a command. Numbers and refusals are those of the library, word for word."""

from __future__ import annotations

import click

from wolap import __version__
from wolap.command.advise import advise
from wolap.command.build import build
from wolap.command.changing import delete, replace, retain
from wolap.command.demo import demo
from wolap.command.explain import explain
from wolap.command.query import query
from wolap.command.refresh import refresh
from wolap.command.serve import serve
from wolap.command.verify import verify

__all__ = ["commands"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="wolap")
def commands() -> None:
    """Drill-down reports from the cheapest pre-aggregation that is right."""


for command in (query, explain, build, refresh, replace, delete, retain, advise, serve, verify, demo):
    commands.add_command(command)
