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
    _offering: dict[Path, tuple[Tree, ...]] = field(init=False, repr=False, compare=False)

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
        object.__setattr__(self, "_children", {path: tuple(found) for path, found in children.items()})
        object.__setattr__(self, "_below", {path: frozenset(found) for path, found in below.items()})
        object.__setattr__(self, "_offering", {path: tuple(found) for path, found in offering.items()})

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

    def offering(self, path: Path) -> tuple[Tree, ...]:
        """The trees that hold the path."""
        return self._offering[path]

    def metrics(self, path: Path, of_schema: Iterable[str]) -> tuple[str, ...]:
        """The metrics that the path offers, in the order of the schema: those of all its trees."""
        trees = self._offering[path]
        if not trees or any(tree.metrics is None for tree in trees):
            return tuple(of_schema)
        named = {name for tree in trees for name in tree.metrics or ()}
        return tuple(name for name in of_schema if name in named)
