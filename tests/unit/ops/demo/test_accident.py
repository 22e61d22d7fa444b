"""What a kill in mid-stream is, and what it says; the kill itself is an integration test."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from pipeline.errors import FoundProblem
from pipeline.ops.demo.accident import Accident, restored, strike
from pipeline.ops.demo.reader import Reader
from pipeline.ops.demo.worker import Worker
from pipeline.settings import Settings

KILL = Accident(
    killed_at=1_200,
    chunks=2_400,
    records_before=0,
    requests_open=41,
    chunks_again=7,
    restore_seconds=0.25,
    silence_seconds=12.34,
)


def test_a_kill_in_mid_stream_has_no_complaint() -> None:
    """Chunks to come, requests open, records after it."""
    assert KILL.complaints() == []


@pytest.mark.parametrize(
    ("accident", "why"),
    [
        (replace(KILL, killed_at=2_400), "no chunk was left to send"),
        (replace(KILL, requests_open=0), "no request was open in the saved state"),
        (replace(KILL, silence_seconds=None), "no record was still to come"),
    ],
)
def test_a_kill_beside_the_mark_says_what_it_missed(accident: Accident, why: str) -> None:
    """Sixty of sixty after such a kill would prove nothing."""
    assert accident.complaints() == [f"the kill missed the middle of the stream: {why}"]


def test_the_line_says_where_it_hit_and_how_long_it_took() -> None:
    """Restore and silence are two things: one is ours, the other is a process that starts, too."""
    assert KILL.as_text() == (
        "worker killed at chunk 1,200, 41 requests open … restarted, state restored in 0.2 s, "
        "next record 12.3 s after the kill"
    )
    assert replace(KILL, silence_seconds=None).as_text().endswith("state restored in 0.2 s, no record came")


def test_the_restored_state_is_summed_over_partitions() -> None:
    """A partition that is handed back a second time is counted once, as it was found."""
    events = [
        {"partition": 0, "open": 3, "position": 10},
        {"partition": 1, "open": 4, "position": 20},
        {"partition": 0, "open": 9, "position": 90},
    ]

    assert restored(events) == (7, 30)
    assert restored([]) == (0, 0)


def test_a_worker_that_was_dead_already_is_no_accident_of_ours(tmp_path: Path) -> None:
    """Its end needs an explanation, not a restart that hides it."""
    unusable = tmp_path / "file"
    unusable.touch()
    settings = Settings(bootstrap_servers="127.0.0.1:1", data_dir=unusable)

    async def scenario(worker: Worker) -> None:
        with pytest.raises(FoundProblem, match="ended by itself with status 2"):
            await worker.ready()
        with pytest.raises(FoundProblem, match="ended by itself with status 2"):
            await strike(worker, no_reader(), never, killed_at=1, seconds=0)

    with Worker(settings, tmp_path / "log") as worker:
        asyncio.run(scenario(worker))


def no_reader() -> Reader:
    """One that nobody reads."""
    return Reader(None, "demo.records")


async def never() -> NoReturn:
    """Chunks that nobody may send."""
    raise AssertionError
