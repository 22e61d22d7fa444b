"""`streamledger doctor` on a real Kafka: each planted fault is found by name with advice, and health is all ✓."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from pipeline.core.segment import CHECKPOINT_KEY, FORMAT, Checkpoint, pack
from pipeline.ops.doctor import Finding, Report, examine
from pipeline.settings import NAMES, Loaded, Origin, Settings, client
from pipeline.testing.ledger import fresh_name, ledger_settings
from pipeline.testing.topic import append
from pipeline.topics.admin import create, definitions
from tests.integration.engine.harness import running, send, streams

HOUR = 3_600.0
ONE_BROKER = {("replicas", "warn"), ("internal-topics", "warn")}
"""What a single broker can't have."""
THIS_MACHINE = {"disk", "filesystem", "price-list"}
"""What depends on where and when the tests run; judged in the unit tests."""


def loaded(settings: Settings) -> Loaded:
    """Settings as a command has them."""
    return Loaded(settings, dict.fromkeys(NAMES, Origin("default", "")))


class Plant(NamedTuple):
    """What must be said of a planted fault: the check, how bad, words of what is found and of what to do."""

    check: str
    state: str
    text: str
    advice: str


PLANTS = {
    "append time is CreateTime": Plant("topics", "wrong", "chunks: message.timestamp.type is CreateTime", "LogAppend"),
    "chunks too small a limit": Plant("topics", "wrong", "chunks: max.message.bytes is 1048588", "max.message.bytes="),
    "chunks are compacted": Plant("topics", "wrong", "chunks: cleanup.policy is compact", "cleanup.policy=delete"),
    "state is deleted by age": Plant("topics", "wrong", "requests-changelog: cleanup.policy is delete", "=compact"),
    "markers forgotten too soon": Plant("topics", "wrong", "markers-changelog: retention.ms", "retention.ms=90000000"),
    "dead letters have no topic": Plant("topics", "wrong", ".dead: the topic is missing", "streamledger topics"),
    "chunks kept an hour": Plant("retention", "wrong", "kept 1 h, marker_retention is 24 h", "retention.ms="),
    "unequal partitions": Plant("co-partitioning", "wrong", "partition counts differ", "refuse to start"),
    "no write is accepted": Plant("replicas", "wrong", "min.insync.replicas is 2 with 1 replicas", "set min.insync"),
    "records of a newer program": Plant("schema-versions", "wrong", "schema_version 2, this", "update this one"),
    "state of a newer program": Plant("state-format", "wrong", "newer format", "run the version that wrote it"),
    "clock an hour behind": Plant("clock", "wrong", "s behind the brokers', clock_slack is 5 s", "chrony"),
    "price overlay broken": Plant("price-overlay", "wrong", "is not TOML", "docker/prices.toml"),
    "data directory unusable": Plant("data-dir", "wrong", "Not a directory", "set data_dir"),
    "key file for everybody": Plant("key-files", "wrong", "can be read by every user", "chmod o-rwx"),
    "metrics for everybody": Plant("addresses", "wrong", "0.0.0.0:9100 is open", "127.0.0.1"),
    "bootstrap server is down": Plant("listeners", "warn", "bootstrap server 127.0.0.1:1", "bootstrap_servers"),
    "nobody works": Plant("group", "warn", "no worker runs", "streamledger worker"),
}


async def plant(settings: Settings) -> None:
    """Topics in which nearly everything is wrong."""
    wanted = definitions(settings)
    await create(client(settings), wanted)
    names = {topic.role: topic.name for topic in wanted}
    newer = Checkpoint(1, 0, 1, b"x", 0, 0, FORMAT + 1)
    await append(settings, names["records"], [(b"r", b'{"schema_version":2}', 0)])
    await append(settings, names["requests"], [(CHECKPOINT_KEY, pack(newer), 0)])
    changes = {
        names["chunks"]: {"cleanup.policy": "compact", "retention.ms": "3600000", "max.message.bytes": "1048588"},
        names["records"]: {"min.insync.replicas": "2", "message.timestamp.type": "LogAppendTime"},
        names["requests"]: {"cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime"},
        names["markers"]: {"retention.ms": "1000"},
    }
    admin = AIOKafkaAdminClient(**client(settings))
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, *each) for each in changes.items()])
        await admin.delete_topics([names["dead_letters"]])
        await admin.create_partitions({names["records"]: NewPartitions(3)})
    finally:
        await admin.close()


