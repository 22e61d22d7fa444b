"""What of Faust is registered and used, and that all else is off for our topics and table (DESIGN §4, FAUST.md)."""

from __future__ import annotations

import ast
import asyncio
import inspect
import textwrap
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.assignor.partition_assignor import PartitionAssignor
from faust.stores import rocksdb
from faust.types import TP

from pipeline.engine.app import create_app
from pipeline.engine.config import configure
from pipeline.engine.delivery import BatchConsumer, BatchThread, BatchTransport
from pipeline.engine.preflight import preflight
from pipeline.engine.store import RequestStore
from pipeline.engine.table import EngineRecovery, EngineTables, RequestTable
from pipeline.settings import Settings, client
from tests.integration.engine.harness import SECONDS, Stream, running, send

pytestmark = pytest.mark.usefixtures("ledger_topics")

LISTENING = "0A"
"""State of a socket in /proc."""

Look = Callable[[Any], Coroutine[Any, Any, None]]


@pytest.fixture
def look(settings: Settings, tmp_path: Path) -> Callable[[Look], None]:
    """Gives a scenario the app of a worker, made for this test's topics and not started."""

    def go(scenario: Look) -> None:
        async def inside() -> None:
            config = configure(settings)
            tmp_path.joinpath("stores").mkdir()
            await scenario(create_app(config, await preflight(config), tmp_path / "stores"))

        asyncio.run(inside())

    return go


def test_two_agents_one_timer_and_one_table_on_rocksdb_are_registered(
    look: Callable[[Look], None], settings: Settings
) -> None:
    """The agents are `accumulate` on the chunks and `finalizer` on a channel; the table's store is ours on RocksDB."""

    async def scenario(app: Any) -> None:
        agents = {name.rpartition(".")[2]: agent for name, agent in app.agents.items()}
        assert set(agents) == {"accumulate", "finalizer"}
        assert agents["accumulate"].channel.get_topic_name() == settings.chunk_topic
        assert [task.__name__ for task in app._app_tasks] == ["tick"]
        assert list(app.tables) == ["requests"]
        table = app.tables["requests"]
        assert isinstance(table, RequestTable)
        assert isinstance(table.store, RequestStore)
        assert isinstance(table.store, rocksdb.Store)
        assert str(app.conf.store) == "rocksdb:"
        assert app.tables.changelog_topics == {f"{settings.ledger}-requests-changelog"}
        assert isinstance(app.assignor, PartitionAssignor)
        assert isinstance(app.transport, BatchTransport)

    look(scenario)


def test_faust_commits_nothing_of_ours(look: Callable[[Look], None], settings: Settings) -> None:
    """It keeps no account of our offsets, and what it would commit is filtered out before the client sees it."""

    async def scenario(app: Any) -> None:
        await app.topics._update_indices()
        assert not app.topics.acks_enabled_for(settings.chunk_topic)
        assert not app.topics.acks_enabled_for(f"{settings.ledger}-requests-changelog")
        consumer = app.consumer
        assert isinstance(consumer, BatchConsumer)
        asked: list[Any] = []

        async def commit(offsets: Any) -> bool:
            asked.append(dict(offsets))
            return True

        thread: Any = consumer._thread
        thread.commit = commit  # where it would leave the process
        ours, other = TP(settings.chunk_topic, 0), TP("other", 0)
        await consumer._commit({ours: 5, other: 6})
        assert asked == [{other: 6}]
        assert not app.in_transaction

    look(scenario)


def test_faust_recovers_nothing_of_ours(look: Callable[[Look], None], settings: Settings) -> None:
    """Its recovery knows no partition of our changelog, active or standby, and the table refuses its writes."""

    async def scenario(app: Any) -> None:
        assert isinstance(app.tables, EngineTables)
        recovery = app.tables.recovery
        table: Any = app.tables["requests"]
        assert isinstance(recovery, EngineRecovery)
        changelog = TP(f"{settings.ledger}-requests-changelog", 0)
        recovery.add_active(table, changelog)
        recovery.add_standby(table, changelog)
        assert (recovery.active_tps, recovery.standby_tps, recovery.tp_to_table) == (set(), set(), {})
        assert app.conf.table_standby_replicas == 0
        with pytest.raises(RuntimeError, match="checkpoints only"):
            table.on_key_set(b"k", b"v")
        with pytest.raises(RuntimeError, match="checkpoints only"):
            table.on_key_del(b"k")
        with pytest.raises(RuntimeError, match="checkpoints only"):
            table.on_clear()
        with pytest.raises(RuntimeError, match="not by Faust's recovery"):
            table.data.apply_changelog_batch([object()], to_key=None, to_value=None)
        with pytest.raises(RuntimeError, match="checkpoints only"):
            table.data.set_persisted_offset(changelog, 1)

    look(scenario)


