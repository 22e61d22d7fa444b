"""Gives memory that nothing uses back to the system.

A backlog, a restore or a crowd that expires needs memory for a moment; glibc keeps what was freed below its tops, so a
worker would stay as large as it ever was.  A thread of its own, because a large heap takes milliseconds to look at.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Final

PAUSE_SECONDS: Final = 10.0
"""Between two looks: on a heap of 500 MiB one takes some 10 ms, a thousandth of the time."""


def trimming() -> Callable[[], object] | None:
    """The C library's malloc_trim over all of its heap; None where it has none (musl, macOS)."""
    function = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return None if function is None else lambda: function(0)


class HeapKeeper:
    """Trims the heap of this process again and again until it is stopped."""

    def __init__(self, seconds: float = PAUSE_SECONDS, trim: Callable[[], object] | None = None) -> None:
        """Trim every so many seconds."""
        self._seconds = seconds
        self._trim = trim or trimming()
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin."""
        if self._trim is not None:
            threading.Thread(target=self._keep, args=(self._trim,), name="heap-keeper", daemon=True).start()

    def stop(self) -> None:
        """Trim no more."""
        self._stop.set()

    def _keep(self, trim: Callable[[], object]) -> None:
        while not self._stop.wait(self._seconds):
            trim()
