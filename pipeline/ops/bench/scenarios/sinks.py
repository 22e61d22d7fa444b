"""Records into databases: the sinks beside a plain loop of confluent-kafka and COPY, on the same topic.

Owns the records and the peer. Imports its siblings, the offline fold and a PostgreSQL of its own.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from pipeline.errors import InvariantBroken
from pipeline.ops.bench.load import Load, values
from pipeline.ops.bench.peer import SCRIPTS
from pipeline.ops.bench.scenarios.figure import Outcome
from pipeline.ops.bench.scenarios.ground import Ground
from pipeline.ops.bench.scenarios.run import Taken, ours, timed
from pipeline.ops.demo.worker import environment
from pipeline.ops.fold import fold_lines
from pipeline.ops.load.feed import BATCH_BYTES
from pipeline.ops.postgres import server
from pipeline.pricing import valuation
from pipeline.settings import Settings, client
from pipeline.topics.partitioner import partition_of
from schemas.identity import record_id

CHUNKS: Final = 3
PLACEHOLDER: Final = "req-00000000"
SLOWER: Final = 2.0
"""A sink that is exactly once may take so many times as long as a loop that is not."""


async def sinks(ground: Ground) -> list[Outcome]:
    """DuckDB, PostgreSQL and the loop, each from the beginning of the topic to its end."""
    count = ground.pick(1_000_000, 100_000, 2_000)
    stage = await ground.stage("sinks")
    settings, outcome = stage.settings, Outcome("sinks", f"{count:,} records of chat streams")
    with ground.site.steps.step("sinks", "sinks: loading records", total=count) as advance:
        await _fill(settings, count, advance)
    told = environment(settings)
    with server() as postgres:
        with ground.site.steps.step("sinks", "sinks: the loop"):
            script = str(SCRIPTS / "copy_loop.py")
            servers = settings.bootstrap_servers
            arguments = [script, servers, settings.record_topic, postgres.create(), str(count)]
            loop = await timed([sys.executable, "-P", *arguments], dict(os.environ), stage.home / "loop.log")
        taken = {}
        for name, db in (("duckdb", str(stage.home / "records.duckdb")), ("postgres", postgres.create())):
            with ground.site.steps.step("sinks", f"sinks: {name}"):
                command = ours("sink", name, "--db", db, "--once", "--json")
                taken[name] = await timed(command, told, stage.home / f"{name}.log")
    _tell(outcome, "confluent-kafka and COPY, at least once", count, loop)
    for name, each in taken.items():
        _tell(outcome, name, count, each)
        outcome.add(f"{name}: time beside the loop's", each.seconds / loop.seconds, "×", SLOWER)
    return [outcome]


def _tell(outcome: Outcome, name: str, count: int, taken: Taken) -> None:
    outcome.add(f"{name}: rows", count / taken.seconds, "a second")
    outcome.add(f"{name}: memory at most", taken.cost.peak / (1 << 20), "MiB")


async def _fill(settings: Settings, count: int, advance: Any) -> None:
    """So many records that differ in request and record id."""
    template = _template(settings)
    pieces = template.replace(record_id(settings.ledger, PLACEHOLDER, 0).encode(), b"\0").split(PLACEHOLDER.encode())
    producer = AIOKafkaProducer(**client(settings), max_batch_size=BATCH_BYTES, linger_ms=20, acks=1)
    await producer.start()
    try:
        for number in range(count):
            request_id = f"req-{number:08d}"
            key = request_id.encode()
            value = key.join(pieces).replace(b"\0", record_id(settings.ledger, request_id, 0).encode())
            partition = partition_of(key, settings.partitions)
            await producer.send(settings.record_topic, value, key=key, partition=partition)
            if number % 10_000 == 0:
                advance(number)
    finally:
        await producer.stop()


def _template(settings: Settings) -> bytes:
    """The record of one request."""
    lines = [before + PLACEHOLDER.encode() + after for before, after in values(Load("", 1, CHUNKS, 1))]
    for result in fold_lines(lines, settings.policy(), valuation(settings)):
        if isinstance(result, bytes):
            return result
    raise InvariantBroken("the load makes no record")
