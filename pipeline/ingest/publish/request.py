"""The handles of one request: what a gateway calls for each chunk of a stream.

Owns the two faces, one that blocks and one that awaits. Imports this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self

Failure = BaseException | Mapping[str, Any]
"""An exception, or a BifrostError of WIRE §3."""


class Request:
    """One request; use it from one thread at a time. Skeleton."""

    def __init__(self, request_id: str) -> None:
        self._id = request_id

    @property
    def request_id(self) -> str:
        """Key of every chunk and of the record."""
        return self._id

    def chunk(  # noqa: PLR0913  one keyword for each field of a chunk
        self,
        response: Mapping[str, Any] | None = None,
        *,
        image_index: int | None = None,
        cost: float | None = None,
        is_final: bool = False,
        model: str | None = None,
        provider: str | None = None,
        raw_request: Any = None,
        chunk_index: int | None = None,
        timestamp: datetime | str | None = None,
    ) -> None:
        """Publish one chunk."""

    def error(self, error: Failure, *, final: bool = True) -> None:
        """Publish an error."""

    def retry(self, provider: str | None = None, model: str | None = None) -> None:
        """Begin the next attempt."""

    def close(self, cost: float | None = None) -> None:
        """Publish the end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.error(error)
        self.close()


class AsyncRequest:
    """The same for an event loop. Skeleton."""

    def __init__(self, request_id: str) -> None:
        self._id = request_id

    @property
    def request_id(self) -> str:
        """Key of every chunk and of the record."""
        return self._id

    async def chunk(  # noqa: PLR0913  one keyword for each field of a chunk
        self,
        response: Mapping[str, Any] | None = None,
        *,
        image_index: int | None = None,
        cost: float | None = None,
        is_final: bool = False,
        model: str | None = None,
        provider: str | None = None,
        raw_request: Any = None,
        chunk_index: int | None = None,
        timestamp: datetime | str | None = None,
    ) -> None:
        """Publish one chunk."""

    async def error(self, error: Failure, *, final: bool = True) -> None:
        """Publish an error."""

    async def retry(self, provider: str | None = None, model: str | None = None) -> None:
        """Begin the next attempt."""

    async def close(self, cost: float | None = None) -> None:
        """Publish the end."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            await self.error(error)
        await self.close()
