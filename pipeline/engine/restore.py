"""Restore of one partition: fence the past, read the changelogs to a row of our own, then take over (points 2 and 3).

InitProducerId → a fence row with a random token in both changelogs, in one transaction → read each read_committed until
that row appears: control records, an old owner's open transaction and the last stable offset then don't matter → rows
into the store → the working set from the store → the source position from the checkpoint row. Imports aiokafka, the
core's row formats, the store and the transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from pipeline.core.partition import Partition
from pipeline.core.segment import CHECKPOINT_KEY, FORMAT, unpack_checkpoint, unpack_markers
from pipeline.engine.config import MIB, Config
from pipeline.engine.database import Database, Meta
from pipeline.engine.failpoint import failpoint
from pipeline.engine.origin import EARLIEST
from pipeline.engine.preflight import Cluster
from pipeline.engine.store import RequestStore
from pipeline.engine.transaction import Parcel, Receipt, Row, Transactions
from pipeline.engine.trust import Bounds, Start, start_of
from pipeline.errors import BrokerFault, InvariantBroken, StateLost
from pipeline.log import get_logger
from pipeline.settings import patient, right

log = get_logger(__name__)

FENCE_KEY: Final = b"f"
"""Of the row that ends a restore; never in the store."""

PROGRESS_SECONDS: Final = 5.0

ROWS_AT_ONCE: Final = 20_000
"""Rows taken from the client between two looks at the progress."""


@dataclass(frozen=True)
class Ends:
    """What the broker says before anything is written."""

    requests: Bounds
    markers: Bounds
    source: Bounds
    committed: int | None
    origin: int = 0
    """Where a new ledger begins in the source."""


@dataclass
class Reading:
    """How far the two changelogs were read.

    Attributes:
        start: where reading began.
        token: of our fence rows.
        goal: offset of the one in the requests changelog.
        requests, markers: next offsets.
        checkpoint: offset of the last checkpoint row.
        lineage: of the checkpoint rows, from the store or as read.
        confirmed: a checkpoint row of the store's lineage was read, or the store was empty.
        rows: rows read.
        fences: topics whose fence row was read.
        milestones: percentages whose failpoints are still to come.
    """

    start: Start
    token: bytes
    goal: int
    requests: int
    markers: int
    checkpoint: int
    lineage: bytes = b""
    confirmed: bool = False
    rows: int = 0
    fences: set[str] = field(default_factory=set)
    milestones: list[int] = field(default_factory=lambda: [0, 50, 99])

    def restart(self, requests: int, markers: int) -> None:
        """Begin again at these offsets, without what is in the store."""
        self.start = Start(requests, markers, None)
        self.requests = self.checkpoint = requests
        self.markers, self.lineage, self.confirmed = markers, b"", True
        self.fences.clear()

    @property
    def percent(self) -> int:
        """Of the requests changelog, which is the long one where it matters."""
        whole = self.goal - self.start.requests
        return 100 if whole <= 0 else max(0, min(100, (self.requests - self.start.requests) * 100 // whole))


def reader(config: Config, group: str | None = None) -> Any:
    """A consumer of the changelogs; a group that is named is never joined."""
    return patient(
        AIOKafkaConsumer(
            **config.client,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_poll_records=ROWS_AT_ONCE,
            max_partition_fetch_bytes=8 * MIB,
            fetch_max_wait_ms=100,
            request_timeout_ms=int(config.timing.request * 1_000),
        )
    )


class Restore:
    """One restore of one partition; its parts belong to the task afterwards."""

    def __init__(
        self,
        config: Config,
        cluster: Cluster,
        store: RequestStore,
        number: int,
        *,
        told: Callable[[int], object] = lambda _: None,
    ) -> None:
        """Prepare; `run` does it, and tells how many rows it reads as it goes on."""
        self._config, self._cluster, self._store = config, cluster, store
        self._told = told
        self._reading: Reading | None = None
        self.number = number
        self.source = TopicPartition(config.source, number)
        self._requests = TopicPartition(config.changelog, number)
        self._markers = TopicPartition(config.markers, number)
        self.transactions = Transactions(
            config.client, config.transactional_id(number), group=config.group, timing=config.timing
        )
        self.database: Database
        self.partition: Partition
        self.fence: tuple[float, float, int | None] = (0.0, 0.0, None)
        self.end = 0
        """Of the source, when it was looked at."""

    @property
    def share(self) -> float:
        """Of the changelog that is read."""
        return 0.0 if self._reading is None else self._reading.percent / 100

    async def run(self) -> None:
        """Do all of it.

        Raises:
            Fenced: Another owner came after us.
            BrokerFault: Kafka does not answer, or nothing arrives for too long.
            StateLost: The changelog or the chunks that are needed are gone.
            OurFault: The store can't be used.
        """
        started = time.monotonic()
        failpoint("restore.before_init")
        consumer = reader(self._config, self._config.group)  # named only to ask for its offset
        try:
            await consumer.start()
            consumer.assign([self._requests, self._markers, self.source])
            consumer.pause(self.source)
            ends = await self._ends(consumer)
            if ends.requests.begin == ends.requests.end and ends.committed:
                raise self._lost(ends.committed)
            await self._fence()
            failpoint("restore.after_init")
            # Until the fence an owner that still lived could go on: what was seen before may lie behind its position.
            ends = await self._ends(consumer)
            self.end = ends.source.end
            self._reading = reading = await self._begin(ends)
            await self._read(consumer, reading)
        except KafkaError as error:
            refused = right(error, "READ", topic=self._requests.topic, group=self._config.group)
            text = f"the changelog can't be read: {type(error).__name__}"
            raise refused or BrokerFault(text, topic=self._requests.topic, partition=self.number) from error
        finally:
            with contextlib.suppress(KafkaError):  # what it said before is the reason; nobody waits for its goodbye
                await consumer.stop()
        failpoint("restore.before_load")
        await self._load(ends)
        failpoint("restore.after_load")
        failpoint("restore.before_drop_aside")
        self._store.drop_aside(self.number)
        failpoint("restore.after_drop_aside")
        log.info(
            "restored",
            partition=self.number,
            rows=reading.rows,
            open=self.partition.open_count,
            closing=len(self.partition.closing),
            position=self.partition.position,
            seconds=round(time.monotonic() - started, 3),
        )

    async def _ends(self, consumer: Any) -> Ends:
        """Where the logs begin and end now, and what the group last committed."""
        logs = [self._requests, self._markers, self.source]
        begins = await consumer.beginning_offsets(logs)
        ends = await consumer.end_offsets(logs)
        requests, markers, source = (Bounds(begins[tp], ends[tp]) for tp in logs)
        origin = await self._config.origin.offset(consumer, self.source, begin=source.begin, end=source.end)
        return Ends(requests, markers, source, await consumer.committed(self.source), origin)

    async def _fence(self) -> None:
        """InitProducerId; aiokafka looks for a coordinator that is gone for ever."""
        seconds = self._config.timing.restore
        try:
            async with asyncio.timeout(seconds):
                await self.transactions.fence()
        except TimeoutError as error:
            text = f"no transaction coordinator answered for {seconds:g} s"
            raise BrokerFault(text, topic=self.source.topic, partition=self.number) from error

    async def _begin(self, ends: Ends) -> Reading:
        """Write the fence row, and decide whether the local store is used."""
        token = os.urandom(16)
        fence: list[Row] = [(FENCE_KEY, token, [])]
        parcels = [
            Parcel("requests", self._requests.topic, self.number, fence),
            Parcel("markers", self._markers.topic, self.number, fence),
        ]
        sent_at = time.time()
        try:
            async with asyncio.timeout(self._config.timing.transaction):
                receipts: Sequence[Receipt] = await self.transactions.commit("fence", parcels)
        except TimeoutError as error:
            raise BrokerFault(
                "the fence row is not delivered", topic=self._requests.topic, partition=self.number
            ) from error
        self.fence = (sent_at, time.time(), receipts[0].appended)
        failpoint("restore.after_fence")
        goal = receipts[0].last if receipts[0].last >= 0 else ends.requests.end
        self.database = self._store.database(self.number)
        start = start_of(
            self.database.meta,
            requests=Bounds(ends.requests.begin, max(goal, ends.requests.end)),
            markers=Bounds(ends.markers.begin, max(receipts[1].last, ends.markers.end)),
            cluster=self._cluster.cluster_id,
            now=time.time(),
            oldest=self._cluster.store_age,
        )
        if start.distrust is not None:
            self._distrust(start.distrust)
        lineage = self.database.meta.lineage if self.database.meta is not None else b""
        return Reading(
            start, token, goal, start.requests, start.markers, start.requests, lineage, confirmed=not lineage
        )

    def _distrust(self, reason: str) -> None:
        log.warning("local store not used, restoring from the changelog", partition=self.number, reason=reason)
        failpoint("restore.before_distrust")
        self.database = self._store.replace_database(self.number)
        failpoint("restore.after_distrust")

    async def _read(self, consumer: Any, reading: Reading) -> None:
        """Read both changelogs up to our fence rows, and write what is read to the store."""
        consumer.seek(self._requests, reading.start.requests)
        consumer.seek(self._markers, reading.start.markers)
        moved = told = time.monotonic()
        topics = {self._requests.topic, self._markers.topic}
        while reading.fences != topics:
            self._milestones(reading)
            fetched = await consumer.getmany(self._requests, self._markers, timeout_ms=200)
            requests, markers = fetched.get(self._requests, ()), fetched.get(self._markers, ())
            now = time.monotonic()
            if not requests and not markers:
                if now - moved > self._config.timing.restore:
                    text = f"nothing of the changelog arrived for {self._config.timing.restore:g} s"
                    raise BrokerFault(text, topic=self._requests.topic, partition=self.number, offset=reading.requests)
                continue
            moved = now
            if self._foreign(reading, requests):
                await self._start_over(consumer, reading)
                continue
            self._write(reading, requests, markers)
            if reading.fences == topics and not reading.confirmed:
                await self._start_over(consumer, reading)
            if now - told > PROGRESS_SECONDS:
                told = now
                log.info("restoring", partition=self.number, rows=reading.rows, percent=reading.percent)
        self._milestones(reading)

    async def _start_over(self, consumer: Any, reading: Reading) -> None:
        """Read everything, into an empty store: the one that was there is not of this log."""
        self._distrust("it belongs to another life of the changelog")
        begins = await consumer.beginning_offsets([self._requests, self._markers])
        reading.restart(begins[self._requests], begins[self._markers])
        consumer.seek(self._requests, reading.requests)
        consumer.seek(self._markers, reading.markers)

    def _foreign(self, reading: Reading, requests: Sequence[Any]) -> bool:
        """Whether a checkpoint row of another lineage shows that the store is of another log.

        Notes the lineage. The store's own last checkpoint row, or the one that replaced it when the log was compacted,
        is always read again; a log in which there is none is not the store's.
        """
        for record in requests:
            if record.key == CHECKPOINT_KEY:
                lineage = unpack_checkpoint(record.value).lineage
                if reading.lineage and lineage != reading.lineage:
                    return True
                reading.lineage, reading.confirmed = lineage, True
        return False

    def _write(self, reading: Reading, requests: Sequence[Any], markers: Sequence[Any]) -> None:
        """Fetched rows into the store, with how far it then is."""
        for record in requests:
            if record.key == CHECKPOINT_KEY:
                reading.checkpoint = record.offset
        for topic, records in ((self._requests.topic, requests), (self._markers.topic, markers)):
            if any(record.key == FENCE_KEY and record.value == reading.token for record in records):
                reading.fences.add(topic)
        if requests:
            reading.requests = requests[-1].offset + 1
        if markers:
            reading.markers = markers[-1].offset + 1
        reading.rows += len(requests) + len(markers)
        self._told(len(requests) + len(markers))
        self.database.write(
            [(record.key, record.value) for record in requests],
            Meta(
                FORMAT,
                reading.lineage,
                self._cluster.cluster_id,
                reading.checkpoint,
                reading.requests,
                reading.markers,
                time.time(),
            ),
            markers=(row for record in markers if record.key != FENCE_KEY for row in unpack_markers(record.value)),
            without={FENCE_KEY},
        )

    def _milestones(self, reading: Reading) -> None:
        while reading.milestones and reading.percent >= reading.milestones[0]:
            failpoint(f"restore.read_{reading.milestones.pop(0)}")

    async def _load(self, ends: Ends) -> None:
        """The working set from the store; its position must still be in the source topic."""
        config = self._config
        fresh = self.database.get(CHECKPOINT_KEY) is None
        if fresh and ends.committed:
            raise self._lost(ends.committed)
        self.partition = Partition(
            config.policy,
            self.database,
            config.source,
            self.number,
            lineage=os.urandom(8),
            valuation=config.valuation,
        )
        if fresh:
            self.partition.position = ends.origin
            return
        if self._config.origin != EARLIEST:
            log.warning("reset_to not used: the ledger has a position", partition=self.number)
        loading = asyncio.get_running_loop().run_in_executor(None, self.partition.load)
        try:
            await asyncio.shield(loading)
        except asyncio.CancelledError:
            await asyncio.wait([loading])  # the store must not be closed under it
            raise
        except InvariantBroken as error:
            text = "the changelog has holes: rows of open requests are missing"
            raise StateLost(text, topic=self._requests.topic, partition=self.number) from error
        self._check_position(ends)

    def _check_position(self, ends: Ends) -> None:
        position, source = self.partition.position, ends.source
        where: dict[str, Any] = {"topic": self.source.topic, "partition": self.number, "offset": position}
        if position < source.begin:
            text = f"chunks up to {source.begin - 1} expired before they were read"
            raise StateLost(text, hint="their requests can't be billed; a new ledger starts after them", **where)
        if position > source.end:
            text = f"the topic ends at {source.end}, before our position: it was deleted and created again"
            raise StateLost(text, hint="a new ledger starts at its beginning", **where)
        if ends.committed is not None and ends.committed != position:
            log.warning("group offset differs, the checkpoint row decides", group_offset=ends.committed, **where)

    def _lost(self, committed: int) -> StateLost:
        aside = self._store.aside(self.number)
        kept = aside if aside.exists() else self._store.partition_path(self.number)
        return StateLost(
            f"the changelog is gone but the group {self._config.group} has offset {committed}: starting over would "
            "send every record again",
            hint=f"the local store {kept} may be the last copy; a new ledger name starts over on purpose",
            topic=self._requests.topic,
            partition=self.number,
        )
