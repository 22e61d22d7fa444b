"""A ledger's three topics in memory: streams delivered at drawn times, and the records and letters the fold makes.

Everything is read by the same functions that read Kafka's messages.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.ops.live import Keep
from pipeline.ops.live.letters import refused_by
from pipeline.ops.live.picture import Picture
from pipeline.ops.live.told import told_by
from pipeline.settings import Settings
from pipeline.testing import Stream
from pipeline.testing.folding import folded, placed
from schemas.deadletter import DEAD_LETTER_HEADERS
from schemas.decode import ChunkRejected, decode

CHUNKS: Final = "llm.chunks"
START: Final = 1_767_225_600_000
WINDOW: Final = 900_000
PATIENCE: Final = 400_000


@dataclass(frozen=True)
class Message:
    """What a consumer hands out."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass
class Topics:
    """Chunks in, records and letters out; `at` is the append time of the next chunk, in ms."""

    at: int = START
    messages: list[Message] = field(default_factory=list)
    offsets: dict[tuple[str, int], int] = field(default_factory=dict)

    def send(self, chunks: Iterable[Mapping[str, Any] | bytes], *, step: int = 40, partitions: int = 1) -> None:
        """Append chunks, `step` ms between them."""
        for chunk in chunks:
            value = chunk if isinstance(chunk, bytes) else json.dumps(chunk).encode()
            key = json.loads(value)["request_id"]
            self._append(CHUNKS, sum(key.encode()) % partitions, key.encode(), value, self.at)
            self.at += step

    def fold(self, settings: Settings | None = None, *, keep_open: bool = True) -> list[dict[str, Any]]:
        """Let the fold write what the worker would; the records."""
        lines = [
            placed(m.value, (m.topic, m.partition, m.offset, m.timestamp)) for m in self.messages if m.topic == CHUNKS
        ]
        made = folded(lines, settings or Settings(), keep_open=keep_open)
        for record, value in zip(made.records, made.values, strict=True):
            key = record["request_id"].encode()
            self._append("records", record["source"]["partition"], key, value, self.at)
        for letter in made.dead_letters:
            source = letter["source"]
            told = [
                letter["reason"], letter["detail"], CHUNKS, source["partition"], source["offset"], source["timestamp"],
            ]  # fmt: skip
            headers = [(name, str(each).encode()) for name, each in zip(DEAD_LETTER_HEADERS, told, strict=True)]
            key = (letter["request_id"] or "").encode()
            self._append("dead", source["partition"], key, b"{}", self.at, headers)
        return made.records

    def _append(
        self, topic: str, partition: int, key: bytes, value: bytes, at: int, headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        offset = self.offsets.get((topic, partition), 0)
        self.offsets[topic, partition] = offset + 1
        self.messages.append(Message(topic, partition, offset, at, key, value, headers))

    def mixed(self, seed: int) -> list[Message]:
        """The messages in another order, each partition of each topic in its own."""
        queues: dict[tuple[str, int], list[Message]] = {}
        for message in self.messages:
            queues.setdefault((message.topic, message.partition), []).append(message)
        turns = [place for place, queue in queues.items() for _ in queue]
        random.Random(seed).shuffle(turns)
        waiting = {place: iter(queue) for place, queue in queues.items()}
        return [next(waiting[place]) for place in turns]


def picture(messages: Iterable[Message], keep: Keep | None = None, into: Picture | None = None) -> Picture:
    """Read messages."""
    seen = into or Picture(keep or Keep(), WINDOW, CHUNKS, PATIENCE)
    for message in messages:
        if message.topic == CHUNKS:
            seen.chunks_rate.add(message.timestamp)
            try:
                seen.chunk(decode(message.value), message.partition, message.offset, message.timestamp)
            except ChunkRejected:
                continue
        elif message.topic == "records":
            told = told_by(message, message.partition)
            assert told is not None
            seen.record(told)
        else:
            letter = refused_by(message)
            assert letter is not None
            seen.letter(letter)
    return seen


def all_of(streams: Iterable[Stream]) -> list[Mapping[str, Any]]:
    """Their chunks one stream after the other."""
    return [chunk for stream in streams for chunk in stream.chunks]
