"""A record header whose name is not UTF-8: Kafka takes it, no client makes it, and aiokafka's parser can't read it."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c

from pipeline.settings import Settings, client
from tests.integration.engine.harness import QUICK, Stream, expectations, records, running

pytestmark = pytest.mark.usefixtures("ledger_topics")

PLACE, NAME = b"@@", b"\xff\xfe"
"""A name that can be written, and what is put in its place."""

CRC = slice(17, 21)
"""Where a batch of format 2 keeps the checksum of all that comes after it."""


@pytest.mark.xfail(reason="aiokafka decodes header names strictly, and the worker ends with it (README, limits)")
def test_a_header_name_that_is_no_text_stops_nothing(brisk: Settings, tmp_path: Path) -> None:
    """Bad input never stops a partition (G4): the chunk is folded, or a dead letter, and so is what comes after it."""
    stream = Stream("odd", ("a ", "b "))

    async def produce() -> None:
        producer = AIOKafkaProducer(**client(brisk))
        await producer.start()
        try:
            for index in range(len(stream.words)):
                batch = producer.create_batch()
                headers = [(PLACE.decode(), b"v")] if index == 0 else []
                batch.append(timestamp=None, key=b"odd", value=stream.chunk(index), headers=headers)
                spoil(batch)
                await (await producer.send_batch(batch, brisk.chunk_topic, partition=0))
        finally:
            await producer.stop()

    asyncio.run(produce())
    with running(brisk, tmp_path / "log", timing=QUICK) as worker:
        worker.wait_for("folded")
        assert expectations([stream]) == records(brisk, at_least=1)


def spoil(batch: Any) -> None:
    """Close a batch and put the odd name into it, under a checksum that fits."""
    batch.close()
    raw = batch._build()
    if (at := raw.rfind(PLACE)) >= 0:
        raw[at : at + len(PLACE)] = NAME
        raw[CRC] = struct.pack(">I", calc_crc32c(memoryview(raw)[CRC.stop :]))
