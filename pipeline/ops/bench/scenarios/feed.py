"""Chunks into a topic, at a pace or as fast as it goes, and when the broker appended the last one of each request.

Owns the pace and the times; batches are filled by the load generator's feed. Imports aiokafka and the loads.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer

from pipeline.ops.bench.load import Load, values
from pipeline.ops.bench.load import waves as ids_of
from pipeline.ops.load.feed import BATCH_BYTES
from pipeline.ops.load.feed import Feed as Batches
from pipeline.settings import Settings, client

TICK_SECONDS: Final = 0.02
"""Chunks of this time go out together: a gateway's batch."""
BURST: Final = 2_000
"""Most chunks between two looks at the clock."""


class Piece(NamedTuple):
    """A chunk to send; `last` if its request ends with it."""

    key: bytes
    value: bytes
    last: bool


class Feed(Batches):
    """A producer of one topic.

    Attributes:
        appended: Broker's append time of each request's last chunk, ms since the epoch.
    """

    def __init__(self, producer: Any, topic: str, partitions: int) -> None:
        """Made by `feeding`."""
        super().__init__(producer, topic, partitions, self._note)
        self.appended: dict[bytes, int] = {}

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

    def _note(self, marks: list[tuple[bytes, Any]], appended: int) -> None:
        self.appended.update((key, appended) for key, _ in marks)


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
