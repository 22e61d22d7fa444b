"""The wish that a sink ends, which every wait for Kafka gives way to. Imports the standard library and errors."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import TypeVar

from pipeline.errors import StreamledgerError

_T = TypeVar("_T")


class Stopped(Exception):
    """The sink is to end."""


class Stop:
    """Not wished yet."""

    def __init__(self) -> None:
        """Made by the sink."""
        self._event = asyncio.Event()

    @property
    def wished(self) -> bool:
        """Whether the sink is to end."""
        return self._event.is_set()

    def wish(self) -> None:
        """From now on `unless` breaks off."""
        self._event.set()

    async def unless(self, work: Awaitable[_T]) -> _T:
        """Wait for something; what is there already is given out in any case.

        Raises:
            Stopped: the sink is to end; the work is cancelled.
        """
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._event.wait())
        try:
            await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise Stopped
        finally:
            for each in (task, stop):
                if not each.done():
                    each.cancel()
                    with contextlib.suppress(asyncio.CancelledError, StreamledgerError):
                        await each
