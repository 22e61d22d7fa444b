"""Batches that no honest client makes and every broker takes, among good requests (CONTRACT G4, G5).

One worker, killed once in the middle of a batch, meets all of them in one partition: values of 20 MiB in some
KiB of every codec, small records behind them, header names that are no text, numbers that aiokafka reads otherwise than
the broker, and what can't be unpacked at all, between the chunks of ordinary requests.
"""

from __future__ import annotations

import asyncio
import io
import json
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Final, cast

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.errors import UsageError
from pipeline.ops.live import Live
from pipeline.ops.produce import produce
from pipeline.settings import Settings, client
from pipeline.testing.topic import append
from pipeline.topics.reader import reading
from pipeline.web.access import Access
from pipeline.web.site import application
from tests.batches import CODECS, batch, record, send, varint
from tests.integration.engine.harness import QUICK, SECONDS, Seen, Stream, committed, expectations, running, view

MIB: Final = 1 << 20
ADDED: Final = 6
"""Headers that a dead letter has beside its own."""
STREAMS: Final = {name: Stream(name, ("a ", "b ", "c ")) for name in ("plain", "odd", "misread", *CODECS)}
CUT: Final = 120
"""Records of one MiB each in the batch in which the worker dies: more than it folds without a checkpoint."""
KILL: Final = "checkpoint.after_send_dead_letters@2"
PEAK: Final = 500 * MIB
"""Most memory of the worker. Some 110 MiB are the program's, and 64 MiB of dead letters may wait for a checkpoint."""
SIZES: Final = dict.fromkeys((name for name in CODECS if name != "none"), 20 * MIB)
WIDTH: Final = 4
"""Bytes of the length before such a record."""


@dataclass(frozen=True)
class Refused:
    """What must become of a record that is no chunk: reason, part of the detail, its key, and its own headers."""

    reason: str
    says: str
    key: bytes | None = None
    headers: tuple[tuple[str, Any], ...] = ()
    value: bytes | None = None


Entry = tuple[bytes, Refused | None]
"""A record, and what must become of it if it is not folded."""


