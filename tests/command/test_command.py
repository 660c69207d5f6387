"""The command line: most of it in this process, and a few whole processes from start to end."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from time import sleep

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from pyarrow import parquet

from wolap import __version__
from wolap.command import commands, loading

ROOT = Path(__file__).parents[2]
NOW = ("--now", "2024-08-20T14:35:21")

DECLARATION = '''
[cube]
name = "sales"
base = "/sales/v1"
facts = "facts.parquet"

[time]
column = "at"

[dimensions]
country = {}
city = {}

[metrics]
sales = "count"
customers = { distinct = "customer" }

[trees]
main = """
year
  month
    country
country
  city
"""
staff = { paths = ["city"], audience = "staff" }

[[projections]]
dimensions = ["year", "month", "country"]
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sales")
    (made / "sales.toml").write_text(DECLARATION)
    (made / "strict.toml").write_text(DECLARATION.replace('name = "sales"', 'name = "sales"\nstrict = true'))
    (made / "other.toml").write_text(DECLARATION.replace("/sales/v1", "/other/v1"))
    (made / "broken.toml").write_text(DECLARATION.replace("[metrics]", "[metrics]\nsum = 3").replace("main", "mian", 1))
    (made / "nowhere.toml").write_text(DECLARATION.replace("facts.parquet", "fact.parquet"))
    at = ["2024-07-19T23:00:00", "2024-07-20T00:00:00", "2024-08-20T14:35:20", "2024-08-20T14:35:21"]
    table = pa.table(
        {
            "at": pa.array(at).cast(pa.timestamp("s")),
            "country": ["DE", "DE", "FR", None],
            "city": ["Köln", "Berlin", "Paris", "<b>"],
            "customer": ["ann", "bob", "bob", "cem"],
        }
    )
    parquet.write_table(table, made / "facts.parquet")
    return made


def run(*arguments: object) -> Result:
    return CliRunner().invoke(commands, [str(argument) for argument in arguments])


def records(result: Result) -> list[dict[str, str]]:
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr
    found: list[dict[str, str]] = json.loads(result.stdout)["report"]
    return found


# --- query ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/sales/v1/country", "/country", "country", "country?", "/sales/v1/country/"])
def test_query_with_and_without_base(folder: Path, target: str) -> None:
    found = records(run("query", folder / "sales.toml", target))
    assert found == [{"country": "DE", "sales": "2"}, {"country": "FR", "sales": "1"}, {"country": "N/A", "sales": "1"}]


@pytest.mark.parametrize("target", ["/sales/v1", "", "/", "?metrics=sales"])
def test_query_of_the_root(folder: Path, target: str) -> None:
    assert records(run("query", folder / "sales.toml", target)) == [{"sales": "4"}]


@pytest.mark.parametrize("target", ["country.csv?country=DE", "country?format=csv&country=DE"])
def test_query_as_csv_is_the_body_to_the_byte(folder: Path, target: str) -> None:
    result = run("query", folder / "sales.toml", target)
    assert (result.exit_code, result.stdout_bytes) == (0, b"country,sales\r\nDE,2\r\n")


def test_query_of_the_root_as_csv(folder: Path) -> None:
    assert run("query", folder / "sales.toml", ".csv").stdout_bytes == b"sales\r\n4\r\n"


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2024-08-20T14:35:21", "2024-08-20T14:35:21"),
        ("2024-08-20T14:35:21Z", "2024-08-20T14:35:21"),
        ("2024-08-20T16:35:21+02:00", "2024-08-20T14:35:21"),
        ("2024-08", "2024-08-01T00:00:00"),
    ],
)
def test_now(folder: Path, now: str, end: str) -> None:
    result = run("query", folder / "sales.toml", "year/month", "--now", now)
    assert f"&end={end}&" in json.loads(result.stdout)["_links"]["self"]["href"].replace("?", "&")


def test_a_clock_stands_in_for_now(folder: Path) -> None:
    assert "end=20" in json.loads(run("query", folder / "sales.toml", "year").stdout)["_links"]["self"]["href"]


def test_status_and_headers(folder: Path) -> None:
    result = run("query", folder / "sales.toml", "country.csv", "--status")
    head, _, body = result.stdout_bytes.decode().partition("\n\n")
    assert head.splitlines()[0] == "HTTP/1.1 200 OK"
    assert "Content-Type: text/csv; charset=utf-8" in head.splitlines()
    assert "Wolap-Rows: 3/3" in head.splitlines()
    assert body.startswith("country,sales\r\n")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nothing", "there is no report 'nothing': below the root there are "),
        ("country?colour=red", "'colour' is no key for the report 'country'; possible are "),
        ("year?year=2024", "the time dimension 'year' cannot be filtered"),
        ("country.xls", "extension 'xls' is not served"),
        ("country?city=%FF", "the query string cannot be read"),
        ("%FF", "the path cannot be read"),
        ("city", "there is no report 'city'"),
    ],
)
def test_what_is_refused_goes_to_stderr(folder: Path, target: str, said: str) -> None:
    for command in ("query", "explain"):
        if command == "explain" and target == "country.xls":
            continue
        result = run(command, folder / "sales.toml", target)
        assert (result.exit_code, result.stdout) == (2, ""), command
        assert result.stderr.startswith(said)
        assert result.stderr.count("\n") == 1


def test_the_status_of_a_refusal(folder: Path) -> None:
    result = run("query", folder / "sales.toml", "nothing", "--status")
    assert result.exit_code == 2
    assert result.stdout.startswith("HTTP/1.1 404 Not Found\n")
    assert "there is no report" not in result.stdout


def test_a_fault_of_ours_has_another_exit_code(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("hunter2")

    monkeypatch.setattr("wolap.web.endpoint.describe", broken)
    result = run("query", folder / "sales.toml", "country")
    assert (result.exit_code, result.stdout) == (1, "")


def test_an_audience_that_is_not_known_is_told(folder: Path) -> None:
    for command in ("query", "explain"):
        refused = run(command, folder / "sales.toml", "city", "--audience", "stuff")
        assert refused.exit_code == 2
        assert "has no audience 'stuff'; audiences: staff" in refused.stderr


def test_the_audience_decides_the_trees(folder: Path) -> None:
    assert run("query", folder / "sales.toml", "city").exit_code == 2
    found = records(run("query", folder / "sales.toml", "city", "--audience", "staff"))
    assert [record["city"] for record in found] == ["<b>", "Berlin", "Köln", "Paris"]
    assert run("explain", folder / "sales.toml", "city", "--audience", "staff").exit_code == 0


# --- explain, build ---------------------------------------------------------------------------------------------------


def test_explain(folder: Path) -> None:
    result = run("explain", folder / "sales.toml", "year/month?start=2024-07&end=2024-08-20", *NOW)
    assert (result.exit_code, result.stderr) == (0, "")
    head, *lines = result.stdout.splitlines()
    assert head == "year/month · sales · from 2024-07-01T00:00:00 until 2024-08-20T00:00:00"
    said = "\n".join(lines)
    assert re.search(r"^✓ facts\s+4 rows\s+[\d.e-]+ ms estimated$", said, re.MULTILINE)
    assert re.search(
        r"^✗ year/month/country\s+3 rows\s+end 2024-08-20T00:00:00 lies inside a month$", said, re.MULTILINE
    )


def test_explain_as_data(folder: Path) -> None:
    result = run("explain", folder / "sales.toml", "year/month", "--json", *NOW)
    assert (result.exit_code, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert found["group"] == ["year", "month"]
    assert [one["projection"] for one in found["candidates"] if one["chosen"]] == [
        piece["projection"] for piece in found["pieces"]
    ]


def test_explain_of_a_strict_cube(folder: Path) -> None:
    result = run("explain", folder / "strict.toml", "country/city")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "dimension missing: city" in result.stderr


def test_build(folder: Path) -> None:
    result = run("build", folder / "sales.toml")
    assert (result.exit_code, result.stderr) == (0, "")
    head, first, facts = (line.split() for line in result.stdout.splitlines())
    assert head[:2] == ["projection", "rows"]
    assert first[:3] == ["year/month/country", "3", "75.00%"]
    assert facts[:3] == ["facts", "4", "100.00%"]


# --- files and arguments that are wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["query FILE x", "explain FILE x", "build FILE", "serve FILE"])
@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("broken.toml", "broken.toml: metrics.sum: is a whole number ('3'); a table"),
        ("nowhere.toml", "nowhere.toml: facts: there is no 'fact.parquet'; beside it are facts.parquet"),
        ("missing.toml", "missing.toml: cannot be read: No such file or directory"),
    ],
)
def test_cube_files_that_are_wrong(folder: Path, command: str, file: str, said: str) -> None:
    result = run(*(folder / file if argument == "FILE" else argument for argument in command.split()))
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("query",),
        ("query", "FILE"),
        ("query", "FILE", "country", "--now", "yesterday"),
        ("query", "FILE", "country", "--now", "2024-02-30"),
        ("query", "FILE", "country", "--colour"),
        ("serve",),
        ("serve", "FILE", "--port", "65536"),
        ("serve", "FILE", "FILE"),
        ("serve", "FILE", "--threads", "0"),
        ("demo", "--rows", "0", "--no-serve"),
        ("nothing",),
    ],
)
def test_arguments_that_are_wrong(folder: Path, arguments: tuple[str, ...]) -> None:
    result = run(*(folder / "sales.toml" if argument == "FILE" else argument for argument in arguments))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr


def test_threads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one are of no use without the compiled kernels, which is said."""
    arguments = ("query", folder / "sales.toml", "country.csv", "--threads", "2")
    monkeypatch.setattr(loading, "has_compiled", lambda: True)
    assert run(*arguments).stdout == run(*arguments[:-2]).stdout
    monkeypatch.setattr(loading, "has_compiled", lambda: False)
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "more than one need the extra fast: pip install 'wolap[fast]'" in result.stderr


