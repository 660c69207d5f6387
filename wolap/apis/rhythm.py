"""When things happen: more in the evening, more on weekends, and a little more every day.

Times are the points of a Poisson process under this rate: points that are even on the scale of the rate's integral,
mapped through its inverse (Devroye, "Non-Uniform Random Variate Generation", 1986, VI.1.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rhythm", "rhythm_before"]

_ZONE_HOURS = -8  # where the viewers are: evening there is when they are awake


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The seconds since 1970 from `start` up to `until`, and how much happens up to each hour of them."""

    start: int
    until: int
    _hours: NDArray[np.int64]
    _integral: NDArray[np.float64]

    def sorted_times(self, random: np.random.Generator, count: int) -> NDArray[np.int64]:
        """That many seconds in rising order: exponential gaps, summed."""
        if not count:
            return np.empty(0, np.int64)
        points = random.standard_exponential(count + 1)
        np.cumsum(points, out=points)
        points /= points[-1]
        return self._times(points[:-1])

    def times(self, random: np.random.Generator, count: int) -> NDArray[np.int64]:
        """That many seconds in any order."""
        return self._times(random.random(count))

    def _times(self, shares: NDArray[np.float64]) -> NDArray[np.int64]:
        """When these shares of all that happens have happened."""
        low, high = np.interp([self.start, self.until], self._hours, self._integral)
        shares *= high - low
        shares += low
        times: NDArray[np.int64] = np.interp(shares, self._integral, self._hours).astype(np.int64)
        np.clip(times, self.start, self.until - 1, out=times)  # rounding at either end
        return times


def rhythm_before(end: datetime, days: int) -> Rhythm:
    """The rhythm of the days before a moment. One without a zone is UTC."""
    moment = (end if end.tzinfo else end.replace(tzinfo=UTC)).astimezone(UTC)
    until = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    start = until - days * 86400
    hours = start // 3600 + np.arange(days * 24 + 1)
    local = hours + _ZONE_HOURS
    evening = 1 + 0.9 * np.cos((local % 24 - 20.5) / 24 * 2 * np.pi) + 0.5 * np.exp(-(((local % 24) - 20.5) ** 2) / 5)
    weekend = np.where((local // 24 + 3) % 7 >= 5, 1.35, 1.0)  # the epoch was a Thursday
    rate = evening * weekend * 1.0015 ** (np.arange(len(hours)) / 24)
    return Rhythm(
        start,
        until,
        np.concatenate([hours, [hours[-1] + 1]]) * 3600,
        np.concatenate([[0.0], np.cumsum(rate)]),
    )
