"""Batches in chains: one Faust event is what was fetched of one partition; none can be skipped or swapped unnoticed.

Faust can lose or reorder fetched records (queues cleared in a rebalance, its own offset filter, flow control), and
offsets can't show it: control records leave legal gaps. So each seek of ours starts a numbered chain in the consumer's
thread; between taking records from the client and numbering them there is no await. A partition's task takes only the
batch it expects next. Stock Faust spends two asyncio tasks per message; here it is two per batch.

Imports Faust's aiokafka driver.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from pipeline.engine.config import MIB
from pipeline.engine.fetched import Consumer, lean
from pipeline.engine.loop import loop_factory
from pipeline.engine.membership import OUTSIDE, Place, place_of, silence_of
from pipeline.engine.noise import LIBRARY
from pipeline.settings import patient

if TYPE_CHECKING:
    from pipeline.engine.app import EngineApp
    from pipeline.engine.engine import Engine

NO_CHAIN: Final = -1
"""Of batches that were fetched before any seek of ours."""

BUSY_SECONDS: Final = 0.01
"""Between two looks while a partition has enough to do; Faust waits a second here, even for the others."""

NOTHING_SECONDS: Final = 0.2
"""Between two looks of a worker that was given no partition."""

FOREVER_MS: Final = 10 * 365 * 86_400_000
"""Ten years."""

FETCH_WAIT_MS: Final = 500
"""Longest wait of the broker for the first record: nothing delays a record, but a seek waits for a fetch under way."""


class Batch(NamedTuple):
    """Records of one partition, fetched together.

    Attributes:
        tp: Where they are from.
        records: Lean ones (see fetched), maybe none when only control records were passed.
        chain: Number of the seek they follow.
        number: Place in the chain, from 0.
        end: Position of the consumer after them, also past control records.
    """

    tp: TP
    records: Sequence[Any]
    chain: int
    number: int
    end: int


class Chains:
    """The numbering of the consumer's thread; touched from nowhere else."""

    def __init__(self) -> None:
        """No partition has a chain yet."""
        self._chains: dict[TP, tuple[int, int, int]] = {}

    def start(self, tp: TP, chain: int, offset: int) -> None:
        """Begin a chain at an offset."""
        self._chains[tp] = (chain, 0, offset)

    def add(self, tp: TP, records: Sequence[Any], end: int) -> Batch | None:
        """The next batch of a partition; None if nothing was passed since the one before."""
        chain, number, before = self._chains.get(tp, (NO_CHAIN, 0, end))
        if not records and end <= before:
            return None
        self._chains[tp] = (chain, number + 1, end)
        return Batch(tp, records, chain, number, end)


class BatchThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread; everything that touches aiokafka's consumer is here."""

    app: EngineApp
    logger = LIBRARY

    def __post_init__(self) -> None:
        """Add the chains."""
        super().__post_init__()
        self._chains = Chains()

    def _create_worker_consumer(self, transport: Any) -> Any:
        """Read committed, fail on a lost position, wait less on an empty topic.

        Replaces faust.transport.drivers.aiokafka.AIOKafkaConsumerThread._create_worker_consumer.
        """
        config, conf = self.app.engine.config, self.app.conf
        timing = config.timing
        self._assignor = self.app.assignor
        return patient(
            Consumer(
                **config.client,
                client_id=conf.broker_client_id,
                group_id=conf.id,
                group_instance_id=config.instance,
                partition_assignment_strategy=[self._assignor],
                isolation_level="read_committed",
                enable_auto_commit=False,
                # A position that is not in the log must be an error: `earliest` would skip expired chunks silently.
                auto_offset_reset="none",
                max_poll_records=config.poll,
                max_partition_fetch_bytes=MIB,
                fetch_max_wait_ms=FETCH_WAIT_MS,
                request_timeout_ms=int(max(timing.request, timing.rebalance + 5) * 1_000),
                session_timeout_ms=int(timing.session * 1_000),
                heartbeat_interval_ms=int(timing.heartbeat * 1_000),
                rebalance_timeout_ms=int(timing.rebalance * 1_000),
                # A restore, or a worker without a partition, fetches nothing for as long as it takes, and who is sent
                # away for that may not get in again; a stall is the watchdog's business.
                max_poll_interval_ms=FOREVER_MS,
            )
        )

    async def start_chain(self, tp: TP, offset: int, chain: int) -> None:
        """Seek, and number what is fetched from there on."""
        await self.call_thread(self._start_chain, tp, offset, chain)

    async def _start_chain(self, tp: TP, offset: int, chain: int) -> None:
        # The seek drops what was fetched ahead, so the next records taken begin at `offset`.
        self._ensure_consumer().seek(TopicPartition(tp.topic, tp.partition), offset)
        self._chains.start(tp, chain, offset)

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 (the signature is Faust's)
        max_records: int | None = None,
    ) -> Any:
        """Number what was fetched, and what was passed without a record: a commit marker moves the position, too.

        Wraps AIOKafkaConsumerThread._fetch_records; leans on aiokafka.consumer.fetcher.Fetcher.fetched_records, which
        returns what it took without another await, and on its `_records`.
        """
        source, fetcher = self.app.engine.config.source, consumer._fetcher
        lean(consumer, source)
        fetched: dict[TP, Any] = dict(
            await super()._fetch_records(consumer, active_partitions, timeout, max_records),
        )
        # No await from here on: records, position and number belong together.
        if not self.consumer.flow_active:
            return {}
        subscription = consumer._subscription.subscription
        assignment = subscription.assignment if subscription is not None else None
        if assignment is None:
            return {}
        waiting = fetcher._records
        for tp in [*active_partitions]:
            if tp.topic != source:
                continue
            records = fetched.pop(tp, ())
            # What still lies in the client may be an error that has moved the position: not passed, but in the way.
            if not records and tp in waiting:
                continue
            state = assignment.state_value(TopicPartition(tp.topic, tp.partition))
            if state is None or not state.has_valid_position:
                continue
            batch = self._chains.add(TP(tp.topic, tp.partition), records, state.position)
            if batch is not None:
                fetched[batch.tp] = batch
        return fetched

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Faust seeks only topics of its own; ours are sought from the checkpoint row.

        Wraps AIOKafkaConsumerThread.seek_to_committed.
        """
        consumer = self._ensure_consumer()
        others = [tp for tp in consumer.assignment() if tp.topic not in self.app.engine_topics]
        if not others:
            return {}
        return cast("Mapping[TP, int]", await self.call_thread(consumer.seek_to_committed, *others))


class BatchConsumer(driver.Consumer):
    """Faust's consumer, handing whole batches to the agent and committing nothing of ours."""

    app: EngineApp
    logger = LIBRARY
    _thread: BatchThread

    @property
    def _engine(self) -> Engine:
        return self.app.engine

    def _new_consumer_thread(self) -> BatchThread:
        """Our thread, on a loop of the worker's kind.

        Replaces faust.transport.drivers.aiokafka.Consumer._new_consumer_thread.
        """
        factory = loop_factory()
        loop = factory() if factory is not None else None
        return BatchThread(self, loop=self.loop, thread_loop=loop, beacon=self.beacon)

    async def start_chain(self, tp: TP, offset: int, chain: int) -> None:
        """Seek a partition; batches fetched from there on carry `chain`."""
        await self._thread.start_chain(tp, offset, chain)

    def place(self) -> Place:
        """In the group; read from another thread than the client's, which is only looking."""
        consumer = self._thread._consumer
        return OUTSIDE if consumer is None else place_of(consumer)

    def silence(self, now: float) -> float:
        """Seconds since a broker last answered, at monotonic time `now`; from any thread."""
        consumer = self._thread._consumer
        return 0.0 if consumer is None else silence_of(consumer, now)

    def end(self, tp: TopicPartition) -> int | None:
        """High watermark of the last fetch; read from another thread than the client's, as `place`."""
        consumer = self._thread._consumer
        subscription = None if consumer is None else consumer._subscription.subscription
        assignment = None if subscription is None else subscription.assignment
        state = None if assignment is None else assignment.state_value(tp)
        return None if state is None else state.highwater

    async def perform_seek(self) -> None:
        """After a rebalance: also our partitions; wraps faust.transport.consumer.Consumer.perform_seek."""
        await super().perform_seek()
        await self._engine.seek_all()

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109 (as above)
        """One message per fetched batch, of partitions that have room; the chain decides what is taken, not offsets.

        Replaces faust.transport.consumer.Consumer.getmany and _wait_next_records, which hand over record by record, and
        whose flow control starves partitions: which one may go on is the order of a set.
        """
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]  # as in the function replaced
        generation, engine = self.app.consumer_generation_id, self._engine
        every = self._get_active_partitions()
        active = {tp for tp in every if engine.has_room(tp)}
        if not active:
            await self.sleep(BUSY_SECONDS if every else NOTHING_SECONDS)
            return
        wait = timeout if len(active) == len(every) else BUSY_SECONDS
        try:
            fetched: Mapping[TP, Any] = await self._getmany(active, wait)
        except IllegalStateError:
            return  # the assignment changed under the fetch; the rebalance seeks again
        except KafkaError as error:
            engine.unreadable(error)
        for tp, found in (fetched or {}).items():
            if self.should_stop or not self.flow_active or generation != self.app.consumer_generation_id:
                return  # a rebalance is under way; what is dropped here is read again from the checkpoint
            if isinstance(found, Batch):
                engine.handed(found)
                yield tp, self._batch_message(found)
            else:
                for record in found:
                    yield tp, self._to_message(tp, record)

    def _batch_message(self, batch: Batch) -> ConsumerMessage:
        """A Faust message whose value is the batch."""
        self._read_offset[batch.tp] = None  # Faust's own filter by offset is off
        return ConsumerMessage(
            batch.tp.topic,
            batch.tp.partition,
            batch.end - 1,
            None,  # type: ignore[arg-type]  # Faust's own messages have none either when the broker sends none
            0,
            [],
            None,
            cast("bytes", batch),
            None,
            0,
            0,
            batch.tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Second lock on the door: Faust never commits our topics; the first is `acks=False`.

        Wraps faust.transport.consumer.ThreadDelegateConsumer._commit.
        """
        return await super()._commit(
            {tp: offset for tp, offset in offsets.items() if tp.topic not in self.app.engine_topics}
        )

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing: it reports paused changelogs as stalls; the engine's watchdog looks at positions.

        Replaces faust.transport.drivers.aiokafka.Consumer.verify_event_path.
        """


class BatchTransport(driver.Transport):
    """Faust's aiokafka transport with our consumer."""

    Consumer = BatchConsumer
