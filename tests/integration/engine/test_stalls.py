"""What stands still is noticed: a blocked loop, a broker that accepts and never answers, a coordinator that is gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from pipeline.engine.config import Timing
from pipeline.engine.transaction import Transactions
from pipeline.ops.broker import Cluster
from pipeline.ops.broker.ports import HOST, free_ports
from pipeline.settings import Settings
from pipeline.topics.admin import definitions
from tests.chaos.kafka import ProxiedCluster
from tests.chaos.proxy import Proxies, Proxy
from tests.integration.engine.harness import (
    QUICK,
    SECONDS,
    Stream,
    Worker,
    committed,
    expectations,
    interleaved,
    own,
    records,
    running,
    send,
    streams,
)

SILENT, OTHER = 2, 1
"""Numbers of the brokers."""

ROLES: Final = ("group", "transaction", "leader")
"""What the silent broker is to a ledger; it is nothing else to it."""

NOTICED_WITHIN: Final = 20.0
"""Seconds: the deadline of a checkpoint is 5 s."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxiedCluster]:
    """Two brokers, each behind a door that can be stalled."""
    made = ProxiedCluster(tmp_path_factory.mktemp("kafka"), brokers=2)
    try:
        yield made.start()
    finally:
        made.discard()


@pytest.mark.usefixtures("ledger_topics")
def test_a_blocked_loop_ends_the_worker_and_the_next_one_takes_up(brisk: Settings, tmp_path: Path) -> None:
    """A thread of its own sees that nothing turns, says so, and ends the process with status 70."""
    made = streams(20, seed=43)
    with running(brisk, tmp_path / "first", timing={**QUICK, "blocked": 2.0}, failpoints="apply.before:hang") as first:
        first.wait_for("assigned")
        asyncio.run(send(brisk, interleaved(made, together=5, seed=43)))
        assert first.wait() == 70
        assert len(first.events("event loop is blocked, worker ends")) == 1
    with running(brisk, tmp_path / "second", timing=QUICK):
        assert expectations(made) == records(brisk, at_least=len(made))


@pytest.mark.usefixtures("ledger_topics")
def test_a_broker_that_accepts_and_never_answers_is_waited_for(brisk: Settings, tmp_path: Path) -> None:
    """One line says that Kafka is waited for; the worker comes up by itself when an answer comes."""
    outer, inner = free_ports(1)[0], int(brisk.bootstrap_servers.split(",")[0].rpartition(":")[2])
    settings = brisk.model_copy(update={"bootstrap_servers": f"{HOST}:{outer}"})

    async def scenario() -> None:
        door = Proxy(outer, inner)
        await door.start()
        door.stall(stalled=True)
        with running(settings, tmp_path / "log", timing={**QUICK, "request": 3.0}) as worker:
            waiting = await asyncio.to_thread(worker.wait_for, "waiting for Kafka")
            assert HOST in waiting["reason"] or "Kafka can't be asked" in waiting["reason"]
            door.stall(stalled=False)
            await asyncio.to_thread(worker.wait_for, "assigned")
            assert len(worker.events("waiting for Kafka")) == 1
        await door.stop()

    asyncio.run(scenario())


def test_the_absence_of_a_silent_broker_is_noticed(brisk: Settings, tmp_path: Path, cluster: ProxiedCluster) -> None:
    """Three workers for whom it decides on the group, decides on transactions, or leads the topics.

    Those that can't checkpoint say so in one line and end in time; who gets no chunks may have nothing to checkpoint.
    When it answers again, all go on, also those that started meanwhile; nothing is lost or doubled.
    """

    async def scenario() -> None:
        async with Proxies(cluster.doors) as proxies, asyncio.TaskGroup() as ledgers:
            gates = [asyncio.Barrier(len(ROLES) + 1) for _ in range(2)]
            for role in ROLES:
                settings = await coordinated(brisk, cluster, role)
                ledgers.create_task(_silenced(settings, cluster, tmp_path / role, gates))
            door = proxies.doors[SILENT - 1]
            for gate, stalled in zip(gates, (True, False), strict=True):
                await gate.wait()
                door.stall(stalled=stalled)

    asyncio.run(scenario())


