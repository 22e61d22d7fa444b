"""Where in the topics some requests are: records and dead letters by their keys, chunks where the records say they end.

Owns the scan of both topics and what of a record is read. Chunks are not scanned: a record names the offsets of its
own. Imports the reader, msgspec and the settings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from pipeline.settings import Settings
from pipeline.topics.reader import Topics
from pipeline.topics.selection import Selection


class _Source(msgspec.Struct):
    topic: str
    partition: int
    last_offset: int


class _Head(msgspec.Struct):
    """What is read of a record."""

    request_id: str
    source: _Source
    labels: dict[str, str] = {}


_decode: Final = msgspec.json.Decoder(_Head).decode


@dataclass
class Trace:
    """What one topic has of the requests.

    Attributes:
        messages: How many; None where they are not counted.
        last: Newest append time of them, ms since the epoch; None where there is none, or none that is kept.
    """

    messages: int | None = 0
    last: int | None = None

    def note(self, timestamp: int) -> None:
        """One more."""
        self.messages = (self.messages or 0) + 1
        self.last = max(timestamp, self.last or 0)


@dataclass
class Traces:
    """What the topics have of the requests that are meant.

    Attributes:
        records: By request id, how many.
        topics: By topic.
    """

    records: dict[str, int] = field(default_factory=dict)
    topics: dict[str, Trace] = field(default_factory=dict)


async def records(topics: Topics, settings: Settings, selection: Selection) -> Traces:
    """Look for records of the requests, and for the last of their chunks.

    Raises:
        KafkaUnreachable: no broker answers any more.
        UsageError: a topic or a partition does not exist.
    """
    traces = Traces(topics={settings.record_topic: Trace(), settings.chunk_topic: Trace(messages=None)})
    topic = settings.record_topic
    ends: dict[int, int] = {}
    for number in selection.numbers(topics.partitions(topic), topic):
        begin, end = await topics.bounds(topic, number, selection.since, selection.until)
        async for record in topics.read("records", topic, number, begin, end):
            head = _wanted(record, selection)
            if head is None:
                continue
            traces.records[head.request_id] = traces.records.get(head.request_id, 0) + 1
            traces.topics[topic].note(record.timestamp)
            if head.source.topic == settings.chunk_topic:
                ends[head.source.partition] = max(head.source.last_offset, ends.get(head.source.partition, -1))
    await _chunks(topics, settings.chunk_topic, ends, traces)
    return traces


def _wanted(record: Any, selection: Selection) -> _Head | None:
    """The head of a record, if it is meant; what is none of ours is not."""
    ids = selection.request_ids
    if record.value is None or (ids is not None and (record.key or b"").decode(errors="replace") not in ids):
        return None
    try:
        head = _decode(record.value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return head if selection.wants(head.request_id, head.labels) else None


async def _chunks(topics: Topics, topic: str, ends: dict[int, int], traces: Traces) -> None:
    """The append time of the last chunk in each partition, where it is still kept."""
    trace = traces.topics[topic]
    for number, offset in sorted(ends.items()):
        begin, end = await topics.bounds(topic, number)
        if not begin <= offset < end:
            continue
        async for chunk in topics.read("chunks", topic, number, offset, offset + 1):
            trace.last = max(chunk.timestamp, trace.last or 0)


async def dead_letters(topics: Topics, settings: Settings, request_ids: frozenset[str]) -> Trace:
    """Look for dead letters whose key is one of the ids.

    Raises:
        KafkaUnreachable: no broker answers any more.
        UsageError: the topic does not exist.
    """
    keys, trace, topic = {request_id.encode() for request_id in request_ids}, Trace(), settings.dead_topic
    for number in range(topics.partitions(topic)):
        begin, end = await topics.bounds(topic, number)
        async for letter in topics.read("dead letters", topic, number, begin, end):
            if letter.key in keys:
                trace.note(letter.timestamp)
    return trace
