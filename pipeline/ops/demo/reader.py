"""The demo's own look into the topics, as any consumer has it: read_committed, from the first offset, without a group.

Owns reading to a condition or to the end, how far the worker's group has come, and the removal of topics from a Kafka
that is not ours. Imports aiokafka, the engine's safe consumer and the errors.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from pipeline.engine.fetched import Consumer
from pipeline.errors import FoundProblem

Client = Mapping[str, Any]

WAIT_MS: Final = 200
END_SECONDS: Final = 15.0
"""Deadline for reading to an end that is known to be there."""
COMMIT_SECONDS: Final = 60.0
"""Deadline for a checkpoint that is due in a fifth of a second: a busy machine is no reason to fail."""
LOOK_SECONDS: Final = 0.05


class Reader:
    """Everything in one topic, as it comes."""

    def __init__(self, consumer: Any, topic: str) -> None:
        """Made by `reading`."""
        self._consumer = consumer
        self._topic = topic

    async def some(self) -> list[Any]:
        """The next records, none if nothing comes for a moment."""
        batches = await self._consumer.getmany(timeout_ms=WAIT_MS)
        return [record for batch in batches.values() for record in batch]

    async def rest(self, seconds: float = END_SECONDS) -> list[Any]:
        """All records up to the end that the topic has now.

        Raises:
            FoundProblem: The end can't be reached: a transaction hangs, or the broker does not answer.
        """
        records: list[Any] = []
        try:
            async with asyncio.timeout(seconds):
                ends = await self._consumer.end_offsets(self._consumer.assignment())
                while not await self._reached(ends):
                    records += await self.some()
        except TimeoutError:
            text = f"the end of the topic can't be reached in {seconds:g} s"
            raise FoundProblem(text, topic=self._topic, hint="is a transaction open?") from None
        return records

    async def _reached(self, ends: Mapping[Any, int]) -> bool:
        return all([await self._consumer.position(place) >= end for place, end in ends.items()])


@contextlib.asynccontextmanager
async def reading(client: Client, topic: str) -> AsyncIterator[Reader]:
    """A reader of a topic, from its beginning."""
    consumer = Consumer(topic, **client, group_id=None, auto_offset_reset="earliest", isolation_level="read_committed")
    await consumer.start()
    try:
        yield Reader(consumer, topic)
    finally:
        await consumer.stop()


async def read_all(client: Client, topic: str) -> list[Any]:
    """All records that a topic holds now, each partition in the order of its offsets."""
    async with reading(client, topic) as reader:
        return await reader.rest()


async def passed(client: Client, group: str, count: int, look: Callable[[], None]) -> None:
    """Wait until a group has committed so many chunks, over all partitions of a topic that it reads from its beginning.

    Args:
        client: The way to Kafka.
        group: Its name.
        count: Sum of the offsets.
        look: Called now and then; what it raises ends the waiting.

    Raises:
        FoundProblem: It does not come that far.
    """
    admin, done = AIOKafkaAdminClient(**client), 0
    try:
        async with asyncio.timeout(COMMIT_SECONDS):
            await admin.start()
            while (done := await _committed(admin, group)) < count:
                look()
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        text = f"only {done:,} of {count:,} chunks are committed after {COMMIT_SECONDS:g} s"
        raise FoundProblem(text, hint="the last words of the worker are above") from None
    finally:
        await admin.close()


async def _committed(admin: AIOKafkaAdminClient, group: str) -> int:
    """Sum of a group's offsets; 0 while its coordinator is not ready to tell."""
    try:
        offsets = await admin.list_consumer_group_offsets(group)
    except KafkaError:
        return 0
    return sum(each.offset for each in offsets.values())


async def remove(client: Client, topics: Sequence[str]) -> list[str]:
    """Delete topics; the names of those that could not be deleted."""
    admin = AIOKafkaAdminClient(**client)
    try:
        await admin.start()
        answer = await admin.delete_topics(list(topics))
    except (KafkaError, TimeoutError):
        return list(topics)
    finally:
        await admin.close()
    return [name for name, code, *_ in answer.topic_error_codes if code]
