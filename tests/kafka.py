"""Messages into the topics of the Kafka of the tests, by `pipeline.testing`; and what retention takes out of them."""

from __future__ import annotations

from collections.abc import Iterable

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from pipeline.settings import Settings, client
from pipeline.testing.topic import Message, append
from pipeline.testing.waiting import run


def put(settings: Settings, topic: str, messages: Iterable[Message]) -> None:
    """Messages to a topic, in order."""
    run(append(settings, topic, messages))


async def forget(settings: Settings, topic: str, partition: int, before: int = -1) -> None:
    """Delete what lies before an offset, or all there is, as retention does."""
    admin = AIOKafkaAdminClient(**client(settings))
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before_offset=before)})
    finally:
        await admin.close()