def test_help_and_version() -> None:
    assert run("--version").stdout == f"wolap, version {__version__}\n"
    for command in ((), ("query",), ("explain",), ("build",), ("serve",), ("demo",)):
        result = run(*command, "--help")
        assert result.exit_code == 0
        assert result.stdout.startswith("Usage: ")


# --- whole processes --------------------------------------------------------------------------------------------------


def process(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "wolap", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=False)


def test_a_process_answers(folder: Path) -> None:
    done = process("query", folder / "sales.toml", "country/city.csv")
    assert (done.returncode, done.stderr) == (0, b"")
    _, *rows = csv.reader(io.StringIO(done.stdout.decode(), newline=""))
    assert [row[:2] for row in rows] == [["DE", "Berlin"], ["DE", "Köln"], ["FR", "Paris"], ["N/A", "<b>"]]


def test_a_process_refuses(folder: Path) -> None:
    done = process("query", folder / "sales.toml", "nothing")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"there is no report 'nothing'")


def test_demo() -> None:
    done = process("demo", "--rows", 2000, "--no-serve")
    assert (done.returncode, done.stderr) == (0, b"")
    shown = done.stdout.decode()
    for said in ("2,000 events", "projections built in", "GET /esm/v3/year/month", "records from", "✓ facts"):
        assert said in shown
    assert "Now over HTTP" not in shown


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[int]:
    """The port of two cubes under `wolap serve`, as one of the staff."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    arguments = ["serve", folder / "sales.toml", folder / "other.toml", "--port", port, "--audience", "staff"]
    command = [sys.executable, "-m", "wolap", *map(str, [*arguments, "--groups", 1])]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        for _ in range(600):
            assert server.poll() is None, server.communicate()[1]
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                sleep(0.05)
        yield port
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=30)
        assert out == b""
        announced = f"sales: http://127.0.0.1:{port}/sales/v1\nsales: http://127.0.0.1:{port}/other/v1\n"
        assert announced in err.decode()
    finally:
        server.kill()
        server.communicate()


def fetch(port: int, target: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_serve(served: int) -> None:
    for base in ("/sales/v1", "/other/v1"):
        assert fetch(served, f"{base}.csv") == (200, b"sales\r\n4\r\n")
    assert fetch(served, "/nothing")[0] == 404


def test_serve_asks_as_the_audience_under_the_caps(served: int) -> None:
    status, body = fetch(served, "/sales/v1/city")
    assert status == 400
    assert b"1 are allowed" in body
    assert fetch(served, "/sales/v1/city?city=Paris")[0] == 200
