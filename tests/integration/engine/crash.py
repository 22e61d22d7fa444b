"""Crashes of one ledger in turn: a worker dies at a named point, the next one takes up and dies at another.

Workers are forked from a server that has imported them once: a crash then costs a fraction of a second. Each lane has
topics of its own, so that several run at once.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import connection
from pathlib import Path
from typing import Any, Final

from pipeline.engine import restore, worker
from pipeline.engine.config import Timing
from pipeline.errors import StreamledgerError
from pipeline.log import configure
from pipeline.settings import Settings
from tests.integration.engine.harness import QUICK, committed
from tests.integration.engine.waves import CLOSING_WAVES, Waves, shown

SECONDS: Final = 60.0

WAVE_SECONDS: Final = 2.0
"""A point that was not passed meanwhile gets another wave."""

ROWS: Final = 5
"""Of a changelog read at once, so that half of it is a place between two reads."""

FORK: Final = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload([__name__, "pipeline.pricing.catalog"])


@dataclass(frozen=True)
class Crash:
    """Where a worker dies, and what then becomes of its data directory."""

    point: str
    directory: str
    """`kept` or `emptied`."""
    foreign: bool = False
    """Before it starts, the stores of its partitions are exchanged, so that it trusts neither."""

    @property
    def leaving(self) -> bool:
        """Whether the point is passed only by a worker that is told to leave."""
        return self.point.startswith("revoke.")


@dataclass
class Forked:
    """A worker in a forked process."""

    settings: Settings
    log: Path
    failpoints: str = ""
    process: Any = field(init=False)

    def __post_init__(self) -> None:
        """Start it."""
        self.process = FORK.Process(target=_main, args=(self.settings, str(self.log), self.failpoints), daemon=True)
        self.process.start()

    async def ended(self, seconds: float) -> bool:
        """Whether it ends within so long.

        The exit code is read in this thread only: there is one, and a lane that starts a process reads it too.
        """
        await asyncio.to_thread(connection.wait, [self.process.sentinel], seconds)
        return self.process.exitcode is not None

    async def said(self, event: str) -> None:
        """Returns when it has logged an event."""
        deadline = time.monotonic() + SECONDS
        while f'"event": "{event}"' not in self.text():
            waiting = time.monotonic() < deadline and self.process.exitcode is None
            assert waiting, f"no event {event!r}, exit {self.process.exitcode}:\n{self.text()[-3_000:]}"
            await asyncio.sleep(0.05)

    def terminate(self) -> None:
        """SIGTERM."""
        os.kill(self.process.pid, signal.SIGTERM)

    def text(self) -> str:
        """What it has logged."""
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def kill(self) -> None:
        """SIGKILL, if it is still there."""
        self.process.kill()
        self.process.join()


def _main(settings: Settings, log: str, failpoints: str) -> None:
    """The forked process."""
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    os.environ["STREAMLEDGER_FAILPOINTS"] = failpoints
    restore.ROWS_AT_ONCE = ROWS  # type: ignore[misc]  # a long changelog is not at hand
    configure(level="info", form="json")
    try:
        status = worker.run(settings, instance="one", timing=Timing(**QUICK))
    except StreamledgerError as error:
        sys.stderr.write(f"REFUSED {error}\n")
        status = error.exit_code
    sys.stderr.flush()
    os._exit(status)


async def lane(settings: Settings, crashes: Sequence[Crash], logs: Path) -> None:
    """Crash after crash, then a worker that lives; what came out is what the waves say."""
    waves = Waves(settings)
    await waves.start()
    try:
        for number, crash in enumerate(crashes):
            await _crash(waves, crash, logs / f"{number:03d}-{crash.point}-{crash.directory}")
        await _close(waves, logs / "last")
        await reconcile(waves)
    finally:
        await waves.stop()


async def _crash(waves: Waves, crash: Crash, log: Path) -> None:
    """Start a worker with one point armed, and send waves until it has died there."""
    if crash.foreign:
        await _exchange(waves, log.with_suffix(".before"))
    worker = Forked(waves.settings, log, f"{crash.point}@1:kill")
    deadline = time.monotonic() + SECONDS
    try:
        await waves.send()
        if crash.leaving:
            await worker.said("assigned")
            worker.terminate()
        while not await worker.ended(WAVE_SECONDS):
            assert time.monotonic() < deadline, f"{crash.point} is not passed:\n{worker.text()[-3_000:]}"
            if not crash.leaving:
                await waves.send()
        assert worker.process.exitcode == -signal.SIGKILL, f"{crash}: {worker.process.exitcode}\n{worker.text()}"
    finally:
        worker.kill()
    if crash.directory == "emptied":
        shutil.rmtree(waves.settings.data_dir)


async def _exchange(waves: Waves, log: Path) -> None:
    """Let a worker come and go, so that both partitions have a store, and give each the other's."""
    worker = Forked(waves.settings, log)
    try:
        await worker.said("assigned")
        worker.terminate()
        assert await worker.ended(SECONDS)
        assert worker.process.exitcode == 0, worker.text()
    finally:
        worker.kill()
    first, second = sorted(waves.settings.data_dir.rglob("requests-*.db"))
    aside = first.with_suffix(".aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


async def _close(waves: Waves, log: Path) -> None:
    """A worker that lives until all is closed."""
    worker = Forked(waves.settings, log)
    try:
        for _ in range(CLOSING_WAVES):
            await waves.send()
        closed = sum(not _may_be_open(record, waves.number) for record in waves.expected)
        await committed(waves.settings, waves.settings.record_topic, at_least=closed)
        worker.terminate()
        assert await worker.ended(SECONDS)
        assert worker.process.exitcode == 0, worker.text()
    finally:
        worker.kill()


async def reconcile(waves: Waves) -> None:
    """Each request has its records once, each as it must be; the same for dead letters. The last waves may be open.

    Raises:
        AssertionError: They differ.
    """
    settings = waves.settings
    records = [shown(each.value or b"") for each in await committed(settings, settings.record_topic)]
    seen = Counter(json.dumps(record, sort_keys=True) for record in records)
    wanted = Counter(json.dumps(record, sort_keys=True) for record in waves.expected)
    foreign = sorted((seen - wanted).elements())  # among them what is there twice
    missing = [each for each in (wanted - seen).elements() if not _may_be_open(json.loads(each), waves.number)]
    assert not foreign, f"{len(foreign)} records that must not be, first {foreign[0]}"
    assert not missing, f"{len(missing)} records are missing, first {missing[0]}"
    dead = await committed(settings, settings.dead_topic)
    letters = Counter((dict(each.headers)["dl.reason"].decode(), each.value or b"") for each in dead)
    assert letters == waves.dead, f"more {letters - waves.dead}, less {waves.dead - letters}"


def _may_be_open(record: dict[str, Any], waves: int) -> bool:
    """Whether a request is silent for less than its window when the last wave has been read."""
    name = str(record["request_id"])
    return name.endswith("-silent") and int(name[1:4]) >= waves - 2
