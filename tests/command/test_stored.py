"""Cubes on disk from the command line: built, asked, refreshed, changed, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command.stored_sales import DECLARATION, declare, facts, run, said, sales_by_day, sales_in_files, write
from pyarrow import parquet

from wolap import Cube
from wolap.storage.folder import Folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A cube file beside facts of three days."""
    for day in (1, 2, 3):
        write(tmp_path, f"day{day}", day)
    return declare(tmp_path)


@pytest.fixture
def built(file: Path) -> Path:
    """The folder of its cube."""
    out = file.parent / "cube"
    said(run("build", file, "--out", out))
    return out


def refused(*arguments: object) -> str:
    """What a command says that refuses what it is given."""
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.stderr
    return " ".join(result.stderr.split())


def version(folder: Path) -> int:
    return Folder(folder).versions[0]


# --- build ------------------------------------------------------------------------------------------------------------


def test_build_into_a_folder_prints_what_is_on_disk(file: Path) -> None:
    out = file.parent / "made" / "cube"
    printed = said(run("build", file, "--out", out))
    head, *lines = printed.splitlines()
    assert head.split() == ["projection", "rows", "of", "the", "facts", "MiB", "on", "disk"]
    assert [line.split()[0] for line in lines[:3]] == ["year/month/day/country", "country/city", "facts"]
    assert re.search(rf"^{re.escape(str(out))}: 0\.\d\d MiB on disk$", printed, re.MULTILINE)
    assert printed.splitlines()[-1].startswith("country/city: counted anew from all facts whenever some change")
    cube = Cube.open(out)
    assert all(one.statistics is not None for one in cube.projections)


@pytest.mark.parametrize("target", ["country.csv", "country/city", "year/month/day?start=2024-07&end=2024-08", "size"])
def test_a_folder_answers_as_its_file_does(file: Path, built: Path, target: str) -> None:
    now = ("--now", "2024-07-04")
    assert said(run("query", built, target, *now)) == said(run("query", file, target, *now))
    assert said(run("explain", built, target.replace(".csv", ""), *now))


def test_a_folder_serves_by_itself(file: Path, built: Path) -> None:
    before = said(run("query", built, "country.csv"))
    for one in (file, *(file.parent / "facts").iterdir()):
        one.unlink()
    assert said(run("query", built, "country.csv")) == before
    assert "0 differences" in said(run("verify", built, "--queries", 50))
    assert said(run("advise", built, "--budget", "1MB"))
    assert "country/city" in said(run("build", built))


def test_a_folder_knows_its_audiences(built: Path) -> None:
    assert "cube has no audience 'staff'" in refused("query", built, "country", "--audience", "staff")


def test_build_again_says_that_it_is_there(file: Path, built: Path) -> None:
    before = version(built)
    again = run("build", file, "--out", built)
    assert again.exit_code == 0
    assert again.stderr.startswith(
        f"{built}: holds this cube already, with all that is declared; `wolap refresh {built}`"
    )
    assert "country/city" in again.stdout
    assert version(built) == before


def test_build_again_builds_what_was_declared_since(file: Path, built: Path) -> None:
    declare(file.parent, DECLARATION + '\n[[projections]]\ndimensions = "size"\n')
    again = run("build", file, "--out", built)
    assert (again.exit_code, again.stderr) == (0, f"{built}: goes on with 1 of 3 projections\n")
    assert [one.name for one in Cube.open(built).projections][-2] == "size"


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        ("size = {}", 'size = { column = "amount" }', "dimensions.size.column: is 'amount', and not declared in"),
        ('{ sum = "amount" }', '{ max = "amount" }', "metrics.amount.sum: is not declared, and 'amount' in"),
        ("everywhere = true", 'everywhere = true\ncolumn_zone = "+01:00"', "time.column_zone: is '+01:00', and not"),
        ("country\n  city\n", "country\n", "trees.main.paths: "),
        ('facts = "facts"', 'facts = "facts"\nzone = "Europe/Berlin"', "cube.zone: is 'Europe/Berlin', and 'UTC' in"),
        ('["country", "city"]', '["country", "city"]\nwhere = { size = "1" }', "is declared already, with other"),
    ],
)
def test_a_folder_of_another_declaration_is_told_apart(
    file: Path, built: Path, before: str, after: str, place: str
) -> None:
    assert before in DECLARATION
    kept = version(built)
    declare(file.parent, DECLARATION.replace(before, after))
    assert place in refused("build", file, "--out", built)
    assert version(built) == kept


