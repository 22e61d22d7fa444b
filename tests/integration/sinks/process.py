"""Sinks as processes: the command itself, and one that dies at a chosen call of the database."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final
from unittest import mock

from pipeline.settings import Settings
from pipeline.sinks import store
from pipeline.sinks.consumer import Sink
from pipeline.sinks.plan import Plan
from pipeline.sinks.writer import Writer, connect
from pipeline.testing import eventually

ROOT: Final = Path(__file__).parents[3]
SECONDS: Final = 90.0

_context: Final = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__, "duckdb", "psycopg"])


class _Mortal:
    """A writer whose process gets SIGKILL at its n-th call."""

    def __init__(self, writer: Writer, calls: Iterator[int]) -> None:
        self._writer, self._calls = writer, calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._writer, name)
        return self._counted(found) if name in ("query", "change", "staged") else found

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            if next(self._calls) == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments)

        return counted


def _run(told: Mapping[str, Any], db: str, options: Mapping[str, Any], calls: int | None) -> None:
    """The process."""
    if calls is not None:
        countdown = iter(range(calls, -1, -1))

        def mortal(name: str, stopped: threading.Event) -> Any:
            return _Mortal(connect(name, stopped), countdown)

        mock.patch.object(store, "connect", mortal).start()
    asyncio.run(Sink(Settings(**told), Plan(db, **options)).run())


def start(settings: Settings, db: str, *, calls: int | None = None, **options: Any) -> BaseProcess:
    """A sink as a process, without the time that a program takes to start.

    Args:
        settings: Of the ledger.
        db: Its database.
        calls: The call of the database at which it dies; None: it lives.
        options: Of the plan.
    """
    process = _context.Process(target=_run, args=(settings.model_dump(mode="json"), db, options, calls))
    process.start()
    return process


class Command:
    """`streamledger sink …` as a process."""

    def __init__(self, settings: Settings, db: str, log: Path, *options: str) -> None:
        """Start it."""
        kind = "postgres" if "://" in db else "duckdb"
        flags = ("--bootstrap-servers", str(settings.bootstrap_servers), "--record-topic", settings.record_topic)
        command = [sys.executable, "-m", "pipeline", "sink", kind, "--db", db, *flags, "--json", *options]
        self._log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr)

    def events(self, name: str) -> list[dict[str, Any]]:
        """Log events of a name so far."""
        lines = self._log.read_text(encoding="utf-8").splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [event for event in events if event["event"] == name]

    def text(self) -> str:
        """The whole log."""
        return self._log.read_text(encoding="utf-8")

    def end(self) -> tuple[int, dict[str, Any]]:
        """Exit status and summary, when it has ended."""
        out, _ = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, json.loads(out or b"{}")

    def terminate(self) -> tuple[int, dict[str, Any], float]:
        """SIGTERM; the same, and seconds until then."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return *self.end(), time.monotonic() - started


@contextmanager
def command(settings: Settings, db: str, log: Path, *options: str) -> Iterator[Command]:
    """The command for the block."""
    running = Command(settings, db, log, *options)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.communicate()


def until(condition: Callable[[], bool], what: str, alive: Sequence[Command] = ()) -> None:
    """Return when it holds; no later than SECONDS, and no later than somebody it hangs on has ended."""

    def watch() -> None:
        if any(each.process.poll() is not None for each in alive):
            raise AssertionError(f"ended before: {what}\n" + "\n".join(each.text()[-3_000:] for each in alive))

    eventually(condition, SECONDS, what=what, watch=watch)
