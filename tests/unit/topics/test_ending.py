"""A task that follows topics ends when it is told to, also where something in it has swallowed that."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from pipeline.topics.ending import finish


def test_a_task_that_swallows_a_cancellation_ends_with_the_next() -> None:
    """As one that waits with `asyncio.wait_for` may; the page and `top` were seen to stay after SIGTERM."""
    swallowed: list[int] = []

    async def follow() -> None:
        while True:
            if len(swallowed) < 3:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(60)
                swallowed.append(1)
            else:
                await asyncio.sleep(60)

    async def scenario() -> None:
        task = asyncio.ensure_future(follow())
        await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await finish(task, again=0.01)
        assert task.cancelled()

    asyncio.run(scenario())
    assert len(swallowed) == 3


def test_what_a_task_has_failed_with_is_told() -> None:
    """A fault is not lost with the task that it ended."""

    async def fail() -> None:
        raise OSError("gone")

    async def scenario() -> None:
        task = asyncio.ensure_future(fail())
        await asyncio.wait([task])
        await finish(task)

    with pytest.raises(OSError, match="gone"):
        asyncio.run(scenario())
