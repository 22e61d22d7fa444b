"""Which event loop a worker runs on, in its main thread and in the consumer's."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any, Final

GOODBYE_SECONDS: Final = 0.5
"""Longest wait for a broker's goodbye when a TLS connection is closed. Kafka's messages have their length with them, so
nothing hangs on it, and what comes in meanwhile makes uvloop miss it: by default a restore then took 30 s longer."""


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The faster loop where there is one."""
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415 (not there on Windows)

    class Loop(uvloop.Loop):
        """Wraps uvloop.Loop.create_connection, to which aiokafka gives no such time."""

        async def create_connection(self, *args: Any, **options: Any) -> Any:
            """As the loop's own, with a short goodbye."""
            if options.get("ssl"):
                options.setdefault("ssl_shutdown_timeout", GOODBYE_SECONDS)
            return await super().create_connection(*args, **options)

    return Loop
