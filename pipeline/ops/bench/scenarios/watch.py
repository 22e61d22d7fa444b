"""Records as any consumer has them: when each request's first one was fetched under read_committed.

Owns the clock of arrival. Imports aiokafka.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.errors import FoundProblem
from pipeline.settings import Settings, client


class Watch:
    """A reader that runs beside everything else.

    Attributes:
        arrived: When a request's record was fetched, ms since the epoch.
    """

    def __init__(self, consumer: Any) -> None:
        """Made by `watching`."""
        self.arrived: dict[bytes, float] = {}
        self._consumer = consumer

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            batches = await self._consumer.getmany(timeout_ms=100)
            now = time.time() * 1_000
            for records in batches.values():
                for record in records:
                    self.arrived.setdefault(record.key, now)

    def delays(self, appended: Mapping[bytes, int], *, since: float = 0.0, until: float = 1e18) -> list[float]:
        """From the append of a request's last chunk to its record, ms, of those appended in a span of time.

        Raises:
            FoundProblem: One of them has no record.
        """
        wanted = [(key, at) for key, at in appended.items() if since <= at < until]
        missing = sum(key not in self.arrived for key, _ in wanted)
        if missing or not wanted:
            raise FoundProblem(f"{missing:,} of {len(wanted):,} requests have no record")
        return [self.arrived[key] - at for key, at in wanted]


@contextlib.asynccontextmanager
async def watching(settings: Settings) -> AsyncIterator[Watch]:
    """A watch of the settings' record topic, from its beginning."""
    consumer = AIOKafkaConsumer(
        **client(settings), group_id=None, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    await consumer.start()
    consumer.assign([TopicPartition(settings.record_topic, number) for number in range(settings.partitions)])
    watch = Watch(consumer)
    running = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await consumer.stop()
