"""`wolap advise`, and `wolap build` with advice: what they print, what they read, what they refuse."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from pyarrow import parquet

from wolap.command import commands
from wolap.command.budget import read_size, size_text
from wolap.cube_file import load_cube, read_cube_file
from wolap.cube_file_text import projections_text

DECLARATION = '''
[cube]
name = "sales"
base = "/sales/v1"
facts = "facts.parquet"

[time]
column = "at"
levels = ["year", "month", "day"]

[dimensions]
country = {}
size = {}
kind = {}

[metrics]
sales = "count"
amount = { sum = "amount" }
customers = { distinct = "customer" }

[trees]
main = """
year
  month
    country
      kind
country
  kind
"""
staff = { paths = ["kind/size"], audience = "staff" }

[[projections]]
dimensions = ["year", "month", "day", "country"]
metrics = ["sales", "amount"]
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sales")
    (made / "sales.toml").write_text(DECLARATION, encoding="utf-8")
    random, rows = np.random.default_rng(1), 20_000
    table = pa.table(
        {
            "at": pa.array(
                np.sort(random.integers(0, 200 * 86_400, rows)) * 1_000_000 + 1_704_067_200_000_000, pa.timestamp("us")
            ),
            "country": pa.array([f"l{number}" for number in random.integers(0, 9, rows)]),
            "size": pa.array(random.integers(0, 5, rows)),
            "kind": pa.array([f"k{number}" for number in random.integers(0, 30, rows)]),
            "amount": pa.array(random.integers(0, 100, rows)),
            "customer": pa.array(random.integers(0, 900, rows)),
        }
    )
    parquet.write_table(table, made / "facts.parquet")
    return made


def run(*arguments: object) -> Result:
    return CliRunner().invoke(commands, [str(argument) for argument in arguments])


def advised(*arguments: object) -> list[dict[str, object]]:
    result = run("advise", *arguments, "--toml")
    assert result.exit_code == 0, result.stderr
    return list(tomllib.loads(result.stdout).get("projections", []))


def test_prints_a_table_and_what_can_be_pasted(folder: Path) -> None:
    result = run("advise", folder / "sales.toml", "--budget", "1MiB")
    assert (result.exit_code, result.stderr) == (0, "")
    table, _, pasted = result.stdout.partition("\n\n")
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert table.startswith("to store ")
    assert "MiB of 1.00" in table
    assert tomllib.loads(pasted)["projections"]


@pytest.mark.parametrize("options", [(), ("--afresh",), ("--whole",), ("--audience", "staff"), ("--afresh", "--whole")])
def test_what_is_pasted_is_what_was_advised(folder: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    result = run("advise", folder / "sales.toml", "--budget", "10MB", *options, "--toml")
    assert (result.exit_code, result.stderr) == (0, "")
    assert tomllib.loads(result.stdout)["projections"]
    pasted = tmp_path / "pasted.toml"
    # What is advised afresh stands in the place of what was declared, all else behind it.
    before = DECLARATION.partition("[[projections]]")[0] if "--afresh" in options else DECLARATION
    pasted.write_text(f"{before}\n{result.stdout}", encoding="utf-8")
    declared = read_cube_file(pasted)
    added = declared.projections[before.count("[[projections]]") :]
    assert projections_text(declared.schema, added) == result.stdout
    cube = load_cube(read_cube_file(folder / "sales.toml"), build="--afresh" not in options)
    named = {"audience": options[1]} if "--audience" in options else {}
    advice = cube.advise(10_000_000, afresh="--afresh" in options, whole="--whole" in options, **named)
    assert [(one.name, one.closure, one.level, one.partials) for one in added] == [
        (one.name, one.closure, one.level, one.partials) for one in advice.projections
    ]


def test_long_lists_are_written_in_several_lines(folder: Path) -> None:
    declared = read_cube_file(folder / "sales.toml")
    text = projections_text(declared.schema, declared.projections)
    assert text == '[[projections]]\ndimensions = ["year", "month", "day", "country"]\nmetrics = ["sales", "amount"]\n'
    published = read_cube_file(Path(__file__).parents[2] / "wolap" / "apis" / "esm-v3.toml")
    text = projections_text(published.schema, published.projections)
    assert max(map(len, text.splitlines())) <= 120
    names = [section["name"] for section in tomllib.loads(text)["projections"] if "name" in section]
    assert names == ["mvpd/year/month/day/platform/nsdk/nsdk-version", "detail", "event-detail"]


LOG = """
# what was asked on Monday
/sales/v1/country?kind=k1
/sales/v1/country?kind=k2
country?kind=k3
https://example.org/sales/v1/country?kind=k4
GET /sales/v1/country?kind=k5 HTTP/1.1
203.0.113.9 - - [01/Jul/2024:10:00:00 +0000] "GET /sales/v1/country?kind=k6 HTTP/1.1" 200 512
203.0.113.9 - ann [01/Jul/2024:10:00:00 +0000] "HEAD /sales/v1/kind/si%7Ae HTTP/2.0" 200 0 "-" "curl/8"
203.0.113.9 - - [01/Jul/2024:10:00:01 +0000] "POST /sales/v1/country HTTP/1.1" 405 10
203.0.113.9 - - [01/Jul/2024:10:00:02 +0000] "GET /favicon.ico HTTP/1.1" 404 10
not a line
/sales/v1/country?knid=k1
/other/v1/year?access_token=secret
"""


def test_a_record_is_read_and_what_is_not_is_told(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text(LOG, encoding="utf-8")
    result = run("advise", folder / "sales.toml", "--budget", "10MB", "--workload", log, "--toml")
    assert result.exit_code == 0
    assert "5 of 12 lines left out" in result.stderr
    for line, said in ((10, "'POST' asks for no report"), (11, "favicon.ico"), (12, "no request"), (13, "knid")):
        assert any(told.startswith(f"  line {line}: ") and said in told for told in result.stderr.splitlines())
    assert "secret" not in result.stderr
    grains = [set(one["dimensions"]) for one in tomllib.loads(result.stdout)["projections"]]
    assert {"country", "kind"} in grains
    assert {"kind", "size"} in grains


def test_what_is_asked_more_often_comes_first_where_only_one_fits(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    for often, seldom in (("country", "kind/si%7Ae"), ("kind/si%7Ae", "country")):
        log.write_text(f"{often}?metrics=sales\n" * 50 + f"{seldom}?metrics=sales\n", encoding="utf-8")
        (one,) = advised(folder / "sales.toml", "--budget", "1500B", "--workload", log, "--afresh")[:1]
        assert "country" in one["dimensions"] or often != "country"


def test_reports_look_back_from_the_end_of_the_facts_unless_told(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("/sales/v1/year/month/country/kind?metrics=sales\n", encoding="utf-8")
    assert advised(folder / "sales.toml", "--budget", "1GiB", "--workload", log)
    # A month long before any fact has no row to read, whatever is stored.
    assert not advised(folder / "sales.toml", "--budget", "1GiB", "--workload", log, "--now", "2020-01-01")


def test_a_long_line_is_no_reason_to_fail(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_bytes(b"/sales/v1/country?" + b"x" * 300_000 + b"\n/sales/v1/country\n\xff\xfe\n" + b"y" * 70_000)
    result = run("advise", folder / "sales.toml", "--budget", "1GiB", "--workload", log)
    assert result.exit_code == 0
    assert "3 of 4 lines left out" in result.stderr
    assert "line 1: its target is longer than 16,384 characters" in result.stderr


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("64MiB", 64 << 20), ("64 mib", 64 << 20), ("1.5kB", 1_500), ("2GiB", 2 << 30), ("500MB", 500_000_000)],
)
def test_sizes(text: str, size: int) -> None:
    assert read_size(None, None, text) == size  # type: ignore[arg-type]


def test_sizes_for_people() -> None:
    assert size_text(3 << 19) == "1.50 MiB"


@pytest.mark.parametrize("text", ["", "MiB", "64 Mb/s", "-1", "1e9", "0", "0.5B", "64 PiB", "١", "1_000"])
def test_what_is_no_size_is_refused(folder: Path, text: str) -> None:
    result = run("advise", folder / "sales.toml", f"--budget={text}")
    assert result.exit_code == 2
    assert "such as 64MiB" in result.stderr


def test_refusals(folder: Path, tmp_path: Path) -> None:
    file = folder / "sales.toml"
    empty = tmp_path / "empty.txt"
    empty.write_text("\n# nothing\n")
    strange = tmp_path / "strange.txt"
    strange.write_text("/other/v1\n")
    table: list[tuple[tuple[object, ...], str]] = [
        (("advise", file), "--budget"),
        (("advise", file, "--budget", "1MB", "--workload", tmp_path / "none.txt"), "cannot be read: No such file"),
        (("advise", file, "--budget", "1MB", "--workload", empty), "no line that is not empty"),
        (("advise", file, "--budget", "1MB", "--workload", strange), "records no report of 'sales': line 1: "),
        (("advise", file, "--budget", "1MB", "--audience", "mvpd"), "has no audience 'mvpd'"),
        (("advise", file, "--budget", "1MB", "--now", "yesterday"), "yesterday is"),
        (("build", file, "--advise"), "--advise needs a --budget"),
        (("build", file, "--budget", "1MB"), "belong to --advise"),
        (("build", file, "--whole"), "belong to --advise"),
    ]
    for arguments, said in table:
        result = run(*arguments)
        assert result.exit_code == 2, arguments
        assert said in " ".join(result.stderr.split()), arguments
        assert "Traceback" not in result.stderr


def test_build_with_advice_builds_both(folder: Path) -> None:
    result = run("build", folder / "sales.toml", "--advise", "--budget", "5MB")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "year/month/day/country" in result.stdout
    assert "country/kind" in result.stdout
    assert "of 4.77 MiB, estimated" in result.stdout
    nothing = run("build", folder / "sales.toml", "--advise", "--budget", "1B")
    assert nothing.exit_code == 0
    assert "0 advised: 0.00 MiB" in nothing.stdout
    plain = run("build", folder / "sales.toml")
    assert "country/kind" not in plain.stdout
