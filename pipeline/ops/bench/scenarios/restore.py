"""How long a worker takes to start from an empty data directory: open requests and the markers of an hour behind it.

Owns how the changelogs are filled: open requests by a worker, markers in the core's own row format. Imports its
siblings, aiokafka and `pipeline.core`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from typing import Final

from aiokafka import AIOKafkaProducer

from pipeline.core.segment import Marker, hour_of, marker_key, pack, pack_markers
from pipeline.ops.bench.load import Load
from pipeline.ops.bench.peer import Stage
from pipeline.ops.bench.scenarios.feed import feeding, waves
from pipeline.ops.bench.scenarios.figure import Outcome
from pipeline.ops.bench.scenarios.ground import Ground
from pipeline.settings import Settings, client
from pipeline.topics.admin import definitions
from pipeline.topics.partitioner import partition_of

SIZES: Final = ((1_000_000, 10.0), (10_000_000, 60.0))
"""(markers, most seconds)."""
ROW: Final = 1_000
"""Markers in a row: those of a checkpoint."""
DIGEST: Final = "0" * 32


async def restore(ground: Ground) -> list[Outcome]:
    """Measure both sizes; the small form only a tenth of the first."""
    opened = ground.pick(100_000, 20_000, 500)
    sizes = SIZES if not (ground.quick or ground.tiny) else ((ground.pick(0, 100_000, 4_000), 10.0),)
    stage = await ground.stage("restore", session_window=3_600_000)
    load = Load("", opened, 3, opened)
    with ground.site.steps.step("restore-open", f"restore: opening {opened:,} requests"):
        async with ground.worker(stage) as worker, feeding(stage.settings) as feed:
            await feed.send(piece for piece in waves(load) if not piece.last)
            await feed.settle()
            await worker.caught_up(300.0)
            await worker.stop()
    outcomes, written = [], 0
    for markers, seconds in sizes:
        with ground.site.steps.step(f"restore-{markers}", f"restore: writing {markers - written:,} markers"):
            await _write(stage.settings, written, markers)
        written = markers
        outcomes.append(await _measure(ground, stage, opened, markers, seconds))
    return outcomes


async def _measure(ground: Ground, stage: Stage, opened: int, markers: int, target: float) -> Outcome:
    """Start on nothing; the slowest partition says how long it took, its rows how much."""
    shutil.rmtree(stage.settings.data_dir, ignore_errors=True)
    outcome = Outcome("restore", f"{opened:,} open, {markers:,} markers, {stage.settings.partitions} partitions")
    began = time.monotonic()
    with ground.site.steps.step(f"restoring-{markers}", f"restore: {outcome.conditions}"):
        async with ground.worker(stage) as worker:
            ready = time.monotonic() - began
            cost, events = worker.process.cost(), worker.events("restored")
            assigned = worker.events("assigned")[-1]["seconds"]
            done = await worker.stop()
    outcome.add("restore", assigned, "s", target)
    outcome.add("process start to ready", ready, "s")
    outcome.add("open afterwards", done["open"], "")
    outcome.add("rows read", sum(event["rows"] for event in events), "")
    outcome.add("peak memory", cost.peak / (1 << 20), "MiB")
    outcome.add("processor time", cost.cpu, "s")
    return outcome


async def _write(settings: Settings, first: int, end: int) -> None:
    """Rows of markers into the marker changelog."""
    topic = next(each.name for each in definitions(settings) if each.role == "markers")
    producer = AIOKafkaProducer(**client(settings), max_batch_size=1 << 20, linger_ms=5, acks=1)
    await producer.start()
    try:
        for partition, row in _rows(settings.partitions, first, end):
            await producer.send(topic, row, key=b"m", partition=partition)
        await producer.flush()
    finally:
        await producer.stop()


def _rows(partitions: int, first: int, end: int) -> Iterator[tuple[int, bytes]]:
    now = int(time.time() * 1_000)
    start = now * 1_000
    seen = [(0, 0, -1, [0, 20])]
    marker = Marker("chat.completion", "finish_reason", True, now, 0, (start, start), seen, 0, DIGEST)  # noqa: FBT003
    value, hour = pack(marker), hour_of(now)
    groups: list[list[tuple[bytes, bytes]]] = [[] for _ in range(partitions)]
    for number in range(first, end):
        name = b"closed-%012d" % number
        partition = partition_of(name, partitions)
        group = groups[partition]
        group.append((marker_key(name, hour), value))
        if len(group) == ROW:
            yield partition, pack_markers(group)
            group.clear()
    yield from ((partition, pack_markers(group)) for partition, group in enumerate(groups) if group)
