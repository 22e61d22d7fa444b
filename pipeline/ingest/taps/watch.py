"""What a translation asks for is done, and nothing that goes wrong there reaches the reader of the stream.

Owns that wall, once for sync and once for async publishers. Imports this room and the log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pipeline.ingest.taps.translation import Call
from pipeline.log import failure, get_logger

_log: Final = get_logger(__name__)


class Watch:
    """Of one stream with a sync request; after a first failure nothing more of it is published."""

    def __init__(self) -> None:
        """Begin."""
        self._broken = False

    def take(self, ask: Callable[..., list[Call]], *arguments: Any) -> None:
        """Ask what is to be done, and do it."""
        if self._broken:
            return
        try:
            for call in ask(*arguments):
                call()
        except Exception as error:  # noqa: BLE001  the reader's stream goes on whatever happens to ours
            self._broken = True
            _log.error("tap given up, its stream goes on", **failure(error))


class AsyncWatch:
    """Of one stream with an async request; after a first failure nothing more of it is published."""

    def __init__(self) -> None:
        """Begin."""
        self._broken = False

    async def take(self, ask: Callable[..., list[Call]], *arguments: Any) -> None:
        """Ask what is to be done, and do it."""
        if self._broken:
            return
        try:
            for call in ask(*arguments):
                await call()
        except Exception as error:  # noqa: BLE001  the reader's stream goes on whatever happens to ours
            self._broken = True
            _log.error("tap given up, its stream goes on", **failure(error))
