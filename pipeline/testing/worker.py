"""A real worker on a test's ledger: the command, in a process of its own, killed and started again at will.

Owns its handle for code without an event loop, and what a test is told when it ended by itself. Imports
`pipeline.ops.demo.worker`, the errors and its siblings.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pipeline.errors import FoundProblem
from pipeline.ops.demo import worker as process
from pipeline.settings import Settings
from pipeline.testing.ledger import Ledger
from pipeline.testing.waiting import DEADLINE, run

INSTANCE: Final = "testing"
"""Its name in the group, so that it has its partitions back at once when it is started again."""


class Worker:
    """`streamledger worker`."""

    def __init__(self, settings: Settings, log: Path) -> None:
        """Describe it; nothing is started."""
        self._process = process.Worker(settings.model_copy(update={"log_format": "json"}), log, instance=INSTANCE)
        self._wanted = False

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid

    @property
    def log(self) -> str:
        """All that it has printed."""
        return self._process.log.read_text(encoding="utf-8", errors="replace") if self._process.log.exists() else ""

    def events(self, name: str) -> list[dict[str, Any]]:
        """What it has logged under a name since it was last started."""
        return self._process.events(name)

    def start(self, deadline: float = DEADLINE) -> None:
        """Start it, again if it was stopped or killed, and wait until it has all partitions, their state restored.

        Raises:
            AssertionError: it ended, or does not come that far; with its last words.
        """
        self._process.start()
        self._wanted = True
        try:
            run(self._process.ready(deadline))
        except FoundProblem as error:
            raise AssertionError(self._last_words(error)) from None

    def stop(self) -> int | None:
        """End it in order; its exit status, None if it had to be killed."""
        self._wanted = False
        return run(self._process.stop())

    def kill(self) -> None:
        """End it as a failing machine would. Idempotent."""
        self._wanted = False
        self._process.kill()

    def check(self) -> None:
        """Make sure that it did not end by itself; one that the test has killed or stopped did not.

        Raises:
            AssertionError: it did; with its last words.
        """
        if not self._wanted:
            return
        try:
            self._process.check()
        except FoundProblem as error:
            raise AssertionError(self._last_words(error)) from None

    def _last_words(self, error: FoundProblem) -> str:
        return "\n".join([error.message, *(f"  {line}" for line in self._process.tail())])


@contextlib.contextmanager
def running(ledger: Ledger, log: Path) -> Iterator[Worker]:
    """A worker for the block, ready when it begins, gone when it ends."""
    worker = Worker(ledger.settings, log)
    ledger.watch(worker.check)
    try:
        worker.start()
        yield worker
    finally:
        worker.kill()
