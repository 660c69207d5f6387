"""DataFusion: tables in memory, two partitions of batches; dimensions as dictionaries of 32 bits, dates and codes."""

from __future__ import annotations

from typing import Any

import datafusion
import pyarrow as pa

from benchmarks.engines.events import DIMENSIONS
from benchmarks.engines.questions import Ask, Question, keyed, with_members
from benchmarks.engines.sql import statement, ways

PARTITIONS = 2
BATCH = 1 << 16


def load(facts: pa.Table) -> DataFusion:
    return DataFusion(facts)


class DataFusion:
    """A session with its tables."""

    def __init__(self, facts: pa.Table) -> None:
        self.session: Any = datafusion.SessionContext(
            datafusion.SessionConfig().with_target_partitions(PARTITIONS).with_batch_size(BATCH)
        )
        self._register("plain", facts)

    def prepare(self, facts: pa.Table) -> None:
        self.session.deregister_table("plain")
        self._register("facts", keyed(facts))

    def take(self, stored: pa.Table) -> None:
        self._register("stored", keyed(stored))

    def _register(self, name: str, table: pa.Table) -> None:
        wide = pa.schema(
            [
                pa.field(field.name, pa.dictionary(pa.int32(), pa.string()) if field.name in DIMENSIONS else field.type)
                for field in table.schema
            ]
        )
        batches = table.cast(wide).to_batches(max_chunksize=BATCH)
        half = -(-len(batches) // PARTITIONS)
        parts = [batches[first : first + half] for first in range(0, len(batches), half)]
        self.session.register_record_batches(name, parts)

    def formulations(self, question: Question) -> dict[str, Ask]:
        found: dict[str, Ask] = {}
        for keys, way in ways(question):
            name = ", ".join(part for part in (keys if question.sizes else "", way) if part)
            found[name or "sql"] = self._asking(question, keys, way)
        return found

    def _asking(self, question: Question, keys: str, way: str) -> Ask:
        text = statement(question, keys, way, "INT UNSIGNED")
        return lambda: with_members(self.session.sql(text).to_arrow_table(), question, keys)
