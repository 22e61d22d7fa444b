"""One run of one participant: start it, see its first chunk, count its records, add up what it cost, end it.

Owns what the clock measures: from the first chunk that it takes to the moment when our own reader has its last record.
Imports its siblings and the tools of `pipeline.ops`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pipeline.errors import FoundProblem
from pipeline.ops.bench.load import PARTITIONS, Load
from pipeline.ops.bench.peer import Command, Stage, began, figures
from pipeline.ops.bench.process import Cost, Participant, cost_of
from pipeline.ops.bench.reader import Counter, counting
from pipeline.ops.broker import Cluster
from pipeline.settings import client

START_SECONDS: Final = 90.0
"""Deadline for the first chunk: a Java machine on a busy machine takes ten."""

STALL_SECONDS: Final = 30.0
"""A participant that computes nothing and shows nothing for so long has given up."""

SLOWEST: Final = 500
"""Chunks a second; whoever is slower is not waited for."""

LOOK_SECONDS: Final = 0.02
IDLE_CPU: Final = 0.5
"""Seconds of a processor that waiting alone does not use up in STALL_SECONDS many times over."""

MILLION: Final = 1_000_000


@dataclass(frozen=True)
class Result:
    """What one participant did with one load.

    Attributes:
        seconds: From its first chunk to its last record.
        rate: Chunks a second.
        cpu: Seconds of processors for a million chunks.
        broker_cpu: The same of the broker.
        peak: Bytes of memory at most.
        state_bytes: Of the topics that keep its state.
        output_bytes: Of its output topic.
        disk_bytes: That it handed to storage devices.
        doubles: Records beyond the first of a request.
        rates: Of all its rounds.
        own: What it says of itself.
    """

    seconds: float
    rate: float
    cpu: float
    broker_cpu: float
    peak: int
    state_bytes: int
    output_bytes: int
    disk_bytes: int
    doubles: int
    rates: list[float] = field(default_factory=list)
    own: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Begin:
    """The state of things at the first chunk."""

    at: float
    own: Cost
    broker: Cost


async def measure(
    command: Command, stage: Stage, load: Load, cluster: Cluster, advance: Callable[[int], None]
) -> Result:
    """Run a participant on a filled topic.

    Args:
        command: How it is started.
        stage: Where; its output topic is there and empty.
        load: What lies in the topic.
        cluster: The broker.
        advance: Told how many chunks' requests are done.

    Raises:
        FoundProblem: It ended, stalled or was too slow.
    """
    broker, settings = cluster.nodes[0].pid, stage.settings
    with Participant(command.arguments, command.environment, stage.home / "output.log") as running:
        async with counting(client(settings), settings.record_topic, PARTITIONS) as counter:
            begin = await _begin(running, broker)
            await _finish(running, counter, load, lambda: advance(counter.found * load.chunks))
            cost, broker_cost = running.cost(), cost_of(broker)
        await asyncio.to_thread(running.stop)
        own = figures(running.output())
    seconds = max(counter.last - begin.at, 1e-3)
    millions = load.total / MILLION
    state, output = topic_bytes(cluster, settings.ledger, settings.record_topic)
    rate = load.total / seconds
    return Result(
        seconds=seconds,
        rate=rate,
        cpu=(cost.cpu - begin.own.cpu) / millions,
        broker_cpu=(broker_cost.cpu - begin.broker.cpu) / millions,
        peak=cost.peak,
        state_bytes=state,
        output_bytes=output,
        disk_bytes=cost.written,
        doubles=counter.doubles,
        rates=[rate],
        own=own,
    )


async def _begin(running: Participant, broker: int) -> Begin:
    """Wait until it takes its first chunk."""
    deadline = time.monotonic() + START_SECONDS
    before = Begin(0.0, running.cost(), cost_of(broker))
    while (at := began(running.output())) is None:
        _alive(running)
        if time.monotonic() > deadline:
            raise FoundProblem(f"it took no chunk in {START_SECONDS:g} s{_words(running)}")
        before = Begin(0.0, running.cost(), cost_of(broker))
        await asyncio.sleep(LOOK_SECONDS)
    return Begin(at, before.own, before.broker)


async def _finish(running: Participant, counter: Counter, load: Load, shown: Callable[[], None]) -> None:
    """Wait until every request has its record."""
    moved = time.monotonic()
    deadline = moved + START_SECONDS + load.total / SLOWEST
    seen: tuple[int, float] = (0, 0.0)
    while counter.found < load.requests:
        await counter.look()
        shown()
        _alive(running)
        now, used = time.monotonic(), running.cost().cpu
        if counter.found > seen[0] or used > seen[1] + IDLE_CPU:
            seen, moved = (counter.found, used), now
        if now - moved > STALL_SECONDS or now > deadline:
            what = "stands still" if now < deadline else "is too slow"
            raise FoundProblem(f"it {what} at {counter.found:,} of {load.requests:,} records{_words(running)}")


def _alive(running: Participant) -> None:
    if running.ended is not None:
        raise FoundProblem(f"it ended by itself with status {running.ended}{_words(running)}")


def _words(running: Participant) -> str:
    """The last it said; these are our own chunks, so there is nothing to hide."""
    tail = " / ".join(line.strip()[:200] for line in running.tail())
    return f"; it said: {tail}" if tail else ""


def topic_bytes(cluster: Cluster, run: str, output: str) -> tuple[int, int]:
    """Bytes in the log segments of a run's own topics, those of its state and that of its output."""
    state = written = 0
    for folder in topic_folders(cluster, run):
        size = sum(path.stat().st_size for path in folder.glob("*.log"))
        if folder.name.rpartition("-")[0] == output:
            written += size
        else:
            state += size
    return state, written


def topic_folders(cluster: Cluster, run: str) -> list[Path]:
    """Directories of the partitions of all topics that carry the name of a run."""
    return [folder for node in cluster.nodes for folder in (node.home / "data").glob(f"*{run}*-*") if folder.is_dir()]


def as_json(result: Result) -> dict[str, Any]:
    """A result as a JSON object; figures that nobody can measure so exactly are rounded."""
    rounded = {name: round(getattr(result, name), 3) for name in ("seconds", "cpu", "broker_cpu")}
    return {**vars(result), **rounded, "rate": round(result.rate), "rates": [round(rate) for rate in result.rates]}
