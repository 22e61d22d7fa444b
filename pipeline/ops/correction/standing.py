"""How far the ledger's worker has come, partition by partition: by what its group has committed.

Imports `topics` and the guard.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pipeline.ops.correction.guard import Standing
from pipeline.settings import Settings
from pipeline.topics.group import group_of
from pipeline.topics.reader import Topics

NOWHERE: Final = Standing(None, running=False)
"""Of a worker of which nothing is known."""

_BACK: Final = (64, 4_096, 262_144)
"""Offsets that are looked at before the position, until a chunk is among them: others are marks of transactions."""


async def standings(topics: Topics, settings: Settings, partitions: Iterable[int]) -> dict[int, Standing]:
    """The worker's standing in each of these partitions.

    Raises:
        KafkaUnreachable: no broker answers any more.
    """
    topic = settings.chunk_topic
    group = await group_of(settings, settings.ledger, topic)
    found: dict[int, Standing] = {}
    for partition in partitions:
        position = group.offsets.get(partition)
        if position is None or not topics.has(topic, partition):
            found[partition] = NOWHERE
        else:
            clock = await _clock(topics, topic, partition, position)
            found[partition] = Standing(clock, running=group.members > 0)
    return found


async def _clock(topics: Topics, topic: str, partition: int, position: int) -> int | None:
    """Append time of the last chunk before a position."""
    begin, end = await topics.bounds(topic, partition)
    last = None
    for back in _BACK:
        start = max(begin, position - back)
        async for chunk in topics.read("the worker's place", topic, partition, start, min(position, end)):
            last = chunk.timestamp
        if last is not None or start == begin:
            break
    return last
