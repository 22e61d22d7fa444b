"""The engine's decisions: which batch is taken, what a fence and a failure do, when a partition has a turn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.structs import TopicPartition
from faust.types import TP

from pipeline.core.partition import Partition
from pipeline.core.rows import SourceRecord
from pipeline.core.segment import FORMAT
from pipeline.engine import engine as module
from pipeline.engine import transaction as transaction_module
from pipeline.engine.checkpoint import Checkpointer
from pipeline.engine.database import Meta
from pipeline.engine.delivery import Batch
from pipeline.engine.engine import CloseSignal, Engine
from pipeline.engine.expiry import Expiry
from pipeline.engine.preflight import Cluster
from pipeline.engine.task import PartitionTask, Parts
from pipeline.engine.transaction import Transactions
from pipeline.engine.watchdog import EXIT
from pipeline.errors import InvariantBroken
from tests.unit.engine.fakes import Database, Producer, config, fenced

HERE = TP("llm.chunks", 0)


class Faust:
    """What the engine needs of the app."""

    def __init__(self) -> None:
        """One partition is assigned."""
        self.seeks: list[tuple[int, int, int]] = []
        self.signals: list[CloseSignal] = []

    def assigned(self) -> set[TP]:
        """The partition."""
        return {HERE}

    async def start_chain(self, tp: TP, offset: int, chain: int) -> None:
        """Note it."""
        self.seeks.append((tp.partition, offset, chain))

    async def signal(self, signal: CloseSignal) -> None:
        """Note it."""
        self.signals.append(signal)

    def joined(self) -> bool:
        """Always."""
        return True

    def silence(self, now: float) -> float:
        """Kafka just answered."""
        return 0.0 * now

    def end(self, tp: TopicPartition) -> int | None:
        """Nothing was fetched."""


class Store:
    """A store that opens nothing."""

    memory = SimpleNamespace(used=0, put=0)

    def close_database(self, partition: int) -> None:
        """Nothing was opened."""


class Bench:
    """An engine with one restored partition on fakes."""

    def __init__(self, tmp_path: Path) -> None:
        """Needs the running loop."""
        self.config = config(tmp_path, max_closing=3, max_pending_chunks=10)
        self.faust = Faust()
        self.exits: list[int] = []
        self.engine = Engine(self.config, Cluster("cluster", 1, 1, 60.0), cast("Any", Store()), self.faust)
        self.engine.end = cast("Any", self.exits.append)
        transactions = Transactions({}, "main-llm.chunks-0", group="main", timing=self.config.timing)
        self.producer = cast("Producer", transactions._producer)
        self.end = 0

        self.engine.watermarks = cast("Any", self)
        self.task = self._task(transactions)
        self.engine.tasks[0] = self.engine.owned[0] = self.task

    async def stable(self, _: object) -> int:
        """End of the partition, as a watermark."""
        return self.end

    high = stable

    def _task(self, transactions: Transactions) -> PartitionTask:
        cluster, store = self.engine.cluster, self.engine._store
        task = PartitionTask(
            self.config, cluster, store, self.engine.watermarks, 0, chain=0, alive=True, meter=self.engine.meter
        )
        database = cast("Any", Database(self.producer.log))
        partition = Partition(self.config.policy, database, HERE.topic, 0, lineage=b"lineage!")
        meta = Meta(FORMAT, b"lineage!", "cluster", 0, 1, 0, 0.0)
        checkpointer = Checkpointer(self.config, partition, transactions, database, dead_partitions=1, meta=meta)
        expiry = Expiry(partition, task.tp, self.engine.watermarks, slack_ms=500, limit=100)
        restore = cast("Any", type("Restored", (), {"transactions": transactions}))
        task._parts, task._restore = Parts(restore, partition, checkpointer, expiry), restore
        return task

    def batch(self, number: int, *request_ids: str, chain: int = 0, at: int | None = None) -> Batch:
        """A batch of finished requests, one chunk each."""
        start = self.task.partition.position if at is None else at
        records = [
            SourceRecord(request_id.encode(), chunk(request_id), start + index, 1_000_000)
            for index, request_id in enumerate(request_ids)
        ]
        return Batch(HERE, records, chain, number, start + len(records))


def chunk(request_id: str) -> bytes:
    """The only chunk of a request."""
    return json.dumps(
        {
            "request_id": request_id,
            "stream_type": "chat.completion",
            "chunk_index": 0,
            "timestamp": "2026-01-01T00:00:00Z",
            "is_final": True,
            "response": {"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}]},
        }
    ).encode()


Scenario = Callable[[Bench], Coroutine[Any, Any, Any]]
Run = Callable[[Scenario], Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a scenario on a bench."""
    monkeypatch.setattr(transaction_module, "AIOKafkaProducer", Producer)

    def go(scenario: Scenario) -> Any:
        async def inside() -> Any:
            return await scenario(Bench(tmp_path))

        return asyncio.run(inside())

    return go


