"""What an open request costs in memory once its chunks are flushed: the worker with and without them, less RocksDB.

Owns the shape. Imports its siblings.
"""

from __future__ import annotations

from typing import Final

from pipeline.ops.bench.load import Load
from pipeline.ops.bench.scenarios.feed import feeding, waves
from pipeline.ops.bench.scenarios.figure import Outcome
from pipeline.ops.bench.scenarios.ground import Ground

CHUNKS: Final = 3
"""Sent of each request; the last of them is kept back, so all stay open."""
TARGET: Final = 1_024


async def memory(ground: Ground) -> list[Outcome]:
    """Measure one worker before and after."""
    requests = ground.pick(200_000, 50_000, 2_000)
    outcome = Outcome("memory", f"{requests:,} open requests of {CHUNKS - 1} chunks, all behind a checkpoint")
    stage = await ground.stage("memory", session_window=3_600_000)
    async with ground.worker(stage) as worker, feeding(stage.settings) as feed:
        total = requests * (CHUNKS - 1)
        with ground.site.steps.step("memory", f"memory: {outcome.conditions}", total=total) as advance:
            empty = await worker.resident()
            load = Load("", requests, CHUNKS, requests)
            pieces = (piece for piece in waves(load) if not piece.last)
            while part := [piece for _, piece in zip(range(10_000), pieces, strict=False)]:
                await feed.send(part)
                advance(feed.sent)
            await feed.settle()
            await worker.caught_up(300.0)
            full = await worker.resident()
        stores = int(worker.events("assigned")[-1]["store_bytes"])
        done = await worker.stop()
    own = full - empty - (done["store_bytes"] - stores)
    outcome.add("a request", own / requests, "bytes", TARGET)
    outcome.add("open", done["open"], "")
    outcome.add("worker without requests", empty / (1 << 20), "MiB")
    outcome.add("worker with them", full / (1 << 20), "MiB")
    outcome.add("RocksDB's share of the growth", (done["store_bytes"] - stores) / (1 << 20), "MiB")
    return [outcome]
