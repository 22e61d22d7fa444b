"""Chunks into a topic as fast as one process can: batches are filled by hand, one under way for each partition.

Owns the producer's batches and what is told when they have arrived. Imports aiokafka, the partitioner, errors, and of
`pipeline.ops.produce` what an error means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from pipeline.errors import BrokerFault, KafkaUnreachable, UsageError
from pipeline.ops.produce import unanswered
from pipeline.settings import right
from pipeline.topics.partitioner import partition_of

BATCH_BYTES: Final = 256 << 10
"""A producer under load fills batches of this size; consumers then get few and large ones."""

Arrived = Callable[[list[tuple[bytes, Any]], int], None]
"""Told keys and marks of chunks that Kafka has, and its append time."""


class Feed:
    """What is on its way into a topic.

    Attributes:
        sent, size: Chunks and the bytes of their values.
    """

    def __init__(self, producer: Any, topic: str, partitions: int, arrived: Arrived = lambda *_: None) -> None:
        """Send nothing yet.

        Args:
            producer: An AIOKafkaProducer that is started.
            topic: Where to.
            partitions: How many that topic has.
            arrived: Told of marked chunks when they have arrived.
        """
        self.sent = self.size = 0
        self._producer, self._topic, self._partitions, self._arrived = producer, topic, partitions, arrived
        self._batches: dict[int, tuple[Any, list[tuple[bytes, Any]]]] = {}
        self._flying: set[Any] = set()
        self._places: dict[bytes, int] = {}
        self._failed: BaseException | None = None

    async def send(self, chunks: Iterable[tuple[bytes, bytes, Any]]) -> None:
        """Put chunks into batches; the full ones go out.

        Args:
            chunks: Key, value and mark of each; something true marks the last one of its key.

        Raises:
            KafkaUnreachable: No broker answers any more.
            BrokerFault: Kafka refuses the chunks.
            UsageError: A chunk is larger than the topic takes.
        """
        places, batches = self._places, self._batches
        for key, value, mark in chunks:
            place = places.get(key)
            if place is None:
                place = places[key] = partition_of(key, self._partitions)
            batch = batches.get(place) or self._begun(place)
            if batch[0].append(timestamp=None, key=key, value=value, headers=[]) is None:
                await self._pass_on(place)
                batch = self._begun(place)
                batch[0].append(timestamp=None, key=key, value=value, headers=[])
            self.sent += 1
            self.size += len(value)
            if mark:
                batch[1].append((key, mark))
                del places[key]

    async def flush(self) -> None:
        """Send what is in batches."""
        for place in list(self._batches):
            await self._pass_on(place)

    async def settle(self) -> None:
        """Send all and see that it has arrived."""
        await self.flush()
        while self._flying:
            await asyncio.wait(self._flying)
            await asyncio.sleep(0)  # for the callbacks
        self._check()

    def _begun(self, place: int) -> tuple[Any, list[tuple[bytes, Any]]]:
        batch = self._batches[place] = (self._producer.create_batch(), [])
        return batch

    async def _pass_on(self, place: int) -> None:
        self._check()
        builder, marks = self._batches.pop(place)
        try:
            flying = await self._producer.send_batch(builder, self._topic, partition=place)
        except KafkaError as error:
            raise self._blame(error) from error
        self._flying.add(flying)
        flying.add_done_callback(lambda done: self._landed(done, marks))

    def _landed(self, done: Any, marks: list[tuple[bytes, Any]]) -> None:
        self._flying.discard(done)
        if done.cancelled():
            return
        if (error := done.exception()) is not None:
            self._failed = self._failed or error
        elif marks:
            self._arrived(marks, done.result().timestamp)

    def _check(self) -> None:
        if self._failed is not None:
            raise self._blame(self._failed) from self._failed

    def _blame(self, error: BaseException) -> Exception:
        if isinstance(error, MessageSizeTooLargeError):
            return UsageError(f"topic {self._topic} takes no batch of this size", hint="create it: streamledger topics")
        if unanswered(error):
            text = f"Kafka stopped answering after {self.sent:,} chunks"
            return KafkaUnreachable(text, hint="what did not arrive is `unsure` in the ledger file")
        if (refused := right(error, "WRITE", topic=self._topic)) is not None:
            return refused
        text = f"Kafka refused chunks: {type(error).__name__}"
        return BrokerFault(text, hint=f"check the rights of this user on topic {self._topic}")
