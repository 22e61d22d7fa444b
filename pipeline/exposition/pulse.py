"""Whether an event loop turns, told to whoever asks from another thread. Imports the standard library only."""

from __future__ import annotations

import asyncio
import time
from typing import Final

SECONDS: Final = 15.0
"""A loop that did not turn for so long is not alive: the longest fold is some seconds."""

BEAT_SECONDS: Final = 1.0


class Pulse:
    """Of one loop; beats from `start` on, and counts as beating when it is made."""

    def __init__(self, seconds: float = SECONDS) -> None:
        """`seconds` without a beat are too many."""
        self._seconds = seconds
        self._beat = time.monotonic()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Beat in the running loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Beat no more."""
        if self._task is not None:
            self._task.cancel()

    def reasons(self) -> list[str]:
        """What speaks against being alive."""
        silent = time.monotonic() - self._beat
        return [] if silent <= self._seconds else [f"the event loop stands still for {silent:.0f} s"]

    async def _run(self) -> None:
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(BEAT_SECONDS)
