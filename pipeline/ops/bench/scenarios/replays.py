"""A topic replayed, beside the worker that folded it first.

Owns the comparison. Imports its siblings.
"""

from __future__ import annotations

from typing import Final

from pipeline.ops.bench.load import Load, send
from pipeline.ops.bench.measure import measure
from pipeline.ops.bench.peer import PEERS, WORKER
from pipeline.ops.bench.scenarios.figure import Outcome
from pipeline.ops.bench.scenarios.ground import Ground
from pipeline.ops.bench.scenarios.run import ours, timed
from pipeline.ops.demo.worker import environment
from pipeline.settings import client

OPEN: Final = 200
CHUNKS: Final = 100
TARGET: Final = 1.0
"""A replay may take as long as the worker, no longer."""


async def replays(ground: Ground) -> list[Outcome]:
    """The worker over a filled topic, then `replay` of the same to a file."""
    load = Load("replay", ground.pick(20_000, 2_000, 200), CHUNKS, OPEN)
    stage = await ground.stage("replays")
    settings, outcome = stage.settings, Outcome("replay", f"{load.total:,} chunks, {OPEN} open at a time")
    steps = ground.site.steps
    with steps.step("replay", "replay: loading chunks", total=load.total) as advance:
        await send(client(settings), settings.chunk_topic, load, advance)
    with steps.step("replay", "replay: the worker", total=load.total) as advance:
        command = next(peer for peer in PEERS if peer.name == WORKER).command(stage)
        worker = await measure(command, stage, load, ground.site.cluster, advance)
    with steps.step("replay", "replay: the same again"):
        arguments = ours("replay", "--out", str(stage.home / "records.jsonl"))
        again = await timed(arguments, environment(settings), stage.home / "replay.log")
    outcome.add("worker", worker.rate, "chunks/s")
    outcome.add("replay", load.total / again.seconds, "chunks/s")
    outcome.add("replay: time beside the worker's", again.seconds * worker.rate / load.total, "×", TARGET)
    outcome.add("worker: memory at most", worker.peak / (1 << 20), "MiB")
    outcome.add("replay: memory at most, all processes", again.cost.peak / (1 << 20), "MiB")
    return [outcome]
