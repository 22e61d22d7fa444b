"""The load of the benchmark: chunks of the contract, so many requests open at a time, spread as Kafka spreads them."""

from hashlib import sha256

import pytest
from aiokafka.partitioner import DefaultPartitioner

from pipeline.core.partition import Partition
from pipeline.core.policy import Policy
from pipeline.core.rows import MemoryRows, SourceRecord
from pipeline.ops.bench.load import FULL, PARTITIONS, QUICK, SMALL, Load, values, waves
from pipeline.topics.partitioner import partition_of
from schemas.decode import decode

LOAD = Load("x", requests=7, chunks=4, open=3)


def chunks_of(load: Load) -> list[tuple[bytes, bytes]]:
    """Key and value of every chunk, in the order in which they are sent."""
    pieces = values(load)
    return [(key, before + key + after) for ids in waves(load) for before, after in pieces for key in ids]


def test_full_loads_are_two_million_chunks_each() -> None:
    """200, 10,000 and 100,000 open requests."""
    assert [load.total for load in FULL] == [2_000_000] * 3
    assert [load.open for load in FULL] == [200, 10_000, 100_000]


def test_quick_loads_keep_the_open_requests() -> None:
    """They are smaller in chunks only."""
    assert [load.open for load in QUICK] == [load.open for load in FULL]
    assert all(load.total < 500_000 for load in (*QUICK, SMALL))


@pytest.mark.parametrize("load", [*FULL, *QUICK, SMALL])
@pytest.mark.parametrize("total", [2, 50, 3_000, 300_000])
def test_a_limited_load_has_about_so_many_chunks(load: Load, total: int) -> None:
    """Never more, never a request without an end, and no more open than there are."""
    small = load.limited(total)

    assert total / 2 <= small.total <= total or small.total == load.total
    assert small.chunks >= 2
    assert 1 <= small.open <= small.requests


def test_requests_of_a_wave_take_turns() -> None:
    """All of its first chunks, all of its second ones; the next wave begins after the last."""
    keys = [key for key, _ in chunks_of(LOAD)]
    wave = [b"req-00000000", b"req-00000001", b"req-00000002"]

    assert len(keys) == LOAD.total
    assert keys[:6] == wave * 2
    assert keys[-4:] == [b"req-00000006"] * 4


def test_chunks_are_of_the_contract() -> None:
    """Decoded without an odd leaf; the last one says so, with finish reason and usage."""
    found = [decode(value) for _, value in chunks_of(LOAD)]
    first = [chunk for chunk in found if chunk.request_id == "req-00000000"]

    assert [chunk.chunk_index for chunk in first] == [0, 1, 2, 3]
    assert [chunk.is_final for chunk in first] == [False, False, False, True]
    assert not any(chunk.anomalies for chunk in found)


@pytest.mark.parametrize(
    ("chunks", "size", "digest"),
    [(100, 35_225, "19d9a8372f1e1c75"), (50, 17_635, "6c9db186ff9687a5"), (20, 7_083, "7c350a1f4def3b9d")],
)
def test_published_figures_are_of_these_bytes(chunks: int, size: int, digest: str) -> None:
    """A change of a chunk's size or shape would make the README's figures those of another load."""
    pieces = values(Load("x", 1, chunks, 1))

    assert sum(len(before) + len(after) for before, after in pieces) == size
    assert sha256(b"\0".join(before + b"\1" + after for before, after in pieces)).hexdigest()[:16] == digest


def test_every_request_closes_with_its_last_chunk() -> None:
    """So that records come while the load runs, none waits for a grace."""
    partition = Partition(Policy(), MemoryRows(), "t", 0)
    records = [SourceRecord(key, value, offset, 1_000) for offset, (key, value) in enumerate(chunks_of(LOAD))]

    assert len(partition.apply(records, len(records))) == LOAD.requests
    assert partition.open_count == 0


def test_keys_lie_where_kafkas_producers_put_them() -> None:
    """Else the record of a request would not be where a consumer looks for it."""
    partitions, spread = list(range(PARTITIONS)), DefaultPartitioner()
    keys = [b"req-%08d" % number for number in range(200)]

    assert [partition_of(key, PARTITIONS) for key in keys] == [spread(key, partitions, partitions) for key in keys]
