"""A topic followed from positions that its reader keeps itself: read_committed, without a group.

Owns the consumer and what is said of an offset that is not kept any more. Imports aiokafka, the engine's safe
consumer, settings and errors.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from pipeline.engine.fetched import Consumer
from pipeline.errors import FoundProblem
from pipeline.settings import Settings, client, patient
from pipeline.topics.admin import counts
from pipeline.topics.answer import answering

FETCH_BYTES: Final = 8 << 20
METADATA_MS: Final = 60_000
"""How soon new partitions are heard of."""
WAIT_MS: Final = 500
"""Longest wait for records before an empty batch is handed out, so that the reader can do what time asks for."""


class Tail:
    """The partitions of one topic, read on and on.

    Attributes:
        partitions: Their numbers.
    """

    def __init__(self, consumer: Any, topic: str, partitions: Sequence[int]) -> None:
        """Made by `following`."""
        self._consumer, self._topic = consumer, topic
        self.partitions = list(partitions)

    async def batch(self, limit: int, wait_ms: int = WAIT_MS) -> dict[int, list[Any]]:
        """The next records by partition, at most `limit` in all; none if nothing comes for `wait_ms`.

        Raises:
            FoundProblem: the position is not kept any more: retention went over what was not read.
            KafkaUnreachable: no broker answers any more; to be tried again with the same positions.
            AccessRefused: this user may not read the topic.
        """
        with answering(self._topic):
            try:
                taken = await self._consumer.getmany(timeout_ms=wait_ms, max_records=limit)
            except OffsetOutOfRangeError as error:
                lost = ", ".join(f"partition {place.partition} at {offset}" for place, offset in error.args[0].items())
                raise FoundProblem(
                    f"what was to be read next is not kept any more: {lost}",
                    topic=self._topic,
                    hint="records were missed; a sink goes on behind them with --skip-lost, and notes the gap",
                ) from error
        return {place.partition: records for place, records in taken.items() if records}

    async def positions(self) -> dict[int, int]:
        """Next offset of each partition, past control records."""
        return {
            number: await self._consumer.position(TopicPartition(self._topic, number)) for number in self.partitions
        }

    def count(self) -> int:
        """How many partitions the topic has by now, as far as the client has heard."""
        return len(self._consumer.partitions_for_topic(self._topic) or self.partitions)

    def heard(self) -> dict[int, int]:
        """End of each partition as it came with the newest fetch, without asking; may be asked from any thread."""
        subscription = self._consumer._subscription.subscription  # noqa: SLF001 (its own highwater() asserts)
        assignment = None if subscription is None else subscription.assignment
        if assignment is None:
            return {}
        states = {number: assignment.state_value(TopicPartition(self._topic, number)) for number in self.partitions}
        return {
            number: state.highwater
            for number, state in states.items()
            if state is not None and state.highwater is not None
        }

    async def ends(self) -> dict[int, int]:
        """End of each partition as a committed reader sees it.

        Raises:
            KafkaUnreachable: no broker answers any more.
        """
        places = [TopicPartition(self._topic, number) for number in self.partitions]
        with answering(self._topic):
            found = await self._consumer.end_offsets(places)
        return {place.partition: end for place, end in found.items()}


@contextlib.asynccontextmanager
async def following(
    settings: Settings, topic: str, positions: Mapping[int, int], partitions: Sequence[int] | None = None
) -> AsyncIterator[Tail]:
    """Follow a topic for the block.

    Args:
        settings: The way to Kafka.
        topic: Its name.
        positions: Next offset by partition; one without begins with the first record that is kept.
        partitions: Their numbers; None: all.

    Raises:
        KafkaUnreachable: no broker answers.
        AccessRefused: a login or a right is refused.
        UsageError: the topic does not exist.
    """
    count = (await counts(client(settings), [topic])).of(topic)
    numbers = list(range(count)) if partitions is None else list(partitions)
    consumer = patient(
        Consumer(
            **client(settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_partition_fetch_bytes=FETCH_BYTES,
            metadata_max_age_ms=METADATA_MS,
        )
    )
    places = [TopicPartition(topic, number) for number in numbers]
    try:
        with answering(topic):
            await consumer.start()
            consumer.assign(places)
            begins = await consumer.beginning_offsets(places)
        for place in places:
            consumer.seek(place, positions.get(place.partition, begins[place]))
        yield Tail(consumer, topic, numbers)
    finally:
        with contextlib.suppress(asyncio.CancelledError):  # of one that never had a partition
            await consumer.stop()
