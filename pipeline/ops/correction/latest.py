"""The latest revision of each request in a range of the record topic, wherever that revision lies.

Memory: about 300 bytes a request of one partition; the records themselves are read again when they are needed. Imports
`topics`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple

import msgspec

from pipeline.core.rows import traceparent_of
from pipeline.settings import Settings
from pipeline.topics.reader import Topics
from pipeline.topics.selection import Selection


class Latest(NamedTuple):
    """Where the latest revision of a request lies.

    Attributes:
        revision: its number.
        offset: in the record topic.
        appended: append time of the first record of the request that was seen, ms.
    """

    revision: int
    offset: int
    appended: int


class Index(NamedTuple):
    """What a partition holds: requests of the range, and how many records of it could not be read."""

    partition: int
    requests: dict[str, Latest]
    unreadable: int


class Stored(NamedTuple):
    """A record as it lies on the topic."""

    latest: Latest
    record: dict[str, Any]
    traceparent: str | None


class _Told(msgspec.Struct):
    request_id: str
    revision: int
    labels: dict[str, str] = msgspec.field(default_factory=dict)


_read: Any = msgspec.json.Decoder(_Told).decode


async def latest_of(topics: Topics, settings: Settings, partition: int, selection: Selection) -> Index:
    """The requests of which a record lies in the selection, with their latest revision up to this moment.

    Reads until everything is seen that was written when it began, also what lies behind open transactions.

    Raises:
        KafkaUnreachable: no broker answers any more.
        BrokerFault: a transaction stays open for longer than any worker's may.
    """
    topic = settings.record_topic
    begin, until = await topics.bounds(topic, partition, selection.since, selection.until)
    if selection.until is None:
        until = max(until, await topics.written(topic, partition))
    end = await topics.written(topic, partition)
    found: dict[str, Latest] = {}
    unreadable = 0
    async for record in topics.read(f"records of partition {partition}", topic, partition, begin, end):
        try:
            told = _read(record.value or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            unreadable += record.offset < until
            continue
        known = found.get(told.request_id)
        if known is not None:
            if told.revision > known.revision:
                found[told.request_id] = Latest(told.revision, record.offset, known.appended)
        elif record.offset < until and selection.wants(told.request_id, told.labels):
            found[told.request_id] = Latest(told.revision, record.offset, record.timestamp)
    return Index(partition, found, unreadable)


async def stored_of(
    topics: Topics, settings: Settings, partition: int, requests: Mapping[str, Latest]
) -> AsyncGenerator[Stored, None]:
    """The records at these places, in the order of their offsets.

    Raises:
        KafkaUnreachable: no broker answers any more.
    """
    places = {latest.offset: latest for latest in requests.values()}
    if not places:
        return
    span = min(places), max(places) + 1
    what = f"records of partition {partition}"
    async with aclosing(topics.read(what, settings.record_topic, partition, *span)) as records:
        async for record in records:
            latest = places.get(record.offset)
            if latest is not None:
                yield Stored(latest, msgspec.json.decode(record.value), traceparent_of(record))
