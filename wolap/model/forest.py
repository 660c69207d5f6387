"""The trees that one caller sees, as one: who asks decides which there are (W3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from wolap.model.tree import Path, Tree

__all__ = ["Forest"]


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees side by side, indexed by path. The root `()` is a path of every forest."""

    trees: tuple[Tree, ...]
    _children: dict[Path, tuple[Path, ...]] = field(init=False, repr=False, compare=False)
    _below: dict[Path, frozenset[str]] = field(init=False, repr=False, compare=False)
    _groupable: dict[Path, frozenset[str]] = field(init=False, repr=False, compare=False)
    _offering: dict[Path, tuple[Tree, ...]] = field(init=False, repr=False, compare=False)
    _named: dict[Path, frozenset[str] | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        children: dict[Path, dict[Path, None]] = {(): {}}
        below: dict[Path, set[str]] = {(): set()}
        offering: dict[Path, list[Tree]] = {(): list(self.trees)}
        for tree in self.trees:
            for path in tree.paths:
                children.setdefault(path, {})
                children.setdefault(path[:-1], {})[path] = None
                offering.setdefault(path, []).append(tree)
                for length in range(len(path)):
                    below.setdefault(path[:length], set()).update(path[length:])
                below.setdefault(path, set())
        assign = object.__setattr__
        assign(self, "_children", {path: tuple(found) for path, found in children.items()})
        assign(self, "_below", {path: frozenset(found) for path, found in below.items()})
        assign(self, "_groupable", {path: frozenset(found).union(path) for path, found in below.items()})
        assign(self, "_offering", {path: tuple(found) for path, found in offering.items()})
        assign(self, "_named", {path: _metrics_named_by(found) for path, found in offering.items()})

    def __contains__(self, path: Path) -> bool:
        return path in self._children

    @property
    def paths(self) -> Iterable[Path]:
        """All paths, the root among them."""
        return self._children.keys()

    def children(self, path: Path) -> tuple[Path, ...]:
        """The paths one step further."""
        return self._children[path]

    def below(self, path: Path) -> frozenset[str]:
        """The dimensions on any path that begins with this one, but not those it has itself before."""
        return self._below[path]

    def groupable(self, path: Path) -> frozenset[str]:
        """The dimensions that a report of this path can hold: its own and those below it (W13)."""
        return self._groupable[path]

    def offering(self, path: Path) -> tuple[Tree, ...]:
        """The trees that hold the path."""
        return self._offering[path]

    def metrics(self, path: Path, of_schema: Iterable[str]) -> tuple[str, ...]:
        """The metrics that the path offers, in the order of the schema: those of all its trees. What is no path,
        such as a report that was asked for in Python, offers all."""
        named = self._named.get(path)
        return tuple(of_schema) if named is None else tuple(name for name in of_schema if name in named)

    def named_metrics(self, path: Path) -> frozenset[str] | None:
        """The metrics that the trees of a path name; None where one of them offers all that there are."""
        return self._named[path]


def _metrics_named_by(trees: Iterable[Tree]) -> frozenset[str] | None:
    named = [tree.metrics for tree in trees]
    return None if not named or None in named else frozenset(name for names in named for name in names or ())
