"""The reader counts a request once, and notes when its record was first there."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

from pipeline.ops.bench.reader import Counter


class Consumer:
    """Hands out what it was given, a batch each time."""

    def __init__(self, *batches: list[bytes]) -> None:
        self._batches = list(batches)

    async def getmany(self, **_: Any) -> dict[str, list[SimpleNamespace]]:
        """The next batch."""
        keys = self._batches.pop(0)
        return {"p": [SimpleNamespace(key=key) for key in keys]} if keys else {}


def test_a_request_counts_once_and_the_clock_stops_at_the_last_new_one() -> None:
    """Repeats and silence move no clock."""

    async def look(times: int) -> list[tuple[int, int, float]]:
        counter = Counter(Consumer([b"a", b"b", b"a"], [b"c"], [b"c"], []))
        seen = []
        for _ in range(times):
            await counter.look()
            seen.append((counter.found, counter.doubles, counter.last))
        return seen

    before = time.time()
    first, second, third, fourth = asyncio.run(look(4))

    assert (first[:2], second[:2], third[:2]) == ((2, 1), (3, 1), (3, 2))
    assert before <= first[2] <= second[2]
    assert second[2] == third[2] == fourth[2]
