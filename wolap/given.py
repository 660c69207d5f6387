"""What callers of a cube give, as what the rest of the house takes; what cannot be taken is refused here."""

from __future__ import annotations

from datetime import date
from typing import Protocol

import pyarrow as pa

from wolap.engine.load import needed_columns
from wolap.errors import Problem, QueryError, SchemaError, quote
from wolap.model.interval import Moment
from wolap.model.schema import Schema
from wolap.model.zone import Zone

__all__ = ["ArrowStream", "Instant", "given_facts", "given_instant", "given_threads"]


# A time as somebody gives it.
Instant = str | date | Moment


class ArrowStream(Protocol):
    """Anything that exports Arrow data (the PyCapsule interface): polars, pandas, DuckDB and others."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """See the Arrow PyCapsule interface."""
        ...


def given_instant(name: str, said: Instant, zone: Zone) -> int:
    """An instant as somebody gave it. Raises QueryError for what is none."""
    try:
        return Moment.of(said).instant(zone)
    except ValueError as error:
        raise QueryError(f"{name} {quote(str(said))} is {error}") from None


def given_threads(threads: int) -> int:
    if threads < 1:
        raise SchemaError([Problem("threads", f"are {threads}", "1 or more")])
    return threads


def given_facts(schema: Schema, facts: pa.Table | ArrowStream) -> pa.Table:
    """The columns of the facts that are needed; those that are missing are told by `load_facts`."""
    if not isinstance(facts, pa.Table):
        if not hasattr(facts, "__arrow_c_stream__"):
            possible = "a pyarrow Table, or anything with __arrow_c_stream__ (polars, pandas, DuckDB)"
            raise SchemaError([Problem("facts", f"is a {type(facts).__name__}", possible)])
        facts = pa.table(facts)
    if len(set(facts.column_names)) < len(facts.column_names):
        return facts
    return facts.select([name for name in needed_columns(schema) if name in facts.column_names])