def test_the_expected_batch_is_folded_and_what_closed_is_signalled(run: Run) -> None:
    """Position and number move together."""

    async def scenario(bench: Bench) -> None:
        await bench.engine.accumulate(bench.batch(0, "a", "b"))
        assert bench.task.partition.position == 2
        assert [signal.request_ids for signal in bench.faust.signals] == [["a", "b"]]
        await bench.engine.accumulate(bench.batch(1, "c"))
        assert (bench.task.partition.position, bench.task.figures.chunks) == (3, 3)

    run(scenario)


def test_a_batch_of_an_older_chain_is_dropped(run: Run) -> None:
    """It was fetched before the last seek and comes again."""

    async def scenario(bench: Bench) -> None:
        await bench.engine._seek(bench.task)
        bench.faust.seeks.clear()
        await bench.engine.accumulate(bench.batch(0, "a", chain=0))
        assert (bench.task.partition.position, bench.task.figures.stale, bench.faust.seeks) == (0, 1, [])

    run(scenario)


@pytest.mark.parametrize(("chain", "number"), [(0, 2), (5, 1), (5, 4)], ids=["skipped", "unknown", "both"])
def test_a_missing_batch_is_read_again_from_the_position(run: Run, chain: int, number: int) -> None:
    """A hole in the chain, or a chain that is not ours, starts a new one where we are."""

    async def scenario(bench: Bench) -> None:
        await bench.engine.accumulate(bench.batch(0, "a"))
        await bench.engine.accumulate(bench.batch(number, "c", chain=chain, at=5))
        assert bench.task.partition.position == 1
        assert bench.faust.seeks == [(0, 1, 1)]
        assert (bench.task.chain, bench.task.batch) == (1, 0)

    run(scenario)


def test_a_batch_before_the_position_is_a_broken_invariant(run: Run) -> None:
    """The chain says it is next, the offsets say otherwise: nothing may be folded twice."""

    async def scenario(bench: Bench) -> None:
        await bench.engine.accumulate(bench.batch(0, "a", "b"))
        with pytest.raises(InvariantBroken):
            await bench.engine.accumulate(bench.batch(1, "a", at=0))

    run(scenario)


def test_batches_of_a_partition_that_was_given_up_are_ignored(run: Run) -> None:
    """The next owner reads them from the checkpoint."""

    async def scenario(bench: Bench) -> None:
        task = bench.task
        await bench.engine.release_all("test")
        await bench.engine.accumulate(Batch(HERE, (), 0, 0, 9))
        assert (task.partition.position, bench.engine.tasks) == (0, {})

    run(scenario)


def test_a_partition_that_is_behind_gets_no_more_batches(run: Run) -> None:
    """Batches on their way, closed requests and chunks without a checkpoint all bound memory."""

    async def scenario(bench: Bench) -> None:
        engine = bench.engine
        assert engine.has_room(HERE)
        for number in range(2):
            engine.handed(bench.batch(number, "a"))
        assert not engine.has_room(HERE)
        await engine.accumulate(bench.batch(0, "a", "b", "c"))
        assert not engine.has_room(HERE)
        await engine.finalize(bench.faust.signals[0])
        assert engine.has_room(HERE)
        await engine.accumulate(bench.batch(1, *map(str, range(10))))
        await engine.finalize(bench.faust.signals[1])
        assert not engine.has_room(HERE)
        await bench.task.checkpoint()
        assert engine.has_room(HERE)
        assert engine.has_room(TP("other", 0))

    run(scenario)


