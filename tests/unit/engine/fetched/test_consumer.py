"""What the fetcher of our consumer waits with is taken by us; of any other consumer of the process nothing changes."""

from __future__ import annotations

import ast
import asyncio
import os
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchError, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords

import pipeline
from pipeline.engine.fetched.batch import Splitter, keep_bytes
from pipeline.engine.fetched.consumer import Fetches
from pipeline.engine.fetched.records import Fetched
from tests.batches import batch, record

HERE, ELSEWHERE = TopicPartition("llm.chunks", 0), TopicPartition("other", 0)
KEYS = [b"a", b"b", b"c"]
CONTENT = batch([record(number, key, b"{}") for number, key in enumerate(KEYS)], 3, "zstd")

OWN_READERS = {"engine/restore.py", "engine/watermark.py"}
"""They read changelogs, or nothing."""
PEERS = "ops/bench/"


async def result(tp: TopicPartition, content: bytes = CONTENT) -> FetchResult:
    """A fetch that waits to be taken; aiokafka needs a running loop to make one."""
    assignment = Assignment([tp])
    state = assignment.state_value(tp)
    assert state is not None
    state.reset_to(0)
    records = PartitionRecords(tp, Splitter(content), [], 0, None, None, True, READ_COMMITTED)
    return FetchResult(tp, assignment=assignment, partition_records=records, backoff=0.0)


def waiting(tp: TopicPartition, content: bytes = CONTENT) -> Any:
    """The same, as our consumer's fetcher holds it."""
    fetches = Fetches(OrderedDict())
    fetches.lean = HERE.topic
    fetches[tp] = asyncio.run(result(tp, content))
    return fetches[tp]


def position(found: Any) -> int:
    """Of the client."""
    offset: int = found._assignment.state_value(found._topic_partition).position
    return offset


def test_fetches_are_taken_over() -> None:
    """Those that wait already, too; errors stay as they are, and the type is the one that the fetcher asks for."""
    failed = FetchError(error=ValueError(), backoff=0.0)
    fetches = Fetches(OrderedDict({HERE: asyncio.run(result(HERE))}))
    fetches[ELSEWHERE] = failed

    assert type(fetches[HERE]) is FetchResult
    assert isinstance(fetches[HERE]._partition_records, Fetched)
    assert fetches[ELSEWHERE] is failed


@pytest.mark.parametrize(
    ("tp", "kind"), [(HERE, "DefaultRecord"), (ELSEWHERE, "ConsumerRecord")], ids=["lean", "whole"]
)
def test_the_position_follows_what_was_taken(tp: TopicPartition, kind: str) -> None:
    """The client counts on, whatever lies inside; only records of the topic that is to be lean are."""
    found = waiting(tp)

    assert found.getone().key == b"a"
    assert position(found) == 1
    (second,) = found.getall(1)
    assert (second.key, kind in type(second).__name__) == (b"b", True)
    assert [each.key for each in found.getall()] == [b"c"]
    assert (position(found), found.has_more(), found.getall(), found.getone()) == (3, False, [], None)


def test_what_is_damaged_is_fetched_again() -> None:
    """The position stays, and nothing behind the damage is taken in its place."""
    damaged = bytearray(CONTENT)
    damaged[-3] ^= 0xFF
    found = waiting(HERE, bytes(damaged) + batch([record(0, b"d", b"{}")], 1, first=3))

    with pytest.raises(CorruptRecordException):
        found.getall(10)
    assert (position(found), found.getall(10), found.has_more()) == (0, [], False)


def test_a_seek_drops_what_was_fetched_ahead() -> None:
    """What does not begin at the position is not handed out."""
    found = waiting(HERE)
    found._assignment.state_value(HERE).seek(2)

    assert (found.getall(10), found.getone(), found.has_more()) == ([], None, False)


def test_the_fetcher_splits_as_before() -> None:
    """Its MemoryRecords is replaced in the whole process, so it must do all that the other does."""
    keep_bytes()
    assert fetcher.MemoryRecords is Splitter
    ours, theirs = Splitter(CONTENT * 3), MemoryRecords(CONTENT * 3)

    assert ours.size_in_bytes() == theirs.size_in_bytes()
    for number in range(3):
        assert (ours.has_next(), theirs.has_next()) == (True, True)
        assert [each.key for each in ours.next_batch()] == [each.key for each in theirs.next_batch()] == KEYS
        assert ours.raw(number) == CONTENT
    assert (ours.has_next(), ours.next_batch()) == (False, None)


PROGRAM = """
import sys
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import PartitionRecords
from pipeline.engine.fetched.batch import Splitter
from pipeline.engine.fetched.records import DefaultRecordBatch, Fetched
content = bytes.fromhex(sys.argv[1])
fetched = Fetched(PartitionRecords(TopicPartition("t", 0), Splitter(content), [], 0, None, None, True, 1), lean=True)
print(DefaultRecordBatch.__name__, [(each.offset, each.key, each.headers) for each in fetched.take(9)])
"""


def test_what_it_cannot_read_is_also_read_without_the_compiled_parser() -> None:
    """There is one in Python, for machines without a wheel and for AIOKAFKA_NO_EXTENSIONS."""
    content = batch([record(0, b"a", b"{}"), record(1, b"b", b"{}", [(b"\xff", b"v")])], 2, "zstd")
    words = [sys.executable, "-c", PROGRAM, content.hex()]
    environment = {**os.environ, "AIOKAFKA_NO_EXTENSIONS": "1"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=120)

    assert done.stdout == "_DefaultRecordBatchPy [(0, b'a', []), (1, b'b', [('\\\\xff', b'v')])]\n", done.stderr


def test_all_that_producers_write_is_read_with_our_consumer() -> None:
    """The client's own is used where only workers may write, and by what the engine is measured beside."""
    root = Path(pipeline.__file__).parent
    using = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if "AIOKafkaConsumer" in (text := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and any(name.name == "AIOKafkaConsumer" for name in node.names)
    }

    assert {name for name in using if not name.startswith(PEERS)} == OWN_READERS | {"engine/fetched/consumer.py"}
