"""Whether what is declared now is what a folder was made of, and if not, where it differs.

Both are texts of cube files as `cube_file_text.py` writes them, compared table by table, so that a changed schema is
told by the places that its author knows, and never taken for a damaged file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from wolap.errors import Problem, SchemaError, quote

__all__ = ["STORED_SECTIONS", "check_declaration"]

# What stored numbers hang on. Trees, projections and caps may be declared anew without anything being computed.
STORED_SECTIONS = ("time", "dimensions", "metrics")
# Keys that are only shown or only asked of: titles, labels and the like change no code and no number.
_SHOWN = frozenset({"title", "description", "unit", "everywhere", "default_spans", "refresh", "every"})
_OF_CUBE = ("zone", "cluster")


def check_declaration(stored: str, wanted: str, folder: object, sections: Collection[str] = STORED_SECTIONS) -> None:
    """Compares the declaration that a `folder` was made of with another, as far as stored numbers hang on them.

    Raises SchemaError with a problem for each place where they differ.
    """
    if stored == wanted:
        return
    before, now = tomllib.loads(stored), tomllib.loads(wanted)
    problems = list(_differences("cube", _some(before["cube"], _OF_CUBE), _some(now["cube"], _OF_CUBE), folder))
    for section in sections:
        problems += _differences(section, before.get(section, {}), now.get(section, {}), folder)
    if problems:
        raise SchemaError(problems)


def _some(table: Mapping[str, Any], keys: Collection[str]) -> dict[str, Any]:
    return {key: table[key] for key in keys if key in table}


def _differences(place: str, before: Any, now: Any, folder: object) -> Iterator[Problem]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys((*before, *now)):
            # Behind "time" stands such a key, behind the other sections a name first.
            if key not in _SHOWN or place.count(".") != (place != "time"):
                yield from _differences(f"{place}.{key}", before.get(key), now.get(key), folder)
    elif before != now:
        found = f"is {_shown(now)}, and {_shown(before)} in {folder}"
        yield Problem(place, found, "declare it as it was, or build the cube again into another folder")


def _shown(value: Any) -> str:
    return "not declared" if value is None else quote(str(value))
