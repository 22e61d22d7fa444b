"""Killed at every named point, with the same and with an emptied data directory, the ledger comes out the same (G1)."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from pipeline.engine.failpoint import NAMES
from pipeline.settings import Settings
from tests.integration.engine.crash import Crash, lane
from tests.integration.engine.harness import own
from tests.integration.engine.waves import WINDOWS

BOTH: Final = ("before", "after")
SEED: Final = 20_261_125

# fmt: off
LANES: Final = {
    "fold": [f"{step}.{when}" for when in BOTH for step in (
        "decode", "admit", "dead_letter", "late", "fold", "revision", "sweep", "apply", "expire", "finalize")],
    "checkpoint": [
        "snapshot.before", "snapshot.after",
        *(f"checkpoint.{when}_{step}" for when in BOTH for step in (
            "begin", "send", "send_requests", "send_markers", "send_records", "send_dead_letters", "offsets",
            "delivery", "commit", "store", "drop"))],
    "restore": [
        *(f"assign.{when}" for when in BOTH),
        *(f"restore.{when}_{step}" for when in BOTH for step in ("init", "load")),
        *(f"fence.{when}_{step}" for when in BOTH for step in ("begin", "send", "delivery", "commit")),
        "restore.after_fence", "restore.read_0", "restore.read_50", "restore.read_99",
        "revoke.before", "revoke.after_checkpoint", "revoke.after"],
    "distrust": [f"restore.{when}_{step}" for when in BOTH for step in ("distrust", "drop_aside")],
}
# fmt: on
"""Points by the ledger that passes them; the lanes of a test run at once."""


def test_every_point_is_in_a_lane() -> None:
    """A point that is added to the engine is added here, or this fails."""
    listed = [point for points in LANES.values() for point in points]
    assert sorted(listed) == sorted(NAMES)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "directories",
    [
        ("kept", "emptied"),
        pytest.param(("kept",), marks=pytest.mark.long),
        pytest.param(("emptied",), marks=pytest.mark.long),
    ],
    ids="-".join,
)
def test_killed_at_any_point_a_ledger_comes_out_the_same(
    settings: Settings, tmp_path: Path, directories: Sequence[str]
) -> None:
    """One worker after another dies at one point after another; records and dead letters are there once, and right."""

    async def scenario() -> None:
        async with asyncio.TaskGroup() as lanes:
            for name in LANES:
                lanes.create_task(
                    lane(own(settings, name, **WINDOWS), crashes(name, directories), logs(tmp_path, name))
                )

    asyncio.run(scenario())


def crashes(name: str, directories: Sequence[str]) -> list[Crash]:
    """Of a lane, in an order that the seed decides: each point follows another one than in the list.

    Of several kinds of directory a point has one, in turn.
    """
    points = random.Random(f"{SEED}{'-'.join(directories)}").sample(LANES[name], len(LANES[name]))
    return [
        Crash(point, directory, foreign=name == "distrust")
        for point, directory in zip(points, itertools.cycle(directories), strict=False)
    ]


def logs(tmp_path: Path, name: str) -> Path:
    """A folder for the logs of a lane."""
    folder = tmp_path / "logs" / name
    folder.mkdir(parents=True)
    return folder
