"""The handle of a request whose chunks are made on the publisher's own thread.

Owns the way of what a tap saw into the buffer, which is all that a tap costs its reader. Imports this package.
"""

from __future__ import annotations

from typing import Any, Final

from pipeline.errors import UsageError
from pipeline.ingest.publish import clock
from pipeline.ingest.publish.engine import Engine
from pipeline.ingest.publish.pen import Ask, Deferred, Pen

UNENDED: Final = "the tap of the stream was given up"
"""Why a request ends as cancelled whose end could not be told."""


class Relay:
    """One request, from one thread or task at a time. Taps use it; one that is forgotten ends as cancelled.

    Attributes:
        pen: What the work that is handed over calls; nobody else does.
    """

    def __init__(self, engine: Engine, pen: Pen) -> None:
        """Begin; `publisher.relay(…)` makes them."""
        self.pen = pen
        self._engine, self._generation = engine, engine.generation

    def __del__(self) -> None:
        """As of a Request."""
        if not self.pen.closed and self._generation == self._engine.generation:
            self._engine.forget(self.pen)

    def hand(self, ask: Ask, what: Any, weight: int) -> bool:
        """Hand over what was seen just now, if there is room at once; otherwise `press` it."""
        engine, pen = self._engine, self.pen
        if pen.missed or engine.closed or self._generation != engine.generation:
            return False
        return engine.outbox.offer(Deferred(pen, ask, what, clock.now(), weight))

    def press(self, ask: Ask, what: Any, weight: int, *, last: bool = False) -> None:
        """Hand it over, waiting for room as long as the budget allows; what finds none is reported, and a gap."""
        if (entry := self._entry(ask, what, weight, last=last)) is not None:
            self._engine.put(entry, self.pen)

    async def press_async(self, ask: Ask, what: Any, weight: int, *, last: bool = False) -> None:
        """The same without blocking the event loop."""
        if (entry := self._entry(ask, what, weight, last=last)) is not None:
            await self._engine.put_async(entry, self.pen)

    def _entry(self, ask: Ask, what: Any, weight: int, *, last: bool) -> Deferred | None:
        engine, pen = self._engine, self.pen
        if pen.closed:
            return None
        if engine.closed or self._generation != engine.generation:
            text = "the publisher is closed" if engine.closed else "a request of the parent process"
            engine.refuse(UsageError(text, hint="close it, or fork, when all streams have ended"), pen.request_id)
            return None
        missed, pen.missed = pen.missed, 0
        if last:
            pen.closed = True
            engine.done(pen)
        return Deferred(pen, ask, what, clock.now(), weight, missed, UNENDED if last else None)
