"""Records out of lines; those of topics are tested on a real Kafka."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from pipeline.errors import UsageError
from pipeline.sinks.export.source import Batch, of_lines
from pipeline.topics.selection import Selection
from tests.unit.sinks.export.records import example


def batches(lines: list[bytes], selection: Selection | None = None, size: int = 2) -> list[Batch]:
    """What lines are handed out as."""

    async def read() -> list[Batch]:
        return [batch async for batch in of_lines(lines, "records.jsonl", selection or Selection(), size)]

    return asyncio.run(read())


def line(request_id: str, **changes: Any) -> bytes:
    """A record as a line."""
    return json.dumps(example("tool-call", request_id=request_id, **changes)).encode() + b"\n"


def test_lines_come_in_batches_without_positions() -> None:
    """Empty lines are none."""
    found = batches([line("a"), b"\n", line("b"), line("c"), b"  "])
    assert [entry.id for batch in found for entry in batch.entries] == ["a", "b", "c"]
    assert [batch.offsets for batch in found] == [{}, {}, {}]


def test_only_the_requests_that_are_meant() -> None:
    """By id and by label."""
    lines = [line("a"), line("b", labels={"tenant": "other"}), line("c")]
    wanted = Selection(request_ids=frozenset({"a", "b"}), labels={"tenant": "acme"})
    assert [entry.id for batch in batches(lines, wanted) for entry in batch.entries] == ["a"]


def test_a_line_that_is_no_record_is_told_by_its_number() -> None:
    """Without what stands in it."""
    with pytest.raises(UsageError, match=r"records\.jsonl, line 3: this is no record") as refused:
        batches([line("a"), b"\n", b'{"request_id": "secret"}'])
    assert "secret" not in str(refused.value)
