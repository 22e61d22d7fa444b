"""Many abandoned requests that expire at once: whether others wait for them, and whether anything of them stays.

Owns the two streams: the abandoned, and the few that must not be held up. Imports its siblings.
"""

from __future__ import annotations

import time
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.core.segment import SEGMENT
from pipeline.ops.bench.load import Load
from pipeline.ops.bench.scenarios.feed import endless, feeding, waves
from pipeline.ops.bench.scenarios.figure import Outcome, percentile
from pipeline.ops.bench.scenarios.ground import Ground
from pipeline.ops.bench.scenarios.watch import watching
from pipeline.settings import Settings, client
from pipeline.topics.admin import definitions

HELD_UP: Final = 1_000.0
"""Most ms that any other request may wait longer than it did before."""
OTHERS: Final = (50, 4, 200.0)
"""Requests open beside them, chunks of each, chunks a second."""


async def expiry(ground: Ground) -> list[Outcome]:
    """Abandon, go on with others, see all records come."""
    count, window = ground.pick(100_000, 20_000, 1_000), ground.pick(20, 10, 4)
    outcome = Outcome("expiry", f"{count:,} abandoned requests, silent for {window} s, beside {OTHERS[2]:g} chunks/s")
    stage = await ground.stage("expiry", session_window=window * 1_000, revise_window=0)
    settings = stage.settings
    async with ground.worker(stage) as worker, watching(settings) as watch, feeding(settings) as feed:
        with ground.site.steps.step("expiry", f"expiry: {outcome.conditions}"):
            others = endless(OTHERS[0], OTHERS[1], b"other")
            await feed.paced(others, OTHERS[2], 2.0)
            empty = worker.process.resident()
            await feed.send(piece for piece in waves(Load("", count, 2, count), b"left") if not piece.last)
            await feed.settle()
            left = time.time() * 1_000
            await feed.paced(others, OTHERS[2], window / 2)
            calm, full = time.time() * 1_000, worker.process.resident()
            deadline = time.monotonic() + window + 120.0
            while len(watch.arrived) < count + len(feed.appended) * 0.9 and time.monotonic() < deadline:
                await feed.paced(others, OTHERS[2], 1.0)
            over = time.time() * 1_000
            await feed.settle()
            await worker.records(watch, count + len(feed.appended), 60.0)
            await worker.caught_up(60.0)
            after = await worker.resident()
        done = await worker.stop()
    before = watch.delays(feed.appended, since=left + 1_000, until=calm)
    during = watch.delays(feed.appended, since=calm, until=over)
    usual = percentile(before, 0.5)
    outcome.add("others held up at most", max(during) - usual, "ms", HELD_UP)
    outcome.add("others, usual delay", usual, "ms")
    outcome.add("others, p99 while it lasts", percentile(during, 0.99), "ms")
    outcome.add("expired, first to last record", _spread(watch.arrived), "ms")
    outcome.add("segments left in the table", await _segments(settings), "", OTHERS[0] * 2)
    outcome.add("open at the end", done["open"], "", OTHERS[0])
    for name, value in (("before", empty), ("with them", full), ("afterwards", after)):
        outcome.add(f"memory {name}", value / (1 << 20), "MiB")
    return [outcome]


def _spread(arrived: dict[bytes, float]) -> float:
    times = [at for key, at in arrived.items() if key.startswith(b"left")]
    return max(times) - min(times)


async def _segments(settings: Settings) -> int:
    """Keys of segments whose newest row in the changelog is no tombstone."""
    topic = next(each.name for each in definitions(settings) if each.role == "requests")
    reader = AIOKafkaConsumer(**client(settings), group_id=None, isolation_level="read_committed")
    await reader.start()
    try:
        places = [TopicPartition(topic, number) for number in range(settings.partitions)]
        reader.assign(places)
        await reader.seek_to_beginning(*places)
        ends = await reader.end_offsets(places)
        living: dict[tuple[int, Any], bool] = {}
        while any([await reader.position(place) < ends[place] for place in places]):
            for place, records in (await reader.getmany(timeout_ms=200)).items():
                living.update({(place.partition, record.key): record.value is not None for record in records})
    finally:
        await reader.stop()
    return sum(alive for (_, key), alive in living.items() if key.startswith(SEGMENT))
