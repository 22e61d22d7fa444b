"""How far the ledger's worker has come, partition by partition: by what its group has committed.

Imports `topics` and the guard.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import aclosing
from typing import Any, Final

from pipeline.ops.correction.guard import Standing
from pipeline.settings import Settings
from pipeline.topics.group import group_of
from pipeline.topics.reader import Topics

_BACK: Final = (64, 4_096, 262_144)
"""Offsets that are looked at before the position, until a chunk is among them: others are marks of transactions."""


async def standings(topics: Topics, settings: Settings, partitions: Iterable[int]) -> dict[int, Standing]:
    """The worker's standing in each of these partitions.

    Raises:
        KafkaUnreachable: no broker answers any more.
        UsageError: the chunk topic does not exist.
    """
    group = await group_of(settings, settings.ledger, settings.chunk_topic)
    found: dict[int, Standing] = {}
    for partition in partitions:
        position = group.offsets.get(partition)
        if position is None:
            found[partition] = Standing(None, current=False, running=False)
            continue
        clock, current = await _place(topics, settings.chunk_topic, partition, position)
        found[partition] = Standing(clock, current, running=group.members > 0)
    return found


async def _place(topics: Topics, topic: str, partition: int, position: int) -> tuple[int | None, bool]:
    """Append time of the last chunk before a position, and whether there is none after it."""
    begin, end = await topics.bounds(topic, partition)
    written = await topics.written(topic, partition)
    current = written <= end and await _first(topics, topic, partition, (max(position, begin), end)) is None
    for back in _BACK:
        start = max(begin, position - back)
        last = None
        async for chunk in topics.read("the worker's place", topic, partition, start, min(position, end)):
            last = chunk.timestamp
        if last is not None or start == begin:
            break
    return last, current


async def _first(topics: Topics, topic: str, partition: int, span: tuple[int, int]) -> Any:
    """The first chunk of a span; None if it holds but marks of transactions."""
    async with aclosing(topics.read("the worker's place", topic, partition, *span)) as chunks:
        async for chunk in chunks:
            return chunk
    return None
