"""Which batches a partition's task takes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from faust.types import TP

from pipeline.engine.delivery import Chains
from pipeline.engine.task import PartitionTask, Verdict
from tests.unit.engine import fakes

HERE = TP("llm.chunks", 0)


def test_what_was_fetched_before_the_first_seek_is_not_taken(tmp_path: Path) -> None:
    """It begins where the group's offset is, which an operator may have moved: chunks would be skipped silently."""
    nothing = cast("Any", None)
    task = PartitionTask(fakes.config(tmp_path), nothing, nothing, nothing, 0)
    early = Chains().add(HERE, [SimpleNamespace(offset=5)], 6)

    assert early is not None
    assert task.expects(early) is Verdict.STALE
