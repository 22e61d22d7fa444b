"""How many came in each of the last seconds, by append time.  Imports the standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

SECONDS: Final = 10
_KEPT: Final = 120
"""Seconds that are remembered: partitions are not read in step, and clocks differ."""


class Rate:
    """A count for each second."""

    def __init__(self) -> None:
        """Nothing has come."""
        self._counts: dict[int, int] = {}
        self._newest = 0

    def add(self, at: int, count: int = 1) -> None:
        """So many came at `at`, ms since the epoch."""
        second = at // 1_000
        counts = self._counts
        counts[second] = counts.get(second, 0) + count
        if second > self._newest:
            self._newest = second
            for old in [each for each in counts if each <= second - _KEPT]:
                del counts[old]
        elif second <= self._newest - _KEPT:
            del counts[second]

    def add_all(self, times: Sequence[int]) -> None:
        """One came at each of these times, of which the first is the earliest."""
        if times[0] // 1_000 == times[-1] // 1_000:
            self.add(times[0], len(times))
            return
        for at in times:
            self.add(at)

    def at(self, at: int) -> float:
        """So many a second, over the last ten whole seconds before `at`."""
        now = at // 1_000
        return sum(self._counts.get(second, 0) for second in range(now - SECONDS, now)) / SECONDS
