"""`Publisher` and `AsyncPublisher`: chunks of running streams to the chunk topic.

Owns the two public faces. Imports this package and the settings.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from pipeline.ingest.publish.policy import Policy
from pipeline.ingest.publish.request import AsyncRequest, Request
from pipeline.ingest.publish.stats import Stats
from pipeline.settings import Settings, load


class Publisher:
    """Chunks to Kafka beside a stream. Skeleton."""

    def __init__(self, settings: Settings | None = None, *, policy: Policy = Policy()) -> None:  # noqa: B008  frozen
        self._settings = load().settings if settings is None else settings
        self._policy = policy

    def request(  # noqa: PLR0913  one keyword for each thing that is the same for all chunks of a request
        self,
        *,
        stream_type: str = "chat.completion",
        provider: str | None = None,
        model: str | None = None,
        labels: Mapping[str, str] | None = None,
        request_id: str | None = None,
        attempt: int = 0,
        raw_request: Any = None,
        start_timestamp: datetime | str | None = None,
        traceparent: str | None = None,
    ) -> Request:
        """Open a request."""
        return Request(request_id or uuid.uuid4().hex)

    def stats(self) -> Stats:
        """Counts up to now."""
        return Stats()

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all that was accepted is delivered; after that time the rest goes to disk and this is False."""
        return True

    def close(self, timeout: float = 10.0) -> bool:
        """As `flush`, then end."""
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncPublisher:
    """The same for an event loop. Skeleton."""

    def __init__(self, settings: Settings | None = None, *, policy: Policy = Policy()) -> None:  # noqa: B008  frozen
        self._settings = load().settings if settings is None else settings
        self._policy = policy

    def request(  # noqa: PLR0913  one keyword for each thing that is the same for all chunks of a request
        self,
        *,
        stream_type: str = "chat.completion",
        provider: str | None = None,
        model: str | None = None,
        labels: Mapping[str, str] | None = None,
        request_id: str | None = None,
        attempt: int = 0,
        raw_request: Any = None,
        start_timestamp: datetime | str | None = None,
        traceparent: str | None = None,
    ) -> AsyncRequest:
        """Open a request."""
        return AsyncRequest(request_id or uuid.uuid4().hex)

    def stats(self) -> Stats:
        """Counts up to now."""
        return Stats()

    async def flush(self, timeout: float = 10.0) -> bool:  # noqa: ASYNC109  the rest has to go to disk after it
        """Wait until all that was accepted is delivered; after that time the rest goes to disk and this is False."""
        return True

    async def close(self, timeout: float = 10.0) -> bool:  # noqa: ASYNC109
        """As `flush`, then end."""
        return True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
