"""What people call things: the titles that a cube declares, and names where it declares none."""

from __future__ import annotations

from wolap.model.schema import Schema

__all__ = ["title_of", "title_of_cube"]


def title_of(schema: Schema, name: str) -> str:
    """What people call a dimension or a metric."""
    if name in schema.levels:
        return name.capitalize()
    titled = schema.metrics[name] if name in schema.metrics else schema.dimension(name)
    return titled.title.strip() or name


def title_of_cube(schema: Schema) -> str:
    """What people call the cube."""
    return schema.title.strip() or schema.name
