"""What faults act on, and what they look at to see whether they had an effect.

A fault tells whether it did what it is for: a pause that nobody noticed or a disk that did not fill proves nothing.
Imports the siblings and `pipeline.settings`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from pipeline.settings import Settings
from tests.chaos.kafka import ProxiedCluster
from tests.chaos.proxy import Proxies
from tests.chaos.workers import Fleet, Worker

FENCED: Final = ("fenced, working set dropped", "fenced while releasing, working set dropped")
"""Events of a worker that is not the owner any more."""


@dataclass(frozen=True)
class Turn:
    """One fault as it happened.

    Attributes:
        at: Seconds after the start of the load.
        name: Of the fault.
        tries: How often it was tried until it had an effect, or was given up.
        effect: Whether it had one.
        seconds: That it took.
    """

    at: float
    name: str
    tries: int
    effect: bool
    seconds: float

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


@dataclass
class Stage:
    """What faults act on, and what came of them so far."""

    settings: Settings
    fleet: Fleet
    cluster: ProxiedCluster
    proxies: Proxies
    turns: list[Turn] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Broken promises that a fault has seen by itself."""

    def fenced(self) -> int:
        """How often a worker has noticed that another one owns its partition."""
        return sum(map(fenced, self.fleet.everyone))

    def seen(self, event: str) -> int:
        """How often any worker has logged an event."""
        return sum(len(worker.events(event)) for worker in self.fleet.everyone)

    def one(self, draw: random.Random) -> Worker:
        """A worker of the fleet."""
        return draw.choice(self.fleet.workers)


Fault = Callable[[Stage, random.Random], Awaitable[bool]]
"""Does its harm and mends what must be mended; whether it had an effect."""


def fenced(worker: Worker) -> int:
    """How often it has noticed that another one owns its partition."""
    return sum(len(worker.events(event)) for event in FENCED)


async def until(holds: Callable[[], bool], seconds: float) -> bool:
    """Whether a condition comes true in so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.1)
    return True


async def settled(worker: Worker, *, prefix: tuple[str, ...] = ()) -> bool:
    """Start a worker and wait until it has partitions; False if it ended or waited in vain."""
    before = len(worker.events("assigned"))
    worker.start(prefix=prefix)

    def assigned() -> bool:
        return any(event["partitions"] for event in worker.events("assigned")[before:])

    await until(lambda: assigned() or not worker.running, 30)
    return assigned()


def takeover(stage: Stage, gone: Worker) -> Callable[[], bool]:
    """A condition: from now on, the others have come to own every partition and fenced whoever had it."""
    others = [worker for worker in stage.fleet.workers if worker is not gone]
    before = {worker.name: len(worker.events("assigned")) for worker in others}

    def whole() -> bool:
        owned: set[int] = set()
        for worker in others:
            newest = worker.events("assigned")[before[worker.name] :][-1:]
            owned.update(*(event["partitions"] for event in newest if event["ready"]))
        return len(owned) == stage.settings.partitions

    return whole
