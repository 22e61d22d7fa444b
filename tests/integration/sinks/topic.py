"""A record topic filled by hand: made-up records that are valid, sent as a worker would, and what a table must hold."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from pipeline.settings import Settings, client
from pipeline.sinks.database import opened
from schemas.identity import record_id

EXAMPLES: Final = sorted((Path(__file__).parents[3] / "schemas/examples").rglob("*.accumulated.json"))
_RECORDS: Final[Sequence[dict[str, Any]]] = [json.loads(path.read_text(encoding="utf-8")) for path in EXAMPLES]


def record(number: int, revision: int = 0, **changes: Any) -> dict[str, Any]:
    """A record of request `r-<number>`, after one of the examples."""
    request_id = f"r-{number:07d}"
    made = {
        **_RECORDS[number % len(_RECORDS)],
        "request_id": request_id,
        "revision": revision,
        "record_id": record_id("main", request_id, revision),
        "supersedes": record_id("main", request_id, revision - 1) if revision else None,
        **changes,
    }
    return made | {"digest": hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()}


def encoded(made: dict[str, Any]) -> bytes:
    """As on the topic."""
    return json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode()


def send(settings: Settings, values: Iterable[tuple[int, bytes | None]], *, transaction: str | None = None) -> None:
    """Append (partition, value) pairs, in one transaction if it is named, which leaves a control record behind."""

    async def run() -> None:
        producer = AIOKafkaProducer(
            **client(settings), acks="all", enable_idempotence=True, linger_ms=5, transactional_id=transaction
        )
        await producer.start()
        try:
            if transaction is not None:
                await producer.begin_transaction()
            for partition, value in values:
                await producer.send(settings.record_topic, value, key=b"k", partition=partition)
            if transaction is not None:
                await producer.commit_transaction()
            await producer.flush()
        finally:
            await producer.stop()

    asyncio.run(run())


def fill(settings: Settings, numbers: Iterable[int], **options: Any) -> None:
    """A record for each number, over two partitions."""
    send(settings, ((number % 2, encoded(record(number))) for number in numbers), **options)


def rows(db: str, sql: str) -> list[tuple[Any, ...]]:
    """What a reader sees."""
    with opened(db, wait=30) as database:
        return database.query(sql)


def held(db: str) -> list[tuple[str, str]]:
    """(request id, digest) of every row, in order."""
    return [(name, digest) for name, digest in rows(db, "SELECT request_id, digest FROM records ORDER BY 1, revision")]


def wanted(numbers: Iterable[int]) -> list[tuple[str, str]]:
    """The same of the records that `fill` sends."""
    return [(made["request_id"], made["digest"]) for made in map(record, numbers)]
