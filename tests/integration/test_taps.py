"""Tapped streams of the real SDKs on a real Kafka: what is read back from the topic folds to the right records."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pytest

from pipeline.core.policy import Policy as FoldPolicy
from pipeline.ingest import AsyncPublisher, Policy, Publisher, chunks_of, tap
from pipeline.ops.broker import Cluster
from pipeline.ops.fold import OfflineFold
from pipeline.settings import Settings, client
from pipeline.testing.ledger import ledger_settings
from pipeline.topics.admin import create, definitions
from tests.integration.engine.harness import committed
from tests.ledger import valid
from tests.sdks import PATHS, AsyncSdks, Sdks, async_sdks, sdks
from tests.streams_server import ANSWERS, Server, brief, serving

FORMATS: Final = {"chat": "openai-chat", "responses": "openai-responses", "messages": "anthropic-messages"}
SAID: Final = (
    *("status", "model", "provider", "stream_type", "output_message", "output_messages", "tool_calls", "choices"),
    *("finish_reason", "token_usage", "usage_source", "cost", "cost_details", "service_tier", "missing_indexes"),
    *("error_details", "payload_anomalies", "conflict_count", "truncated", "logprobs", "attempts"),
)
"""Fields of a record that must not depend on when, and by whom, its chunks were published."""

SECONDS: Final = 90.0
BUDGET: Final = 0.05
"""Longest that a caller may wait for the publisher, in seconds."""

GRACE: Final = 0.2
"""What a busy machine may add to it."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that answers as providers do."""
    with serving() as started:
        yield started


def folded(lines: Sequence[bytes], read: Callable[[bytes], dict[str, Any]] = valid) -> dict[str, dict[str, Any]]:
    """The records of chunks by request; there is one of each and no dead letter."""
    fold = OfflineFold(FoldPolicy())
    results = [result for number, line in enumerate(lines, 1) for result in fold.take(line, number)]
    results += fold.end()
    records = [read(result) for result in results if isinstance(result, bytes)]
    assert len(records) == len(results)
    found = {record["request_id"]: record for record in records}
    assert len(found) == len(records)
    return found


def published(settings: Settings, read: Callable[[bytes], dict[str, Any]] = valid) -> dict[str, dict[str, Any]]:
    """The records of what lies on the chunk topic."""
    return folded([seen.value or b"" for seen in asyncio.run(committed(settings, settings.chunk_topic))], read)


def frames_of(api: str, events: int) -> list[bytes]:
    """The frames after which an SDK has given out so many events: it keeps Anthropic's pings for itself."""
    answer, given = ANSWERS[PATHS[api]], 0
    for place, frame in enumerate(answer):
        if given == events:
            return answer[:place]
        given += b"ping" not in frame and b"[DONE]" not in frame
    return answer


def expected(api: str, request_id: str, frames: Sequence[bytes]) -> dict[str, Any]:
    """What a request says whose reader left behind these frames, by the recording of just them."""
    if not frames:
        return {"status": "incomplete", "output_message": None, "token_usage": None}
    chunks = list(chunks_of(b"".join(frames), provider=FORMATS[api], request_id=request_id))
    if not chunks[-1]["is_final"]:
        left = {"type": "request_cancelled", "message": "the reader left before the end of the stream"}
        provider = {"provider": chunks[0]["provider"]}
        cancelled = {"is_bifrost_error": False, "error": left, "extra_fields": provider}
        chunks.append(
            {**chunks[-1], "chunk_index": len(chunks), "response": None, "error": cancelled, "is_final": True}
        )
    (record,) = folded([json.dumps(chunk).encode() for chunk in chunks]).values()
    return {name: record[name] for name in SAID}


def events_of(api: str) -> int:
    """How many events an SDK gives out."""
    return sum(b"ping" not in frame and b"[DONE]" not in frame for frame in ANSWERS[PATHS[api]])


def boundaries(kind: str) -> Iterator[tuple[str, int, str]]:
    """Every place at which a reader may leave: API, events taken, and the request's id."""
    for api in PATHS:
        yield from ((api, taken, f"{kind}-{api}-{taken}") for taken in range(events_of(api) + 1))


# What httpx leaves of a body that nobody read to its end, the collector finds in any thread, also while it is closed.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <async_generator object Response.aiter_raw:Warning")
def test_a_reader_may_leave_anywhere(server: Server, settings: Settings, ledger_topics: object) -> None:
    """Behind each event of each API, sync and async, there is one record with what was delivered, and no more.

    All streams come in one piece, so what was delivered is less than what had arrived. The other ways to end are in
    here too, on the same topic: to the proper end beside a slow reader, an error of the provider, a connection that
    breaks, and one that ends without a word.
    """
    assert ledger_topics
    with sdks() as sdk, Publisher(settings) as publisher:
        for api, taken, request_id in boundaries("sync"):
            stream = tap(sdk.opened(api, server.url("burst")), publisher, request_id=request_id)
            assert len(list(islice(stream, taken))) == taken
            stream.close()
        _other_ends(sdk, server, publisher)
        _slow_reader(sdk, server, publisher)
    asyncio.run(_leave_async(server, settings))

    records = published(settings)
    for api, taken, request_id in (*boundaries("sync"), *boundaries("async")):
        frames = frames_of(api, taken)
        record = records.pop(request_id)
        assert {**record, **expected(api, request_id, frames)} == record, request_id
        assert record["missing_indexes"] == []
    for api in PATHS:
        assert _outline(records.pop(f"error-{api}"))[0] == "error"
        assert _outline(records.pop(f"reset-{api}")) == ("error", "ReadError", False)
        assert _outline(records.pop(f"cut-{api}")) == ("incomplete", None, False)
        for speed in ("slow", "fast"):
            assert _outline(records.pop(f"{speed}-{api}")) == ("success", None, True)
    assert records == {}


