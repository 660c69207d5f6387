"""The pages say what is: their examples are run, and what they print is compared."""

from __future__ import annotations

import doctest
import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _in_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_examples_of_a_page_print_what_it_shows(page: str) -> None:
    examples = (ROOT / "docs" / page).read_text(encoding="utf-8").count(">>> ")
    outcome = doctest.testfile(str(ROOT / "docs" / page), module_relative=False, encoding="utf-8")
    assert outcome.failed == 0
    assert outcome.attempted == examples


def test_the_readme_prints_what_it_shows() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(import polars.*?)```", text, re.DOTALL)
    shown = re.search(r"```text\n(.*?)```", text, re.DOTALL)
    assert code is not None
    assert shown is not None
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(code[1], "README.md", "exec"), {})
    assert printed.getvalue() == shown[1]


def test_the_readme_has_two_set_up_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^python3 -m venv", text, re.MULTILINE)) == 2


def test_no_page_holds_a_gap_that_was_to_be_filled() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        shouted = re.findall(r"^[A-Z ]{6,}$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert shouted == [], page
