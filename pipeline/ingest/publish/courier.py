"""The sending side of a publisher: carries what waits to Kafka, or to disk while Kafka is away.

Owns when to connect, when Kafka counts as away, and who is told. Everything here runs on the engine's thread. Imports
this package, errors, log and settings.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Final

from pipeline.errors import KafkaUnreachable, StreamledgerError
from pipeline.ingest.publish.connection import Connection, fault, too_large
from pipeline.ingest.publish.outbox import Outbox
from pipeline.ingest.publish.policy import Policy
from pipeline.ingest.publish.reporter import Reporter
from pipeline.ingest.publish.stats import Kind
from pipeline.ingest.publish.stock import ROUND_CHUNKS, Stock
from pipeline.log import get_logger
from pipeline.settings import Settings

TICK: Final = 0.05
"""Seconds between two looks at whether the spool is needed."""

LOOK_SECONDS: Final = 30.0
"""Seconds between two looks for what the dead left in the spool's directory."""

SLOWEST: Final = 60.0
"""Longest wait for one delivery. It begins with the patience; each wait in vain doubles it, so that a Kafka that is
slow is not sent the same for ever, and each delivery halves it."""

IDLE_ROUNDS: Final = 20
"""Empty looks before the sender sleeps and has to be woken, which costs whoever publishes a system call."""

TURN: Final = 32
"""Of what taps have seen, how much is translated before other tasks and threads get their turn: about a millisecond."""

_log = get_logger(__name__)


class Courier:
    """Carries chunks until it is cancelled.

    Attributes:
        stock: What waits and what is under way.
    """

    def __init__(self, settings: Settings, policy: Policy, outbox: Outbox, report: Reporter) -> None:
        """Describe it; `run` begins."""
        self.stock = Stock(settings, policy, outbox, report)
        self._settings, self._policy, self._outbox, self._report = settings, policy, outbox, report
        self._bell, self._active, self._changed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._link: Connection | None = None
        self._since = self._synced = 0.0
        self._looked = -LOOK_SECONDS
        self._pause, self._wait = policy.reconnect, policy.patience
        self._told = ""
        self._singly = False

    @property
    def connected(self) -> bool:
        """Whether Kafka answers, as far as is known."""
        return self._link is not None and not self._away

    def ring(self) -> None:
        """There is something to do."""
        self._bell.set()

    async def run(self) -> None:
        """Carry until cancelled; whatever goes wrong in it, it goes on."""
        keeper = asyncio.create_task(self._for_ever(self._keep))
        try:
            await self._for_ever(self._carry)
        finally:
            keeper.cancel()
            await asyncio.wait((keeper,))
            self.stock.close()
            await self._hang_up()

    async def flush(self, seconds: float) -> bool:
        """Wait until what was accepted is settled; after that time the rest is on disk and this is False."""
        await self._translate()
        goal = self._outbox.made
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.stock.settled < goal:
                    await self._changed.wait()
        if self.stock.settled >= goal:
            return True
        self.stock.spill()
        self.stock.sync()
        return False

    @property
    def _away(self) -> bool:
        """Whether something has waited for longer than the patience and nothing was delivered meanwhile."""
        return self._active.is_set() and time.monotonic() - self._since > self._policy.patience

    async def _for_ever(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except Exception as error:  # noqa: BLE001  a bug or a disk must not end all sending
                _log.error("publisher.failed", exc_info=error)
                if work == self._carry:
                    self.stock.give_up(error)
                await asyncio.sleep(self._policy.reconnect_most)

    async def _carry(self) -> None:
        """One round: wait for work, connect, send."""
        await self._work()
        if self._link is None and not await self._connect():
            return
        await self._translate(ROUND_CHUNKS)
        items = self.stock.next()
        if not items or self._link is None:
            return
        outcome = await self._link.send(items, self._wait, singly=self._singly)
        if isinstance(outcome.error, TimeoutError):
            self._wait = min(2 * self._wait, SLOWEST)
        if self.stock.settle(outcome):
            self._delivered()
        self._singly = too_large(outcome.error) and not outcome.never
        if too_large(outcome.error):
            await self._hang_up()
        elif outcome.left:
            await self._trouble(fault(outcome.error, self._settings))

    async def _work(self) -> None:
        """Wait until there is something to send, and let more of it gather."""
        idle = 0
        while True:
            self._look_for_the_dead()
            if self.stock.waiting:
                break
            self._active.clear()
            idle += 1
            if idle > IDLE_ROUNDS and self._outbox.sleep():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._bell.wait()
                self._bell.clear()
                idle = 0
            else:
                await asyncio.sleep(self._policy.linger)
        if not self._active.is_set():
            self._since = time.monotonic()
            self._active.set()
        if self.stock.live:
            await asyncio.sleep(self._policy.linger)

    async def _translate(self, most: int | None = None) -> None:
        """Make chunks of what waits now, up to so many, a few at a time: readers want the interpreter too."""
        left = self._outbox.untold
        while left > 0 and (most is None or self._outbox.told < most):
            self._outbox.tell(TURN)
            left -= TURN
            await asyncio.sleep(0)

    async def _connect(self) -> bool:
        link = Connection(self._settings)
        try:
            await link.open()
        except StreamledgerError as error:
            await link.close()
            await self._trouble(error)
            return False
        except BaseException:
            await link.close()
            raise
        self._link = link
        return True

    def _delivered(self) -> None:
        """Kafka has taken something."""
        if self._told:
            _log.info("publisher.kafka_answers", seconds_away=round(time.monotonic() - self._since, 1))
        self._since = time.monotonic()
        self._pause, self._told = self._policy.reconnect, ""
        self._wait = max(self._wait / 2, self._policy.patience)
        self._wake_waiters()

    def _wake_waiters(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _trouble(self, error: StreamledgerError) -> None:
        """Say once what is wrong, hang up, and try again later."""
        self._say(error)
        await self._hang_up()
        await asyncio.sleep(self._pause)
        self._pause = min(2 * self._pause, self._policy.reconnect_most)

    def _say(self, error: StreamledgerError) -> None:
        if self._told != error.message:
            self._told = error.message
            kind: Kind = "away" if isinstance(error, KafkaUnreachable) else "broker"
            self._report.error(kind, error, chunks=self._outbox.held)

    async def _hang_up(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def _keep(self) -> None:
        """One look at whether chunks must go to disk."""
        await self._active.wait()
        await asyncio.sleep(TICK)
        if self._away and not self._told:
            self._say(fault(None, self._settings))
        if self._away or self._outbox.half_full:
            await self._translate()
            self.stock.spill()
        if time.monotonic() - self._synced >= self._policy.sync:
            self._synced = time.monotonic()
            self.stock.sync()

    def _look_for_the_dead(self) -> None:
        """Now and then, what other processes left behind."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = time.monotonic()
            self.stock.estate.look()
