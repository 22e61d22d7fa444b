"""A ledger of its own on the Kafka of the tests, and messages into its topics and out of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from pipeline.settings import Settings, client

Message = tuple[Any, ...]
"""Key, value and, if told, partition and headers; without a partition it goes to that of its key."""


async def append(settings: Settings, topic: str, messages: Iterable[Message], **options: Any) -> None:
    """Messages to a topic, in order; `options` are those of the producer."""
    producer = AIOKafkaProducer(**client(settings), acks="all", enable_idempotence=True, **options)
    await producer.start()
    try:
        for message in messages:
            key, value, *place = message
            partition, headers = place[0] if place else None, place[1] if len(place) > 1 else ()
            await producer.send(topic, value, key=key, partition=partition, headers=list(headers))
        await producer.flush()
    finally:
        await producer.stop()


def put(settings: Settings, topic: str, messages: Iterable[Message]) -> None:
    """The same outside of a loop."""
    asyncio.run(append(settings, topic, messages))


async def forget(settings: Settings, topic: str, partition: int, before: int = -1) -> None:
    """Delete what lies before an offset, or all there is, as retention does."""
    admin = AIOKafkaAdminClient(**client(settings))
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before_offset=before)})
    finally:
        await admin.close()


def ledger_settings(kafka: str, ledger: str, data_dir: Path, *, chunks: str = "", **changes: Any) -> Settings:
    """Settings of a ledger whose topics have its name, with two partitions.

    Args:
        kafka: its bootstrap servers.
        ledger: a name that nothing else on it has.
        data_dir: of its workers.
        chunks: name of the chunk topic's owner, where several ledgers read the same.
        changes: other settings by name.
    """
    named: dict[str, Any] = {
        "bootstrap_servers": kafka,
        "ledger": ledger,
        "chunk_topic": f"{chunks or ledger}.chunks",
        "record_topic": f"{ledger}.records",
        "dead_topic": f"{ledger}.dead",
        "data_dir": data_dir,
        "partitions": 2,
        "replication": 1,
    }
    return Settings(**(named | changes))
