"""What the participants work on: chat streams of equal length, so many of them open at a time.

Owns the shapes, whose sizes the published figures depend on: every request has as many chunks of the same bytes, which
the load generator's own streams, long and short ones, have not. Payload and sending are the generator's. Imports
aiokafka and `pipeline.ops.load`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from pipeline.ops.load.chat import choice, payload
from pipeline.ops.load.feed import BATCH_BYTES, Feed

PARTITIONS: Final = 4

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
    chosen = choice({"content": WORDS[index % len(WORDS)] + " "}, "stop" if ends else None)
    rest = {
        "stream_type": "chat.completion",
        "provider": "openai",
        "model": "gpt-4o",
        "chunk_index": index,
        "timestamp": f"2026-11-23T16:{index // 60 % 60:02d}:{index % 60:02d}.{index % 1_000:03d}Z",
        "is_final": ends,
        "response": payload("chatcmpl-bench", "gpt-4o", [chosen], usage if ends else None),
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
        feed = Feed(producer, topic, PARTITIONS)
        pieces = values(load)
        for ids in waves(load):
            for index, (before, after) in enumerate(pieces):
                last = index == load.chunks - 1
                await feed.send((key, before + key + after, last) for key in ids)
                advance(feed.sent)
        await feed.settle()
        return feed.size
    finally:
        await producer.stop()
