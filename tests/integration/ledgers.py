"""A ledger whose records are there already, as a worker has made them: for what looks at or corrects the past."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence

from pipeline.core.partition import Partition
from pipeline.core.rows import MemoryRows, Outgoing, SourceRecord
from pipeline.core.valuation import UNVALUED, Valuation
from pipeline.settings import Settings
from pipeline.testing.chunk import Document, encoded
from pipeline.testing.topic import Place, append, messages
from tests.integration.engine.harness import committed


def play(settings: Settings, *requests: Sequence[Document], valuation: Valuation = UNVALUED) -> list[Document]:
    """Send the chunks of requests, one request after the other, and the records of them; the records by offset."""
    partitions: dict[int, Partition] = {}
    for number in range(settings.partitions):
        partitions[number] = Partition(
            settings.policy(), MemoryRows(), settings.chunk_topic, number, valuation=valuation
        )
    places = asyncio.run(_send_chunks(settings, [chunk for request in requests for chunk in request]))
    for chunk, (number, offset, appended) in places:
        record = SourceRecord(str(chunk["request_id"]).encode(), encoded(chunk), offset, appended)
        partitions[number].apply([record], offset + 1)
    made = {number: _records(partition) for number, partition in partitions.items()}
    asyncio.run(put(settings, made))
    return [json.loads(record.value or b"") for records in made.values() for record in records]


def records(settings: Settings, *, at_least: int = 0) -> dict[str, list[Document]]:
    """What a committed reader sees of the record topic: the revisions of each request in the order of their offsets."""
    found: dict[str, list[Document]] = {}
    for seen in asyncio.run(committed(settings, settings.record_topic, at_least=at_least)):
        record = json.loads(seen.value or b"")
        found.setdefault(record["request_id"], []).append(record)
    return found


async def put(settings: Settings, made: Mapping[int, Sequence[Outgoing]]) -> None:
    """Records to the partitions of the record topic."""
    sent = [(each.key, each.value, number, each.headers) for number, records in made.items() for each in records]
    await append(settings, settings.record_topic, sent)


async def _send_chunks(settings: Settings, chunks: Sequence[Document]) -> list[tuple[Document, Place]]:
    """Chunks to their partitions; each with where it lies."""
    places = await append(settings, settings.chunk_topic, messages(chunks))
    return list(zip(chunks, places, strict=True))


def _records(partition: Partition) -> list[Outgoing]:
    partition.close_now()
    for request_id in list(partition.closing):
        partition.finalize(request_id)
    return partition.take_output()[0]
