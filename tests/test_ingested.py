"""Which files were ingested: known with the version that has their facts, and never taken twice."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from wolap import Cube, Dimension, Schema, SchemaError, Tree, total
from wolap.sources.ingested import NOTHING, FactFile, Ingested, files_of, pieces_of, read_unchanged
from wolap.storage.folder import Folder

SCHEMA = Schema("sales", [Dimension("shop")], {"spent": total("spent")}, [Tree.parse("shop")])


def write(folder: Path, name: str, *spent: int) -> Path:
    path = folder / name
    parquet.write_table(pa.table({"shop": ["a"] * len(spent), "spent": pa.array(spent, pa.int64())}), path)
    return path


def spent(cube: Cube) -> int:
    source = cube.snapshot.sources["facts"].whole.layout
    [column] = [one for partial, one in source.columns.items() if partial.function == "sum"]
    assert column.values is not None
    return int(column.values.sum())


def stored(folder: Path) -> Cube:
    """A cube of one file, in a folder."""
    files = files_of(str(write(folder, "one.parquet", 1, 2)), folder)
    table = read_unchanged(files)
    cube = Cube(SCHEMA, table, ingested=Ingested("*.parquet", str(folder), tuple(files)))
    cube.save(folder / "cube")
    return cube


def append(cube: Cube, path: Path) -> None:
    files = [FactFile.of(path)]
    cube.append(read_unchanged(files), files=files)


def test_what_was_ingested_stays_with_the_cube_whatever_happens_to_it(tmp_path: Path) -> None:
    cube = stored(tmp_path)
    one = cube.snapshot.ingested
    assert Cube.open(tmp_path / "cube").snapshot.ingested == one
    two = write(tmp_path, "two.parquet", 10)
    append(cube, two)
    cube.declare("shop")
    cube.materialize()
    cube.delete({"shop": "nobody"})
    again = Cube.open(tmp_path / "cube")
    assert again.snapshot.ingested == cube.snapshot.ingested == one.plus([FactFile.of(two)])
    assert spent(again) == 13


def test_the_declaration_is_the_same_as_text_and_as_tables(tmp_path: Path) -> None:
    cube = stored(tmp_path)
    for steps in (["shop"], []):
        cube.declare(*steps)
        cube.materialize()
        append(cube, write(tmp_path, f"more{len(steps)}.parquet", 10))
        again = Cube.open(tmp_path / "cube")
        with Folder.at(tmp_path / "cube").open() as opened:
            assert opened.manifest.document == tomllib.loads(opened.manifest.declaration)
        assert [one.name for one in again.projections] == [one.name for one in cube.projections]


def test_a_file_without_facts_is_noted_too(tmp_path: Path) -> None:
    cube = stored(tmp_path)
    number = cube.snapshot.catalog.version
    append(cube, write(tmp_path, "none.parquet"))
    assert cube.snapshot.catalog.version == number + 1
    assert len(Cube.open(tmp_path / "cube").snapshot.ingested.files) == 2


def test_a_file_that_another_process_has_just_ingested_is_refused(tmp_path: Path) -> None:
    """Both have seen that the file is new; who comes second learns it from the version that it would follow."""
    first = stored(tmp_path)
    second = Cube.open(tmp_path / "cube")
    two = write(tmp_path, "two.parquet", 10)
    append(first, two)
    assert second.snapshot.ingested.new([FactFile.of(two)])
    with pytest.raises(SchemaError, match=r"two.parquet' was ingested already, perhaps by another process just now"):
        append(second, two)
    assert spent(Cube.open(tmp_path / "cube")) == 13


def test_in_memory_as_on_disk(tmp_path: Path) -> None:
    cube = Cube(SCHEMA, pa.table({"shop": ["a"], "spent": [1]}))
    assert cube.snapshot.ingested == NOTHING
    two = write(tmp_path, "two.parquet", 10)
    append(cube, two)
    with pytest.raises(SchemaError, match="was ingested already"):
        append(cube, two)
    assert spent(cube) == 11


def test_a_file_by_another_name_is_the_same(tmp_path: Path) -> None:
    cube = stored(tmp_path)
    (tmp_path / "link.parquet").symlink_to(tmp_path / "one.parquet")
    assert not cube.snapshot.ingested.new(files_of("link.parquet", tmp_path))


def test_files_that_changed_or_went(tmp_path: Path) -> None:
    one, two, three = (write(tmp_path, f"{name}.parquet", 1) for name in ("one", "two", "three"))
    known = Ingested("*.parquet", str(tmp_path), tuple(files_of("*.parquet", tmp_path)))
    known.check("never mind")
    two.unlink()
    status = three.stat()
    os.utime(three, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))
    changed, gone = known.altered()
    assert ([file.path for file in changed], gone) == ([str(three)], [str(two)])
    with pytest.raises(SchemaError) as caught:
        known.check("do this")
    places = [problem.place for problem in caught.value.problems]
    assert places == [str(three), str(two), "facts"]
    assert caught.value.problems[-1].possible == "do this"
    noted = known.noting(changed, gone)
    noted.check("do this")
    assert {file.path for file in noted.files} == {str(one), str(three)}


def test_of_many_that_went_the_first_are_told(tmp_path: Path) -> None:
    known = Ingested(files=tuple(FactFile(f"/nowhere/{number}.parquet", 1, 2) for number in range(100)))
    with pytest.raises(SchemaError, match="and 92 files more") as caught:
        known.check("do this")
    assert len(caught.value.problems) == 10


def test_a_file_that_is_written_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "one.parquet", 1, 2)
    files = [FactFile.of(path)]
    write(tmp_path, "one.parquet", *range(100))
    with pytest.raises(SchemaError, match="are not what was ingested; wait until they are written"):
        read_unchanged(files)


@pytest.mark.parametrize("name", ["plain.parquet", "Größe ☃.parquet", "a'\"\\\n.parquet", "\udcff.parquet"])
def test_whatever_a_file_is_called_it_is_known_again(tmp_path: Path, name: str) -> None:
    file = FactFile.of(write(tmp_path, "one.parquet", 1).rename(tmp_path / name))
    known = Ingested("*", str(tmp_path), (file,))
    assert Ingested.of_values(known.values()) == known
    cube = Cube(SCHEMA, pa.table({"shop": ["a"], "spent": [1]}), ingested=known)
    cube.save(tmp_path / "cube")
    assert Cube.open(tmp_path / "cube").snapshot.ingested == known
    known.check("never mind")


def test_pieces_have_all_files_once_in_their_order() -> None:
    files = [FactFile(str(number), size, 0) for number, size in enumerate([3, 4, 9, 20, 1, 1, 1])]
    pieces = list(pieces_of(files, 8))
    assert [[one.bytes for one in piece] for piece in pieces] == [[3, 4], [9], [20], [1, 1, 1]]
    assert [one for piece in pieces for one in piece] == files
    assert list(pieces_of([], 8)) == []


def test_a_file_is_named_once(tmp_path: Path) -> None:
    """However often a glob names it, and by whichever link."""
    file = tmp_path / "f" / "a" / "one.csv"
    file.parent.mkdir(parents=True)
    file.write_text("city\nx\n")
    (tmp_path / "f" / "link.csv").symlink_to(file)
    for where in ("f/**/**/*.csv", "f"):
        files = files_of(where, tmp_path)
        assert [one.path for one in files] == [str(file.resolve())], where
    with pytest.raises(SchemaError, match="a file is named twice"):
        Ingested().plus([*files, *files])
