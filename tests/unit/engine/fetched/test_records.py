"""What was fetched is taken as aiokafka itself would take it, and what aiokafka can't take as the broker took it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError, UnsupportedForMessageFormatError
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.rows import Withheld
from pipeline.engine.fetched import salvage
from pipeline.engine.fetched.batch import Splitter
from pipeline.engine.fetched.records import HEADER_BYTES, PORTION_BYTES, Fetched
from tests import batches
from tests.batches import CODECS, record, varint

HERE = TopicPartition("llm.chunks", 0)
ABORT, COMMIT = b"\0\0\0\0", b"\0\0\0\1"
CONTROL = 0x20
ATTRIBUTES = 22
"""Place of the low byte of the attributes in a batch; the checksum begins before it."""

Taken = list[tuple[Any, ...]]


def batch(first: int, keys: Sequence[bytes], *, producer: int = -1, control: bool = False, codec: int = 0) -> bytes:
    """A record batch of format 2 whose first offset is `first`."""
    transactional = producer >= 0
    builder = DefaultRecordBatchBuilder(
        2,
        codec,
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
PACKED = b"".join(batch(3 * codec, [b"a", b"b", b"c"], codec=codec) for codec in range(5))
ABORTED = (
    batch(0, [b"a", b"b"], producer=7)
    + batch(2, [b"c"], codec=4)
    + batch(3, [b"d"], producer=8)
    + batch(4, [ABORT], producer=7, control=True)
    + batch(5, [COMMIT], producer=8, control=True)
    + batch(6, [b"e"], producer=7, codec=3)
    + batch(7, [COMMIT], producer=7, control=True)
)


def stock(
    content: bytes, offset: int, aborted: Iterable[tuple[int, int]] = (), isolation: int = READ_COMMITTED
) -> PartitionRecords:
    """What aiokafka makes of a fetch; checksums are left out, since some batches were changed by hand."""
    return PartitionRecords(HERE, MemoryRecords(content), list(aborted), offset, None, None, False, isolation)


def ours(
    content: bytes,
    offset: int = 0,
    aborted: Iterable[tuple[int, int]] = (),
    isolation: int = READ_COMMITTED,
    *,
    lean: bool = True,
) -> Fetched:
    """The same, as we take it."""
    return Fetched(
        PartitionRecords(HERE, Splitter(content), list(aborted), offset, None, None, True, isolation), lean=lean
    )


def told(each: Any) -> tuple[Any, ...]:
    """All that anybody reads of a record."""
    return each.offset, each.timestamp, each.timestamp_type, each.key, each.value, tuple(each.headers)


def taken(fetched: Fetched, limit: int = 1_000) -> Taken:
    """All records, taken `limit` at a time."""
    found: Taken = []
    while not fetched.over:
        found += [told(each) for each in fetched.take(limit)]
    return found


@pytest.mark.parametrize("limit", [1, 2, 100])
@pytest.mark.parametrize("isolation", [READ_COMMITTED, READ_UNCOMMITTED], ids=["committed", "uncommitted"])
@pytest.mark.parametrize(
    ("content", "offset", "aborted"),
    [
        (PLAIN, 0, ()),
        (PLAIN, 2, ()),
        (PLAIN, 9, ()),
        (PLAIN[:-20], 0, ()),
        (PACKED, 0, ()),
        (PACKED, 10, ()),
        (ABORTED, 0, [(7, 0)]),
        (ABORTED, 0, ()),
        (ABORTED, 3, [(7, 0)]),
        (b"", 5, ()),
    ],
    ids=[
        "all", "inside a batch", "a later batch", "cut off", "packed", "inside a packed one", "aborted", "none aborted",
        "from inside", "empty",
    ],
)  # fmt: skip
def test_the_same_records_are_taken(
    content: bytes, offset: int, aborted: Sequence[tuple[int, int]], isolation: int, limit: int
) -> None:
    """In the same order, to the same position, however many at a time; from the offset on that was asked for."""
    theirs = stock(content, 0, aborted, isolation)
    expected = [told(each) for each in theirs if each.offset >= offset]

    fetched = ours(content, offset, aborted, isolation)
    fetched._fetched._check_crcs = False
    assert taken(fetched, limit) == expected
    assert fetched.next_fetch_offset == max(offset, theirs.next_fetch_offset)


def test_records_of_other_topics_are_wrapped_as_ever() -> None:
    """Who reads whole records gets aiokafka's own."""
    assert ours(PACKED, lean=False).take(100) == list(stock(PACKED, 0))


def test_the_position_follows_what_was_taken() -> None:
    """Also in the middle of a batch, and past what is no record."""
    fetched = ours(PLAIN)

    assert [each.key for each in fetched.take(2)] == [b"a", b"b"]
    assert fetched.next_fetch_offset == 2
    assert [each.key for each in fetched.take(100)] == [b"c", b"d", b"e", b"f"]
    assert (fetched.next_fetch_offset, fetched.over) == (11, True)


