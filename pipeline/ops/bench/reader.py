"""The one clock and counter of all participants: a consumer of their output, read_committed, outside of them.

Owns when a record counts as visible: when this consumer has it. Imports aiokafka.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

WAIT_MS: Final = 100
"""Longest wait for records before the caller gets to look at something else."""


class Counter:
    """Records of one topic as they become visible.

    Attributes:
        found: Different keys.
        doubles: Records whose key came before.
        last: When the newest different key was seen, seconds since the epoch.
    """

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        """Made by `counting`."""
        self._consumer = consumer
        self._keys: set[bytes] = set()
        self.doubles = 0
        self.last = 0.0

    @property
    def found(self) -> int:
        """How many different keys were seen."""
        return len(self._keys)

    async def look(self) -> None:
        """Take what has become visible, or wait a moment for it."""
        batches = await self._consumer.getmany(timeout_ms=WAIT_MS)
        now = time.time()
        for records in batches.values():
            before = len(self._keys)
            self._keys.update(record.key for record in records)
            self.doubles += len(records) - (len(self._keys) - before)
            if len(self._keys) > before:
                self.last = now


@contextlib.asynccontextmanager
async def counting(client: Mapping[str, Any], topic: str, partitions: int) -> AsyncIterator[Counter]:
    """A counter of a topic, from its beginning."""
    consumer = AIOKafkaConsumer(**client, group_id=None, auto_offset_reset="earliest", isolation_level="read_committed")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
        yield Counter(consumer)
    finally:
        await consumer.stop()
