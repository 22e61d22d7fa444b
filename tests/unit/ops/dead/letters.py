"""Dead letters for tests, as the worker writes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.core.partition import Partition
from pipeline.core.policy import Policy
from pipeline.core.rows import DeadLetter, MemoryRows, SourceRecord
from pipeline.ops.dead.letter import Letter, Receipt, read, receipt_of
from pipeline.settings import Settings
from pipeline.testing.chunk import Document, chat, encoded, marker
from schemas.deadletter import Way


@dataclass(frozen=True)
class Lying:
    """A record as a consumer sees it."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, Any]] = field(default_factory=list)
    partition: int = 3
    offset: int = 17
    timestamp: int = 1_767_225_600_000


def lying(reason: str, *, topic: str = "llm.chunks", detail: str = "why", at: int = 17, **chunk: Any) -> Lying:
    """The record of a refused chunk: `key`, `value` and `headers` of it; key and value default to a good chunk's."""
    told = DeadLetter(
        reason,
        detail,
        chunk.get("key", b"r-1"),
        chunk.get("value", encoded(chat(0, "a"))),
        chunk.get("headers", ()),
        chunk.get("offset", 40),
        chunk.get("timestamp", 1_767_225_500_000),
    )
    key, value, headers = told.outgoing(topic, 3)
    return Lying(key, value, headers, offset=at)


def letter(reason: str, **chunk: Any) -> Letter:
    """The letter of a refused chunk, as it is read."""
    found = read(lying(reason, **chunk))
    assert isinstance(found, Letter)
    return found


def receipt(headers: list[tuple[str, bytes]], value: bytes | None = None) -> Receipt:
    """A receipt, as it is read."""
    found = read(Lying(b"r-1", value, headers))
    assert isinstance(found, Receipt)
    return found


def receipt_for(found: Letter, way: Way, value: bytes | None = None) -> Receipt:
    """The receipt of a letter, as it is read."""
    return receipt(receipt_of(found.place, way, found.stood), value)


def settings(**changes: Any) -> Settings:
    """Settings of a ledger that is never connected to."""
    return Settings(**changes)


def source_records(chunks: Sequence[Document], first: int = 20) -> list[SourceRecord]:
    """Chunks as they lie on their topic, from an offset on."""
    return [
        SourceRecord(str(each["request_id"]).encode(), encoded(each), first + number, 0)
        for number, each in enumerate(chunks)
    ]


def folded(chunks: Sequence[Document], policy: Policy | None = None) -> dict[str, Any]:
    """The record that the worker makes of these chunks, of offsets from 20 on."""
    partition = Partition(policy or Policy(), MemoryRows(), "llm.chunks", 3)
    partition.apply(source_records(chunks), 20 + len(chunks))
    partition.close_now()
    for request_id in list(partition.closing):
        partition.finalize(request_id)
    (record,), _ = partition.take_output()
    told: dict[str, Any] = json.loads(record.value or b"")
    return told


def record_of(*, finish: bool, policy: Policy | None = None) -> dict[str, Any]:
    """The record of r-1, closed by its finish or by final."""
    return folded([chat(0, "a", finish="stop")] if finish else [chat(0, "a", finish="stop"), marker(1)], policy)
