"""A disk of which one call fails, and perhaps all that come behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from wolap.storage import disk

__all__ = ["CALLS", "Failing"]

CALLS = ("make_folder", "write", "sync", "rename", "remove")


class Failing:
    """Calls are counted from 0; that with the number `at` fails, and with `for_good` all behind it."""

    def __init__(self, patched: pytest.MonkeyPatch, at: int, for_good: bool) -> None:
        self.at = at
        self.for_good = for_good
        self.calls = 0
        self.failed: list[str] = []
        for name in CALLS:
            patched.setattr(disk, name, self._wrapped(name, getattr(disk, name)))

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any) -> Any:
            place = self.calls
            self.calls += 1
            if place == self.at or (self.for_good and place > self.at):
                self.failed.append(name)
                if name == "write":
                    # What is left of the disk is filled.
                    call(arguments[0], arguments[1][: len(arguments[1]) // 2])
                raise OSError(28, "No space left on device")
            return call(*arguments)

        return wrapped
