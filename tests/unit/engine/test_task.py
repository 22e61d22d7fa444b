"""Which batches a partition's task takes."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from faust.types import TP

from pipeline.engine.delivery import Chains
from pipeline.engine.task import PartitionTask, Parts, Verdict
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
