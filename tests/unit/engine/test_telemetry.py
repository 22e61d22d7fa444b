"""What a worker's gauges say of its partitions, on a working set driven by hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipeline.core.partition import Partition
from pipeline.core.policy import Policy
from pipeline.core.rows import MemoryRows, SourceRecord
from pipeline.engine import telemetry as module
from pipeline.engine.expiry import Skew
from pipeline.engine.task import PartitionTask, Parts
from pipeline.engine.telemetry import Telemetry
from pipeline.testing.chunk import chat, encoded
from tests.unit.engine.fakes import config

Values = dict[tuple[str, tuple[str, ...]], float]


class Bench:
    """Telemetry of an engine with one restored partition."""

    def __init__(self, directory: Path, *, skew_ms: int = 0) -> None:
        self.telemetry = Telemetry(config(directory))
        self.partition = Partition(Policy(), MemoryRows(), "chunks", 3)
        self.skew = Skew(500)
        self.skew.ms = skew_ms
        nothing = cast("Any", None)
        self.task = PartitionTask(config(directory), nothing, nothing, nothing, 3, alive=True)
        self.task._parts = Parts(nothing, self.partition, nothing, cast("Any", SimpleNamespace(skew=self.skew)))
        self.end: int | None = None
        host = SimpleNamespace(joined=lambda: True, end=lambda _: self.end, silence=lambda _: 0.0)
        engine = SimpleNamespace(owned={3: self.task}, ready=True, host=host, memory=77)
        (directory / "stores").mkdir()
        (directory / "stores" / "0.sst").write_bytes(b"x" * 1_000)
        self.telemetry.attach(cast("Any", engine), directory)

    def send(self, *offsets: int, at: float) -> None:
        """One open request for each offset, appended at `at` seconds."""
        records = [
            SourceRecord(b"%d" % offset, encoded(chat(0, "a", request_id=str(offset))), offset, int(at * 1_000))
            for offset in offsets
        ]
        self.partition.apply(records, offsets[-1] + 1)

    def values(self) -> Values:
        """All gauges."""
        return {(name, labels): float(value) for name, value, labels in self.telemetry.samples()}

    def of(self, name: str) -> float:
        """A gauge of the partition."""
        return self.values()[name, ("3",)]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A worker with partition 3."""
    return Bench(tmp_path)


def near(value: float, expected: float) -> bool:
    """Within what a busy machine takes."""
    return expected <= value <= expected + 30


def test_before_kafka_answers_there_is_something_to_see(tmp_path: Path) -> None:
    """Not ready, and why."""
    telemetry = Telemetry(config(tmp_path))
    values = {name: value for name, value, _ in telemetry.samples()}
    assert (values["build"], values["ready"], values["partitions_assigned"]) == (1, 0, 0)
    assert (telemetry.reasons(), telemetry.pulse.reasons()) == (["waiting for Kafka"], [])
    telemetry.stopping = True
    assert telemetry.reasons() == ["stopping"]


def test_a_partition_at_its_end_is_not_behind(bench: Bench) -> None:
    """Wall-clock time goes on for the oldest request, though no chunk comes."""
    bench.send(0, 1, at=time.time() - 100)
    bench.end = 2
    values = bench.values()
    assert (values["ready", ()], values["partitions_restored", ()]) == (1, 1)
    assert (values["store_bytes", ()], values["store_memory_bytes", ()]) == (1_000, 77)
    assert [bench.of(name) for name in ("open_requests", "lag_offsets", "lag_seconds")] == [2, 0, 0]
    assert bench.of("recovery_progress_ratio") == 1
    assert near(bench.of("oldest_open_request_seconds"), 99)


def test_a_partition_that_is_behind_says_by_how_much(bench: Bench) -> None:
    """Its requests are as old as append time has come, not as old as the backlog."""
    start = time.time() - 1_000
    bench.send(0, at=start)
    bench.send(1, at=start + 40)
    bench.end = 12
    assert bench.of("lag_offsets") == 10
    assert near(bench.of("lag_seconds"), 959)
    assert 39 <= bench.of("oldest_open_request_seconds") <= 41


def test_before_the_first_fetch_the_end_is_that_of_the_restore(bench: Bench) -> None:
    """And without a chunk the time since then is the least that it can be behind."""
    bench.task.end, bench.task.since = 5, time.monotonic() - 50
    assert bench.of("lag_offsets") == 5
    assert near(bench.of("lag_seconds"), 49)


def test_what_waits_for_a_commit_ages(bench: Bench) -> None:
    """From when it began to wait; after a while the worker is not ready."""
    assert bench.of("checkpoint_age_seconds") == 0
    bench.task.waiting = time.monotonic() - 500
    assert near(bench.of("checkpoint_age_seconds"), 499)
    assert bench.telemetry.reasons()[0].startswith("partition 3 commits nothing")


@pytest.mark.parametrize(("ms", "seconds", "alarm"), [(-400, 0.4, 0), (600, -0.6, 1)])
def test_the_clock_is_ours_minus_the_brokers(tmp_path: Path, ms: int, seconds: float, alarm: int) -> None:
    """Above zero where the worker's is ahead; beyond the slack it alarms."""
    values = Bench(tmp_path, skew_ms=ms).values()
    assert (values["clock_difference_seconds", ()], values["clock_alarm", ()]) == (seconds, alarm)


def test_a_partition_that_is_lost_shows_nothing_of_its_own(bench: Bench) -> None:
    """Another worker has it, and shows it."""
    bench.task.alive = False
    assert [labels for name, labels in bench.values() if labels == ("3",)] == [("3",)]
    assert bench.telemetry.reasons() == ["partition 3 was taken over by another worker"]


def test_requests_may_come_and_go_while_the_oldest_is_looked_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look is in another thread; it is tried again, and in the worst case says nothing."""
    looks = iter([RuntimeError("dictionary changed size"), None])

    def oldest(_: object) -> int | None:
        found = next(looks)
        if found is not None:
            raise found
        return 5

    monkeypatch.setattr(Partition, "oldest", property(cast("Callable[[Any], int | None]", oldest)))
    assert module._oldest(bench.task) == 5
    monkeypatch.setattr(Partition, "oldest", property(lambda _: _raise()))
    assert module._oldest(bench.task) is None


def _raise() -> int:
    raise RuntimeError("dictionary changed size")
