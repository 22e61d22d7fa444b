"""What stands still is noticed: a partition's position, and the event loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from pipeline.engine import watchdog as module
from pipeline.engine.watchdog import EXIT, Deadline, LoopWatch, Progress


def test_a_moving_position_is_never_suspicious() -> None:
    """Each step starts the patience anew."""
    progress = Progress(10.0)

    assert not any(progress.suspicious(now, float(now) * 9) for now in range(100))


def test_a_still_position_is_suspicious_after_the_patience() -> None:
    """Not before."""
    progress = Progress(10.0)
    progress.suspicious(5, 100.0)

    assert not progress.suspicious(5, 109.9)
    assert progress.suspicious(5, 110.0)


def test_an_idle_partition_is_no_stall() -> None:
    """The broker says that nothing waits; the patience starts anew."""
    progress = Progress(10.0)
    progress.suspicious(5, 100.0)

    assert not progress.looked(waiting=False, now=110.0)
    assert progress.stalls == 0
    assert not progress.suspicious(5, 119.0)


def test_stalls_are_counted_until_the_position_moves() -> None:
    """Three attempts, then the process ends; a step forgives them."""
    progress = Progress(10.0)
    progress.suspicious(5, 100.0)
    for attempt in (1, 2):
        assert progress.looked(waiting=True, now=100.0 + 10 * attempt)
        assert attempt == progress.stalls
    progress.suspicious(6, 125.0)

    assert progress.stalls == 0


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns of ten milliseconds."""
    monkeypatch.setattr(module, "TURN_SECONDS", 0.01)


@pytest.mark.usefixtures("quick")
def test_a_blocked_loop_ends_the_process() -> None:
    """A thread of its own notices, because nothing on the loop could."""
    ended, blocked = threading.Event(), threading.Event()
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    async def scenario() -> None:
        LoopWatch(0.1, end).start(asyncio.get_running_loop())
        blocked.set()
        assert ended.wait(10)

    asyncio.run(scenario())
    assert codes == [EXIT]


@pytest.mark.usefixtures("quick")
def test_a_turning_loop_is_left_alone() -> None:
    """The watch ends with the loop or when it is told to."""
    codes: list[int] = []

    async def scenario() -> None:
        watch = LoopWatch(0.05, codes.append)
        watch.start(asyncio.get_running_loop())
        await asyncio.sleep(0.5)  # fifty turns, ten times as long as the loop may stand still
        watch.stop()

    asyncio.run(scenario())
    assert codes == []


STUBBORN = """
import asyncio, os, sys
from pipeline.engine.watchdog import Deadline

async def stubborn():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass

async def run(deadline):
    global kept
    kept = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    deadline.start(0.2, lambda: int(sys.argv[1]))

deadline = Deadline()
with asyncio.Runner() as runner:
    runner.run(run(deadline))
"""


@pytest.mark.parametrize("status", [0, 70])
def test_a_task_that_refuses_to_end_does_not_keep_the_process(status: int) -> None:
    """Closing the loop would wait for it for ever, as with aiokafka's coordinator when no broker answers."""
    done = subprocess.run([sys.executable, "-c", STUBBORN, str(status)], timeout=60, check=False)

    assert done.returncode == status


def test_who_ends_in_time_is_left_alone() -> None:
    """A deadline that was cancelled ends nothing."""
    ended: list[int] = []
    deadline = Deadline(ended.append)

    deadline.cancel()
    deadline.start(0.0, lambda: 70)
    for thread in [each for each in threading.enumerate() if each.name == "deadline"]:
        thread.join(60)

    assert ended == []
