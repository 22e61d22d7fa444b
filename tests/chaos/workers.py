"""Worker processes and who restarts them: started, killed, paused, and started again when they end by themselves.

Imports `pipeline.settings` and the standard library.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pipeline.settings import Settings

ROOT: Final = Path(__file__).parents[2]
TIMING: Final = {"session": 6.0, "heartbeat": 1.0, "fenced": 8.0, "rebalance": 15.0}
"""6 s is the shortest session that a broker allows by default."""

OPTIONS: Final = {"flush": 2.0}
RESTART_SECONDS: Final = 0.5
LEAVE_SECONDS: Final = 10.0
LAST_WORDS: Final = 15
"""Lines of its log that tell why a worker took too long."""
"""From SIGTERM to the end; promised by the worker."""


class Worker:
    """A place for a worker: its data directory, its log, and the process that is there now."""

    def __init__(self, name: str, settings: Settings, log: Path, **options: Any) -> None:
        """Nothing is started.

        Args:
            name: Of the place.
            settings: With the data directory.
            log: What it writes, over all its lives.
            options: Of `tests.chaos.worker_main`, and `instance` and `failpoints`.
        """
        self.name, self.settings, self.log = name, settings, log
        self.instance = options.pop("instance", None)
        self.failpoints = options.pop("failpoints", "")
        self.options: dict[str, Any] = {**OPTIONS, **options}
        self.process: subprocess.Popen[bytes] | None = None
        self.wanted = False
        self.late_leaves = 0
        self.late_words: list[str] = []
        self._events: dict[str, list[dict[str, Any]]] = {}
        self._read = 0

    def start(self, *, prefix: tuple[str, ...] = ()) -> None:
        """Start a process; `prefix` is a program that starts it."""
        told = {
            "settings": self.settings.model_dump(mode="json"),
            "timing": TIMING,
            "options": self.options,
            "instance": self.instance,
        }
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "STREAMLEDGER_FAILPOINTS": self.failpoints}
        command = [*prefix, sys.executable, "-m", "tests.chaos.worker_main", json.dumps(told)]
        self.wanted = True
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(command, env=environment, stdout=sink, stderr=sink, cwd=ROOT)

    @property
    def running(self) -> bool:
        """Whether a process is there, paused or not."""
        return self.process is not None and self.process.poll() is None

    def stopped(self) -> bool:
        """Whether the process is stopped, by itself or by us."""
        if self.process is None or not self.running:
            return False
        return os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal if a process is there."""
        if self.process is not None and self.running:
            self.process.send_signal(number)

    async def ended(self, seconds: float) -> bool:
        """Whether the process ends within so many seconds."""
        process = self.process
        if process is None:
            return True
        try:
            await asyncio.to_thread(process.wait, seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    async def kill(self) -> None:
        """SIGKILL; nobody starts it again until `start`."""
        self.wanted = False
        self.signal(signal.SIGKILL)
        await self.ended(30)

    async def terminate(self) -> bool:
        """SIGTERM; whether it left in time, else it is killed."""
        self.wanted = False
        self.signal(signal.SIGTERM)
        in_time = await self.ended(LEAVE_SECONDS + 1)  # a second for the interpreter to end
        if not in_time:
            self.late_leaves += 1
            words = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_WORDS:]
            self.late_words += [f"{self.name} left late: {line}" for line in words]
            await self.kill()
        return in_time

    def empty(self) -> None:
        """Remove the data directory."""
        shutil.rmtree(self.settings.data_dir, ignore_errors=True)

    def events(self, name: str) -> list[dict[str, Any]]:
        """Log events of a name, over all lives; what was read before is not read again."""
        if self.log.exists():
            with self.log.open("rb") as log:
                log.seek(self._read)
                whole, end, _ = log.read().rpartition(b"\n")
            self._read += len(whole) + len(end)
            for line in whole.decode(errors="replace").splitlines():
                if line.startswith("{") and line.endswith("}"):
                    event = json.loads(line)
                    self._events.setdefault(event["event"], []).append(event)
        return self._events.get(name, [])


class Fleet:
    """All places, and the supervisor that starts again what ended by itself."""

    def __init__(
        self, settings: Settings, home: Path, *, size: int = 3, options: Mapping[str, Any] | None = None
    ) -> None:
        """Describe `size` workers with data directories of their own."""
        self._settings, self._home, self._options = settings, home, dict(options or {})
        self.workers = [self.add(f"worker-{number}") for number in range(size)]
        self.exits: Counter[int] = Counter()
        self.guests: list[Worker] = []

    def add(self, name: str, **options: Any) -> Worker:
        """One more place; nobody supervises it unless it is one of `workers`."""
        settings = self._settings.model_copy(update={"data_dir": self._home / name / "data"})
        (self._home / name).mkdir(parents=True, exist_ok=True)
        return Worker(name, settings, self._home / name / "log", **{**self._options, **options})

    def guest(self, name: str, **options: Any) -> Worker:
        """A worker for a while, killed at the end of the run at the latest."""
        worker = self.add(name, **options)
        self.guests.append(worker)
        return worker

    async def supervise(self) -> None:
        """Start again what ended, until cancelled."""
        while True:
            for worker in self.workers:
                if worker.wanted and worker.process is not None and not worker.running:
                    self.exits[worker.process.returncode] += 1
                    worker.start()
            await asyncio.sleep(RESTART_SECONDS)

    @property
    def late_leaves(self) -> int:
        """How often SIGTERM took too long."""
        return sum(worker.late_leaves for worker in (*self.workers, *self.guests))

    @property
    def late_words(self) -> list[str]:
        """What those that took too long wrote last."""
        return [line for worker in (*self.workers, *self.guests) for line in worker.late_words]

    @property
    def everyone(self) -> list[Worker]:
        """Workers and guests, each log once."""
        return list({worker.log: worker for worker in (*self.workers, *self.guests)}.values())

    def start(self) -> None:
        """Start all."""
        for worker in self.workers:
            worker.start()

    async def terminate(self) -> None:
        """SIGTERM to all at once."""
        await asyncio.gather(*(worker.terminate() for worker in self.workers))

    async def kill(self) -> None:
        """SIGKILL to all, guests too."""
        for worker in (*self.workers, *self.guests):
            worker.signal(signal.SIGCONT)
            await worker.kill()
