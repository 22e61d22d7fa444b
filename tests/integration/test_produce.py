"""Sending chunk lines to a real Kafka: keys, values, order, and what is refused with its line number."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
from io import BufferedIOBase
from pathlib import Path
from typing import Any, cast

import pytest

from pipeline.errors import UsageError
from pipeline.ops import produce as module
from pipeline.ops.produce import Sent, produce
from pipeline.settings import MESSAGE_BYTES, Settings
from pipeline.testing.topic import Seen, committed

pytestmark = pytest.mark.usefixtures("ledger_topics")

SECONDS = 30.0


def line(request_id: str, index: int, **fields: Any) -> bytes:
    """A chunk line."""
    return json.dumps({"request_id": request_id, "chunk_index": index, **fields}).encode() + b"\n"


def send(data: bytes, settings: Settings, **options: Any) -> Sent:
    """Produce from memory."""
    return asyncio.run(produce(cast("BufferedIOBase", io.BytesIO(data)), settings, **options))


def arrived(settings: Settings, count: int) -> list[Seen]:
    """All of the chunk topic, by partition and offset; waits until `count` are there."""
    found = asyncio.run(committed(settings, settings.chunk_topic, at_least=count))
    assert len(found) == count
    return sorted(found, key=lambda seen: (seen.partition, seen.offset))


def test_each_line_arrives_once_keyed_by_its_request_in_order(settings: Settings) -> None:
    """The value is the line's own bytes, also where JSON could be written otherwise."""
    lines = [line(f"r{number % 7}", number, text="é" if number % 2 else "\ud83d") for number in range(500)]
    odd = b'{ "request_id" : "r0",  "chunk_index":500, "a":1.0e3 }'
    data = b"\n".join([*(each.strip() for each in lines), b"", b"  ", odd])
    assert send(data, settings) == Sent(501, len(data))
    records = arrived(settings, 501)
    by_request: dict[bytes, list[int]] = {}
    for record in records:
        assert record.key is not None
        assert record.value is not None
        chunk = json.loads(record.value)
        assert record.key.decode() == chunk["request_id"]
        by_request.setdefault(record.key, []).append(chunk["chunk_index"])

    assert sorted(record.value or b"" for record in records) == sorted([*(each.strip() for each in lines), odd])
    assert all(indexes == sorted(indexes) for indexes in by_request.values())
    assert all(len({record.partition for record in records if record.key == key}) == 1 for key in by_request)


def test_the_offline_clock_does_not_get_onto_the_topic(settings: Settings) -> None:
    """CONTRACT §1: `_kafka` is never on the topic; everything else of the line is."""
    place = {"topic": "t", "partition": 0, "offset": 1, "timestamp": 2}
    send(line("r", 0, _kafka=place, text="\ud83d"), settings)
    (record,) = arrived(settings, 1)

    assert json.loads(record.value or b"") == {"request_id": "r", "chunk_index": 0, "text": "\ud83d"}


def test_lines_before_a_bad_one_are_delivered(settings: Settings) -> None:
    """So that sending the rest again is all there is to do."""
    with pytest.raises(UsageError, match="line 3"):
        send(line("a", 0) + b"\n" + b"bad\n" + line("b", 0), settings)

    assert [record.key for record in arrived(settings, 1)] == [b"a"]


def test_a_line_too_large_for_the_topic_is_refused_by_its_number(settings: Settings) -> None:
    """By the client's own limit, before it is on the way."""
    with pytest.raises(UsageError, match="line 2 is larger than topic"):
        send(line("a", 0) + line("b", 0, text="x" * MESSAGE_BYTES), settings)

    assert [record.key for record in arrived(settings, 1)] == [b"a"]


def test_an_endless_line_is_refused_before_memory_is_full(settings: Settings) -> None:
    """A file that is no JSON lines at all may have no line end for gigabytes."""
    with pytest.raises(UsageError, match="line 1 is no JSON"):
        send(b"\0" * (MESSAGE_BYTES + 2 * module.READ_BYTES), settings)

    assert arrived(settings, 0) == []


def test_a_topic_that_does_not_exist_is_not_made_up(settings: Settings) -> None:
    """A topic that a broker creates by itself has the wrong clock."""
    with pytest.raises(UsageError, match="does not exist") as caught:
        send(line("a", 0), settings.model_copy(update={"chunk_topic": "missing"}))

    assert caught.value.hint == "create it: streamledger topics"


def test_a_live_pipe_is_sent_without_waiting_for_its_end(settings: Settings) -> None:
    """`tail -f | streamledger produce`: the first chunk is there while the pipe is still open."""
    reader, writer = os.pipe()

    async def run() -> Sent:
        told: asyncio.Queue[Sent] = asyncio.Queue()
        with os.fdopen(reader, "rb") as source:
            work = asyncio.ensure_future(produce(source, settings, progress=told.put_nowait))
            os.write(writer, line("a", 0))
            await asyncio.wait_for(told.get(), SECONDS)
            os.write(writer, line("a", 1)[:5])
            await asyncio.wait_for(told.get(), SECONDS)
            assert not work.done()
            os.write(writer, line("a", 1)[5:-1])
            os.close(writer)
            return await asyncio.wait_for(work, SECONDS)

    assert asyncio.run(run()).chunks == 2
    assert [json.loads(record.value or b"")["chunk_index"] for record in arrived(settings, 2)] == [0, 1]


def test_the_command_sends_a_file_and_says_so(settings: Settings, tmp_path: Path) -> None:
    """The whole program, with settings from its environment."""
    path = tmp_path / "chunks.jsonl"
    path.write_bytes(b"".join(line("a", index) for index in range(10)))
    variables = {"BOOTSTRAP_SERVERS": settings.bootstrap_servers, "CHUNK_TOPIC": settings.chunk_topic}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "produce", str(path), "--json"],
        env=os.environ | {f"STREAMLEDGER_{name}": value for name, value in variables.items()},
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["chunks"] == 10
    assert len(arrived(settings, 10)) == 10
