"""Which event loop a worker runs on, in its main thread and in the consumer's."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any, Final

GOODBYE_SECONDS: Final = 0.5
"""Longest wait for a broker's goodbye when a TLS connection is closed. Kafka's messages have their length with them, so
nothing hangs on it, and what comes in meanwhile makes uvloop miss it: by default a restore then took 30 s longer."""


class Door:
    """A transport of uvloop's that says of a connection which has just broken what asyncio's would lead to.

    Between the moment in which a broker resets a connection and the one in which aiokafka has taken note, a few turns
    of the loop later, uvloop raises RuntimeError for what is written. aiokafka expects an OSError, after which it
    connects anew; the other ended a worker in the middle of its work, or the sender of a transaction.
    """

    __slots__ = ("_transport",)

    def __init__(self, transport: Any) -> None:
        """Around a transport."""
        self._transport = transport

    def write(self, data: Any) -> None:
        """As the transport's.

        Raises:
            ConnectionResetError: It is closed.
        """
        try:
            self._transport.write(data)
        except RuntimeError as error:
            raise ConnectionResetError(str(error)) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The faster loop where there is one."""
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415 (not there on Windows)

    class Loop(uvloop.Loop):
        """Wraps uvloop.Loop.create_connection, to which aiokafka gives no time for a goodbye."""

        async def create_connection(self, *args: Any, **options: Any) -> Any:
            """As the loop's own, with a short goodbye, behind a Door."""
            if options.get("ssl"):
                options.setdefault("ssl_shutdown_timeout", GOODBYE_SECONDS)
            transport, protocol = await super().create_connection(*args, **options)
            return Door(transport), protocol

    return Loop
