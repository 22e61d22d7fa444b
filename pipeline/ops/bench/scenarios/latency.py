"""How long a finished request waits for its record: append of its last chunk → record fetched under read_committed.

Owns the shapes and their targets. Imports its siblings.
"""

from __future__ import annotations

import time
from typing import Final

from pipeline.errors import FoundProblem
from pipeline.ops.bench.scenarios.feed import endless, feeding
from pipeline.ops.bench.scenarios.figure import Outcome, percentile
from pipeline.ops.bench.scenarios.ground import Ground
from pipeline.ops.bench.scenarios.watch import watching

SHAPES: Final = ((10_000, 50, 300.0, 1_000.0), (100_000, 20, 1_000.0, None))
"""(open requests, chunks of each, most at p50, most at p99), ms."""
SETTLE_SECONDS: Final = 3.0
"""After all requests are open, before delays count."""
SUSTAINED: Final = 0.95
"""A generator below this share of its rate did not hold it."""


async def latency(ground: Ground) -> list[Outcome]:
    """Measure each shape at the rate."""
    outcomes = []
    for opened, chunks, p50, p99 in SHAPES[: ground.pick(2, 1, 1)]:
        many, seconds = 200 if ground.tiny else opened, ground.pick(30, 10, 3)
        text = f"{many:,} open, {ground.rate:,} chunks/s for {seconds} s, {chunks} a request"
        outcome = Outcome("latency", text)
        try:
            await _shape(ground, outcome, many, chunks, (seconds, p50, p99))
        except FoundProblem as error:  # the other shape's figures still count
            outcome.failed = f"{error.message}: this machine does not sustain it; try a lower --rate"
        outcomes.append(outcome)
    return outcomes


async def _shape(
    ground: Ground, outcome: Outcome, opened: int, chunks: int, goal: tuple[int, float, float | None]
) -> None:
    """One shape into its outcome; `goal` is for how many seconds, and the most at p50 and p99."""
    seconds, p50, p99 = goal
    stage = await ground.stage(f"latency{opened}")
    warm = opened / ground.rate + (1.0 if ground.tiny else SETTLE_SECONDS)
    async with ground.worker(stage) as worker, watching(stage.settings) as watch, feeding(stage.settings) as feed:
        pieces = endless(opened, chunks)
        with ground.site.steps.step(stage.settings.ledger, f"latency: {outcome.conditions}"):
            await feed.paced(pieces, ground.rate, warm)
            since, before = time.time() * 1_000, worker.process.cost().cpu
            reached = await feed.paced(pieces, ground.rate, seconds)
            until, busy = time.time() * 1_000, worker.process.cost().cpu - before
            await feed.settle()
            behind = len(feed.appended) - len(watch.arrived)
            await worker.records(watch, len(feed.appended), 120.0)
        delays = watch.delays(feed.appended, since=since, until=until)
    if reached < SUSTAINED * ground.rate:
        outcome.conditions += f"; the generator reached only {reached:,.0f} chunks/s here"
    outcome.add("p50", percentile(delays, 0.5), "ms", p50)
    outcome.add("p99", percentile(delays, 0.99), "ms", p99)
    outcome.add("longest", max(delays), "ms")
    outcome.add("requests measured", len(delays), "")
    outcome.add("rate held", reached, "chunks/s")
    outcome.add("records still to come at the end", behind, "")
    outcome.add("worker's processor time", busy / seconds, "cores")