@pytest.fixture(scope="module")
def sick(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    """Findings of a ledger and a machine with all plants at once."""
    folder = tmp_path_factory.mktemp("sick")
    for name in ("file", "cert.pem"):
        (folder / name).write_text("")
    (folder / "key.pem").write_text("secret")
    (folder / "key.pem").chmod(0o644)
    (folder / "prices.toml").write_text("no prices")
    settings = ledger_settings(kafka, fresh_name(), folder / "file" / "data")
    asyncio.run(plant(settings))
    settings = settings.model_copy(
        update={
            "bootstrap_servers": f"{kafka},127.0.0.1:1",
            "price_overlay": folder / "prices.toml",
            "ssl_certfile": folder / "cert.pem",
            "ssl_keyfile": folder / "key.pem",
            "metrics_address": "0.0.0.0:9100",
        }
    )
    return asyncio.run(until_told(settings))


async def until_told(settings: Settings) -> list[Finding]:
    """Findings, when the broker has learnt what its controller decided."""
    deadline = time.monotonic() + 60
    while True:
        report = await examine(loaded(settings), now=lambda: time.time() - HOUR, seconds=0.2)
        findings = [finding for _, finding in report.findings]
        if {"co-partitioning", "topics"} <= {f.check for f in findings if f.state == "wrong"} and (
            any("missing" in finding.text for finding in findings) or time.monotonic() > deadline
        ):
            return findings


@pytest.mark.parametrize("name", PLANTS)
def test_each_planted_fault_is_found_by_name_with_advice(sick: list[Finding], name: str) -> None:
    """What is wrong and what to do about it stand in one line of the right check."""
    check, state, text, advice = PLANTS[name]
    found = [finding for finding in sick if finding.check == check and text in finding.text]

    assert len(found) == 1, sick
    assert found[0].state == state
    assert advice in (found[0].advice or "")


def test_nothing_is_written_to_the_topics(settings: Settings, ledger_topics: list[Any]) -> None:
    """A doctor that changed the ledger's topics could not be run on a production cluster."""
    report = asyncio.run(examine(loaded(settings), seconds=0.2))

    texts = {finding.check: finding.text for _, finding in report.findings}
    assert texts["schema-versions"] == "1; the topics are empty"
    assert ledger_topics


@pytest.fixture
def healthy(settings: Settings, ledger_topics: list[Any], tmp_path: Path) -> Iterator[Report]:
    """Report on a ledger with a worker and traffic."""
    chunks = [(stream.request_id, stream.chunk(i)) for stream in streams(1, seed=1) for i in range(5)]

    async def traffic(enough: asyncio.Event) -> None:
        while not enough.is_set():
            await send(settings, iter(chunks))

    async def look() -> Report:
        enough = asyncio.Event()
        sending = asyncio.ensure_future(traffic(enough))
        try:
            return await examine(loaded(settings), seconds=60)
        finally:
            enough.set()
            await sending

    assert ledger_topics
    with running(settings, tmp_path / "log") as worker:
        worker.wait_for("assigned")
        yield asyncio.run(look())


def test_a_healthy_ledger_is_fine_throughout(healthy: Report) -> None:
    """Worker, traffic, topics as defined: no line asks for anything that one broker could give."""
    bad = {(f.check, f.state) for _, f in healthy.findings if f.state != "ok" and f.check not in THIS_MACHINE}

    assert bad == ONE_BROKER, [f for _, f in healthy.findings if f.state != "ok"]
    assert {f.check for _, f in healthy.findings} >= {"clock", "group", "positions", "store", "state-format"}
