"""What every scenario stands on: a broker, topics and settings of its own, and the worker as a process.

Owns how a worker is started, waited for and asked what it did. Imports its siblings of `pipeline.ops.bench`, the tools
of `pipeline.ops` and `pipeline.settings`.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.errors import FoundProblem
from pipeline.ops.bench.peer import PEERS, WORKER, Stage
from pipeline.ops.bench.process import Participant
from pipeline.ops.bench.scenarios.watch import Watch
from pipeline.ops.bench.site import Site
from pipeline.ops.events import events
from pipeline.settings import Settings, client
from pipeline.topics.admin import create, definitions

START_SECONDS: Final = 90.0
LOOK_SECONDS: Final = 0.05
CALM_SECONDS: Final = 12.0
"""Memory that is not seen to change for so long has settled."""


@dataclass(frozen=True)
class Ground:
    """A broker and the choices that hold for all scenarios.

    Attributes:
        settings: Of the worker, but for names, topics and the way to Kafka.
        site: Broker, directory and what the user sees.
        quick: Small loads: to look at, not to judge by.
        rate: Chunks a second where a scenario has a pace.
        tiny: A few seconds a scenario, for tests.
    """

    settings: Settings
    site: Site
    quick: bool
    rate: int
    tiny: bool = False

    def pick(self, full: int, quick: int, tiny: int) -> int:
        """The size for this run."""
        return tiny if self.tiny else quick if self.quick else full

    async def stage(self, name: str, **changes: Any) -> Stage:
        """Topics and settings of one run, named by it.

        Args:
            name: Of the run, letters and digits.
            changes: Settings that the scenario is about.
        """
        home = self.site.home / name
        home.mkdir(exist_ok=True)
        changes = {"data_dir": home / "data", **changes}
        settings = self.site.settings(self.settings, name, f"load-{name}x.chunks", **changes)
        await create(client(settings), definitions(settings))
        return Stage(settings, home, Path(sys.executable), self.site.steps.say)

    @contextlib.asynccontextmanager
    async def worker(self, stage: Stage) -> AsyncIterator[Worker]:
        """A worker that has its partitions; gone at the end of the block."""
        command = next(peer for peer in PEERS if peer.name == WORKER).command(stage)
        log = stage.home / "output.log"
        log.unlink(missing_ok=True)
        with Participant(command.arguments, command.environment, log) as process:
            worker = Worker(stage.settings, process)
            await worker.until(lambda: worker.ready, START_SECONDS, "it took no partitions")
            yield worker


class Worker:
    """A running worker, seen from outside."""

    def __init__(self, settings: Settings, process: Participant) -> None:
        """Made by `Ground.worker`."""
        self.settings, self.process = settings, process

    def events(self, name: str) -> list[dict[str, Any]]:
        """What it logged under a name, in order."""
        return events(self.process.output(), name)

    @property
    def ready(self) -> bool:
        """Whether it has all its partitions."""
        return any(event.get("ready") and event.get("partitions") for event in self.events("assigned"))

    async def until(self, condition: Callable[[], bool], seconds: float, text: str) -> None:
        """Wait for a condition.

        Raises:
            FoundProblem: It did not come true in time, or the worker ended.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if self.process.ended is not None:
                raise FoundProblem(f"the worker ended with status {self.process.ended}: {self.process.tail()}")
            if time.monotonic() > deadline:
                raise FoundProblem(f"{text} in {seconds:g} s")
            await asyncio.sleep(LOOK_SECONDS)

    async def records(self, watch: Watch, count: int, seconds: float) -> None:
        """Wait until so many requests have their record.

        Raises:
            FoundProblem: They don't in time, or the worker ended.
        """
        await self.until(lambda: len(watch.arrived) >= count, seconds, f"{count:,} records were not there")

    async def caught_up(self, seconds: float) -> None:
        """Wait until everything in the chunk topic stands behind a checkpoint.

        Raises:
            FoundProblem: It does not get there in time.
        """
        settings = self.settings
        reader = AIOKafkaConsumer(**client(settings), group_id=settings.ledger, enable_auto_commit=False)
        await reader.start()
        try:
            places = [TopicPartition(settings.chunk_topic, number) for number in range(settings.partitions)]
            ends = await reader.end_offsets(places)
            deadline = time.monotonic() + seconds
            while any([(await reader.committed(place) or 0) < ends[place] for place in places]):
                if self.process.ended is not None or time.monotonic() > deadline:
                    raise FoundProblem(f"the worker did not catch up in {seconds:g} s")
                await asyncio.sleep(LOOK_SECONDS * 4)
        finally:
            await reader.stop()

    async def resident(self, seconds: float = 40.0) -> int:
        """Bytes of memory that it occupies, once that no longer changes by a percent."""
        deadline = time.monotonic() + seconds
        seen, since = self.process.resident(), time.monotonic()
        while time.monotonic() < min(deadline, since + CALM_SECONDS):
            await asyncio.sleep(LOOK_SECONDS)
            now = self.process.resident()
            if abs(now - seen) > seen // 100:
                seen, since = now, time.monotonic()
        return self.process.resident()

    async def stop(self) -> Mapping[str, Any]:
        """End it in order; what it held when it was told to, and what it had done in all when it left."""
        await asyncio.to_thread(self.process.stop)
        held, done = self.events("leaving"), self.events("stopped")
        if not held or not done:
            raise FoundProblem(f"the worker came to no orderly end: {self.process.tail()}")
        return {**done[-1], **{name: held[-1][name] for name in ("open", "store_bytes")}}