def test_a_damaged_batch_is_an_error() -> None:
    """Its bytes never become records; aiokafka fetches it again."""
    damaged = bytearray(batch(0, [b"a"]))
    damaged[-3] ^= 0xFF

    with pytest.raises(CorruptRecordException, match="CRC"):
        ours(bytes(damaged)).take(1)


def test_what_older_and_newer_brokers_have_is_refused() -> None:
    """By name, not as damage: messages of before Kafka 0.11, which no broker of today makes, and unknown codecs."""
    builder = LegacyRecordBatchBuilder(1, 0, 1 << 20)
    builder.append(0, 1_000, b"key", b"value")
    unknown = bytearray(batches.batch([record(0, b"key", b"value")], 1))
    unknown[ATTRIBUTES] |= 7
    fetched = ours(bytes(unknown))
    fetched._fetched._check_crcs = False

    with pytest.raises(UnsupportedForMessageFormatError, match=r"older than Kafka 0\.11"):
        ours(bytes(builder.build())).take(1)
    with pytest.raises(UnsupportedCodecError, match="codec 7"):
        fetched.take(1)


# ---- what aiokafka can't read --------------------------------------------------------------------------------------


def odd(codec: str) -> bytes:
    """Three batches; of the one in the middle the second record has a header whose name is no text."""
    records = [record(0, b"a", b"1"), record(1, b"b", b"2", [(b"\xff\xfe", b"v"), (b"\xed\xa0\x80", None)])]
    records.append(record(2, b"c", b"3"))
    return batch(0, [b"x"]) + batches.batch(records, 3, codec, first=1) + batch(4, [b"y"])


@pytest.mark.parametrize("codec", CODECS)
def test_a_header_name_that_is_no_text_is_told_in_bytes(codec: str) -> None:
    """And its record, those around it and their offsets are right, wherever reading begins or pauses."""
    expected = [
        (0, b"x", b"value of x", (("name", b"x"),)),
        (1, b"a", b"1", ()),
        (2, b"b", b"2", (("\\xff\\xfe", b"v"), ("\\xed\\xa0\\x80", None))),
        (3, b"c", b"3", ()),
        (4, b"y", b"value of y", (("name", b"y"),)),
    ]
    for begin in range(5):
        for limit in (1, 2, 100):
            found = [(offset, *rest) for offset, _, _, *rest in taken(ours(odd(codec), begin), limit)]
            assert found == expected[begin:]


@pytest.mark.parametrize(
    "second",
    [
        record(1, b"b", b"2", attributes=0x80),
        record(1, b"b", b"2", attributes=0xFF),
        record(1, b"b", b"2").replace(varint(1), b"\x82\x80\x80\x80\x10", 1),
    ],
    ids=["attributes", "all attributes", "an offset with more bits than it has"],
)
def test_a_record_is_read_as_the_broker_reads_it(second: bytes) -> None:
    """Where aiokafka would read another number, or none: a byte of attributes, and what is dropped of a long one."""
    body = second[1:]  # behind its length, which may be another one now
    content = batches.batch([record(0, b"a", b"1"), varint(len(body)) + body, record(2, b"c", b"3")], 3)

    assert [(each.offset, each.key, each.value) for each in ours(content).take(9)] == [
        (0, b"a", b"1"),
        (1, b"b", b"2"),
        (2, b"c", b"3"),
    ]


def test_a_batch_that_cannot_be_unpacked_is_withheld() -> None:
    """All its offsets are there, with a reason, and the next batch is read."""
    content = batches.batch(b"no zstd at all", 3, "zstd") + batch(3, [b"d"])

    *found, last = ours(content).take(9)
    assert [each.offset for each in found] == [0, 1, 2]
    assert {(type(each.value), each.value.reason, each.key) for each in found} == {(Withheld, "not_json", None)}
    assert "zstd" in found[0].value.detail
    assert last.key == b"d"


def test_more_headers_than_anybody_needs_are_left_out() -> None:
    """Two bytes may say one, of which Python needs a hundred; whether the batch is large or small."""
    headers = [(b"", None)] * 1_001
    small = batches.batch([record(0, b"a", b"1", headers), record(1, b"b", b"2")], 2)
    large = batches.batch([record(0, b"a", b"1", headers), record(1, b"b", bytes(3 << 20))], 2, "zstd")

    for content in (small, large):
        first, second = ours(content).take(9)
        assert (first.key, first.headers, second.key) == (b"a", [], b"b")
        assert (first.value.reason, first.value.detail) == ("oversize", "1,001 headers, left out")


