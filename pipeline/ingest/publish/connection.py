"""The way to Kafka: one idempotent producer, and what became of chunks that were handed to it.

Owns batches by partition, and which answers are about a chunk and which about Kafka. Imports aiokafka, settings, errors
and this package.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidTopicError,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    UnknownTopicOrPartitionError,
)
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.protocol.metadata import MetadataRequest

from pipeline.errors import BrokerFault, KafkaUnreachable, StreamledgerError, UsageError
from pipeline.ingest.publish.item import Item, Outcome
from pipeline.settings import TOPIC_DENIED, Settings, client, denied, right, unreached
from pipeline.settings import producer as arguments

REQUEST_SECONDS: Final = 10.0
"""Longest wait for one answer of a broker; a request that gets none is sent again on a new connection."""

CONNECT_SECONDS: Final = 15.0
"""Longest attempt to connect, names, TLS and login included."""

BACKOFF_MS: Final = 300
"""Pause of the client between two tries of its own; each writes some lines to the log of whoever embeds us."""

STOP_SECONDS: Final = 1.0

_HERE: Final = str(Path(__file__).parent)
"""Where the code of our own tasks is, in the loop that they share with the client's."""

STEP: Final = 200
"""Chunks that are put into a batch before other threads get their turn."""

_partition_of: Final = lru_cache(maxsize=1 << 16)(DefaultPartitioner().__call__)
"""The partition of a key, murmur2 in plain Python: remembered, since a request has many chunks."""


class Connection:
    """A producer that has met its topic. Owns every task that aiokafka starts in its loop."""

    def __init__(self, settings: Settings) -> None:
        """Describe it; `open` connects."""
        self._settings = settings
        self._topic = settings.chunk_topic
        self._singly = False
        self._producer: AIOKafkaProducer | None = None

    async def open(self) -> None:
        """Connect and make sure of the topic.

        Raises:
            StreamledgerError: no Kafka answers, it refuses us, or there is no such topic.
        """
        self._producer = producer = AIOKafkaProducer(
            **arguments(self._settings, seconds=REQUEST_SECONDS), retry_backoff_ms=BACKOFF_MS
        )
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await producer.start()
                await require_topic(producer, self._settings)
                await producer.partitions_for(self._topic)
        except KafkaConnectionError as error:
            raise await unreached(client(self._settings)) from error
        except (KafkaError, TimeoutError, OSError) as error:
            raise fault(error, self._settings) from error

    async def send(self, items: Sequence[Item], seconds: float, *, singly: bool) -> Outcome:
        """Hand chunks over and wait for what Kafka says of each batch; those of a partition go in order.

        Args:
            items: The chunks.
            seconds: Longest wait for one batch.
            singly: Each chunk is a batch, to find the one that is too large.
        """
        self._singly = singly
        if self._producer is None:
            raise AssertionError
        partitions = range(len(self._producer.client.cluster.partitions_for_topic(self._topic) or ()))
        if not partitions:
            return Outcome(list(items), [], UnknownTopicOrPartitionError())
        lanes: defaultdict[int, list[Item]] = defaultdict(list)
        for item in items:
            lanes[_partition_of(item.key, partitions, ())].append(item)
        outcomes = await asyncio.gather(*(self._lane(number, lane, seconds) for number, lane in lanes.items()))
        unsure = {id(item) for outcome in outcomes for item in outcome.left}
        return Outcome(
            [item for item in items if id(item) in unsure],
            [item for outcome in outcomes for item in outcome.never],
            next((outcome.error for outcome in outcomes if outcome.error is not None), None),
        )

    async def close(self) -> None:
        """Let go of the producer, whatever state it is in; bounded in time.

        One whose brokers are gone would go on trying in the background, and send long after what was sent again since:
        all that runs in this loop and is not ours is its, and ends here.
        """
        producer, self._producer = self._producer, None
        if producer is None:
            return
        stopping = asyncio.ensure_future(producer.stop())
        await asyncio.wait((stopping,), timeout=STOP_SECONDS)
        if not stopping.done():  # it waits for brokers that are gone
            closing = asyncio.ensure_future(producer.client.close())
            await asyncio.wait((closing,), timeout=STOP_SECONDS)
        theirs = {task for task in asyncio.all_tasks() if not _ours(task)}
        for task in theirs:
            task.add_done_callback(_seen)
            task.cancel()
        if theirs:
            await asyncio.wait(theirs, timeout=STOP_SECONDS)

    async def _lane(self, partition: int, items: list[Item], seconds: float) -> Outcome:
        """Chunks of one partition, batch after batch, until one is refused.

        The numbers by which the broker knows an idempotent producer have a gap then, and it can send no more.
        """
        at = 0
        while at < len(items):
            batch = await self._batch(items, at)
            end = at + batch.record_count()
            try:
                async with asyncio.timeout(seconds):
                    await self._deliver(batch, partition)
            except MessageSizeTooLargeError as error:
                if end - at > 1:
                    return Outcome(items[at:], [], error)
                return Outcome(items[end:], items[at:end], error)
            except (KafkaError, TimeoutError, OSError) as error:
                return Outcome(items[at:], [], error)
            at = end
        return Outcome([], [], None)

    async def _batch(self, items: list[Item], at: int) -> Any:
        """As many chunks as one batch takes, one at least."""
        batch = self._producer.create_batch()  # type: ignore[union-attr]
        for number in range(at, len(items)):
            item = items[number]
            headers = [("traceparent", item.trace)] if item.trace else []
            if batch.append(timestamp=None, key=item.key, value=item.value, headers=headers) is None or self._singly:
                break
            if number % STEP == STEP - 1:
                await asyncio.sleep(0)
        batch.close()
        return batch

    async def _deliver(self, batch: Any, partition: int) -> None:
        sent = await self._producer.send_batch(batch, self._topic, partition=partition)  # type: ignore[union-attr]
        await sent


