"""Which event loop a worker runs on, in its main thread and in the consumer's."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The faster loop where there is one."""
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415 (not there on Windows)

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
