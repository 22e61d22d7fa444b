"""A set of indexes as runs: [first, past, first, past, …], so that a contiguous stream costs two numbers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

Runs = list[int]


def has(runs: Runs, index: int) -> bool:
    """Whether an index is in it."""
    return bisect_right(runs, index) % 2 == 1


def put(runs: Runs, index: int) -> bool:
    """Add an index; False if it was there."""
    if runs and runs[-1] == index:  # the next one, as nearly always
        runs[-1] = index + 1
        return True
    place = bisect_right(runs, index)
    if place % 2:
        return False
    joins_left = place > 0 and runs[place - 1] == index
    joins_right = place < len(runs) and runs[place] == index + 1
    if joins_left and joins_right:
        del runs[place - 1 : place + 1]
    elif joins_left:
        runs[place - 1] = index + 1
    elif joins_right:
        runs[place] = index
    else:
        runs[place:place] = [index, index + 1]
    return True


def joined(several: Iterable[Runs]) -> Runs:
    """All of them in one; linear in the number of runs but for sorting them."""
    pairs = sorted((runs[at], runs[at + 1]) for runs in several for at in range(0, len(runs), 2))
    whole: Runs = []
    for first, past in pairs:
        if whole and first <= whole[-1]:
            whole[-1] = max(whole[-1], past)
        else:
            whole += [first, past]
    return whole


def holes(runs: Runs) -> int:
    """How many indexes are missing below the highest: from 0, or from 1 where that is the lowest (S-ORD-6)."""
    if not runs:
        return 0
    base = runs[0] if runs[0] <= 1 else 0
    return sum(runs[at] - (runs[at - 1] if at else base) for at in range(0, len(runs), 2))


def below(offsets: list[int], limit: int) -> int:
    """How many of rising offsets are at most `limit`."""
    return bisect_left(offsets, limit + 1)