def test_windows_web_producer_and_declarations_are_off(look: Callable[[Look], None]) -> None:
    """No port, no second producer, no topic that Faust would create, no window whose keys it would drop."""

    async def scenario(app: Any) -> None:
        boot = app.boot_strategy
        assert app.conf.web_enabled is False
        assert (list(boot.web_server()), list(boot.kafka_producer())) == ([], [])
        assert app.conf.topic_allow_declare is False
        assert app.conf.topic_disable_leader is True
        table = app.tables["requests"]
        assert (table.window, table._should_expire_keys()) == (None, False)
        assert app.conf.stream_publish_on_commit is False
        for agent in app.agents.values():
            assert (agent._sinks, agent.concurrency) == ([], 1)

    look(scenario)


def test_agents_read_their_stream_itself_and_take_nothing_from_it(look: Callable[[Look], None]) -> None:
    """`take` acknowledges a whole batch when its reader fails, and its body can't tell partitions (FAUST B6, C2)."""

    async def scenario(app: Any) -> None:
        for agent in app.agents.values():
            (function,) = ast.parse(textwrap.dedent(inspect.getsource(agent.fun))).body
            assert isinstance(function, ast.AsyncFunctionDef)
            (stream,) = function.args.args
            uses = [node for node in ast.walk(function) if isinstance(node, ast.Name) and node.id == stream.arg]
            read = [node.iter for node in ast.walk(function) if isinstance(node, ast.AsyncFor)]
            assert uses == read

    look(scenario)


def test_a_running_worker_listens_on_no_port(settings: Settings, tmp_path: Path) -> None:
    """Faust's web server would, on all addresses."""
    with running(settings, tmp_path / "log") as worker:
        worker.wait_for("assigned")
        owned = {str(each.readlink()) for each in Path(f"/proc/{worker.process.pid}/fd").iterdir() if each.is_symlink()}
        listening = [
            row.split()[1]
            for table in ("tcp", "tcp6")
            for row in Path(f"/proc/{worker.process.pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]
            if row.split()[3] == LISTENING and f"socket:[{row.split()[9]}]" in owned
        ]
    assert listening == []


def test_chunks_are_read_committed_and_a_lost_position_is_an_error(look: Callable[[Look], None]) -> None:
    """Faust would read uncommitted, and skip what expired before it was read."""

    async def scenario(app: Any) -> None:
        consumer = app.consumer
        assert isinstance(consumer, BatchConsumer)
        thread = consumer._thread
        assert isinstance(thread, BatchThread)
        made = thread._create_worker_consumer(app.transport)
        assert (made._isolation_level, made._auto_offset_reset) == ("read_committed", "none")
        assert made._enable_auto_commit is False
        await made.stop()

    look(scenario)


def test_the_group_offset_moves_with_checkpoints_only(settings: Settings, tmp_path: Path) -> None:
    """Longer than Faust's commit interval after folding, the group's offset stands where the last checkpoint was."""
    slow = settings.model_copy(update={"checkpoint_interval": 60_000})
    stream = Stream("open", ("a ", "b "), finished=False)

    async def offsets() -> list[int | None]:
        consumer = AIOKafkaConsumer(**client(slow), group_id=slow.ledger, enable_auto_commit=False)
        await consumer.start()
        try:
            parts = [TopicPartition(slow.chunk_topic, number) for number in range(slow.partitions)]
            consumer.assign(parts)
            return [await consumer.committed(part) for part in parts]
        finally:
            await consumer.stop()

    with running(slow, tmp_path / "log") as worker:
        worker.wait_for("assigned")
        deadline = time.monotonic() + SECONDS
        while asyncio.run(offsets()) != [0, 0]:  # the first checkpoint of a new partition comes at once
            assert time.monotonic() < deadline
        asyncio.run(send(slow, iter([(stream.request_id, stream.chunk(index)) for index in range(2)])))
        worker.wait_for("folded")
        asyncio.run(asyncio.sleep(4.0))  # Faust commits every 2.8 s: this proves an absence
        before = asyncio.run(offsets())
        assert worker.terminate()[0] == 0
    assert before == [0, 0]
    assert sorted(offset or 0 for offset in asyncio.run(offsets())) == [0, 2]
