"""What was fetched is taken as aiokafka itself would take it, only without an object around each record."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, FetchError, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from pipeline.engine.records import LeanFetches, LeanRecords

HERE = TopicPartition("llm.chunks", 0)
ELSEWHERE = TopicPartition("other", 0)
ABORT, COMMIT = b"\0\0\0\0", b"\0\0\0\1"
CONTROL = 0x20
ATTRIBUTES = 22
"""Place of the low byte of the attributes in a batch; the checksum begins before it."""


def batch(first: int, keys: Sequence[bytes], *, producer: int = -1, control: bool = False) -> bytes:
    """A record batch of format 2 whose first offset is `first`."""
    transactional = producer >= 0
    builder = DefaultRecordBatchBuilder(
        2,
        0,
        is_transactional=transactional,
        producer_id=producer,
        producer_epoch=0,
        base_sequence=0,
        batch_size=1 << 20,
    )
    for number, key in enumerate(keys):
        builder.append(number, 1_000 + number, key, b"value of " + key, [("name", key)])
    value = bytearray(builder.build())
    value[0:8] = first.to_bytes(8, "big")
    if control:
        value[ATTRIBUTES] |= CONTROL
    return bytes(value)


PLAIN = batch(0, [b"a", b"b", b"c"]) + batch(3, [b"d"]) + batch(9, [b"e", b"f"])
ABORTED = (
    batch(0, [b"a", b"b"], producer=7)
    + batch(2, [b"c"])
    + batch(3, [b"d"], producer=8)
    + batch(4, [ABORT], producer=7, control=True)
    + batch(5, [COMMIT], producer=8, control=True)
    + batch(6, [b"e"], producer=7)
    + batch(7, [COMMIT], producer=7, control=True)
)


def fetched(
    value: bytes, offset: int, aborted: Sequence[tuple[int, int]] = (), isolation: int = READ_COMMITTED
) -> PartitionRecords:
    """What aiokafka makes of a fetch; checksums are left out, since some batches were changed by hand."""
    return PartitionRecords(HERE, MemoryRecords(value), list(aborted), offset, None, None, False, isolation)


def taken(records: Any) -> list[tuple[Any, ...]]:
    """All that the engine reads of a record, and the position after each."""
    return [(r.offset, r.timestamp, r.key, r.value, tuple(r.headers), records.next_fetch_offset) for r in records] + [
        (records.next_fetch_offset,)
    ]


@pytest.mark.parametrize("isolation", [READ_COMMITTED, READ_UNCOMMITTED], ids=["committed", "uncommitted"])
@pytest.mark.parametrize(
    ("value", "offset", "aborted"),
    [
        (PLAIN, 0, ()),
        (PLAIN, 2, ()),
        (PLAIN, 9, ()),
        (PLAIN[:-20], 0, ()),
        (ABORTED, 0, [(7, 0)]),
        (ABORTED, 0, ()),
        (ABORTED, 3, [(7, 0)]),
        (b"", 5, ()),
    ],
    ids=["all", "inside a batch", "a later batch", "cut off", "aborted", "none aborted", "from inside", "empty"],
)
def test_the_same_records_are_taken(
    value: bytes, offset: int, aborted: Sequence[tuple[int, int]], isolation: int
) -> None:
    """In the same order, with the same position after each."""
    expected = taken(fetched(value, offset, aborted, isolation))

    assert taken(LeanRecords(fetched(value, offset, aborted, isolation))) == expected


def test_a_fetch_is_taken_in_several_turns() -> None:
    """Each goes on where the one before ended."""
    lean = LeanRecords(fetched(PLAIN, 0))

    assert [next(lean).key, next(lean).key, lean.next_fetch_offset] == [b"a", b"b", 2]
    assert [record.key for record in lean] == [b"c", b"d", b"e", b"f"]


def test_a_damaged_batch_is_an_error() -> None:
    """Its bytes never become records; aiokafka fetches it again."""
    damaged = bytearray(batch(0, [b"a"]))
    damaged[-3] ^= 0xFF
    records = PartitionRecords(HERE, MemoryRecords(bytes(damaged)), [], 0, None, None, True, READ_COMMITTED)

    with pytest.raises(CorruptRecordException):
        list(LeanRecords(records))


async def result(tp: TopicPartition) -> FetchResult:
    """A fetch that waits to be taken; aiokafka needs a running loop to make one."""
    assignment = Assignment([tp])
    state = assignment.state_value(tp)
    assert state is not None
    state.reset_to(0)
    return FetchResult(tp, assignment=assignment, partition_records=fetched(PLAIN, 0), backoff=0.0)


def test_fetches_of_our_topic_become_lean() -> None:
    """Those of other topics, and errors, stay as they are."""
    failed = FetchError(error=ValueError(), backoff=0.0)
    fetches = LeanFetches(HERE.topic, OrderedDict({HERE: asyncio.run(result(HERE))}))
    fetches[ELSEWHERE] = asyncio.run(result(ELSEWHERE))
    fetches[TopicPartition(HERE.topic, 1)] = failed

    kinds = [type(fetches[tp]._partition_records) for tp in (HERE, ELSEWHERE)]
    assert kinds == [LeanRecords, PartitionRecords]
    assert fetches[TopicPartition(HERE.topic, 1)] is failed


def test_the_position_follows_what_was_taken() -> None:
    """The client counts on, whatever lies inside."""
    fetches = LeanFetches(HERE.topic, OrderedDict())
    waiting = fetches[HERE] = asyncio.run(result(HERE))

    assert [record.key for record in waiting.getall(2)] == [b"a", b"b"]
    assert waiting._assignment.state_value(HERE).position == 2
    assert [record.key for record in waiting.getall(None)] == [b"c", b"d", b"e", b"f"]
    assert waiting._assignment.state_value(HERE).position == 11
    assert not waiting.has_more()
