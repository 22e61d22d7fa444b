"""The page while it is looked at: what has changed of it, as server-sent events that htmx puts in place.

Owns pace, bounds and the end: at most `PER_SECOND` messages to each reader, `READERS` readers, one rendering for all
who asked the same, and whoever does not take a message within `PATIENCE` is let go. Imports its siblings and
sse-starlette.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import PlainTextResponse, Response

from pipeline.ops.live.view import Snapshot
from pipeline.web.page import PARTS, part
from pipeline.web.question import Question

PER_SECOND: Final = 2
READERS: Final = 64
"""At once: a hundred tabs of one team are no load, a thousand are a mistake or worse."""
PATIENCE: Final = 10.0
"""Seconds that a reader has for one message."""
HEARTBEAT: Final = 5
"""Seconds after which an event without data is sent: proxies keep the connection, and a page that hears nothing for
three of them says that it is not live (`static/live.js`)."""
IDLE: Final = 1.0
"""Seconds after which an unchanged page is drawn again: ages grow without any event."""
SUMMARY_SECONDS: Final = 30.0
"""Between two sentences for screen readers: more would talk all day."""


class Changing(Protocol):
    """What gives snapshots and says when there is a newer one."""

    async def changed(self, since: int, timeout: float) -> int:  # noqa: ASYNC109 (as `Live` has it)
        """Wait for a version above `since`."""
        ...


class Streams:
    """All readers of one server."""

    def __init__(self, source: Changing, look: Callable[[Question], Snapshot]) -> None:
        """`look` answers a question."""
        self._source, self._look = source, look
        self._readers = 0
        self._closing = asyncio.Event()
        self._rendered: dict[str, tuple[int, int, dict[str, str]]] = {}

    @property
    def readers(self) -> int:
        """How many there are."""
        return self._readers

    def close(self) -> None:
        """Let all readers go, and take none any more."""
        self._closing.set()

    def response(self, question: Question) -> Response:
        """The events of a page, or a refusal when there are too many readers."""
        if self._readers >= READERS or self._closing.is_set():
            return PlainTextResponse(
                "Too many readers; the page is whole without events.\n", 503, {"Retry-After": "30"}
            )
        return EventSourceResponse(
            self._events(question),
            ping=HEARTBEAT,
            ping_message_factory=lambda: ServerSentEvent(event="beat", sep="\n"),
            send_timeout=PATIENCE,
            sep="\n",
        )

    async def _events(self, question: Question) -> AsyncIterator[ServerSentEvent]:
        """What has changed since the last message, as one message."""
        self._readers += 1
        try:
            shown: dict[str, str] = {}
            version, summed = -1, 0.0
            loop = asyncio.get_running_loop()
            while not self._closing.is_set():
                began = loop.time()
                version, parts = self._parts(question)
                if began - summed >= SUMMARY_SECONDS:
                    summed = began
                else:
                    parts = {name: html for name, html in parts.items() if name != "summary"}
                fresh = {name: html for name, html in parts.items() if shown.get(name) != html}
                if fresh:
                    shown |= fresh
                    yield ServerSentEvent("".join(_partial(name, html) for name, html in fresh.items()))
                await self._wait(version, 1 / PER_SECOND - (loop.time() - began))
        finally:
            self._readers -= 1
            if self._readers == 0:
                self._rendered.clear()

    async def _wait(self, version: int, rest: float) -> None:
        """Until there is something new, but not sooner than the pace allows; or until the end."""
        closing = asyncio.ensure_future(self._closing.wait())
        changed = asyncio.ensure_future(self._source.changed(version, IDLE))
        pace = asyncio.ensure_future(asyncio.sleep(max(rest, 0.0)))
        try:
            await asyncio.wait((closing, pace), return_when=asyncio.FIRST_COMPLETED)
            if not closing.done():
                await asyncio.wait((closing, changed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in (closing, changed, pace):
                each.cancel()
            await asyncio.gather(closing, changed, pace, return_exceptions=True)

    def _parts(self, question: Question) -> tuple[int, dict[str, str]]:
        """The parts of a page as they are now; drawn once for all who ask the same at one moment."""
        tick = int(asyncio.get_running_loop().time() * PER_SECOND)
        known = self._rendered.get(question.query)
        if known is not None and known[0] == tick:
            return known[1], known[2]
        snapshot = self._look(question)
        parts = {name: part(name, question, snapshot) for name in (*PARTS[question.page], "summary")}
        if len(self._rendered) > READERS:
            self._rendered.clear()
        self._rendered[question.query] = (tick, snapshot.version, parts)
        return snapshot.version, parts


def _partial(name: str, html: str) -> str:
    """A part in the envelope that htmx reads: morphed in place, so that focus, scroll and what is open stay."""
    return f'<hx-partial hx-target="#{name}" hx-swap="innerMorph">{html}</hx-partial>'
