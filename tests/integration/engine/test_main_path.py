"""Chunks in, records out, on a real Kafka: the main path, its end by SIGTERM, and draining."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from pipeline.settings import Settings, client
from pipeline.testing.topic import append
from tests.integration.engine.harness import (
    Stream,
    committed,
    expectations,
    interleaved,
    records,
    running,
    send,
    streams,
)

pytestmark = pytest.mark.usefixtures("ledger_topics")


def test_each_request_becomes_one_record_in_the_partition_of_its_chunks(brisk: Settings, tmp_path: Path) -> None:
    """Sixty streams, some of which never end, become sixty records equal to what was sent."""
    made = streams(60, seed=1)
    with running(brisk, tmp_path / "log") as worker:
        worker.wait_for("assigned")
        asyncio.run(send(brisk, interleaved(made, together=10, seed=1)))
        assert expectations(made) == records(brisk, at_least=len(made))
        assert worker.terminate()[0] == 0
    chunks = asyncio.run(committed(brisk, brisk.chunk_topic))
    where = {chunk.key: chunk.partition for chunk in chunks}
    assert all(where[record.key] == record.partition for record in asyncio.run(committed(brisk, brisk.record_topic)))


def test_a_drained_worker_stops_by_itself_and_leaves_open_requests_to_the_next(brisk: Settings, tmp_path: Path) -> None:
    """`--drain` folds and checkpoints all that can be read; the next worker goes on where it stopped."""
    settings = brisk.model_copy(update={"session_window": 120_000})
    stream = Stream("half", ("a ", "b ", "c "))
    asyncio.run(send(settings, iter([(stream.request_id, stream.chunk(0)), (stream.request_id, stream.chunk(1))])))
    with running(settings, tmp_path / "first", drain=True) as worker:
        assert worker.wait() == 0
        assert worker.events("stopped")[0]["chunks"] == 2
    asyncio.run(send(settings, iter([(stream.request_id, stream.chunk(2))])))
    with running(settings, tmp_path / "second") as worker:
        assert expectations([stream]) == records(settings, at_least=1)
        assert sum(event["open"] for event in worker.events("restored")) == 1


def test_a_new_ledger_begins_where_it_is_told_and_keeps_its_position_after(brisk: Settings, tmp_path: Path) -> None:
    """`--reset-to latest` leaves out what was there; with a position of its own the ledger loses nothing."""
    before, meanwhile = Stream("before", ("a ", "b ")), Stream("meanwhile", ("c ", "d "))
    asyncio.run(send(brisk, interleaved([before], together=1, seed=1)))
    with running(brisk, tmp_path / "first", drain=True, reset_to="latest") as worker:
        assert worker.wait() == 0
    asyncio.run(send(brisk, interleaved([meanwhile], together=1, seed=1)))
    with running(brisk, tmp_path / "second", reset_to="latest") as worker:
        assert expectations([meanwhile]) == records(brisk, at_least=1)
        assert worker.events("reset_to not used: the ledger has a position")


def test_sigterm_makes_a_last_checkpoint_and_leaves_in_time(brisk: Settings, tmp_path: Path) -> None:
    """What was folded is committed although the checkpoint interval is far away; exit 0 within 10 s."""
    settings = brisk.model_copy(update={"checkpoint_interval": 60_000, "session_window": 120_000})
    stream = Stream("open", ("a ", "b "), finished=False)
    with running(settings, tmp_path / "log") as worker:
        worker.wait_for("assigned")
        asyncio.run(send(settings, iter([(stream.request_id, stream.chunk(index)) for index in range(2)])))
        worker.wait_for("folded")
        status, seconds = worker.terminate()
        assert (status, seconds < 10) == (0, True)
        assert sum(asyncio.run(_group_offsets(settings)).values()) == 2
    assert asyncio.run(committed(settings, settings.record_topic)) == []


def test_a_commit_marker_at_the_end_of_the_topic_does_not_keep_requests_open(brisk: Settings, tmp_path: Path) -> None:
    """A gateway that produces in transactions leaves a control record last; the idle partition still expires."""
    stream = Stream("transactional", ("a ", "b "), finished=False)

    async def produce() -> None:
        producer = AIOKafkaProducer(**client(brisk), transactional_id=f"{brisk.ledger}-gateway")
        await producer.start()
        async with producer.transaction():
            for index in range(2):
                await producer.send(brisk.chunk_topic, stream.chunk(index), key=stream.request_id.encode())
        await producer.stop()

    with running(brisk, tmp_path / "log") as worker:
        worker.wait_for("assigned")
        asyncio.run(produce())
        assert expectations([stream]) == records(brisk, at_least=1)


def test_nothing_of_an_open_producer_transaction_is_read_and_nothing_behind_it_expires(
    brisk: Settings, tmp_path: Path
) -> None:
    """Chunks behind an open transaction are in the log: no request is closed as silent until they are readable."""
    stream = Stream("behind", ("a ", "b ", "c "))

    async def scenario() -> list[Any]:
        gateway = AIOKafkaProducer(**client(brisk), transactional_id=f"{brisk.ledger}-slow")
        await gateway.start()
        await send(brisk, iter([(stream.request_id, stream.chunk(0))]))
        await gateway.begin_transaction()
        await gateway.send_and_wait(brisk.chunk_topic, stream.chunk(1), key=stream.request_id.encode())
        await asyncio.sleep((brisk.session_window + 2 * brisk.clock_slack) / 1_000)
        early = await committed(brisk, brisk.record_topic)
        await gateway.commit_transaction()
        await gateway.stop()
        await send(brisk, iter([(stream.request_id, stream.chunk(2))]))
        return early

    settings = brisk.model_copy(update={"session_window": 2_000})
    with running(settings, tmp_path / "log") as worker:
        worker.wait_for("assigned")
        assert asyncio.run(scenario()) == []


def test_large_chunks_and_records_pass(brisk: Settings, tmp_path: Path) -> None:
    """A record of many chunks of a MiB is larger than any batch, and still one record."""
    stream = Stream("large", tuple(f"{index}{'x' * (1 << 20)}" for index in range(6)))
    with running(brisk, tmp_path / "log") as worker:
        worker.wait_for("assigned")
        chunks = [(b"large", stream.chunk(index)) for index in range(len(stream.words))]
        asyncio.run(append(brisk, brisk.chunk_topic, chunks, max_request_size=1 << 24))
        assert expectations([stream]) == records(brisk, at_least=1)


def test_chunks_and_records_at_their_limits_pass_whatever_they_hold(brisk: Settings, tmp_path: Path) -> None:
    """Text that hardly compresses fills a chunk up to max_chunk_bytes, and a record up to max_record_bytes."""
    noise = random.Random(4).randbytes
    words = tuple(base64.b85encode(noise(3_300_000)).decode() for _ in range(2))
    both, one = Stream("both", words), Stream("one", ("",))
    one = Stream("one", (base64.b85encode(noise(7_000_000)).decode()[: brisk.max_chunk_bytes - len(one.chunk(0))],))
    chunks = [
        (stream.request_id.encode(), stream.chunk(index))
        for stream in (both, one)
        for index in range(len(stream.words))
    ]
    assert all(len(value) <= brisk.max_chunk_bytes for _, value in chunks)

    with running(brisk, tmp_path / "log") as worker:
        worker.wait_for("assigned")
        asyncio.run(append(brisk, brisk.chunk_topic, chunks, max_request_size=1 << 25, max_batch_size=1 << 25))
        assert [both.expected["content"]] == [
            record["content"] for record in records(brisk, at_least=2) if record["request_id"] == "both"
        ]
        assert asyncio.run(committed(brisk, brisk.dead_topic)) == []
        assert worker.terminate()[0] == 0


def test_an_oversize_chunk_becomes_a_dead_letter_whole(brisk: Settings, tmp_path: Path) -> None:
    """A chunk of nearly 16 MiB, the largest that the topic takes, comes out byte for byte."""
    value = b"x" * ((16 << 20) - 1_024)
    message = (b"huge", value, None, [("origin", b"test")])

    with running(brisk, tmp_path / "log") as worker:
        worker.wait_for("assigned")
        asyncio.run(append(brisk, brisk.chunk_topic, [message], max_request_size=1 << 25, max_batch_size=1 << 25))
        (letter,) = asyncio.run(committed(brisk, brisk.dead_topic, at_least=1))
    headers = dict(letter.headers)
    assert (value, b"huge", b"oversize", b"test") == (
        letter.value,
        letter.key,
        headers["dl.reason"],
        headers["origin"],
    )


async def _group_offsets(settings: Settings) -> dict[int, int]:
    """Offsets that the group committed, by partition."""
    consumer = AIOKafkaConsumer(**client(settings), group_id=settings.ledger, enable_auto_commit=False)
    await consumer.start()
    try:
        parts = [TopicPartition(settings.chunk_topic, number) for number in range(settings.partitions)]
        consumer.assign(parts)
        return {part.partition: await consumer.committed(part) or 0 for part in parts}
    finally:
        await consumer.stop()


def test_the_record_is_json_with_its_id_in_the_headers(brisk: Settings, tmp_path: Path) -> None:
    """Headers name the record without its value having to be read (CONTRACT §2)."""
    stream = Stream("headers", ("a ",))
    with running(brisk, tmp_path / "log") as worker:
        worker.wait_for("assigned")
        asyncio.run(send(brisk, iter([(stream.request_id, stream.chunk(0))])))
        (record,) = asyncio.run(committed(brisk, brisk.record_topic, at_least=1))
    headers = dict(record.headers)
    assert json.loads(record.value or b"{}")["record_id"].encode() == headers["record_id"]
    assert headers["content-type"] == b"application/json"
