"""One run for all symptoms that bite on a real broker: a worker killed between produce and commit, then two others.

Closing goes by the producers' clock here (`clock=create`), as in the crash tests: the windows are the default ones and
pass with the chunks, so nothing waits for them and no slow machine changes what must come out.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from pipeline.core.segment import SEGMENT
from pipeline.settings import Settings, client
from pipeline.testing.chunk import HOUR, Document
from pipeline.testing.ledger import ledger_settings
from pipeline.topics.admin import create, definitions
from tests.integration.engine.harness import QUICK, Seen, Worker, committed, running
from tests.ledger import valid
from tests.symptoms.traffic import ABANDONED, KILLED, RESTARTED, WAVES, Send, abandoned, begin, go_on, over

SECONDS: Final = 30.0
"""Deadline of the table's becoming empty."""

FIRST_RECORDS: Final = KILLED + 5 + 3
"""Records of requests that are whole from the start: those for the kill, the unpriced, and three more."""


@dataclass
class Live:
    """What came of it.

    Attributes:
        settings: of the ledger.
        produced: records that the killed worker had sent and not committed.
        before: records that were committed then.
        records, dead: what a read_committed consumer sees at the end.
        moved: of the worker that joined: open requests it had restored.
        resident: MiB of memory of both workers after each wave of abandoned requests.
        left: segments and open requests that are there at the end.
        warnings: of models without a price, by worker.
    """

    settings: Settings
    produced: int = 0
    before: int = 0
    records: list[Seen] = field(default_factory=list)
    dead: list[Seen] = field(default_factory=list)
    moved: int = 0
    resident: list[float] = field(default_factory=list)
    left: tuple[int, int] = (-1, -1)
    warnings: list[list[Document]] = field(default_factory=list)

    def of(self, request_id: str) -> list[Document]:
        """Records of a request."""
        return [valid(each.value) for each in self.records if each.key == request_id.encode()]

    def all(self, prefix: str) -> list[Document]:
        """Records of requests whose id begins so."""
        return [json.loads(each.value or b"") for each in self.records if (each.key or b"").startswith(prefix.encode())]


def settings_of(bootstrap_servers: str, folder: Path) -> Settings:
    """A ledger of its own with the default windows, which pass with the chunks."""
    ledger = f"symptoms{time.time_ns()}"
    slack = 100 * 24 * HOUR  # the wall clock closes nothing
    return ledger_settings(bootstrap_servers, ledger, folder / "data", clock="create", clock_slack=slack)


def play(bootstrap_servers: str, folder: Path) -> Live:
    """The whole run."""
    live = Live(settings_of(bootstrap_servers, folder))
    with ExitStack() as stack:
        asyncio.run(_Run(live, folder, stack).play())
    return live


class _Run:
    def __init__(self, live: Live, folder: Path, stack: ExitStack) -> None:
        self.live, self.settings = live, live.settings
        self._folder, self._stack = folder, stack
        self._base = int(time.time() * 1_000) - 30 * 24 * HOUR
        self._producer: Any = None

    async def play(self) -> None:
        """Topics, traffic and workers in turn."""
        topics = definitions(self.settings)
        for topic in topics:
            topic.config["retention.ms"] = "-1"  # chunks of a month ago stay
        await create(client(self.settings), topics)
        self._producer = AIOKafkaProducer(**client(self.settings), acks="all", linger_ms=5)
        await self._producer.start()
        try:
            workers = [await self.killed(), *await self.restarted()]
            self.live.resident = [await self.wave(number, workers[1:]) for number in range(WAVES)]
            await self.end(workers)
        finally:
            await self._producer.stop()
        self.live.records = await self.committed()
        self.live.dead = await committed(self.settings, self.settings.dead_topic)

    async def killed(self) -> Worker:
        """A worker that dies when its first records are sent and not committed."""
        await self.send(begin())
        worker = self.worker("first", failpoints="checkpoint.before_commit@1:kill")
        assert await asyncio.to_thread(worker.wait) == -signal.SIGKILL, worker.text()
        self.live.before = len(await self.committed())
        self.live.produced = len(await self.committed(isolation="read_uncommitted"))
        return worker

    async def restarted(self) -> list[Worker]:
        """One that takes up its work, and one that takes half of it over while streams are open."""
        second = self.worker("second")
        await self.committed(at_least=FIRST_RECORDS)
        third = self.worker("third")
        share = await asyncio.to_thread(third.wait_for, "assigned")
        assert len(share["partitions"]) == 1
        self.live.moved = sum(event["open"] for event in third.events("restored"))
        await self.send(go_on())
        await self.committed(at_least=FIRST_RECORDS + RESTARTED + 5)
        return [second, third]

    async def wave(self, number: int, workers: Iterable[Worker]) -> float:
        """Abandoned requests until all of them have expired; MiB of the workers then."""
        await self.send(abandoned(number))
        await self.committed(at_least=FIRST_RECORDS + RESTARTED + ABANDONED * (number + 1))
        return sum(_resident(worker) for worker in workers)

    async def end(self, workers: list[Worker]) -> None:
        """When everything is over, the workers leave; what is left of it then."""
        await self.send(over())
        deadline = time.monotonic() + SECONDS
        while (segments := await self.segments()) and time.monotonic() < deadline:
            pass  # asking takes its time
        for worker in workers[1:]:
            assert (await asyncio.to_thread(worker.terminate))[0] == 0
        self.live.left = segments, sum(worker.events("leaving")[-1]["open"] for worker in workers[1:])
        self.live.warnings = [worker.events("no price") for worker in workers]

    async def segments(self) -> int:
        """Segments of chunks that the changelog still holds."""
        topic = next(each.name for each in definitions(self.settings) if each.role == "requests")
        rows = {(row.partition, row.key or b""): row.value for row in await committed(self.settings, topic)}
        return sum(value is not None and key.startswith(SEGMENT) for (_, key), value in rows.items())

    def worker(self, name: str, **options: Any) -> Worker:
        """A worker that is gone at the end of the run."""
        return self._stack.enter_context(running(self.settings, self._folder / name, timing=QUICK, **options))

    async def send(self, sends: Iterable[Send]) -> None:
        """Produce messages."""
        for each in sends:
            key = None if each.key is None else each.key.encode()
            at = self._base + each.at
            await self._producer.send(
                self.settings.chunk_topic, each.value, key=key, partition=each.partition, timestamp_ms=at
            )
        await self._producer.flush()

    async def committed(self, **options: Any) -> list[Seen]:
        """Records as a consumer sees them."""
        return await committed(self.settings, self.settings.record_topic, **options)


def _resident(worker: Worker) -> float:
    """MiB of memory that a worker occupies."""
    status = Path(f"/proc/{worker.process.pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1_024
