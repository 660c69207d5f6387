"""What does each kernel take for a row, by how many groups there are?

`choose_kernel` takes the first that suits; here each is measured wherever it is possible, so that its place in the
order can be checked. The dense kernels are measured side by side, in numpy and compiled (the extra `fast`), on one
thread and on two. Distinct counts have a module of their own (`distinct.py`).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from wolap.engine.columns import COUNT, Column
from wolap.engine.kernels import KERNELS, Kernel, has_compiled
from wolap.engine.keys import CodeDigit, Digit, TimeDigit, pack
from wolap.engine.scan import Means, Predicate, Scan
from wolap.model.aggregate import Partial

ROWS = 200_000
# As many as threads take.
MANY_ROWS = 1_000_000
TOTALS = 1
FEW_KEYS = (90, 22_500, 500_000)
KERNEL = {name: run for name, _, run in KERNELS}
# The dense kernels: which, and on how many threads.
DENSE = {"numpy": ("scatter", 1), "compiled": ("compiled", 1), "compiled, two threads": ("compiled", 2)}

Wanted = list[tuple[Partial, Column]]


def wanted(rows: int = ROWS) -> Wanted:
    """Two sums."""
    random = np.random.default_rng(1)
    columns = [Column(random.integers(0, 1000, rows), None, pa.int64(), 0, 999) for _ in range(2)]
    return [(Partial("sum", name), column) for name, column in zip("ab", columns, strict=True)]


def shapes(rows: int) -> dict[str, Wanted]:
    """What is added up, from the least work to the most."""
    random = np.random.default_rng(1)
    [one, other] = wanted(rows)
    flags = Column(random.integers(0, 2, rows), None, pa.int64(), 0, 1)
    valid = random.random(rows) < 0.9
    gaps = Column(np.where(valid, one[1].values, 0), valid, pa.int64(), 0, 999)
    floats = Column(random.random(rows), None, pa.float64())
    return {
        "rows": [(Partial("count"), Column(None, None, COUNT))],
        "two sums": [one, other],
        "two sums of flags": [(Partial("sum", "c"), flags), (Partial("sum", "d"), other_values(flags))],
        "sum and rows": [one, (Partial("count"), Column(None, None, COUNT))],
        "sum and least, with gaps": [(Partial("sum", "e"), gaps), (Partial("min", "e"), gaps)],
        "sum and greatest of floats": [(Partial("sum", "f"), floats), (Partial("max", "f"), floats)],
    }


def other_values(column: Column) -> Column:
    """A column like another, in memory of its own."""
    assert column.values is not None
    return Column(column.values[::-1].copy(), None, column.type, column.low, column.high)


def codes(keys: int, rows: int = ROWS) -> CodeDigit:
    """A dimension of that many members, in no order."""
    kept = np.uint8 if keys <= 1 << 8 else np.uint16 if keys <= 1 << 16 else np.uint32
    return CodeDigit(np.random.default_rng(2).integers(0, keys, rows).astype(kept), keys)


def buckets(keys: int, rows: int = ROWS) -> TimeDigit:
    """Time of that many buckets, of equal size."""
    return TimeDigit(np.arange(keys), np.arange(keys + 1, dtype=np.int64) * rows // keys, keys)


def scan(*digits: Digit, rows: int = ROWS, predicates: tuple[Predicate, ...] = (), threads: int = 1) -> Scan:
    return Scan(0, rows, pack(digits, 0, rows), predicates, means=Means(threads))


class Totals:
    """No key: whole blocks are reduced; of one member of so many, or of all rows."""

    params = (1, 20)
    param_names = ("members",)

    def setup(self, members: int) -> None:
        self.wanted = wanted()
        predicates = (Predicate(codes(members).column, np.arange(members) == 0, (0,)),) if members > 1 else ()
        self.scan = scan(predicates=predicates)

    def time_two_sums(self, members: int) -> None:
        KERNEL["totals"](self.scan, self.wanted)


class Runs:
    """Time alone: the rows of a bucket lie together."""

    params = (90, 22_500)
    param_names = ("buckets",)

    def setup(self, keys: int) -> None:
        self.wanted = wanted()
        self.scan = scan(buckets(keys))

    def time_two_sums(self, keys: int) -> None:
        KERNEL["runs"](self.scan, self.wanted)


class Dense:
    """Keys of a dimension in no order, added up in a dense array."""

    params = (tuple(DENSE), FEW_KEYS)
    param_names = ("kernel", "keys")

    def setup(self, kernel: str, keys: int) -> None:
        name, threads = DENSE[kernel]
        self.run = dense(name)
        self.wanted = wanted(MANY_ROWS)
        self.scan = scan(codes(keys, MANY_ROWS), rows=MANY_ROWS, threads=threads)

    def time_two_sums(self, kernel: str, keys: int) -> None:
        self.run(self.scan, self.wanted)


class DenseWithTime:
    """Time beside a dimension of 250 members, by the day and by the minute: the key of time is one for many rows."""

    params = (tuple(DENSE), (90, 7 * 24 * 60))
    param_names = ("kernel", "buckets")

    def setup(self, kernel: str, keys: int) -> None:
        name, threads = DENSE[kernel]
        self.run = dense(name)
        self.wanted = wanted(MANY_ROWS)
        self.scan = scan(buckets(keys, MANY_ROWS), codes(250, MANY_ROWS), rows=MANY_ROWS, threads=threads)

    def time_two_sums(self, kernel: str, keys: int) -> None:
        self.run(self.scan, self.wanted)


class DenseShapes:
    """What is added up: sums that share a word, floats and extremes by themselves."""

    params = (("numpy", "compiled"), tuple(shapes(2)))
    param_names = ("kernel", "shape")

    def setup(self, kernel: str, shape: str) -> None:
        self.run = dense(DENSE[kernel][0])
        self.wanted = shapes(ROWS)[shape]
        self.scan = scan(codes(250))

    def time_terms(self, kernel: str, shape: str) -> None:
        self.run(self.scan, self.wanted)


class Ordered:
    """Keys that are many beside the rows: blocks are sorted."""

    params = (500_000, 50_000_000)
    param_names = ("keys",)

    def setup(self, keys: int) -> None:
        self.wanted = wanted()
        self.scan = scan(codes(keys))

    def time_two_sums(self, keys: int) -> None:
        KERNEL["ordered"](self.scan, self.wanted)


class Filtered:
    """One member of so many, of a column that the rows do not lie in the order of."""

    params = (tuple(DENSE), (4, 20, 100))
    param_names = ("kernel", "members")

    def setup(self, kernel: str, members: int) -> None:
        name, threads = DENSE[kernel]
        self.run = dense(name)
        self.wanted = wanted(MANY_ROWS)
        predicate = Predicate(codes(members, MANY_ROWS).column, np.arange(members) == 1, (1,))
        self.scan = scan(codes(250, MANY_ROWS), rows=MANY_ROWS, predicates=(predicate,), threads=threads)

    def time_two_sums(self, kernel: str, members: int) -> None:
        self.run(self.scan, self.wanted)


def dense(name: str) -> Kernel:
    """A dense kernel; the compiled one where it is installed."""
    if name == "compiled" and not has_compiled():
        raise NotImplementedError("numba, the extra fast, is not installed")
    return KERNEL[name]
