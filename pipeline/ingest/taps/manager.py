"""Context managers that send their request when they are entered: the stream they give is tapped then.

Owns their face; everything else passes through. Imports nothing of the project.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any


class Manager:
    """Of a sync client."""

    def __init__(self, manager: Any, tapped: Callable[[Any], Any]) -> None:
        """Wrap; `tapped` taps what the manager gives."""
        self._manager, self._tapped = manager, tapped

    def __getattr__(self, name: str) -> Any:
        """As of the manager."""
        return getattr(self._manager, name)

    def __enter__(self) -> Any:
        return self._tapped(self._manager.__enter__())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        return self._manager.__exit__(kind, error, trace)


class AsyncManager:
    """Of an async client."""

    def __init__(self, manager: Any, tapped: Callable[[Any], Any]) -> None:
        """Wrap; `tapped` taps what the manager gives."""
        self._manager, self._tapped = manager, tapped

    def __getattr__(self, name: str) -> Any:
        """As of the manager."""
        return getattr(self._manager, name)

    async def __aenter__(self) -> Any:
        return self._tapped(await self._manager.__aenter__())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        return await self._manager.__aexit__(kind, error, trace)
