"""Chunks into a topic, at a pace or as fast as it goes, and when the broker appended the last one of each request.

Owns batches filled by hand and the pace. Imports aiokafka and the loads.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer

from pipeline.ops.bench.load import BATCH_BYTES, Load, values
from pipeline.ops.bench.load import waves as ids_of
from pipeline.settings import Settings, client
from pipeline.topics.partitioner import partition_of

TICK_SECONDS: Final = 0.02
"""Chunks of this time go out together: a gateway's batch."""
BURST: Final = 2_000
"""Most chunks between two looks at the clock."""


class Piece(NamedTuple):
    """A chunk to send; `last` if its request ends with it."""

    key: bytes
    value: bytes
    last: bool


class Feed:
    """A producer of one topic.

    Attributes:
        appended: Broker's append time of each request's last chunk, ms since the epoch.
        sent, size: Chunks and the bytes of their values.
    """

    def __init__(self, producer: Any, topic: str, partitions: int) -> None:
        """Made by `feeding`."""
        self.appended: dict[bytes, int] = {}
        self.sent = self.size = 0
        self._producer, self._topic, self._partitions = producer, topic, partitions
        self._batches: dict[int, tuple[Any, list[bytes]]] = {}
        self._flying: set[Any] = set()
        self._places: dict[bytes, int] = {}

    async def send(self, pieces: Iterable[Piece]) -> None:
        """Put chunks into batches; the full ones go out."""
        for key, value, last in pieces:
            place = self._places.get(key)
            if place is None:
                place = self._places[key] = partition_of(key, self._partitions)
            batch = self._batches.get(place)
            if batch is None:
                batch = self._batches[place] = (self._producer.create_batch(), [])
            if batch[0].append(timestamp=None, key=key, value=value, headers=[]) is None:
                await self._pass_on(place)
                batch = self._batches[place] = (self._producer.create_batch(), [])
                batch[0].append(timestamp=None, key=key, value=value, headers=[])
            self.sent += 1
            self.size += len(value)
            if last:
                batch[1].append(key)
                del self._places[key]

    async def flush(self) -> None:
        """Send what is in batches."""
        for place in list(self._batches):
            await self._pass_on(place)

    async def settle(self) -> None:
        """Send all and see that it has arrived."""
        await self.flush()
        while self._flying:
            await asyncio.gather(*self._flying)
            await asyncio.sleep(0)

    async def paced(self, pieces: Iterator[Piece], rate: float, seconds: float) -> float:
        """Send at a rate for a time; chunks a second that were reached."""
        began, first = time.monotonic(), self.sent
        while (passed := time.monotonic() - began) < seconds:
            due = int(passed * rate) - (self.sent - first)
            if due > 0:
                await self.send(islice(pieces, min(due, BURST)))
                await self.flush()
            await asyncio.sleep(0 if due > BURST else TICK_SECONDS)
        return (self.sent - first) / passed

    async def _pass_on(self, place: int) -> None:
        builder, keys = self._batches.pop(place)
        flying = await self._producer.send_batch(builder, self._topic, partition=place)
        self._flying.add(flying)
        flying.add_done_callback(lambda done: self._arrived(done, keys))

    def _arrived(self, done: Any, keys: list[bytes]) -> None:
        self._flying.discard(done)
        if not done.cancelled() and done.exception() is None:
            self.appended.update(dict.fromkeys(keys, done.result().timestamp))


@contextlib.asynccontextmanager
async def feeding(settings: Settings) -> AsyncIterator[Feed]:
    """A feed of the settings' chunk topic."""
    producer = AIOKafkaProducer(**client(settings), max_batch_size=BATCH_BYTES, linger_ms=0, acks=1)
    await producer.start()
    try:
        yield Feed(producer, settings.chunk_topic, settings.partitions)
    finally:
        await producer.stop()


def endless(opened: int, chunks: int, prefix: bytes = b"req") -> Iterator[Piece]:
    """Chat chunks of so many requests that are open together, for ever: who ends is followed by another.

    The first ones are shorter, each by another number of chunks, so that ends are spread evenly over time.
    """
    full = values(Load("", 1, chunks, 1))
    ends = [values(replace(Load("", 1, chunks, 1), chunks=length))[-1] for length in range(1, chunks + 1)]
    state = [[0, slot % chunks, 0] for slot in range(opened)]
    while True:
        for slot, place in enumerate(state):
            index, last, life = place
            key = b"%b-%06d-%05d" % (prefix, slot, life)
            before, after = ends[index] if index == last else full[index]
            yield Piece(key, before + key + after, index == last)
            if index == last:
                place[:] = 0, chunks - 1, life + 1
            else:
                place[0] = index + 1


def waves(load: Load, prefix: bytes = b"req") -> Iterator[Piece]:
    """All chunks of a load, requests that are open together taking turns."""
    pieces = values(load)
    for keys in ids_of(load, prefix):
        for index, (before, after) in enumerate(pieces):
            for key in keys:
                yield Piece(key, before + key + after, index == load.chunks - 1)
