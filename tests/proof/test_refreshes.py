"""Readers that hammer on a cube that changes; `python -m proof.refreshes` changes it more often."""

from __future__ import annotations

import pytest

from proof.refreshes import run


@pytest.mark.parametrize("stored", [False, True])
def test_every_answer_is_that_of_one_version(stored: bool) -> None:
    found = run(30, seed=2, stored=stored, threads=1)
    assert all(versions > 1 for versions in found.versions.values())
    assert set(found.versions) >= ({"process 0", "process 1", "thread 0"} if stored else {"thread 0"})
