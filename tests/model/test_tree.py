"""Trees from indented text and from paths; forests of several; both hold every prefix of a path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wolap import Tree
from wolap.model.forest import Forest
from wolap.model.tree import path_text, read_path

PARSED = [
    ("a", ["a"]),
    ("a\n b\n  c", ["a", "a/b", "a/b/c"]),
    ("a\n b\n c\nd", ["a", "a/b", "a/c", "d"]),
    ("  a\n      b\n  c", ["a", "a/b", "c"]),
    ("a\n\tb\n\t\tc", ["a", "a/b", "a/b/c"]),
    ("a\n    b\n        c\n    d", ["a", "a/b", "a/b/c", "a/d"]),
    ("a\n\n# said\n  # said\n b   \n", ["a", "a/b"]),
    ("a\n b\na\n c\n b", ["a", "a/b", "a/c"]),
    ("a\r\n b", ["a", "a/b"]),
    ("", []),
]


@pytest.mark.parametrize(("text", "paths"), PARSED)
def test_indented_text_is_a_tree(text: str, paths: list[str]) -> None:
    assert [path_text(path) for path in Tree.parse(text).paths] == paths


@pytest.mark.parametrize(
    ("text", "line"),
    [("a\n    b\n  c", r"line 3 \(c\)"), ("  a\nb", r"line 2 \(b\)"), ("a\n  b\n      c\n    d", r"line 4 \(d\)")],
)
def test_a_line_that_is_indented_like_none_above_is_refused(text: str, line: str) -> None:
    with pytest.raises(ValueError, match=f"^{line} is indented like no line above it$"):
        Tree.parse(text)


@pytest.mark.parametrize(
    ("text", "steps"), [("a/b", ("a", "b")), ("/a/b/", ("a", "b")), ("", ()), ("/", ()), ("a//b", ("a", "", "b"))]
)
def test_a_path_is_its_steps(text: str, steps: tuple[str, ...]) -> None:
    assert read_path(text) == steps


paths = st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True).map(tuple), max_size=6)


@given(paths)
def test_a_tree_holds_every_prefix_once_and_before_what_follows(wanted: list[tuple[str, ...]]) -> None:
    tree = Tree.from_paths(wanted, metrics=["m"])
    assert set(tree.paths) == {path[:length] for path in wanted for length in range(1, len(path) + 1)}
    assert len(set(tree.paths)) == len(tree.paths)
    for place, path in enumerate(tree.paths):
        assert len(path) == 1 or path[:-1] in tree.paths[:place]
    assert tree.metrics == ("m",)


@given(paths)
def test_a_tree_is_what_its_text_says(wanted: list[tuple[str, ...]]) -> None:
    tree = Tree.from_paths(sorted(wanted))
    text = "\n".join("  " * (len(path) - 1) + path[-1] for path in tree.paths)
    assert Tree.parse(text) == tree


@given(st.lists(paths, max_size=3))
def test_a_forest_acts_as_one_tree(several: list[list[tuple[str, ...]]]) -> None:
    trees = tuple(Tree.from_paths(one, name=str(place)) for place, one in enumerate(several))
    forest = Forest(trees)
    every = {(), *(path for tree in trees for path in tree.paths)}
    assert set(forest.paths) == every
    for path in every:
        assert path in forest
        assert set(forest.children(path)) == {one for one in every if one and one[:-1] == path}
        longer = [one[len(path) :] for one in every if one[: len(path)] == path]
        assert forest.below(path) == {step for steps in longer for step in steps}
        assert [tree for tree in trees if not path or path in tree.paths] == list(forest.offering(path))
    assert ("z",) not in forest


METRICS = ("one", "two", "three")


@pytest.mark.parametrize(
    ("path", "offered"),
    [(("a",), METRICS), (("b",), ("one", "two")), (("c",), ("two",)), (("d",), ("one", "two")), ((), METRICS)],
)
def test_a_path_offers_the_metrics_of_all_its_trees(path: tuple[str, ...], offered: tuple[str, ...]) -> None:
    forest = Forest(
        (
            Tree.from_paths(["a"], name="all"),
            Tree.from_paths(["a", "b", "c", "d"], name="few", metrics=["two"]),
            Tree.from_paths(["b", "d"], name="other", metrics=["one"]),
        )
    )
    assert forest.metrics(path, METRICS) == offered
