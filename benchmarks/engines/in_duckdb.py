"""DuckDB: tables of its own with ENUM columns, dates and codes, read by `sql(...).to_arrow_table()`.

Each statement is asked with the bound of its perfect hash table as it is and raised, which halves the time of medium
numbers of groups.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from benchmarks.engines.events import DIMENSIONS, members
from benchmarks.engines.questions import Ask, Question, keyed, with_members
from benchmarks.engines.sql import statement, ways

# Bits of the groups that are found by place, not by hash: the default, and enough for day x mvpd x platform.
PERFECT = {"": 12, "perfect hash": 24}


def load(facts: pa.Table) -> DuckDB:
    return DuckDB(facts)


class DuckDB:
    """A database in memory."""

    def __init__(self, facts: pa.Table) -> None:
        self.connection = duckdb.connect()
        for name in DIMENSIONS:
            texts = ", ".join(f"'{text}'" for text in members(name))
            self.connection.execute(f"CREATE TYPE {name}_enum AS ENUM ({texts})")
        self._create("plain", facts)

    def prepare(self, facts: pa.Table) -> None:
        self.connection.execute("DROP TABLE plain")
        self._create("facts", keyed(facts))

    def take(self, stored: pa.Table) -> None:
        self._create("stored", keyed(stored))

    def _create(self, name: str, table: pa.Table) -> None:
        columns = ", ".join(f"{one}::{one}_enum AS {one}" if one in DIMENSIONS else one for one in table.column_names)
        self.connection.register("source", table)
        self.connection.execute(f"CREATE TABLE {name} AS SELECT {columns} FROM source")
        self.connection.unregister("source")

    def formulations(self, question: Question) -> dict[str, Ask]:
        found: dict[str, Ask] = {}
        for keys, way in ways(question):
            for perfect, bits in PERFECT.items() if question.sizes else (("", 12),):
                name = ", ".join(part for part in (keys if question.sizes else "", way, perfect) if part)
                found[name or "sql"] = self._asking(question, keys, way, bits)
        return found

    def _asking(self, question: Question, keys: str, way: str, bits: int) -> Ask:
        cursor = self.connection.cursor()
        cursor.execute(f"SET perfect_ht_threshold = {bits}")
        text = statement(question, keys, way, "UINTEGER")
        return lambda: with_members(cursor.sql(text).to_arrow_table(), question, keys)
