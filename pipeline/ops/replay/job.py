"""One partition of a replay from Kafka to its files, and its comparison with the record topic.

Imports the passage, the diff, and the reader of topics; joins no group and commits nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Final

import msgspec

from pipeline.core.valuation import Valuation
from pipeline.engine.database import Memory
from pipeline.engine.spill import Spill
from pipeline.errors import OurFault
from pipeline.ops.replay.diff import LISTED, Diff, Difference, Finding
from pipeline.ops.replay.note import Counts
from pipeline.ops.replay.order import Order, Share
from pipeline.ops.replay.part import Part
from pipeline.ops.replay.passage import Passage
from pipeline.topics.group import group_of
from pipeline.topics.reader import Topics, reading

SHOWN: Final = 1_000
"""Differences of one kind that are handed on from a partition; all of them are in its file."""

LOCK_SECONDS: Final = 20.0
"""How long a process of a replay that was killed may hold the store; it ends when it notices."""

DIFFERENCES: Final = "differences.jsonl"

Say = Callable[[int, int], None]
"""Told how many offsets are read, and how many there are as far as is known."""


class Outcome(msgspec.Struct):
    """What became of a partition.

    Attributes:
        share: the partition.
        counts: of the fold.
        position: where reading ended.
        compared: records by finding, of a diff.
        differences: the first of them, by kind.
    """

    share: Share
    counts: Counts
    position: int
    compared: dict[str, int] = {}
    differences: list[Difference] = []


async def run_share(order: Order, share: Share, valuation: Valuation, budget: Memory, say: Say) -> Outcome:
    """Replay one partition, or go on with it.

    Raises:
        KafkaUnreachable: no broker answers any more.
        BrokerFault: nothing comes although the end is ahead.
        FoundProblem: a file of the work directory was changed.
        OurFault: the store can't be used.
    """
    passage = Passage(order, share, _spill(order.work / f"{share.partition:04d}" / "rows", budget), valuation)
    try:
        async with reading(order.settings, lambda _: None) as topics:
            if not passage.done:
                await _fold(topics, passage, say)
            passage.finish()
            say(passage.position - share.begin, passage.position - share.begin)
            outcome = Outcome(share, passage.note.counts, passage.position)
            if order.diff:
                await _compare(topics, passage, outcome)
            return outcome
    finally:
        passage.close()


async def _fold(topics: Topics, passage: Passage, say: Say) -> None:
    share, topic = passage.share, passage.order.settings.chunk_topic
    async with aclosing(topics.batches("chunks", topic, share.partition, passage.position, share.end)) as batches:
        async for batch in batches:
            passage.take(batch.records, batch.end)
            say(passage.position - share.begin, max(passage.position, share.until) - share.begin)
            if passage.done:
                return


async def _compare(topics: Topics, passage: Passage, outcome: Outcome) -> None:
    """Hold the partition's records to what was replayed.

    The worker's position is asked for before the end of the records: what it had committed by then is in front of it.
    """
    order, number = passage.order, passage.share.partition
    settings = order.settings
    group = await group_of(settings, settings.ledger, settings.chunk_topic)
    end = await topics.written(settings.record_topic, number)
    begin, _ = await topics.bounds(settings.record_topic, number)
    diff = Diff(passage)
    span = max(begin, passage.share.records), end
    async with aclosing(topics.batches("records", settings.record_topic, number, *span)) as batches:
        async for batch in batches:
            diff.take(batch.records)
    shown = dict.fromkeys(LISTED, 0)
    file = Part(order.work / f"{number:04d}" / DIFFERENCES, 0)
    try:
        for difference in diff.differences(group.offsets.get(number)):
            file.write(msgspec.json.encode(difference))
            kind = Finding(difference.kind)
            if shown[kind] < SHOWN:
                shown[kind] += 1
                outcome.differences.append(difference)
        file.sync()
    finally:
        file.close()
    outcome.compared = {str(name): count for name, count in diff.counts.items()}


def _spill(path: Path, budget: Memory) -> Spill:
    """The store, once a dying process has let go of it."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return Spill(path, budget)
        except OurFault:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)
