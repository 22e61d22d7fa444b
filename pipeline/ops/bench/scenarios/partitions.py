"""Many partitions on one worker: that it works, and that a chunk costs the same with ten times as much of everything.

Owns the shapes. Imports its siblings.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from pipeline.ops.bench.load import PARTITIONS, Load
from pipeline.ops.bench.scenarios.feed import endless, feeding, waves
from pipeline.ops.bench.scenarios.figure import Outcome, percentile
from pipeline.ops.bench.scenarios.ground import Ground
from pipeline.ops.bench.scenarios.watch import watching

MANY: Final = 40
CHUNKS: Final = 20
WARM_SECONDS: Final = 2.0
GROWTH_TARGET: Final = 15.0
INTERVAL: Final = 400
"""Between two checkpoints of one partition of the smaller run, ms."""


class Run(NamedTuple):
    """One run: CPU µs a chunk, transactions and chunks a second, delays in ms; 0 where no record was waited for."""

    cpu: float
    transactions: float
    rate: float
    p50: float
    p99: float


async def partitions(ground: Ground) -> list[Outcome]:
    """40 partitions at the user's checkpoint interval."""
    opened = ground.pick(10_000, 2_000, 200)
    outcome = Outcome("partitions", f"{MANY} partitions, one worker, {opened:,} open, {_rate(ground):,} chunks/s")
    found = await _run(ground, "partitions", MANY, opened, ground.settings.checkpoint_interval)
    outcome.add("processor time a chunk", found.cpu, "µs")
    outcome.add("transactions", found.transactions, "a second")
    outcome.add("rate held", found.rate, "chunks/s")
    outcome.add("p50 to the record", found.p50, "ms")
    outcome.add("p99 to the record", found.p99, "ms")
    return [outcome]


async def scaling(ground: Ground) -> list[Outcome]:
    """Ten times the partitions and requests; a checkpoint interval ten times as long keeps the transactions equal.

    No request ends meanwhile: a record that waits would bring its checkpoint forward, and more partitions would then
    mean more transactions.
    """
    opened = ground.pick(2_000, 500, 50)
    outcome = Outcome(
        "scaling", f"{PARTITIONS} → {MANY} partitions, {opened:,} → {10 * opened:,} open, {_rate(ground):,} chunks/s"
    )
    few = await _open(ground, "scaling1", PARTITIONS, opened, INTERVAL)
    many = await _open(ground, "scaling10", MANY, 10 * opened, 10 * INTERVAL)
    outcome.add("processor time a chunk, more", 100 * (many.cpu / few.cpu - 1), "%", GROWTH_TARGET)
    for name, run in (("once", few), ("ten times", many)):
        outcome.add(f"{name}: processor time a chunk", run.cpu, "µs")
        outcome.add(f"{name}: transactions", run.transactions, "a second")
        outcome.add(f"{name}: rate held", run.rate, "chunks/s")
    return [outcome]


async def _open(ground: Ground, name: str, count: int, opened: int, interval: int) -> Run:
    """Chunks of requests that do not end."""
    stage = await ground.stage(name, partitions=count, checkpoint_interval=interval)
    seconds, rate = ground.pick(30, 12, 6), _rate(ground)
    warm = WARM_SECONDS + opened / rate
    chunks = int((seconds + warm) * rate / opened) + 10
    async with ground.worker(stage) as worker, feeding(stage.settings) as feed:
        pieces = waves(Load("", opened, chunks, opened))
        with ground.site.steps.step(name, f"{name}: {count} partitions, {opened:,} open, {rate:,} chunks/s"):
            await feed.paced(pieces, rate, warm)
            before, sent = worker.process.cost().cpu, feed.sent
            reached = await feed.paced(pieces, rate, seconds)
            await feed.settle()
            await worker.caught_up(120.0)
            used, taken = worker.process.cost().cpu - before, feed.sent - sent
        done = await worker.stop()
    return Run(1e6 * used / taken, done["checkpoints"] / (seconds + warm), reached, 0.0, 0.0)


def _rate(ground: Ground) -> int:
    return ground.rate // 2


async def _run(ground: Ground, name: str, count: int, opened: int, interval: int) -> Run:
    stage = await ground.stage(name, partitions=count, checkpoint_interval=interval)
    seconds, rate = ground.pick(30, 10, 3), _rate(ground)
    async with ground.worker(stage) as worker, watching(stage.settings) as watch, feeding(stage.settings) as feed:
        pieces = endless(opened, CHUNKS)
        with ground.site.steps.step(name, f"{name}: {count} partitions, {opened:,} open, {rate:,} chunks/s"):
            await feed.paced(pieces, rate, WARM_SECONDS + opened / rate)
            before, sent = worker.process.cost().cpu, feed.sent
            reached = await feed.paced(pieces, rate, seconds)
            await feed.settle()
            await worker.records(watch, len(feed.appended), 120.0)
            used, taken = worker.process.cost().cpu - before, feed.sent - sent
        done = await worker.stop()
    delays = watch.delays(feed.appended)
    transactions = done["checkpoints"] / (seconds + WARM_SECONDS + opened / rate)
    return Run(1e6 * used / taken, transactions, reached, percentile(delays, 0.5), percentile(delays, 0.99))
