"""Exactly once over SIGKILL in mid-stream, with the same and with an emptied data directory (G1).

Killed at named points: `test_failpoints`.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Literal

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


@pytest.mark.parametrize("directory", ["kept", "emptied"])
def test_a_killed_worker_loses_nothing_and_repeats_nothing(
    brisk: Settings, tmp_path: Path, directory: Literal["kept", "emptied"]
) -> None:
    """Two kills while chunks flow: each request has one record, equal to what was sent.

    The worker is a static member, so that its partitions come back to it at once.
    """
    made = streams(300, seed=3)

    async def scenario() -> None:
        chunks = interleaved(made, together=40, seed=3)
        sending = asyncio.create_task(send(brisk, chunks, per_second=450))
        for number, batches in enumerate((10, 2, 1)):  # the second may start when all is sent, on a busy machine
            worker = Worker(brisk, tmp_path / f"log{number}", timing=QUICK, instance="one")
            try:
                await asyncio.to_thread(worker.wait_for, "folded", count=batches)
                if number == 2:
                    await sending
                    await committed(brisk, brisk.record_topic, at_least=len(made))
            finally:
                worker.kill()
            if directory == "emptied":
                shutil.rmtree(brisk.data_dir)

    asyncio.run(scenario())
    assert expectations(made) == records(brisk, at_least=len(made))
