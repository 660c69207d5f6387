"""Facts in files: the same rows from every format, from one file, a folder or a glob, and what is said where not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from os import utime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pytest
from cube_documents import document
from pyarrow import feather, parquet

from wolap import Cube, Query, SchemaError
from wolap.cube_file import load_cube, read_cube_file
from wolap.sources.files import fact_files, read_facts, read_pieces

TABLE = pa.table(
    {
        "at": pa.array(["2024-01-01T00:00:00", "2024-02-01T10:00:00", "2025-01-01T00:00:00"]).cast(pa.timestamp("s")),
        "country": ["DE", "FR", "DE"],
        "city": ["Köln", 'L"Aquila,\n', "Berlin"],
        "amount": [1, 2, 4],
        "unused": ["x", "y", "z"],
    }
)
EXPECTED = [{"country": "DE", "sales": 2, "amount": 5}, {"country": "FR", "sales": 1, "amount": 2}]


def write_tsv(table: pa.Table, path: Path) -> None:
    arrow_csv.write_csv(table, path, arrow_csv.WriteOptions(delimiter="\t"))


def write_ipc(table: pa.Table, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


WRITERS: dict[str, Callable[[pa.Table, Path], None]] = {
    ".parquet": parquet.write_table,
    ".pq": parquet.write_table,
    ".arrow": write_ipc,
    ".ipc": write_ipc,
    ".feather": lambda table, path: feather.write_feather(table, str(path)),
    ".csv": arrow_csv.write_csv,
    ".tsv": write_tsv,
    ".PARQUET": parquet.write_table,
}


def load(folder: Path, facts: str, more: str = "") -> Cube:
    path = folder / "sales.toml"
    path.write_text(document(more, cube=f'name = "sales"\nfacts = "{facts}"'), encoding="utf-8")
    return load_cube(read_cube_file(path))


def refused(folder: Path, facts: str) -> str:
    with pytest.raises(SchemaError) as error:
        load(folder, facts)
    assert str(error.value).startswith("sales.toml: ")
    return str(error.value).removeprefix("sales.toml: ")


def answer(cube: Cube) -> list[dict[str, object]]:
    return cube.answer(Query("country")).to_pylist()


@pytest.mark.parametrize("ending", WRITERS)
def test_one_file(tmp_path: Path, ending: str) -> None:
    WRITERS[ending](TABLE, tmp_path / f"facts{ending}")
    cube = load(tmp_path, f"facts{ending}")
    assert answer(cube) == EXPECTED
    assert cube.answer(Query("city")).table["city"].to_pylist() == ["Berlin", "Köln", 'L"Aquila,\n']


@pytest.mark.parametrize("where", ["parts", "parts/", "parts/*", "parts/**", "*/*/*", "parts/**/[ab].*"])
@pytest.mark.parametrize("ending", [".parquet", ".arrow", ".csv", ".tsv"])
def test_a_folder_and_a_glob(tmp_path: Path, ending: str, where: str) -> None:
    deep = tmp_path / "parts" / "deep"
    deep.mkdir(parents=True)
    if where in ("parts/*",):
        deep = deep.parent
    write = WRITERS[ending]
    write(TABLE.slice(0, 1), deep / f"a{ending}")
    write(TABLE.slice(1), deep / f"b{ending}")
    assert answer(load(tmp_path, where)) == EXPECTED


def test_a_folder_may_hold_other_things(tmp_path: Path) -> None:
    folder = tmp_path / "facts.parquet"
    folder.mkdir()
    parquet.write_table(TABLE, folder / "part-0.parquet")
    (folder / "_SUCCESS").touch()
    (folder / ".part-0.parquet.crc").write_text("crc")
    assert answer(load(tmp_path, "facts.parquet")) == EXPECTED


def test_a_name_with_signs_of_a_glob_is_a_file_first(tmp_path: Path) -> None:
    parquet.write_table(TABLE, tmp_path / "[x]*.parquet")
    assert answer(load(tmp_path, "[x]*.parquet")) == EXPECTED


def test_files_may_differ_in_order_width_and_columns(tmp_path: Path) -> None:
    narrow = (
        TABLE.slice(0, 2)
        .set_column(3, "amount", pa.array([1, 2], pa.int8()))
        .select(["amount", "city", "country", "at"])
    )
    without = TABLE.slice(2).drop_columns(["amount"])
    parquet.write_table(narrow, tmp_path / "1.parquet")
    parquet.write_table(without, tmp_path / "2.parquet")
    parquet.write_table(TABLE.slice(0, 0), tmp_path / "3.parquet")
    assert answer(load(tmp_path, "*.parquet")) == [
        {"country": "DE", "sales": 2, "amount": 1},
        {"country": "FR", "sales": 1, "amount": 2},
    ]


def test_only_the_columns_that_are_asked_for_are_read(tmp_path: Path) -> None:
    parquet.write_table(TABLE, tmp_path / "facts.parquet")
    assert read_facts("facts.parquet", tmp_path, ["city", "nothing", "at", "city"]).column_names == ["city", "at"]
    assert read_facts("facts.parquet", tmp_path).num_columns == 5
    assert read_facts("facts.parquet", tmp_path, []).num_rows == 3


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 1 << 20])
def test_pieces_are_the_facts(tmp_path: Path, rows: int) -> None:
    for name in ("a", "b", "c"):
        parquet.write_table(TABLE, tmp_path / f"{name}.parquet")
    whole = read_facts("*.parquet", tmp_path, ["city", "at"])
    pieces = list(read_pieces(fact_files("*.parquet", tmp_path), ["city", "at"], rows=rows))
    assert pa.concat_tables(pieces).equals(whole)
    assert all(one.num_rows < rows + 3 for one in pieces)
    assert sum(one.num_rows for one in read_pieces(fact_files("*.parquet", tmp_path), [], rows=rows)) == whole.num_rows


def test_pieces_of_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"no parquet")
    with pytest.raises(SchemaError, match="cannot be read"):
        list(read_pieces([tmp_path / "a.parquet"]))


def test_lines_within_quotes_of_a_long_file(tmp_path: Path) -> None:
    """Longer than the blocks that the reader cuts a file into, which are a megabyte."""
    line = '2024-01-01T00:00:00,DE,"a\nb, ""c""\n",1\n'
    (tmp_path / "facts.csv").write_text("at,country,city,amount\n" + line * 60_000)
    cube = load(tmp_path, "facts.csv")
    assert cube.answer(Query("city")).to_pylist() == [{"city": 'a\nb, "c"\n', "sales": 60_000, "amount": 60_000}]


def test_projections_are_built_unless_told_not_to(tmp_path: Path) -> None:
    parquet.write_table(TABLE, tmp_path / "facts.parquet")
    seen: list[tuple[str, int, int]] = []
    more = '[[projections]]\ndimensions = ["country"]\n[[projections]]\ndimensions = "year/city"'
    load(tmp_path, "facts.parquet", more)
    declared = read_cube_file(tmp_path / "sales.toml")
    cube = load_cube(declared, progress=lambda step: seen.append((step.projection.name, step.done, step.total)))
    # The finer one first, each told of while it is made and once it is.
    assert seen == [("year/city", 0, 2), ("year/city", 1, 2), ("country", 1, 2), ("country", 2, 2)]
    assert all(one.statistics is not None for one in cube.projections)
    waiting = load_cube(declared, build=False)
    assert [one.statistics is None for one in waiting.projections] == [True, True, False]
    assert answer(waiting) == EXPECTED


def test_one_file_says_when_it_was_made(tmp_path: Path) -> None:
    path = tmp_path / "facts.parquet"
    parquet.write_table(TABLE, path)
    utime(path, (1_700_000_000, 1_700_000_000))
    assert load(tmp_path, "facts.parquet").answer(Query()).refreshed == datetime.fromtimestamp(1_700_000_000, UTC)
    assert load(tmp_path, "*.parquet").answer(Query()).refreshed is None


# --- what is wrong ----------------------------------------------------------------------------------------------------


def test_no_facts_are_named(tmp_path: Path) -> None:
    path = tmp_path / "sales.toml"
    path.write_text(document())
    with pytest.raises(SchemaError, match=r'^sales\.toml: cube\.facts: no facts are named; facts = "…"'):
        load_cube(read_cube_file(path))


def test_missing_files_name_what_is_beside_them(tmp_path: Path) -> None:
    parquet.write_table(TABLE, tmp_path / "facts.parquet")
    assert refused(tmp_path, "fact.parquet").startswith(
        "facts: there is no 'fact.parquet'; beside it are facts.parquet"
    )
    assert refused(tmp_path, "*.pq").startswith("facts: there is no '*.pq'; beside it are ")
    assert refused(tmp_path, "no/x.pq") == "facts: there is no 'no/x.pq'; a file, a folder or a glob"


def test_files_of_several_formats(tmp_path: Path) -> None:
    for ending in (".parquet", ".csv"):
        WRITERS[ending](TABLE, tmp_path / f"facts{ending}")
    said = "facts: 'facts*' holds files of several formats (.csv, .parquet); a glob that names one of them"
    assert refused(tmp_path, "facts*").startswith(said)


def test_commas_and_tabs_are_two_formats(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    for ending in (".tsv", ".csv"):
        WRITERS[ending](TABLE, tmp_path / "parts" / f"facts{ending}")
    assert refused(tmp_path, "parts").startswith("facts: 'parts' holds files of several formats (.csv, .tsv); ")


def test_folders_and_endings_without_facts(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "notes.txt").touch()
    assert refused(tmp_path, "parts") == (
        "facts: the folder 'parts' holds no facts; files ending in .parquet, .pq, .arrow, .ipc, .feather, .csv, .tsv"
    )
    assert refused(tmp_path, "parts/notes.txt").startswith("facts: 'parts/notes.txt' has the unknown ending '.txt'; ")


@pytest.mark.parametrize("ending", [".parquet", ".arrow", ".csv"])
def test_unreadable_files(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"facts{ending}").write_text("" if ending == ".csv" else "hello")
    assert refused(tmp_path, f"facts{ending}").startswith(f"facts: 'facts{ending}' cannot be read: ")


def test_files_that_cannot_be_one(tmp_path: Path) -> None:
    parquet.write_table(TABLE, tmp_path / "1.parquet")
    parquet.write_table(pa.table({"amount": ["many"]}), tmp_path / "2.parquet")
    assert refused(tmp_path, "*.parquet").startswith("facts: '*.parquet' cannot be read: Unable to merge: Field amount")


def test_missing_columns_are_told_together(tmp_path: Path) -> None:
    parquet.write_table(TABLE.drop_columns(["at", "city"]), tmp_path / "facts.parquet")
    assert refused(tmp_path, "facts.parquet").split("\n") == [
        "time.column: the facts have no column 'at'; columns are amount, country",
        "sales.toml: dimensions.city: the facts have no column 'city'; columns are country, amount",
    ]


def test_columns_that_do_not_fit(tmp_path: Path) -> None:
    table = TABLE.set_column(0, "at", pa.array(["x", "y", "z"])).set_column(3, "amount", pa.array(["1", "2", "3"]))
    parquet.write_table(table, tmp_path / "facts.parquet")
    first, second = refused(tmp_path, "facts.parquet").split("\n")
    assert first == "time.column: column 'at' has type string; a timestamp, with or without zone, or a date"
    assert second.startswith("sales.toml: metrics.amount: column 'amount' has type string, which has no sum; a column")
