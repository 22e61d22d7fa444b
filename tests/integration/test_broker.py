"""The embedded broker is a real Kafka: it keeps what it was given through kill -9, alone and as one of three."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from pipeline.ops.broker import Cluster, cache_dir, classpath
from pipeline.ops.broker.jars import Jar
from pipeline.testing import eventually

ROOT = Path(__file__).parents[2]
TOPIC = "kept"


async def create(servers: str, replication: int) -> None:
    """One topic with one partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(TOPIC, 1, replication)])
    finally:
        await admin.close()
    assert [code for _, code, _ in answer.topic_errors] == [0]


async def produce(servers: str, values: list[bytes]) -> None:
    """Send and wait for every acknowledgement, in one transaction: the coordinator has to work, too."""
    producer = AIOKafkaProducer(bootstrap_servers=servers, transactional_id="test", request_timeout_ms=30_000)
    await producer.start()
    try:
        async with producer.transaction():
            for sent in [await producer.send(TOPIC, value) for value in values]:
                await sent
    finally:
        await producer.stop()


async def consume(servers: str, count: int) -> list[bytes]:
    """The first values of the topic under read_committed."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(TOPIC, 0)])
        return [(await asyncio.wait_for(consumer.getone(), 30)).value for _ in range(count)]
    finally:
        await consumer.stop()


async def abandon(servers: str, seconds: float) -> float:
    """Leave a transaction open, its timeout 1 s; after so long the readers were let on, at most `seconds`."""
    producer = AIOKafkaProducer(bootstrap_servers=servers, transactional_id="gone", transaction_timeout_ms=1_000)
    await producer.start()
    reader = AIOKafkaConsumer(bootstrap_servers=servers, isolation_level="read_committed")
    await reader.start()
    part, started = TopicPartition(TOPIC, 0), time.monotonic()
    try:
        await producer.begin_transaction()
        await (await producer.send(TOPIC, b"never committed"))
        while (await reader.end_offsets([part]))[part] == 0:
            if time.monotonic() - started > seconds:
                break
            await asyncio.sleep(0.1)
        return time.monotonic() - started
    finally:
        await reader.stop()
        await producer.stop()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Home of a cluster."""
    return tmp_path / "kafka"


@pytest.fixture
def cluster(home: Path, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A running cluster of the parametrised size, gone afterwards."""
    made = Cluster(home, brokers=getattr(request, "param", 1))
    try:
        yield made.start()
    finally:
        made.discard()


def test_killed_broker_comes_back_with_its_data(cluster: Cluster) -> None:
    """After SIGKILL and a restart the same address serves the same records, and takes new ones."""
    servers = cluster.bootstrap_servers
    asyncio.run(create(servers, 1))
    asyncio.run(produce(servers, [b"1", b"2"]))

    cluster.nodes[0].kill()
    dead = not cluster.nodes[0].running
    cluster.nodes[0].start()
    asyncio.run(produce(servers, [b"3"]))

    assert dead
    assert cluster.bootstrap_servers == servers
    assert asyncio.run(consume(servers, 3)) == [b"1", b"2", b"3"]


def test_another_run_on_the_same_home_finds_its_data(home: Path) -> None:
    """`streamledger broker` started again is the same Kafka, though on other ports."""
    with Cluster(home) as first:
        asyncio.run(create(first.bootstrap_servers, 1))
        asyncio.run(produce(first.bootstrap_servers, [b"1"]))

    with Cluster(home) as second:
        assert asyncio.run(consume(second.bootstrap_servers, 1)) == [b"1"]


@pytest.mark.parametrize("cluster", [3], indirect=True)
def test_three_brokers_lose_one_and_nothing_else(cluster: Cluster) -> None:
    """Transactions with three copies, two in sync, go on while any one broker is dead (G1)."""
    servers = cluster.bootstrap_servers
    asyncio.run(create(servers, 3))
    asyncio.run(produce(servers, [b"1"]))

    cluster.nodes[0].kill()
    asyncio.run(produce(servers, [b"2"]))
    cluster.nodes[0].start()
    cluster.nodes[1].kill()

    assert asyncio.run(consume(servers, 2)) == [b"1", b"2"]


def test_mended_cache_runs_a_broker(home: Path, tmp_path: Path) -> None:
    """A cache with a half jar, a lost jar and a jar with a wrong byte is noticed and starts a broker again."""
    good = classpath()
    folder = cache_dir() / good[0].relative_to(cache_dir()).parts[0]
    shutil.copytree(folder, tmp_path / "cache" / folder.name)
    jars = classpath(tmp_path / "cache")
    jars[0].write_bytes(jars[0].read_bytes()[:1000])
    jars[1].unlink()
    jars[2].write_bytes(jars[2].read_bytes()[:-1] + b"!")
    said: list[str] = []

    def bring(repository: Path, missing: Sequence[Jar]) -> None:
        """In the place of Maven Central, which a test must not need: what is missing comes from the good cache."""
        for jar in missing:
            shutil.copy(folder / jar.path, repository / jar.path)

    mended = classpath(tmp_path / "cache", fetch=bring, say=said.append)

    with Cluster(home, jars=mended) as cluster:
        asyncio.run(create(cluster.bootstrap_servers, 1))
    assert mended == jars
    assert "mending 3 of" in said[0]


STANDALONE = """
import pathlib, sys, time
from pipeline.ops.broker import Cluster
cluster = Cluster(pathlib.Path(sys.argv[1])).start()
print(cluster.nodes[0].pid, cluster.bootstrap_servers, flush=True)
time.sleep(120)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_broker_needs_no_java_on_the_path_and_dies_with_its_parent(home: Path, tmp_path: Path) -> None:
    """With an empty HOME and a PATH of nothing it runs; when its parent is killed, so is it."""
    classpath()
    (tmp_path / "empty").mkdir()
    bare = {
        "PATH": str(tmp_path / "empty"),
        "HOME": str(tmp_path / "empty"),
        "PYTHONPATH": str(ROOT),
        "STREAMLEDGER_CACHE": str(cache_dir()),
    }
    with subprocess.Popen([sys.executable, "-c", STANDALONE, home], env=bare, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        pid, servers = run.stdout.readline().split()
        asyncio.run(create(servers, 1))
        run.send_signal(signal.SIGKILL)

    eventually(lambda: not _alive(int(pid)), what="the end of the broker")


def _alive(pid: int) -> bool:
    """Whether a process with this id runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_vanished_producer_holds_readers_back_for_little_more_than_its_timeout(cluster: Cluster) -> None:
    """Kafka's own default would look for it every 10 s only."""
    asyncio.run(create(cluster.bootstrap_servers, 1))
    assert asyncio.run(abandon(cluster.bootstrap_servers, 20.0)) < 5.0
