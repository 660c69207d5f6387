"""A report as a document: what stands before the records, the records, what stands behind them.

A document becomes bytes in one of two ways, which give the same bytes: all at once, or in chunks that are made one by
one as somebody takes them, so that a reader sees the first records while the last are not written yet, and beyond the
columns of the report nobody holds more than a chunk. Chunks grow, since each of them costs a millisecond: the first is
soon there, the later ones are nearly as fast as all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import NamedTuple

from wolap.engine.execute import DimensionColumn, Report

__all__ = ["FIRST", "MOST", "Chunks", "Document"]

# Values of the first chunk and of the largest: of 11 columns some 3,000 and 24,000 records, in JSON 0.6 and 5 MB.
FIRST, MOST = 1 << 15, 1 << 18

# A body that is made while it is sent; `close` ends it before its time.
Chunks = Generator[bytes, None, None]


class Document(NamedTuple):
    """A report in a format. `write` gives the records of a part of the report; behind each record stand `between` signs
    that are left out behind the last."""

    report: Report
    head: bytes
    write: Callable[[Report], bytes]
    tail: bytes
    between: int = 0

    def whole(self) -> bytes:
        """All of it."""
        records = self.write(self.report)
        return b"".join((self.head, memoryview(records)[: len(records) - self.between], self.tail))

    def chunks(self) -> Chunks:
        """The same bytes in pieces of at least `FIRST` values, or as many as there are: what is less would be left for
        the last, is added to the one before. No piece is written in another way than the whole (`records.LARGE`)."""
        report, before, start = self.report, self.head, 0
        columns = len(report.dimensions) + len(report.metrics)
        values = FIRST
        while start < report.rows:
            stop = start + -(-values // columns)
            if (report.rows - stop) * columns < FIRST:
                stop = report.rows
            records = self.write(_slice(report, start, stop))
            if stop == report.rows:
                yield b"".join((before, memoryview(records)[: len(records) - self.between], self.tail))
            else:
                yield before + records
            before, start, values = b"", stop, min(2 * values, MOST)
        if not report.rows:
            yield before + self.tail


def _slice(report: Report, start: int, stop: int) -> Report:
    """Some of the records of a report."""
    rows = slice(start, stop)
    return Report(
        tuple(DimensionColumn(column.name, column.codes[rows], column.members) for column in report.dimensions),
        tuple(column.at(rows) for column in report.metrics),
        stop - start,
        report.total,
    )
