"""Which batches a partition's task takes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP

from pipeline.engine import task as module
from pipeline.engine.delivery import Chains
from pipeline.engine.task import PartitionTask, Parts, Verdict
from pipeline.errors import AccessRefused, BrokerFault, Fenced, InvariantBroken, StateLost
from tests.unit.engine import fakes

HERE = TP("llm.chunks", 0)


class Backlog:
    """A working set with records that wait, whose last chunk was appended so many seconds ago."""

    waiting, dirty, pending, pending_bytes = 1, True, 1, 1

    def __init__(self, age: float) -> None:
        """Seconds."""
        self.clock = (time.time() - age) * 1_000


def restored(directory: Path, partition: Any) -> PartitionTask:
    """A task that has a working set and nothing else; its last checkpoint was at 0."""
    nothing = cast("Any", None)
    task = PartitionTask(fakes.config(directory), nothing, nothing, nothing, 0)
    task._parts = Parts(nothing, partition, nothing, nothing)
    return task


def test_records_hurry_a_checkpoint_unless_they_are_late_anyway(tmp_path: Path) -> None:
    """Live they are seen after `hurry`; over a backlog the interval holds, which writes fewer chunks."""
    config = fakes.config(tmp_path)
    hurry, interval = config.timing.hurry, config.checkpoint_interval
    assert hurry < interval
    live, late = restored(tmp_path, Backlog(0.0)), restored(tmp_path, Backlog(interval + 1.0))

    assert [task.checkpoint_due(hurry, 0.0) for task in (live, late)] == [True, False]
    assert late.checkpoint_due(interval, 0.0)


def test_what_was_fetched_before_the_first_seek_is_not_taken(tmp_path: Path) -> None:
    """It begins where the group's offset is, which an operator may have moved: chunks would be skipped silently."""
    nothing = cast("Any", None)
    task = PartitionTask(fakes.config(tmp_path), nothing, nothing, nothing, 0)
    early = Chains().add(HERE, [SimpleNamespace(offset=5)], 6)

    assert early is not None
    assert task.expects(early) is Verdict.STALE


class Tries:
    """Restores that fail with these errors in turn, then succeed; what was done with them."""

    def __init__(self, *errors: Exception) -> None:
        """None is under way."""
        self.errors, self.log = list(errors), list[str]()
        self.transactions = self
        self.partition, self.database, self.end, self.fence = None, SimpleNamespace(meta=None), 0, (0.0, 0.0, None)

    async def run(self) -> None:
        """Fail, or not."""
        self.log.append("run")
        if self.errors:
            raise self.errors.pop(0)

    async def stop(self) -> None:
        """Of the producer."""
        self.log.append("stop")

    def close_database(self, number: int) -> None:
        """Of the store."""
        self.log.append(f"close {number}")


def tried(directory: Path, monkeypatch: pytest.MonkeyPatch, tries: Tries, patience: float = 60.0) -> None:
    """Let a task restore; its last error is that the tries have no store."""
    nothing = cast("Any", None)
    monkeypatch.setattr(module, "Restore", lambda *_, **__: tries)
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.0)
    config = fakes.config(directory)
    config = replace(config, timing=replace(config.timing, restore=patience))
    task = PartitionTask(config, nothing, cast("Any", tries), nothing, 0)
    asyncio.run(task.restore())


def test_a_broker_that_fails_during_a_restore_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is ours yet: what was begun is closed, and begun anew."""
    away = BrokerFault("the fence row is not delivered")
    tries = Tries(away, away)
    with pytest.raises(InvariantBroken, match="no place in the changelog"):
        tried(tmp_path, monkeypatch, tries)
    assert tries.log == ["run", "stop", "close 0"] * 2 + ["run"]


@pytest.mark.parametrize(
    ("error", "patience"),
    [(BrokerFault("gone"), -1.0), (AccessRefused("no right"), 60.0), (Fenced("another"), 60.0), (StateLost("x"), 60.0)],
)
def test_what_waiting_does_not_help_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, patience: float
) -> None:
    """A broker that stays away, a right that is missing, another owner, a state that is lost."""
    with pytest.raises(type(error)) as caught:
        tried(tmp_path, monkeypatch, Tries(error), patience)
    assert caught.value is error
