"""Corrections on a real Kafka: one run at a time, each correction once, whatever dies; what hides others is awaited."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from pipeline.core.rows import Outgoing
from pipeline.errors import Fenced
from pipeline.ops.correction import (
    NOWHERE,
    Correction,
    Doubt,
    Standing,
    amended,
    correcting,
    latest_of,
    restless,
    standings,
    stored_of,
)
from pipeline.ops.correction.restless import GONE, LATE
from pipeline.settings import Settings, client
from pipeline.testing import eventually
from pipeline.testing.chunk import USAGE, Document, chat, marker, usage
from pipeline.topics.bound import Bound
from pipeline.topics.partitioner import partition_of
from pipeline.topics.reader import reading
from pipeline.topics.selection import Selection
from tests.integration.engine.harness import ROOT, committed, running
from tests.integration.ledgers import play, records
from tests.kafka import forget

pytestmark = pytest.mark.usefixtures("ledger_topics")

KILLED = -9
SECONDS = 60.0

RUN = """
import asyncio, json, sys
from pipeline.engine.failpoint import arm
from pipeline.ops.correction import sender
from pipeline.settings import Settings
from tests.integration.test_corrections import double
told = json.loads(sys.argv[1])
sender.BATCH = 4
arm(told["failpoints"])
print(asyncio.run(double(Settings(**told["settings"]))))
"""


def request(name: str, cost: float = 0.5) -> list[Document]:
    """A request that no late chunk revises."""
    return [chat(0, "a", request_id=name), usage(1, USAGE, cost=cost, request_id=name), marker(2, request_id=name)]


def dearer(record: Document, cost: float) -> Outgoing:
    """The correction of a record to another cost."""
    made = amended(record, {**record, "cost": cost}, ledger=record["source"]["topic"].split(".")[0], limit=1 << 20)
    assert made is not None
    return made


async def double(settings: Settings) -> int:
    """Correct what costs 0.5 to 1.0; how many corrections this run has sent."""
    async with correcting(settings) as sender, reading(settings, lambda _: None) as topics:
        for number in range(settings.partitions):
            index = await latest_of(topics, settings, number, Selection())
            async for stored in stored_of(topics, settings, number, index.requests):
                if stored.record["cost"] == 0.5:
                    await sender.add(Correction(number, dearer(stored.record, 1.0)))
        await sender.flush()
        return sender.sent


def bills(settings: Settings) -> dict[str, list[tuple[int, float]]]:
    """Revision and cost of each record of each request."""
    return {
        name: [(record["revision"], record["cost"]) for record in found] for name, found in records(settings).items()
    }


def test_a_run_that_is_killed_anywhere_and_repeated_corrects_each_record_once(settings: Settings) -> None:
    """Batches of 4 of 26 records; killed at points of the first or second transaction, then left to end."""
    names = [f"r-{number:02d}" for number in range(26)]
    play(settings, *(request(name) for name in names))
    points = ["after_begin", "before_delivery", "before_commit", "after_commit", "after_delivery"]
    told: dict[str, Any] = {"settings": settings.model_dump(mode="json")}

    def run(failpoints: str) -> subprocess.CompletedProcess[str]:
        arguments = [sys.executable, "-c", RUN, json.dumps({**told, "failpoints": failpoints})]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)

    for turn, point in enumerate(points):
        assert run(f"correction.{point}@{1 + turn % 2}").returncode == KILLED, point
    left = run("")

    assert left.returncode == 0, left.stderr
    assert 0 < int(left.stdout) < len(names)
    assert bills(settings) == {name: [(0, 0.5), (1, 1.0)] for name in names}
    assert int(run("").stdout) == 0


def test_of_two_runs_the_older_can_send_nothing_more(settings: Settings) -> None:
    """It says so, and what it had not committed is nowhere."""
    (record,) = play(settings, request("r-1"))
    number = partition_of(b"r-1", settings.partitions)

    async def both() -> int:
        # aiokafka leaves failed futures of a fenced batch behind, which would be reported whenever they are collected.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        async with correcting(settings) as older:
            await older.add(Correction(number, dearer(record, 2.0)))
            sent = await double(settings)
            with pytest.raises(Fenced, match="another run corrects this ledger"):
                await older.flush()
            return sent

    assert asyncio.run(both()) == 1
    assert bills(settings) == {"r-1": [(0, 0.5), (1, 1.0)]}


def test_what_lies_behind_an_open_transaction_is_waited_for(settings: Settings) -> None:
    """A worker's transaction hides what was committed after its beginning: a run that did not wait would send twice."""
    (record,) = play(settings, request("r-1"))
    number = partition_of(b"r-1", settings.partitions)

    async def run() -> int:
        worker = AIOKafkaProducer(**client(settings), transactional_id=f"{settings.ledger}-w", acks="all")
        await worker.start()
        try:
            await worker.begin_transaction()
            await worker.send_and_wait(settings.record_topic, b"{}", partition=number)
            async with correcting(settings) as sender:
                await sender.add(Correction(number, dearer(record, 1.0)))
                await sender.flush()
            again = asyncio.create_task(double(settings))
            done, _ = await asyncio.wait([again], timeout=3)
            assert not done
            await worker.abort_transaction()
            return await again
        finally:
            await worker.stop()

    assert asyncio.run(run()) == 0
    assert bills(settings) == {"r-1": [(0, 0.5), (1, 1.0)]}


