"""What codes mean, as files: members, which of them is above which, values that are counted.

Each dictionary has a file of its own, so that a version writes those anew that it has added to, and names the files of
the others. They are mapped when somebody first asks for them, so opening a cube reads none, however many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from wolap.engine.layout import Dictionaries
from wolap.engine.members import Members
from wolap.storage.arrays import ArrayFile, StoredFile, checksum_in_memory, write_arrays
from wolap.storage.lazily import Lazy

__all__ = ["Key", "StoredDictionaries", "StoredDictionary", "kinds", "map_dictionaries", "write_dictionaries"]

FOLDER = "dictionaries"
_REMEDY = "restore the file from a copy, or build the cube again from where the facts came from"
_VALUES = "values"

# A name, or several.
Key = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredDictionary:
    """A dictionary as the manifest names it: its file, and how many entries it has (of a dimension: its codes)."""

    file: StoredFile
    entries: int


# For each kind (`members`, `parents` and the other mappings of Dictionaries) those that there are.
StoredDictionaries = Mapping[str, Mapping[Key, StoredDictionary]]


def kinds() -> tuple[str, ...]:
    """The mappings of Dictionaries whose values are stored."""
    return tuple(one.name for one in fields(Dictionaries) if one.name != "types")


def write_dictionaries(
    folder: Path,
    dictionaries: Dictionaries,
    known: StoredDictionaries,
    mapped: Dictionaries | None,
    new_name: Callable[[str, str], str],
) -> StoredDictionaries:
    """Writes what is not `known`, as files that are not synced, and gives all. `mapped` is what was opened of `known`:
    what is the very same there needs not be looked at. `new_name` gives the name
    of a file in a folder, of what is shown in it.

    Raises OSError, and StorageError where a file that is known is not what it was.
    """
    found: dict[str, Mapping[Key, StoredDictionary]] = {}
    for kind in kinds():
        wanted, before = getattr(dictionaries, kind), known.get(kind, {})
        same = {} if mapped is None else getattr(mapped, kind)
        if wanted is same:
            found[kind] = before
            continue
        made = same.made if isinstance(same, Lazy) else same
        found[kind] = {
            key: before[key]
            if key in before and key in made and made[key] is value
            else _written(folder, kind, key, value, before.get(key), new_name)
            for key, value in wanted.items()
        }
    return found


def _written(
    folder: Path,
    kind: str,
    key: Key,
    value: Members | np.ndarray | pa.Array,
    before: StoredDictionary | None,
    new_name: Callable[[str, str], str],
) -> StoredDictionary:
    """A dictionary in a file: that of before, where it holds the same."""
    values = value.values if isinstance(value, Members) else value
    about = _beside(value) if isinstance(value, Members) else {}
    if before is not None:
        file = _opened(folder, kind, key, before)
        if file.about == about and file.checksum(_VALUES) == checksum_in_memory(values):
            return before
    entries = value.cardinality if isinstance(value, Members) else len(values)
    name = new_name(FOLDER, "-".join((kind, *_several(key))))
    return StoredDictionary(write_arrays(folder, name, {_VALUES: values}, about), entries)


def _beside(members: Members) -> dict[str, Any]:
    """What members are beside their values."""
    return {one.name: getattr(members, one.name) for one in fields(members) if one.name != _VALUES}


def _several(key: Key) -> tuple[str, ...]:
    return (key,) if isinstance(key, str) else key


def _opened(folder: Path, kind: str, key: Key, stored: StoredDictionary) -> ArrayFile:
    return ArrayFile(folder, stored.file, f"{kind} of {' and '.join(_several(key))}", _REMEDY)


def map_dictionaries(folder: Path, stored: StoredDictionaries, types: Mapping[str, pa.DataType]) -> Dictionaries:
    """The dictionaries in files, with the types of columns. Each file is mapped and checked when it is first asked for;
    then StorageError is raised where it is not what it was."""

    def of(kind: str) -> Lazy[Any, Any]:
        entries = stored[kind]
        return Lazy(entries, lambda key: _read(kind, _opened(folder, kind, key, entries[key])))

    mappings: dict[str, Any] = {kind: of(kind) for kind in kinds()}
    return Dictionaries(**mappings, types=types)


def _read(kind: str, file: ArrayFile) -> Members | np.ndarray | pa.Array:
    return READERS.get(kind, _numbers)(file)


def _members(file: ArrayFile) -> Members:
    return Members(values=file.values[_VALUES], **file.about)


def _values(file: ArrayFile) -> pa.Array:
    return file.values[_VALUES]


def _numbers(file: ArrayFile) -> np.ndarray:
    return file.numbers[_VALUES]


# What is not among these are numbers.
READERS: dict[str, Callable[[ArrayFile], Members | np.ndarray | pa.Array]] = {"members": _members, "items": _values}
