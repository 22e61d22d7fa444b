"""Records that somebody lost, doubled, altered or priced wrongly, under digests that hold."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from hashlib import sha256

import msgspec
from aiokafka import AIOKafkaProducer

from pipeline.settings import Settings, client
from schemas.record import NOT_CANONICAL
from tests.chunk import Document

Message = tuple[bytes | None, bytes | None, int | None]
"""Key, value, partition."""


def put(settings: Settings, topic: str, messages: Iterable[Message]) -> None:
    """Messages to a topic, in order."""

    async def produce() -> None:
        producer = AIOKafkaProducer(**client(settings), acks="all", enable_idempotence=True, linger_ms=5)
        await producer.start()
        try:
            for key, value, partition in messages:
                await producer.send(topic, value, key=key, partition=partition)
            await producer.flush()
        finally:
            await producer.stop()

    asyncio.run(produce())


def resealed(record: Document) -> bytes:
    """A record with a digest that holds."""
    kept = {name: value for name, value in record.items() if name not in NOT_CANONICAL}
    return msgspec.json.encode(record | {"digest": sha256(msgspec.json.encode(kept)).hexdigest()})


def altered(record: Document) -> bytes:
    """One token too many."""
    usage = record["token_usage"]
    more = {name: usage[name] + 1 for name in ("completion_tokens", "total_tokens")}
    return resealed(record | {"token_usage": usage | more})


def mispriced(record: Document) -> bytes:
    """Ten times too high, in its parts and in all."""
    details = dict(record["cost_details"])
    for name in ("input", "output", "total"):
        if details[name] is not None:
            details[name] = f"{Decimal(details[name]) * 10:f}"
    return resealed(record | {"cost": float(details["total"]), "cost_details": details})
