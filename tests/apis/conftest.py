"""What the tests of the generators share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def steps() -> Callable[..., int]:
    """Counts the calls, of Python and of C, that a call makes."""

    def counted(function: Callable[..., Any], *arguments: Any, **named: Any) -> int:
        seen = 0

        def count(_frame: Any, _event: str, _argument: Any) -> None:
            nonlocal seen
            seen += 1

        sys.setprofile(count)
        try:
            function(*arguments, **named)
        finally:
            sys.setprofile(None)
        return seen

    return counted
