"""What a restore reads, trusts and refuses, on logs in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from aiokafka.structs import TopicPartition

from pipeline.core.segment import CHECKPOINT_KEY, FORMAT, Checkpoint, marker_key, pack, pack_markers
from pipeline.engine import restore as module
from pipeline.engine import transaction as transaction_module
from pipeline.engine.config import Config
from pipeline.engine.database import Database, Memory, Meta
from pipeline.engine.preflight import Cluster
from pipeline.engine.restore import FENCE_KEY, Restore
from pipeline.errors import BrokerFault, StateLost
from tests.unit.engine import fakes
from tests.unit.engine.fakes import Producer

REQUESTS = TopicPartition("main-requests-changelog", 0)
MARKERS = TopicPartition("main-markers-changelog", 0)
SOURCE = TopicPartition("llm.chunks", 0)
CLUSTER = Cluster("cluster", 1, 1, 43_200.0)

MINE = (marker_key(b"old", 100), b"x")
"""A row that only the local store has."""


class Logs:
    """Topics in memory: what is sent to them can be read from them."""

    def __init__(self) -> None:
        """Empty changelogs and a source of fifty chunks."""
        self.rows: dict[TopicPartition, list[tuple[bytes, bytes | None]]] = {REQUESTS: [], MARKERS: []}
        self.source = (0, 50)
        self.committed: int | None = None
        self.deaf = False

    def checkpoint(self, position: int, lineage: bytes = b"lineage!") -> None:
        """A checkpoint row."""
        self.rows[REQUESTS].append((CHECKPOINT_KEY, pack(Checkpoint(position, 1_000, 1, lineage, -1, -1, FORMAT))))

    def producer(self, **options: Any) -> Producer:
        """A producer whose batches land here."""
        made = Producer(**options)
        send = made.send_batch

        async def deliver(batch: Any, topic: str, *, partition: int) -> Any:
            log = self.rows[TopicPartition(topic, partition)]
            offset = len(log)
            log.extend((key, value) for key, value, _ in batch.rows)
            delivery = await send(batch, topic, partition=partition)
            delivery.result().offset = offset
            return delivery

        made.send_batch = deliver  # type: ignore[method-assign]  # the same, and into the log
        return made


class Consumer:
    """Reads the logs."""

    _client = SimpleNamespace(bootstrap=None)

    def __init__(self, logs: Logs) -> None:
        """At no position yet."""
        self.logs = logs
        self.positions: dict[TopicPartition, int] = {}
        self.sought: list[tuple[TopicPartition, int]] = []

    async def start(self) -> None:
        """Nothing."""

    async def stop(self) -> None:
        """Nothing."""

    def assign(self, parts: list[TopicPartition]) -> None:
        """Nothing."""

    def pause(self, *parts: TopicPartition) -> None:
        """Nothing."""

    def seek(self, tp: TopicPartition, offset: int) -> None:
        """Remember."""
        self.positions[tp] = offset
        self.sought.append((tp, offset))

    async def beginning_offsets(self, parts: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Zero, but for the source."""
        return {tp: self.logs.source[0] if tp == SOURCE else 0 for tp in parts}

    async def end_offsets(self, parts: list[TopicPartition]) -> dict[TopicPartition, int]:
        """After the last row."""
        return {tp: self.logs.source[1] if tp == SOURCE else len(self.logs.rows[tp]) for tp in parts}

    async def committed(self, _: TopicPartition) -> int | None:
        """The group's offset."""
        return self.logs.committed

    async def getmany(self, *parts: TopicPartition, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        """At most three rows of each."""
        assert timeout_ms
        await asyncio.sleep(0)
        if self.logs.deaf:
            return {}
        found = {}
        for tp in parts:
            start = self.positions[tp]
            rows = self.logs.rows[tp][start : start + 3]
            self.positions[tp] = start + len(rows)
            if rows:
                found[tp] = [SimpleNamespace(key=k, value=v, offset=start + n) for n, (k, v) in enumerate(rows)]
        return found


class Store:
    """Databases in a directory."""

    def __init__(self, path: Path) -> None:
        """Of a small budget."""
        self.path, self.memory = path, Memory(4 << 20, 2 << 20)
        self.open: Database | None = None
        self.replaced = 0

    def database(self, _: int) -> Database:
        """The database."""
        if self.open is None:
            self.open = Database(self.path / f"{self.replaced}.db", self.memory)
        return self.open

    def replace_database(self, number: int) -> Database:
        """Another, empty one."""
        self.close()
        self.replaced += 1
        return self.database(number)

    def partition_path(self, _: int) -> Path:
        """Where it is."""
        return self.path / f"{self.replaced}.db"

    def aside(self, _: int) -> Path:
        """Where the one before would be."""
        return self.path / "aside"

    def drop_aside(self, _: int) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Let go."""
        if self.open is not None:
            self.open.close()
        self.open = None


class Bench:
    """Logs, a store and a restore between them."""

    def __init__(self, tmp_path: Path, logs: Logs) -> None:
        """One partition."""
        self.logs, self.store = logs, Store(tmp_path)
        self.consumer = Consumer(logs)
        self.config: Config = fakes.config(tmp_path)

    def restore(self) -> Restore:
        """Restore it."""

        async def inside() -> Restore:
            made = Restore(self.config, CLUSTER, cast("Any", self.store), 0)
            await made.run()
            return made

        try:
            return asyncio.run(inside())
        finally:
            if self.store.open is not None:
                self.rows = dict(self.store.open.scan(b"s")) | dict(self.store.open.scan(b"m"))
                self.fence = self.store.open.get(FENCE_KEY)
            self.store.close()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench on empty logs."""
    logs = Logs()
    made = Bench(tmp_path, logs)
    monkeypatch.setattr(transaction_module, "AIOKafkaProducer", logs.producer)
    monkeypatch.setattr(module, "AIOKafkaConsumer", lambda **_: made.consumer)
    return made


def stored(bench: Bench, **changes: Any) -> None:
    """Put a store in place that stands after the log's third row."""
    good = Meta(FORMAT, b"lineage!", "cluster", 2, 3, 0, time.time() - 1)
    database = bench.store.database(0)
    database.write([MINE], msgspec.structs.replace(good, **changes))
    bench.store.close()


def test_a_new_partition_begins_where_the_topic_begins(bench: Bench) -> None:
    """Nothing was folded yet; it gets a lineage of its own."""
    bench.logs.source = (7, 50)
    restored = bench.restore()

    assert (restored.partition.position, len(restored.partition.lineage), restored.partition.dirty) == (7, 8, True)


def test_it_reads_to_its_own_fence_row_and_not_to_an_older_one(bench: Bench) -> None:
    """Rows of the past end with a row that only this restore can have written; fence rows stay out of the store."""
    marker = (marker_key(b"r", 100), b"x")
    bench.logs.rows[REQUESTS] = [(FENCE_KEY, b"another token...")]
    bench.logs.checkpoint(11)
    bench.logs.rows[MARKERS] = [(b"key", pack_markers([marker])), (FENCE_KEY, b"another token...")]
    restored = bench.restore()

    assert (restored.partition.position, restored.partition.lineage) == (11, b"lineage!")
    assert bench.rows == dict([marker])
    assert bench.fence is None
    assert [bench.logs.rows[tp][-1][0] for tp in (REQUESTS, MARKERS)] == [FENCE_KEY, FENCE_KEY]


def test_a_trusted_store_is_read_on_from_its_checkpoint_row(bench: Bench) -> None:
    """What it holds stays, and only what came after is read."""
    for position in (1, 2, 3, 4):
        bench.logs.checkpoint(position)
    stored(bench)
    restored = bench.restore()

    assert (REQUESTS, 2) in bench.consumer.sought
    assert (restored.partition.position, bench.store.replaced) == (4, 0)
    assert bench.rows == dict([MINE])


def test_a_store_of_another_lineage_is_read_anew(bench: Bench) -> None:
    """The checkpoint row that is read again says that the log is not the store's."""
    for position in (1, 2, 3, 4):
        bench.logs.checkpoint(position, b"another!")
    stored(bench)
    restored = bench.restore()

    assert (REQUESTS, 0) in bench.consumer.sought
    assert (restored.partition.position, restored.partition.lineage, bench.store.replaced) == (4, b"another!", 1)
    assert bench.rows == {}


def test_a_store_whose_checkpoint_row_is_not_there_is_read_anew(bench: Bench) -> None:
    """A log that has no checkpoint row from there on can't be the one that the store was written from."""
    bench.logs.checkpoint(1)
    bench.logs.rows[REQUESTS] += [(FENCE_KEY, b"x")] * 5
    stored(bench)
    restored = bench.restore()

    assert (restored.partition.position, bench.store.replaced, bench.rows) == (1, 1, {})


def test_an_untrusted_store_is_not_used(bench: Bench) -> None:
    """An old one may have missed tombstones."""
    bench.logs.checkpoint(5)
    stored(bench, checkpoint=0, offset=1, saved_at=time.time() - 50_000)

    assert bench.restore().partition.position == 5
    assert (bench.store.replaced, bench.rows) == (1, {})


@pytest.mark.parametrize("fenced_before", [False, True], ids=["empty", "fence only"])
def test_a_lost_changelog_is_not_started_over(bench: Bench, *, fenced_before: bool) -> None:
    """The group has an offset, so there was state: starting over would send every record again."""
    bench.logs.committed = 40
    if fenced_before:
        bench.logs.rows[REQUESTS].append((FENCE_KEY, b"x"))
    with pytest.raises(StateLost, match="gone"):
        bench.restore()


Prepare = Callable[[Logs], None]


@pytest.mark.parametrize(
    ("source", "text"), [((12, 50), "expired"), ((0, 10), "deleted and created again")], ids=["expired", "recreated"]
)
def test_a_position_that_is_not_in_the_topic_is_refused(bench: Bench, source: tuple[int, int], text: str) -> None:
    """Chunks that nobody read are missing; going on would bill less than was used."""
    bench.logs.checkpoint(11)
    bench.logs.source = source
    with pytest.raises(StateLost, match=text):
        bench.restore()


def test_the_checkpoint_row_decides_and_not_the_group(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """An operator may move the group's offset; it is reported and changes nothing."""
    bench.logs.checkpoint(11)
    bench.logs.committed = 3

    assert bench.restore().partition.position == 11
    assert any("group offset differs" in str(record.msg) for record in caplog.records)


def test_missing_segments_are_lost_state(bench: Bench) -> None:
    """An open request whose first rows are gone can't be made whole."""
    bench.logs.rows[REQUESTS].append((b"sr\0\0\0\0\1", b"\x90"))
    bench.logs.checkpoint(11)
    with pytest.raises(StateLost, match="holes"):
        bench.restore()


def test_a_restore_that_stands_still_is_given_up(bench: Bench) -> None:
    """As long as anything arrives it may take its time; silence has a deadline."""
    bench.config = replace(bench.config, timing=replace(bench.config.timing, restore=0.05))
    bench.logs.deaf = True
    with pytest.raises(BrokerFault, match="nothing of the changelog arrived"):
        bench.restore()


def test_a_coordinator_that_never_answers_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The producer's client would look for it without an end, and nobody would know."""

    async def silent(_: transaction_module.Transactions) -> None:
        await asyncio.Event().wait()

    bench.config = replace(bench.config, timing=replace(bench.config.timing, restore=0.05))
    monkeypatch.setattr(transaction_module.Transactions, "fence", silent)
    with pytest.raises(BrokerFault, match=r"no transaction coordinator answered for 0\.05 s"):
        bench.restore()


def test_the_end_of_the_source_is_read_behind_the_fence(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An owner that still lived could go on until it was fenced: its position is no sign of a topic made anew."""
    bench.logs.checkpoint(70)
    fence = transaction_module.Transactions.fence

    async def fencing(transactions: transaction_module.Transactions) -> None:
        bench.logs.source = (0, 80)
        await fence(transactions)

    monkeypatch.setattr(transaction_module.Transactions, "fence", fencing)

    assert bench.restore().partition.position == 70