# ---- bounds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["zstd", "lz4", "gzip", "snappy"])
def test_a_portion_ends_by_weight(codec: str) -> None:
    """Large records come a few at a time, from one batch and from many, and all of them come."""
    value = bytes(1 << 20)
    many = b"".join(batches.batch([record(0, b"k", value)], 1, codec, first=number) for number in range(40))
    one = batches.batch([record(number, b"k", value) for number in range(40)], 40, codec)

    for content in (one, many):
        fetched = ours(content)
        portions = []
        while not fetched.over:
            portions.append([each.offset for each in fetched.take(1_000)])
        assert max(map(len, portions)) <= 1 + PORTION_BYTES // len(value)
        assert [*chain.from_iterable(portions)] == list(range(40))


def test_headers_weigh() -> None:
    """A portion of records with many headers is small, too: they are far larger in memory than on the topic."""
    content = batches.batch([record(number, b"k", b"", [(b"", None)] * 900) for number in range(200)], 200, "zstd")

    assert 0 < len(ours(content).take(1_000)) <= 1 + PORTION_BYTES // (900 * HEADER_BYTES)


def test_a_batch_is_left_out_from_a_record_that_is_too_large_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same words wherever reading begins again; and so from where it has unpacked to too much."""
    rows = [record(number, b"k", bytes(3_000)) for number in range(1_000)]
    rows[700] = record(700, b"large", bytes(salvage.RECORD_BYTES))
    content = batches.batch(rows, len(rows), "zstd")

    for bound, last in ((1 << 30, 700), (1_000_000, 333)):
        monkeypatch.setattr(salvage, "BATCH_BYTES", bound)
        every = [(each[0], each[3], getattr(each[4], "detail", "")) for each in taken(ours(content))]
        assert [offset for offset, _, _ in every] == [*range(1_000)]
        assert next(offset for offset, _, detail in every if detail) - last in {0, 1}
        for begin in (1, last, last + 1, last + 2, 999):
            again = [(each[0], each[3], getattr(each[4], "detail", "")) for each in taken(ours(content, begin))]
            assert again == every[begin:]


@pytest.mark.parametrize("size", [1, 40, 70, 9_000, 200_000])
def test_what_was_handed_out_before_is_passed_quickly(size: int) -> None:
    """Records of any length are passed without being read, and the one that is wanted is the right one."""
    count = 3 + (4 << 20) // (size + 10)
    content = batches.batch([record(number, b"%d" % number, bytes(size)) for number in range(count)], count, "zstd")
    begin = count - 2

    assert [each.key for each in ours(content, begin).take(9)] == [b"%d" % begin, b"%d" % (begin + 1)]


# ---- every batch ---------------------------------------------------------------------------------------------------

_bytes = st.none() | st.binary(max_size=300)
_headers = st.lists(st.tuples(st.text(max_size=9).map(str.encode), _bytes), max_size=4)
_records = st.lists(st.tuples(_bytes, _bytes, _headers, st.integers(-(1 << 40), 1 << 40)), min_size=1, max_size=12)


@given(_records, st.sampled_from([*CODECS]), st.integers(0, 1 << 40), st.data())
@settings(max_examples=60, deadline=None)
def test_every_ordinary_batch_is_read_alike(
    made: list[tuple[Any, ...]], codec: str, first: int, data: st.DataObject
) -> None:
    """By aiokafka, by us through its parser, and by us without it."""
    rows = [
        record(number, key, value, headers, later=later) for number, (key, value, headers, later) in enumerate(made)
    ]
    content = batches.batch(rows, len(rows), codec, first=first)
    offset = first + data.draw(st.integers(0, len(rows)))
    expected = [told(each) for each in stock(content, offset)]

    assert taken(ours(content, offset), data.draw(st.integers(1, 13))) == expected
    for begin in (0, offset):
        alone = [told(each) for each in salvage.records(memoryview(content), begin) if each.offset >= offset]
        assert alone == expected


@given(_records, st.sampled_from([*CODECS]), st.data())
@settings(max_examples=60, deadline=None)
def test_no_batch_raises(made: list[tuple[Any, ...]], codec: str, data: st.DataObject) -> None:
    """Whatever is in it: each of its offsets comes, in order, and the position ends behind it."""
    rows = b"".join(record(number, key, value, headers) for number, (key, value, headers, _) in enumerate(made))
    spoiled = bytearray(rows)
    for _ in range(data.draw(st.integers(0, 3))):
        spoiled[data.draw(st.integers(0, len(rows) - 1))] = data.draw(st.integers(0, 255))
    packed = bytearray(CODECS[codec][1](bytes(spoiled)))
    if data.draw(st.booleans()):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    content = batches.batch(bytes(packed), len(made), codec)

    fetched = ours(content)
    assert [each[0] for each in taken(fetched)] == [*range(len(made))]
    assert fetched.next_fetch_offset == len(made)
