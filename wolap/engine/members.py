"""A dimension as codes: small integers, each of which means one member for ever.

What is loaded first is sorted, numbers as numbers, text by code point, null last (W24), so that the order of codes is
the order of a report and sorting a result never looks at a member. Later facts may bring members that belong between
those: they get the next codes, whatever their place, since codes are in files and snapshots that nobody writes again.
Then `ranks` lead from codes to places in the order, and only who shows members looks at them. What was forgotten, for
no fact has it any more, leaves a code that means nothing and is never given again.

Facts and every projection of a cube share one set of members.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wolap.model.member import Member, member_text, read_member

__all__ = ["Codes", "Members", "appended", "forgotten", "smallest"]

# A dictionary of so many texts has all members, whichever occur.
_WHOLE_DICTIONARY = 1 << 16

Codes = np.ndarray[tuple[int], np.dtype[np.unsignedinteger]]


@dataclass(frozen=True, eq=False)
class Members:
    """The members of a dimension: `values` by their codes. The one at `null_code` is null; others that are null were
    forgotten. Values that were never extended are sorted, and null is behind them."""

    kind: str
    values: pa.Array
    null_code: int | None = None
    null_label: str = "N/A"
    empty_label: str = "(empty)"

    @property
    def cardinality(self) -> int:
        """The number of codes that were ever given: all codes are below it."""
        return len(self.values)

    @property
    def live(self) -> int:
        """The number of members: of codes without those whose members were forgotten."""
        return len(self.values) - int(self.values.null_count) + (self.null_code is not None)

    @property
    def is_live(self) -> np.ndarray:
        """For each code whether it means a member, and was not forgotten."""
        found = np.array(self.values.is_valid())
        if self.null_code is not None:
            found[self.null_code] = True
        return found

    @property
    def codes_type(self) -> type[np.unsignedinteger]:
        """The smallest type that holds all codes, and one more for null. A layout keeps the type that it has."""
        return smallest(len(self.values) + (self.null_code is None))

    @cached_property
    def ranks(self) -> np.ndarray | None:
        """For each code its place in the order of members, null last; None where codes are in that order."""
        values, null = self.values, self.null_code
        if values.null_count:
            present = np.flatnonzero(values.is_valid())
            is_last = null is None or not len(present) or null > present[-1]
            values = values.drop_null()
        else:
            is_last = True
        # Of no values `all` is null.
        if is_last and pc.all(pc.less(values[:-1], values[1:])).as_py() is not False:
            return None
        ranks = np.empty(len(self.values), self.codes_type)
        ranks[pc.sort_indices(self.values).to_numpy()] = np.arange(len(ranks))
        return ranks

    @cached_property
    def _code_of(self) -> dict[Member, int]:
        codes: dict[Member, int] = {value: code for code, value in enumerate(self.values.to_pylist())}
        codes.pop(None, None)
        # Where no null is in the data, its label may be an ordinary member, and then means that one (W30).
        of_label = codes.get(read_member(self.kind, self.null_label), -1)
        codes[None] = of_label if self.null_code is None else self.null_code
        if self.kind == "text":
            codes.setdefault("", codes.get(self.empty_label, -1))
        return codes

    def code(self, member: Member) -> int:
        """The code of a member; -1 where the data has no such member."""
        return self._code_of.get(member, -1)

    @cached_property
    def texts(self) -> list[str]:
        """The text of each code, with the labels of null and of the empty string; of what was forgotten, that of
        null."""
        return self._shown(self.values)

    @property
    def listed(self) -> list[str]:
        """The texts of the members in their order, without what was forgotten."""
        live = np.flatnonzero(self.is_live)
        if self.ranks is not None:
            live = live[np.argsort(self.ranks[live])]
        return [self.texts[code] for code in live.tolist()]

    def texts_at(self, codes: np.ndarray) -> list[str]:
        """The texts of some codes, without making those of all others."""
        return self._shown(self.decode(codes))

    def _shown(self, values: pa.Array) -> list[str]:
        null = self.null_label
        if self.kind == "text":
            return [null if value is None else value or self.empty_label for value in values.to_pylist()]
        return [null if value is None else member_text(self.kind, value) for value in values.to_pylist()]

    @cached_property
    def kept(self) -> dict[object, Any]:
        """What others have worked out of all members, for as long as they are there."""
        return {}

    def decode(self, codes: np.ndarray) -> pa.Array:
        """Codes as their members, null for the null member: texts as a dictionary, so that none of them is written
        down again; all else, which takes no more room than a place in one, as it is."""
        if self.kind != "text":
            return self.values.take(pa.array(codes))
        values, null = self.values, self.null_code
        is_null = None if null is None else codes == null
        # Without one the places are taken as they are, and not looked at one by one.
        mask = is_null if is_null is not None and is_null.any() else None
        if null is not None and null == len(values) - 1:
            values = values[:-1]
        if values.null_count or len(values) > max(_WHOLE_DICTIONARY, len(codes)):
            # Who asks for a few of very many is not given all of them, and nobody what was forgotten.
            occurring, codes = np.unique(codes, return_inverse=True)
            if null is not None and mask is not None:
                # Null is no entry, and the others move up.
                codes = codes - (codes > np.searchsorted(occurring, null))
                occurring = occurring[occurring != null]
            values = self.values.take(pa.array(occurring))
        return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=mask), values, safe=False)

    def find(self, value: Member) -> int:
        """The code of a value by itself, whatever labels say; -1 where there is none. Nothing is kept for others."""
        if value is None:
            return -1 if self.null_code is None else self.null_code
        if isinstance(value, str) and self.kind != "text":
            return -1
        try:
            wanted = pa.scalar(value, self.values.type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            return -1
        found = np.flatnonzero(pc.equal(self.values, wanted).fill_null(False))
        return int(found[0]) if len(found) else -1

    def extended(self, values: pa.Array, *, with_null: bool) -> tuple[Members, np.ndarray]:
        """These members and others behind them: what is not known of different `values` of their type, and null if it
        is wanted and not known. Also the code of each value, and last that of null, -1 where there is none."""
        every, codes = appended(self.values, values)
        null_code = self.null_code
        if with_null and null_code is None:
            null_code = len(every)
            every = pa.concat_arrays([every, pa.nulls(1, every.type)])
        codes = np.append(codes, -1 if null_code is None else null_code)
        if len(every) == len(self.values):
            return self, codes
        return replace(self, values=every, null_code=null_code), codes

    def without(self, codes: np.ndarray) -> Members:
        """These members, of which some are forgotten: no lookup finds them, nothing lists them, and their values are
        gone. Their codes are not given again."""
        null_code = None if self.null_code in codes else self.null_code
        return replace(self, values=forgotten(self.values, codes), null_code=null_code)


def appended(known: pa.Array, values: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Known values, and those behind them that are new among different `values` of the same type; and the place of each
    of `values` in the whole. What is null in `known` is no value."""
    # A table of the values, which are fewer as a rule, is made faster than one of what is known.
    found = pc.index_in(known, value_set=values)
    codes = np.full(len(values), -1, np.int64)
    codes[found.drop_null().to_numpy()] = pc.indices_nonzero(found.is_valid()).to_numpy()
    is_new = codes < 0
    if not is_new.any():
        return known, codes
    codes[is_new] = np.arange(len(known), len(known) + np.count_nonzero(is_new))
    return pa.concat_arrays([known, values.filter(pa.array(is_new))]), codes


def forgotten(values: pa.Array, codes: np.ndarray) -> pa.Array:
    """Values by code, null at some codes."""
    is_gone = np.zeros(len(values), bool)
    is_gone[codes] = True
    # Put together anew, since `if_else` could leave the bytes of a text where they are.
    return values.take(pa.array(np.arange(len(values)), mask=is_gone))


def smallest(cardinality: int) -> type[np.unsignedinteger]:
    """The smallest type of codes for so many."""
    return np.uint8 if cardinality <= 1 << 8 else np.uint16 if cardinality <= 1 << 16 else np.uint32
