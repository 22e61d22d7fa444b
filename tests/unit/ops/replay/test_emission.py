"""What a replay may correct: a record that it can speak for, and no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.canonical import encode
from pipeline.ops.correction import Latest, Stored
from pipeline.ops.replay import emission
from pipeline.ops.replay.diff import Difference
from pipeline.ops.replay.flow import Replayed
from pipeline.ops.replay.order import Order, Share
from pipeline.settings import Settings
from pipeline.testing.chunk import USAGE, Document, chat
from pipeline.topics.selection import Selection
from tests.ledger import fold


def record() -> Document:
    """A record as the worker writes it, of chunks 4 to 9."""
    made = fold(chat(0, "a", is_final=True, finish="stop", usage=USAGE))
    made["source"] = {"topic": "c", "partition": 0, "first_offset": 4, "last_offset": 9}
    return made


def emitted(work: Path, old: Document, new: Document, waits: str | None = None) -> tuple[Any, dict[str, int]]:
    """The correction of a record by a replayed one, and what was left alone."""
    order = Order(Settings(), Selection(), work, 0, 300_000, diff=True)
    share = Share(0, 0, 0, 10, 10, whole=True, closable=True)
    (work / "0000").mkdir(parents=True)
    value = encode(new)
    (work / "0000" / "records.jsonl").write_bytes(value + b"\n")
    told = emission.Emitted()
    partition = emission._Partition(Replayed(order, []), share, told)
    difference = Difference("DIFFERENT", 0, "r-1", 4, last=0, last_length=len(value))
    rebuilt = partition._rebuilt(difference)
    return partition._amended(Stored(Latest(0, 0, 0), old, "trace"), rebuilt, waits), dict(told.held)


def test_a_record_that_was_changed_becomes_what_its_chunks_say(tmp_path: Path) -> None:
    """With the next revision, the change of usage, and the header it had."""
    mine = record()
    changed = {**mine, "token_usage": {**mine["token_usage"], "completion_tokens": 9}}
    made, held = emitted(tmp_path, changed, mine)
    assert held == {}
    said = json.loads(made.value)
    assert (said["revision"], said["supersedes"]) == (1, mine["record_id"])
    assert said["delta"]["token_usage"]["completion_tokens"] == -7
    assert dict(made.headers)["traceparent"] == b"trace"


@pytest.mark.parametrize(
    ("source", "reason"),
    [({"last_offset": 12}, emission.LATER), ({"first_offset": 3}, emission.REUSED)],
)
def test_a_record_of_chunks_that_were_not_replayed_is_left_alone(
    tmp_path: Path, source: dict[str, int], reason: str
) -> None:
    """A correction would take away what came after the replay ended, or bill one request as another."""
    mine = record()
    changed = {**mine, "status": "error", "source": {**mine["source"], **source}}
    assert emitted(tmp_path, changed, mine) == (None, {reason: 1})


def test_what_the_guard_holds_waits(tmp_path: Path) -> None:
    """With its reason."""
    mine = record()
    assert emitted(tmp_path, {**mine, "status": "error"}, mine, "wait") == (None, {"wait": 1})
