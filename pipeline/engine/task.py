"""One source partition: owns its working set, its transactions, its store and where its chain of batches stands.

Between two awaits everything is atomic. Imports the parts of the engine that do the work.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from aiokafka.structs import TopicPartition

from pipeline.core.partition import Partition
from pipeline.engine.cadence import Cadence
from pipeline.engine.checkpoint import Checkpointer, Done
from pipeline.engine.config import Config
from pipeline.engine.delivery import NO_CHAIN, Batch
from pipeline.engine.expiry import Expiry
from pipeline.engine.failpoint import failpoint
from pipeline.engine.meter import Meter
from pipeline.engine.preflight import Cluster
from pipeline.engine.restore import Restore
from pipeline.engine.store import RequestStore
from pipeline.engine.watchdog import Progress
from pipeline.engine.watermark import Watermarks
from pipeline.errors import BrokerFault, Fenced, InvariantBroken
from pipeline.log import get_logger

log = get_logger(__name__)

YIELD_SECONDS: Final = 0.005
"""Finalizing gives way to other work so often."""


class Verdict(Enum):
    """What to do with a batch."""

    TAKE = "take"
    STALE = "stale"
    HOLE = "hole"


@dataclass
class Figures:
    """What a partition has done since it was restored."""

    chunks: int = 0
    records: int = 0
    dead_letters: int = 0
    checkpoints: int = 0
    rows: int = 0
    markers: int = 0
    checkpoint_seconds: float = 0.0
    stale: int = 0
    holes: int = 0


@dataclass
class Parts:
    """What exists only once a partition is restored."""

    restore: Restore
    partition: Partition
    checkpointer: Checkpointer
    expiry: Expiry


@dataclass(eq=False)
class PartitionTask:
    """A partition that this worker owns or tries to own."""

    config: Config
    cluster: Cluster
    store: RequestStore
    watermarks: Watermarks
    number: int
    chain: int = NO_CHAIN + 1
    """Later than what was fetched before the first seek: that begins where the group's offset is, not where we are."""
    batch: int = 0
    handed: int = 0
    alive: bool = False
    busy: bool = False
    restoring: asyncio.Future[None] | None = None
    signalled: float = 0.0
    meter: Meter = field(default_factory=Meter)
    waiting: float = 0.0
    """Monotonic time since when something waits for a commit; 0 when nothing does."""
    since: float = 0.0
    """Monotonic time at which it was restored."""
    end: int = 0
    """Of the source, as seen then."""
    figures: Figures = field(default_factory=Figures)

    def __post_init__(self) -> None:
        """Build what needs the settings only."""
        timing = self.config.timing
        self.tp = TopicPartition(self.config.source, self.number)
        self.cadence = Cadence(self.config.checkpoint_interval, hurry=timing.hurry, share=timing.share)
        self.progress = Progress(timing.stall)
        self._lock = asyncio.Lock()
        self._restore: Restore | None = None
        self._parts: Parts | None = None

    # ---- what the engine looks at ------------------------------------------------------------------------------

    @property
    def parts(self) -> Parts:
        """The restored parts.

        Raises:
            InvariantBroken: The partition is not restored.
        """
        if self._parts is None:
            raise InvariantBroken("a partition is used before it is restored", partition=self.number)
        return self._parts

    @property
    def partition(self) -> Partition:
        """The working set."""
        return self.parts.partition

    @property
    def expiry(self) -> Expiry:
        """What time closes."""
        return self.parts.expiry

    @property
    def restored(self) -> bool:
        """Whether it takes chunks."""
        return self._parts is not None and self.alive

    @property
    def lost(self) -> bool:
        """Whether it took chunks until another owner came."""
        return self._parts is not None and not self.alive

    @property
    def share(self) -> float:
        """Of its changelog that is read."""
        return 1.0 if self._parts is not None else self._restore.share if self._restore is not None else 0.0

    def age(self, now: float) -> float:
        """Seconds since when something waits for a commit, at monotonic time `now`; 0 when nothing does."""
        since = self.waiting
        return max(0.0, now - since) if since else 0.0

    @property
    def room(self) -> bool:
        """Whether more chunks may be fetched."""
        ahead = self.handed - self.batch < self.config.batches_ahead
        return ahead and len(self.partition.closing) < self.config.max_closing and not self.full

    @property
    def full(self) -> bool:
        """Whether a checkpoint has to come before more chunks (G5)."""
        return (
            self.partition.pending > self.config.max_pending_chunks
            or self.partition.pending_bytes > self.config.max_pending_bytes
        )

    def checkpoint_due(self, now: float, floor: float) -> bool:
        """Whether a checkpoint should start at monotonic time `now`."""
        partition = self.partition
        hurried = partition.waiting > 0 and not self.behind
        return (self.full or self.cadence.due(now, waiting=hurried, floor=floor)) and partition.dirty

    @property
    def behind(self) -> bool:
        """Whether what was folded last is older than a checkpoint interval.

        Records are late by that much anyway, and a checkpoint that waits writes fewer chunks of requests that end.
        """
        return time.time() - self.partition.clock / 1_000 > self.config.checkpoint_interval

    # ---- batches -----------------------------------------------------------------------------------------------

    def expects(self, batch: Batch) -> Verdict:
        """Whether a batch is next in our chain, was fetched before our last seek, or follows one that is missing."""
        if batch.chain != self.chain:
            return Verdict.STALE if batch.chain < self.chain else Verdict.HOLE
        return Verdict.TAKE if batch.number == self.batch else Verdict.HOLE

    def take(self, batch: Batch) -> list[str]:
        """Fold the next batch; ids of the requests that closed.

        Raises:
            InvariantBroken: The batch lies before the position.
        """
        records, partition = batch.records, self.partition
        if records and records[0].offset < partition.position:
            raise InvariantBroken("a batch begins before our position", partition=self.number, offset=records[0].offset)
        failpoint("apply.before")
        before = partition.pending
        closed = partition.apply(records, batch.end)
        self._wait()
        failpoint("apply.after")
        self.batch += 1
        self.figures.chunks += partition.pending - before
        return closed

    def _wait(self) -> None:
        """Note since when something waits for a commit; a repeated signal finds nothing to do."""
        if not self.waiting and self.partition.dirty:
            self.waiting = time.monotonic()

    async def finalize(self, request_ids: Iterable[str]) -> None:
        """Make the records of closed requests, giving way now and then."""
        turn = time.perf_counter()
        for request_id in request_ids:
            if not self.alive:
                return
            failpoint("finalize.before")
            self.partition.finalize(request_id)
            self._wait()
            failpoint("finalize.after")
            if time.perf_counter() - turn > YIELD_SECONDS:
                await asyncio.sleep(0)
                turn = time.perf_counter()

    # ---- checkpoint --------------------------------------------------------------------------------------------

    async def checkpoint(self) -> None:
        """Write what changed; nothing if the partition was given up meanwhile.

        Raises:
            Fenced, BrokerFault, OurFault: As `Checkpointer.run`.
        """
        async with self._lock:
            if not self.alive:
                return
            started = time.monotonic()
            try:
                done = await self.parts.checkpointer.run()
            except (Fenced, BrokerFault):
                self.meter.aborted()
                raise
            if done is not None:
                ended = time.monotonic()
                self.waiting = started if self.partition.dirty else 0.0
                self.cadence.ran(started, ended)
                self.expiry.skew.measure(done.sent_at, done.answered_at, done.appended)
                self._count(done, ended - started)
                self.meter.committed(done, ended - started)

    def _count(self, done: Done, seconds: float) -> None:
        figures = self.figures
        figures.checkpoints += 1
        figures.checkpoint_seconds += seconds
        figures.rows += done.rows
        figures.markers += done.markers
        figures.records += done.records
        figures.dead_letters += done.dead_letters

    # ---- restore and release -----------------------------------------------------------------------------------

    async def restore(self) -> None:
        """Take the partition over; after a failure `let_go` comes before the next try.

        Raises:
            Fenced, BrokerFault, OurFault: As `Restore.run`.
        """
        restore = self._restore = Restore(self.config, self.cluster, self.store, self.number, told=self.meter.restored)
        await restore.run()
        partition, meta = restore.partition, restore.database.meta
        if meta is None:
            raise InvariantBroken("a restored store has no place in the changelog", partition=self.number)
        config = self.config
        checkpointer = Checkpointer(
            config,
            partition,
            restore.transactions,
            restore.database,
            dead_partitions=self.cluster.dead_partitions,
            meta=meta,
        )
        expiry = Expiry(partition, self.tp, self.watermarks, slack_ms=config.clock_slack, limit=config.sweep)
        expiry.skew.measure(*restore.fence)
        self._parts = Parts(restore, partition, checkpointer, expiry)
        self.since, self.end = time.monotonic(), restore.end
        self.alive = True

    async def release(self, *, checkpoint: bool) -> None:
        """Give the partition up: a last checkpoint if wanted, then let go of producer and store.

        Raises:
            Fenced, BrokerFault, OurFault: As `checkpoint`; everything is closed nevertheless.
        """
        try:
            if checkpoint and self.alive:
                await self.checkpoint()
        finally:
            self.alive = False
            async with self._lock:  # a checkpoint under way ends first, by success or by its deadline
                await self.let_go()

    async def let_go(self) -> None:
        """Close producer and store."""
        if self._restore is not None:
            await self._restore.transactions.stop()
        self.store.close_database(self.number)
