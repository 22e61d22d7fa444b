"""The demo from start to end: Kafka, topics, worker, chunks, a kill, records, audit; at most a database is left behind.

Owns the order of things, the settings of the demo's ledger, and cleaning up, however it ends. Imports its siblings, the
tools of `pipeline.ops`, the sink and `pipeline.settings`.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from pipeline.errors import FOUND_PROBLEM, OK, FoundProblem, KafkaUnreachable, UsageError
from pipeline.ops.demo.accident import Accident, strike
from pipeline.ops.demo.audit import Source, audit
from pipeline.ops.demo.progress import Steps
from pipeline.ops.demo.reader import Reader, passed, read_all, reading, remove
from pipeline.ops.demo.report import Outcome, as_json, as_text
from pipeline.ops.demo.streams import Stream, deliveries, streams
from pipeline.ops.demo.worker import Worker
from pipeline.ops.ending import orderly_end
from pipeline.ops.kafka import embedded
from pipeline.ops.produce import Progress, Sent, produce
from pipeline.settings import NAMES, Settings, client
from pipeline.sinks.consumer import Sink
from pipeline.sinks.plan import Plan
from pipeline.sinks.writer import connect
from pipeline.topics.admin import create, definitions

RECORD_SECONDS: Final = 120.0
"""Deadline for the last record, counted from the last chunk: ten times what it takes on two cores."""

KILL_AT: Final = 0.5
"""Part of the chunks that is in the topic when the worker is killed."""
UNSAVED: Final = 0.05
"""Part of the chunks that is sent right before, so that the worker is at it and has not saved it all."""
INSTANCE: Final = "demo"
"""Static member of the group: else the restarted worker would wait until the session of the killed one has ended."""

PARTITIONS: Final = 4
CHECKPOINT_MS: Final = 200
SESSION_MS: Final = 10_000
"""How long the demo waits for streams that never end."""
GRACE_MS: Final = 8_000
"""Longer than a busy machine takes from the first chunk to the last, the kill between them, so that none comes late; it
runs within the session window."""
SLACK_MS: Final = 1_000
"""One machine has one clock; a foreign Kafka keeps the configured slack."""

Look = Callable[[Settings], None]


def run(settings: Settings, *, own_kafka: bool, as_json: bool, db: Path | None = None, look: Look | None = None) -> int:
    """Run the demo and print what came out of it.

    Args:
        settings: Where Kafka is and how to connect; all else of the demo's ledger is its own.
        own_kafka: Start an embedded Kafka instead.
        as_json: Print one JSON object instead of text.
        db: A DuckDB file to make, in which the records stay; None: nothing stays.
        look: Called after the table while the topics are still there, with the settings of the demo's ledger.

    Returns:
        Exit status: 1 if a record is missing, double or differs from what is expected, or the kill hit nothing
        unfinished.

    Raises:
        BrokerFault: There is no Kafka, or it does not do what it should.
        FoundProblem: The worker ended by itself, or does not get on.
        UsageError: The file is there already, or DuckDB is not installed.
    """
    if db is not None:
        _try(db)
    began = time.monotonic()
    with contextlib.ExitStack() as held:
        outcome, ledger = _perform(held, settings, own_kafka=own_kafka, db=db, stay=look is not None)
        if look is None:
            held.close()
        outcome.seconds["total"] = round(time.monotonic() - began, 2)
        sys.stdout.write(_printed(outcome, json_wanted=as_json))
        sys.stdout.flush()
        if look is not None:
            look(ledger)
    return OK if outcome.passed else FOUND_PROBLEM


def _printed(outcome: Outcome, *, json_wanted: bool) -> str:
    if json_wanted:
        return json.dumps(as_json(outcome), ensure_ascii=False) + "\n"
    return "".join(line + "\n" for line in as_text(outcome))


def _try(db: Path) -> None:
    """See that the file can be made, before anything is started.

    Raises:
        UsageError: It is there, or DuckDB is not installed.
        FoundProblem: It can't be made.
    """
    if db.exists():
        raise UsageError(f"{db} is there already", hint="name another file: this one may have somebody's records")
    connect(str(db), threading.Event()).close()
    db.unlink()


def _perform(
    held: contextlib.ExitStack, settings: Settings, *, own_kafka: bool, db: Path | None, stay: bool
) -> tuple[Outcome, Settings]:
    """Everything but the printing; what is started or made is gone with `held`, but for `db`.

    Topics on a Kafka that goes on are gone when this returns, unless they are to `stay` as long.
    """
    held.enter_context(orderly_end())
    home = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="streamledger-demo-")))
    with Steps() as steps:
        servers = settings.bootstrap_servers
        if own_kafka:
            with steps.step("kafka", "starting an embedded Kafka"):
                servers = held.enter_context(embedded(steps.say))
        ledger = ledger_settings(settings, servers, home / "data", own_kafka=own_kafka)
        performance = _Performance(ledger, home / "worker.log", steps, db)
        if stay and not own_kafka:
            held.callback(lambda: asyncio.run(performance.clean()))
        outcome = asyncio.run(performance.run(keep_topics=own_kafka or stay))
    outcome.kafka = "embedded Kafka, nothing leaves this machine" if own_kafka else f"Kafka at {servers}"
    return outcome, ledger


def ledger_settings(settings: Settings, servers: str, data_dir: Path, *, own_kafka: bool) -> Settings:
    """Settings of the demo's ledger: the way to Kafka from the user's, the rest is what makes a demo short.

    On a Kafka that is not ours every name is new, so that nothing of the user's is touched.
    """
    name = "demo" if own_kafka else f"demo-{uuid.uuid4().hex[:8]}"
    connection = {key: getattr(settings, key) for key in NAMES if key.startswith(("security_", "sasl_", "ssl_"))}
    return Settings(
        **({} if own_kafka else connection),
        bootstrap_servers=servers,
        ledger=name,
        data_dir=data_dir,
        chunk_topic=f"{name}.chunks",
        record_topic=f"{name}.records",
        dead_topic=f"{name}.dead",
        partitions=PARTITIONS,
        replication=1 if own_kafka else settings.replication,
        checkpoint_interval=CHECKPOINT_MS,
        finish_grace=GRACE_MS,
        attempt_grace=GRACE_MS,
        session_window=SESSION_MS,
        clock_slack=SLACK_MS if own_kafka else settings.clock_slack,
        log_format="json",
    )


class _Performance:
    """One run on a Kafka that is there."""

    def __init__(self, ledger: Settings, log: Path, steps: Steps, db: Path | None = None) -> None:
        self._ledger = ledger
        self._db = db
        self._client = client(ledger)
        self._log = log
        self._steps = steps

    async def run(self, *, keep_topics: bool) -> Outcome:
        """Topics, then all the rest; topics of a Kafka that goes on are deleted at the end."""
        wanted = definitions(self._ledger)
        try:
            with self._steps.step("topics", f"creating {len(wanted)} topics with {PARTITIONS} partitions each"):
                await create(self._client, wanted)
            return await self._play(streams())
        except KafkaUnreachable:
            keep_topics = True  # there is nobody to delete them
            raise
        finally:
            if not keep_topics:
                await self.clean()

    async def clean(self) -> None:
        """Delete the topics; those that stay are named."""
        if left := await remove(self._client, [topic.name for topic in definitions(self._ledger)]):
            self._steps.say(f"these topics could not be deleted: {', '.join(left)}")

    async def _play(self, sent: Sequence[Stream]) -> Outcome:
        """Chunks in, the worker killed in their midst, records out, then the audit."""
        lines = deliveries(sent)
        with Worker(self._ledger, self._log, instance=INSTANCE) as worker:
            try:
                async with reading(self._client, self._ledger.record_topic) as reader:
                    with self._steps.step("worker", "starting a worker"):
                        await worker.ready()
                    accident, records = await self._deliver(worker, reader, lines)
                    status = await self._collect(worker, reader, records, len(sent))
            except FoundProblem:
                self._quote(worker)
                raise
        with self._steps.step("audit", "folding the same chunks offline and comparing"):
            outcome = await self._judge(sent, [record.value for record in records], accident, status)
        if not outcome.passed:
            self._quote(worker)
        if self._db is not None:
            with self._steps.step("database", f"keeping the records in {self._db}"):
                await Sink(self._ledger, Plan(db=str(self._db), once=True)).run()
            outcome.db = self._db
        return outcome

    def _quote(self, worker: Worker) -> None:
        """Show what the worker said last: its log goes with the demo."""
        for line in worker.tail():
            self._steps.say(line)

    async def _deliver(self, worker: Worker, reader: Reader, lines: list[bytes]) -> tuple[Accident, list[Any]]:
        """All chunks to the topic, and the accident while they come; the records that were read meanwhile."""
        killed_at = int(len(lines) * KILL_AT)
        saved = killed_at - int(len(lines) * UNSAVED)
        publishing = f"publishing {killed_at:,} of {len(lines):,} chunks"
        with self._steps.step("publish", publishing, total=killed_at) as advance:
            await self._send(lines[:saved], lambda state: advance(state.chunks))
            await passed(self._client, self._ledger.ledger, saved, worker.check)
            await self._send(lines[saved:killed_at], lambda state: advance(saved + state.chunks))

        async def go_on() -> Sent:
            total = len(lines) - killed_at
            with self._steps.step("rest", "publishing the rest while it restarts", total=total) as advance:
                return await self._send(lines[killed_at:], lambda state: advance(state.chunks))

        with self._steps.step("accident", f"killing the worker at chunk {killed_at:,}, starting it again"):
            return await strike(worker, reader, go_on, killed_at=killed_at, seconds=RECORD_SECONDS)

    async def _send(self, lines: Sequence[bytes], progress: Progress) -> Sent:
        return await produce(io.BytesIO(b"\n".join(lines)), self._ledger, progress=progress)

    async def _collect(self, worker: Worker, reader: Reader, found: list[Any], wanted: int) -> int | None:
        """Add the records still to come, also those after the last expected one; the status the worker ended with."""
        with self._steps.step("records", "waiting for records", total=wanted) as advance:
            deadline = time.monotonic() + RECORD_SECONDS
            while len({record.key for record in found}) < wanted and time.monotonic() < deadline:
                worker.check()
                found += await reader.some()
                advance(len({record.key for record in found}))
        with self._steps.step("stop", "stopping the worker"):
            status = await worker.stop()
            found += await reader.rest()
        return status

    async def _judge(
        self, sent: Sequence[Stream], records: Sequence[bytes], accident: Accident, status: int | None
    ) -> Outcome:
        """The audit, on what the topics really hold."""
        chunks = await read_all(self._client, self._ledger.chunk_topic)
        dead = await read_all(self._client, self._ledger.dead_topic)
        sources = [Source(each.topic, each.partition, each.offset, each.timestamp, each.value) for each in chunks]
        return Outcome(
            sent=sent,
            delivered=len(chunks),
            accident=accident,
            records=[json.loads(value) for value in records],
            audit=audit(sent, records, sources, self._ledger),
            dead=Counter(dict(each.headers)["dl.reason"].decode() for each in dead),
            worker_status=status,
            seconds=self._steps.seconds,
        )
