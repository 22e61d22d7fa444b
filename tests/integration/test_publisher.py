"""The publisher on a real Kafka: an outage, a killed process, a missing topic, a topic that takes less."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.errors import FOUND_PROBLEM, OK
from pipeline.ingest import AsyncPublisher, Policy, Publisher, Report
from pipeline.ops.broker import Cluster
from pipeline.ops.fold import OfflineFold
from pipeline.settings import Settings, client
from pipeline.testing.ledger import ledger_settings
from pipeline.testing.topic import Seen, committed
from pipeline.topics.admin import create, definitions
from pipeline.topics.partitioner import partition_of

SECONDS = 90.0
REQUESTS = 1_000
CHUNKS = 8
OUTAGE = 4.0
BUDGET = 0.05
SLACK = 2.0
"""What a machine that runs other tests beside this one may add to a wait."""


async def messages(settings: Settings, count: int) -> list[Seen]:
    """All of the chunk topic, by partition and offset, once there are so many."""
    found = await committed(settings, settings.chunk_topic, at_least=count, deadline=SECONDS)
    return sorted(found, key=lambda message: (message.partition, message.offset))


def folded(found: list[Seen], settings: Settings) -> list[dict[str, Any]]:
    """The records of messages by the live clock of their partitions; none may be refused."""
    fold = OfflineFold(settings.policy())
    results: list[Any] = []
    for number, message in enumerate(found, 1):
        chunk = json.loads(message.value or b"")
        key = chunk["request_id"].encode()
        assert (message.key, message.partition) == (key, partition_of(key, settings.partitions))
        place = {name: getattr(message, name) for name in ("partition", "offset", "timestamp")}
        place["topic"] = settings.chunk_topic
        results += fold.take(json.dumps({**chunk, "_kafka": place}).encode(), number)
    results += fold.end()
    assert all(isinstance(result, bytes) for result in results)
    return [json.loads(result) for result in results]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A Kafka of this test's own, which it may stop."""
    own = Cluster(tmp_path / "kafka")
    try:
        yield own.start()
    finally:
        own.discard()


@asynccontextmanager
async def stopped(cluster: Cluster, seconds: float) -> AsyncIterator[None]:
    """From entry on, for so long, Kafka neither answers nor hangs up; on leaving it answers."""
    process = cluster.nodes[0].pid
    over = asyncio.Event()
    os.kill(process, signal.SIGSTOP)
    asyncio.get_running_loop().call_later(seconds, over.set)
    try:
        yield
        await over.wait()
    finally:
        os.kill(process, signal.SIGCONT)


class Streams:
    """Many streams at once on one event loop, and the longest that any call took."""

    def __init__(self, publisher: AsyncPublisher) -> None:
        """None yet."""
        self.publisher = publisher
        self.longest = 0.0
        self.running = asyncio.Event()
        self._chunks = 0

    async def one(self, number: int, seconds: float) -> None:
        """A stream of CHUNKS chunks that lasts so long."""
        labels = {"team": f"t{number % 7}"}
        arguments: dict[str, Any] = {"request_id": f"r{number}", "labels": labels, "provider": "openai", "model": "m"}
        async with self.publisher.request(**arguments) as request:
            for index in range(CHUNKS):
                last = "stop" if index == CHUNKS - 1 else None
                delta = {"index": 0, "delta": {"content": f"{number}.{index} "}, "finish_reason": last}
                start = time.perf_counter()
                await request.chunk({"choices": [delta]})
                self.longest = max(self.longest, time.perf_counter() - start)
                self._chunks += 1
                if self._chunks == REQUESTS:
                    self.running.set()
                await asyncio.sleep(seconds / CHUNKS)


def test_a_thousand_streams_lose_nothing_while_kafka_is_away(cluster: Cluster, tmp_path: Path) -> None:
    """Kafka stops in their midst and comes back: each is one complete record, and nobody waited beyond the budget."""
    settings = ledger_settings(cluster.bootstrap_servers, "outage", tmp_path / "data")
    reports: list[Report] = []
    policy = Policy(patience=0.5, budget=BUDGET, on_report=reports.append)

    async def main() -> list[Seen]:
        await create(client(settings), definitions(settings))
        async with AsyncPublisher(settings, policy=policy) as publisher:
            streams = Streams(publisher)
            await streams.one(REQUESTS, 0.0)
            assert await publisher.flush(SECONDS)
            tasks = [asyncio.create_task(streams.one(number, OUTAGE)) for number in range(REQUESTS)]
            await streams.running.wait()
            async with stopped(cluster, OUTAGE):
                await asyncio.gather(*tasks)
                assert publisher.stats().spooled > 0
            assert await publisher.flush(SECONDS)
            stats = publisher.stats()
            assert stats.longest_wait <= BUDGET + SLACK
            assert streams.longest <= BUDGET + SLACK
        assert (stats.delivered, stats.refused, stats.buffered, stats.spooled) == (stats.accepted, 0, 0, 0)
        assert stats.accepted == (REQUESTS + 1) * (CHUNKS + 1)
        return await messages(settings, stats.accepted)

    records = folded(asyncio.run(main()), settings)
    assert {report.kind for report in reports} == {"away"}
    assert sorted(record["request_id"] for record in records) == sorted(f"r{number}" for number in range(REQUESTS + 1))
    for record in records:
        number = record["request_id"][1:]
        assert (record["complete"], record["status"], record["revision"]) == (True, "success", 0)
        assert record["output_message"]["content"] == "".join(f"{number}.{index} " for index in range(CHUNKS))
        assert record["labels"] == {"team": f"t{int(number) % 7}"}
    assert not list((tmp_path / "data" / "spool").rglob("*.chunks"))