def _outline(record: Mapping[str, Any]) -> tuple[str, str | None, bool]:
    """Status, type of the error, and whether there is a usage of the whole answer."""
    error = record["error_details"] or {"error": {"type": None}}
    usage = record["token_usage"] or {}
    return record["status"], error["error"].get("type"), usage.get("completion_tokens", 0) > 1


def _other_ends(sdk: Sdks, server: Server, publisher: Publisher) -> None:
    for way in ("error", "reset", "cut"):
        for api in PATHS:
            stream = tap(sdk.opened(api, server.url(way)), publisher, request_id=f"{way}-{api}")
            try:
                assert list(stream)
            except Exception:  # noqa: BLE001  each SDK has its own; test_sdks compares them
                stream.close()


def _slow_reader(sdk: Sdks, server: Server, publisher: Publisher) -> None:
    """One that reads another stream to its end between its own events."""
    for api in PATHS:
        slow = tap(sdk.opened(api, server.url("burst")), publisher, request_id=f"slow-{api}")
        for number, _ in enumerate(slow):
            if number == 0:
                assert list(tap(sdk.opened(api, server.url()), publisher, request_id=f"fast-{api}"))


async def _leave_async(server: Server, settings: Settings) -> None:
    async with async_sdks() as sdk, AsyncPublisher(settings) as publisher:
        for api, taken, request_id in boundaries("async"):
            stream = tap(await sdk.opened(api, server.url("burst")), publisher, request_id=request_id)
            for _ in range(taken):
                await anext(stream)
            await stream.close()


class Outage:
    """A Kafka of one's own that can be halted."""

    def __init__(self, cluster: Cluster) -> None:
        """Of this cluster."""
        self._pid = cluster.nodes[0].pid

    def begin(self) -> None:
        """From now on nothing answers."""
        os.kill(self._pid, signal.SIGSTOP)

    def end(self) -> None:
        """It goes on."""
        os.kill(self._pid, signal.SIGCONT)


@pytest.mark.parametrize(("count", "seconds"), [(300, 0.0), pytest.param(1_000, 30.0, marks=pytest.mark.long)])
def test_many_streams_while_kafka_stands_still(server: Server, tmp_path: Path, count: int, seconds: float) -> None:
    """All tapped streams lose nothing while Kafka answers nobody, and no caller waits beyond the budget."""
    with Cluster(tmp_path / "kafka") as cluster:
        settings = ledger_settings(cluster.bootstrap_servers, "outage", tmp_path / "data")
        asyncio.run(create(client(settings), definitions(settings)))
        outage = Outage(cluster)
        try:
            waited = asyncio.run(many(server, settings, outage, count, seconds))
        finally:
            outage.end()
        records = published(settings, json.loads)  # so many take long to be held to the schema
    whole = expected("chat", "r", brief(PATHS["chat"]))

    assert len(records) == count
    assert [record for record in records.values() if {name: record[name] for name in SAID} != whole] == []
    assert waited <= BUDGET + GRACE


async def many(server: Server, settings: Settings, outage: Outage, count: int, seconds: float) -> float:
    """Read so many streams, their second half while Kafka is halted for so long, or until all is on disk.

    Returns:
        The longest that a caller waited for the publisher, in seconds.
    """
    policy = Policy(budget=BUDGET, patience=0.5)
    publisher = AsyncPublisher(settings, policy=policy)
    async with async_sdks() as sdk, publisher, _opened(sdk, server, publisher, count) as streams:
        for stream in streams:
            await anext(stream)
        outage.begin()
        halted = time.monotonic()
        await asyncio.gather(*map(_rest, streams))
        async with asyncio.timeout(SECONDS + seconds):
            while publisher.stats().buffered or time.monotonic() < halted + seconds:  # noqa: ASYNC110  no event of it
                await asyncio.sleep(0.01)
        spooled = publisher.stats().spooled
        outage.end()
        assert spooled >= count
        assert await publisher.flush(SECONDS)
    stats = publisher.stats()
    assert (stats.refused, stats.late, stats.delivered) == (0, 0, stats.accepted)
    return stats.longest_wait


@asynccontextmanager
async def _opened(sdk: AsyncSdks, server: Server, publisher: AsyncPublisher, count: int) -> AsyncIterator[list[Any]]:
    """All streams, open at once."""
    opened = await asyncio.gather(*(sdk.opened("chat", server.url("brief")) for _ in range(count)))
    yield [tap(stream, publisher) for stream in opened]


async def _rest(stream: Any) -> None:
    async for _ in stream:
        pass
