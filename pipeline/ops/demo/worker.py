"""A worker as a process of its own, as an operator would run it: start, look, stop, kill, start again.

Owns the process, the environment it gets and what its log says. It dies with us, whatever we die of. Imports
`pipeline.settings`, the errors and the broker's tether.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from pydantic import SecretStr

import pipeline
from pipeline.errors import FoundProblem
from pipeline.ops.broker import tether
from pipeline.ops.events import events
from pipeline.settings import ENV_PREFIX, NAMES, Settings, show

STOP_SECONDS: Final = 15.0
"""Deadline of an orderly stop; the worker gives itself 9 s."""

READY_SECONDS: Final = 60.0
"""Deadline of a start: ten times what it takes on two cores."""

LOOK_SECONDS: Final = 0.05
"""How soon its end, or a new line of its log, is noticed."""

TAIL: Final = 12
"""Lines of the log that are worth showing when it ended by itself."""


class Worker:
    """`streamledger worker` with the given settings; as a context manager it is gone at the end of the block."""

    def __init__(self, settings: Settings, log: Path, *, instance: str | None = None) -> None:
        """Describe it; nothing is started.

        Args:
            settings: All that it gets to know; none of our own environment's settings reach it.
            log: File for what it prints; JSON lines, if `events` is to find something.
            instance: Its name in the group, so that it gets its partitions back when it is started again.
        """
        self.log = log
        self._settings = settings
        self._options = [] if instance is None else ["--instance", instance]
        self._began = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Start it, again if it was killed or stopped; the log goes on."""
        tied = [sys.executable, "-I", "-S", tether.__file__, str(os.getpid())]
        with self.log.open("ab") as output:
            self._began = output.tell()
            # Its own session: Ctrl-C is ours to handle.
            self._process = subprocess.Popen(
                [*tied, sys.executable, "-P", "-m", "pipeline", "worker", *self._options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(self._settings),
                start_new_session=True,
            )

    def check(self) -> None:
        """Make sure that it still runs.

        Raises:
            FoundProblem: It ended by itself.
        """
        if self._process is not None and (code := self._process.poll()) is not None:
            raise FoundProblem(f"the worker ended by itself with status {code}", hint="its last words are above")

    async def ready(self, seconds: float = READY_SECONDS) -> dict[str, Any]:
        """Wait until it owns all partitions, with their state restored; the event that says so.

        Raises:
            FoundProblem: It ended by itself, or does not come that far.
        """
        try:
            async with asyncio.timeout(seconds):
                while not (found := [each for each in self.events("assigned") if self._whole(each)]):
                    self.check()
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            text = f"the worker did not take over its {self._settings.partitions} partitions in {seconds:g} s"
            raise FoundProblem(text, hint="its last words are above") from None
        return found[0]

    async def stop(self, seconds: float = STOP_SECONDS) -> int | None:
        """End it in order (SIGTERM) and wait; its exit status, None if it had to be killed."""
        if self._process is None:
            return None
        self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(seconds):
                while self._process.poll() is None:  # noqa: ASYNC110 (a process tells nobody of its end)
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            self.kill()
            return None
        return self._process.returncode

    def kill(self) -> int | None:
        """End it at once (SIGKILL); its exit status, which tells if it had ended by itself. Idempotent."""
        if self._process is None:
            return None
        self._process.kill()
        return self._process.wait()

    def events(self, name: str) -> list[dict[str, Any]]:
        """What it has logged under a name since it was last started."""
        if not self.log.exists():
            return []
        return events(self.log.read_bytes()[self._began :].decode(errors="replace"), name)

    def _whole(self, assigned: Mapping[str, Any]) -> bool:
        """Whether an assignment was of all partitions, and none was taken back meanwhile."""
        return bool(assigned["ready"]) and len(assigned["partitions"]) == self._settings.partitions

    def tail(self, lines: int = TAIL) -> list[str]:
        """The end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:] if self.log.exists() else []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def environment(settings: Settings) -> dict[str, str]:
    """Our environment with these settings in the place of any that it had; secrets travel here, not in arguments."""
    ours = {name: value for name, value in os.environ.items() if not name.upper().startswith(ENV_PREFIX)}
    values = {name: getattr(settings, name) for name in NAMES}
    texts = {
        ENV_PREFIX + name.upper(): value.get_secret_value() if isinstance(value, SecretStr) else show(name, value)
        for name, value in values.items()
        if value is not None
    }
    # Where this very package lies: the worker must not be another version that is installed elsewhere.
    root = str(Path(pipeline.__file__).parents[1])
    return {**ours, **texts, "PYTHONPATH": os.pathsep.join(filter(None, (root, ours.get("PYTHONPATH"))))}