def test_titles_may_differ_and_that_is_told(file: Path, built: Path) -> None:
    declare(file.parent, DECLARATION.replace("size = {}", 'size = { title = "Size" }'))
    again = run("build", file, "--out", built)
    assert again.exit_code == 0
    assert "keeps the titles, addresses and limits that it has; sales.toml has others" in again.stderr


def test_other_files_are_never_mixed_in(file: Path, built: Path) -> None:
    new = write(file.parent, "day4", 4)
    told = refused("build", file, "--out", built)
    assert f"the first of them {new.resolve()}; `wolap build {built}` goes on" in told
    assert sum(sales_by_day(built).values()) == 600


def test_what_is_no_folder_for_a_cube(file: Path, built: Path) -> None:
    assert "holds no cube, but 'cube'" in refused("build", file, "--out", file.parent)
    assert "is a file, and a cube is stored as a folder" in refused("build", file, "--out", file)
    assert "is a folder, in which a cube is built already" in refused("build", built, "--out", file.parent / "other")
    for command in (("query", "FOLDER", "country"), ("build", "FOLDER"), ("refresh", "FOLDER")):
        assert "holds no cube; name the folder" in refused(
            *(file.parent / "facts" if one == "FOLDER" else one for one in command)
        )


def test_a_damaged_folder_is_no_reason_to_build_over_it(file: Path, built: Path) -> None:
    manifest = built / f"manifest-{version(built)}.json"
    manifest.write_bytes(manifest.read_bytes().replace(b"sales", b"salez", 1))
    assert "is damaged" in refused("build", file, "--out", built)
    assert "is damaged" in refused("query", built, "country")


def test_build_with_advice_into_a_folder(file: Path) -> None:
    out = file.parent / "cube"
    printed = said(run("build", file, "--out", out, "--advise", "--budget", "1MB"))
    assert "advised: " in printed
    names = [one.name for one in Cube.open(out).projections]
    assert len(names) > 3
    # What was advised before is built, and not advised a second time.
    again = run("build", file, "--out", out, "--advise", "--budget", "1MB")
    assert again.exit_code == 0
    assert f"built as it was advised before: {', '.join(names[2:-1])}" in " ".join(again.stdout.split())
    assert [one.name for one in Cube.open(out).projections] == names


# --- refresh ----------------------------------------------------------------------------------------------------------


def test_refresh_takes_new_files_in_once(file: Path, built: Path) -> None:
    write(file.parent, "day4", 4, 300)
    write(file.parent, "late", 2, 50, seed=7)
    before = version(built)
    assert f"{built}: 2 files taken in, 350 facts came, 0 went" in said(run("refresh", built))
    assert version(built) == before + 1
    assert sales_by_day(built) == sales_in_files(file.parent) == {1: 200, 2: 250, 3: 200, 4: 300}
    assert said(run("refresh", built)) == f"{built}: nothing is new in 5 files\n"
    assert version(built) == before + 1
    assert "0 differences" in said(run("verify", built, "--queries", 100))


def test_refresh_time_is_now(file: Path, built: Path) -> None:
    write(file.parent, "day4", 4)
    said(run("refresh", built, "--now", "2024-07-05T01:02:03"))
    refreshed = {one.statistics.refreshed for one in Cube.open(built).projections if one.statistics is not None}
    assert {one.isoformat() for one in refreshed if one is not None} == {"2024-07-05T01:02:03+00:00"}


