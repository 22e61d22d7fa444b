"""Ranges of a topic's partition, read_committed and without a group, with a deadline for what must be there.

Owns the consumers. Imports aiokafka, the engine's safe consumer, settings and errors.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Any, Final, Literal, NamedTuple

from aiokafka.structs import TopicPartition

from pipeline.engine.fetched import Consumer, lean
from pipeline.errors import BrokerFault, UsageError
from pipeline.settings import Settings, client
from pipeline.topics.admin import Counts, counts
from pipeline.topics.answer import answering
from pipeline.topics.bound import Bound

POLL_MS: Final = 200
STALL_SECONDS: Final = 30.0
"""Longest wait for records that are known to be there: covers the election of a new leader."""
FETCH_BYTES: Final = 8 << 20
BATCH_RECORDS: Final = 10_000
"""Records taken at once: a fetch may hold ten times its bytes once it is unpacked."""


Kind = Literal["whole", "lean", "uncommitted"]
"""Of a consumer: records as aiokafka makes them; lean ones; one that sees open transactions, to ask for ends."""


class Seen(NamedTuple):
    """How far a reading has come: what is read, offsets done and to do."""

    what: str
    done: int
    total: int


Progress = Callable[[Seen], None]


class Batch(NamedTuple):
    """Records that were fetched together, and the next offset, past control records, too."""

    records: Sequence[Any]
    end: int


class Topics:
    """The topics of one Kafka, to be read from."""

    def __init__(self, settings: Settings, counted: Counts, progress: Progress) -> None:
        """Made by `reading`."""
        self._settings = settings
        self._counts = counted
        self._progress = progress
        self._consumers: dict[Kind, Any] = {}

    async def stop(self) -> None:
        """Close the connections."""
        for consumer in self._consumers.values():
            await consumer.stop()

    def has(self, topic: str, partition: int) -> bool:
        """Whether a topic is there, with this partition."""
        return partition < self._counts.partitions.get(topic, 0)

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has.

        Raises:
            UsageError: it does not exist.
            AccessRefused: this user may not see it.
        """
        return self._counts.of(topic)

    async def bounds(
        self, topic: str, partition: int, since: Bound | None = None, until: Bound | None = None
    ) -> tuple[int, int]:
        """Offsets [begin, end) between two bounds; without one, of all that is kept and can be read.

        Raises:
            UsageError: there is no such partition.
            KafkaUnreachable: no broker answers any more.
        """
        if partition >= self.partitions(topic):
            text = f"topic {topic} has {self.partitions(topic)} partitions, counted from 0: there is no {partition}"
            raise UsageError(text, hint="choose another with --partition")
        place = TopicPartition(topic, partition)
        with answering(place.topic):
            consumer = await self._assigned(place)
            begin: int = (await consumer.beginning_offsets([place]))[place]
            end: int = (await consumer.end_offsets([place]))[place]
            first = begin if since is None else await since.resolve(consumer, place, begin=begin, end=end)
            last = end if until is None else await until.resolve(consumer, place, begin=begin, end=end)
        return first, max(first, last)

    async def written(self, topic: str, partition: int) -> int:
        """End of a partition's log, with what no transaction has committed yet.

        A committed reader that has come so far has seen all that was committed before this was asked; `bounds` ends
        where the oldest open transaction begins, behind which others may be committed already.

        Raises:
            KafkaUnreachable: no broker answers any more.
        """
        place = TopicPartition(topic, partition)
        with answering(place.topic):
            ends: dict[TopicPartition, int] = await (await self._assigned(place, "uncommitted")).end_offsets([place])
            return ends[place]

    async def moment(self, topic: str, partition: int, begin: int, end: int) -> int | None:
        """Append time in ms of the first record of the offsets [begin, end); None if there is none.

        Raises:
            KafkaUnreachable: no broker answers any more.
            BrokerFault: nothing comes although the end is ahead.
        """
        async with contextlib.aclosing(self.batches("", topic, partition, begin, end)) as batches:
            async for batch in batches:
                if batch.records:
                    return int(batch.records[0].timestamp)
        return None

    async def read(self, what: str, topic: str, partition: int, begin: int, end: int) -> AsyncGenerator[Any, None]:
        """Records of the offsets [begin, end), in order; those of aborted transactions are left out.

        Raises:
            KafkaUnreachable: no broker answers any more.
            BrokerFault: nothing comes although the end is ahead.
        """
        place = TopicPartition(topic, partition)
        async with contextlib.aclosing(self._fetched(what, place, begin, end, "whole")) as batches:
            async for batch in batches:
                for record in batch.records:
                    yield record

    def batches(self, what: str, topic: str, partition: int, begin: int, end: int) -> AsyncGenerator[Batch, None]:
        """The same in batches as they were fetched, for who reads millions.

        Of a record there are key, value, headers, offset and timestamp, as aiokafka's compiled parser gives them.

        Raises:
            KafkaUnreachable: no broker answers any more.
            BrokerFault: nothing comes although the end is ahead.
        """
        return self._fetched(what, TopicPartition(topic, partition), begin, end, "lean")

    async def _fetched(
        self, what: str, place: TopicPartition, begin: int, end: int, kind: Kind
    ) -> AsyncGenerator[Batch, None]:
        if begin >= end:
            return
        loop = asyncio.get_running_loop()
        with answering(place.topic):
            consumer = await self._assigned(place, kind)
            consumer.seek(place, begin)
            position, moved = begin, loop.time()
            while position < end:
                if kind == "lean":
                    lean(consumer, place.topic)
                records = (await consumer.getmany(place, timeout_ms=POLL_MS, max_records=BATCH_RECORDS)).get(place, ())
                now = await consumer.position(place)
                if now > position:
                    position, moved = now, loop.time()
                elif loop.time() - moved > STALL_SECONDS:
                    raise BrokerFault(
                        f"nothing came for {STALL_SECONDS:g} s",
                        hint="is the leader of this partition up?",
                        topic=place.topic,
                        partition=place.partition,
                        offset=position,
                    )
                if records and records[-1].offset >= end:
                    records = [record for record in records if record.offset < end]
                yield Batch(records, min(position, end))
                self._progress(Seen(what, min(position, end) - begin, end - begin))

    async def _assigned(self, place: TopicPartition, kind: Kind = "whole") -> Any:
        """The consumer of a kind, of one partition.

        It is started only now: one that is stopped without ever having had a partition raises CancelledError.
        """
        if kind not in self._consumers:
            consumer = Consumer(
                **client(self._settings),
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_uncommitted" if kind == "uncommitted" else "read_committed",
                max_partition_fetch_bytes=FETCH_BYTES,
            )
            await consumer.start()
            self._consumers[kind] = consumer
        consumer = self._consumers[kind]
        consumer.assign([place])
        return consumer


@contextlib.asynccontextmanager
async def reading(settings: Settings, progress: Progress) -> AsyncIterator[Topics]:
    """Connect to Kafka for the block.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    found = await counts(client(settings), [settings.chunk_topic, settings.record_topic, settings.dead_topic])
    topics = Topics(settings, found, progress)
    try:
        yield topics
    finally:
        await topics.stop()
