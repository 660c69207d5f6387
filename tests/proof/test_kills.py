"""Writers of cubes that are killed; `python -m proof.kills` kills more of them."""

from __future__ import annotations

from proof.kills import run


def test_nothing_that_was_published_is_lost_when_a_writer_is_killed() -> None:
    killed = run(20, seed=3)
    assert killed.kills == 20
    assert killed.versions > 10
    assert killed.leftovers > 2
