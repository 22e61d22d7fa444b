"""Which chunks a request's record was made of: its own of the source range, less the refused, and what came later.

Owns the reading of a request's letters and receipts. Imports its siblings and `pipeline.topics`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from pipeline.core.finish import REBUILT
from pipeline.core.rows import SourceRecord
from pipeline.errors import FoundProblem
from pipeline.ops.correction import Stored
from pipeline.ops.dead.letter import Letter, Place, Receipt, read
from pipeline.settings import Settings
from pipeline.topics.reader import Topics
from schemas.deadletter import DeadLetterReason, Way


@dataclass
class History:
    """What the dead letter topic knows of a request.

    Attributes:
        stood: Where the chunks of its letters stood: the worker has passed them.
        refused: Where its chunks stood that were refused; not conflicts, which are refused again when it is folded.
        quarantined: Where chunks stood that were rebuilt from state: the worker gave back all that it had taken in.
        taken: Receipts of the corrections that took chunks in.
    """

    stood: set[Place] = field(default_factory=set)
    refused: set[Place] = field(default_factory=set)
    quarantined: set[Place] = field(default_factory=set)
    taken: list[Receipt] = field(default_factory=list)

    def add(self, found: Letter | Receipt) -> None:
        """Note a letter or receipt of the request."""
        if isinstance(found, Receipt):
            if found.way is Way.CORRECTION:
                self.taken.append(found)
            return
        self.stood.add(found.stood)
        if found.detail == REBUILT:
            self.quarantined.add(found.stood)
        if found.reason != DeadLetterReason.CONFLICT:
            self.refused.add(found.stood)


async def histories(topics: Topics, settings: Settings, requests: Iterable[str]) -> Mapping[str, History]:
    """The histories of requests, in one pass over the dead letter topic.

    Values of corrections are kept in memory: they are few, and each at most one chunk.

    Raises:
        KafkaUnreachable: no broker answers any more.
    """
    found = {request_id.encode(): History() for request_id in requests}
    for partition in range(topics.partitions(settings.dead_topic)):
        begin, _ = await topics.bounds(settings.dead_topic, partition)
        end = await topics.written(settings.dead_topic, partition)
        async with aclosing(topics.read("histories", settings.dead_topic, partition, begin, end)) as records:
            async for record in records:
                history = found.get(record.key)
                each = None if history is None else read(record)
                if history is not None and each is not None and _of(each, settings):
                    history.add(each)
    return {key.decode(): history for key, history in found.items()}


def _of(found: Letter | Receipt, settings: Settings) -> bool:
    """Whether it speaks of the chunk topic that is looked at."""
    return isinstance(found, Receipt) or found.source.topic == settings.chunk_topic


async def admitted(topics: Topics, settings: Settings, stored: Stored, history: History) -> Sequence[SourceRecord]:
    """The chunks that a record was made of: those that the worker took in, then those of corrections.

    Raises:
        FoundProblem: they are not all kept any more, or lie on another topic.
        KafkaUnreachable: no broker answers any more.
    """
    topic, partition, first, last = _range(stored, settings)
    later = [
        SourceRecord(receipt.key, receipt.value, apart(number), receipt.at)
        for number, receipt in enumerate(sorted(history.taken, key=lambda each: (each.at, each.of)))
    ]
    if any(stood.partition == partition and first <= stood.offset <= last for stood in history.quarantined):
        return later
    begin, end = await topics.bounds(topic, partition)
    if not begin <= first <= last < end:
        raise FoundProblem(
            f"its chunks are offsets {first:,} to {last:,}, and the topic has {begin:,} to {end - 1:,}",
            hint="what it was made of is not kept any more",
        )
    own = _own(topics, topic, (partition, first, last + 1), stored.record["request_id"].encode())
    chunks = [each async for each in own if Place(partition, each.offset) not in history.refused]
    return [*chunks, *later]


def apart(number: int) -> int:
    """A made-up offset for the `number`th chunk that is taken in later.

    Its own may be of another partition, or that of the chunk which it is the mended form of.
    """
    return -1 - number


async def original(topics: Topics, settings: Settings, stood: Place, key: bytes) -> bytes | None:
    """The chunk of a request at a place of the chunk topic; None if it is not kept any more.

    Raises:
        KafkaUnreachable: no broker answers any more.
    """
    span = (stood.partition, stood.offset, stood.offset + 1)
    async with aclosing(_own(topics, settings.chunk_topic, span, key)) as records:
        async for record in records:
            return record.value
    return None


async def letters_at(topics: Topics, settings: Settings, places: Iterable[Place]) -> dict[Place, Letter]:
    """The letters at these places of one partition.

    Raises:
        FoundProblem: one of them is not kept any more.
        KafkaUnreachable: no broker answers any more.
    """
    wanted = sorted(places)
    known = frozenset(wanted)
    found: dict[Place, Letter] = {}
    async with aclosing(
        topics.read("letters", settings.dead_topic, wanted[0].partition, wanted[0].offset, wanted[-1].offset + 1)
    ) as records:
        async for record in records:
            place = Place(record.partition, record.offset)
            letter = read(record) if place in known else None
            if isinstance(letter, Letter):
                found[place] = letter
    gone = known - found.keys()
    if gone:
        raise FoundProblem(f"dead letter {min(gone)} is not kept any more", topic=settings.dead_topic)
    return found


async def _own(
    topics: Topics, topic: str, span: tuple[int, int, int], key: bytes
) -> AsyncGenerator[SourceRecord, None]:
    """Chunks under a key."""
    async with aclosing(topics.read("chunks", topic, *span)) as records:
        async for record in records:
            if record.key == key:
                yield _kept(record)


def _kept(record: Any) -> SourceRecord:
    return SourceRecord(record.key, record.value, record.offset, record.timestamp, record.headers)


def _range(stored: Stored, settings: Settings) -> tuple[str, int, int, int]:
    """Topic, partition, first and last offset.

    Raises:
        FoundProblem: the record has none, or of another topic.
    """
    source = stored.record["source"] or {}
    if source.get("topic") != settings.chunk_topic:
        raise FoundProblem(
            "its record was not made from this chunk topic", hint="give --chunk-topic as its worker has it"
        )
    return source["topic"], source["partition"], source["first_offset"], source["last_offset"]
