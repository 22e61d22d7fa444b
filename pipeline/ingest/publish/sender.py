"""The thread that sends, with its own event loop, and what other threads may ask of it.

Owns that loop from its first task to its last. Imports this package and the settings.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from pipeline.ingest.publish.outbox import Outbox
from pipeline.ingest.publish.policy import Policy
from pipeline.ingest.publish.reporter import Reporter
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.ingest.publish.courier import Courier

END_SECONDS: Final = 10.0
"""Longest time that the thread may take to end after its work is done."""


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that looks up names on a thread of its own: the usual pool ends before `atexit` runs."""

    async def getaddrinfo(self, *arguments: Any, **options: Any) -> Any:
        """As socket.getaddrinfo."""
        found = self.create_future()

        def look() -> None:
            try:
                result, error = socket.getaddrinfo(*arguments, **options), None
            except OSError as wrong:
                result, error = None, wrong
            self.call_soon_threadsafe(_resolve, found, result, error)

        threading.Thread(target=look, name="streamledger-names", daemon=True).start()
        return await found


def _resolve(found: asyncio.Future[Any], result: Any, error: OSError | None) -> None:
    if found.done():
        return
    if error is None:
        found.set_result(result)
    else:
        found.set_exception(error)


class Sender:
    """A running thread.

    Attributes:
        courier: What it does; None for the moment in which aiokafka is loaded.
    """

    def __init__(self, settings: Settings, policy: Policy, outbox: Outbox, report: Reporter) -> None:
        """Start it."""
        self.courier: Courier | None = None
        self._begin: Callable[[], Courier] = lambda: _courier(settings, policy, outbox, report)
        self._ready = threading.Event()
        self._loop = _Loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="streamledger-publisher", daemon=True)
        self._thread.start()

    def ring(self) -> None:
        """There is something to do; from any thread."""
        self._tell(self._ring)

    def flush(self, seconds: float) -> bool:
        """Courier.flush, from another thread."""
        end = time.monotonic() + seconds
        if not self._ready.wait(seconds + END_SECONDS) or self.courier is None or not self._thread.is_alive():
            return False
        left = max(0.0, end - time.monotonic())
        future = asyncio.run_coroutine_threadsafe(self.courier.flush(left), self._loop)
        try:
            return future.result(left + END_SECONDS)
        except TimeoutError:  # the disk does not answer
            future.cancel()
            return False

    def end(self) -> None:
        """Stop it, and wait for that."""
        self._tell(self._stop)
        self._thread.join(END_SECONDS)

    def let_go(self) -> None:
        """In a forked child, where it does not run: close its files and nothing else."""
        if self.courier is not None:
            self.courier.stock.let_go()

    def _run(self) -> None:
        self.courier = self._begin()
        self._task = self._loop.create_task(self.courier.run())
        self._ready.set()
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        rest = asyncio.all_tasks(self._loop)  # what aiokafka leaves behind when its brokers are gone
        for task in rest:
            task.cancel()
        if rest:
            self._loop.run_until_complete(asyncio.wait(rest, timeout=1.0))
        self._loop.close()

    def _ring(self) -> None:
        if self.courier is not None:
            self.courier.ring()

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _tell(self, call: Callable[[], None]) -> None:
        """Have the loop call something, if it still runs."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call)


def _courier(settings: Settings, policy: Policy, outbox: Outbox, report: Reporter) -> Courier:
    """Made on the thread, so that no caller waits for aiokafka to be loaded."""
    from pipeline.ingest.publish.courier import Courier  # noqa: PLC0415

    return Courier(settings, policy, outbox, report)
