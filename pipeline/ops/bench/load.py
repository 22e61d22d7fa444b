"""What the participants work on: chat streams in the contract's shape, so many of them open at a time.

Owns the shapes and the fastest way to get them into a topic: a chunk is put together from pieces that are encoded once,
and batches are filled by hand. Imports aiokafka and the partitioner.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from pipeline.topics.partitioner import partition_of

PARTITIONS: Final = 4

BATCH_BYTES: Final = 256 << 10
"""A producer under load fills batches of this size; consumers then get few and large ones."""

WORDS: Final = ("Streams", "of", "small", "words", "become", "one", "record", "that", "somebody", "pays", "for", "once")


@dataclass(frozen=True)
class Load:
    """A shape of load.

    Attributes:
        name: Of the load, on the command line and in the tables.
        requests: How many there are.
        chunks: Of each request.
        open: Requests whose chunks take turns; the next ones begin when these have ended.
    """

    name: str
    requests: int
    chunks: int
    open: int

    @property
    def total(self) -> int:
        """Chunks of all requests."""
        return self.requests * self.chunks

    def limited(self, total: int) -> Load:
        """The same with about so many chunks in all: first fewer requests, then shorter ones of at least two chunks."""
        requests = max(min(self.open, self.requests), min(self.requests, total // self.chunks))
        chunks = max(2, min(self.chunks, total // requests))
        requests = max(1, min(requests, total // chunks))
        return replace(self, requests=requests, chunks=chunks, open=min(self.open, requests))


FULL: Final = (
    Load("200", requests=20_000, chunks=100, open=200),
    Load("10k", requests=40_000, chunks=50, open=10_000),
    Load("100k", requests=100_000, chunks=20, open=100_000),
)

QUICK: Final = (
    Load("200", requests=2_000, chunks=100, open=200),
    Load("10k", requests=10_000, chunks=20, open=10_000),
    Load("100k", requests=100_000, chunks=4, open=100_000),
)
"""The same numbers of open requests with a tenth to a fifth of the chunks: to look at, not to judge by."""

SMALL: Final = Load("small", requests=400, chunks=100, open=200)
"""For who would need half an hour for the others."""


def values(load: Load) -> list[tuple[bytes, bytes]]:
    """Of each chunk of a request, what stands before its request id and what after it."""
    return [_around(index, load.chunks - 1) for index in range(load.chunks)]


def _around(index: int, last: int) -> tuple[bytes, bytes]:
    ends = index == last
    usage = {"prompt_tokens": 12, "completion_tokens": last + 1, "total_tokens": last + 13}
    choice = {
        "index": 0,
        "delta": {"content": WORDS[index % len(WORDS)] + " "},
        "finish_reason": "stop" if ends else None,
    }
    payload = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1_795_449_600,
        "model": "gpt-4o",
        "choices": [choice],
        "usage": usage if ends else None,
    }
    rest = {
        "stream_type": "chat.completion",
        "provider": "openai",
        "model": "gpt-4o",
        "chunk_index": index,
        "timestamp": f"2026-11-23T16:{index // 60 % 60:02d}:{index % 60:02d}.{index % 1_000:03d}Z",
        "is_final": ends,
        "response": payload,
    }
    return b'{"request_id":"', b'",' + json.dumps(rest, separators=(",", ":")).encode()[1:]


def waves(load: Load, prefix: bytes = b"req") -> Iterator[list[bytes]]:
    """Ids of the requests that are open together."""
    for first in range(0, load.requests, load.open):
        yield [b"%b-%08d" % (prefix, number) for number in range(first, min(load.requests, first + load.open))]


async def send(
    client: Mapping[str, Any], topic: str, load: Load, advance: Callable[[int], None] = lambda _: None
) -> int:
    """Fill a topic of PARTITIONS partitions; bytes of all chunks.

    Args:
        client: How to reach Kafka.
        topic: Which.
        load: The shape.
        advance: Told now and then how many chunks are sent.
    """
    producer = AIOKafkaProducer(**client, max_batch_size=BATCH_BYTES, linger_ms=0, acks=1)
    await producer.start()
    try:
        filler = _Filler(producer, topic)
        pieces, sent = values(load), 0
        for ids in waves(load):
            placed = [(key, partition_of(key, PARTITIONS)) for key in ids]
            for before, after in pieces:
                for key, partition in placed:
                    value = before + key + after
                    if not filler.add(partition, key, value):
                        await filler.pass_on(partition)
                        filler.add(partition, key, value)
                sent += len(placed)
                advance(sent)
        return await filler.finish()
    finally:
        await producer.stop()


class _Filler:
    """A batch under way for each partition."""

    def __init__(self, producer: Any, topic: str) -> None:
        self._producer, self._topic = producer, topic
        self._batches = [producer.create_batch() for _ in range(PARTITIONS)]
        self._sent: list[Any] = []
        self._bytes = 0

    def add(self, partition: int, key: bytes, value: bytes) -> bool:
        """False if the batch is full."""
        if self._batches[partition].append(timestamp=None, key=key, value=value, headers=[]) is None:
            return False
        self._bytes += len(value)
        return True

    async def pass_on(self, partition: int) -> None:
        """Hand a full batch to the producer and begin another."""
        batch, self._batches[partition] = self._batches[partition], self._producer.create_batch()
        self._sent.append(await self._producer.send_batch(batch, self._topic, partition=partition))

    async def finish(self) -> int:
        """Send what is left and see that all has arrived; bytes of all values."""
        for partition, batch in enumerate(self._batches):
            if batch.record_count():
                await self.pass_on(partition)
        for delivery in self._sent:
            await delivery
        return self._bytes
