"""Cubes in folders that other processes publish to: who serves them takes up what is new, a second later at most.

A request looks, if nobody has within a second, and then answers from what it has found. That is in the thread of the
request, and lists a folder; the others meanwhile answer from the version that was there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from threading import Lock

from wolap.cube import Cube
from wolap.errors import WolapError

__all__ = ["Following"]

_SELDOM = timedelta(seconds=1)

_log = logging.getLogger("wolap")


class Following:
    """Keeps some cubes at the version that was published last."""

    def __init__(self, cubes: Iterable[Cube]) -> None:
        self._cubes = tuple(cubes)
        self._looked: datetime | None = None
        self._lock = Lock()

    def look(self, now: datetime) -> None:
        """Looks for newer versions, where nobody has for a second. A folder that cannot be read is told to the log, and
        what was read of it before is served on."""
        if self._looked is not None and abs(now - self._looked) < _SELDOM:
            return
        if not self._lock.acquire(blocking=False):
            return
        try:
            self._looked = now
            for cube in self._cubes:
                if cube.folder is None:
                    continue
                try:
                    cube.catch_up()
                except (WolapError, OSError) as error:
                    _log.warning("%s is served as it was: %s", cube.schema.name, error)
        finally:
            self._lock.release()
