"""Broken invariants and I/O end the process with status 70 and one line, wherever they happen (G4)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pipeline.settings import Settings
from tests.integration.engine.harness import QUICK, Worker, expectations, interleaved, records, send, streams

pytestmark = pytest.mark.usefixtures("ledger_topics")

POINTS = ["assign.before", "restore.after_fence", "apply.before", "finalize.before", "checkpoint.before_store"]


def test_a_failure_anywhere_ends_the_process_and_the_next_one_takes_up(brisk: Settings, tmp_path: Path) -> None:
    """Each worker fails at another point; the last one sends what all of them were to send, once."""
    made = streams(20, seed=11)
    asyncio.run(send(brisk, interleaved(made, together=10, seed=11)))
    for point in POINTS:
        failing = Worker(brisk, tmp_path / point, timing=QUICK, instance="one", failpoints=f"{point}:raise")
        assert failing.wait() == 70, failing.text()
        (ended,) = failing.events("worker ends")
        assert (ended["error"], point in ended["error_text"]) == ("InvariantBroken", True)
    last = Worker(brisk, tmp_path / "last", timing=QUICK, instance="one")
    try:
        assert expectations(made) == records(brisk, at_least=len(made))
    finally:
        last.kill()