async def _silenced(settings: Settings, cluster: ProxiedCluster, log: Path, gates: Sequence[asyncio.Barrier]) -> None:
    """One worker when the broker falls silent, and the next one, which starts meanwhile."""
    direct = settings.model_copy(update={"bootstrap_servers": cluster.bootstrap_servers})
    made = streams(60, seed=41)
    sending = asyncio.create_task(send(direct, interleaved(made, together=20, seed=41), per_second=60))
    workers = [Worker(settings, log.with_suffix(".0"), timing=QUICK)]
    supervising = asyncio.create_task(_supervise(workers, settings, log))
    try:
        await asyncio.to_thread(workers[0].wait_for, "folded", count=3)
        await gates[0].wait()
        if log.name != "leader":
            started = time.monotonic()
            assert await asyncio.to_thread(workers[0].wait) == 70
            assert time.monotonic() - started < NOTICED_WITHIN
            assert workers[0].wait_for("worker ends")["error_text"] == "a checkpoint took longer than 5 s"
        await sending
        await gates[1].wait()
        seen = await asyncio.to_thread(records, direct, at_least=len(made))
        assert expectations(made) == seen
    finally:
        supervising.cancel()
        for worker in workers:
            worker.kill()


async def _supervise(workers: list[Worker], settings: Settings, log: Path) -> None:
    """Start another worker whenever the last one has ended."""
    while True:
        if workers[-1].process.poll() is not None:
            timing = {**QUICK, "request": 5.0}
            workers.append(Worker(settings, log.with_suffix(f".{len(workers)}"), timing=timing))
        await asyncio.sleep(0.2)


def test_a_worker_whose_group_has_no_coordinator_says_so_and_ends(
    brisk: Settings, tmp_path: Path, cluster: ProxiedCluster
) -> None:
    """It has no chunks, and so no checkpoint that could fail; aiokafka would try for ever without a word."""

    async def scenario() -> None:
        async with Proxies(cluster.doors) as proxies:
            settings = await coordinated(brisk, cluster, "group")
            with running(settings, tmp_path / "log", timing={**QUICK, "outside": 12.0}) as worker:
                direct = settings.model_copy(update={"bootstrap_servers": cluster.bootstrap_servers})
                await send(direct, interleaved([Stream("only", ("a ", "b "))], together=1, seed=1))
                await committed(direct, direct.record_topic, at_least=1)
                door = proxies.doors[SILENT - 1]
                door.refuse(refusing=True)
                door.cut()
                assert await asyncio.to_thread(worker.wait) == 70
                assert len(worker.events("not in the group, trying")) == 1
                assert "did not take this worker in" in worker.wait_for("worker ends")["error_text"]

    asyncio.run(scenario())


@pytest.mark.long
def test_a_kafka_that_names_no_broker_is_waited_for(tmp_path: Path) -> None:
    """As after a pause: it answers before its controller has taken the broker in again, here for seconds each time."""
    seldom = {"broker.session.timeout.ms": "2500", "broker.heartbeat.interval.ms": "6000"}

    async def scenario(servers: str) -> None:
        deadline = time.monotonic() + SECONDS
        transactions = Transactions({"bootstrap_servers": servers}, "id", group="g", timing=Timing())
        while await _named(servers):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        await transactions.fence()
        await transactions.stop()

    with Cluster(tmp_path / "kafka", extra=seldom) as own:
        asyncio.run(scenario(own.bootstrap_servers))


async def _named(servers: str) -> int:
    """How many brokers Kafka names."""
    kafka = AIOKafkaClient(bootstrap_servers=servers)
    try:
        await kafka.bootstrap()
        return len(kafka.cluster.brokers())
    finally:
        await kafka.close()


async def coordinated(settings: Settings, cluster: ProxiedCluster, role: str) -> Settings:
    """A ledger of one partition for which the silent broker plays one role, and the other broker the rest."""
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap_servers)
    await admin.start()
    try:
        for number in range(200):
            ledger, topic = divmod(
                number, 4
            )  # the hash of either name decides, and only together they reach every pair
            tried = own(settings, f"{role}-{ledger}", partitions=1, bootstrap_servers=cluster.proxied_servers)
            tried = tried.model_copy(update={"chunk_topic": f"{tried.chunk_topic}-{topic}"})
            keys = {"group": tried.ledger, "transaction": f"{tried.ledger}-{tried.chunk_topic}-0"}
            found = {name: await _coordinator(admin, key, kind) for kind, (name, key) in enumerate(keys.items())}
            if found == {name: SILENT if name == role else OTHER for name in found}:
                break
        else:
            raise AssertionError(f"no name makes the broker {role} and nothing else")
        leader = SILENT if role == "leader" else OTHER
        topics = [
            NewTopic(topic.name, -1, -1, {0: [leader]}, {**topic.config, "min.insync.replicas": "1"})
            for topic in definitions(tried)
        ]
        await admin.create_topics(topics)
        return tried
    finally:
        await admin.close()


async def _coordinator(admin: AIOKafkaAdminClient, key: str, kind: int) -> int:
    """Number of the broker that coordinates a group (0) or transactions (1); the first question creates its topic."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return int(await admin.find_coordinator(key, coordinator_type=kind))
        except GroupCoordinatorNotAvailableError:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
