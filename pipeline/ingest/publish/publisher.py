"""`Publisher` and `AsyncPublisher`: chunks of running streams to the chunk topic.

Owns the two public faces of one engine. Imports this package and the settings.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Self, Unpack

from pipeline.ingest.publish.engine import Engine
from pipeline.ingest.publish.opening import RequestArguments
from pipeline.ingest.publish.policy import Policy
from pipeline.ingest.publish.relay import Relay
from pipeline.ingest.publish.request import AsyncRequest, Request
from pipeline.ingest.publish.stats import Stats
from pipeline.settings import Settings, load

CLOSE_SECONDS: Final = 10.0
"""Longest wait for Kafka at the end, unless told otherwise."""

_DEFAULTS: Final = Policy()


class _Face:
    """What both faces share."""

    def __init__(self, settings: Settings | None = None, *, policy: Policy = _DEFAULTS) -> None:
        """Describe it; the first request starts its thread.

        Args:
            settings: Where to, and how to connect; None reads them as every command does: STREAMLEDGER_* over TOML.
            policy: Bounds, and what happens when Kafka is away.

        Raises:
            UsageError: a setting is wrong.
        """
        self._engine = Engine(load().settings if settings is None else settings, policy)

    def relay(self, **arguments: Unpack[RequestArguments]) -> Relay:
        """Open a request for a tap, which hands over what it sees; arguments and errors as of `request`."""
        return Relay(self._engine, self._engine.relay(arguments))

    def stats(self) -> Stats:
        """Counts since the beginning, and the state now."""
        return self._engine.stats()


class Publisher(_Face):
    """Publishes chunks from threads. One for a process; usable from all its threads, and in children that it forks.

    A chunk that was accepted is in memory until Kafka or the spool has it. A process that is killed (SIGKILL) loses
    what is in memory: some hundredths of a second of chunks while Kafka answers, up to Policy.patience when it stops
    answering, then some hundredths of a second again. `flush` says when nothing is in memory only.
    """

    def request(self, **arguments: Unpack[RequestArguments]) -> Request:
        """Open a request.

        Args:
            **arguments: See RequestArguments; all may be left out.

        Raises:
            UsageError: an argument breaks the contract, or the publisher is closed.
        """
        return Request(self._engine, self._engine.open(arguments))

    def flush(self, timeout: float = CLOSE_SECONDS) -> bool:
        """Wait until Kafka has all that was accepted; after that time the rest is on disk, synced, and it is False."""
        return self._engine.flush(timeout)

    def close(self, timeout: float = CLOSE_SECONDS) -> bool:
        """End what is open as cancelled, then as `flush`, and stop. What is on disk the next publisher sends."""
        return self._engine.close(timeout)

    def __enter__(self) -> Self:
        self._engine.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncPublisher(_Face):
    """The same for event loops; a call suspends only while there is no room in the buffer."""

    def request(self, **arguments: Unpack[RequestArguments]) -> AsyncRequest:
        """As Publisher.request; it does not suspend."""
        return AsyncRequest(self._engine, self._engine.open(arguments))

    async def flush(self, timeout: float = CLOSE_SECONDS) -> bool:  # noqa: ASYNC109  after it the rest goes to disk
        """As Publisher.flush."""
        return await asyncio.to_thread(self._engine.flush, timeout)

    async def close(self, timeout: float = CLOSE_SECONDS) -> bool:  # noqa: ASYNC109  after it the rest goes to disk
        """As Publisher.close."""
        return await asyncio.to_thread(self._engine.close, timeout)

    async def __aenter__(self) -> Self:
        self._engine.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
