"""All faults by name, the order in which a seed plays them, and how one is played until it has an effect.

Imports the siblings and the standard library.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from tests.chaos import deaths, operators, outages
from tests.chaos.stage import Fault, Stage, Turn

TRIES: Final = 3
"""So often a fault is tried in its turn; one without effect by then comes again in the next pass through the deck."""

CORE: Final[dict[str, Fault]] = {
    "kill": deaths.kill,
    "term": deaths.term,
    "pause": deaths.pause,
    "zombie": deaths.zombie,
    "crash": deaths.crash,
    "emptied": deaths.emptied,
    "broker_kill": outages.broker_kill,
}
"""What dies every day; the short round of `make test` draws from these."""

FAULTS: Final[dict[str, Fault]] = CORE | {
    "older_copy": deaths.older_copy,
    "joined": deaths.joined,
    "cut": outages.cut,
    "stall": outages.stall,
    "delay": outages.delay,
    "disk_full": deaths.disk_full,
    "lost_batches": operators.lost_batches,
    "offsets_moved": operators.offsets_moved,
    "rogue": operators.rogue,
    "twin": operators.twin,
    "bounce": outages.bounce,
}


def deck(seed: int, names: Sequence[str]) -> Iterator[tuple[str, str, float]]:
    """Faults without end: each name once, in an order drawn anew each time.

    Yields:
        Name, the seed of its choices, and the seconds of rest before it.
    """
    draw = random.Random(f"{seed}-faults")
    for number in itertools.count():
        for name in draw.sample(names, len(names)):
            yield name, f"{seed}-{number}-{name}", draw.uniform(1.0, 5.0)


async def play(stage: Stage, name: str, seed: str, *, at: float, over: Callable[[], bool]) -> Turn:
    """Play a fault; without effect again, with other choices, unless the load is over.

    Args:
        stage: Where it happens.
        name: Of the fault.
        seed: Of its choices.
        at: Seconds since the load began.
        over: Whether there is nothing left that it could do harm to.
    """
    started = time.monotonic()
    effect, tries = False, 0
    while not effect and tries < TRIES and not (tries and over()):
        effect = await FAULTS[name](stage, random.Random(f"{seed}-{tries}"))
        tries += 1
    turn = Turn(round(at, 1), name, tries, effect, round(time.monotonic() - started, 1))
    stage.turns.append(turn)
    return turn
