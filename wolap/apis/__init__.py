"""Published APIs as data: each is a cube file in this package, with a generator of plausible facts beside it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

__all__ = ["declaration_path"]


def declaration_path(name: str = "esm-v3") -> Path:
    """Where the cube file of a published API lies. Raises FileNotFoundError, naming those that exist."""
    folder = Path(str(files(__name__)))
    names = sorted(path.stem for path in folder.glob("*.toml"))
    if name not in names:
        raise FileNotFoundError(f"no cube file is packaged for {name!r}; there are {', '.join(names)}")
    return folder / f"{name}.toml"
