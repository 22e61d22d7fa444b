"""All partitions of one worker: take over on assignment, give up on revocation, keep moving, end it all on failure.

Agents and the timer of the app call in here; everything they need of Faust comes through `Host`. Imports the parts of
the engine and `pipeline.errors`.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Final, NamedTuple, NoReturn, Protocol

from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import TopicPartition
from faust.types import TP

from pipeline.engine.config import Config
from pipeline.engine.delivery import Batch
from pipeline.engine.failpoint import failpoint
from pipeline.engine.meter import Meter
from pipeline.engine.preflight import Cluster
from pipeline.engine.store import RequestStore
from pipeline.engine.task import PartitionTask, Verdict
from pipeline.engine.watchdog import EXIT
from pipeline.engine.watermark import Watermarks
from pipeline.errors import AccessRefused, BrokerFault, Fenced, InvariantBroken
from pipeline.log import get_logger
from pipeline.settings import right

log = get_logger(__name__)

AGAIN_SECONDS: Final = 1.0
"""Between two tries of a restore."""

REPEAT_SECONDS: Final = 1.0
"""Signals to the finalizer may be lost; what is still closing after this is signalled again."""


class CloseSignal(NamedTuple):
    """Requests of a partition that closed; may be lost or repeated, the partition's `closing` is the truth."""

    task: PartitionTask
    request_ids: list[str]


class Host(Protocol):
    """What the engine needs of the Faust app."""

    def assigned(self) -> set[TP]:
        """Partitions of the source topic that the group gave us."""

    async def start_chain(self, tp: TP, offset: int, chain: int) -> None:
        """Seek; batches fetched from there on carry `chain`."""

    async def signal(self, signal: CloseSignal) -> None:
        """Hand closed requests to the finalizer."""

    def joined(self) -> bool:
        """Whether the group knows us and wants nothing of us; asked from any thread, as the next two."""

    def silence(self, now: float) -> float:
        """Seconds since Kafka last answered, at monotonic time `now`."""

    def end(self, tp: TopicPartition) -> int | None:
        """Where the partition ended when it was last fetched; None before that."""


