"""The newest message of each partition, read-only and without a group; and how our clock is from the brokers'.

Owns the consumer. A clock is compared with the append time of a message that comes while we listen: its offset is not
below the end that was told after we asked, so that it was appended between the asking and its arrival. Imports
aiokafka, the engine's safe consumer and the settings.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from aiokafka.structs import TopicPartition

from pipeline.engine.fetched import Consumer
from pipeline.settings import Settings, client
from pipeline.topics.admin import REQUEST_MILLISECONDS

READ_SECONDS: Final = 10.0
POLL_MS: Final = 100

T = TypeVar("T")


@dataclass(frozen=True)
class Log:
    """A partition: its first offset, the next one, and as much of the newest message as was asked for."""

    begin: int
    end: int
    newest: int | None
    """Append time of the last message that was looked at, ms since the epoch."""


async def ends(
    settings: Settings, topic: str, partitions: int, back: int, look: Callable[[Any], T | None]
) -> tuple[dict[int, Log], dict[int, T]]:
    """Read the last offsets of each partition of a topic, read_committed.

    Args:
        settings: The way to Kafka.
        topic: Its name.
        partitions: How many it has; at least one.
        back: How many offsets; some of them are marks of transactions.
        look: Takes of a message what is wanted; None: nothing.

    Returns:
        The partitions, and the last that `look` found in each.

    Raises:
        KafkaError: The topic can't be read.
        TimeoutError: Its end did not come in READ_SECONDS.
    """
    places = [TopicPartition(topic, number) for number in range(partitions)]
    found: dict[int, T] = {}
    newest: dict[int, int] = {}
    async with _consumer(settings, "read_committed", places) as consumer:
        begins, last = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        waiting = {place for place in places if last[place] > begins[place]}
        for place in waiting:
            consumer.seek(place, max(begins[place], last[place] - back))
        if waiting != set(places):
            consumer.pause(*(place for place in places if place not in waiting))
        deadline = time.monotonic() + READ_SECONDS
        while waiting and time.monotonic() < deadline:
            for place, records in (await consumer.getmany(*waiting, timeout_ms=POLL_MS)).items():
                for record in records:
                    newest[place.partition] = record.timestamp
                    told = look(record)
                    if told is not None:
                        found[place.partition] = told
            waiting = {place for place in waiting if await consumer.position(place) < last[place]}
    if waiting:
        raise TimeoutError
    logs = {p.partition: Log(begins[p], last[p], newest.get(p.partition)) for p in places}
    return logs, found


async def listen(
    settings: Settings, topics: Mapping[str, int], seconds: float, now: Callable[[], float]
) -> float | None:
    """Wait for messages, and compare clocks on the first.

    Args:
        settings: The way to Kafka.
        topics: Partitions by topic; all of them with append time.
        seconds: How long to wait.
        now: Our clock, seconds since the epoch.

    Returns:
        Ours minus the brokers' in seconds, as far as it is proved; None: nothing came.

    Raises:
        KafkaError: The topics can't be read.
    """
    places = [TopicPartition(topic, number) for topic, count in topics.items() for number in range(count)]
    async with _consumer(settings, "read_uncommitted", places) as consumer:
        asked = now()
        last = await consumer.end_offsets(places)
        for place in places:
            consumer.seek(place, last[place])
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            taken = await consumer.getmany(timeout_ms=POLL_MS)
            arrived = now()
            for records in taken.values():
                return difference(records[0].timestamp / 1_000, asked, arrived)
    return None


def difference(appended: float, asked: float, arrived: float) -> float:
    """Ours minus the brokers', of a message appended between two moments of ours; 0 where it fits in between."""
    if appended > arrived:
        return arrived - appended
    return max(asked - 0.001 - appended, 0.0)  # append times are cut to milliseconds


@contextlib.asynccontextmanager
async def _consumer(
    settings: Settings, isolation: Literal["read_committed", "read_uncommitted"], places: list[TopicPartition]
) -> AsyncIterator[Any]:
    consumer = Consumer(
        **client(settings),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level=isolation,
        request_timeout_ms=REQUEST_MILLISECONDS,
    )
    await consumer.start()
    try:
        consumer.assign(places)
        yield consumer
    finally:
        await consumer.stop()
