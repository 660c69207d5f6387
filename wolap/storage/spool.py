"""Arrays that wait until all have come: some in memory, the rest in a file that has no name.

Such a file goes with the process, however that ends.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
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
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115
        self._length = 0
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def keep(self, array: np.ndarray) -> Kept:
        """Keeps an array, and gives what fetches it. Raises OSError where the disk is full."""
        if array.nbytes <= self._room:
            self._room -= array.nbytes
            return lambda: array
        begin, dtype, size = self._length, array.dtype, array.nbytes
        data = np.ascontiguousarray(array).view(np.uint8).data
        with self._lock:
            self._file.seek(begin)
            self._file.write(data)
        self._length += size

        def fetch() -> np.ndarray:
            with self._lock:
                self._file.seek(begin)
                return np.frombuffer(self._file.read(size), dtype)

        return fetch
