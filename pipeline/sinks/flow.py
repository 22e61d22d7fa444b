"""Records on their way from the tail of the topic into the database: gathered in batches, read on while one is written.

Owns batches and their times, what an idle sink does, and the last batch of one that stops. Imports `pipeline.topics`
and the other modules of `sinks`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pipeline.errors import KafkaUnreachable
from pipeline.sinks.intake import Batch, Entry, Intake, Reject
from pipeline.sinks.parquet import export
from pipeline.sinks.plan import Plan, Summary
from pipeline.sinks.stop import Stop, Stopped
from pipeline.sinks.store import Store, Written
from pipeline.sinks.telemetry import Telemetry
from pipeline.topics.reader import Progress, Seen
from pipeline.topics.tail import WAIT_MS, Tail

_T = TypeVar("_T")

PIECE: Final = 1_000
"""Records that are read between two looks at everything else."""
CHARACTERS: Final = 64 << 20
"""A batch is written at this size, whatever its count: content can be long."""
IDLE_SECONDS: Final = 1.0
"""How long nothing has come when a sink has caught up."""
LOOK_SECONDS: Final = 5.0
"""How often Kafka is asked whether it is still there, while nothing comes."""
ANSWER_SECONDS: Final = 5.0


class Grown(Exception):
    """The topic has more partitions than are read."""


@dataclass(frozen=True)
class Desk:
    """What a flow works with.

    Attributes:
        topic: Name of the record topic.
        plan: What is to be done.
        store: Where records go.
        thread: The one that the store is used in.
        stop: Whether to end.
        summary: What is done is added to.
        progress: Told how far `once` has come.
        well: Told that both Kafka and the database do their part.
        telemetry: Told what is read, and when all of it is committed.
    """

    topic: str
    plan: Plan
    store: Store
    thread: ThreadPoolExecutor
    stop: Stop
    summary: Summary
    progress: Progress
    well: Callable[[], None]
    telemetry: Telemetry

    async def database(self, work: Callable[..., _T], *arguments: Any) -> _T:
        """Run something of the store in its thread."""
        return await asyncio.get_running_loop().run_in_executor(self.thread, work, *arguments)

    async def answer(self, asked: Awaitable[_T]) -> _T:
        """An answer of Kafka.

        Raises:
            KafkaUnreachable: there is none in time.
            Stopped: the sink is to end.
        """
        try:
            return await self.stop.unless(asyncio.wait_for(asked, ANSWER_SECONDS))
        except TimeoutError as error:
            raise KafkaUnreachable("Kafka stopped answering", hint="check the brokers") from error


class Flow:
    """What is read and not written yet, from one opening of the tail to its end."""

    def __init__(self, desk: Desk, tail: Tail, positions: Mapping[int, int], ends: Mapping[int, int]) -> None:
        """`positions` are those of the database; `once` ends at `ends`."""
        self._desk, self._tail, self._ends = desk, tail, ends
        self._intake = Intake(desk.topic, content=desk.plan.content)
        self._items: list[Entry | Reject] = []
        self._characters = 0
        self._first = 0.0
        self._begin, self._stored, self._after = positions, dict(positions), dict(positions)
        self._writing: asyncio.Task[Written] | None = None
        self._quiet_since: float | None = None
        self._settled = False
        self._looked = time.monotonic()
        desk.summary.positions = dict(positions)

    async def run(self) -> None:
        """Until the end of `once`.

        Raises:
            Stopped: it was wished; everything that was read is written.
            Grown: the topic has new partitions; everything that was read is written.
            KafkaUnreachable, DatabaseAway: an outage; what was not written is to be read again.
            FoundProblem: retention has gone over what comes next, or the database refuses.
            Fenced: somebody else writes to the database.
        """
        try:
            while not self._at_end():
                await self._turn()
                if self._tail.count() > len(self._tail.partitions):
                    raise Grown
            await self._settle()
        except (Stopped, Grown):
            await self._write()
            raise
        finally:
            if self._writing is not None:  # its end has to be known before the positions are read again
                await asyncio.wait((self._writing,))
                self._writing.exception()  # what is raised already says enough

    async def _turn(self) -> None:
        """Read a piece, and do what it is time for."""
        plan, now = self._desk.plan, time.monotonic()
        wait = WAIT_MS if not self._items else max(1, int(plan.flush_ms - (now - self._first) * 1_000))
        room = min(PIECE, plan.batch - len(self._items))
        taken = await self._desk.stop.unless(self._tail.batch(room, min(wait, WAIT_MS)))
        if taken and not self._items:
            self._first = time.monotonic()
        for records in taken.values():
            items = [self._intake.read(record) for record in records]
            self._items += items
            self._characters += sum(item.size for item in items)
        self._after |= await self._tail.positions()
        if self._due():
            await self._send()
        if self._writing is not None and self._writing.done():
            await self._collect()
        if taken or self._items:
            self._quiet_since, self._settled = None, False
        else:
            await self._rest()

    def _due(self) -> bool:
        plan = self._desk.plan
        if not self._items:
            return False
        full = len(self._items) >= plan.batch or self._characters >= CHARACTERS
        return full or time.monotonic() - self._first >= plan.flush_ms / 1_000 or (plan.once and self._read_all())

    def _read_all(self) -> bool:
        return all(self._after.get(number, 0) >= end for number, end in self._ends.items())

    def _at_end(self) -> bool:
        return self._desk.plan.once and not self._items and self._read_all()

    async def _send(self) -> None:
        """Hand a batch to the database, once it is done with the one before."""
        await self._collect()
        batch = Batch(self._desk.topic, self._items, dict(self._after))
        self._items, self._characters = [], 0
        self._writing = asyncio.ensure_future(self._wrote(batch))

    async def _wrote(self, batch: Batch) -> Written:
        written = await self._desk.database(self._desk.store.write, batch)
        if len(batch.items) < PIECE:  # a trickle, which would never let readers in
            await self._desk.database(self._desk.store.rest)
        self._desk.well()
        self._desk.telemetry.current()
        self._stored |= batch.after
        summary = self._desk.summary
        summary.written += written
        summary.batches += bool(batch.items)
        summary.positions = dict(self._stored)
        done, total = (
            sum(min(at.get(number, 0), end) - self._begin.get(number, 0) for number, end in self._ends.items())
            for at in (self._stored, self._ends)
        )
        self._desk.progress(Seen("written", done, total))
        return written

    async def _collect(self) -> None:
        """Wait for the batch that is on its way; what went wrong with it comes out here."""
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing

    async def _write(self) -> None:
        """Bring everything that was read into the database, and the positions past control records."""
        await self._collect()
        if self._items or self._after != self._stored:
            await self._send()
            await self._collect()

    async def _rest(self) -> None:
        """Nothing has come."""
        now = time.monotonic()
        if self._writing is None:
            self._desk.telemetry.current()
        self._quiet_since = now if self._quiet_since is None else self._quiet_since
        if now - self._quiet_since >= IDLE_SECONDS and not self._settled:
            await self._settle()
            self._settled = True
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            await self._desk.answer(self._tail.ends())

    async def _settle(self) -> None:
        """Caught up: everything is written, exported, and others may have the database."""
        await self._write()
        desk = self._desk
        if desk.plan.parquet is not None:
            for file in await desk.database(export, desk.store.query, desk.plan.parquet):
                if file not in desk.summary.files:
                    desk.summary.files.append(file)
        await desk.database(desk.store.rest)
        desk.well()
