"""Records that somebody lost, doubled, altered or priced wrongly, under digests that hold."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from hashlib import sha256

import msgspec

from pipeline.settings import Settings, client
from pipeline.testing.chunk import Document
from pipeline.topics.admin import create, definitions
from schemas.record import NOT_CANONICAL
from tests.integration.engine.harness import Seen
from tests.kafka import put


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


def copied(settings: Settings, records: Iterable[Seen]) -> Settings:
    """The ledger with these in its record topic instead; its settings."""
    other = settings.model_copy(update={"record_topic": f"{settings.record_topic}.copy"})
    asyncio.run(create(client(other), definitions(other)))
    put(other, other.record_topic, [(each.key, each.value, each.partition) for each in records])
    return other
