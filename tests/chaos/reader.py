"""An independent reader: what any read_committed consumer of records and dead letters sees, and how long it waits.

Owns the views of records. Imports nothing of `pipeline` or `schemas`, so that it can't share their mistakes.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import accumulate, pairwise
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

Json = dict[str, Any]
LOOK_SECONDS: Final = 0.25
BLIND_SECONDS: Final = 1.5
"""Between two looks further apart a broker was gone: what passed then is not the fault of a transaction."""

PLAIN: Final = (
    "stream_type",
    "provider",
    "model",
    "labels",
    "status",
    "finish_reason",
    "complete",
    "missing_indexes",
    "chunk_count",
    "cost",
)


@dataclass(frozen=True)
class Record:
    """A record as it was seen; its content as hashes."""

    partition: int
    offset: int
    request_id: str
    revision: int
    record_id: str
    supersedes: str | None
    view: Json
    key_agrees: bool
    source_partition: int


@dataclass(frozen=True)
class DeadLetter:
    """A dead letter as it was seen."""

    reason: str
    source: tuple[int, int]
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]


@dataclass
class Waits:
    """How long each partition's last stable offset stood still below its end."""

    looks: int = 0
    blind: float = 0.0
    """Seconds in which no broker told."""
    longest: float = 0.0
    longest_with_outages: float = 0.0
    """The same with the time in which no broker told where the partition ends."""
    _since: dict[TopicPartition, tuple[int, float, float]] = field(default_factory=dict)
    _looked: float = 0.0

    def look(self, stable: Mapping[Any, int], ends: Mapping[Any, int], now: float) -> None:
        """Note a look at all partitions at monotonic time `now`."""
        blind = now - self._looked if self._looked and now - self._looked > BLIND_SECONDS else 0.0
        self._looked = now
        self.looks, self.blind = self.looks + 1, self.blind + blind
        for part, end in ends.items():
            offset, since, first = self._since.get(part, (-1, now, now))
            if stable[part] >= end:
                self._since.pop(part, None)
                continue
            since, first = (now, now) if offset != stable[part] else (since + blind, first)
            self._since[part] = stable[part], since, first
            self.longest = max(self.longest, now - since)
            self.longest_with_outages = max(self.longest_with_outages, now - first)


