"""What does each kernel take for a row, by how many groups there are? 200,000 rows, two sums of whole numbers.

`choose_kernel` takes the first that suits; here each is measured wherever it is possible, so that its place in the
order can be checked. Distinct counts have a module of their own (`distinct.py`).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from wolap.engine.columns import Column
from wolap.engine.kernels import KERNELS, choose_kernel
from wolap.engine.keys import CodeDigit, Digit, TimeDigit, pack
from wolap.engine.scan import Predicate, Scan
from wolap.model.aggregate import Partial

ROWS = 200_000
TOTALS = 1
KEYS = (TOTALS, 90, 22_500, 500_000, 50_000_000)


def wanted() -> list[tuple[Partial, Column]]:
    """Two sums."""
    random = np.random.default_rng(1)
    columns = [Column(random.integers(0, 1000, ROWS), None, pa.int64(), 0, 999) for _ in range(2)]
    return [(Partial("sum", name), column) for name, column in zip("ab", columns, strict=True)]


def codes(keys: int) -> CodeDigit:
    """A dimension of that many members, in no order."""
    kept = np.uint8 if keys <= 1 << 8 else np.uint16 if keys <= 1 << 16 else np.uint32
    return CodeDigit(np.random.default_rng(2).integers(0, keys, ROWS).astype(kept), keys)


def buckets(keys: int) -> TimeDigit:
    """Time of that many buckets, of equal size."""
    return TimeDigit(np.arange(keys), np.arange(keys + 1, dtype=np.int64) * ROWS // keys, keys)


def scan(*digits: Digit, predicates: tuple[Predicate, ...] = ()) -> Scan:
    return Scan(0, ROWS, pack(digits, 0, ROWS), predicates)


class Kernel:
    """Each kernel at each number of keys that it suits."""

    params = ([name for name, _, _ in KERNELS], KEYS)
    param_names = ("kernel", "keys")

    def setup(self, kernel: str, keys: int) -> None:
        suits, self.run = next((suits, run) for name, suits, run in KERNELS if name == kernel)
        self.wanted = wanted()
        digit = buckets(keys) if kernel == "runs" and keys <= ROWS else codes(keys)
        self.scan = scan() if keys == TOTALS else scan(digit)
        if not suits(self.scan, self.wanted):
            raise NotImplementedError

    def time_two_sums(self, kernel: str, keys: int) -> None:
        self.run(self.scan, self.wanted)


class Filtered:
    """One member of so many, of a column that the rows do not lie in the order of."""

    params = (4, 20, 100)
    param_names = ("members",)

    def setup(self, members: int) -> None:
        self.wanted = wanted()
        kept = np.arange(members) == 1
        self.scan = scan(codes(250), predicates=(Predicate(codes(members).column, kept, (1,)),))

    def time_two_sums(self, members: int) -> None:
        choose_kernel(self.scan, self.wanted)[1](self.scan, self.wanted)
