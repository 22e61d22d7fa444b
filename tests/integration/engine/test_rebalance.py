"""Partitions move: a second worker joins and leaves, and a worker that was paused too long can't commit any more."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from pipeline.settings import Settings
from tests.integration.engine.harness import (
    QUICK,
    Worker,
    committed,
    expectations,
    interleaved,
    records,
    send,
    streams,
)

pytestmark = pytest.mark.usefixtures("ledger_topics")


def test_a_second_worker_takes_over_its_share_and_gives_it_back(brisk: Settings, tmp_path: Path) -> None:
    """Joining and leaving under load moves partitions with their open requests; nothing is lost or doubled."""
    made = streams(300, seed=7)

    async def scenario() -> None:
        sending = asyncio.create_task(send(brisk, interleaved(made, together=40, seed=7), per_second=300))
        first = Worker(brisk, tmp_path / "first", timing=QUICK)
        second = None
        try:
            await asyncio.to_thread(first.wait_for, "folded", count=5)
            second = Worker(brisk, tmp_path / "second", timing=QUICK)
            share = await asyncio.to_thread(second.wait_for, "assigned")
            assert len(share["partitions"]) == 1
            assert first.events("released")[0]["partitions"] == [0, 1]
            await asyncio.to_thread(second.wait_for, "folded")
            assert (await asyncio.to_thread(second.terminate))[0] == 0
            await sending
            await committed(brisk, brisk.record_topic, at_least=len(made))
            assert first.process.poll() is None
        finally:
            first.kill()
            if second is not None and second.process.poll() is None:
                second.kill()

    asyncio.run(scenario())
    assert expectations(made) == records(brisk, at_least=len(made))


def test_a_paused_worker_is_fenced_and_joins_again(brisk: Settings, tmp_path: Path) -> None:
    """Stopped past its session and continued, it holds nothing, and what it had is not visible twice (G2)."""
    made = streams(300, seed=9)

    async def scenario() -> None:
        sending = asyncio.create_task(send(brisk, interleaved(made, together=40, seed=9), per_second=400))
        first = Worker(brisk, tmp_path / "first", timing=QUICK)
        second = None
        try:
            await asyncio.to_thread(first.wait_for, "folded", count=5)
            first.process.send_signal(signal.SIGSTOP)
            second = Worker(brisk, tmp_path / "second", timing=QUICK)
            assert len((await asyncio.to_thread(second.wait_for, "assigned"))["partitions"]) == 2
            await asyncio.to_thread(second.wait_for, "folded", count=3)
            first.process.send_signal(signal.SIGCONT)
            await sending
            await committed(brisk, brisk.record_topic, at_least=len(made))
        finally:
            first.kill()
            if second is not None:
                second.kill()

    asyncio.run(scenario())
    assert expectations(made) == records(brisk, at_least=len(made))
