"""The handles of one request: what a gateway calls for each chunk of a stream.

Owns that publishing never breaks a stream: what can't be published is reported, and its index is used up, so that the
record shows a gap. Imports this package and the errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, Unpack

from pipeline.errors import UsageError
from pipeline.ingest.publish.engine import Engine
from pipeline.ingest.publish.failure import Failure
from pipeline.ingest.publish.flow import ChunkFields, Flow
from pipeline.ingest.publish.item import Item


class _Handle:
    """What both faces share: the next chunk's bytes, or a report of why there are none."""

    def __init__(self, engine: Engine, flow: Flow) -> None:
        """Begin; `publisher.request(…)` makes them."""
        self._engine, self._flow = engine, flow
        self._generation = engine.generation

    @property
    def request_id(self) -> str:
        """Key of every chunk and of the record."""
        return self._flow.opening.request_id

    @property
    def closed(self) -> bool:
        """Whether the end is published."""
        return self._flow.closed

    def __del__(self) -> None:
        """A handle that is forgotten publishes its end as cancelled; not in a forked child, whose parent has it too."""
        if not self._flow.closed and self._generation == self._engine.generation:
            self._engine.forget(self._flow)

    def _chunk(self, response: Mapping[str, Any] | None, fields: ChunkFields) -> Item | None:
        try:
            self._open()
            item = self._flow.chunk(response, fields)
        except UsageError as error:
            self._engine.refuse(error, self.request_id)
            return None
        return self._said(item)

    def _error(self, failure: Failure, *, final: bool) -> Item | None:
        """An error; one after the end says nothing that is not known."""
        if self._flow.closed:
            return None
        try:
            self._open()
            item = self._flow.error(failure, final=final)
        except UsageError as error:
            self._engine.refuse(error, self.request_id)
            return None
        return self._said(item)

    def _retry(self, provider: str | None, model: str | None) -> None:
        try:
            self._open()
            self._flow.retry(provider, model)
        except UsageError as error:
            self._engine.refuse(error, self.request_id)

    def _end(self, cost: float | None) -> Item | None:
        if self._flow.closed:
            return None
        return self._chunk(None, {"is_final": True, "cost": cost}) or (None if cost is None else self._end(None))

    def _said(self, item: Item) -> Item:
        if self._flow.closed:
            self._engine.done(self._flow)
        return item

    def _open(self) -> None:
        """Raise UsageError when nothing may follow."""
        if self._flow.closed:
            raise UsageError("a chunk after the end of its request", hint="open a new request; ids are never reused")
        if self._engine.closed:
            raise UsageError("the publisher is closed", hint="close it when all requests have ended")
        if self._generation != self._engine.generation:
            raise UsageError("a request of the parent process", hint="open requests after the fork")


class Request(_Handle):
    """One request. From one thread at a time; a context manager, whose end is the request's.

    No method raises for what can't be published: it is reported (Policy.on_report, else the log), and an index without
    a chunk shows as a gap in the record.
    """

    def chunk(self, response: Mapping[str, Any] | None = None, **fields: Unpack[ChunkFields]) -> None:
        """Publish one chunk.

        Args:
            response: Payload as WIRE §5-§10 have it; written now, so it may be changed afterwards.
            **fields: See ChunkFields.
        """
        if (item := self._chunk(response, fields)) is not None:
            self._engine.put(item, self._flow)

    def error(self, error: Failure, *, final: bool = True) -> None:
        """Publish an error: an exception, or a BifrostError of WIRE §3.

        Args:
            error: A cancellation (CancelledError, GeneratorExit, KeyboardInterrupt) is told as request_cancelled.
            final: Nothing follows, which closes the request; False before a `retry`.
        """
        if (item := self._error(error, final=final)) is not None:
            self._engine.put(item, self._flow)

    def retry(self, provider: str | None = None, model: str | None = None) -> None:
        """Begin the next attempt, maybe at another provider: its chunks are counted from 0 and billed apart."""
        self._retry(provider, model)

    def close(self, cost: float | None = None) -> None:
        """Publish the end, with what the request cost if the gateway knows; idempotent."""
        if (item := self._end(cost)) is not None:
            self._engine.put(item, self._flow)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.error(error)
        self.close()


class AsyncRequest(_Handle):
    """The same for an event loop. From one task at a time."""

    async def chunk(self, response: Mapping[str, Any] | None = None, **fields: Unpack[ChunkFields]) -> None:
        """As Request.chunk; suspends only while there is no room in the buffer."""
        item = self._chunk(response, fields)
        if item is not None and not self._engine.outbox.offer(item):
            await self._engine.put_async(item, self._flow)

    async def error(self, error: Failure, *, final: bool = True) -> None:
        """As Request.error."""
        if (item := self._error(error, final=final)) is not None:
            await self._engine.put_async(item, self._flow)

    async def retry(self, provider: str | None = None, model: str | None = None) -> None:
        """As Request.retry."""
        self._retry(provider, model)

    async def close(self, cost: float | None = None) -> None:
        """As Request.close."""
        if (item := self._end(cost)) is not None:
            await self._engine.put_async(item, self._flow)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            await self.error(error)
        await self.close()
