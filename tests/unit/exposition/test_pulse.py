"""Whether a loop turns is told from outside of it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pipeline.exposition import pulse as module
from pipeline.exposition.pulse import Pulse
from pipeline.testing import eventually


def test_a_loop_that_is_blocked_is_told_and_one_that_turns_again_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """By another thread, while nothing of the loop runs."""
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.01)
    pulse, blocked, go_on = Pulse(seconds=0.2), threading.Event(), threading.Event()
    assert pulse.reasons() == []

    async def live() -> None:
        pulse.start()
        await asyncio.sleep(0)
        blocked.set()
        go_on.wait(60)
        async with asyncio.timeout(60):
            while pulse.reasons():  # noqa: ASYNC110 (that is what is waited for)
                await asyncio.sleep(0)
        pulse.stop()

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    assert blocked.wait(60)
    (reason,) = eventually(pulse.reasons)
    assert reason.startswith("the event loop stands still")
    go_on.set()
    thread.join(60)
    assert not thread.is_alive()