def chunk(name: str, index: int, place: int, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Entry:
    """A good chunk."""
    return record(place, name.encode(), STREAMS[name].chunk(index), headers), None


def bomb(codec: str) -> list[Entry]:
    """A good chunk, a value that is far too large, and a good one that nobody can reach any more."""
    giant, behind = record(1, b"giant", bytes(SIZES[codec])), chunk(codec, 1, 2)[0]
    size = f"a record of {len(giant) - WIDTH:,} bytes"
    if codec == "raw snappy":
        lost = Refused("not_json", "its batch can't be read (codec snappy), left out")
        return [(chunk(codec, 1, 0)[0], lost), (giant, lost), (behind, lost)]
    return [
        chunk(codec, 1, 0),
        (giant, Refused("oversize", f"{size}, left out", key=b"giant")),
        (behind, Refused("oversize", f"behind {size} in its batch, left out")),
    ]


def batches() -> Iterator[tuple[list[Entry], bytes]]:
    """The batches of the test, each with what it holds."""

    def made(entries: list[Entry], codec: str = "none") -> tuple[list[Entry], bytes]:
        return entries, batch([raw for raw, _ in entries], len(entries), codec)

    junk = bytes(MIB)
    letter = Refused("not_json", "character 0", key=b"junk", value=junk)
    yield made([(record(place, b"junk", junk), letter) for place in range(CUT)], "zstd")
    yield made([chunk(name, 0, place) for place, name in enumerate(STREAMS)])
    odd, told = (b"\xff\xfe", b"v"), ("\\xff\\xfe", b"v")
    wrong = Refused("not_json", "character 1", key=b"odd", headers=(told,), value=b"{")
    yield made([chunk("odd", 1, 0, (odd,)), (record(1, b"odd", b"{", [odd]), wrong)], "lz4")
    spoiled = record(1, b"misread", STREAMS["misread"].chunk(1), attributes=0x80)
    long = chunk("plain", 1, 2)[0].replace(varint(2), varint(2, width=5), 1)
    yield made([chunk("none", 1, 0), (spoiled, None), (resized(long), None)])
    for codec in SIZES:
        yield made(bomb(codec), codec)
    yield made([(record(0, b"many", b"{", [(b"", None)] * 1_001), Refused("oversize", "1,001 headers", key=b"many"))])
    yield made([chunk(name, 1, 0) for name in ("raw snappy",)])
    yield made([chunk(name, 2, place) for place, name in enumerate(STREAMS)], "gzip")


def resized(raw: bytes) -> bytes:
    """A record whose body has become longer, under its length."""
    at = 1 if raw[0] < 0x80 else 2
    return varint(len(raw) - at) + raw[at:]


async def deliver(settings: Settings) -> dict[int, Refused]:
    """Send it all to one partition; by offset what is to be refused."""
    producer = AIOKafkaProducer(**client(settings), max_request_size=32 * MIB, request_timeout_ms=60_000)
    await producer.start()
    refused: dict[int, Refused] = {}
    try:
        for entries, content in [*batches()]:  # made before the first is sent, since requests wait for their chunks
            first = await send(producer, settings.chunk_topic, 0, content)
            refused |= {first + place: why for place, (_, why) in enumerate(entries) if why is not None}
    finally:
        await producer.stop()
    return refused


def letters(settings: Settings, count: int) -> dict[tuple[int, int], tuple[Seen, dict[str, str]]]:
    """Dead letters, with what they say of themselves, by partition and offset of what was refused; each once."""
    found = asyncio.run(committed(settings, settings.dead_topic, at_least=count))
    told = [{name: value.decode() for name, value in each.headers[-ADDED:]} for each in found]
    by_place = {
        (int(it["dl.partition"]), int(it["dl.offset"])): (each, it) for each, it in zip(found, told, strict=True)
    }
    assert len(by_place) == len(found)
    return by_place


def peak(pid: int) -> int:
    """Most memory that a process has had, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


@pytest.mark.usefixtures("ledger_topics")
def test_nothing_ends_a_worker(brisk: Settings, tmp_path: Path) -> None:
    """Each record is folded or a dead letter, once, over a kill in the middle of a batch; memory stays where it was."""
    refused = asyncio.run(deliver(brisk))
    with running(brisk, tmp_path / "log", timing=QUICK, failpoints=KILL) as worker:
        assert worker.wait() == -signal.SIGKILL
    assert 0 < len(letters(brisk, 1)) < CUT
    with running(brisk, tmp_path / "log", timing=QUICK) as worker:
        asyncio.run(append_monsters(brisk))
        expected = expectations([*STREAMS.values(), *BEARABLE.values()])
        billed = asyncio.run(committed(brisk, brisk.record_topic, at_least=len(expected)))
        found = letters(brisk, len(refused) + len(UNBEARABLE))
        assert peak(worker.process.pid) < PEAK

    assert expected == sorted(
        (view(json.loads(each.value or b"")) for each in billed), key=lambda each: str(each["request_id"])
    )
    assert len(found) == len(refused) + len(UNBEARABLE)
    for offset, why in refused.items():
        letter, told = found.pop((0, offset))
        assert (letter.key, letter.value, letter.headers[:-ADDED]) == (why.key, why.value, why.headers)
        assert told["dl.reason"] == why.reason
        assert why.says in told["dl.detail"]
    assert {letter.value: told["dl.reason"] for letter, told in found.values()} == dict.fromkeys(
        UNBEARABLE.values(), "invalid"
    )
    asyncio.run(others(brisk))
    tools(brisk, [each.value for each in billed])


# ---- chunks that are JSON, and monsters ----------------------------------------------------------------------------

DEEP: Final = b"[" * 100_000 + b"]" * 100_000
MANY: Final = {f"k{number}": "v" for number in range(100_000)}


def grown(name: str, field: str, leaf: bytes) -> bytes:
    """The first chunk of a stream with one more field, which is JSON already."""
    return Stream(name, ("a ", "b ")).chunk(0)[:-1] + b', "' + field.encode() + b'": ' + leaf + b"}"


UNBEARABLE: Final = {
    name: grown(name, field, leaf)
    for name, field, leaf in [
        ("deep-request", "raw_request", DEEP),
        ("deep-response", "response", b'{"choices": ' + DEEP + b"}"),
        ("deep-field", "unknown", b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
        ("never-closed", "unknown", b"[" * 1_000_000),
        ("long-cost", "cost", b"1" * 1_000_000),
        ("long-index", "chunk_index", b"1" * 1_000_000),
        ("long-request", "raw_request", b"1" * 1_000_000),
        ("long-usage", "response", b'{"choices": [], "usage": {"total_tokens": ' + b"9" * 1_000_000 + b"}}"),
        ("labels", "labels", json.dumps(MANY).encode()),
    ]
}
"""What nobody can use; each becomes a dead letter."""

BEARABLE: Final = {name: Stream(name, ("a ", "b ")) for name in ("twice", "labelled-twice", "fields", "long-field")}
GROWN: Final = {
    "twice": grown("twice", "x", b"1" + b', "x": 1' * 100_000),
    "labelled-twice": grown("labelled-twice", "labels", b"{" + b'"a": "b", ' * 100_000 + b'"a": "c"}'),
    "fields": grown("fields", "x", b"1, " + json.dumps(MANY).encode()[1:-1]),
    "long-field": grown("long-field", "x", b"1" * 1_000_000),
}
"""What is odd, and a chunk: a name that is there 100,000 times, as many unknown ones, an unknown one that is long."""


async def append_monsters(settings: Settings) -> None:
    """By `produce` where it takes them, which it does or says why, else as any client would."""
    for name, value in (UNBEARABLE | GROWN).items():
        try:
            await produce(cast("BufferedIOBase", io.BytesIO(value + b"\n")), settings)
        except UsageError:  # "no JSON object with a request_id", as far as readers in Python can tell
            await append(settings, settings.chunk_topic, [(name.encode(), value)])
    ends = b"\n".join(stream.chunk(1) for stream in BEARABLE.values())
    await produce(cast("BufferedIOBase", io.BytesIO(ends)), settings)


async def others(settings: Settings) -> None:
    """Who else reads the topics comes to their end."""
    async with reading(settings, lambda _: None) as topics:
        _, end = await topics.bounds(settings.chunk_topic, 0)
        whole = [each.offset async for each in topics.read("", settings.chunk_topic, 0, 0, end)]
        lean = [
            each.offset
            async for portion in topics.batches("", settings.chunk_topic, 0, 0, end)
            for each in portion.records
        ]
    assert whole == lean == [*range(end)]


def tools(settings: Settings, billed: list[bytes | None]) -> None:
    """Commands and the page read the same topics, and say what is there."""
    listed = Counter(json.loads(line)["reason"] for line in told(settings, "dead", "ls", "--list", "--json"))
    assert (listed["oversize"], listed["invalid"]) == (9, len(UNBEARABLE))
    assert any("a record of 20,971," in line for line in told(settings, "dead", "show", "giant"))
    told(settings, "reconcile")
    assert sorted(told(settings, "replay")) == sorted((each or b"").decode() for each in billed)
    assert any(f"requests {len(billed)} " in line for line in told(settings, "top", "--once"))
    asyncio.run(visit(settings))


def told(settings: Settings, *words: str) -> list[str]:
    """The lines that a command prints, which finds nothing wrong."""
    names = ("bootstrap_servers", "ledger", "chunk_topic", "record_topic", "dead_topic")
    windows = ("finish_grace", "attempt_grace", "session_window", "clock_slack")
    environment = {f"STREAMLEDGER_{name.upper()}": str(getattr(settings, name)) for name in names}
    environment |= {f"STREAMLEDGER_{name.upper()}": f"{getattr(settings, name)}ms" for name in windows}
    result = CliRunner().invoke(main, words, env=environment)
    assert result.exit_code == 0, result.stderr
    return result.stdout.splitlines()


async def visit(settings: Settings) -> None:
    """The page shows dead letters, and a request with a chunk of 100,000 fields."""
    source = Live(settings)
    following = asyncio.create_task(source.run())
    app, close = application(source, settings, Access(settings, time.monotonic))
    try:
        version = 0
        async with asyncio.timeout(SECONDS):
            while not source.caught_up:
                version = await source.changed(version, 1.0)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8420", timeout=SECONDS) as web:
            for path, text in {"/dead": "oversize", "/requests/fields": "fields"}.items():
                answer = await web.get(path)
                assert (answer.status_code, text in answer.text) == (200, True)
    finally:
        close()
        following.cancel()
        await asyncio.wait([following])
