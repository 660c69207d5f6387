"""The drill-down tree: which grains have an address.

A tree is a set of paths that holds every prefix of each; written as indented text, a line is one more step below the
line above it that is indented less. Several trees may stand side by side; where they share a prefix they act as one
(W3). A tree may belong to an audience and may name the metrics that its paths offer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Path", "Tree", "path_text", "read_path"]

Path = tuple[str, ...]


def read_path(text: str) -> Path:
    """`year/month/day` as its steps; a slash at either end is no step."""
    stripped = text.strip("/")
    return tuple(stripped.split("/")) if stripped else ()


def path_text(path: Sequence[str]) -> str:
    """Steps as `year/month/day`."""
    return "/".join(path)


@dataclass(frozen=True, slots=True)
class Tree:
    """Paths, each with all its prefixes, in the order in which they were declared.

    `metrics` None offers all; `audience` None is everybody's.
    """

    paths: tuple[Path, ...]
    name: str = "main"
    metrics: tuple[str, ...] | None = None
    audience: str | None = None

    @classmethod
    def parse(
        cls,
        text: str,
        *,
        name: str = "main",
        metrics: Sequence[str] | None = None,
        audience: str | None = None,
    ) -> Tree:
        """A tree from indented text, one step a line. A repeated path is the same path.

        Raises ValueError, naming the line, where a line is indented less than the first or by tabs and blanks mixed.
        """
        paths: list[Path] = []
        above: list[tuple[int, str]] = []
        for number, line in enumerate(text.expandtabs(8).splitlines(), 1):
            step = line.strip()
            if not step or step.startswith("#"):
                continue
            indent = len(line) - len(line.lstrip())
            while above and above[-1][0] >= indent:
                popped = above.pop()
                if popped[0] > indent and (not above or above[-1][0] < indent):
                    raise ValueError(f"line {number} ({step}) is indented like no line above it")
            above.append((indent, step))
            paths.append(tuple(name for _, name in above))
        return cls.from_paths(paths, name=name, metrics=metrics, audience=audience)

    @classmethod
    def from_paths(
        cls,
        paths: Iterable[Path | str],
        *,
        name: str = "main",
        metrics: Sequence[str] | None = None,
        audience: str | None = None,
    ) -> Tree:
        """A tree from paths (`year/month/day`, or tuples of steps); the prefixes are filled in."""
        steps = [read_path(path) if isinstance(path, str) else path for path in paths]
        whole = dict.fromkeys(path[:length] for path in steps for length in range(1, len(path) + 1))
        return cls(tuple(whole), name, None if metrics is None else tuple(metrics), audience)