async def require_topic(producer: AIOKafkaProducer, settings: Settings) -> None:
    """Make sure that the chunk topic exists: one that a broker makes up has the wrong clock.

    Raises:
        UsageError: it does not.
        AccessRefused: this user may not see it.
        KafkaError: Kafka does not say.
    """
    metadata = await producer.client.fetch_all_metadata()
    if settings.chunk_topic not in metadata.topics():
        # Asked for by name, a topic that this user may not see is told apart; no broker makes it up for this request.
        asked = MetadataRequest([settings.chunk_topic], allow_auto_topic_creation=False)
        told = await producer.client.send(producer.client.get_random_node(), asked)
        if any(topic[0] == TOPIC_DENIED for topic in told.topics):
            raise denied("WRITE", "topic", settings.chunk_topic)
        text = f"topic {settings.chunk_topic} does not exist at {settings.bootstrap_servers}"
        raise UsageError(text, hint="create it: streamledger topics")


def fault(error: Exception | None, settings: Settings) -> StreamledgerError:
    """What an error of the client means to whoever runs the publisher."""
    if isinstance(error, StreamledgerError):
        return error
    topic, servers = settings.chunk_topic, settings.bootstrap_servers
    if error is not None and (refused := right(error, "WRITE", topic=topic)) is not None:
        return refused
    if isinstance(error, InvalidTopicError) or not (
        error is None or isinstance(error, TimeoutError | OSError) or getattr(error, "retriable", False)
    ):
        return BrokerFault(f"Kafka at {servers} refused chunks: {type(error).__name__}", hint=f"look at topic {topic}")
    return KafkaUnreachable(
        f"no Kafka answers at {servers}", hint="check bootstrap_servers, security_protocol and the login"
    )


def _ours(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and code.co_filename.startswith(_HERE)


def too_large(error: Exception | None) -> bool:
    """Whether a batch was more than the topic takes."""
    return isinstance(error, MessageSizeTooLargeError)


def _seen(done: asyncio.Future[None]) -> None:
    """Look at an outcome, so that asyncio does not report it as forgotten."""
    with contextlib.suppress(asyncio.CancelledError):
        done.exception()
