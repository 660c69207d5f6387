"""What was worked out last, by what it was asked for: whoever asks mostly asks for one of a few things again."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["keep"]

Key = TypeVar("Key")
Value = TypeVar("Value")


def keep(kept: dict[Key, Value], key: Key, value: Value, most: int) -> None:
    """Adds to what is kept, from which the oldest go first so that no more than `most` are left. Two threads at once
    may add the same, and take away the same."""
    if len(kept) >= most:
        oldest_first = list(kept)
        for oldest in oldest_first[: max(len(oldest_first) + 1 - most, 0)]:
            kept.pop(oldest, None)
    kept[key] = value
