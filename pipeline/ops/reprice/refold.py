"""Records that tell too little are made again from their chunks, by the core, under the other price list.

Only where the chunks give the same record but for its money: then its new money is as sure as the old. One sweep over
the chunk topic for all of a partition. Imports the core, the pricing, `topics`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

from pipeline.core.refold import refold
from pipeline.core.rows import SourceRecord
from pipeline.core.valuation import Valuation
from pipeline.ops.correction import Stored, alike
from pipeline.ops.reprice.revaluation import Outcome, Verdict, compared
from pipeline.settings import Settings
from pipeline.topics.reader import Topics

GONE: Final = "its chunks are not kept any more"
DIFFERS: Final = "its chunks give another record"


async def refolded(
    topics: Topics, settings: Settings, partition: int, records: Sequence[Stored], valuation: Valuation
) -> AsyncGenerator[tuple[Stored, Verdict], None]:
    """Each of the records with what it would say, in no order.

    Raises:
        KafkaUnreachable: no broker answers any more.
    """
    place = settings.chunk_topic, partition
    begin, end = await topics.bounds(*place) if topics.has(*place) else (0, 0)
    there: dict[bytes, Stored] = {}
    for stored in records:
        if _within(stored.record["source"], place, begin, end):
            there[stored.record["request_id"].encode()] = stored
        else:
            yield stored, Verdict(Outcome.NOT_REPRICEABLE, GONE)
    chunks: dict[bytes, list[SourceRecord]] = {key: [] for key in there}
    spans = {key: _span(stored.record["source"]) for key, stored in there.items()}
    first, last = min((span[0] for span in spans.values()), default=0), max((s[1] for s in spans.values()), default=-1)
    async with aclosing(topics.read(f"chunks of partition {partition}", *place, first, last + 1)) as read:
        async for chunk in read:
            key = chunk.key or b""
            if key not in there or not spans[key][0] <= chunk.offset <= spans[key][1]:
                continue
            chunks[key].append(SourceRecord(key, chunk.value, chunk.offset, chunk.timestamp, tuple(chunk.headers)))
            if chunk.offset == spans[key][1]:
                stored = there.pop(key)
                yield stored, _verdict(stored.record, chunks.pop(key), settings, valuation)
    for stored in there.values():
        yield stored, Verdict(Outcome.NOT_REPRICEABLE, GONE)


def _within(source: Mapping[str, Any], place: tuple[str, int], begin: int, end: int) -> bool:
    """Whether all chunks of a record are still there."""
    if (source["topic"], source["partition"]) != place:
        return False
    first, last = _span(source)
    return begin <= first and last < end


def _span(source: Mapping[str, Any]) -> tuple[int, int]:
    """First and last offset of a record's chunks; of a stream folded outside Kafka nothing is there."""
    first, last = source["first_offset"], source["last_offset"]
    return (-1, -1) if first is None or last is None else (first, last)


def _verdict(
    record: Mapping[str, Any], chunks: Sequence[SourceRecord], settings: Settings, valuation: Valuation
) -> Verdict:
    """The money of a record made again from its chunks."""
    told = refold((record["request_id"], record["stream_type"]), chunks, settings.policy(), valuation)
    made = told.record
    if made is None or not alike(made, record):
        return Verdict(Outcome.NOT_REPRICEABLE, DIFFERS)
    if made["cost"] is None:
        return Verdict(Outcome.NO_PRICE, made["cost_details"]["reason"])
    return compared(record, made["cost"], made["cost_details"], made["attempts"])
