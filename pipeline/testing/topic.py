"""Messages into the topics of a ledger and out of them, as any producer and any committed consumer would.

Owns the two ways. Imports aiokafka, the engine's safe consumer and the settings.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from aiokafka import AIOKafkaProducer, TopicPartition

from pipeline.engine.fetched import Consumer
from pipeline.settings import Settings, client
from pipeline.testing.folding import Thing, value
from pipeline.testing.stream import delivered
from pipeline.testing.waiting import DEADLINE

Message = tuple[Any, ...]
"""Key, value and, if told, partition and headers; without a partition it goes to that of its key."""


class Place(NamedTuple):
    """Where a message lies; `timestamp` is its append time in ms."""

    partition: int
    offset: int
    timestamp: int


@dataclass(frozen=True)
class Seen:
    """A message as a consumer sees it."""

    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int
    offset: int


async def append(settings: Settings, topic: str, messages: Iterable[Message], **options: Any) -> list[Place]:
    """Messages to a topic, in order; where each of them lies. `options` are those of the producer."""
    producer = AIOKafkaProducer(**client(settings), acks="all", enable_idempotence=True, **options)
    await producer.start()
    try:
        deliveries = []
        for message in messages:
            key, sent, *where = message
            partition, headers = where[0] if where else None, where[1] if len(where) > 1 else ()
            deliveries.append(await producer.send(topic, sent, key=key, partition=partition, headers=list(headers)))
        places = [await delivery for delivery in deliveries]
    finally:
        await producer.stop()
    return [Place(place.partition, place.offset, place.timestamp) for place in places]


async def committed(
    settings: Settings, topic: str, *, at_least: int = 0, isolation: str = "read_committed", deadline: float = DEADLINE
) -> list[Seen]:
    """Everything that a read_committed consumer sees of a topic, once there are at least so many messages.

    Args:
        settings: The way to Kafka, and how many partitions the topic has.
        topic: Its name.
        at_least: Messages to wait for.
        isolation: With `read_uncommitted` also what was aborted.
        deadline: Seconds.

    Raises:
        AssertionError: there are not so many at the deadline.
    """
    consumer = Consumer(
        **client(settings),
        isolation_level=isolation,
        enable_auto_commit=False,
        max_partition_fetch_bytes=1 << 25,
    )
    await consumer.start()
    try:
        parts = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)
        found: list[Seen] = []
        end = time.monotonic() + deadline
        while time.monotonic() < end:
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found += [Seen(r.partition, r.key, r.value, tuple(r.headers), r.timestamp, r.offset) for r in batch]
            ends = await consumer.end_offsets(parts)
            if len(found) >= at_least and all([await consumer.position(part) >= ends[part] for part in parts]):
                return found
        raise AssertionError(f"{len(found)} of {at_least} messages in {topic} after {deadline:g} s")
    finally:
        await consumer.stop()


def messages(things: Iterable[Thing], partition: int | None = None) -> list[Message]:
    """Streams, chunks and values as messages under their request ids; what names none gets no key."""
    return [(_key(each), value(each), partition) for each in delivered(things)]


def _key(thing: Mapping[str, Any] | bytes) -> bytes | None:
    if isinstance(thing, bytes):
        try:
            document = json.loads(thing)
        except ValueError:
            return None
        thing = cast("Mapping[str, Any]", document) if isinstance(document, dict) else {}
    request_id = thing.get("request_id")
    return request_id.encode(errors="replace") if isinstance(request_id, str) else None