def test_a_turn_signals_again_what_was_lost_and_checkpoints_records(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The partition's `closing` is the truth; a signal that a cleared queue took is sent once more."""
    monkeypatch.setattr(module, "REPEAT_SECONDS", -1.0)

    async def scenario(bench: Bench) -> None:
        await bench.engine.accumulate(bench.batch(0, "a"))
        bench.faust.signals.clear()
        bench.engine.tick()
        await asyncio.gather(*bench.engine._turns)
        assert [signal.request_ids for signal in bench.faust.signals] == [["a"]]
        await bench.engine.finalize(bench.faust.signals[0])
        await bench.engine.finalize(bench.faust.signals[0])
        bench.task.cadence.ran(-10.0, -10.0)
        bench.engine.tick()
        await asyncio.gather(*bench.engine._turns)
        assert (bench.task.figures.records, bench.task.busy) == (1, False)

    run(scenario)


def test_a_fenced_partition_drops_its_work_and_waits_for_the_group(run: Run) -> None:
    """The process goes on with its other partitions."""

    async def scenario(bench: Bench) -> None:
        bench.producer.fail["commit"] = fenced()
        await bench.engine.accumulate(bench.batch(0, "a"))
        await bench.engine._guarded(bench.task, bench.task.checkpoint())
        assert (bench.task.alive, bench.engine.tasks, bench.exits) == (False, {}, [])
        counted = {
            family.name: family.samples[0].value for family in bench.engine.meter.book.collect() if family.samples
        }
        assert [counted[f"streamledger_{name}"] for name in ("fenced", "transaction_aborts", "checkpoints")] == [
            1,
            1,
            0,
        ]
        await bench.engine.release_all("revoked")
        assert bench.producer.log.count("commit") == 1

    run(scenario)


def test_nothing_waits_for_a_commit_when_all_is_committed(run: Run) -> None:
    """Signals to the finalizer are repeated, and find nothing to do: that must not look like a commit that hangs."""

    async def scenario(bench: Bench) -> None:
        assert bench.task.waiting == 0
        await bench.engine.accumulate(bench.batch(0, "a"))
        (signal,) = bench.faust.signals
        assert bench.task.waiting > 0
        await bench.engine.finalize(signal)
        await bench.task.checkpoint()
        assert bench.task.waiting == 0
        await bench.engine.finalize(signal)
        assert bench.task.waiting == 0

    run(scenario)


def test_any_other_failure_ends_the_process_with_nothing_alive(run: Run) -> None:
    """Exit 70, and no partition can commit any more."""

    async def scenario(bench: Bench) -> None:
        bench.producer.fail["commit"] = OSError("disk")
        await bench.engine.accumulate(bench.batch(0, "a"))
        with pytest.raises(OSError, match="disk"):
            await bench.engine._guarded(bench.task, bench.task.checkpoint())
        assert (bench.exits, bench.task.alive) == ([EXIT], False)

    run(scenario)


def test_an_exception_in_an_agent_ends_the_process(run: Run) -> None:
    """Faust would take the event as processed and go on."""

    async def scenario(bench: Bench) -> None:
        with pytest.raises(ZeroDivisionError), bench.engine.fatal_errors():
            raise ZeroDivisionError
        with pytest.raises(asyncio.CancelledError), bench.engine.fatal_errors():
            raise asyncio.CancelledError
        assert bench.exits == [EXIT]

    run(scenario)


def test_a_stalled_partition_is_read_again_and_then_given_up(run: Run) -> None:
    """Records wait and none comes: seek three times, then end."""

    async def scenario(bench: Bench) -> list[int]:
        bench.end = 5
        for attempt in range(bench.config.stalls + 1):
            bench.task.progress.suspicious(0, 0.0)
            bench.task.progress.looked(waiting=bool(attempt), now=-1_000.0)
            bench.task.progress.stalls = attempt
            if attempt < bench.config.stalls:
                await bench.engine._watch(bench.task)
            else:
                with pytest.raises(InvariantBroken, match="none arrives"):
                    await bench.engine._watch(bench.task)
        return [offset for _, offset, _ in bench.faust.seeks]

    assert run(scenario) == [0, 0, 0]


def test_release_makes_a_last_checkpoint_and_closes(run: Run) -> None:
    """What was folded is committed before the partition goes."""

    async def scenario(bench: Bench) -> None:
        await bench.engine.accumulate(bench.batch(0, "a"))
        await bench.engine.finalize(bench.faust.signals[0])
        await bench.engine.release_all("shutdown")
        assert bench.producer.log[-3:] == ["commit", "store", "stop"]
        figures = bench.engine.figures()
        assert (figures["records"], figures["chunks"], figures["partitions"]) == (1, 1, 0)

    run(scenario)


def test_drained_means_read_closed_and_checkpointed(run: Run) -> None:
    """Each of the three alone is not enough."""

    async def scenario(bench: Bench) -> list[bool]:
        bench.engine.ready = True
        bench.end = 1
        await bench.engine.accumulate(bench.batch(0, "a"))
        seen = [await bench.engine.drained()]
        await bench.engine.finalize(bench.faust.signals[0])
        seen.append(await bench.engine.drained())
        await bench.task.checkpoint()
        seen.append(await bench.engine.drained())
        bench.end = 2
        return [*seen, await bench.engine.drained()]

    assert run(scenario) == [False, False, True, False]
