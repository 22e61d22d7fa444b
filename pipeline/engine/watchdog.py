"""Notices when nothing moves: a partition whose records wait, a loop that does not turn, an end that does not come.

Owns the decisions; seeking and ending the process belong to the engine. Imports the standard library and logging.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from typing import Final

from pipeline.log import get_logger

log = get_logger(__name__)

TURN_SECONDS: Final = 1.0

EXIT: Final = 70
"""EX_SOFTWARE: the supervisor starts the worker again, and it takes up from the last checkpoint."""


class Progress:
    """Watches the position of one partition."""

    def __init__(self, patience: float) -> None:
        """Wait `patience` seconds before standing still is worth a look."""
        self._patience = patience
        self._position = -1
        self._since = 0.0
        self.stalls = 0

    def suspicious(self, position: int, now: float) -> bool:
        """Whether the position has stood still for too long at monotonic time `now`."""
        if position != self._position:
            self._position, self._since, self.stalls = position, now, 0
        return now - self._since >= self._patience

    def looked(self, *, waiting: bool, now: float) -> bool:
        """The broker was asked at `now` whether records wait; True if that makes another stall."""
        self._since = now
        self.stalls = self.stalls + 1 if waiting else 0
        return waiting


class LoopWatch:
    """Ends the process when its event loop does not turn; a thread of its own, because nothing else would run.

    Counts its own turns and not the clock: a process that was stopped and continued was not blocked.
    """

    def __init__(self, seconds: float, end: Callable[[int], object] = os._exit) -> None:
        """Allow the loop to stand still for `seconds`."""
        self._turns = max(int(seconds / TURN_SECONDS), 1)
        self._end = end
        self._stop = threading.Event()
        self._answered = threading.Event()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch a running loop."""
        threading.Thread(target=self._watch, args=(loop,), name="loop-watch", daemon=True).start()

    def stop(self) -> None:
        """Watch no more."""
        self._stop.set()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        missed = 0
        self._answered.set()
        while not self._stop.wait(TURN_SECONDS):
            if not self._answered.is_set():
                missed += 1
            else:
                missed = 0
                self._answered.clear()
                try:
                    loop.call_soon_threadsafe(self._answered.set)
                except RuntimeError:
                    return  # the loop is closed
            if missed > self._turns:
                log.critical("event loop is blocked, worker ends", seconds=missed * TURN_SECONDS, exit_code=EXIT)
                self._end(EXIT)
                return


class Deadline:
    """Ends the process at its time whatever its event loop waits for: a cancelled task may refuse to end.

    aiokafka's coordinator does while no broker answers, and a loop that is closed waits for all of its tasks.
    """

    def __init__(self, end: Callable[[int], object] = os._exit) -> None:
        """Not running yet."""
        self._end = end
        self._over = threading.Event()

    def start(self, seconds: float, code: Callable[[], int]) -> None:
        """End the process `seconds` from now with what `code` says then, unless `cancel` comes first."""
        threading.Thread(target=self._wait, args=(seconds, code), name="deadline", daemon=True).start()

    def cancel(self) -> None:
        """The process ends by itself."""
        self._over.set()

    def _wait(self, seconds: float, code: Callable[[], int]) -> None:
        if not self._over.wait(seconds):
            status = code()
            log.warning("tasks do not end, leaving them", exit_code=status)
            sys.stderr.flush()
            self._end(status)
