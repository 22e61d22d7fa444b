"""One program from its start to its orderly end, and what it took: for tools that do their work and leave.

Owns the waiting. Imports its siblings of `pipeline.ops.bench`.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pipeline.errors import FoundProblem
from pipeline.ops.bench.process import Cost, Participant

LOOK_SECONDS: Final = 0.02
LONGEST_SECONDS: Final = 1_200.0


class Taken(NamedTuple):
    """What a program took.

    Attributes:
        seconds: From its start to its end, the start of Python with it.
        cost: Processor time, memory and disk, as far as it was seen alive.
    """

    seconds: float
    cost: Cost


def ours(*arguments: str) -> list[str]:
    """A command of this project."""
    return [sys.executable, "-P", "-m", "pipeline", *arguments]


async def timed(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Taken:
    """Run a program to its end.

    Raises:
        FoundProblem: it failed, or took too long.
    """
    started, cost = time.monotonic(), Cost(0.0, 0, 0)
    with Participant(command, environment, log) as running:
        while running.ended is None:
            seen = running.cost()
            cost = Cost(max(cost.cpu, seen.cpu), max(cost.peak, seen.peak), max(cost.written, seen.written))
            if time.monotonic() - started > LONGEST_SECONDS:
                raise FoundProblem(f"it was not done after {LONGEST_SECONDS:g} s: {' / '.join(running.tail())}")
            await asyncio.sleep(LOOK_SECONDS)
        seconds = time.monotonic() - started
        if running.ended != 0:
            raise FoundProblem(f"it ended with status {running.ended}: {' / '.join(running.tail())}")
    return Taken(seconds, cost)
