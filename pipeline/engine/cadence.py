"""When a partition's next checkpoint is due: soon while records wait, otherwise in its interval, never too often.

Pure: time comes in as an argument. Imports nothing of the project.
"""

from __future__ import annotations

from typing import Final

SMOOTHING: Final = 0.3
"""Weight of the newest duration: one slow commit must not stretch the interval for long."""


class Cadence:
    """The rhythm of one partition's checkpoints."""

    def __init__(self, interval: float, *, hurry: float, share: float) -> None:
        """Keep the limits.

        Args:
            interval: Seconds between checkpoints when nothing waits for one.
            hurry: Seconds between checkpoints while records or dead letters wait.
            share: Largest part of the time that checkpoints may take.
        """
        self._interval, self._hurry, self._share = interval, min(hurry, interval), share
        self._started = 0.0
        self._cost = 0.0

    def due(self, now: float, *, waiting: bool, floor: float = 0.0) -> bool:
        """Whether a checkpoint should start at monotonic time `now`.

        Args:
            now: Seconds.
            waiting: Records or dead letters wait for it.
            floor: Least seconds between two, from the budget that all partitions share.
        """
        wanted = self._hurry if waiting else self._interval
        return now - self._started >= max(wanted, floor, self._cost / self._share)

    def ran(self, started: float, ended: float) -> None:
        """A checkpoint ran from `started` to `ended`."""
        self._started = started
        self._cost += SMOOTHING * (ended - started - self._cost)
