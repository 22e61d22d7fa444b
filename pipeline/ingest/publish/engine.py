"""The engine under both faces of a publisher: open requests, the buffer, and the thread that sends.

Owns their life: the thread starts with the first request, ends with `close` or the process, and is begun anew in a
forked child, which has none of its parent's. Imports this package, settings and errors.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import weakref
from dataclasses import replace
from functools import partial
from typing import Final

from pipeline.errors import UsageError
from pipeline.ingest.publish import clock
from pipeline.ingest.publish.flow import Flow
from pipeline.ingest.publish.opening import Opening, RequestArguments
from pipeline.ingest.publish.outbox import OVER, Outbox
from pipeline.ingest.publish.pen import Deferred, Entry, Pen
from pipeline.ingest.publish.policy import Policy
from pipeline.ingest.publish.reporter import Reporter
from pipeline.ingest.publish.sender import Sender
from pipeline.ingest.publish.stats import Report, Stats
from pipeline.settings import Settings

EXIT_SECONDS: Final = 5.0
"""Longest time that a process which ends without `close` waits for Kafka."""

_engines: weakref.WeakSet[Engine] = weakref.WeakSet()
_left_behind: list[object] = []
"""What a forked child must not touch: its parent's loop and thread; freeing them would close what the parent uses."""


class Engine:
    """One publisher.

    Attributes:
        outbox: Where chunks are put.
        report: Where reports go.
        generation: Of which process it is; a request of the parent is none of its child's.
        closed: Nothing more is taken.
    """

    def __init__(self, settings: Settings, policy: Policy) -> None:
        """Describe it; nothing runs."""
        self._settings, self._policy = settings, policy
        self.generation = 0
        self._begin()
        _engines.add(self)

    def _begin(self) -> None:
        """The state in a process in which nothing runs yet; locks too, since a fork may have copied them closed."""
        self.report = Reporter(self._policy.on_report)
        self.outbox = Outbox(self._policy, self._wake)
        self._starting = threading.RLock()
        self._sender: Sender | None = None
        self._opened: set[Flow | Pen] = set()
        self.closed = False

    def open(self, arguments: RequestArguments) -> Flow:
        """A new request, whose chunks are made by whoever publishes.

        Raises:
            UsageError: an argument breaks the contract, or the publisher is closed.
        """
        flow = self._flow(arguments)
        self._opened.add(flow)
        return flow

    def relay(self, arguments: RequestArguments) -> Pen:
        """A new request, whose chunks are made by the sender.

        Raises:
            UsageError: as of `open`.
        """
        pen = Pen(self._flow(arguments), self.refuse)
        self._opened.add(pen)
        return pen

    def start(self) -> None:
        """Start the thread, if it does not run.

        Raises:
            UsageError: the publisher is closed.
        """
        if self._sender is not None and not self.closed:
            return
        with self._starting:
            if self.closed:
                raise UsageError("the publisher is closed", hint="make a new one")
            if self._sender is None:
                self._sender = Sender(self._settings, self._policy, self.outbox, self.report)

    def put(self, entry: Entry, owner: Flow | Pen) -> None:
        """Hand a chunk over; waits at most the budget."""
        if not self.outbox.put(entry):
            self._no_room(entry, owner)

    async def put_async(self, entry: Entry, owner: Flow | Pen) -> None:
        """The same without blocking the event loop.

        Whoever is cancelled while waiting has its chunk taken: it may be the last of a stream that a client broke off.
        """
        try:
            taken = await self.outbox.put_async(entry)
        except asyncio.CancelledError:
            if not self.outbox.offer(entry, OVER):
                self._no_room(entry, owner)
            raise
        if not taken:
            self._no_room(entry, owner)

    def done(self, owner: Flow | Pen) -> None:
        """A request has come to its end."""
        self._opened.discard(owner)

    def forget(self, owner: Flow | Pen) -> None:
        """The handle of an open request is gone: its end is published as cancelled."""
        if not owner.closed and not self.closed and owner in self._opened:
            self._cut_off(owner, "the request was never closed")

    def refuse(self, error: UsageError, request_id: str) -> None:
        """Say that a chunk was not taken."""
        self.report.error("refused", error, request_id=request_id)

    def stats(self) -> Stats:
        """Counts and state now."""
        outbox = self.outbox
        known = Stats(
            accepted=outbox.accepted,
            buffered=outbox.held,
            buffered_bytes=outbox.size,
            refused=self.report.refused,
            longest_wait=outbox.longest_wait,
        )
        courier = None if self._sender is None else self._sender.courier
        if courier is None:
            return known
        stock = courier.stock
        return replace(
            known,
            delivered=stock.delivered,
            spooled=stock.spool.count,
            spooled_bytes=stock.spool.size + stock.estate.size,
            resent=stock.resent,
            late=stock.late,
            aside=stock.aside,
            adopted=stock.adopted,
            connected=courier.connected,
        )

    def flush(self, seconds: float) -> bool:
        """Wait until Kafka has what was accepted up to now; after that time the rest is on disk, and it is False."""
        return self.outbox.held == 0 if self._sender is None else self._sender.flush(seconds)

    def close(self, seconds: float) -> bool:
        """End open requests as cancelled, flush, and end the thread; what Kafka does not take in time is on disk."""
        with self._starting:
            if not self.closed:
                for owner in list(self._opened):
                    self._cut_off(owner, "the publisher was closed")
            already, self.closed = self.closed, True
        if already or self._sender is None:
            return True
        done = self.flush(seconds)
        self._sender.end()
        return done

    def _left_out(self, request_id: str, error: UsageError) -> None:
        """Say what of a chunk was not taken; the chunk itself was."""
        self.report.error("refused", error, request_id=request_id, chunks=0)

    def _wake(self) -> None:
        if self._sender is not None:
            self._sender.ring()

    def _flow(self, arguments: RequestArguments) -> Flow:
        opening = Opening(arguments)
        self.start()
        return Flow(opening, self._settings.max_chunk_bytes, partial(self._left_out, opening.request_id))

    def _cut_off(self, owner: Flow | Pen, why: str) -> None:
        """Publish the end of a request that nobody ends any more."""
        self._opened.discard(owner)
        if owner.closed:
            return
        entry = owner.cut(why, clock.now())
        if not self.outbox.offer(entry, OVER):
            self._no_room(entry, owner)

    def _no_room(self, entry: Entry, owner: Flow | Pen) -> None:
        owner.lost(entry.missed if isinstance(entry, Deferred) else 0)
        text = "neither the buffer nor the spool has room"
        self.report(Report("refused", text, "bring Kafka back, or make room on disk", owner.opening.request_id))

    def forked(self) -> None:
        """In a child: the thread is its parent's, and so is what waits. A publisher that was closed stays it."""
        closed = self.closed
        if self._sender is not None:
            self._sender.let_go()
        _left_behind.extend((self._sender, self._opened, self.outbox))
        self._begin()
        self.closed = closed
        self.generation += 1


def _close_all() -> None:
    for engine in list(_engines):
        engine.close(EXIT_SECONDS)


def _all_forked() -> None:
    for engine in list(_engines):
        engine.forked()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_all_forked)
