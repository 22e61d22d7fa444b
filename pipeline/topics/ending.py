"""The end of a task that follows topics until it is cancelled. Imports the standard library only."""

from __future__ import annotations

import asyncio
from typing import Any, Final

AGAIN_SECONDS: Final = 5.0
"""After which a task that has not ended is cancelled once more; an orderly end has taken its time by then."""


async def finish(task: asyncio.Task[Any], again: float = AGAIN_SECONDS) -> None:
    """Cancel a task, again and again, until it has ended.

    Once is not enough: before Python 3.12 `asyncio.wait_for` swallows a cancellation that comes together with the
    answer that it waits for (https://github.com/python/cpython/issues/86296), and what follows topics goes on for ever.

    Raises:
        Exception: what the task has ended with, if it is no cancellation.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=again)
    if not task.cancelled():
        task.result()
