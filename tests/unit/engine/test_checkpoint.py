"""The order of a checkpoint, and what it writes where."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, cast

import pytest

from pipeline.core.partition import Partition
from pipeline.core.rows import SourceRecord
from pipeline.core.segment import CHECKPOINT_KEY, FORMAT, unpack_checkpoint, unpack_markers
from pipeline.engine import transaction as module
from pipeline.engine.checkpoint import MARKER_ROW_BYTES, Checkpointer, Done
from pipeline.engine.database import Meta
from pipeline.engine.transaction import Transactions
from pipeline.errors import BrokerFault, Fenced, StateLost
from tests.unit.engine.fakes import Database, Producer, config, fenced

NUMBER = 3
META = Meta(FORMAT, b"lineage!", "cluster", 10, 11, 4, 1_700_000_000.0)


@pytest.fixture(autouse=True)
def _fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AIOKafkaProducer", Producer)


class Bench:
    """A checkpointer on fakes."""

    def __init__(self, tmp_path: Path, *, dead_partitions: int = 8) -> None:
        """Needs the running loop."""
        self.config = config(tmp_path)
        transactions = Transactions({}, "main-chunks-3", group="main", timing=self.config.timing)
        self.producer = cast("Producer", transactions._producer)
        self.database = Database(self.producer.log)
        self.partition = Partition(self.config.policy, self.database, "llm.chunks", NUMBER, lineage=b"lineage!")
        self.checkpointer = Checkpointer(
            self.config,
            self.partition,
            transactions,
            cast("Any", self.database),
            dead_partitions=dead_partitions,
            meta=META,
        )

    def fold(self, *values: bytes) -> None:
        """Fold values as the next records, all of request `r`; closed ones become records."""
        start = self.partition.position
        found = [SourceRecord(b"r", value, start + n, 1_000_000 + n) for n, value in enumerate(values)]
        for request_id in self.partition.apply(found, start + len(values)):
            self.partition.finalize(request_id)


def run(tmp_path: Path, scenario: Any, **options: Any) -> Any:
    """Run a scenario on a bench."""

    async def inside() -> Any:
        return await scenario(Bench(tmp_path, **options))

    return asyncio.run(inside())


def chunk(index: int, *, final: bool = False) -> bytes:
    """A chat chunk of request `r`."""
    return json.dumps(
        {
            "request_id": "r",
            "stream_type": "chat.completion",
            "chunk_index": index,
            "timestamp": "2026-01-01T00:00:00Z",
            "is_final": final,
            "response": {
                "choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop" if final else None}]
            },
        }
    ).encode()


def test_the_store_is_written_after_the_commit_and_the_rows_settle_last(tmp_path: Path) -> None:
    """A crash before the commit leaves a store that never saw the rows."""

    async def scenario(bench: Bench) -> Done | None:
        bench.fold(chunk(0), b"not json", chunk(1, final=True))
        done = await bench.checkpointer.run()
        assert bench.producer.log[0] == "begin"
        assert bench.producer.log[-2:] == ["commit", "store"]
        return done

    done = run(tmp_path, scenario)
    assert (done.markers, done.records, done.dead_letters) == (1, 1, 1)


def test_the_checkpoint_row_comes_last_and_holds_the_position(tmp_path: Path) -> None:
    """Having read it proves that the whole transaction was read."""

    async def scenario(bench: Bench) -> list[tuple[Any, Any, Any]]:
        bench.fold(chunk(0))
        await bench.checkpointer.run()
        assert [offset.offset for offset in bench.producer.offsets.values()] == [1]
        return bench.producer.sent["main-requests-changelog"]

    key, value, _ = run(tmp_path, scenario)[-1]
    assert (key, unpack_checkpoint(value).position) == (CHECKPOINT_KEY, 1)


def test_everything_goes_to_the_partition_of_the_chunks(tmp_path: Path) -> None:
    """Rows, markers and records share the number; dead letters too, as far as their topic has it."""

    async def scenario(bench: Bench) -> set[str]:
        bench.fold(b"not json", chunk(0, final=True))
        await bench.checkpointer.run()
        return {step for step in bench.producer.log if step.startswith("send")}

    assert run(tmp_path, scenario, dead_partitions=2) == {
        "send main-requests-changelog-3",
        "send main-markers-changelog-3",
        "send llm.accumulated-3",
        "send llm.chunks.dead-1",
    }


def test_the_store_learns_where_it_stands_in_both_changelogs(tmp_path: Path) -> None:
    """Offsets of the last rows, with lineage and cluster, in the same batch as the rows."""

    async def scenario(bench: Bench) -> Meta:
        bench.producer.room = 100
        bench.fold(chunk(0, final=True))
        await bench.checkpointer.run()
        (rows, meta, markers, hours) = bench.database.written[0]
        assert (len(rows), len(markers), hours) == (len(bench.producer.sent["main-requests-changelog"]), 1, [])
        return cast("Meta", meta)

    meta = run(tmp_path, scenario)
    assert (meta.lineage, meta.cluster, meta.markers) == (b"lineage!", "cluster", 101)
    assert meta.offset == meta.checkpoint + 1


def test_an_unknown_offset_leaves_the_store_where_it_was(tmp_path: Path) -> None:
    """It is read again from there after a restart, which changes nothing."""

    async def scenario(bench: Bench) -> Meta:
        bench.producer.base = -1
        bench.fold(chunk(0))
        await bench.checkpointer.run()
        return cast("Meta", bench.database.meta)

    meta = run(tmp_path, scenario)
    assert (META.checkpoint, META.offset, META.markers) == (meta.checkpoint, meta.offset, meta.markers)


def test_nothing_changed_makes_no_transaction(tmp_path: Path) -> None:
    """An idle partition costs the broker nothing."""

    async def scenario(bench: Bench) -> Done | None:
        bench.fold(chunk(0))
        await bench.checkpointer.run()
        bench.producer.log.clear()
        second = await bench.checkpointer.run()
        assert bench.producer.log == []
        return second

    assert run(tmp_path, scenario) is None


def test_a_fenced_checkpoint_never_reaches_the_store(tmp_path: Path) -> None:
    """The working set is dropped with it."""

    async def scenario(bench: Bench) -> None:
        bench.producer.fail["commit"] = fenced()
        bench.fold(chunk(0))
        with pytest.raises(Fenced):
            await bench.checkpointer.run()
        assert bench.database.written == []

    run(tmp_path, scenario)


def test_a_checkpoint_that_hangs_is_given_up_before_the_broker_aborts_it(tmp_path: Path) -> None:
    """Whether it was committed is unknown, so nothing is written to the store."""

    async def scenario(bench: Bench) -> None:
        bench.producer.hang = True
        bench.fold(chunk(0))
        with pytest.raises(BrokerFault, match="longer than"):
            await bench.checkpointer.run()
        assert "commit" not in bench.producer.log
        assert bench.database.written == []

    run(tmp_path, scenario)


def test_a_changelog_that_begins_anew_is_not_written_to(tmp_path: Path) -> None:
    """Rows that land before those of the last checkpoint prove that the topic was created again."""

    async def scenario(bench: Bench) -> None:
        bench.producer.base = 2
        bench.fold(chunk(0))
        with pytest.raises(StateLost, match="begins anew"):
            await bench.checkpointer.run()
        assert "commit" not in bench.producer.log

    run(tmp_path, scenario)


def test_many_markers_are_packed_into_few_rows_of_bounded_size(tmp_path: Path) -> None:
    """Each row has a key of its own; together they hold every marker in order."""

    async def scenario(bench: Bench) -> tuple[list[tuple[bytes, bytes]], list[Any]]:
        markers = [(b"m" + b"%08d" % number, b"x" * 1_000) for number in range(2_000)]
        return markers, bench.checkpointer._marker_rows(markers)

    markers, rows = run(tmp_path, scenario)
    assert len({key for key, _, _ in rows}) == len(rows) == 4
    assert all(len(value) < MARKER_ROW_BYTES * 1.1 for _, value, _ in rows)
    assert markers == [marker for _, value, _ in rows for marker in unpack_markers(value)]


def test_what_a_checkpoint_left_restores_the_partition(tmp_path: Path) -> None:
    """The store alone brings back position, clock and open requests."""

    async def scenario(bench: Bench) -> tuple[Partition, Partition]:
        bench.fold(chunk(0), chunk(1))
        await bench.checkpointer.run()
        again = Partition(bench.config.policy, bench.database, "llm.chunks", NUMBER)
        again.load()
        return bench.partition, again

    before, after = run(tmp_path, scenario)
    assert (before.position, before.clock, before.lineage, 1) == (
        after.position,
        after.clock,
        after.lineage,
        after.open_count,
    )
