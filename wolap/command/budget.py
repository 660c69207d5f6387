"""Sizes as people write them: `64MiB`, `2 GB`, or plain bytes."""

from __future__ import annotations

import re
from decimal import Decimal

import click

__all__ = ["read_size", "size_text"]

_UNITS = {
    "": 1,
    "b": 1,
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)},
}
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?) *([A-Za-z]*)", re.ASCII)
_POSSIBLE = "a number of bytes, or one with B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, such as 64MiB"


def read_size(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """The bytes of `64MiB`; None where nothing is said. Raises click.BadParameter for what is no size, or none above
    0."""
    if value is None:
        return None
    found = _SIZE.fullmatch(value.strip())
    unit = _UNITS.get(found[2].lower()) if found else None
    if found is None or unit is None:
        raise click.BadParameter(f"{value!r} is no size; give {_POSSIBLE}")
    size = int(Decimal(found[1]) * unit)
    if size < 1:
        raise click.BadParameter(f"{value!r} is less than a byte; give {_POSSIBLE}")
    return size


def size_text(size: float) -> str:
    """Bytes for people: in MiB."""
    return f"{size / (1 << 20):,.2f} MiB"