def test_refresh_brings_up_to_date_what_its_schedule_says(file: Path) -> None:
    out = file.parent / "scheduled"
    text = file.read_text().replace("[time]\n", '[time]\nrefresh = { day = "3 hours" }\n')
    assert "refresh" in text
    file.write_text(text)
    said(run("build", file, "--out", out))
    said(run("refresh", out, "--now", "2024-07-04"))
    write(file.parent, "day4", 4)
    # Nobody knew when the first was made, so it is due; the next is too soon.
    assert "1 file taken in" in said(run("refresh", out, "--now", "2024-07-05T00:00"))
    write(file.parent, "day5", 5)
    printed = said(run("refresh", out, "--now", "2024-07-05T01:00"))
    assert "0 projections brought up to date, 1 left until their time comes" in printed
    assert "left until" not in (
        printed := said(run("refresh", out, "--now", "2024-07-05T03:00")).replace("0 left until", "")
    )
    assert "1 projection brought up to date" in printed
    assert "brought up to date" not in said(run("refresh", out, "--now", "2024-07-05T03:01"))


def test_facts_are_found_from_where_the_cube_file_was(
    file: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    said(run("build", file.name, "--out", "cube"))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    write(file.parent, "day4", 4)
    assert "1 file taken in, 200 facts came" in said(run("refresh", file.parent / "cube"))


def test_refresh_from_elsewhere(file: Path, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet.write_table(facts(9, 40), file.parent / "nine.parquet")
    monkeypatch.chdir(file.parent)
    assert "40 facts came" in said(run("refresh", built, "--facts", "nine.parquet"))
    assert "nothing is new in 1 file" in said(run("refresh", built, "--facts", "nine.parquet"))
    assert "nothing is new in 3 files" in said(run("refresh", built))


def test_a_cube_of_python_is_refreshed_from_where_is_said(file: Path) -> None:
    stored = Cube.open(_built(file))
    out = file.parent / "python"
    Cube(stored.schema, facts(1, 10)).save(out)
    assert "was not built from files; say with --facts" in refused("refresh", out)
    assert "3 files taken in, 600 facts came" in said(run("refresh", out, "--facts", file.parent / "facts"))


def _built(file: Path) -> Path:
    said(run("build", file, "--out", file.parent / "cube"))
    return file.parent / "cube"


def test_a_file_that_changed_or_went_is_refused(file: Path, built: Path) -> None:
    changed, gone = file.parent / "facts/day2.parquet", file.parent / "facts/day3.parquet"
    was = changed.stat().st_size
    write(file.parent, "day2", 2, 260, seed=1)
    gone.unlink()
    write(file.parent, "day4", 4)
    told = refused("refresh", built)
    assert re.search(rf"day2.parquet: has {changed.stat().st_size:,} bytes of 2\S+ \S+, and had {was:,} bytes of", told)
    assert re.search(r"day3.parquet: is gone, and had [\d,]+ bytes of", told)
    assert f"`wolap replace {built} --facts FILE --start … --end …`" in told
    assert sales_by_day(built) == {1: 200, 2: 200, 3: 200}
    # As it says: one is taken in as it is now, of the other the facts stay.
    july2 = ("--start", "2024-07-02", "--end", "2024-07-03")
    assert "260 facts came, 200 went" in said(run("replace", built, "--facts", changed, *july2))
    assert "day2" not in refused("refresh", built)
    kept, taken = said(run("refresh", built, "--keep-ingested")).splitlines()
    assert kept == f"{built}: facts of 1 file stay as they were ingested"
    assert "200 facts came" in taken
    assert sales_by_day(built) == {1: 200, 2: 260, 3: 200, 4: 200}
    assert "nothing is new in 3 files" in said(run("refresh", built))


def test_a_file_that_does_not_fit_is_refused_whole(file: Path, built: Path) -> None:
    write(file.parent, "day4", 4)
    parquet.write_table(facts(5, 5).drop_columns("country"), file.parent / "facts/day5.parquet")
    (file.parent / "facts/day6.parquet").write_bytes(b"PAR1 and no more")
    assert "cannot be read" in refused("refresh", built)
    (file.parent / "facts/day6.parquet").unlink()
    (file.parent / "facts/day4.parquet").unlink()
    assert "country" in refused("refresh", built)
    assert sales_by_day(built) == {1: 200, 2: 200, 3: 200}


# --- replace, delete, retain ------------------------------------------------------------------------------------------


def test_a_replaced_file_is_not_taken_in_again(file: Path, built: Path) -> None:
    new = write(file.parent, "again2", 2, 30, seed=3)
    july2 = ("--start", "2024-07-02", "--end", "2024-07-03")
    assert "30 facts came, 200 went" in said(run("replace", built, "--facts", new, *july2))
    assert "nothing is new in 4 files" in said(run("refresh", built))
    assert sales_by_day(built) == {1: 200, 2: 30, 3: 200}
    told = refused("replace", built, "--facts", new, "--start", "2024-07-03", "--end", "2024-07-04")
    assert "30 of 30 facts lie outside of the interval" in told


def test_delete(file: Path, built: Path) -> None:
    table = parquet.read_table(file.parent / "facts").to_pylist()
    wanted = [one for one in table if not (one["country"] in ("c1", "c2") and one["size"] == 3)]
    arguments = ("--where", "country=c1", "--where", "size=3", "--where", "country=c2")
    assert f"0 facts came, {600 - len(wanted)} went" in said(run("delete", built, *arguments))
    left = [one for one in wanted if one["customer"] != 17 or one["city"] == "x1"]
    assert len(left) < len(wanted)
    printed = said(run("delete", built, "--where", "customer=17", "--where-not", "city=x1"))
    assert f"0 facts came, {len(wanted) - len(left)} went" in printed
    assert sum(sales_by_day(built).values()) == len(left)
    assert "nothing has changed" in said(run("delete", built, "--where", "country=nowhere"))


def test_retain(built: Path) -> None:
    assert "0 facts came, 200 went" in said(run("retain", built, "--since", "2024-07-02"))
    assert sales_by_day(built) == {2: 200, 3: 200}
    # Whole days: what began two days before noon of the fifth.
    assert "200 went" in said(run("retain", built, "--keep", "2 days", "--now", "2024-07-05T12:00"))
    assert sales_by_day(built) == {3: 200}
    assert "nothing has changed" in said(run("retain", built, "--keep", "25 months", "--now", "2024-07-05T12:00"))


def test_nothing_is_kept_beyond_what_is_said_on_the_clock_of_the_cube(file: Path) -> None:
    declare(file.parent, DECLARATION.replace('facts = "facts"', 'facts = "facts"\nzone = "-08:00"'))
    out = _built(file)
    before = sum(sales_by_day(out).values())
    said(run("retain", out, "--keep", "1 day", "--now", "2024-07-03T07:00"))
    table = parquet.read_table(file.parent / "facts").to_pylist()
    # There it is the evening of the second: the first is kept from its midnight on.
    first = [one for one in table if one["at"].isoformat() >= "2024-07-01T08:00"]
    assert sum(sales_by_day(out).values()) == len(first) < before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("delete", "DIR"), "nothing is said of which facts to delete"),
        (("delete", "DIR", "--where", "country"), "'country' is no condition; write a name and a value"),
        (("delete", "DIR", "--where", "colour=red"), "'colour' is nothing that facts can be deleted by"),
        (("delete", "DIR", "--where", "customer=ann"), "the values of 'customer' are of type int64"),
        (("retain", "DIR"), "give either --since or --keep"),
        (("retain", "DIR", "--since", "2024", "--keep", "1 day"), "give either --since or --keep"),
        (("retain", "DIR", "--since", "yesterday"), "since 'yesterday' is not an ISO 8601 date"),
        (("retain", "DIR", "--keep", "25"), "--keep '25' is not a span; write a number and a level"),
        (("replace", "DIR", "--facts", "FACTS"), "Missing option '--start'"),
        (("replace", "DIR", "--facts", "FACTS", "--start", "2024-08", "--end", "2024-07"), "is not before end"),
        (
            ("replace", "DIR", "--facts", "nowhere.parquet", "--start", "2024", "--end", "2025"),
            "there is no 'nowhere",
        ),
        (("refresh", "DIR", "--now", "soon"), "soon is not an ISO 8601 date"),
        (("refresh", "nowhere"), "nowhere: does not exist; name the folder of a cube"),
        (("retain", "FILE", "--since", "2024"), "is no folder; name the folder"),
    ],
)
def test_what_is_refused_changes_nothing(file: Path, built: Path, arguments: tuple[str, ...], told: str) -> None:
    paths = {"DIR": built, "FILE": file, "FACTS": file.parent / "facts"}
    before = version(built)
    assert told in refused(*(paths.get(one, one) for one in arguments))
    assert version(built) == before
