"""What a worker shows: its counters, its gauges as they are when somebody looks, and whether it lives and is ready.

Whoever looks does so in a thread of its own and only reads: numbers that the loop changes meanwhile may be of two
neighbouring moments. Owns what the gauges mean. Imports the engine's parts, exposition and the list of metrics.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final

from pipeline.engine.config import Config
from pipeline.engine.engine import Engine
from pipeline.engine.meter import Meter
from pipeline.engine.readiness import Part, State, against
from pipeline.engine.task import PartitionTask
from pipeline.exposition.family import Looked, Sample, registry
from pipeline.exposition.pulse import Pulse
from pipeline.exposition.server import Shown

HEARTBEATS: Final = 3
"""Kafka may be silent for so many; each is answered in a moment."""

ATTEMPTS: Final = 10
"""The oldest request is looked for while others come and go."""


class Telemetry:
    """Of one worker process.

    Attributes:
        meter: counts.
        pulse: tells whether the loop turns.
        stopping: set when the worker is told to end.
    """

    def __init__(self, config: Config) -> None:
        """There is no engine yet: Kafka may not answer."""
        self.meter, self.pulse = Meter(), Pulse()
        self.stopping = False
        self._config = config
        self._engine: Engine | None = None
        self._directory: Path | None = None

    def attach(self, engine: Engine, directory: Path) -> None:
        """Kafka has answered: look at this engine, and its stores in this directory."""
        self._directory, self._engine = directory, engine

    def shown(self) -> Shown:
        """For the port."""
        return Shown(registry(self.meter.book, Looked(self.samples)), self.pulse.reasons, self.reasons)

    def reasons(self) -> list[str]:
        """What speaks against being ready."""
        return against(self._state())

    def samples(self) -> Iterator[Sample]:
        """Values of all gauges."""
        yield Sample("build", 1, (version("streamledger"), self._config.group))
        yield Sample("ready", not self.reasons())
        engine = self._engine
        tasks = [] if engine is None else list(engine.owned.values())
        yield Sample("partitions_assigned", len(tasks))
        yield Sample("partitions_restored", sum(task.restored for task in tasks))
        yield Sample("store_bytes", 0 if self._directory is None else _size(self._directory))
        yield Sample("store_memory_bytes", 0 if engine is None else engine.memory)
        skews = [task.expiry.skew for task in tasks if task.restored]
        furthest = max((skew.ms for skew in skews), key=abs, default=0)
        yield Sample("clock_difference_seconds", -furthest / 1_000)
        yield Sample("clock_alarm", not all(skew.within for skew in skews))
        now, monotonic = time.time(), time.monotonic()
        for task in tasks:
            label = (str(task.number),)
            yield Sample("recovery_progress_ratio", task.share, label)
            if task.restored and engine is not None:
                for name, value in self._of(engine, task, now, monotonic):
                    yield Sample(name, value, label)

    def _of(self, engine: Engine, task: PartitionTask, now: float, monotonic: float) -> Iterator[tuple[str, float]]:
        """Looked of a partition that is restored."""
        partition = task.partition
        lag = max(0, (engine.host.end(task.tp) or task.end) - partition.position)
        folded = partition.clock / 1_000  # append time, as far as it is folded
        behind = max(0.0, now - folded if folded else monotonic - task.since) if lag else 0.0
        oldest = _oldest(task)
        yield "open_requests", partition.open_count
        yield "closing_requests", partition.unsent
        yield "oldest_open_request_seconds", 0.0 if oldest is None else max(0.0, now - behind - oldest / 1_000)
        yield "checkpoint_age_seconds", task.age(monotonic)
        yield "lag_offsets", lag
        yield "lag_seconds", behind

    def _state(self) -> State:
        engine, timing = self._engine, self._config.timing
        if engine is None:
            return State(reached=False, stopping=self.stopping)
        monotonic = time.monotonic()
        return State(
            reached=True,
            stopping=self.stopping,
            joined=engine.host.joined(),
            settled=engine.ready,
            silence=engine.host.silence(monotonic),
            quiet=HEARTBEATS * timing.heartbeat,
            patience=self._config.checkpoint_interval + 2 * timing.checkpoint,
            parts=tuple(
                Part(task.number, task.restored, task.share, task.progress.stalls, task.age(monotonic), task.lost)
                for task in list(engine.owned.values())
            ),
        )


def _oldest(task: PartitionTask) -> int | None:
    for _ in range(ATTEMPTS):
        with suppress(RuntimeError):  # a request came or went in the middle of the look
            return task.partition.oldest
    return None


def _size(directory: Path) -> int:
    """Bytes of all files below a directory; those that vanish meanwhile count nothing."""
    total = 0
    for path, _, names in os.walk(directory):
        for name in names:
            with suppress(OSError):
                total += os.stat(f"{path}/{name}").st_size  # noqa: PTH116 (a Path for each of hundreds is slow)
    return total