VICTIM = """
import json, sys, time
from pipeline.ingest import Policy, Publisher
from pipeline.settings import Settings
publisher = Publisher(Settings.model_validate(json.loads(sys.argv[1])), policy=Policy(patience=0.1))
with publisher.request(request_id="killed", labels={"team": "x"}) as request:
    for number in range(100):
        request.chunk({"choices": [{"index": 0, "delta": {"content": f"{number} "}, "finish_reason": None}]})
while publisher.stats().spooled < 101:
    time.sleep(0.01)
print("on disk", flush=True)
time.sleep(600)
"""


def test_a_missing_topic_is_reported_and_what_a_killed_process_spooled_is_sent_by_the_next(
    settings: Settings,
) -> None:
    """The topic is made later; the living publisher's chunks and the dead one's are both there."""
    names = ("bootstrap_servers", "ledger", "chunk_topic", "record_topic", "dead_topic")
    given = {name: getattr(settings, name) for name in names} | {"data_dir": str(settings.data_dir)}
    with subprocess.Popen([sys.executable, "-c", VICTIM, json.dumps(given)], stdout=subprocess.PIPE) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"on disk\n"
        victim.kill()
    reports: list[Report] = []
    policy = Policy(patience=0.1, reconnect_most=0.2, on_report=reports.append)
    with Publisher(settings, policy=policy) as publisher:
        with publisher.request(request_id="alive", stream_type="audio.speech") as request:
            request.chunk({"type": "speech.audio.delta", "audio": "AA=="})
        assert not publisher.flush(1.0)
        assert ("broker", True) in [
            (report.kind, "create it: streamledger topics" in report.hint) for report in reports
        ]
        asyncio.run(create(client(settings), definitions(settings)))
        found = asyncio.run(messages(settings, 103))
        assert publisher.flush(SECONDS)
        assert (publisher.stats().adopted, publisher.stats().delivered) == (101, 103)

    killed, alive = sorted(folded(found, settings), key=lambda record: str(record["request_id"]), reverse=True)
    assert killed["output_message"]["content"] == "".join(f"{number} " for number in range(100))
    assert (killed["complete"], killed["labels"], alive["complete"]) == (True, {"team": "x"}, True)
    assert not list(Path(settings.data_dir).rglob("*.chunks"))


def test_a_chunk_that_the_topic_does_not_take_is_set_aside_and_the_rest_goes_on(settings: Settings) -> None:
    """A foreign topic with Kafka's own limit of 1 MiB; the trace context is a header of the first chunk."""
    limited = {"max.message.bytes": str(1 << 20)}
    topics = [topic.model_copy(update={"config": topic.config | limited}) for topic in definitions(settings)]
    asyncio.run(create(client(settings), topics))
    reports: list[Report] = []
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    with Publisher(settings, policy=Policy(on_report=reports.append)) as publisher:
        with publisher.request(request_id="r", traceparent=trace) as request:
            request.chunk({"n": 0})
            request.chunk({"text": random.Random(1).randbytes(2 << 20).hex()})  # compressed it is still 2 MiB
            request.chunk({"n": 2})
        assert publisher.flush(SECONDS)
        assert (publisher.stats().aside, publisher.stats().delivered) == (1, 3)
    assert [(report.kind, report.request_id) for report in reports] == [("aside", "r")]
    found = asyncio.run(messages(settings, 3))
    assert [json.loads(message.value or b"")["chunk_index"] for message in found] == [0, 2, 3]
    assert [message.headers for message in found] == [(("traceparent", trace.encode()),), (), ()]
    sent_when_it_may_be(settings, definitions(settings)[0].config)


def sent_when_it_may_be(settings: Settings, config: dict[str, str]) -> None:
    """What was set aside is refused again, sent once the topic takes it, and nothing is left; dry it stays."""
    assert spool(settings, "ls")["chunks"]["refused"] == 1
    assert spool(settings, "send", "--refused") == {"executed": False, "files": 1, "chunks": 1}
    assert spool(settings, "send", "--refused", "--execute", code=FOUND_PROBLEM)["refused"] == 1
    asyncio.run(altered(settings, config))
    sent = spool(settings, "send", "--refused", "--execute")
    assert (sent["chunks"], sent["refused"], sent["late"]) == (1, 0, 0)
    found = asyncio.run(messages(settings, 4))
    assert sorted(json.loads(message.value or b"")["chunk_index"] for message in found) == [0, 1, 2, 3]
    assert spool(settings, "ls", code=OK)["files"] == []


async def altered(settings: Settings, config: dict[str, str]) -> None:
    """Give the chunk topic other settings."""
    admin = AIOKafkaAdminClient(**client(settings))
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, settings.chunk_topic, config)])
    finally:
        await admin.close()


def spool(settings: Settings, *arguments: str, code: int | None = None) -> dict[str, Any]:
    """What `streamledger spool` says of the publisher's directory."""
    names = ("bootstrap_servers", "ledger", "data_dir", "chunk_topic")
    told = [f"--set={name}={getattr(settings, name)}" for name in names]
    result = CliRunner().invoke(main, ["spool", *arguments, "--json", *told])
    assert code in (None, result.exit_code), result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found