class Engine:
    """The partitions of one worker."""

    def __init__(
        self, config: Config, cluster: Cluster, store: RequestStore, host: Host, meter: Meter | None = None
    ) -> None:
        """Start without partitions."""
        self.meter = Meter() if meter is None else meter
        self.config, self.cluster = config, cluster
        self.watermarks = Watermarks(config)
        self.tasks: dict[int, PartitionTask] = {}
        """Restored and taking chunks, by partition number."""
        self.owned: dict[int, PartitionTask] = {}
        """The same and those still restoring."""
        self.ready = False
        """Whether what the group gave us is restored."""
        self.host, self._store = host, store
        self._chains = itertools.count(1)
        self._revocations = 0
        self._restores = asyncio.Semaphore(config.restores)
        self._turns: set[asyncio.Future[None]] = set()
        self._past: dict[str, float] = {}
        self.end = os._exit

    # ---- what the agents and the timer call --------------------------------------------------------------------

    async def accumulate(self, batch: Batch) -> None:
        """Fold a batch if it is the one expected next."""
        task = self.tasks.get(batch.tp.partition)
        if task is None or not task.alive:
            return  # revoked, restoring or fenced: the next owner reads it from the checkpoint
        verdict = task.expects(batch)
        if verdict is Verdict.STALE:
            task.figures.stale += 1
        elif verdict is Verdict.HOLE:
            task.figures.holes += 1
            log.warning("a batch is missing, reading again", partition=task.number, position=task.partition.position)
            await self._seek(task)
        else:
            closed = task.take(batch)
            log.debug("folded", partition=task.number, position=batch.end, closed=len(closed))
            if closed:
                await self.host.signal(CloseSignal(task, closed))
        await asyncio.sleep(0)  # a full queue never suspends its reader

    def has_room(self, tp: TP) -> bool:
        """Whether more may be fetched of a partition: it is not behind with folding, records or checkpoints (G5)."""
        task = self.tasks.get(tp.partition) if tp.topic == self.config.source else None
        return task is None or task.room

    def handed(self, batch: Batch) -> None:
        """A batch is on its way to the agent."""
        task = self.tasks.get(batch.tp.partition)
        if task is not None and batch.chain == task.chain:
            task.handed = batch.number + 1

    async def finalize(self, signal: CloseSignal) -> None:
        """Make the records of closed requests; the partition's next checkpoint carries them."""
        if signal.task.alive:
            await signal.task.finalize(signal.request_ids)

    def tick(self) -> None:
        """Start a turn of each partition that has something to do and is not at it."""
        now, floor = time.monotonic(), len(self.tasks) / self.config.transactions
        for task in self.tasks.values():
            if task.alive and not task.busy and self._due(task, now, floor):
                task.busy = True
                turn = asyncio.ensure_future(self._guarded(task, self._turn(task, now, floor)))
                self._turns.add(turn)
                turn.add_done_callback(self._turns.discard)

    def _due(self, task: PartitionTask, now: float, floor: float) -> bool:
        expiry = task.expiry
        return (
            expiry.stream_due
            or expiry.wall_due(now)
            or task.checkpoint_due(now, floor)
            or self._unsignalled(task, now)
            or task.progress.suspicious(task.partition.position, now)
        )

    async def _turn(self, task: PartitionTask, now: float, floor: float) -> None:
        """Close what time closes, checkpoint, and see that the partition moves."""
        try:
            expiry = task.expiry
            closed = expiry.by_stream() if expiry.stream_due else []
            if expiry.wall_due(now):
                closed += await expiry.by_wall()
            if self._unsignalled(task, now):
                closed = list(task.partition.closing)
            if closed and task.alive:
                task.signalled = now
                await self.host.signal(CloseSignal(task, closed))
                await asyncio.sleep(0)
            if task.checkpoint_due(time.monotonic(), floor):
                await task.checkpoint()
            await self._watch(task)
        finally:
            task.busy = False

    def _unsignalled(self, task: PartitionTask, now: float) -> bool:
        """Whether requests have been closing for so long that their signal must have been lost."""
        if not task.partition.closing:
            task.signalled = now
        return now - task.signalled > REPEAT_SECONDS

    async def _watch(self, task: PartitionTask) -> None:
        """Records are waiting but none came for a while: read them again, then give up (FAUST R1)."""
        now, position = time.monotonic(), task.partition.position
        if not task.progress.suspicious(position, now):
            return
        end = await self.watermarks.stable(task.tp)
        if not task.alive or task.partition.position != position:
            return
        if not task.progress.looked(waiting=end is not None and end > position, now=now):
            return
        where = {"partition": task.number, "position": position, "end": end}
        if task.progress.stalls > self.config.stalls:
            raise InvariantBroken(
                "records wait and none arrives", topic=task.tp.topic, partition=task.number, offset=position
            )
        log.warning("no progress, reading again", attempt=task.progress.stalls, **where)
        await self._seek(task)

    # ---- assignment and revocation -----------------------------------------------------------------------------

    async def restore_assigned(self) -> bool:
        """Take over what the group gave us; False if it took something back meanwhile."""
        failpoint("assign.before")
        revocations, started = self._revocations, time.monotonic()
        assigned = {tp.partition for tp in self.host.assigned()}
        for number in set(self.owned) - assigned:
            await self._release(number, checkpoint=False)
        await asyncio.gather(*(self._take_over(number) for number in sorted(assigned - set(self.tasks))))
        failpoint("assign.after")
        self.ready = revocations == self._revocations
        log.info(
            "assigned",
            partitions=sorted(assigned),
            seconds=round(time.monotonic() - started, 3),
            ready=self.ready,
            store_bytes=self._store.memory.used,
        )
        return self.ready

    async def _take_over(self, number: int) -> None:
        if number in self.owned:
            await self._release(number, checkpoint=False)  # left over from a restore that was cancelled
        task = PartitionTask(self.config, self.cluster, self._store, self.watermarks, number, meter=self.meter)
        self.owned[number] = task
        job = task.restoring = asyncio.ensure_future(self._restore(task))
        try:
            await job
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if not job.cancelled() or (current is not None and current.cancelling()):
                raise  # cancelled from outside, not by a revocation
        except Fenced as error:
            self._fenced(task, error)
        except Exception as error:  # noqa: BLE001 (the process ends, whatever it was)
            self.fail(error)
        if task.alive and self.owned.get(number) is task:
            self.tasks[number] = task

    async def _restore(self, task: PartitionTask) -> None:
        """Restore; a broker that fails meanwhile is given as long as a restore may stand still.

        One that has just come back knows its leaders and coordinators only some seconds later. Nothing is ours yet, and
        each try fences the one before; but also a new owner, so that whoever has lost the group waits for its word.
        """
        async with self._restores:
            patience = self.config.timing.restore
            deadline = time.monotonic() + patience
            while True:
                try:
                    return await task.restore()
                except BrokerFault as error:
                    if isinstance(error, AccessRefused) or time.monotonic() > deadline:
                        raise
                    log.warning("restore failed, trying again", partition=task.number, reason=error.message)
                await task.let_go()
                await asyncio.sleep(AGAIN_SECONDS)
                while not self.host.joined():  # ends by a revocation, or with the process: see membership
                    await asyncio.sleep(AGAIN_SECONDS)
                    deadline = time.monotonic() + patience

    async def seek_all(self) -> None:
        """Read every partition from its checkpoint row on."""
        for task in list(self.tasks.values()):
            await self._seek(task)

    async def _seek(self, task: PartitionTask) -> None:
        task.chain, task.batch, task.handed = next(self._chains), 0, 0
        with suppress(IllegalStateError):  # not ours any more: the revocation is on its way
            await self.host.start_chain(TP(*task.tp), task.partition.position, task.chain)

    async def release_all(self, why: str) -> None:
        """Give everything up, with a last checkpoint; nothing of ours is open when this returns."""
        self._revocations += 1
        self.ready = False
        owned, started = list(self.owned), time.monotonic()
        if not owned:
            return
        failpoint("revoke.before")
        await asyncio.gather(*(self._release(number, checkpoint=True) for number in owned))
        failpoint("revoke.after")
        log.info("released", partitions=sorted(owned), reason=why, seconds=round(time.monotonic() - started, 3))

    async def _release(self, number: int, *, checkpoint: bool) -> None:
        self.tasks.pop(number, None)  # from here on the agent ignores its batches
        task = self.owned.pop(number, None)
        if task is None:
            return
        if task.restoring is not None and not task.restoring.done():
            log.info("revoked while restoring", partition=number)
            task.restoring.cancel()
            await asyncio.wait([task.restoring])
        try:
            await task.release(checkpoint=checkpoint)
            failpoint("revoke.after_checkpoint")
        except Fenced:
            log.warning("fenced while releasing, working set dropped", partition=number)
            self.meter.fenced()
        except Exception as error:  # noqa: BLE001 (the process ends, whatever it was)
            self.fail(error)
        for name, value in asdict(task.figures).items():
            self._past[name] = self._past.get(name, 0) + value

    async def stop(self) -> None:
        """Close what belongs to no partition."""
        await self.watermarks.stop()

    # ---- failure -----------------------------------------------------------------------------------------------

    async def _guarded(self, task: PartitionTask, work: Awaitable[None]) -> None:
        try:
            await work
        except Fenced as error:
            if task.alive:
                self._fenced(task, error)
        except Exception as error:  # noqa: BLE001 (the process ends, whatever it was)
            if task.alive:
                self.fail(error)

    def _fenced(self, task: PartitionTask, error: Fenced) -> None:
        """Another owner exists: drop the working set and wait for the group to say so; end if it does not."""
        log.warning("fenced, working set dropped", partition=task.number)
        self.meter.fenced()
        task.alive = False
        self.tasks.pop(task.number, None)

        def still_owned() -> None:
            if self.owned.get(task.number) is task:
                self.fail(error)

        asyncio.get_running_loop().call_later(self.config.timing.fenced, still_owned)

    def unreadable(self, error: KafkaError) -> NoReturn:
        """The consumer can't go on: an offset out of range, a corrupt batch, a missing right."""
        where = {"topic": self.config.source, "group": self.config.group}
        refused = right(error, "READ", **where)
        fault = refused or BrokerFault(f"chunks can't be read: {error}", topic=self.config.source)
        fault.__cause__ = error
        self.fail(fault)

    @contextmanager
    def fatal_errors(self) -> Iterator[None]:
        """Bodies of agents run inside: Faust would count an exception as processed and go on (FAUST C1)."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 (the process ends, whatever it was)
            self.fail(error)

    def fail(self, error: BaseException) -> NoReturn:
        """Fence ourselves off, say one line, end the process; the next start takes up from the last checkpoint."""
        for task in self.owned.values():
            task.alive = False
        log.critical("worker ends", exit_code=EXIT, exc_info=error)
        logging.shutdown()
        self.end(EXIT)
        raise error  # only where `end` is a test's

    # ---- figures -----------------------------------------------------------------------------------------------

    async def drained(self) -> bool:
        """Whether every chunk that can be read is folded and checkpointed, and nothing is closing."""
        for task in list(self.tasks.values()):
            partition = task.partition
            if partition.closing or partition.dirty or await self.watermarks.stable(task.tp) != partition.position:
                return False
        return self.ready

    @property
    def memory(self) -> int:
        """Bytes that the stores have in memory."""
        return self._store.memory.used

    def figures(self) -> dict[str, float]:
        """What this worker has done since it started, and what it holds."""
        totals = dict(self._past)
        for task in self.owned.values():
            for name, value in asdict(task.figures).items():
                totals[name] = totals.get(name, 0) + value
        totals["open"] = sum(task.partition.open_count for task in self.tasks.values())
        totals["partitions"] = len(self.tasks)
        totals["store_bytes"], totals["put_bytes"] = self._store.memory.used, self._store.memory.put
        return totals
