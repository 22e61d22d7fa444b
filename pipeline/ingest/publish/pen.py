"""Requests whose chunks are made on the publisher's own thread: a tap hands over what it saw, and how to read it.

Owns what is handed over, and the pen that turns it into chunks where it is taken out of the buffer. A pen's request is
touched by that thread alone. Imports this package, the errors and the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from pipeline.errors import UsageError
from pipeline.ingest.publish.failure import Failure, cancelled
from pipeline.ingest.publish.flow import Flow
from pipeline.ingest.publish.item import Item
from pipeline.ingest.publish.item import size as item_size
from pipeline.log import failure, get_logger

_log: Final = get_logger(__name__)

Ask = Callable[[Any], Iterable[Callable[[], Any]]]
"""Says which methods of the pen are to be called for what was handed over."""

OVERHEAD: Final = 700
"""Bytes that what was handed over counts beside its own: about what its chunk will have on top."""


class Deferred(msgspec.Struct):
    """What a tap saw; made by one call without a frame of the interpreter, in the reader's thread.

    Attributes:
        pen: Whose it is.
        ask: How it is read.
        what: A frame's bytes, an event, or how the stream ended; nobody changes it any more.
        seen: When, in microseconds since the epoch.
        weight: Bytes of `what`.
        missed: How many before it found no room.
        cut: Nothing follows: the request ends as cancelled with this reason, unless it has ended by then.
    """

    pen: Pen
    ask: Ask
    what: Any
    seen: int
    weight: int
    missed: int = 0
    cut: str | None = None


Entry = Item | Deferred


def size(entry: Entry) -> int:
    """Bytes that it takes in a buffer."""
    return entry.weight + OVERHEAD if isinstance(entry, Deferred) else item_size(entry)


def nothing(_: Any) -> tuple[()]:
    """Of what asks for no chunk."""
    return ()


class Pen:
    """Writes one request, on the publisher's thread.

    Attributes:
        opening: What was given when it was opened.
        skip_by: How frames that found no room are skipped; the tap's, if it numbers by itself.
        missed: How many found no room since the last that did; of the tap's thread.
        closed: The end was handed over; of the tap's thread.
    """

    def __init__(self, flow: Flow, refuse: Callable[[UsageError, str], None]) -> None:
        """Begin before the first chunk; `refuse` is told what was not taken."""
        self.opening = flow.opening
        self.skip_by: Ask = lambda count: (lambda: self.skip(count),)
        self.missed = 0
        self.closed = False
        self._flow, self._refuse = flow, refuse
        self._made: list[Item] = []
        self._broken = False

    @property
    def request_id(self) -> str:
        """Key of every chunk and of the record."""
        return self.opening.request_id

    def items(self, entry: Deferred) -> list[Item]:
        """The chunks of what was handed over: none, one or many. What goes wrong there ends this request alone."""
        flow = self._flow
        flow.seen = entry.seen
        try:
            if entry.missed:
                self._do(self.skip_by, entry.missed)
            self._do(entry.ask, entry.what)
        except Exception as error:  # noqa: BLE001  one stream's translation must not end all sending
            self._broken = True
            _log.error("tap given up, its stream goes on", request_id=self.request_id, **failure(error))
        if entry.cut is not None:
            self.skip_by = nothing  # the tap's, which refers to this pen
            self.error(cancelled(entry.cut))
        made, self._made = self._made, []
        return made

    def chunk(self, response: dict[str, Any] | None = None, **fields: Any) -> None:
        """As Request.chunk."""
        try:
            if self._flow.closed:
                raise UsageError("a chunk after the end of its request", hint="close the publisher when streams ended")
            self._made.append(self._flow.chunk(response, fields))  # type: ignore[arg-type]
        except UsageError as error:
            self._refuse(error, self.request_id)

    def error(self, error: Failure, *, final: bool = True) -> None:
        """As Request.error."""
        try:
            if not self._flow.closed:
                self._made.append(self._flow.error(error, final=final))
        except UsageError as unsaid:
            self._refuse(unsaid, self.request_id)

    def close(self) -> None:
        """As Request.close."""
        if not self._flow.closed:
            self.chunk(None, is_final=True)

    def skip(self, count: int) -> None:
        """Leave so many indexes empty: the record shows a gap."""
        self._flow.skip(count)

    def lost(self, before: int) -> None:
        """Something found no room, as did so many before it; what is handed over next says so."""
        self.missed += before + 1

    def cut(self, why: str, seen: int) -> Deferred:
        """What ends a request that nobody ends any more."""
        self.closed = True
        return Deferred(self, nothing, None, seen, 0, self.missed, why)

    def _do(self, ask: Ask, what: Any) -> None:
        if not self._broken:
            for call in ask(what):
                call()
