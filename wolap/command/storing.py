"""A cube in a folder, for the commands: it is begun from a cube file, or gone on with where a build was ended.

A folder is never mixed: it goes on only with what it was begun with, the same declaration and the very same files.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from wolap.command.loading import stored_cube
from wolap.command.working import refusing, working
from wolap.cube import Cube
from wolap.cube_file import CubeFile, create_cube
from wolap.cube_file_text import cube_text
from wolap.errors import Problem, SchemaError
from wolap.sources.ingested import files_of
from wolap.storage.declaration import STORED_SECTIONS, check_declaration
from wolap.storage.folder import Folder
from wolap.storage.segment import StoredSegment

__all__ = ["advised_before", "bytes_on_disk", "cube_in", "files_on_disk", "stays_of"]

_SECTIONS = (*STORED_SECTIONS, "trees", "caps")


def cube_in(out: Path, declared: CubeFile) -> Cube:
    """The cube of a file in a folder, with all of it declared, or the end of the command. What is built is left."""
    if not Folder(out).versions:
        with refusing(), working("storing facts") as work:
            return create_cube(declared, out, cancel=work.cancel)
    cube = stored_cube(out)
    with refusing():
        _check(cube, declared, out)
        cube.declare(*declared.projections, again=True)
    missing = sum(one.statistics is None for one in cube.projections)
    if missing:
        click.echo(f"{out}: goes on with {missing} of {len(cube.projections) - 1} projections", err=True)
    else:
        remedy = f"`wolap refresh {out}` takes new facts in; to build it afresh, name another folder"
        click.echo(f"{out}: holds this cube already, with all that is declared; {remedy}", err=True)
    return cube


def _check(cube: Cube, declared: CubeFile, out: Path) -> None:
    """Raises SchemaError where a folder was made of another declaration, or of other files."""
    snapshot = cube.snapshot
    catalog = snapshot.catalog
    stored = cube_text(cube.schema, strict=catalog.strict, caps=catalog.caps, cluster=snapshot.leading)
    wanted = cube_text(declared.schema, strict=declared.strict, caps=declared.caps, cluster=declared.cluster)
    check_declaration(stored, wanted, out, _SECTIONS)
    if stored != wanted:
        what = f"keeps the titles, addresses and limits that it has; {declared.path.name} has others"
        click.echo(f"{out}: {what}", err=True)
    if declared.facts is None:
        return
    known = set(snapshot.ingested.files)
    others = [one for one in files_of(declared.facts, declared.path.parent) if one not in known]
    if others:
        found = f"names other files than those whose facts are in {out}, the first of them {others[0].path}"
        remedy = (
            f"`wolap build {out}` goes on with its own, `wolap refresh {out}` takes new files in; or another folder"
        )
        raise SchemaError([Problem(f"{declared.path.name}: cube.facts", found, remedy)])


def advised_before(cube: Cube, declared: CubeFile) -> list[str]:
    """The projections of a folder that its cube file does not declare: they were advised."""
    names = {one.name for one in declared.projections}
    return [one.name for one in cube.projections if not one.is_facts and one.name not in names]


def stays_of(cube: Cube) -> str:
    """What there is of a cube whose build was stopped."""
    if cube.folder is None:
        return "nothing is left of it"
    built = sum(one.statistics is not None for one in cube.projections) - 1
    text = f"{cube.folder} has the facts and {built} of {len(cube.projections) - 1} projections"
    return f"{text}; `wolap build {cube.folder}` goes on"


def files_on_disk(cube: Cube, projection: str) -> dict[str, int]:
    """The files that the rows of a projection are in, and the bytes of each."""
    every = [one.held.stored for one in cube.snapshot.sources[projection].segments]
    return {one.file.name: one.file.bytes for one in every if isinstance(one, StoredSegment)}


def bytes_on_disk(folder: Path) -> int:
    """The bytes of all files in a folder; what goes meanwhile does not count."""
    found = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                found += os.stat(os.path.join(path, name)).st_size
            except FileNotFoundError:
                continue
    return found
