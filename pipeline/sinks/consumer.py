"""The sink: records of the topic into a database, each once, to the end of the topic or on and on.

Owns where it begins, and how it goes on after an outage: anew, at the positions that the database has. Imports
`pipeline.topics` and the other modules of `sinks`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from pipeline.errors import AccessRefused, BrokerFault, DatabaseAway, FoundProblem, StreamledgerError, UsageError
from pipeline.exposition.server import listening
from pipeline.log import get_logger
from pipeline.settings import Settings
from pipeline.sinks.database import masked
from pipeline.sinks.flow import Desk, Flow, Grown
from pipeline.sinks.intake import Batch
from pipeline.sinks.patience import Patience
from pipeline.sinks.plan import Plan, Summary
from pipeline.sinks.stop import Stop, Stopped
from pipeline.sinks.store import Store
from pipeline.sinks.telemetry import Telemetry
from pipeline.topics.reader import Progress, reading
from pipeline.topics.tail import following

_log = get_logger(__name__)

LEAVE_SECONDS: Final = 6.0
"""How long a write may take once the sink is to end; then it is broken off, and its batch is read again next time."""
ONCE_SECONDS: Final = 60.0
"""How long `once` waits for a Kafka or a database that has gone."""


class Sink:
    """One run, in one event loop."""

    def __init__(self, settings: Settings, plan: Plan, progress: Progress = lambda _: None) -> None:
        """Nothing is opened yet."""
        topic = settings.record_topic
        self._settings, self._plan = settings, plan
        self._patience = Patience(ONCE_SECONDS if plan.once else None)
        stop, summary = Stop(), Summary()
        self._telemetry = Telemetry(plan.db, summary, stop)
        self._desk = Desk(
            topic=topic,
            plan=plan,
            store=Store(plan.db, topic),
            thread=ThreadPoolExecutor(1, "database"),
            stop=stop,
            summary=summary,
            progress=progress,
            well=self._well,
            telemetry=self._telemetry,
        )
        self._new: bool | None = None
        self._ends: dict[int, int] = {}

    def stop(self) -> None:
        """Finish what is read, then end; within LEAVE_SECONDS and a little."""
        if not self._desk.stop.wished:
            self._desk.stop.wish()
            asyncio.get_running_loop().call_later(LEAVE_SECONDS, self._desk.store.interrupt)

    async def run(self) -> Summary:
        """Run to the end, or until `stop`.

        Raises:
            KafkaUnreachable: no broker answers at the start, or none has for ONCE_SECONDS.
            DatabaseAway: the same of the database.
            Fenced: somebody else writes to the database.
            FoundProblem: retention has gone over what was to be read next, or the database refuses.
            UsageError: `since` of a database that has positions; its library is not installed; metrics_address can't
                be used.
        """
        started = time.monotonic()
        with listening(self._settings, self._telemetry.shown()):
            self._telemetry.pulse.start()
            try:
                while not await self._ended():
                    pass
            finally:
                self._telemetry.pulse.stop()
                with contextlib.suppress(StreamledgerError):
                    await self._desk.database(self._desk.store.release)
                self._desk.thread.shutdown(wait=False)
        self._desk.summary.seconds = time.monotonic() - started
        return self._desk.summary

    def _well(self) -> None:
        """Kafka and the database do their part."""
        self._patience.over()
        self._telemetry.trouble = None

    async def _ended(self) -> bool:
        """Whether everything is done, after going on for as long as nothing was in the way."""
        stop = self._desk.stop
        try:
            await self._go()
        except Stopped:
            return True
        except Grown:
            _log.info("the topic has new partitions", topic=self._desk.topic)
            return False
        except AccessRefused:
            raise  # nobody mends it by waiting
        except (BrokerFault, DatabaseAway) as gone:
            self._telemetry.trouble = gone.message
            if stop.wished:
                _log.warning("ended in an outage: what is not written is read the next time", reason=gone.message)
                return True
            try:
                await stop.unless(self._patience.wait(gone))
            except Stopped:
                return True
            return False
        return True

    async def _go(self) -> None:
        """From the positions of the database on."""
        desk = self._desk
        positions = await desk.stop.unless(desk.database(desk.store.positions))
        self._patience.back(DatabaseAway)
        positions = await desk.stop.unless(self._first(positions))
        async with contextlib.AsyncExitStack() as stack:
            tail = await desk.stop.unless(stack.enter_async_context(following(self._settings, desk.topic, positions)))
            ends = await desk.answer(tail.ends())
            self._patience.back(BrokerFault)
            self._check(positions, ends)
            self._ends = self._ends or ends
            self._telemetry.follows(tail, ends)
            await Flow(desk, tail, positions, self._ends).run()

    async def _first(self, positions: dict[int, int]) -> dict[int, int]:
        """Where to begin: a new database where it was told to, another where it is, past what is lost if told to."""
        plan, desk = self._plan, self._desk
        if self._new is None:
            self._new = not positions
        if plan.since is not None and not self._new:
            text = f"{masked(plan.db)} has its positions already, and --from is for a new database"
            raise UsageError(text, hint="leave --from out, or name another database")
        if positions and not plan.skip_lost:
            return positions
        async with reading(self._settings, lambda _: None) as topics:
            since = None if positions else plan.since
            numbers = range(topics.partitions(desk.topic))
            firsts = {number: (await topics.bounds(desk.topic, number, since))[0] for number in numbers}
        self._patience.back(BrokerFault)
        if not positions:
            await desk.database(desk.store.write, Batch(desk.topic, after=firsts))
            return firsts
        lost = {number: first for number, first in firsts.items() if positions.get(number, first) < first}
        if lost:
            _log.error("retention went over what was to be read", table="gaps", partitions=sorted(lost))
            await desk.database(desk.store.skip, lost)
        return positions | lost

    def _check(self, positions: Mapping[int, int], ends: Mapping[int, int]) -> None:
        """A position behind the end is one of another topic of that name."""
        for number, position in sorted(positions.items()):
            if position > ends.get(number, 0):
                raise FoundProblem(
                    f"the topic ends at {ends.get(number, 0)}, before the position of the database",
                    hint="was it made anew, or is this another Kafka? give it a database of its own",
                    topic=self._desk.topic,
                    partition=number,
                    offset=position,
                )
