"""A request on Kafka: its records from the end of their partition backwards, then its chunks by the record's range.

Without a record it is still open, or nobody has folded it: its chunks are looked for in a stretch of time. Imports
its siblings.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from pipeline.core.valuation import UNVALUED, Valuation
from pipeline.errors import FoundProblem, ProducerFault
from pipeline.ops.explain.comparison import Found, Json, read
from pipeline.ops.explain.document import Gathered
from pipeline.ops.explain.watch import Watch
from pipeline.ops.explain.words import safe
from pipeline.ops.fold import located
from pipeline.settings import Settings
from pipeline.topics.bound import Bound
from pipeline.topics.partitioner import partition_of
from pipeline.topics.reader import Topics

WINDOW: Final = 5_000
"""Offsets of the first block that is read backwards; each further one is twice as long, up to LONGEST."""
LONGEST: Final = 160_000


@dataclass(frozen=True, kw_only=True)
class Search:
    """Where to look.

    Attributes:
        recent: where the search for chunks begins that have no record, unless `since` is given.
        since, until: times bound the search in both topics, offsets are those of the chunk topic.
        partition: to look in; None for the one that murmur2 gives the request id.
        everywhere: look in all partitions.
        late_ms: how long after the close late chunks are looked for, by append time.
        records: the request's records, given instead of looked for.
    """

    recent: Bound
    since: Bound | None = None
    until: Bound | None = None
    partition: int | None = None
    everywhere: bool = False
    late_ms: int = 0
    records: Sequence[Found] = ()


class Finder:
    """Looks for one request."""

    def __init__(self, request_id: str, settings: Settings, search: Search, valuation: Valuation = UNVALUED) -> None:
        """Know what to look for, and where."""
        self._request_id, self._settings, self._search = request_id, settings, search
        self._policy, self._valuation = settings.policy(), valuation
        self._key = request_id.encode(errors="replace")
        self._quoted = {json.dumps(request_id, ensure_ascii=each).encode(errors="replace") for each in (True, False)}

    async def find(self, topics: Topics) -> Gathered:
        """Find the request.

        Raises:
            FoundProblem: it is not there, or its chunks are not there any more.
            UsageError: a topic or partition does not exist.
        """
        if self._search.records:
            return await self._by_source(topics, self._search.records, whole=False)
        records = await self._records(topics)
        return await self._by_source(topics, records, whole=True) if records else await self._by_time(topics)

    # ---- records -----------------------------------------------------------------------------------------------

    async def _records(self, topics: Topics) -> list[Found]:
        """The records of the request, in the order in which they were written.

        Raises:
            FoundProblem: they are in several partitions.
        """
        found: dict[int, list[Found]] = {}
        for partition in self._partitions(topics, self._settings.record_topic):
            if records := await self._backwards(topics, partition):
                found[partition] = records
        if len(found) > 1:
            where = " and ".join(map(str, found))
            text = f"the request has records in partitions {where} of {self._settings.record_topic}"
            hint = "the number of partitions was changed, or two producers partition differently; choose --partition"
            raise FoundProblem(text, request_id=self._request_id, hint=hint)
        return next(iter(found.values()), [])

    async def _backwards(self, topics: Topics, partition: int) -> list[Found]:
        """Block by block from the end, until revision 0 is among them."""
        topic, search = self._settings.record_topic, self._search
        begin, end = await topics.bounds(topic, partition, _by_time(search.since), _by_time(search.until))
        found: list[Found] = []
        size = WINDOW
        while end > begin:
            start = max(begin, end - size)
            block = [
                read(record.value or b"", f"{topic} {partition} offset {record.offset}")
                async for record in topics.read("records", topic, partition, start, end)
                if record.key == self._key
            ]
            found = block + found
            if any(each.record["revision"] == 0 for each in block):
                break
            end, size = start, min(2 * size, LONGEST)
        return found

    def _partitions(self, topics: Topics, topic: str) -> Sequence[int]:
        count = topics.partitions(topic)
        if self._search.everywhere:
            return range(count)
        if self._search.partition is not None:
            return (self._search.partition,)
        return (partition_of(self._key, count),)

    # ---- chunks ------------------------------------------------------------------------------------------------

    async def _by_source(self, topics: Topics, records: Sequence[Found], *, whole: bool) -> Gathered:
        """By the range that the newest record names, and on until the clock has passed the close."""
        newest = records[-1].record
        topic, partition, first, last = self._source(newest)
        begin, end = await topics.bounds(topic, partition)
        if not begin <= last < end:
            text = f"its chunks are offsets {first:,} to {last:,}, and the topic has {begin:,} to {end - 1:,}"
            hint = "they are past retention" if last < begin else "was the topic deleted and made again?"
            raise FoundProblem(text, topic=topic, partition=partition, request_id=self._request_id, hint=hint)
        start = max(first, begin)
        gone = [f"offsets {first:,} to {begin - 1:,} are past retention"] if first < begin else []
        watch = Watch(self._request_id, self._policy, (topic, partition), self._valuation)
        async with aclosing(topics.read("chunks", topic, partition, start, end)) as source:
            async for record in source:
                self._feed(watch, record)
                if record.offset >= last and self._settled(watch):
                    break
        head = watch.open_head
        if head is not None and head.revision <= newest["revision"]:
            watch.end()  # by wall clock then: no append time has passed its deadline
        return self._gathered(watch, start, records=records, whole=whole, notes=gone)

    async def _by_time(self, topics: Topics) -> Gathered:
        """No record: all chunks of a stretch of time.

        Raises:
            FoundProblem: none is of the request.
        """
        topic, search = self._settings.chunk_topic, self._search
        since = search.since or search.recent
        found: list[tuple[Watch, int]] = []
        for partition in self._partitions(topics, topic):
            begin, end = await topics.bounds(topic, partition, since, search.until)
            watch = Watch(self._request_id, self._policy, (topic, partition), self._valuation)
            async for record in topics.read("chunks", topic, partition, begin, end):
                self._feed(watch, record)
            if watch.entries:
                found.append((watch, begin))
        if not found:
            raise self._missing(topics, since)
        if len(found) > 1:
            where = " and ".join(str(watch.partition) for watch, _ in found)
            text = f"the request has chunks in partitions {where} of {topic}"
            raise FoundProblem(text, request_id=self._request_id, hint="explain one with --partition")
        ((watch, begin),) = found
        records = await self._records(topics) if watch.closings else []  # it may have come meanwhile
        notes = [f"no record yet; its chunks were looked for from offset {begin:,} on ({since.text})"]
        return self._gathered(watch, begin, records=records, whole=True, notes=[] if records else notes)

    def _source(self, record: Json) -> tuple[str, int, int, int]:
        """Topic, partition, first and last offset of a record's chunks.

        Raises:
            FoundProblem: it has none, or of another topic than the settings'.
        """
        source = record["source"] or {}
        topic = source.get("topic")
        numbers = [source.get(name) for name in ("partition", "first_offset", "last_offset")]
        known = [number for number in numbers if isinstance(number, int)]
        if not isinstance(topic, str) or len(known) < len(numbers):
            hint = "give the chunks themselves: streamledger explain REQUEST FILE --record RECORD"
            raise FoundProblem("its record was not made from Kafka", request_id=self._request_id, hint=hint)
        if topic != self._settings.chunk_topic:
            text = f"its record was made from topic {topic}, the settings name {self._settings.chunk_topic}"
            raise FoundProblem(text, request_id=self._request_id, hint=f"say --chunk-topic {topic}")
        partition, first, last = known
        return topic, partition, first, last

    def _feed(self, watch: Watch, record: Any) -> None:
        """A record to the fold if it is of the request, by its key or inside; any other is a tick of the clock."""
        if record.key == self._key or self._names_it(record.value or b""):
            watch.take(record)
        else:
            watch.tick(record.offset, record.timestamp)

    def _names_it(self, value: bytes) -> bool:
        """Whether a record under another key has the request's id: a dead letter `key_mismatch`."""
        if not any(quoted in value for quoted in self._quoted):
            return False
        try:
            return bool(located(value, 0)[-1] == self._request_id)
        except ProducerFault:
            return False

    def _settled(self, watch: Watch) -> bool:
        """Whether the request is closed and the time for late chunks over."""
        if watch.open_head is not None or not watch.closings:
            return False
        return watch.clock >= watch.closings[-1].head.closed_at + self._search.late_ms

    def _gathered(
        self, watch: Watch, start: int, *, records: Sequence[Found], whole: bool, notes: Sequence[str]
    ) -> Gathered:
        where = {
            "topic": watch.topic,
            "partition": watch.partition,
            "from_offset": start,
            "to_offset": watch.position - 1,
        }
        return Gathered(watch=watch, clocked=True, where=where, records=records, whole=whole, notes=notes)

    def _missing(self, topics: Topics, since: Bound) -> FoundProblem:
        """Nothing was found; where nobody looked is the hint."""
        settings = self._settings
        parts = self._partitions(topics, settings.record_topic)
        where = "any partition" if len(parts) > 1 else f"partition {parts[0]}"
        text = f"neither a record in {where} of {settings.record_topic} nor a chunk in {settings.chunk_topic} "
        again = f"streamledger explain {safe(shlex.quote(self._request_id))} --from -24h"
        hint = f"look further back: `{again}`" + ("" if len(parts) > 1 else "; elsewhere with --partition all")
        return FoundProblem(f"{text}since {since.text}", request_id=self._request_id, hint=hint)


def _by_time(bound: Bound | None) -> Bound | None:
    """A bound that holds for the record topic too: offsets are those of chunks."""
    return None if bound is None or bound.offset is not None else bound
