"""Arrays that wait until all have come: some in memory, the rest in a file that has no name.

Such a file goes with the process, however that ends.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Self

import numpy as np

from wolap.engine.growing import Kept

__all__ = ["Spool"]

# Bytes that wait in memory.
_HELD = 256 << 20


class Spool:
    """Keeps arrays until it is closed, up to `most` bytes of them in memory, in a folder with room for the others."""

    def __init__(self, folder: Path, most: int = _HELD) -> None:
        self._room = most
        self._file = TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        self._length = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def keep(self, array: np.ndarray) -> Kept:
        """Keeps an array, and gives what fetches it. Raises OSError where the disk is full."""
        if array.nbytes <= self._room:
            self._room -= array.nbytes
            return lambda: array
        begin, dtype, length = self._length, array.dtype, len(array)
        data = np.ascontiguousarray(array).view(np.uint8).data
        self._file.seek(begin)
        while len(data):
            data = data[self._file.write(data) :]
        self._length += array.nbytes

        def fetch() -> np.ndarray:
            self._file.seek(begin)
            return np.fromfile(self._file, dtype, length)

        return fetch
