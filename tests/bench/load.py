"""`streamledger load` at full speed beside a plain loop of confluent-kafka: python -m tests.bench.load REQUESTS ROUNDS.

Both send chat chunks of the same number and about the same size, with acks=all and idempotence. The loop comes in two
forms: it makes each chunk when it sends it, as a load generator usually does, or has all bytes ready beforehand.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Producer

from pipeline.ops.broker import THROUGHPUT, Cluster
from pipeline.ops.load.chat import choice, payload
from pipeline.ops.load.choice import Choice
from pipeline.ops.load.flow import load
from pipeline.ops.load.ledger import Ledger
from pipeline.settings import Settings, client
from pipeline.topics.admin import create, definitions

CHUNKS: Final = 120
OPEN: Final = 200
WORDS: Final = ("the ", "quick ", "brown ", "fox ", "jumps ", "over ", "a ", "lazy ", "dog ")


def made(key: str, index: int) -> bytes:
    """One chunk, made from nothing."""
    ends = index == CHUNKS - 1
    counts = {"prompt_tokens": 12, "completion_tokens": index + 1, "total_tokens": index + 13}
    chosen = choice({"content": WORDS[index % len(WORDS)]}, "stop" if ends else None)
    fields: dict[str, Any] = {
        "request_id": key,
        "stream_type": "chat.completion",
        "chunk_index": index,
        "provider": "openai",
        "model": "gpt-4o",
        "response": payload(f"chatcmpl-{key}", "gpt-4o", [chosen], counts if ends else None),
        "timestamp": f"2026-11-23T16:{index // 60 % 60:02d}:{index % 60:02d}.{index % 1_000:03d}Z",
    }
    return json.dumps(fields | ({"is_final": True} if ends else {}), separators=(",", ":")).encode()


def ready() -> Callable[[str, int], bytes]:
    """The same from pieces that are encoded already."""
    pieces = [made("\0", index).split(b"\\u0000") for index in range(CHUNKS)]
    return lambda key, index: key.encode().join(pieces[index])


def loop(servers: str, topic: str, requests: int, value: Callable[[str, int], bytes]) -> tuple[int, int, float]:
    """The plain loop; chunks, bytes, seconds."""
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "linger.ms": 20,
            "batch.size": 1 << 20,
            "queue.buffering.max.messages": 2_000_000,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
        }
    )
    sent = size = 0
    began = time.monotonic()
    for base in range(0, requests, OPEN):
        keys = [f"loop-{int(began)}-{number:08d}" for number in range(base, min(requests, base + OPEN))]
        for index in range(CHUNKS):
            for key in keys:
                chunk = value(key, index)
                while True:
                    try:
                        producer.produce(topic, chunk, key=key)
                        break
                    except BufferError:
                        producer.poll(0.1)
                sent += 1
                size += len(chunk)
        producer.poll(0)
    producer.flush()
    return sent, size, time.monotonic() - began


async def ours(settings: Settings, requests: int) -> tuple[int, int, float]:
    """The load generator; chunks, bytes, seconds."""
    outcome = await load(settings, Choice(requests=requests, open=OPEN), Ledger())
    return outcome.chunks, outcome.bytes, outcome.seconds


def main(requests: int, rounds: int) -> None:
    """In turns; the best of each counts, and its least processor time, in which a busy machine shows less."""
    with tempfile.TemporaryDirectory(prefix="streamledger-load-", ignore_cleanup_errors=True) as home:
        cluster = Cluster(Path(home) / "kafka", jvm=THROUGHPUT)
        try:
            settings = Settings(bootstrap_servers=cluster.start().bootstrap_servers, replication=1, partitions=4)
            asyncio.run(create(client(settings), definitions(settings)))
            servers, topic = settings.bootstrap_servers, settings.chunk_topic
            ways: dict[str, Callable[[], tuple[int, int, float]]] = {
                "streamledger load": lambda: asyncio.run(ours(settings, requests)),
                "loop, chunks made": lambda: loop(servers, topic, requests, made),
                "loop, bytes ready": lambda: loop(servers, topic, requests, ready()),
            }
            best = dict.fromkeys(ways, (0.0, 0.0))
            for _ in range(rounds):
                for name, way in ways.items():
                    used = time.process_time()
                    sent, size, seconds = way()
                    cpu = (time.process_time() - used) / sent * 1e6
                    rate, least = best[name]
                    best[name] = max(rate, sent / seconds), min(least or cpu, cpu)
                    print(f"{name}: {sent:,} chunks of {size / sent:.0f} bytes, {sent / seconds:,.0f}/s, {cpu:.1f} µs")
        finally:
            cluster.kill()
    own = best["streamledger load"]
    for name, (rate, cpu) in best.items():
        beside = f"streamledger load has {own[0] / rate:.2f} × the rate at {own[1] / cpu:.2f} × the processor time"
        print(f"{name}: {rate:,.0f} chunks/s, {cpu:.1f} µs of a processor each; {beside}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:] or ("2000", "3")))
