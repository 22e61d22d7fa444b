"""What publishing a chunk adds to an event loop, beside confluent-kafka's produce() of the same bytes.

Run it with `python -m tests.bench.publish [BOOTSTRAP_SERVERS]`: without an address it brings the embedded broker. Two
kinds of figures: the call alone, in CPU time, and the call's wall time on a loop that paces CHUNKS a second over many
streams while the publisher's thread sends them. The figures are of this machine at this hour.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from confluent_kafka import Producer

from pipeline.ingest import AsyncPublisher, Policy, Publisher
from pipeline.ops.broker import Cluster
from pipeline.settings import Settings, client
from pipeline.testing.ledger import ledger_settings
from pipeline.topics.admin import create, definitions

CALLS: Final = 20_000
ROUNDS: Final = 5
STREAMS: Final = 200
CHUNKS: Final = 2_000
"""Chunks a second on the paced loop, all streams together."""
SECONDS: Final = 5.0
ROOM: Final = Policy(buffer_bytes=1 << 30, buffer_chunks=1 << 30)

PAYLOAD: Final[dict[str, Any]] = {
    "id": "chatcmpl-9aB3", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "delta": {"content": " streaming"}, "logprobs": None, "finish_reason": None}],
}  # fmt: skip


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        if len(sys.argv) > 1:
            measure(ledger_settings(sys.argv[1], f"bench{time.time_ns()}", home))
            return
        with Cluster(home / "kafka") as cluster:
            measure(ledger_settings(cluster.bootstrap_servers, "bench", home / "data"))


def measure(settings: Settings) -> None:
    """Both kinds, and the ratio."""
    asyncio.run(create(client(settings), definitions(settings)))
    peer = Producer({"bootstrap.servers": settings.bootstrap_servers, "enable.idempotence": True, "linger.ms": 5,
                     "queue.buffering.max.messages": 10_000_000})  # fmt: skip
    envelope = {"request_id": "r", "stream_type": "chat.completion", "provider": "openai", "model": "gpt-4o"}

    def plain() -> None:
        chunk = {**envelope, "chunk_index": 0, "timestamp": "2026-01-01T00:00:00.000000Z", "response": PAYLOAD}
        peer.produce(settings.chunk_topic, msgspec.json.encode(chunk), b"r")

    with Publisher(settings, policy=ROOM) as publisher:
        with publisher.request(provider="openai", model="gpt-4o") as request:
            ours = best(lambda: request.chunk(PAYLOAD), lambda: publisher.flush(60.0))
        theirs = best(plain, lambda: peer.flush(60.0))
    print(
        f"one call, CPU of its thread: ours {ours:.2f} µs   confluent-kafka {theirs:.2f} µs   ratio {ours / theirs:.2f}"
    )
    asyncio.run(paced(settings))
    asyncio.run(paced_plain(settings, plain, peer))


def best(call: Callable[[], None], settle: Callable[[], object]) -> float:
    """Microseconds of this thread's CPU for a call, the best of some rounds."""
    found = []
    for _ in range(ROUNDS):
        start = time.thread_time()
        for _ in range(CALLS):
            call()
        found.append((time.thread_time() - start) / CALLS * 1e6)
        settle()
    return min(found)


async def paced(settings: Settings) -> None:
    """The publisher on a loop with many streams."""
    took: list[float] = []
    async with AsyncPublisher(settings) as publisher:

        async def stream() -> None:
            async with publisher.request(provider="openai", model="gpt-4o") as request:
                for _ in range(int(CHUNKS * SECONDS / STREAMS)):
                    start = time.perf_counter()
                    await request.chunk(PAYLOAD)
                    took.append(time.perf_counter() - start)
                    await asyncio.sleep(STREAMS / CHUNKS)

        await asyncio.gather(*(stream() for _ in range(STREAMS)))
        await publisher.flush(60.0)
        show("publisher", took)
        print(f"  {publisher.stats()}")


async def paced_plain(settings: Settings, plain: Callable[[], None], peer: Producer) -> None:
    """The same loop with the peer's call."""
    took: list[float] = []

    async def stream() -> None:
        for _ in range(int(CHUNKS * SECONDS / STREAMS)):
            start = time.perf_counter()
            plain()
            took.append(time.perf_counter() - start)
            await asyncio.sleep(STREAMS / CHUNKS)

    await asyncio.gather(*(stream() for _ in range(STREAMS)))
    peer.flush(60.0)
    show(f"confluent-kafka to {settings.chunk_topic}", took)


def show(name: str, took: list[float]) -> None:
    """p50, p99 and the longest."""
    took.sort()
    p50, p99 = took[len(took) // 2] * 1e6, took[len(took) * 99 // 100] * 1e6
    longest = f"max {took[-1] * 1e3:.2f} ms"
    print(f"{name}: {len(took):,} chunks, added per chunk p50 {p50:.1f} µs   p99 {p99:.1f} µs   {longest}")


if __name__ == "__main__":
    main()