def test_the_latest_revision_is_found_wherever_it_lies(settings: Settings) -> None:
    """A range that ends before it selects the request all the same, and others not at all."""
    play(settings, request("r-1"))
    asyncio.run(double(settings))
    play(settings, request("r-2"))
    number = partition_of(b"r-1", settings.partitions)

    async def index(selection: Selection) -> dict[str, int]:
        async with reading(settings, lambda _: None) as topics:
            found = await latest_of(topics, settings, number, selection)
            return {name: latest.revision for name, latest in found.requests.items()}

    first = asyncio.run(index(Selection(until=Bound.of("1", 0))))
    everything = asyncio.run(index(Selection()))
    nothing = asyncio.run(index(Selection(request_ids=frozenset({"other"}))))

    assert (first, nothing) == ({"r-1": 1}, {})
    assert everything["r-1"] == 1


def test_a_late_chunk_holds_its_record_and_no_other(settings: Settings) -> None:
    """Of those that came before its time was over; where the chunks are not kept nobody can tell."""
    names = [f"r-{number}" for number in range(4)]
    made = play(settings, *([chat(0, "a", finish="stop", request_id=name)] for name in names))
    other = settings.model_copy(update={"record_topic": settings.dead_topic})
    play(other, [chat(1, "b", request_id="r-0")], [chat(1, "b", request_id="new")])
    soon = int(time.time() * 1_000) + 100_000

    def held(until: int) -> dict[str, str]:
        async def ask() -> dict[str, str]:
            found: dict[str, str] = {}
            async with reading(settings, lambda _: None) as topics:
                for number in range(settings.partitions):
                    doubts = {
                        record["request_id"]: Doubt(until, record["source"])
                        for record in made
                        if record["source"]["partition"] == number
                    }
                    found |= await restless(topics, settings, number, doubts)
            return found

        return asyncio.run(ask())

    place = TopicPartition(settings.chunk_topic, partition_of(b"r-0", settings.partitions))
    late, over = held(soon), held(1)
    asyncio.run(forget(settings, place.topic, place.partition))
    gone = held(soon)

    assert late == {"r-0": LATE}
    assert over == {}
    assert set(gone.values()) == {GONE}
    assert set(gone) == {record["request_id"] for record in made if record["source"]["partition"] == place.partition}


def test_the_worker_stands_where_its_group_has_committed(settings: Settings, tmp_path: Path) -> None:
    """Its clock is the append time of the last chunk before that; it runs as long as its group has members."""
    names = [f"r-{number}" for number in range(6)]
    brisk = settings.model_copy(update={"finish_grace": 300})
    other = settings.model_copy(update={"record_topic": settings.dead_topic})

    def standing() -> dict[int, Standing]:
        async def ask() -> dict[int, Standing]:
            async with reading(settings, lambda _: None) as topics:
                return await standings(topics, settings, range(settings.partitions))

        return asyncio.run(ask())

    unknown = standing()
    begun = int(time.time() * 1_000)
    with running(brisk, tmp_path / "log") as worker:
        worker.wait_for("assigned")
        play(other, *(request(name) for name in names))
        asyncio.run(committed(brisk, brisk.record_topic, at_least=len(names)))
        eventually(lambda: all(each.clock for each in standing().values()), every=0.2)
        live = standing()
        worker.terminate()
    play(other, *(request(f"x-{name}") for name in names))
    stopped = standing()

    assert unknown == dict.fromkeys(range(2), NOWHERE)
    assert all(each.running and begun <= (each.clock or 0) <= time.time() * 1_000 for each in live.values())
    assert stopped == {number: each._replace(running=False) for number, each in live.items()}