class Reader:
    """Reads two topics from the beginning for as long as it runs."""

    def __init__(self, bootstrap_servers: str, *, records: str, dead: str, partitions: int) -> None:
        """Nothing is connected yet."""
        self._servers, self._records, self._dead = bootstrap_servers, records, dead
        self._parts = [TopicPartition(topic, number) for topic in (records, dead) for number in range(partitions)]
        self.records: dict[str, list[Record]] = {}
        self.dead: list[DeadLetter] = []
        self.places: set[tuple[str, int, int]] = set()
        self.waits = Waits()
        self.moved = time.monotonic()
        self._positions: dict[TopicPartition, int] = {}

    async def run(self) -> None:
        """Read until cancelled; a broker that goes away is waited for."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._forever(self._read, "read_committed"))
            group.create_task(self._forever(self._look, "read_committed", "read_uncommitted"))

    async def _forever(self, work: Any, *levels: str) -> None:
        while True:
            consumers = [self._consumer(level) for level in levels]
            try:
                for consumer in consumers:
                    await consumer.start()
                    consumer.assign(self._parts)
                await work(*consumers)
            except (KafkaError, TimeoutError):
                await asyncio.sleep(0.5)
            finally:
                for consumer in consumers:
                    with suppress(KafkaError):
                        await consumer.stop()

    def _consumer(self, level: str) -> Any:
        return AIOKafkaConsumer(
            bootstrap_servers=self._servers,
            isolation_level=level,
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=16 << 20,
            request_timeout_ms=10_000,
        )

    async def _read(self, consumer: Any) -> None:
        for part in self._parts:
            consumer.seek(part, self._positions.get(part, 0))
        while True:
            for part, batch in (await consumer.getmany(timeout_ms=300)).items():
                self.moved = time.monotonic()
                for each in batch:
                    self._take(each)
                self._positions[part] = batch[-1].offset + 1

    def _take(self, each: Any) -> None:
        self.places.add((each.topic, each.partition, each.offset))
        if each.topic == self._dead:
            if "dl.reason" in dict(each.headers):  # else it is the receipt of one that was sent back
                self.dead.append(dead_letter(each))
        else:
            seen = record(each)
            self.records.setdefault(seen.request_id, []).append(seen)

    async def _look(self, committed: Any, uncommitted: Any) -> None:
        """Compare the last stable offsets with the ends."""
        while True:
            async with asyncio.timeout(5):
                ends = await uncommitted.end_offsets(self._parts)
                stable = await committed.end_offsets(self._parts)
            self.waits.look(stable, ends, time.monotonic())
            await asyncio.sleep(LOOK_SECONDS)

    async def again(self) -> set[tuple[str, int, int]]:
        """Where records lie for a reader that begins now: must be what was seen along the way."""
        found: set[tuple[str, int, int]] = set()
        async for each in everything(self._consumer("read_committed"), self._parts):
            found.add((each.topic, each.partition, each.offset))
        return found


@dataclass
class Sent:
    """What really lies in the topic of chunks.

    Attributes:
        times: (offset, append time in ms) of all records by key, garbage too: a key has one partition.
        garbage: Places (partition, offset) by number of the garbage.
        hashes: SHA-256 of the distinct values.
        count: Records.
    """

    times: dict[bytes | None, list[tuple[int, int]]] = field(default_factory=dict)
    garbage: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    hashes: set[bytes] = field(default_factory=set)
    count: int = 0

    def parted(self, key: bytes | None, grace: int, *, before: int | None = None) -> bool:
        """Whether two neighbours of a key lie so far apart that its request may have closed in between.

        Args:
            key: Of the request.
            grace: Shortest time in ms after which a request may close before its next chunk.
            before: Only those up to this offset; default all.
        """
        times = [at for offset, at in sorted(self.times.get(key, ())) if before is None or offset <= before]
        return any(later - earlier >= grace for earlier, later in pairwise(accumulate(times, max)))


async def chunks(bootstrap_servers: str, topic: str, *, partitions: int, header: str) -> Sent:
    """Scan the topic of chunks."""
    sent = Sent()
    parts = [TopicPartition(topic, number) for number in range(partitions)]
    reader = Reader(bootstrap_servers, records=topic, dead=topic, partitions=0)
    async for each in everything(reader._consumer("read_committed"), parts):
        sent.count += 1
        number = dict(each.headers).get(header)
        sent.times.setdefault(each.key, []).append((each.offset, each.timestamp))
        if number is not None:
            sent.garbage.setdefault(int(number), []).append((each.partition, each.offset))
        else:
            sent.hashes.add(sha256(each.value or b"").digest())
    return sent


async def partition(bootstrap_servers: str, topic: str, number: int) -> Any:
    """All records of one partition that a committed reader sees."""
    reader = Reader(bootstrap_servers, records=topic, dead=topic, partitions=0)
    async for each in everything(reader._consumer("read_committed"), [TopicPartition(topic, number)]):
        yield each


async def everything(consumer: Any, parts: list[Any]) -> Any:
    """All records of the partitions up to their ends at the start."""
    await consumer.start()
    try:
        consumer.assign(parts)
        for part in parts:
            consumer.seek(part, 0)
        ends = await consumer.end_offsets(parts)
        while any([await consumer.position(part) < ends[part] for part in parts]):
            for batch in (await consumer.getmany(timeout_ms=300)).values():
                for each in batch:
                    yield each
    finally:
        await consumer.stop()


def record(each: Any) -> Record:
    """What was seen of a record."""
    told = json.loads(each.value)
    headers = dict(each.headers)
    return Record(
        partition=each.partition,
        offset=each.offset,
        request_id=told["request_id"],
        revision=told["revision"],
        record_id=told["record_id"],
        supersedes=told["supersedes"],
        view=view(told),
        key_agrees=each.key == told["request_id"].encode() and headers["record_id"] == told["record_id"].encode(),
        source_partition=told["source"]["partition"],
    )


def dead_letter(each: Any) -> DeadLetter:
    """What was seen of a dead letter."""
    headers = dict(each.headers)
    source = int(headers["dl.partition"]), int(headers["dl.offset"])
    return DeadLetter(headers["dl.reason"].decode(), source, each.key, each.value, headers)


def view(told: Json) -> Json:
    """A record in the words of the generator's ledger."""
    message, usage = told["output_message"] or {}, told["token_usage"]
    error = (told["error_details"] or {}).get("error")
    images = (told["image_generation_output"] or {}).get("data") or ()
    calls = told["tool_calls"] or ()
    return {
        **{name: told[name] for name in PLAIN},
        "attempts": None if told["attempts"] is None else len(told["attempts"]),
        "usage": usage and [usage[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")],
        "error": error and [error.get("type"), error.get("message")],
        "text": _digest(message.get("content")),
        "tools": [[call["id"], call["function"]["name"], call["function"]["arguments"]] for call in calls] or None,
        "audio": _digest(_bytes((told["audio_output"] or {}).get("audio"))),
        "transcript": _digest((told["transcription_output"] or {}).get("text")),
        "items": _items(told["output_messages"] or ()),
        "images": [[image["index"], _digest(image.get("b64_json"))] for image in images] or None,
    }


def _items(items: Iterable[Json]) -> list[str | None] | None:
    """Texts of the messages; calls are among the tools."""
    texts = ["".join(part["text"] for part in item["content"]) for item in items if item["type"] == "message"]
    return [_digest(text) for text in texts if text] or None


def _bytes(text: str | None) -> bytes | None:
    try:
        return None if text is None else base64.b64decode(text, validate=True)
    except binascii.Error:
        return b"not base64"


def _digest(content: str | bytes | None) -> str | None:
    if not content:
        return None
    return sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:16]
